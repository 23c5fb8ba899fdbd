"""The offline pictures: the right subject, never twice, one look; prompts that a person can edit; calm for captions."""

import io
import time
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from reelwright.ground.metering import Action
from reelwright.providers.model import Picture, ProviderRefused, SceneText
from reelwright.providers.offline import drawing, drawing_direction, palette
from reelwright.providers.offline.drawing import ATTRIBUTION, OfflinePictures
from reelwright.providers.offline.drawing_light import Sky
from reelwright.providers.offline.drawing_prompt import Directions, read
from reelwright.providers.offline.illustrations import Illustrations

CATS = (
    "Why do cats purr? The answer is stranger than you think.",
    "Cats purr when they are calm, but also when they hurt.",
    "The sound starts in the larynx, where tiny muscles twitch up to 150 times a second.",
    "That vibration may help bones heal.",
    "So the next time your cat purrs, listen closely.",
)
SIZES = [(1242, 2208), (1242, 1242), (2208, 1242)]


def scenes(*texts: str) -> list[SceneText]:
    return [SceneText(narration=text, visual=text) for text in texts]


async def drawn(prompt: str, size: tuple[int, int] = (621, 1104), *, seed: int = 1, take: int = 0) -> Picture:
    picture, _ = await OfflinePictures().draw(prompt, width=size[0], height=size[1], seed=seed, take=take)
    return picture


def pixels_of(picture: Picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"), np.float32)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Coffee was banned because leaders feared what people said.", {"coffee cup", "prohibited", "fearful face"}),
        ("An octopus has three hearts.", {"octopus"}),
        ("When a scout finds flowers, she returns to the hive and performs a waggle dance.", {"honeybee"}),
        ("Sleep clears waste from your brain.", {"brain"}),
        ("Volcanoes form where molten rock finds a crack.", {"volcano"}),
        ("Antibiotics do not work on viruses.", {"microbe"}),
        ("Marie Curie discovered radium, a radioactive element.", {"radioactive", "atom"}),
        ("The Romans built an empire.", {"classical building"}),
        ("A single teaspoon of a neutron star.", {"star", "glowing star", "teaspoon"}),
        ("Electricity flows as a current of charged electrons.", {"lightning bolt", "atom", "battery"}),
        ("Compound interest makes your savings grow.", {"bank", "moneybag", "sprout"}),
        ("Rockets burn fuel.", {"rocket", "fuel pump", "fire"}),
    ],
)
def test_the_subject_is_found(text: str, wanted: set[str]) -> None:
    """By the meaning of words alone coffee gave a banjo and Romans a seal: keywords come first."""
    catalogue = Illustrations.load()
    assert catalogue.drawings[int(np.argmax(catalogue.scores({text: 1.0})))].name in wanted


@pytest.mark.parametrize("text", ["People work together for a better life.", "The temple of friendship.", "They win."])
def test_delicate_subjects_are_shown_only_when_named(text: str) -> None:
    catalogue = Illustrations.load()
    scores = catalogue.scores({text: 1.0})
    named = [catalogue.drawings[i].name for i in np.argsort(-scores)[:30] if catalogue.drawings[i].delicate]
    assert set(named) <= {"hindu temple"}
    assert catalogue.find("church")
    assert not any("flag" in drawing.name.split() or "keycap" in drawing.name for drawing in catalogue.drawings)


async def test_a_reel_never_shows_a_hero_twice_and_keeps_one_look() -> None:
    prompts = await OfflinePictures().direct(scenes(*CATS), topic="Why do cats purr?", tone="curious", seed=3)
    said = [read(prompt) for prompt in prompts]
    assert all(said)
    directions = [one for one in said if one]
    assert len({one.hero for one in directions}) == len(CATS)
    assert len({one.palette for one in directions}) == 1
    assert all(2 <= len(one.companions) <= 4 and one.hero not in one.companions for one in directions)
    assert all(one.composition in drawing_direction.COMPOSITIONS for one in directions)
    assert all(a.composition != b.composition for a, b in pairwise(directions))
    assert "cat" in directions[1].hero


async def test_twelve_scenes_about_nothing_still_differ() -> None:
    prompts = await OfflinePictures().direct(scenes(*["Blorp zint."] * 12), topic="Zzyx", tone="calm", seed=5)
    heroes = [one.hero for one in map(read, prompts) if one]
    assert len(set(heroes)) == 12
    assert heroes[0] in drawing_direction._NEUTRAL


async def test_no_scenes_no_prompts() -> None:
    assert await OfflinePictures().direct([], topic="x", tone="calm", seed=1) == ()


async def test_the_mood_chooses_the_palette_and_the_seed_varies_it() -> None:
    calm = {read((await OfflinePictures().direct(scenes("Rain."), topic="", tone="calm", seed=s))[0]) for s in range(6)}
    names = {one.palette for one in calm if one}
    assert len(names) > 2
    assert all("calm" in (palette.palette(name or "") or palette.PALETTES[0]).moods for name in names)


def test_a_prompt_reads_back_as_written_in_any_order_and_case() -> None:
    said = Directions(hero="cat", companions=("heart", "house"), composition="rings", palette="teal dusk", seed=7)
    assert said.text() == "hero: cat; with: heart, house; composition: rings; palette: teal dusk; seed: 7"
    assert read(said.text()) == said
    assert read("Seed: 7; PALETTE: Teal Dusk; Composition = rings;with: heart,house ; Hero: Cat") == said
    assert read("a cat on a sofa, soft light") is None
    assert read("hero: cat; seed: many") == Directions(hero="cat")


@pytest.mark.parametrize("composition", drawing_direction.COMPOSITIONS)
@pytest.mark.parametrize("size", SIZES)
async def test_each_composition_leaves_captions_calm(composition: str, size: tuple[int, int]) -> None:
    """Detail belongs above: in the lower quarter neighbouring pixels hardly differ, and text in white stands out."""
    prompt = f"hero: octopus; with: heart, fish, shell; composition: {composition}; palette: deep ocean; seed: 2"
    pixels = pixels_of(await drawn(prompt, (size[0] // 2, size[1] // 2)))
    luma = pixels.mean(axis=2)[: pixels.shape[0] // 4 * 4, : pixels.shape[1] // 4 * 4]
    luma = luma.reshape(len(luma) // 4, 4, -1, 4).mean(axis=(1, 3))  # without the dither, which is no detail
    steps = np.abs(np.diff(luma, axis=1))
    rows = len(luma)
    low, high = steps[rows * 3 // 4 :].mean(), steps[: rows * 2 // 3].mean()
    assert pixels.shape == (size[1] // 2, size[0] // 2, 3)
    assert low < 0.6 * high
    assert luma[rows * 3 // 4 :].mean() < 150


async def test_compositions_look_different() -> None:
    names = drawing_direction.COMPOSITIONS
    small = [
        np.asarray(
            Image.open(
                io.BytesIO((await drawn(f"hero: cat; composition: {name}; palette: teal dusk", (248, 440))).data)
            ).resize((16, 28)),
            np.float32,
        )
        for name in names
    ]
    apart = [np.abs(a - b).mean() for i, a in enumerate(small) for b in small[i + 1 :]]
    assert len(names) >= 6
    assert min(apart) > 6


def test_gradients_show_no_bands() -> None:
    """Over a slow gradient each row's mean follows the true value between two levels; rounding alone would step."""
    dark, light = 0.10, 0.16
    rows = np.asarray(Sky(400, 1600, (dark,) * 3, (light,) * 3).developed(), np.float32)[..., 1]
    share = (np.arange(1600) + 0.5) / 1600
    truth = 255 * (dark + (light - dark) * share * share * (3 - 2 * share))
    assert np.sqrt(np.mean((rows.mean(axis=1) - 0.5 - (truth - 0.5)) ** 2)) < 0.1  # rounding alone: 0.29
    assert np.abs(np.diff(rows, axis=1)).max() <= 1  # hardly any grain, which costs bitrate


async def test_the_file_keeps_what_was_drawn() -> None:
    """JPEG rounds the dither away block by block, and the bands come back."""
    assert (await drawn("hero: cat", (128, 128))).data.startswith(b"\x89PNG")


async def test_the_same_order_gives_the_same_bytes_and_takes_differ() -> None:
    prompt = "hero: cat; with: heart; composition: rings; palette: teal dusk; seed: 7"
    first, again, second = await drawn(prompt), await drawn(prompt, seed=99), await drawn(prompt, take=1)
    assert first.data == again.data
    assert np.abs(pixels_of(first) - pixels_of(second)).mean() > 5


async def test_free_words_and_unknown_names_are_drawn_all_the_same() -> None:
    said = drawing.directions_of("A rocket launching into space at night", seed=4)
    assert said.hero == "rocket"
    for prompt in ("", "!!!", "hero: qqqq; with: ,,; composition: none; palette: none", "hero: " + "cat " * 400):
        assert (await drawn(prompt, (128, 128))).media_type == "image/png"


@pytest.mark.parametrize("size", [(0, 100), (100, 5000), (63, 64)])
async def test_a_size_beyond_reason_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ProviderRefused) as refusal:
        await drawn("hero: cat", size)
    assert (refusal.value.code, refusal.value.field) == ("picture.size_unsupported", "size")


async def test_a_full_size_picture_costs_about_a_second_and_use_says_one_image() -> None:
    pictures = OfflinePictures()
    prompt = "hero: goat; with: strawberry, dancer; composition: hills; palette: teal dusk; seed: 2"
    await pictures.draw(prompt, width=1242, height=2208, seed=1)
    began = time.process_time()
    picture, (use,) = await pictures.draw(prompt, width=1242, height=2208, seed=1, take=1)
    assert time.process_time() - began < 3  # 0.7 s measured alone; this is a shared machine
    assert Image.open(io.BytesIO(picture.data)).size == (picture.width, picture.height) == (1242, 2208)
    assert (use.action, use.quantity, use.images) == (Action.IMAGE, 1, 1)


def test_the_drawings_source_is_named() -> None:
    assert "Twemoji" in ATTRIBUTION
    assert "CC BY 4.0" in ATTRIBUTION

"""The offline judge: good pictures pass, spoiled and wrong ones don't, and it says why."""

import io

import numpy as np
import pytest
from PIL import Image

from reelwright.ground.metering import Action
from reelwright.providers.model import Judgement, Picture, SceneText
from reelwright.providers.offline.drawing import OfflinePictures
from reelwright.providers.offline.illustrations_plain import PLAIN
from reelwright.providers.offline.inspection import OfflineVision

SCENES = {
    "An octopus has three hearts.": "Octopus facts",
    "Sleep clears waste from your brain.": "Why we sleep",
    "Coffee was once banned because leaders feared what people would say.": "Coffee",
    "Volcanoes form where molten rock finds a crack.": "Volcanoes",
    "The detective found a clue.": "Mysteries",
    "Honeybees dance to show where flowers are.": "Bees",
}
OCTOPUS = "hero: octopus; with: heart organ, shell; composition: papercut; palette: deep ocean; seed: 4"
SAYS = "An octopus has three hearts."


async def judged(picture: Picture, text: str = SAYS, prompt: str = OCTOPUS) -> Judgement:
    judgement, _ = await OfflineVision().judge(picture, visual=text, narration=text, prompt=prompt)
    return judgement


def worst(judgement: Judgement) -> int:
    return min(judgement.relevance, judgement.quality, judgement.consistency, judgement.safety)


async def drawn(prompt: str = OCTOPUS, size: tuple[int, int] = (621, 1104), take: int = 0) -> Picture:
    picture, _ = await OfflinePictures().draw(prompt, width=size[0], height=size[1], seed=1, take=take)
    return picture


def encoded(pixels: np.ndarray) -> Picture:
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return Picture(data=file.getvalue(), media_type="image/png", width=pixels.shape[1], height=pixels.shape[0])


async def test_pictures_as_directed_pass_in_every_shape_and_take() -> None:
    """A judge that fails good pictures makes each be drawn three times."""
    told = [SceneText(narration=text, visual=topic) for text, topic in SCENES.items()]
    prompts = await OfflinePictures().direct(told, topic="Strange science", tone="curious", seed=2)
    sizes = [(621, 1104), (621, 621), (1104, 621)]
    for i, (prompt, text) in enumerate(zip(prompts, SCENES, strict=True)):
        judgement = await judged(await drawn(prompt, sizes[i % 3], take=i % 3), text, prompt)
        assert worst(judgement) >= 70, (prompt, judgement)


@pytest.mark.parametrize("composition", ["hills", "waves", "orbit", "drift", "medallion"])
async def test_a_plain_one_colour_hero_is_recognised_too(composition: str) -> None:
    prompt = f"hero: drop of blood; with: heart; composition: {composition}; palette: coral sky; seed: 4"
    assert worst(await judged(await drawn(prompt), "It is a drop of blood.", prompt)) >= 70


async def test_an_unrelated_hero_scores_low_in_relevance_only() -> None:
    prompt = "hero: guitar; with: pizza, umbrella; composition: rings; palette: deep ocean; seed: 4"
    judgement = await judged(await drawn(prompt), SAYS, prompt)
    assert judgement.relevance < 60
    assert judgement.quality >= 70
    assert judgement.consistency >= 70
    assert any("guitar" in reason for reason in judgement.reasons)


@pytest.mark.parametrize("other", ["cat", "brain", "rocket", "coffee cup", "question mark", "house"])
async def test_another_picture_than_ordered_is_found_out(other: str) -> None:
    """The prompt fits, the pixels don't: a mixed-up file must not pass."""
    wrong = await drawn(f"hero: {other}; with: heart organ, shell; composition: papercut; palette: deep ocean; seed: 4")
    judgement = await judged(wrong)
    assert worst(judgement) < 60
    assert any("No octopus" in reason for reason in judgement.reasons)


SPOILED = {
    "black": np.zeros((1104, 621, 3)),
    "white": np.full((1104, 621, 3), 255),
    "grey": np.full((1104, 621, 3), 128),
    "noise": np.random.default_rng(1).integers(0, 256, (1104, 621, 3)),
    "coarse noise": np.random.default_rng(1).integers(0, 256, (69, 39, 3)).repeat(16, 0).repeat(16, 1),
    "gradient": np.linspace(20, 200, 1104)[:, None, None] * np.ones((1, 621, 3)),
    "stripes": np.tile(np.asarray([0, 255]).repeat(40), 9)[None, :621, None] * np.ones((1104, 1, 3)),
}


@pytest.mark.parametrize("name", SPOILED)
async def test_a_spoiled_picture_fails_with_a_reason(name: str) -> None:
    judgement = await judged(encoded(SPOILED[name]))
    assert worst(judgement) < 60
    assert judgement.reasons


@pytest.mark.parametrize("name", ["black", "white", "grey", "noise", "gradient"])
async def test_a_blank_or_noisy_picture_fails_by_quality_alone(name: str) -> None:
    """A real provider's picture has a free prompt, so its pixels alone must give it away."""
    assert (await judged(encoded(SPOILED[name]), prompt="An octopus in the deep sea")).quality < 60


async def test_a_good_picture_for_a_free_prompt_passes() -> None:
    assert worst(await judged(await drawn(), prompt="An octopus in the deep sea, soft light")) >= 70


@pytest.mark.parametrize("spoil", ["dark", "washed", "half", "small", "squeezed"])
async def test_damage_to_a_good_picture_is_seen(spoil: str) -> None:
    good = np.asarray(Image.open(io.BytesIO((await drawn()).data)).convert("RGB"))
    damaged = {
        "dark": good * 0.04,
        "washed": 250 - (250 - good) * 0.02,
        "half": np.concatenate([good[:300], np.full((804, 621, 3), 128)]),
        "small": good[::6, ::6],
        "squeezed": good[::2],
    }[spoil]
    picture = encoded(np.asarray(damaged))
    ordered = Picture(data=picture.data, media_type=picture.media_type, width=621, height=1104)
    judgement = await judged(ordered)
    assert worst(judgement) < 60
    assert judgement.reasons


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\xff\xd8\xff\xe0" + b"\0" * 50])
async def test_what_cannot_be_opened_scores_nothing(data: bytes) -> None:
    judgement = await judged(Picture(data=data, media_type="image/jpeg", width=10, height=10))
    assert worst(judgement) == 0
    assert judgement.reasons == ("The picture can't be opened.",)


async def test_a_truncated_file_scores_nothing() -> None:
    good = await drawn()
    cut = Picture(data=good.data[: len(good.data) // 3], media_type=good.media_type, width=621, height=1104)
    assert worst(await judged(cut)) == 0


async def test_colours_of_another_palette_are_noticed() -> None:
    picture = await drawn("hero: octopus; with: heart organ; composition: rings; palette: amber morning; seed: 4")
    judgement = await judged(picture)
    assert judgement.consistency < 60
    assert any("deep ocean" in reason for reason in judgement.reasons)


async def test_a_weapon_lowers_safety_and_is_named() -> None:
    prompt = "hero: dagger; with: heart; composition: rings; palette: deep ocean; seed: 4"
    judgement = await judged(await drawn(prompt), "Caesar was stabbed with a dagger.", prompt)
    assert judgement.safety < 100
    assert any("dagger" in reason for reason in judgement.reasons)


async def test_use_counts_one_check() -> None:
    _, (use,) = await OfflineVision().judge(await drawn(), visual="", narration="", prompt=OCTOPUS)
    assert (use.action, use.quantity) == (Action.VISION_CHECK, 1)


async def test_a_shape_that_shows_nothing_passes_where_nothing_is_named() -> None:
    for name in list(PLAIN)[::3]:
        prompt = f"hero: {name}; composition: rings; palette: deep ocean; seed: 4"
        assert worst(await judged(await drawn(prompt, (360, 640)), "Blorp zint.", prompt)) >= 70, name

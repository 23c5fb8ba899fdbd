"""A brand kit from its order to the pixels: logo, cards, colours and font, judged by the gate and made again."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import av
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reelwright.cli.reproduce import ReproduceRefused
from reelwright.cli.reproduce import reproduce as command
from reelwright.generations import ArtefactKind, Brand, Profile, Released, Stage
from reelwright.generations.branding import Corner, Kit, Logo, Title
from reelwright.ground.ids import ArtefactId
from tests.worker.reels import begun
from tests.worker.test_preview import done
from worker import reproduction

MAGENTA, GROUND, LIT = (230, 20, 200), (18, 58, 90), (32, 255, 32)
SECOND = 30  # frames


def kit_with(logo: Path) -> Kit:
    drawn = Image.new("RGBA", (200, 100))
    ImageDraw.Draw(drawn).rounded_rectangle((0, 0, 199, 99), radius=20, fill=(*MAGENTA, 255))
    drawn.save(logo)
    [sha256] = reproduction.by_digest([logo])
    return Kit(
        id=UUID(int=8),
        version=1,
        font="anton",
        text="#FFFFFF",
        highlight="#20FF20",
        box="#123A5A",
        logo=Logo(id=UUID(int=9), key="kits/9/logo", sha256=sha256, corner=Corner.TOP_RIGHT, share=0.2),
        intro=Title(text="Cats, daily", duration_ms=1_000),
        outro=Title(text="More tomorrow", duration_ms=1_000),
    )


@pytest.fixture(scope="module")
async def branded(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("branded")
    kit = kit_with(folder / "logo.png")
    brand = Brand(kit=kit, profile=Profile.PREVIEW)
    reel = begun(folder, scenes=1, seconds=4, words=7)
    reel.files[ArtefactId(UUID(int=9))] = folder / "logo.png"
    await done(reel, Stage.VIDEO_GENERATION, "clip", scene=0, brand=brand)
    await done(reel, Stage.AUDIO_MIXING, "mix", brand=brand)
    await done(reel, Stage.VIDEO_ASSEMBLY, "chunk", chunk=0, brand=brand)
    made = await done(reel, Stage.VIDEO_ASSEMBLY, "join", brand=brand)
    files = {file.kind: file.path for file in made.artefacts}
    with av.open(str(files[ArtefactKind.VIDEO])) as opened:
        frames = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
    return SimpleNamespace(folder=folder, reel=reel, brand=brand, made=made, files=files, frames=frames)


def near(frame: NDArray[np.uint8], colour: tuple[int, int, int], *, by: int = 60) -> NDArray[np.bool_]:
    return np.abs(frame.astype(int) - colour).sum(axis=2) < by


def box_of(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what is set."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


async def test_the_whole_gate_holds_with_logo_and_cards(branded: SimpleNamespace) -> None:
    assert isinstance(branded.made.outcome, Released)
    checks = branded.made.outcome.gate["checks"]
    assert [check for check in checks if not check["passed"]] == []  # type: ignore[index, union-attr]
    assert (len(branded.frames), branded.frames[0].shape) == (6 * SECOND, (640, 360, 3))


async def test_the_logo_stands_in_its_corner_of_every_scene_frame_as_wide_as_ordered(branded: SimpleNamespace) -> None:
    for number in (2 * SECOND, 3 * SECOND, 4 * SECOND):
        left, top, right, bottom = box_of(near(branded.frames[number], MAGENTA))
        assert abs((right - left) - 0.2 * 360) <= 3
        assert abs((bottom - top) - 0.1 * 360) <= 3
        assert left > 360 / 2
        assert bottom < 640 / 3


async def test_cards_come_first_and_last_in_the_kits_colours(branded: SimpleNamespace) -> None:
    for number in (SECOND // 2, 5 * SECOND + SECOND // 2):
        card = branded.frames[number]
        assert near(card, GROUND, by=90).mean() > 0.5
        left, _, right, bottom = box_of(near(card, MAGENTA))
        assert abs((left + right) / 2 - 180) <= 4
        assert near(card, (255, 255, 255)).sum() > 500, "no title"
        assert near(card, LIT, by=90)[bottom:].sum() > 30, "no line below it"
    assert near(branded.frames[3 * SECOND], GROUND, by=90).mean() < 0.5


async def test_the_words_are_drawn_in_the_kits_font_and_colours(branded: SimpleNamespace) -> None:
    spoken = [near(frame, LIT, by=90).sum() for frame in branded.frames[2 * SECOND : 3 * SECOND]]
    assert max(spoken) > 100
    told = msgspec.json.decode(branded.files[ArtefactKind.MANIFEST].read_bytes(), type=reproduction.Manifest)
    assert (told.style.font, told.style.highlight) == ("anton", "#20FF20")


async def again(branded: SimpleNamespace, manifest: Path, out: Path) -> Result:
    inputs = branded.folder / "inputs"
    inputs.mkdir(exist_ok=True)
    for number, file in enumerate(branded.reel.files.values()):
        if not (inputs / str(number)).exists():
            (inputs / str(number)).hardlink_to(file)
    return await asyncio.to_thread(CliRunner().invoke, command, [str(manifest), str(inputs), "-o", str(out)])


async def test_its_manifest_tells_no_path_or_key_and_makes_the_same_bytes_again(
    branded: SimpleNamespace, tmp_path: Path
) -> None:
    manifest, out = branded.files[ArtefactKind.MANIFEST], tmp_path / "again.mp4"
    text = manifest.read_text()
    hidden = [str(branded.folder), "kits/9", *(file.key for file in branded.reel.artefacts)]
    assert [word for word in hidden if word in text] == []
    assert branded.brand.kit.logo.sha256 in text

    ended = await again(branded, manifest, out)
    assert ended.output == f"{out}: the same file\n", ended.exception
    assert out.read_bytes() == branded.files[ArtefactKind.VIDEO].read_bytes()


async def test_another_file_is_named_and_what_is_no_manifest_is_refused(
    branded: SimpleNamespace, tmp_path: Path
) -> None:
    told = msgspec.json.decode(branded.files[ArtefactKind.MANIFEST].read_bytes(), type=reproduction.Manifest)
    quiet = msgspec.structs.replace(told, style=msgspec.structs.replace(told.style, logo=None))
    (tmp_path / "quiet.json").write_bytes(msgspec.json.encode(quiet))
    ended = await again(branded, tmp_path / "quiet.json", tmp_path / "other.mp4")
    assert ended.output == f"{tmp_path / 'other.mp4'}: another file, in chunk 0, packets, video\n"
    (tmp_path / "plan.json").write_text("{}")
    refused = await again(branded, tmp_path / "plan.json", tmp_path / "x.mp4")
    assert isinstance(refused.exception, ReproduceRefused)


def test_colours_font_and_logo_name_the_chunks_and_titles_the_sound(tmp_path: Path) -> None:
    kit = kit_with(tmp_path / "logo.png")
    brand = Brand(kit=kit)
    for change in ({"font": "inter"}, {"highlight": "#FFFFFF"}, {"box": None}, {"logo": None}):
        assert replace(brand, kit=replace(kit, **change)).drawn != brand.drawn
    assert replace(brand, kit=replace(kit, outro=None)).cards != brand.cards

"""A scene's picture becomes its motion source."""

from pathlib import Path

import pytest
from PIL import Image

from reelwright.generations import Animated, ArtefactKind, Stage
from reelwright.rendering import BadPicture, planes
from tests.worker.reels import TOOLS, Reel, begun
from worker.stages import video_generation


@pytest.fixture
def reel(tmp_path: Path) -> Reel:
    return begun(tmp_path, scenes=1, seconds=3, words=3, aspect="1:1")


async def test_the_source_is_larger_than_the_frame_and_loads_supersampled(reel: Reel) -> None:
    bench = reel.bench("clip")

    made = await video_generation.perform(reel.task(Stage.VIDEO_GENERATION, scene=0), TOOLS, bench)

    (clip,) = made.artefacts
    assert (made.outcome, made.uses) == (Animated(), ())
    assert (clip.kind, clip.media_type, clip.meta) == (ArtefactKind.CLIP, "image/png", {"width": 1242, "height": 1242})
    loaded = planes.load(clip.path)
    assert (loaded.y.size, loaded.u.size) == ((2484, 2484), (1242, 1242))
    assert bench.told == [1.0]


@pytest.mark.parametrize(("size", "darkest"), [((600, 1800), 136), ((1800, 600), 136), ((900, 1600), 235)])
async def test_a_picture_of_any_shape_fills_the_frame(reel: Reel, size: tuple[int, int], darkest: int) -> None:
    """Never letterboxed: of a white picture, cut or before its own dimmed ground, no pixel is black."""
    Image.new("RGB", size, "white").save(reel.folder / "odd.png")
    reel.put(ArtefactKind.IMAGE, reel.folder / "odd.png", scene=0)

    made = await video_generation.perform(reel.task(Stage.VIDEO_GENERATION, scene=0), TOOLS, reel.bench("clip"))

    assert planes.load(made.artefacts[0].path).y.getextrema() == (darkest, 235)


@pytest.mark.parametrize(
    ("picture", "frame", "shown"),
    [
        ((1080, 1920), (1920, 1080), (1080, 1080)),  # upright in a wide frame: a square of it, and ground at its sides
        ((1920, 1080), (1080, 1920), (1080, 1080)),
        ((1080, 1080), (1080, 1920), (1080, 1440)),
        ((1080, 1920), (1080, 1080), (1080, 1080)),  # large enough to be cut
        ((1024, 1536), (1080, 1920), (1080, 1920)),  # near enough
        ((8000, 4000), (1080, 1920), (1080, 1920)),
    ],
)
def test_no_picture_is_blown_up_to_be_cut(
    picture: tuple[int, int], frame: tuple[int, int], shown: tuple[int, int]
) -> None:
    """What stands before the ground is undimmed, in the middle, and never enlarged by half."""
    made = planes.framed(Image.new("RGB", picture, "white"), *frame)
    left, top, right, bottom = made.convert("L").point(lambda level: level > 250 and 255).getbbox()
    assert made.size == frame
    assert (right - left, bottom - top) == pytest.approx(shown, abs=2)
    assert (left, top) == pytest.approx(((frame[0] - shown[0]) / 2, (frame[1] - shown[1]) / 2), abs=2)
    assert max(shown[0] / picture[0], shown[1] / picture[1]) < 1.5


async def test_the_same_picture_makes_the_same_name_and_another_one_another(reel: Reel) -> None:
    task = reel.task(Stage.VIDEO_GENERATION, scene=0)
    first = await video_generation.perform(task, TOOLS, reel.bench("one"))
    again = await video_generation.perform(task, TOOLS, reel.bench("two"))
    Image.new("RGB", (400, 400), "teal").save(reel.folder / "other.png")
    reel.put(ArtefactKind.IMAGE, reel.folder / "other.png", scene=0)
    other = await video_generation.perform(reel.task(Stage.VIDEO_GENERATION, scene=0), TOOLS, reel.bench("three"))

    assert first.artefacts[0].inputs_hash == again.artefacts[0].inputs_hash
    assert first.artefacts[0].path.read_bytes() == again.artefacts[0].path.read_bytes()
    assert first.artefacts[0].inputs_hash != other.artefacts[0].inputs_hash


async def test_a_broken_picture_is_refused_with_a_remedy(reel: Reel) -> None:
    (reel.folder / "bad.png").write_bytes(b"\x89PNG broken")
    reel.put(ArtefactKind.IMAGE, reel.folder / "bad.png", scene=0)

    with pytest.raises(BadPicture, match="make it again"):
        await video_generation.perform(reel.task(Stage.VIDEO_GENERATION, scene=0), TOOLS, reel.bench("clip"))


async def test_a_scene_without_a_picture_is_a_mistake(reel: Reel) -> None:
    reel.artefacts.clear()
    with pytest.raises(LookupError, match="no picture"):
        await video_generation.perform(reel.task(Stage.VIDEO_GENERATION, scene=0), TOOLS, reel.bench("clip"))

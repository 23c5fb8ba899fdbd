"""Painted frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reelwright.rendering import BadPicture, Painter, Timeline, planes
from reelwright.rendering.frames import TRANSITIONS
from reelwright.rendering.planes import Planes
from tests.rooms.rendering.fixture import picture, plan, take

SIZE = {"width": 270, "height": 480}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("sources")
    made: dict[int, Path] = {}
    for i in range(2):
        picture(folder / f"{i}.png", seed=i, size=(400, 600))
        made[i] = folder / f"source_{i}.png"
        planes.prepare(folder / f"{i}.png", made[i], **SIZE)
    return made


def small(*, transition: str = "fade", words: tuple = ()) -> Timeline:
    quiet = take(transition=transition, words=words)
    return plan(quiet, take(words=()), target_ms=6000, **SIZE)


def data(frame: Planes) -> bytes:
    return frame.y.tobytes() + frame.u.tobytes() + frame.v.tobytes()


def distance(one: Planes, other: Planes) -> float:
    return float(np.abs(np.asarray(one.y, dtype=float) - np.asarray(other.y, dtype=float)).mean())


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (63, 102, 240)),
        ((0, 255, 0), (173, 42, 26)),
        ((0, 0, 255), (32, 240, 118)),
    ],
)
def test_colours_become_the_limited_range_values_of_bt709(rgb: tuple[int, int, int], yuv: tuple[int, int, int]) -> None:
    made = planes.from_rgb(Image.new("RGB", (4, 4), rgb))
    got = [plane.getpixel((1, 1)) for plane in (made.y, made.u, made.v)]
    assert got == pytest.approx(yuv, abs=1)


def test_a_frame_is_full_luma_and_half_colour(sources: dict[int, Path]) -> None:
    frame = Painter(small(), sources).frame(0)
    assert (frame.y.size, frame.u.size, frame.v.size) == ((270, 480), (135, 240), (135, 240))


def test_a_frame_is_the_same_wherever_its_chunk_begins(sources: dict[int, Path]) -> None:
    """Chunks are painted side by side by processes that have seen no other frame."""
    through = list(Painter(small(), sources).frames(80, 100))
    alone = [Painter(small(), sources).frame(n) for n in (80, 89, 90, 99)]
    assert [data(through[n - 80]) for n in (80, 89, 90, 99)] == [data(frame) for frame in alone]


@pytest.mark.parametrize("kind", TRANSITIONS)
def test_a_transition_leads_from_one_scene_to_the_other_in_small_steps(kind: str, sources: dict[int, Path]) -> None:
    painter = Painter(small(transition=kind), sources)
    frames = {n: painter.frame(n) for n in range(82, 98)}
    apart = distance(frames[82], frames[97])

    assert distance(frames[82], frames[84]) < apart * 0.45
    assert distance(frames[97], frames[95]) < apart * 0.45
    largest = max(distance(frames[n], frames[n + 1]) for n in range(82, 97))
    assert largest < apart * 1.1
    assert distance(frames[82], frames[90]) > apart * 0.2


def test_no_two_transitions_look_alike(sources: dict[int, Path]) -> None:
    middles = {data(Painter(small(transition=kind), sources).frame(87)) for kind in TRANSITIONS}
    assert len(middles) == len(TRANSITIONS) == 5


def test_the_lit_word_changes_and_captions_change_nothing_else(sources: dict[int, Path]) -> None:
    spoken = take().words
    plain, captioned = Painter(small(), sources), Painter(small(words=spoken), sources)
    changed = [
        np.asarray(captioned.frame(n).y, dtype=int) - np.asarray(plain.frame(n).y, dtype=int) for n in (2, 10, 30, 85)
    ]

    before, first, second, after = changed
    assert not before.any()
    assert not after.any()
    assert first.any()
    rows = np.flatnonzero(first.any(axis=1))
    assert rows.min() > 240
    assert rows.max() < 480 * 0.85
    assert ((first != 0) != (second != 0)).mean() < 0.02
    assert np.abs(np.asarray(captioned.frame(10).u, int) - np.asarray(captioned.frame(30).u, int)).max() > 40


def test_a_picture_with_transparency_lies_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (300, 300), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert planes.checked(tmp_path / "clear.png").getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "can't be read"), (b"<svg/>", "can't be read"), (b"\x89PNG\r\n\x1a\n" + b"\x00" * 64, "can't be read")],
)
def test_a_file_that_is_no_picture_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(BadPicture, match=says) as refusal:
        planes.prepare(tmp_path / "bad", tmp_path / "out.png", **SIZE)
    assert (refusal.value.code, refusal.value.field) == ("picture.unusable", "image")
    assert not (tmp_path / "out.png").exists()


def test_a_truncated_a_tiny_and_a_huge_picture_are_refused(tmp_path: Path) -> None:
    whole = picture(tmp_path / "whole.png", size=(400, 600)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.new("L", (200, 900)).save(tmp_path / "tiny.png")
    Image.new("1", (20_000, 2_500)).save(tmp_path / "huge.png")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    for name, says in (("cut", "can't be read"), ("tiny", "256"), ("huge", "40 million"), ("bomb", "can't be read")):
        with pytest.raises(BadPicture, match=says):
            planes.checked(tmp_path / f"{name}.png")


def test_a_damaged_source_is_not_painted(tmp_path: Path) -> None:
    Image.new("RGB", (400, 600)).save(tmp_path / "source.png")
    with pytest.raises(ValueError, match="not a motion source"):
        planes.load(tmp_path / "source.png")

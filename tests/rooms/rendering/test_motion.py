"""Where the camera looks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reelwright.rendering import Painter, Shot, motion, planes
from tests.rooms.rendering.fixture import plan, take

KINDS = ("push_in", "pull_out", "pan_left", "pan_right", "pan_up", "pan_down")


@pytest.mark.parametrize("kind", KINDS)
def test_the_view_stays_inside_the_picture_and_keeps_its_shape(kind: str) -> None:
    for step in range(101):
        left, top, right, bottom = motion.box(kind, 0.12, step / 100, width=1242, height=2208)
        assert -1e-6 <= left < right <= 1242 + 1e-6
        assert -1e-6 <= top < bottom <= 2208 + 1e-6
        assert (right - left) / (bottom - top) == pytest.approx(1242 / 2208)


@pytest.mark.parametrize("kind", KINDS)
def test_the_camera_never_steps_back_never_stands_and_never_jerks(kind: str) -> None:
    """At 30 fps over five seconds: every step goes one way, and speed changes by less than 0.05 px a frame."""
    boxes = np.array([motion.box(kind, 0.12, n / 149, width=1080, height=1920) for n in range(150)])
    steps = np.diff(boxes, axis=0)
    moving = np.abs(steps).max(axis=0) > 1e-9

    assert moving.any()
    assert (np.abs(steps[:, moving]) > 0.05).all()
    assert (np.sign(steps[:, moving]) == np.sign(steps[0, moving])).all()
    assert np.abs(np.diff(steps, axis=0)).max() <= 0.05


def test_a_left_pan_looks_left_and_a_push_comes_closer() -> None:
    start, end = (motion.box("pan_left", 0.1, p, width=100, height=100) for p in (0.0, 1.0))
    assert start[0] > end[0] == 0.0
    start, end = (motion.box("push_in", 0.25, p, width=100, height=100) for p in (0.0, 1.0))
    assert start == (0, 0, 100, 100)
    assert end == pytest.approx((10, 10, 90, 90))


def test_an_unknown_motion_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no such motion: spin"):
        motion.box("spin", 0.1, 0.5, width=100, height=100)


def test_what_is_drawn_moves_by_parts_of_a_pixel(tmp_path: Path) -> None:
    """A soft dot, painted and located frame by frame, stays within a tenth of a pixel of where the camera puts it."""
    wide, high = planes.source_size(540, 960)
    y, x = np.mgrid[0:high, 0:wide]
    spot = (wide * 0.3, high * 0.27)
    dot = 40 + 190 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * 3.0**2))
    Image.fromarray(dot.astype(np.uint8)).convert("RGB").save(tmp_path / "dot.png")
    planes.prepare(tmp_path / "dot.png", tmp_path / "source.png", width=540, height=960)
    timeline = plan(take(words=()), target_ms=5000, width=540, height=960)
    painter = Painter(timeline, {0: tmp_path / "source.png"})

    off: list[tuple[float, float]] = []
    for n in range(20, 60):
        left, top, right, bottom = motion.box("push_in", 0.12, n / 149, width=wide, height=high)
        due = ((spot[0] + 0.5 - left) * 540 / (right - left), (spot[1] + 0.5 - top) * 960 / (bottom - top))
        luma = np.asarray(painter.frame(n).y, dtype=float)
        part = luma[int(due[1]) - 30 : int(due[1]) + 31, int(due[0]) - 30 : int(due[0]) + 31]
        weight = np.clip(part - part.min() - 4, 0, None)
        rows, columns = np.mgrid[0:61, 0:61]
        at = ((weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum())
        off.append((at[0] + int(due[0]) - 29.5 - due[0], at[1] + int(due[1]) - 29.5 - due[1]))
    jitter = np.array(off) - np.mean(off, axis=0)

    assert np.sqrt((jitter**2).mean(axis=0)).max() < 0.05
    assert np.abs(jitter).max() < 0.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("amount", [0.0, 0.12, 0.3, 0.5])
def test_a_short_scene_moves_as_gently_as_a_long_one(kind: str, amount: float) -> None:
    """Whatever was asked, in every shape: no jerk beyond 0.05 px, no step back, no zoom beyond 5 % a second."""
    for frames in (2, 12, 45, 94, 150):
        shot = Shot(0, 0, frames, 0, 0, kind, amount, "fade")
        for width, height in ((1080, 1920), (1920, 1080), (1080, 1080)):
            way = [shot.window(n, width=width, height=height) for n in shot.seen]
            found = motion.smoothness(way, width=width, height=height)
            assert found.jerk_px <= 0.05
            assert (found.back, found.zoom_a_s <= 0.05) == (0, True)
            assert way[0] != way[-1]


def test_jerks_steps_back_and_a_rushing_zoom_are_measured() -> None:
    def found(*lefts: float, wide: float = 100) -> motion.Smoothness:
        return motion.smoothness([(x, 0, x + wide, 100) for x in lefts], width=200, height=100)

    assert found(0, 1, 2, 3) == motion.Smoothness(0.0, 0, 0.0)
    assert found(0, 1, 2, 4).jerk_px == pytest.approx(2)  # one pixel of the picture, seen through half of it
    assert found(0, 2, 1, 3).back == 1
    zoomed = motion.smoothness([(0, 0, 100, 100), (0, 0, 99, 99)], width=100, height=100)
    assert zoomed.zoom_a_s == pytest.approx(30 / 99)

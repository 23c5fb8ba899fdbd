"""Whether a reel's scenes look different from each other, by small pictures of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from PIL import Image

from reelwright.rendering import thumbnails, wording
from reelwright.rendering.motion import Box
from reelwright.rendering.style import CLASSIC, Style
from reelwright.rendering.timeline import FPS, Shot, Timeline

TWIN_BITS = 4
"""Of 64 bits of a difference hash by which two pictures may differ and still look the same, as when they are checked"""

_COLUMNS, _ROWS = 90, 96


@dataclass(frozen=True, slots=True)
class Variety:
    """How many scenes were compared, and which two of them show the same picture, by their numbers from 0."""

    scenes: int
    twins: tuple[tuple[int, int], ...]

    def without(self, excused: Sequence[tuple[int, int]]) -> "Variety":
        """Return the same without twins that are meant to be."""
        return Variety(self.scenes, tuple(pair for pair in self.twins if pair not in excused))


@dataclass(frozen=True, slots=True)
class _Shown:
    """A small picture of a scene, the part of the scene's picture that it shows, 0..1, and the rows under captions."""

    picture: Image.Image
    window: Box
    covered: tuple[float, float]


def variety(timeline: Timeline, tiles: Sequence[tuple[float, Path]], style: Style = CLASSIC) -> Variety:
    """Compare the scenes by the small picture of each that is next to its middle; `tiles` have their seconds.

    Two look the same where the colours are alike and the difference hash (N. Krawetz) of what both cameras see; rows
    that captions cover don't count. A scene of which no small picture shows it alone isn't compared.
    """
    area = wording.covered(timeline, style)
    covered = (area.top / timeline.height, area.bottom / timeline.height) if area else (0.0, 0.0)
    shown: dict[int, _Shown] = {}
    for shot in timeline.shots:
        frame, path = _middle(shot, timeline, tiles)
        if path is not None:
            with Image.open(path) as file:
                shown[shot.scene] = _Shown(file.convert("RGB"), shot.window(frame, width=1, height=1), covered)
    colours = {scene: thumbnails.colours(one.picture) for scene, one in shown.items()}
    twins = tuple(
        (one, other)
        for one, other in combinations(shown, 2)
        if thumbnails.apart(colours[one], colours[other]) < thumbnails.APART_SHARE
        and alike(*(thumbnails.bits(seen) for seen in _both(shown[one], shown[other])))
    )
    return Variety(len(shown), twins)


def _both(one: _Shown, other: _Shown) -> tuple[Image.Image, Image.Image]:
    """Return what two cameras would see of the same part of their pictures, without the rows that captions cover."""
    edges = zip(one.window, other.window, (max, max, min, min), strict=True)
    left, top, right, bottom = (nearer(a, b) for a, b, nearer in edges)
    free = set(range(_ROWS))
    for shown in (one, other):
        _, start, _, end = shown.window
        rows = ((start + row * (end - start) - top) / (bottom - top) * _ROWS for row in shown.covered)
        first, last = rows
        free -= set(range(math.floor(first), math.ceil(last)))
    return _seen(one, (left, top, right, bottom), free), _seen(other, (left, top, right, bottom), free)


def _seen(shown: _Shown, part: Box, free: set[int]) -> Image.Image:
    left, top, right, bottom = shown.window
    wide, high = shown.picture.width / (right - left), shown.picture.height / (bottom - top)
    within = ((part[0] - left) * wide, (part[1] - top) * high, (part[2] - left) * wide, (part[3] - top) * high)
    whole = shown.picture.resize((_COLUMNS, _ROWS), Image.Resampling.BOX, box=within)
    rows = [whole.crop((0, row, _COLUMNS, row + 1)) for row in sorted(free or range(_ROWS))]
    seen = Image.new("RGB", (_COLUMNS, len(rows)))
    for y, row in enumerate(rows):
        seen.paste(row, (0, y))
    return seen


def print_of(path: Path) -> int:
    """Return a picture's difference hash. Raises OSError."""
    with Image.open(path) as file:
        return thumbnails.bits(file)


def alike(one: int, other: int) -> bool:
    """Return whether two pictures, given by their difference hashes, look the same."""
    return (one ^ other).bit_count() <= TWIN_BITS


def _middle(shot: Shot, timeline: Timeline, tiles: Sequence[tuple[float, Path]]) -> tuple[int, Path | None]:
    """Return the small picture that shows a scene alone, next to its middle, and its frame."""
    middle = (shot.start + shot.end) / 2
    alone = [
        (abs(frame - middle), frame, path)
        for second, path in tiles
        if shot.start <= (frame := round(second * FPS)) < shot.end
        and len(timeline.seen(frame, frame + 1)) == 1
        and timeline.card(frame) is None
    ]
    return min(alone, default=(0.0, 0, None))[1:]

"""Finds lettering in a picture: letters are alike in height and stroke, stand on one line, and differ in shape.

Ink is what is lighter, or darker, than its surroundings; each connected piece of it may be a letter. What a picture is
full of makes rows by chance (grass, gravel, roof tiles), so the more pieces there are, the longer a row must be.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

SIDE = 540
"""Pixels of the shorter side that is looked at, and, for large letters, a third of it."""
_SHRUNK = (1, 3)
_HEIGHT, _WIDTH, _FILLED, _MARGIN = (8, 46), (0.12, 1.7), 0.15, 2  # pixels, of the height, share of the box, pixels
_STROKE, _BAR, _BAR_WIDTH = (0.07, 0.36), 0.8, 0.4  # of the height; a box so full is a bar, no letter if it is wide
_THIN, _THIN_BAR = 0.3, 0.5  # of the height; how full a thin bar looks, whose edges are greys
_INK, _CONTRAST, _EVEN, _AROUND = 28.0, 40.0, 0.6, 10  # luma; of the contrast; pixels
_GAP, _OVERLAP, _BASE, _ALIKE_HEIGHT = 1.0, 0.15, 0.12, 0.6  # of the height
_ALIKE_STROKE, _ALIKE_LUMA, _OTHER_SHAPE = 1.6, 20.0, 0.2
_LEAST, _CHANCE = 3, 5  # letters of a row; one more for so many other pieces

Luma = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Piece:
    left: int
    top: int
    right: int
    bottom: int
    stroke: float
    luma: float
    bar: bool
    ink: NDArray[np.bool_]

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def shape(self) -> Luma:
        """Its ink in ten by ten fields, 0..1."""
        drawn = Image.fromarray(self.ink.astype(np.uint8) * 255)
        return np.asarray(drawn.resize((10, 10), Image.Resampling.BOX), dtype=np.float32) / np.float32(255)

    def as_high_as(self, other: "_Piece") -> bool:
        """Return whether both may be of one line: small letters have six tenths of a capital's height."""
        return min(self.height, other.height) >= _ALIKE_HEIGHT * max(self.height, other.height)

    def goes_on_with(self, other: "_Piece") -> bool:
        """Return whether the other, which begins further right, may be the next letter of its line."""
        taller = max(self.height, other.height)
        return (
            -_OVERLAP * taller <= other.left - self.right <= _GAP * taller
            and abs(self.bottom - other.bottom) <= _BASE * taller
            and self.as_high_as(other)
            and 1 / _ALIKE_STROKE < self.stroke / other.stroke < _ALIKE_STROKE
            and abs(self.luma - other.luma) <= _ALIKE_LUMA
        )


def lettered(picture: Image.Image) -> bool:
    """Say whether there are letters in a picture's luma, whose shorter side is `SIDE`."""
    for shrunk in _SHRUNK:
        small = picture.reduce(shrunk)
        luma = np.asarray(small, dtype=np.float32)
        above = luma - np.asarray(small.filter(ImageFilter.BoxBlur(_AROUND)), dtype=np.float32)
        if any(_spelled([*_pieces(ink, luma, np.abs(above))]) for ink in (above > _INK, above < -_INK)):
            return True
    return False


def _pieces(ink: NDArray[np.bool_], luma: Luma, contrast: Luma) -> Iterator[_Piece]:
    """Yield what may be a letter by its size, stroke (twice its area by its outline) and evenness."""
    labels, many = cast("tuple[NDArray[np.int32], int]", ndimage.label(ink))
    on = np.flatnonzero(ink)
    of = labels.ravel()[on]

    def summed(values: NDArray[np.generic]) -> NDArray[np.float64]:
        return np.bincount(of, weights=values.ravel()[on], minlength=many + 1).astype(np.float64)

    area, outline = summed(ink), summed(_outline(ink))
    mean, strong = (summed(values) / np.maximum(area, 1) for values in (luma, contrast))
    uneven = np.sqrt(np.maximum(summed(luma * luma) / np.maximum(area, 1) - mean * mean, 0))
    stroke = 2.4 * area / np.maximum(outline, 1)  # a slanted outline has more pixels than it is long
    likely = (strong >= _CONTRAST) & (uneven <= _EVEN * strong)
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if not (likely[number] and _HEIGHT[0] <= height <= _HEIGHT[1] and _fits(_WIDTH, width / height)):
            continue
        full = area[number] / (width * height)
        at_edge = min(rows.start, columns.start, ink.shape[0] - rows.stop, ink.shape[1] - columns.stop) < _MARGIN
        bar = full > (_BAR if width > _THIN * height else _THIN_BAR)
        if (
            not at_edge
            and not (bar and width > _BAR_WIDTH * height)
            and full >= _FILLED
            and _fits(_STROKE, stroke[number] / height)
        ):
            box = (columns.start, rows.start, columns.stop, rows.stop)
            alone = labels[rows, columns] == number
            yield _Piece(*box, float(stroke[number]), float(mean[number]), bool(bar), alone)


def _outline(ink: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return how many of each pixel's four neighbours are no ink."""
    sides = np.zeros(ink.shape, dtype=np.uint8)
    down, across = ink[1:] != ink[:-1], ink[:, 1:] != ink[:, :-1]
    sides[1:] += down
    sides[:-1] += down
    sides[:, 1:] += across
    sides[:, :-1] += across
    return sides


def _fits(limits: tuple[float, float], value: float) -> bool:
    return limits[0] <= value <= limits[1]


def _spelled(pieces: Sequence[_Piece]) -> bool:
    for row in _rows(sorted(pieces, key=lambda piece: piece.left)):
        as_high = sum(row[0].as_high_as(piece) for piece in pieces)
        if len(row) >= _LEAST + (as_high - len(row)) // _CHANCE:
            return True
    return False


def _rows(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """Yield rows, each from another first piece; not those that repeat one thing, or bars alone."""
    for at, first in enumerate(pieces):
        row = [first]
        for piece in pieces[at + 1 :]:
            if piece.left - row[-1].right > 2 * _HEIGHT[1]:
                break
            if row[-1].goes_on_with(piece):
                row.append(piece)
        if len(row) >= _LEAST and sum(not piece.bar for piece in row) > 1 and _differ(row):
            yield row


def _differ(row: Sequence[_Piece]) -> bool:
    return any(float(np.abs(one.shape - other.shape).mean()) > _OTHER_SHAPE for one, other in pairwise(row))

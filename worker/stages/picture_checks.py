"""Measures a picture beside its judge: what no praise, and no lettering in it, can talk away."""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.stages import picture_letters

# Found by measuring 48 of our drawings and 23 photographs, whole, blurred, enlarged, flattened, barred, lettered: its
# tests tell what came out. Scores are caps: what is measured can only take praise away.
_LEAST_SHARE = 0.6  # of the frame's width and height: below, a phone's screen shows its pixels
_SHORTEST, _LONGEST = 16, 2_000  # pixels of what is measured
_BLANK_DEVIATION, _BLANK_EXTREME, _EXTREME = 6.0, 0.85, 3  # luma of 255; share of pixels that are pure black or white
_PLAIN, _PLAIN_SHARE = 6.0, 0.97  # luma around the median; share of pixels that are no farther from it
_LEAST_RANGE = 30.0  # luma between the 5th and the 95th percentile
_TILE, _STRUCTURE, _ROUNDING, _GRAIN = 8, 64.0, 0.5, 150.0  # eighths of the frame's pixels; energies of the Laplacian
_SHARP, _SHARP_SHARE, _FEWEST = 0.043, 0.03, 4  # fine energy by coarse; of all tiles
_BAR, _BAR_EVEN, _BAR_ALIKE, _EDGE, _EDGE_SHARE, _RINGING = 0.03, 2.5, 6.0, 12.0, 0.6, 6  # of the side; luma; rows

_Luma = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Found:
    """A fault: what its quality may be at most, 0..100, and why, as a person or a model would want to know it."""

    cap: int
    reason: str


def print_of(data: bytes) -> str:
    """Return a picture's difference hash as 16 hex digits: alike for pictures that look alike (N. Krawetz, 2013)."""
    luma = np.asarray(_opened(data).resize((9, 8), Image.Resampling.LANCZOS), dtype=np.int16)
    bits = (luma[:, 1:] > luma[:, :-1]).ravel()
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"


def faults(data: bytes, *, frame: tuple[int, int], letters: bool = False) -> list[Found]:
    """Return what is wrong with a picture for a frame of that size, the worst first. `letters`: they are wanted."""
    picture = _opened(data)
    scale = min(picture_letters.SIDE / min(picture.size), _LONGEST / max(picture.size))
    width, height = (max(_SHORTEST, round(side * scale)) for side in picture.size)
    seen = picture.resize((width, height), Image.Resampling.BOX)
    luma = np.asarray(seen, dtype=np.float32)
    found = [*_empty(luma), *_coarse(picture, frame), *_barred(luma)]
    if not letters and not found and picture_letters.lettered(seen):
        found.append(Found(50, "There is lettering in it."))
    return sorted(found, key=lambda fault: fault.cap)


@lru_cache(maxsize=8)
def _opened(data: bytes) -> Image.Image:
    """Return a picture's luma. Its print is taken when it was made, its faults are looked for soon after: 60 ms saved.

    Eight of them and their files are some 40 MB. Nobody may draw on what comes back.
    """
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as opened:
        return opened.convert("L")


def _empty(luma: _Luma) -> list[Found]:
    small = _halved(luma)
    extreme = float(((small < _EXTREME) | (small > 255 - _EXTREME)).mean())
    plain = float((np.abs(small - np.median(small)) < _PLAIN).mean())
    if small.std() < _BLANK_DEVIATION or extreme > _BLANK_EXTREME or plain > _PLAIN_SHARE:
        return [Found(20, "It is nearly blank.")]
    low, high = np.percentile(small, (5, 95))
    if high - low < _LEAST_RANGE:
        return [Found(40, "It has hardly any contrast.")]
    return [Found(40, "It is blurred all over.")] if _sharpness(luma, small) < _SHARP else []


def _sharpness(luma: _Luma, halved: _Luma) -> float:
    """Return how much finer than an eighth its edges are, where they are sharpest: 1/4 for an ideal step, 0 for none.

    By the energy of the Laplacian (Pech-Pacheco et al. 2000, "Diatom autofocusing") in halves of the frame's pixels and
    in eighths. One tile in twenty must be so sharp: what lies behind the subject may be as soft as it likes.
    """
    fine, coarse = _energy(luma, 4 * _TILE), _energy(_halved(halved), _TILE)
    rows, columns = (min(sides) for sides in zip(fine.shape, coarse.shape, strict=True))
    fine, coarse = fine[:rows, :columns], coarse[:rows, :columns]
    grain = min(float(np.percentile(fine, 10)), _GRAIN) if fine.size else 0.0
    drawn = coarse > _STRUCTURE + 4 * grain
    ratios = np.sort((fine[drawn] - max(grain, _ROUNDING)) / coarse[drawn])[::-1]
    wanted = max(_FEWEST, round(_SHARP_SHARE * drawn.size))
    return float(ratios[min(wanted, ratios.size) - 1]) if ratios.size >= _FEWEST else 0.0


def _halved(luma: _Luma) -> _Luma:
    even = luma[: luma.shape[0] // 2 * 2, : luma.shape[1] // 2 * 2]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / np.float32(4)


def _energy(luma: _Luma, side: int) -> _Luma:
    """Return the mean square of the Laplacian in each tile of that side."""
    detail = 4 * luma[1:-1, 1:-1] - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    rows, columns = (length // side for length in detail.shape)
    tiles = np.square(detail[: rows * side, : columns * side]).reshape(rows, side, columns, side)
    return tiles.mean(axis=(1, 3)).astype(np.float32)


def _coarse(picture: Image.Image, frame: tuple[int, int]) -> list[Found]:
    share = min(own / wanted for own, wanted in zip(picture.size, frame, strict=True))
    return [Found(40, "It is too small for the screen.")] if share < _LEAST_SHARE else []


def _barred(luma: _Luma) -> list[Found]:
    """Find bars: on two opposite sides the same plain colour, which ends in one straight edge."""
    if any(_between_bars(sides) for sides in (luma, luma.T)):
        return [Found(40, "There are bars at its edges.")]
    return []


def _between_bars(luma: _Luma) -> bool:
    first, last = _bar(luma), _bar(luma[::-1])
    return first is not None and last is not None and abs(first - last) < _BAR_ALIKE


def _bar(luma: _Luma) -> float | None:
    """Return the luma of the bar that a picture's first rows are, None where they are none."""
    colour = float(luma[0].mean())
    plain = (luma.std(axis=1) < _BAR_EVEN) & (np.abs(luma.mean(axis=1) - colour) < _BAR_EVEN)
    high = int(np.argmin(plain))  # 0 where all rows are plain, too
    if high < _BAR * len(luma) or high + _RINGING >= len(luma):
        return None
    behind = np.abs(luma[high + _RINGING] - colour) > _EDGE
    return colour if behind.mean() >= _EDGE_SHARE else None

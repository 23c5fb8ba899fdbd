"""Measures a picture beside its judge: what no praise, and no lettering in it, can talk away."""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

# Found by measuring the bundled drawings (Laplacian 165 to 500, range 120 to 155), photographs of noise, and both
# blurred, flattened and lettered. Scores are caps: what is measured can only take praise away.
_SIDE = 384  # pixels of the longer side that is measured
_LEAST_SIDE = 480  # of the picture's own shorter side: below, a phone's screen shows its pixels
_BLANK_DEVIATION, _BLANK_EXTREME, _EXTREME = 6.0, 0.85, 3  # luma of 255; share of pixels that are pure black or white
_LEAST_RANGE = 30.0  # luma between the 5th and the 95th percentile
_LEAST_DETAIL = 8.0  # variance of the Laplacian (Pech-Pacheco et al. 2000, "Diatom autofocusing")
_TEXT_SIDE, _INK, _STROKES, _CALM = 480, 45, 24, 0.25
_LINE = range(5, 61)  # rows that a line of letters is high, of a picture 480 wide
_BESIDE = 8  # rows above and below a line that are calm

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


def faults(data: bytes) -> list[Found]:
    """Return what is wrong with a picture, the worst first."""
    picture = _opened(data)
    small = picture.copy()
    small.thumbnail((_SIDE, _SIDE))
    luma = np.asarray(small, dtype=np.float32)
    found = [*_empty(luma), *_coarse(picture), *_lettered(picture)]
    return sorted(found, key=lambda fault: fault.cap)


@lru_cache(maxsize=8)
def _opened(data: bytes) -> Image.Image:
    """Return a picture's luma. Its print is taken when it was made, its faults are looked for soon after: 60 ms saved.

    Eight of them and their files are some 40 MB. Nobody may draw on what comes back.
    """
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as opened:
        return opened.convert("L")


def _empty(luma: _Luma) -> list[Found]:
    extreme = float(((luma < _EXTREME) | (luma > 255 - _EXTREME)).mean())
    if luma.std() < _BLANK_DEVIATION or extreme > _BLANK_EXTREME:
        return [Found(20, "It is nearly blank.")]
    low, high = np.percentile(luma, (5, 95))
    if high - low < _LEAST_RANGE:
        return [Found(40, "It has hardly any contrast.")]
    detail = 4 * luma[1:-1, 1:-1] - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    return [Found(40, "It is blurred all over.")] if detail.var() < _LEAST_DETAIL else []


def _coarse(picture: Image.Image) -> list[Found]:
    return [Found(40, "It is too small for the screen.")] if min(picture.size) < _LEAST_SIDE else []


def _lettered(picture: Image.Image) -> list[Found]:
    """Find lines of letters: rows in which ink comes and goes often, with calm above and below."""
    wide = picture.resize((_TEXT_SIDE, max(1, round(picture.height * _TEXT_SIDE / picture.width))))
    ground = np.asarray(wide.filter(ImageFilter.BoxBlur(10)), dtype=np.float32)
    ink = np.abs(np.asarray(wide, dtype=np.float32) - ground) > _INK
    strokes = (ink[:, 1:] != ink[:, :-1]).sum(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], strokes >= _STROKES, [0])).astype(np.int8)))
    for top, bottom in zip(edges[::2], edges[1::2], strict=True):
        calm = _CALM * float(strokes[top:bottom].mean())
        above, below = strokes[max(0, top - _BESIDE) : top], strokes[bottom : bottom + _BESIDE]
        if bottom - top in _LINE and above.size and below.size and max(above.min(), below.min()) <= calm:
            return [Found(50, "There is lettering in it.")]
    return []

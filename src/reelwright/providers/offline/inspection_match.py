"""Finds out whether an illustration can be seen in a picture, wherever it stands."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reelwright.providers.offline.drawing_light import sprite

Pixels = NDArray[np.floating[Any]]

_SEEN = (0.36, 0.50)  # measured on 69 pictures: other drawings reach 0.39 at most, the right one 0.48 at least
_SIZES = (0.92, 1.0, 1.07)


def presence(pixels: Pixels, svg: str, *, side: float) -> float:
    """Return 0..1: how clearly an illustration is seen at about `side` pixels, by its edges.

    Normalised cross-correlation (J. P. Lewis, Fast Normalized Cross-Correlation, 1995), by FFT. Edges, not colours:
    many a drawing has one colour, and light and shade move it.
    """
    edges = _edges(pixels)
    best = 0.0
    for size in _SIZES:
        drawing = _drawing(svg, max(16, round(side * size)))
        shape = _edges(drawing[..., :3] * drawing[..., 3:] + (drawing[..., 3:] - 1) * np.float32(0.6))
        best = max(best, _ramp(_correlation(edges, shape), *_SEEN))
    return best


def _correlation(picture: Pixels, drawing: Pixels) -> float:
    """Return the best correlation of two planes over every place where the smaller fits wholly into the larger."""
    from scipy import fft  # noqa: PLC0415 - lazy: optional

    transform: Any = fft
    if drawing.shape[0] > picture.shape[0] or drawing.shape[1] > picture.shape[1]:
        return 0.0
    shape, count = picture.shape, drawing.size
    plane, flat = picture - picture.mean(), drawing - drawing.mean()
    light, window = transform.rfft2(plane), transform.rfft2(np.ones_like(drawing), shape).conj()
    mean = transform.irfft2(light * window, shape) / count
    squares = transform.irfft2(transform.rfft2(plane * plane) * window, shape)
    match = transform.irfft2(light * transform.rfft2(flat, shape).conj(), shape)
    power = np.maximum(squares - count * mean * mean, 0) * float((flat * flat).sum())
    fits = (slice(0, shape[0] - drawing.shape[0] + 1), slice(0, shape[1] - drawing.shape[1] + 1))
    return float((match / np.sqrt(np.maximum(power, 1e-4)))[fits].max())


def _edges(planes: Pixels) -> Pixels:
    """Return the strongest step between neighbours in any plane, softened: shape (rows, columns)."""
    down = np.abs(np.diff(planes, axis=0, append=planes[-1:])).max(axis=2)
    along = np.abs(np.diff(planes, axis=1, append=planes[:, -1:])).max(axis=2)
    steps = np.sqrt(np.minimum(down + along, 0.5))
    padded = np.pad(steps, 1, mode="edge")
    rows, columns = steps.shape
    soft = sum(padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3))
    return np.asarray(soft, np.float32) / 9


def _drawing(svg: str, side: int) -> Pixels:
    return np.asarray(sprite(svg, 256).resize((side, side), Image.Resampling.BOX), np.float32) / 255


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))

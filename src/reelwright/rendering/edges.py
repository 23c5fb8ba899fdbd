"""Bars beside a picture: edges that stay black up to a sharp end, looked for a few times a second."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

BLACK, DIM = 0.071, 0.098
"""Mean luma of a row, as a share of 255: up to the first it is black, up to the second it is night."""
FULL = 0.97
_SOFT = 0.02  # of a side, in which a dark picture grows lighter; a bar ends at once
_LINE = re.compile(r" w:(-?\d+) h:(-?\d+) .* t:([\d.]+) limit:([\d.]+)")
Spans = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame: its second, and the shares of its width and height between bars; 1 where there are none."""

    at_s: float
    between: tuple[float, float]


def samples(report: str, *, width: int, height: int) -> tuple[Sample, ...]:
    """Read what `cropdetect` printed with each limit about frames of that size. What is all black is left out."""
    found: dict[float, list[tuple[float, float]]] = {}
    for wide, high, at_s, limit in _LINE.findall(report):
        two = found.setdefault(float(at_s), [(0.0, 0.0), (0.0, 0.0)])
        two[float(limit) > BLACK] = (max(0, int(wide)) / width, max(0, int(high)) / height)
    return tuple(
        Sample(at_s, (_between(black[0], dim[0]), _between(black[1], dim[1])))
        for at_s, (black, dim) in found.items()
        if min(black) > 0
    )


def _between(black: float, dim: float) -> float:
    return 1.0 if black - dim > _SOFT else black


def narrowest(found: Iterable[Sample], *, fades: Spans | None, black: Spans = ()) -> tuple[float, float]:
    """Return the shares of width and height that the narrowest frame uses, outside `fades` and what is `black` anyway.

    Where nobody told the fades, bars are beside one side alone, and still there in the next sample.
    """
    told = [s.between for s in found if not _within(s.at_s, (*(fades or ()), *black))]
    counted = told if fades is not None else _lasting(told)
    return min(counted, key=min, default=(1.0, 1.0))


def _lasting(told: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    yield from (one for one, after in pairwise(told) if one == after and max(one) >= FULL)


def _within(at_s: float, spans: Spans) -> bool:
    return any(first <= at_s <= last for first, last in spans)

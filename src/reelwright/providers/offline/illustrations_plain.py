"""Shapes of our own that show nothing: what stands in a picture whose words no drawing is about."""

import math
from collections.abc import Callable

_SIDE, _MID = 36, 18  # of the drawings' own square
_HEAD = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIDE} {_SIDE}">'
_PALE, _FULL, _DARK = "#FFF4E0", "#F7C873", "#5B6EE1"


def _around(count: int, draw: Callable[[float], str]) -> str:
    return "".join(draw(turn * 360 / count) for turn in range(count))


def _circle(x: float, y: float, radius: float, fill: str, more: str = "") -> str:
    return f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}" fill="{fill}" {more}/>'


def _ring(radius: float, width: float, colour: str) -> str:
    return _circle(_MID, _MID, radius, "none", f'stroke="{colour}" stroke-width="{width}"')


def _turned_squares() -> str:
    return "".join(
        f'<rect x="{_MID - half}" y="{_MID - half}" width="{2 * half}" height="{2 * half}" rx="3" fill="{colour}" '
        f'transform="rotate({turn} {_MID} {_MID})"/>'
        for half, turn, colour in ((11.5, 0, _DARK), (9, 30, _FULL), (6.5, 60, _PALE), (4, 90, _DARK))
    )


def _two_rings() -> str:
    return "".join(
        f'<circle cx="{x}" cy="{y}" r="8.5" fill="none" stroke="{colour}" stroke-width="4"/>'
        for x, y, colour in ((12.5, 13, _FULL), (23.5, 23, _DARK))
    )


def _spiral(turns: float) -> str:
    points: list[str] = []
    for step in range(121):
        angle, radius = turns * 2 * math.pi * step / 120, 1 + 14.5 * step / 120
        points.append(f"{_MID + radius * math.cos(angle):.2f} {_MID + radius * math.sin(angle):.2f}")
    return (
        f'<path d="M{" L".join(points)}" fill="none" stroke="{_FULL}" stroke-width="2.6" stroke-linecap="round"/>'
        + _circle(_MID, _MID, 2.4, _PALE)
    )


def _arches() -> str:
    return "".join(
        f'<path d="M{_MID - r} 31V{_MID + 2}a{r} {r} 0 0 1 {2 * r} 0V31" fill="none" stroke="{colour}" '
        'stroke-width="2.6" stroke-linecap="round"/>'
        for r, colour in ((14, _DARK), (10, _FULL), (6, _PALE), (2, _FULL))
    )


def _ribbons() -> str:
    return "".join(
        f'<path d="M3 {y}c5-7 10-7 15 0s10 7 15 0" fill="none" stroke="{colour}" stroke-width="3.2" '
        'stroke-linecap="round"/>'
        for y, colour in ((8, _PALE), (15, _FULL), (22, _DARK), (29, _PALE))
    )


def _prism() -> str:
    facets = (("18 2 33 12 18 18", _PALE), ("33 12 27 33 18 18", _DARK), ("27 33 9 33 18 18", _FULL))
    facets += (("9 33 3 12 18 18", _DARK), ("3 12 18 2 18 18", _FULL))
    return "".join(f'<polygon points="{points}" fill="{colour}"/>' for points, colour in facets)


def _bars() -> str:
    return "".join(
        f'<rect x="{x}" y="{4 + 7.2 * i}" width="22" height="6" rx="3" fill="{colour}"/>'
        for i, (x, colour) in enumerate(((3, _PALE), (11, _FULL), (5, _DARK), (11, _PALE)))
    )


def _tiles() -> str:
    return "".join(
        f'<rect x="{3 + 10.5 * column}" y="{3 + 10.5 * row}" width="9" height="9" rx="2.4" '
        f'fill="{(_PALE, _FULL, _DARK)[(row + 2 * column) % 3]}"/>'
        for row in range(3)
        for column in range(3)
    )


_INSIDES = {
    "ripples": _ring(15.5, 2, _DARK) + _ring(11, 2.2, _FULL) + _ring(6.5, 2.4, _PALE) + _circle(_MID, _MID, 2.6, _FULL),
    "turned squares": _turned_squares(),
    "spiral": _spiral(3),
    "prism": _prism(),
    "ribbons": _ribbons(),
    "two rings": _two_rings(),
    "arches": _arches(),
    "tiles": _tiles(),
    "two circles": _circle(13, _MID, 10.5, _FULL) + _circle(23, _MID, 10.5, _DARK, 'fill-opacity="0.8"'),
    "three circles": _circle(18, 12, 8.5, _FULL)
    + _circle(12, 23, 8.5, _DARK, 'fill-opacity="0.85"')
    + _circle(24, 23, 8.5, _PALE, 'fill-opacity="0.85"'),
    "staggered bars": _bars(),
    "dotted ring": _around(
        12,
        lambda turn: _circle(
            _MID + 13.5 * math.cos(math.radians(turn)), _MID + 13.5 * math.sin(math.radians(turn)), 2.6, _FULL
        ),
    )
    + _circle(_MID, _MID, 7, _PALE),
}

PLAIN = {name: f"{_HEAD}{inside}</svg>" for name, inside in _INSIDES.items()}
"""SVG texts by name; twelve, one for each scene of the longest reel."""

"""The colours of a reel: curated palettes, each named so that a person can ask for it, and the moods they fit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Five colours as sRGB fractions: `deep` and `mid` ground, `high` where the light falls, `glow` and `accent`."""

    name: str
    deep: Colour
    mid: Colour
    high: Colour
    glow: Colour
    accent: Colour
    moods: tuple[str, ...]

    def colours(self) -> NDArray[np.float32]:
        """Return the five as float32, shape (5, 3)."""
        return np.asarray([self.deep, self.mid, self.high, self.glow, self.accent], np.float32)


def _palette(name: str, colours: str, moods: str) -> Palette:
    deep, mid, high, glow, accent = (_colour(code) for code in colours.split())
    return Palette(name=name, deep=deep, mid=mid, high=high, glow=glow, accent=accent, moods=tuple(moods.split()))


def _colour(code: str) -> Colour:
    red, green, blue = (int(code[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue


PALETTES = tuple(
    _palette(*line)
    for line in (
        ("teal dusk", "0b2b3a 14596a 2f9c9a ffd9a0 ff9e6d", "calm curious"),
        ("violet night", "1a1240 3d2a86 7a55d6 ffc7f2 ff7ac6", "curious serious energetic"),
        ("amber morning", "5a1f16 b1481f f08f35 fff0c2 ffd24d", "warm energetic"),
        ("forest mist", "0e3328 1f6b4c 58b184 f6f8c8 e6e06a", "calm warm"),
        ("rose garden", "45142f 94304f e4738a ffe3d3 ffc16b", "warm calm"),
        ("deep ocean", "06182f 0d3f74 2383c4 bfeeff 5ee2e0", "calm serious curious"),
        ("coral sky", "3c1a4d a13a66 f5786a ffe6b8 ffb74a", "energetic warm"),
        ("steel blue", "14243d 2f5c8f 79b1dc f2f8ff ffc46b", "serious"),
        ("candle gold", "2a160c 6b3a17 b9772c ffe9b0 ffb347", "warm serious"),
        ("electric lime", "10233a 125c63 1fb68b eaffc0 c8f53c", "energetic curious"),
        ("lavender dawn", "2c2757 6a5aa8 b69ae0 fff0e6 ffb5a8", "calm curious warm"),
        ("ink and ember", "1d1430 5a2748 b2434f ffdcb0 ff7a45", "serious energetic"),
    )
)
_BY_NAME = {palette.name: palette for palette in PALETTES}


def palette(name: str) -> Palette | None:
    """Return the palette of that name, or None."""
    return _BY_NAME.get(name.strip().lower())


def for_mood(mood: str, seed: int) -> Palette:
    """Return one of the palettes that fit a mood, or one of all for a mood unknown."""
    fitting = [candidate for candidate in PALETTES if mood in candidate.moods] or list(PALETTES)
    return fitting[seed % len(fitting)]

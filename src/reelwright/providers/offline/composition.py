"""What a composition works with: the frame, the palette, the drawings, and where things may stand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from reelwright.providers.offline import drawing_light as light
from reelwright.providers.offline.palette import Colour, Palette

Point = tuple[float, float]

WHITE: Colour = (1.0, 1.0, 1.0)
BLACK: Colour = (0.0, 0.0, 0.0)
_WIDE, _TALL = 1.25, 0.8  # aspect ratios beyond which a frame is landscape, below which portrait
# Where companions stand, as shares of width and height: clear of the hero, of captions and of what motion crops.
_PLACES: dict[str, tuple[Point, ...]] = {
    "portrait": ((0.205, 0.190), (0.800, 0.205), (0.190, 0.620), (0.815, 0.610)),
    "square": ((0.180, 0.200), (0.825, 0.210), (0.165, 0.600), (0.840, 0.590)),
    "landscape": ((0.205, 0.270), (0.800, 0.255), (0.245, 0.620), (0.765, 0.610)),
}
_HERO_AT = {"portrait": 0.415, "square": 0.400, "landscape": 0.415}
_HERO_SIZE = {"portrait": 0.64, "square": 0.50, "landscape": 0.52}  # of the shorter side


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """One picture's order. `hero` and `companions` are SVG texts; `rng` decides everything that is left to chance."""

    width: int
    height: int
    palette: Palette
    hero: str
    companions: Sequence[str]
    rng: np.random.Generator

    @property
    def kind(self) -> str:
        """Say which of the three frame shapes this is nearest to."""
        return _kind(self.width / self.height)

    @property
    def unit(self) -> int:
        """The shorter side, in pixels: sizes are shares of it."""
        return min(self.width, self.height)

    @property
    def centre(self) -> Point:
        """Where the hero's middle stands, in pixels."""
        return self.width / 2, self.height * _HERO_AT[self.kind]

    @property
    def hero_size(self) -> int:
        """The hero's side, in pixels."""
        return round(self.unit * _HERO_SIZE[self.kind])

    def places(self) -> list[Point]:
        """Return a place for each companion, in pixels, a little off by chance."""
        chosen = [_PLACES[self.kind][i] for i in _spread(len(self.companions))]
        return [
            (x * self.width + self.jitter(0.012) * self.unit, y * self.height + self.jitter(0.012) * self.unit)
            for x, y in chosen
        ]

    def jitter(self, most: float) -> float:
        """Return a number between minus and plus `most`."""
        return float(self.rng.uniform(-most, most))

    def chance(self, low: float, high: float) -> float:
        """Return a number from `low` up to `high`."""
        return float(self.rng.uniform(low, high))


def hero_share(ratio: float) -> float:
    """Return the hero's side as a share of the shorter side, in a frame of that width for height."""
    return _HERO_SIZE[_kind(ratio)]


def _kind(ratio: float) -> str:
    return "landscape" if ratio > _WIDE else "portrait" if ratio < _TALL else "square"


def _spread(count: int) -> tuple[int, ...]:
    """Choose places so that two stand across from each other."""
    return {0: (), 1: (1,), 2: (0, 3), 3: (0, 1, 3)}.get(count, (0, 1, 2, 3))


def put(
    image: Image.Image, drawing: Image.Image, at: Point, *, shadow: Colour, drop: float = 0.05, strength: float = 0.5
) -> None:
    """Lay a drawing with its middle at a point, over a soft shadow that falls `drop` of its size below."""
    left, top = round(at[0] - drawing.width / 2), round(at[1] - drawing.height / 2)
    size = max(drawing.size)
    light.cast_shadow(
        image,
        drawing.getchannel("A"),
        at=(left + round(size * drop * 0.25), top + round(size * drop)),
        blur=max(4.0, size * 0.055),
        strength=strength,
        colour=shadow,
    )
    image.paste(drawing, (left, top), drawing)


def put_hero(canvas: Canvas, image: Image.Image, *, at: Point | None = None, size: int | None = None) -> None:
    """Lay the hero, lit, at its place."""
    drawing = light.lit(light.sprite(canvas.hero, size or canvas.hero_size), canvas.palette.glow, canvas.palette.deep)
    put(image, drawing, at or canvas.centre, shadow=_shade(canvas), drop=0.06, strength=0.55)


def put_companion(
    canvas: Canvas, image: Image.Image, svg: str, at: Point, *, size: float, tilt: float = 0, away: float = 0
) -> None:
    """Lay a companion: `size` of the unit, `tilt` in degrees, `away` 0..1 how far it sinks into the air behind."""
    drawing = light.lit(light.sprite(svg, max(24, round(canvas.unit * size))), canvas.palette.glow, canvas.palette.deep)
    if away:
        air = Image.new("RGB", drawing.size, light.bytes_of(canvas.palette.mid))
        alpha = drawing.getchannel("A")
        drawing = Image.blend(drawing.convert("RGB"), air, away)
        drawing.putalpha(alpha)
    if tilt:
        drawing = drawing.rotate(tilt, resample=Image.Resampling.BICUBIC, expand=True)
    put(image, drawing, at, shadow=_shade(canvas), drop=0.07, strength=0.42)


def put_companions(canvas: Canvas, image: Image.Image, *, size: float = 0.2, away: float = 0.12) -> None:
    """Lay every companion at the frame's usual places, some nearer than others."""
    for i, (svg, at) in enumerate(zip(canvas.companions, canvas.places(), strict=False)):
        scale = size * (1.0, 0.88, 0.92, 1.06)[i % 4]
        tilt = (9 if at[0] < canvas.width / 2 else -9) + canvas.jitter(5)
        put_companion(canvas, image, svg, at, size=scale, tilt=tilt, away=away)


def sparks(canvas: Canvas, image: Image.Image, *, count: int, colour: Colour = WHITE, below: float = 0.62) -> None:
    """Sprinkle small soft lights over the frame's upper part, denser towards the hero."""
    layer = Image.new("L", (canvas.width // 2, canvas.height // 2))
    for _ in range(count):
        angle, far = canvas.chance(0, 2 * math.pi), canvas.hero_size * (0.55 + 1.3 * canvas.chance(0, 1))
        x, y = canvas.centre[0] + far * math.cos(angle), canvas.centre[1] + far * math.sin(angle)
        if y < canvas.height * below:
            radius = canvas.unit * canvas.chance(0.0012, 0.005) / 2
            dot = light.smooth_mask((16, 16), ("ellipse", (8 - radius, 8 - radius, 8 + radius, 8 + radius)))
            level = canvas.chance(0.35, 0.95)
            layer.paste(round(255 * level), (round(x / 2) - 8, round(y / 2) - 8), dot)
    whole = layer.resize(image.size, Image.Resampling.BILINEAR)
    image.paste(light.bytes_of(colour), (0, 0), whole)


def ridge(canvas: Canvas, *, base: float, height: float, rough: int = 4) -> list[Point]:
    """Return a hill's outline closed along the bottom: `base` and `height` are shares of the frame's height."""
    steps = np.linspace(0, 1, 160)
    line = np.zeros(len(steps))
    for octave in range(rough):
        knots = 3 * 2**octave
        values = canvas.rng.random(knots + 2)
        at = steps * knots
        index = at.astype(int)
        part = at - index
        part = part * part * (3 - 2 * part)
        line += (values[index] * (1 - part) + values[index + 1] * part) * 0.45**octave
    line = (line - line.min()) / max(float(np.ptp(line)), 1e-6)
    tops = (base - height * line) * canvas.height
    outline = [(float(x) * canvas.width, float(y)) for x, y in zip(steps, tops, strict=True)]
    return [
        (0.0, canvas.height + 4.0),
        *outline,
        (canvas.width + 1.0, outline[-1][1]),
        (canvas.width, canvas.height + 4),
    ]


def _shade(canvas: Canvas) -> Colour:
    return light.mixed(canvas.palette.deep, BLACK, 0.55)

"""Compositions indoors and on paper: a lit podium, cut paper in depth, a medallion on a pattern, a sunburst."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from reelwright.providers.offline import drawing_light as light
from reelwright.providers.offline.composition import (
    WHITE,
    Canvas,
    Point,
    put_companion,
    put_companions,
    put_hero,
    sparks,
)


def podium(canvas: Canvas) -> Image.Image:
    """A studio: an arch in the wall, a light from above, the hero on a round stand, companions on lower ones."""
    colours = canvas.palette
    x, y = canvas.centre
    sky = light.Sky(canvas.width, canvas.height, colours.mid, light.mixed(colours.mid, colours.deep, 0.55))
    sky.glow(colours.high, (x, y * 0.75), canvas.hero_size * 1.5, strength=0.75)
    image = sky.developed()
    half, floor = canvas.hero_size * 0.74, y + canvas.hero_size * 0.72
    arch = light.smooth_mask(
        image.size, ("rounded", (x - half, y - canvas.hero_size * 0.86, x + half, floor + half, half))
    )
    light.cast_shadow(image, arch, at=(0, 10), blur=40, strength=0.35, colour=colours.deep)
    top = light.mixed(colours.glow, colours.high, 0.25)
    light.fill(image, arch, light.mixed(colours.high, colours.deep, 0.25), top, (y - canvas.hero_size * 0.86, floor))
    ground = light.smooth_mask(image.size, ("polygon", _box(0, floor, canvas.width, canvas.height + 4)))
    light.fill(
        image,
        ground,
        light.mixed(colours.high, colours.mid, 0.45),
        light.mixed(colours.mid, colours.deep, 0.6),
        (floor, canvas.height * 0.92),
    )
    _beam(canvas, image)
    reach = canvas.hero_size * 0.53
    foot = y + canvas.hero_size * 0.50
    for svg, at in zip(canvas.companions[2:4], canvas.places()[:2], strict=False):
        put_companion(canvas, image, svg, at, size=0.16, tilt=canvas.jitter(12), away=0.2)
    _stand(canvas, image, x, foot, canvas.hero_size * 0.42)
    put_hero(canvas, image, at=(x, y + canvas.hero_size * 0.03))
    side = canvas.hero_size * 0.145
    for svg, at in zip(canvas.companions[:2], (x - reach, x + reach), strict=False):
        _stand(canvas, image, at, foot + side * 1.5, side)
        put_companion(canvas, image, svg, (at, foot + side * 0.72), size=side * 1.8 / canvas.unit)
    return image


def papercut(canvas: Canvas) -> Image.Image:
    """Sheets of paper, each with a wavy hole, stacked into a tunnel of light around the hero."""
    colours = canvas.palette
    x, y = canvas.centre
    sky = light.Sky(canvas.width, canvas.height, colours.glow, light.mixed(colours.glow, colours.high, 0.6))
    sky.glow(light.mixed(colours.glow, WHITE, 0.6), (x, y), canvas.hero_size * 0.8, strength=0.9)
    image = sky.developed()
    put_hero(canvas, image)
    sheets = 5
    for sheet in range(sheets):
        reach = canvas.hero_size * (0.66 + 0.165 * sheet)
        tall = 1.0 + (0.10 + 0.07 * sheet) * (canvas.kind == "portrait")
        hole = _wobble(canvas, (x, y), reach, tall=tall, wide=1.0 + 0.28 * (canvas.kind == "landscape"))
        mask = Image.eval(light.smooth_mask(image.size, ("polygon", hole)), lambda level: 255 - level)
        drop = round(canvas.unit * 0.010)
        light.cast_shadow(image, mask, at=(drop, drop * 2), blur=30, strength=0.42, colour=colours.deep)
        share = (sheet + 0.4) / sheets
        top = light.mixed(light.mixed(colours.high, colours.accent, 0.25 * (1 - share)), colours.deep, share**1.15)
        light.fill(image, mask, light.mixed(top, WHITE, 0.05), light.mixed(top, colours.deep, 0.5), (0, canvas.height))
        if sheet == 2:  # noqa: PLR2004 - the middle sheet carries the companions
            put_companions(canvas, image, size=0.19, away=0.0)
    return image


def medallion(canvas: Canvas) -> Image.Image:
    """A wallpaper of faint companions, a raised round medallion, the hero breaking out of it."""
    colours = canvas.palette
    x, y = canvas.centre
    sky = light.Sky(canvas.width, canvas.height, colours.high, colours.deep)
    sky.clouds((colours.mid, colours.high, colours.accent), canvas.rng, strength=0.35)
    image = sky.developed()
    _wallpaper(canvas, image)
    for reach, top, bottom in (
        (0.80, light.mixed(colours.mid, colours.high, 0.5), colours.deep),
        (0.69, colours.glow, light.mixed(colours.accent, colours.high, 0.3)),
        (0.60, light.mixed(colours.mid, colours.high, 0.2), light.mixed(colours.high, colours.glow, 0.35)),
    ):
        radius = canvas.hero_size * reach
        mask = light.smooth_mask(image.size, ("ellipse", (x - radius, y - radius, x + radius, y + radius)))
        light.cast_shadow(image, mask, at=(0, round(radius * 0.05)), blur=36, strength=0.45, colour=colours.deep)
        light.fill(image, mask, top, bottom, (y - radius, y + radius))
    put_companions(canvas, image, size=0.2, away=0.0)
    put_hero(canvas, image, size=round(canvas.hero_size * 1.08))
    return image


def sunburst(canvas: Canvas) -> Image.Image:
    """Soft beams turning around the hero, a bright heart, a curved ground in front."""
    colours = canvas.palette
    x, y = canvas.centre
    sky = light.Sky(canvas.width, canvas.height, colours.mid, colours.deep)
    angle = np.arctan2(sky.y - y, sky.x - x)
    far = np.hypot(sky.x - x, sky.y - y) / (canvas.hero_size * 1.9)
    beams = 0.5 + 0.5 * np.sin(angle * 11 + canvas.chance(0, 6) + 0.25 * np.sin(far * 3))
    beams = 1 / (1 + np.exp(-(beams - 0.5) * 9))
    sky.glow(colours.high, (x, y), canvas.hero_size * 1.7, strength=0.9)
    sky.blend(light.mixed(colours.high, colours.glow, 0.35), beams * np.exp(-((far * 0.75) ** 2)) * 0.62)
    sky.glow(light.mixed(colours.glow, WHITE, 0.3), (x, y), canvas.hero_size * 0.68, strength=0.95)
    image = sky.developed()
    reach = canvas.width * 1.15
    for step, share in ((0.0, 0.25), (0.075, 0.62)):
        crest = y + canvas.hero_size * 0.44 + canvas.height * step
        hill = light.smooth_mask(image.size, ("ellipse", (x - reach, crest, x + reach, crest + 2 * reach)))
        light.cast_shadow(image, hill, at=(0, -12), blur=30, strength=0.3, colour=colours.deep)
        top = light.mixed(light.mixed(colours.high, colours.accent, 0.3), colours.deep, share)
        light.fill(image, hill, top, light.mixed(top, colours.deep, 0.75), (crest, crest + canvas.height * 0.26))
    sparks(canvas, image, count=46, colour=light.mixed(colours.glow, WHITE, 0.6), below=0.5)
    put_companions(canvas, image, size=0.2, away=0.05)
    put_hero(canvas, image)
    return image


def _stand(canvas: Canvas, image: Image.Image, x: float, top: float, half: float) -> None:
    """A round stand seen from a little above: its top's front edge at `top`."""
    colours = canvas.palette
    squash, deep = half * 0.26, half * 0.42
    body = light.smooth_mask(
        image.size,
        ("polygon", _box(x - half, top, x + half, top + deep)),
        ("ellipse", (x - half, top + deep - squash, x + half, top + deep + squash)),
    )
    light.cast_shadow(image, body, at=(0, round(half * 0.10)), blur=half * 0.14, strength=0.5, colour=colours.deep)
    light.fill(image, body, light.mixed(colours.high, colours.mid, 0.4), colours.deep, (top, top + deep * 2.2))
    lid = light.smooth_mask(image.size, ("ellipse", (x - half, top - squash, x + half, top + squash)))
    light.fill(image, lid, light.mixed(colours.high, colours.glow, 0.3), colours.glow, (top - squash, top + squash))


def _beam(canvas: Canvas, image: Image.Image) -> None:
    """A cone of light from above."""
    x, y = canvas.centre
    small = Image.new("L", (canvas.width // 8, canvas.height // 8))
    foot, wide = y + canvas.hero_size * 0.55, canvas.hero_size * 0.62
    shape = [(x - wide * 0.2, -20), (x + wide * 0.2, -20), (x + wide, foot), (x - wide, foot)]
    ImageDraw.Draw(small).polygon([(px / 8, py / 8) for px, py in shape], fill=52)
    soft = small.filter(ImageFilter.GaussianBlur(canvas.unit / 8 * 0.03)).resize(image.size, Image.Resampling.BICUBIC)
    image.paste(light.bytes_of(light.mixed(canvas.palette.glow, WHITE, 0.5)), (0, 0), soft)


def _wobble(canvas: Canvas, centre: Point, reach: float, *, tall: float, wide: float) -> list[Point]:
    """A closed wavy outline around a point."""
    phases = [canvas.chance(0, 2 * math.pi) for _ in range(3)]
    sizes = (0.055, 0.035, 0.022)
    outline: list[Point] = []
    for step in range(240):
        angle = step / 240 * 2 * math.pi
        swell = 1 + sum(a * math.sin((k + 2) * angle + p) for k, (a, p) in enumerate(zip(sizes, phases, strict=True)))
        outline.append(
            (centre[0] + reach * wide * swell * math.cos(angle), centre[1] + reach * tall * swell * math.sin(angle))
        )
    return outline


def _wallpaper(canvas: Canvas, image: Image.Image) -> None:
    """Tile the companions' silhouettes, faint and tilted."""
    shapes = [*canvas.companions, canvas.hero]
    cell = round(canvas.unit * 0.19)
    layer = Image.new("L", image.size)
    marks = [
        light.sprite(svg, round(cell * 0.56)).getchannel("A").rotate(18, resample=Image.Resampling.BICUBIC, expand=True)
        for svg in shapes
    ]
    for row in range(-1, canvas.height // cell + 2):
        for column in range(-1, canvas.width // cell + 2):
            mark = marks[(row * 2 + column) % len(marks)]
            layer.paste(30, (column * cell + (row % 2) * cell // 2, row * cell), mark)
    image.paste(light.bytes_of(light.mixed(canvas.palette.glow, WHITE, 0.3)), (0, 0), layer)


def _box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]

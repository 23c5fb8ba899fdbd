"""Compositions under an open sky: hills in mist, layered waves, space with its orbits, rings of light."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from reelwright.providers.offline import drawing_light as light
from reelwright.providers.offline.composition import (
    WHITE,
    Canvas,
    put_companion,
    put_companions,
    put_hero,
    ridge,
    sparks,
)


def hills(canvas: Canvas) -> Image.Image:
    """A large low sun behind the hero, over hills that fade into mist; the nearest is dark."""
    colours = canvas.palette
    sky = light.Sky(
        canvas.width,
        canvas.height,
        light.mixed(colours.deep, colours.mid, 0.55),
        light.mixed(colours.high, colours.glow, 0.35),
    )
    sky.clouds((colours.mid, colours.high, colours.accent), canvas.rng, strength=0.35)
    x, y = canvas.centre
    sky.glow(colours.glow, (x, y), canvas.hero_size * 1.25, strength=0.75)
    image = sky.developed()
    _disc(canvas, image, radius=canvas.hero_size * 0.64)
    sparks(canvas, image, count=36, colour=colours.glow, below=0.45)
    ground = y / canvas.height + canvas.hero_size / canvas.height * 0.36
    for layer in range(4):
        if layer == 1:
            put_companions(canvas, image, size=0.19, away=0.16)
            put_hero(canvas, image)
        near = (layer + 0.6) / 4
        top = light.mixed(light.mixed(colours.high, colours.glow, 0.30), colours.deep, near**0.75)
        base = ground + 0.105 * layer + (0.02 if layer else 0.09)
        outline = ridge(canvas, base=base, height=0.13 - 0.022 * layer if layer else 0.22, rough=5 - layer)
        mask = light.smooth_mask(image.size, ("polygon", outline))
        low = light.mixed(top, colours.glow if layer < 2 else colours.deep, 0.4)  # noqa: PLR2004 - mist behind, dark near
        light.fill(image, mask, top, low, (canvas.height * (base - 0.12), canvas.height * (base + 0.20)))
    return image


def waves(canvas: Canvas) -> Image.Image:
    """Paper waves with shadows between them, a moon above, the hero riding the second."""
    colours = canvas.palette
    sky = light.Sky(canvas.width, canvas.height, light.mixed(colours.deep, colours.mid, 0.4), colours.high)
    x, y = canvas.centre
    sky.glow(colours.glow, (x, y * 0.8), canvas.hero_size * 1.2, strength=0.8)
    image = sky.developed()
    _disc(canvas, image, radius=canvas.hero_size * 0.60)
    put_companions(canvas, image, size=0.19, away=0.10)
    level = y + canvas.hero_size * 0.40
    for layer in range(6):
        if layer == 1:
            put_hero(canvas, image)
        crest = level + canvas.height * (0.058 * layer - 0.05)
        swing = canvas.height * (0.020 - 0.0015 * layer)
        phase, turns = canvas.chance(0, 6.28), canvas.chance(1.3, 2.1)
        points = [
            (px, crest + swing * math.sin(phase + px / canvas.width * turns * 2 * math.pi))
            for px in range(-8, canvas.width + 16, 8)
        ]
        shape = [(-8.0, canvas.height + 4.0), *points, (canvas.width + 16.0, canvas.height + 4.0)]
        mask = light.smooth_mask(image.size, ("polygon", shape))
        light.cast_shadow(image, mask, at=(0, -round(canvas.unit * 0.012)), blur=26, strength=0.4, colour=colours.deep)
        top = light.mixed(light.mixed(colours.high, colours.glow, 0.35), colours.deep, (layer + 0.3) / 7)
        light.fill(image, mask, top, light.mixed(top, colours.deep, 0.45), (crest, crest + canvas.height * 0.16))
    return image


def orbit(canvas: Canvas) -> Image.Image:
    """Night sky, a great planet behind the hero, tilted orbits that carry the companions."""
    colours = canvas.palette
    sky = light.Sky(canvas.width, canvas.height, light.mixed(colours.deep, (0, 0, 0), 0.45), colours.deep)
    sky.clouds((colours.mid, colours.high, colours.mid, colours.accent), canvas.rng, strength=0.30)
    x, y = canvas.centre
    radius = canvas.hero_size * 0.70
    sky.glow(colours.high, (x, y), radius * 1.75, strength=0.65)
    image = sky.developed()
    _stars(canvas, image, count=260)
    _planet(canvas, image, radius=radius)
    layer = Image.new("L", (canvas.width, canvas.height))
    draw = ImageDraw.Draw(layer)
    for ring, level in enumerate((120, 90, 62)):
        wide, high = radius * (1.32 + 0.36 * ring), radius * (0.46 + 0.15 * ring)
        draw.ellipse((x - wide, y - high, x + wide, y + high), outline=level, width=max(2, canvas.unit // 300))
    turned = layer.rotate(16, resample=Image.Resampling.BILINEAR, center=(x, y))
    image.paste(light.bytes_of(colours.glow), (0, 0), turned)
    put_companions(canvas, image, size=0.185, away=0.05)
    put_hero(canvas, image, size=round(canvas.hero_size * 0.92))
    return image


def rings(canvas: Canvas) -> Image.Image:
    """Circles of light spreading from the hero, with lights strung along them."""
    colours = canvas.palette
    sky = light.Sky(canvas.width, canvas.height, light.mixed(colours.deep, colours.mid, 0.5), colours.deep)
    sky.clouds((colours.mid, colours.high, colours.mid), canvas.rng, strength=0.45)
    x, y = canvas.centre
    sky.glow(colours.high, (x, y), canvas.hero_size * 1.35, strength=0.85)
    sky.glow(colours.glow, (x, y), canvas.hero_size * 0.72, strength=0.80)
    image = sky.developed()
    layer = Image.new("L", (canvas.width, canvas.height))
    draw = ImageDraw.Draw(layer)
    for ring in range(7):
        radius = canvas.hero_size * (0.66 + 0.21 * ring)
        level = max(14, 110 - 16 * ring)
        stroke = max(2, round(canvas.unit * (0.006 - 0.0007 * ring)))
        start = canvas.chance(0, 360)
        draw.arc(
            (x - radius, y - radius, x + radius, y + radius), start, start + canvas.chance(190, 350), level, stroke
        )
        for _ in range(3):
            angle = canvas.chance(0, 2 * math.pi)
            px, py, dot = x + radius * math.cos(angle), y + radius * math.sin(angle), canvas.unit * 0.007
            draw.ellipse((px - dot, py - dot, px + dot, py + dot), fill=min(255, level + 70))
    soft = layer.filter(ImageFilter.GaussianBlur(0.8))
    image.paste(light.bytes_of(light.mixed(colours.glow, WHITE, 0.4)), (0, 0), soft)
    sparks(canvas, image, count=70, colour=light.mixed(colours.glow, WHITE, 0.5))
    put_companions(canvas, image, size=0.2)
    put_hero(canvas, image)
    return image


def drift(canvas: Canvas) -> Image.Image:
    """A lens wide open: the hero sharp, companions near and far out of focus, discs of light between."""
    colours = canvas.palette
    sky = light.Sky(canvas.width, canvas.height, light.mixed(colours.mid, colours.high, 0.35), colours.deep)
    sky.clouds((colours.high, colours.accent, colours.mid, colours.high), canvas.rng, strength=0.5)
    sky.glow(colours.glow, canvas.centre, canvas.hero_size * 1.05, strength=0.7)
    image = sky.developed()
    layer = Image.new("L", (canvas.width // 4, canvas.height // 4))
    for _ in range(26):
        radius = canvas.unit * canvas.chance(0.02, 0.085) / 4
        px, py = canvas.chance(0, layer.width), canvas.chance(0, layer.height * 0.72)
        side = int(radius * 2) + 6
        disc = Image.new("L", (side, side))
        ImageDraw.Draw(disc).ellipse((2, 2, radius * 2 + 2, radius * 2 + 2), fill=255)
        layer.paste(round(canvas.chance(24, 82)), (round(px - radius), round(py - radius)), disc)
    veil = layer.filter(ImageFilter.GaussianBlur(1.6)).resize(image.size, Image.Resampling.BICUBIC)
    image.paste(light.bytes_of(light.mixed(colours.glow, colours.accent, 0.25)), (0, 0), veil)
    corners = ((0.08, 0.13), (0.95, 0.60), (0.05, 0.66))
    near = len(canvas.companions) // 2
    for i, svg in enumerate(canvas.companions[near:]):
        far = light.blurred(light.sprite(svg, round(canvas.unit * (0.40 - 0.03 * i))), canvas.unit * 0.013)
        cx, cy = corners[i % 4]
        at = (round(cx * canvas.width - far.width / 2), round(cy * canvas.height - far.height / 2))
        image.paste(far, at, far.getchannel("A").point(lambda level: level * 0.85))
    for i, (svg, at) in enumerate(zip(canvas.companions[:near], canvas.places()[1:], strict=False)):
        put_companion(canvas, image, svg, at, size=0.155 - 0.02 * i, tilt=canvas.jitter(10))
    put_hero(canvas, image, size=round(canvas.hero_size * 1.06))
    return image


def _disc(canvas: Canvas, image: Image.Image, *, radius: float) -> None:
    """A sun or moon behind the hero: a disc lighter at its top."""
    x, y = canvas.centre
    mask = light.smooth_mask(image.size, ("ellipse", (x - radius, y - radius, x + radius, y + radius)))
    top = light.mixed(canvas.palette.glow, WHITE, 0.35)
    light.fill(
        image, mask, top, light.mixed(canvas.palette.accent, canvas.palette.glow, 0.35), (y - radius, y + radius)
    )


def _stars(canvas: Canvas, image: Image.Image, *, count: int) -> None:
    layer = Image.new("L", image.size)
    draw = ImageDraw.Draw(layer)
    for _ in range(count):
        px, py = canvas.chance(0, canvas.width), canvas.chance(0, canvas.height * 0.9)
        size = canvas.unit * canvas.chance(0.0006, 0.0022)
        draw.ellipse((px - size, py - size, px + size, py + size), fill=round(canvas.chance(70, 230)))
    image.paste((255, 255, 255), (0, 0), layer.filter(ImageFilter.GaussianBlur(0.9)))


def _planet(canvas: Canvas, image: Image.Image, *, radius: float) -> None:
    """A sphere lit from the upper left, with soft bands."""
    side = int(radius * 2)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / radius - 1
    depth = np.sqrt(np.clip(1 - x * x - y * y, 0, 1))
    lambert = np.clip((-0.5 * x - 0.55 * y + 0.68 * depth), 0, 1)[..., None]
    bands = (0.5 + 0.5 * np.sin(y * 9 + 0.8 * np.sin(x * 3) + canvas.chance(0, 6)))[..., None] * 0.35
    colours = canvas.palette.colours()
    surface = colours[1] * (1 - bands) + colours[2] * bands
    pixels = surface * (0.5 + 0.7 * lambert) + colours[3] * lambert**3 * 0.45
    ball = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    mask = light.smooth_mask((side, side), ("ellipse", (1, 1, side - 1, side - 1)))
    cx, cy = canvas.centre
    image.paste(ball, (round(cx - radius), round(cy - radius)), mask)

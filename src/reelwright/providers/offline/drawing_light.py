"""Light on paper: gradients without bands, glows, shadows, smooth-edged shapes and lit illustrations."""

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from reelwright.providers.offline.palette import Colour

Field = NDArray[np.floating[Any]]

_COARSE = 8  # soft fields are computed at an eighth of the size: they hold nothing finer
_SMOOTH = 2  # shapes are drawn this much larger and reduced, which gives them smooth edges


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Return `one` with that share of `other`."""
    red, green, blue = (a * (1 - share) + b * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def bytes_of(colour: Colour) -> tuple[int, int, int]:
    """Return a colour as 0..255, clipped."""
    red, green, blue = (min(255, max(0, round(value * 255))) for value in colour)
    return red, green, blue


class Sky:
    """A soft backdrop in floating point: blend fields of colour into it, then develop it once into an image."""

    def __init__(self, width: int, height: int, top: Colour, bottom: Colour) -> None:
        self.size = (width, height)
        rows, columns = -(-height // _COARSE) + 1, -(-width // _COARSE) + 1
        self.y, self.x = np.mgrid[0:rows, 0:columns].astype(np.float32) * np.float32(_COARSE)
        share = _eased(np.clip(self.y / height, 0, 1))[..., None]
        self.light: Field = np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share

    def blend(self, colour: Colour, cover: Field) -> None:
        """Lay a colour over, as much as `cover` (0..1, the coarse grid's shape) says."""
        share = np.clip(cover, 0, 1).astype(np.float32)[..., None]
        self.light = self.light * (1 - share) + np.asarray(colour, np.float32) * share

    def glow(
        self, colour: Colour, at: tuple[float, float], radius: float, *, strength: float, squash: float = 1
    ) -> None:
        """Blend a round light that falls off as a Gaussian; `squash` above 1 flattens it."""
        distance = ((self.x - at[0]) ** 2 + ((self.y - at[1]) * squash) ** 2) / max(radius, 1) ** 2
        self.blend(colour, np.exp(-distance) * strength)

    def clouds(self, colours: Sequence[Colour], rng: np.random.Generator, *, strength: float) -> None:
        """Blend large blurred patches, one or more of each colour."""
        width, height = self.size
        for colour in colours:
            at = (float(rng.random()) * width, float(rng.random()) * height * 0.9)
            self.glow(colour, at, (0.25 + 0.3 * float(rng.random())) * max(width, height) * 0.7, strength=strength)

    def developed(self) -> Image.Image:
        """Return the backdrop at full size, dithered by half a level so that it shows no bands."""
        return developed(self.light, self.size)


def developed(light: Field, size: tuple[int, int]) -> Image.Image:
    """Enlarge a coarse field of colour (rows, columns, 3; fractions) smoothly and round it with a half-level dither."""
    box = (0, 0, size[0] / _COARSE, size[1] / _COARSE)
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(light[..., c])).resize(size, Image.Resampling.BILINEAR, box=box)
        )
        for c in range(3)
    ]
    dither = _dither(size[1], size[0])
    image = np.empty((size[1], size[0], 3), np.uint8)
    for c, plane in enumerate(planes):
        image[..., c] = np.clip(plane * np.float32(255) + dither, 0, 255)
    return Image.fromarray(image)


def finished(image: Image.Image, *, edges: float = 0.24, floor: float = 0.16) -> Image.Image:
    """Darken the corners, and the lower third a little more, where captions stand; dithered like the backdrop."""
    width, height = image.size
    rows, columns = -(-height // _COARSE) + 1, -(-width // _COARSE) + 1
    y = (np.arange(rows, dtype=np.float32) * _COARSE / height)[:, None]
    x = (np.arange(columns, dtype=np.float32) * _COARSE / width)[None]
    corner = np.clip(((2 * x - 1) ** 2 * 0.7 + (2 * y - 1) ** 2 * 0.8) - 0.35, 0, 1)
    shade = (1 - edges * corner) * (1 - floor * _eased(np.clip((y - 0.62) / 0.3, 0, 1)))
    box = (0, 0, width / _COARSE, height / _COARSE)
    whole = np.asarray(Image.fromarray(shade.astype(np.float32)).resize(image.size, Image.Resampling.BILINEAR, box=box))
    dither = _dither(height, width)
    pixels = np.asarray(image)
    result = np.empty_like(pixels)
    for c in range(3):
        result[..., c] = np.clip(pixels[..., c] * whole + dither, 0, 255)
    return Image.fromarray(result)


def smooth_mask(size: tuple[int, int], *shapes: tuple[str, Any], fill: int = 255) -> Image.Image:
    """Draw ("polygon" | "ellipse" | "rounded", numbers) with smooth edges; points are in the mask's own pixels."""
    large = Image.new("L", (size[0] * _SMOOTH, size[1] * _SMOOTH))
    draw = ImageDraw.Draw(large)
    for kind, numbers in shapes:
        if kind == "polygon":
            draw.polygon([(x * _SMOOTH, y * _SMOOTH) for x, y in numbers], fill=fill)
        elif kind == "ellipse":
            draw.ellipse([value * _SMOOTH for value in numbers], fill=fill)
        else:
            *box, radius = (value * _SMOOTH for value in numbers)
            draw.rounded_rectangle(box, radius, fill=fill)
    return large.reduce(_SMOOTH)


def fill(image: Image.Image, mask: Image.Image, top: Colour, bottom: Colour, span: tuple[float, float]) -> None:
    """Paint a mask with a vertical gradient that runs over the rows of `span`, dithered."""
    width, height = image.size
    share = np.clip((np.arange(height, dtype=np.float32) - span[0]) / max(span[1] - span[0], 1), 0, 1)[:, None]
    ramp = np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share
    box = mask.getbbox()
    if box is None:
        return
    left, upper, right, lower = box
    patch = np.empty((lower - upper, right - left, 3), np.uint8)
    dither = _dither(height, width)[upper:lower, left:right]
    for c in range(3):
        patch[..., c] = np.clip(ramp[upper:lower, c : c + 1] * np.float32(255) + dither, 0, 255)
    image.paste(Image.fromarray(patch), (left, upper), mask.crop(box))


def cast_shadow(
    image: Image.Image, mask: Image.Image, *, at: tuple[int, int], blur: float, strength: float, colour: Colour
) -> None:
    """Darken the image under a shape: the mask blurred, at a quarter of the size, moved to `at`."""
    pad = int(blur * 2.5) // 4 * 4 + 4
    small = Image.new("L", (-(-mask.width // 4) + pad // 2, -(-mask.height // 4) + pad // 2))
    small.paste(mask.resize((-(-mask.width // 4), -(-mask.height // 4)), Image.Resampling.BOX), (pad // 4, pad // 4))
    small = small.filter(ImageFilter.GaussianBlur(blur / 4)).point(lambda level: level * strength)
    large = small.resize((small.width * 4, small.height * 4), Image.Resampling.BILINEAR)
    image.paste(bytes_of(colour), (at[0] - pad, at[1] - pad), large)


@lru_cache(maxsize=32)
def sprite(svg: str, size: int) -> Image.Image:
    """Render an SVG into a square RGBA image."""
    import resvg_py  # noqa: PLC0415 - lazy: optional

    data = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(data))).convert("RGBA")


def lit(flat: Image.Image, light: Colour, shade: Colour) -> Image.Image:
    """Give a flat illustration volume: light from the upper left, shade at the lower right, a bright rim."""
    alpha = flat.getchannel("A")
    width, height = flat.size
    soft = _enlarged(
        alpha.resize((max(1, width // 8), max(1, height // 8)), Image.Resampling.BOX), width / 90, flat.size
    )
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    slope = (x / width + y / height) / 2
    rim = np.clip(np.asarray(alpha, np.float32) / 255 - _moved(np.asarray(soft, np.float32) / 255, width // 40), 0, 1)
    pixels = np.asarray(flat.convert("RGB"), np.float32) / 255
    dark = (np.clip(slope - 0.45, 0, 1) * 0.75)[..., None]
    pixels = pixels * (1 - dark) + pixels * np.asarray(shade, np.float32) * dark
    bright = (np.clip(0.5 - slope, 0, 1) * 0.34 + rim * 0.55 * np.clip(1.15 - slope, 0, 1))[..., None]
    pixels = pixels + (1 - pixels) * np.asarray(light, np.float32) * bright
    whole = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    whole.putalpha(alpha)
    return whole


def blurred(image: Image.Image, radius: float) -> Image.Image:
    """Throw an RGBA image out of focus, with room around it for the blur. Edges keep their colour."""
    pad = int(radius * 2.2) + 1
    roomy = Image.new("RGBA", (image.width + 2 * pad, image.height + 2 * pad))
    roomy.paste(image, (pad, pad))
    small = roomy.convert("RGBa").resize((max(1, roomy.width // 4), max(1, roomy.height // 4)), Image.Resampling.BOX)
    small = small.filter(ImageFilter.GaussianBlur(radius / 4))
    return small.resize(roomy.size, Image.Resampling.BILINEAR).convert("RGBA")


def _enlarged(small: Image.Image, blur: float, size: tuple[int, int]) -> Image.Image:
    return small.filter(ImageFilter.GaussianBlur(max(blur / 2, 0.5))).resize(size, Image.Resampling.BILINEAR)


def _moved(field: Field, by: int) -> Field:
    """Shift a field down and to the right, so that what it no longer covers is the side that faces the light."""
    moved = np.zeros_like(field)
    moved[by:, by:] = field[: field.shape[0] - by, : field.shape[1] - by] if by else field
    return moved


def _eased(share: Field) -> Field:
    return share * share * (3 - 2 * share)


@lru_cache(maxsize=2)
def _dither(rows: int, columns: int) -> Field:
    """Return noise from 0 to 1 level, tiled from a small square: rounds colours up or down without a pattern."""
    tile = np.random.default_rng(5).random((256, 256), dtype=np.float32)
    return np.tile(tile, (-(-rows // 256), -(-columns // 256)))[:rows, :columns]

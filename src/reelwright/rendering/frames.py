"""Draws every frame of a reel: sampled motion, transitions and captions, all in YUV 4:2:0."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from reelwright.rendering import motion, planes
from reelwright.rendering.captions import Group, groups
from reelwright.rendering.lettering import Block, font
from reelwright.rendering.planes import BLACK, Planes
from reelwright.rendering.style import CLASSIC, Style
from reelwright.rendering.timeline import Shot, Timeline

INK, LIT, OUTLINE = (255, 255, 255), (255, 221, 0), (14, 14, 18)


class Painter:
    """Paints a timeline's frames from its scenes' motion sources; keeps only the sources that are in sight."""

    def __init__(self, timeline: Timeline, sources: Mapping[int, Path], style: Style = CLASSIC) -> None:
        self._timeline = timeline
        self._sources = sources
        self._groups = groups(timeline, style)
        self._loaded: dict[int, Planes] = {}
        self._patch: tuple[tuple[int, int], Patch] | None = None

    def frames(self, first: int, last: int) -> Iterator[Planes]:
        """Yield frames first..last-1. Raises ValueError on a damaged source, KeyError on a missing one."""
        for number in range(first, last):
            yield self.frame(number)

    def frame(self, number: int) -> Planes:
        """Return one finished frame, as luma at the frame's size and half-size colour differences."""
        seen = self._timeline.seen(number, number + 1)
        for gone in self._loaded.keys() - {shot.scene for shot in seen}:
            del self._loaded[gone]
        picture = self._sampled(seen[0], number)
        if len(seen) > 1:
            leaving, arriving = seen[0], seen[1]
            whole = leaving.after + arriving.before
            progress = (number - (arriving.start - arriving.before) + 0.5) / whole
            picture = TRANSITIONS[leaving.transition](picture, self._sampled(arriving, number), progress)
        self._caption(number, picture)
        return picture

    def _sampled(self, shot: Shot, number: int) -> Planes:
        if shot.scene not in self._loaded:
            self._loaded[shot.scene] = planes.load(self._sources[shot.scene])
        source, progress = self._loaded[shot.scene], shot.progress(number)
        size = (self._timeline.width, self._timeline.height)

        def sample(plane: Image.Image, size: tuple[int, int]) -> Image.Image:
            window = motion.box(shot.motion, shot.amount, progress, width=plane.width, height=plane.height)
            return plane.resize(size, Image.Resampling.NEAREST, box=window)

        half = (size[0] // 2, size[1] // 2)
        return Planes(sample(source.y, size), sample(source.u, half), sample(source.v, half))

    def _caption(self, number: int, picture: Planes) -> None:
        for at, group in enumerate(self._groups):
            lit = group.lit(number)
            if lit is None:
                continue
            if self._patch is None or self._patch[0] != (at, lit):
                self._patch = ((at, lit), Patch.of(group, lit, frame=(picture.y.width, picture.y.height)))
            self._patch[1].lay_on(picture)
            return


@dataclass(frozen=True, slots=True)
class Patch:
    """A drawn caption: its planes, its opacity at both sizes, and the even pixel where it lies."""

    planes: Planes
    opacity: Image.Image
    half_opacity: Image.Image
    at: tuple[int, int]

    @classmethod
    def of(cls, group: Group, lit: int, *, frame: tuple[int, int]) -> "Patch":
        """Draw a group with one word lit: outlined letters over a soft shadow."""
        block = group.block
        glow = round(block.size * 0.14)
        ink = block.ink
        left, top = max(0, ink.left - 2 * glow) // 2 * 2, max(0, ink.top - 2 * glow) // 2 * 2
        right, bottom = min(frame[0], ink.right + 2 * glow), min(frame[1], ink.bottom + 2 * glow)
        size = ((right - left) // 2 * 2, (bottom - top) // 2 * 2)
        letters, opacity = _lettered(block, lit, size, (left, top))
        shadow = opacity.filter(ImageFilter.GaussianBlur(glow)).point(lambda a: a * 0.55)
        opacity = ImageChops.lighter(opacity, shadow)
        half = opacity.resize((size[0] // 2, size[1] // 2), Image.Resampling.BOX)
        return cls(planes.from_rgb(letters), opacity, half, (left, top))

    def lay_on(self, picture: Planes) -> None:
        """Blend the patch into a frame."""
        x, y = self.at
        picture.y.paste(self.planes.y, (x, y), self.opacity)
        picture.u.paste(self.planes.u, (x // 2, y // 2), self.half_opacity)
        picture.v.paste(self.planes.v, (x // 2, y // 2), self.half_opacity)


def _lettered(block: Block, lit: int, size: tuple[int, int], at: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Return the letters on the outline's colour, and where outline and letters are."""
    colours, opacity = Image.new("RGB", size, OUTLINE), Image.new("L", size, 0)
    on_colours, on_opacity = ImageDraw.Draw(colours), ImageDraw.Draw(opacity)
    for i, word in enumerate(block.words):
        place = (word.x - at[0], word.baseline - at[1])
        fill = LIT if i == lit else INK
        on_colours.text(place, word.text, font=font(block.size), fill=fill, anchor="ls")
        on_opacity.text(place, word.text, font=font(block.size), fill=255, anchor="ls", stroke_width=block.stroke)
    return colours, opacity


def _each(of: Callable[[Image.Image, Image.Image, int], Image.Image], one: Planes, other: Planes) -> Planes:
    """Apply `of` to each pair of planes; its third argument says how many frame pixels a plane's pixel spans."""
    return Planes(of(one.y, other.y, 1), of(one.u, other.u, 2), of(one.v, other.v, 2))


def _fade(leaving: Planes, arriving: Planes, progress: float) -> Planes:
    return _each(lambda a, b, _: Image.blend(a, b, progress), leaving, arriving)


def _slide(leaving: Planes, arriving: Planes, progress: float) -> Planes:
    shift = round(leaving.u.width * _soft(progress)) * 2

    def slid(a: Image.Image, b: Image.Image, scale: int) -> Image.Image:
        out, x = Image.new("L", a.size), shift // scale
        out.paste(a, (-x, 0))
        out.paste(b, (a.width - x, 0))
        return out

    return _each(slid, leaving, arriving)


def _push_up(leaving: Planes, arriving: Planes, progress: float) -> Planes:
    shift = round(leaving.u.height * _soft(progress)) * 2

    def pushed(a: Image.Image, b: Image.Image, scale: int) -> Image.Image:
        out, y = Image.new("L", a.size), shift // scale
        out.paste(a, (0, -y))
        out.paste(b, (0, a.height - y))
        return out

    return _each(pushed, leaving, arriving)


def _circle(leaving: Planes, arriving: Planes, progress: float) -> Planes:
    def opened(a: Image.Image, b: Image.Image, scale: int) -> Image.Image:
        return Image.composite(b, a, _disc(leaving.y.size, progress, scale))

    return _each(opened, leaving, arriving)


def _dip(leaving: Planes, arriving: Planes, progress: float) -> Planes:
    lit, share = (leaving, 1 - 2 * progress) if progress < 0.5 else (arriving, 2 * progress - 1)  # noqa: PLR2004 - its middle
    black = Planes(*(Image.new("L", p.size, v) for p, v in zip((lit.y, lit.u, lit.v), BLACK, strict=True)))
    return _each(lambda a, b, _: Image.blend(a, b, share), black, lit)


@lru_cache(maxsize=2)
def _disc(frame: tuple[int, int], progress: float, scale: int) -> Image.Image:
    """Return a soft-edged disc, grown over the whole frame at 1: drawn at half size, for both sizes of plane."""
    width, height = frame[0] // 2, frame[1] // 2
    radius = (width * width + height * height) ** 0.5 / 2 * _soft(progress) * 1.02
    disc = Image.new("L", (width, height), 0)
    centre = (width / 2, height / 2)
    ImageDraw.Draw(disc).circle(centre, radius, fill=255)
    disc = disc.filter(ImageFilter.BoxBlur(2))
    return disc if scale != 1 else disc.resize(frame, Image.Resampling.BILINEAR)


def _soft(progress: float) -> float:
    return progress * progress * (3 - 2 * progress)


TRANSITIONS: Mapping[str, Callable[[Planes, Planes, float], Planes]] = {
    "fade": _fade,
    "slide": _slide,
    "push_up": _push_up,
    "circle": _circle,
    "dip": _dip,
}

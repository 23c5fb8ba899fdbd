"""Draws every frame of a reel: sampled motion, transitions and captions, all in YUV 4:2:0."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

from reelwright.rendering import planes
from reelwright.rendering.captions import groups
from reelwright.rendering.cards import CardPainter
from reelwright.rendering.inking import Inker, logo
from reelwright.rendering.planes import BLACK, Planes
from reelwright.rendering.safearea import safe_area
from reelwright.rendering.style import CLASSIC, Style
from reelwright.rendering.timeline import Card, Shot, Timeline


class Painter:
    """Paints a timeline's frames from its scenes' motion sources; keeps only the sources that are in sight."""

    def __init__(self, timeline: Timeline, sources: Mapping[int, Path], style: Style = CLASSIC) -> None:
        self._timeline = timeline
        self._sources = sources
        self._groups = groups(timeline, style)
        self._loaded: dict[int, Planes] = {}
        self._cards: dict[Card, CardPainter] = {}
        self._style = style
        self._inker: tuple[int, Inker] | None = None
        area = safe_area(timeline.platform, width=timeline.width, height=timeline.height)
        self._logo = logo(style.logo, area, frame=(timeline.width, timeline.height)) if style.logo else None

    def frames(self, first: int, last: int) -> Iterator[Planes]:
        """Yield frames first..last-1. Raises ValueError on a damaged source, KeyError on a missing one."""
        for number in range(first, last):
            yield self.frame(number)

    def frame(self, number: int) -> Planes:
        """Return one finished frame, as luma at the frame's size and half-size colour differences."""
        seen = self._timeline.seen(number, number + 1)
        for gone in self._loaded.keys() - {shot.scene for shot in seen}:
            del self._loaded[gone]
        card, done, share = self._timeline.card(number) or (None, 0.0, 0.0)
        if card is not None and share >= 1:
            return self._title(card).frame(done)
        picture = self._sampled(seen[0], number)
        if len(seen) > 1:
            leaving, arriving = seen[0], seen[1]
            whole = leaving.after + arriving.before
            progress = (number - (arriving.start - arriving.before) + 0.5) / whole
            picture = TRANSITIONS[leaving.transition](picture, self._sampled(arriving, number), progress)
        self._caption(number, picture)
        return picture if card is None else _fade(picture, self._title(card).frame(done), share)

    def _title(self, card: Card) -> CardPainter:
        return self._cards.setdefault(card, CardPainter(card, self._timeline, self._style))

    def _sampled(self, shot: Shot, number: int) -> Planes:
        if shot.scene not in self._loaded:
            self._loaded[shot.scene] = planes.load(self._sources[shot.scene])
        source = self._loaded[shot.scene]
        size = (self._timeline.width, self._timeline.height)

        def sample(plane: Image.Image, size: tuple[int, int]) -> Image.Image:
            window = shot.window(number, width=plane.width, height=plane.height)
            return plane.resize(size, Image.Resampling.NEAREST, box=window)

        half = (size[0] // 2, size[1] // 2)
        return Planes(sample(source.y, size), sample(source.u, half), sample(source.v, half))

    def _caption(self, number: int, picture: Planes) -> None:
        if self._logo is not None:
            self._logo.lay_on(picture)
        at = next((at for at, group in enumerate(self._groups) if group.turns[0] <= number < group.end), None)
        if at is None:
            return
        if self._inker is None or self._inker[0] != at:
            frame = (self._timeline.width, self._timeline.height)
            self._inker = (at, Inker(self._groups[at], self._style, frame=frame))
        patch = self._inker[1].patch(number)
        if patch is not None:
            patch.lay_on(picture)


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

"""Captions as pixels: each style's drawing of a group at every moment, and the logo, ready to be laid on frames."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from reelwright.rendering import planes
from reelwright.rendering.captions import Group
from reelwright.rendering.lettering import Placed
from reelwright.rendering.planes import Planes
from reelwright.rendering.safearea import Area
from reelwright.rendering.style import MANNERS, Logo, Rgb, Style, contrast, rgb

DARK, LIGHT = "#0E0E12", "#FFFFFF"
_LARGE, _PLAIN = 3.0, 4.5  # WCAG 2.2, 1.4.3: the least contrast of large letters, and of others
_VIOLET = "#6D28D9"
_PANEL_OPACITY, _SHADOW_OPACITY, _LOGO_OPACITY = 200, 0.55, 0.92
_SMOOTH = 4  # times as large are boxes drawn, so that their corners are smooth
POP_FRAMES = 4
_NONE = -2  # no word is lit, and none was before


@dataclass(frozen=True, slots=True)
class Patch:
    """Something drawn: its planes, its opacity at both sizes, and the even pixel where it lies."""

    planes: Planes
    opacity: Image.Image
    half_opacity: Image.Image
    at: tuple[int, int]

    def lay_on(self, picture: Planes) -> None:
        """Blend the patch into a frame."""
        x, y = self.at
        picture.y.paste(self.planes.y, (x, y), self.opacity)
        picture.u.paste(self.planes.u, (x // 2, y // 2), self.half_opacity)
        picture.v.paste(self.planes.v, (x // 2, y // 2), self.half_opacity)


def _patch(colours: Image.Image, opacity: Image.Image, at: tuple[int, int]) -> Patch:
    half = opacity.resize((opacity.width // 2, opacity.height // 2), Image.Resampling.BOX)
    return Patch(planes.from_rgb(colours), opacity, half, at)


def readable(wanted: str, ground: str, *, least: float = _PLAIN) -> str:
    """Return a colour where it can be read on a ground, else black or white, whichever stands apart more."""
    if contrast(wanted, ground) >= least:
        return wanted
    return max((DARK, LIGHT), key=lambda colour: contrast(colour, ground))


@dataclass(frozen=True, slots=True)
class _Ink:
    """A style's colours, made readable: letters with their outline, before and while they are spoken."""

    text: str
    lit: str
    box: str

    @classmethod
    def of(cls, style: Style) -> "_Ink":
        if style.name == "subtitle":
            panel = style.box or DARK
            return cls(readable(style.text, panel), readable(style.highlight, panel), panel)
        if style.name == "box":
            box = style.box or _VIOLET
            return cls(style.text, readable(style.text, box), box)
        return cls(style.text, style.highlight, style.box or DARK)


def outline(fill: str) -> str:
    """Return the outline, dark or white, on which letters of this colour can be read on any picture."""
    return readable(DARK, fill, least=_LARGE)


class Inker:
    """Draws one group in one style, each state once. What never changes, such as the shadow, is drawn once for all."""

    def __init__(self, group: Group, style: Style, *, frame: tuple[int, int]) -> None:
        self._group, self._name, self._ink = group, style.name, _Ink.of(style)
        self._manner = MANNERS[style.name]
        block, ink = group.block, group.block.ink
        self._glow = round(block.size * 0.14)
        left, top = max(0, ink.left - 2 * self._glow) // 2 * 2, max(0, ink.top - 2 * self._glow) // 2 * 2
        right, bottom = min(frame[0], ink.right + 2 * self._glow), min(frame[1], ink.bottom + 2 * self._glow)
        self._at, self._size = (left, top), ((right - left) // 2 * 2, (bottom - top) // 2 * 2)
        self._last: tuple[object, Patch] | None = None
        self._shadow: Image.Image | None = None
        self._opacity: tuple[Image.Image, Image.Image] | None = None
        self._filled: tuple[Planes, Planes] | None = None

    def patch(self, number: int) -> Patch | None:
        """Return what is seen of the group at a frame, or None while it isn't shown."""
        lit = self._group.lit(number)
        if lit is None:
            return None
        if not self._group.lights:
            lit = _NONE
        since = number - self._group.turns[max(0, lit)]
        state = (lit, min(since, POP_FRAMES - 1) if self._name == "pop" else 0, self._edge(lit, number))
        if self._last is None or self._last[0] != state:
            self._last = (state, _DRAW[self._name](self, lit, state[1], state[2]))
        return self._last[1]

    def _canvas(self) -> tuple[Image.Image, Image.Image]:
        return Image.new("RGB", self._size, rgb(DARK)), Image.new("L", self._size, 0)

    def _write(self, on: Image.Image, word: Placed, fill: Rgb | int, *, stroke: int = 0, swell: float = 1.0) -> None:
        """Write a word on a canvas; grown, it stays centred on its middle and halfway up its letters."""
        pen, block = ImageDraw.Draw(on), self._group.block
        x = word.x - self._at[0] - word.length * (swell - 1) / 2
        y = word.baseline - self._at[1] + (block.rise - block.fall) * (swell - 1) / 2
        for run in word.runs:
            place = (x + run.x * swell, y)
            font = block.font(run.face, swell)
            pen.text(place, run.text, font=font, fill=fill, anchor="ls", stroke_width=stroke, **run.shaping)

    def _shaded(self, opacity: Image.Image) -> Image.Image:
        """Lay what is opaque over the soft shadow of all words; that stays as it is while they grow."""
        if self._shadow is None:
            blurred = self._outlined().filter(ImageFilter.GaussianBlur(self._glow))
            self._shadow = blurred.point(lambda a: a * _SHADOW_OPACITY)
        return ImageChops.lighter(opacity, self._shadow)

    def _letters(self, fills: Mapping[int, str], *, grown: Mapping[int, float] | None = None) -> Image.Image:
        """Return all words in their colours, each on its outline's colour."""
        colours, _ = self._canvas()
        stroke = self._group.block.stroke
        swells = grown or {}
        for i, word in enumerate(self._group.block.words):
            if outline(fills[i]) != DARK:
                self._write(colours, word, rgb(outline(fills[i])), stroke=stroke, swell=swells.get(i, 1.0))
        for i, word in enumerate(self._group.block.words):
            self._write(colours, word, rgb(fills[i]), swell=swells.get(i, 1.0))
        return colours

    def _outlined(self, grown: Mapping[int, float] | None = None) -> Image.Image:
        """Return where letters and outlines are."""
        _, opacity = self._canvas()
        for i, word in enumerate(self._group.block.words):
            self._write(opacity, word, 255, stroke=self._group.block.stroke, swell=(grown or {}).get(i, 1.0))
        return opacity

    def _still(self) -> tuple[Image.Image, Image.Image]:
        """Return the opacity that every state shares, at both sizes."""
        if self._opacity is None:
            whole = self._panel() if self._name == "subtitle" else self._shaded(self._outlined())
            half = whole.resize((whole.width // 2, whole.height // 2), Image.Resampling.BOX)
            self._opacity = (whole, half)
        return self._opacity

    def _fills(self, lit: int) -> dict[int, str]:
        count = len(self._group.block.words)
        return {i: self._ink.lit if i == lit else self._ink.text for i in range(count)}

    def _classic(self, lit: int, _since: int, _edge: int) -> Patch:
        whole, half = self._still()
        return Patch(planes.from_rgb(self._letters(self._fills(lit))), whole, half, self._at)

    def _box(self, lit: int, _since: int, _edge: int) -> Patch:
        colours = self._letters(dict.fromkeys(range(len(self._group.block.words)), self._ink.text))
        whole, half = self._still()
        if lit == _NONE:
            return Patch(planes.from_rgb(colours), whole, half, self._at)
        word = self._group.block.words[lit]
        rounded = self._rounded([word], 255)
        colours.paste(rgb(self._ink.box), mask=rounded)
        self._write(colours, word, rgb(self._ink.lit))
        return _patch(colours, ImageChops.lighter(whole, rounded), self._at)

    def _pop(self, lit: int, since: int, _edge: int) -> Patch:
        share = _eased(min(1.0, (since + 1) / POP_FRAMES))
        more = self._manner.swell - 1
        grown = {lit: 1 + more * share, lit - 1: 1 + more * (1 - share)}
        fills = self._fills(lit)
        return _patch(self._letters(fills, grown=grown), self._shaded(self._outlined(grown)), self._at)

    def _subtitle(self, lit: int, _since: int, _edge: int) -> Patch:
        whole, half = self._still()
        colours = Image.new("RGB", self._size, rgb(self._ink.box))
        for i, word in enumerate(self._group.block.words):
            self._write(colours, word, rgb(self._fills(lit)[i]))
        return Patch(planes.from_rgb(colours), whole, half, self._at)

    def _panel(self) -> Image.Image:
        """Return the panel's opacity: translucent, and solid where letters are."""
        panel = self._rounded(self._group.block.words, _PANEL_OPACITY)
        for word in self._group.block.words:
            self._write(panel, word, 255)
        return panel

    def _karaoke(self, lit: int, _since: int, edge: int) -> Patch:
        """Fill words from where they begin: what has been said is cut from a picture of all words spoken."""
        whole, half = self._still()
        if self._filled is None:
            words = range(len(self._group.block.words))
            plain, full = (dict.fromkeys(words, fill) for fill in (self._ink.text, self._ink.lit))
            self._filled = (planes.from_rgb(self._letters(plain)), planes.from_rgb(self._letters(full)))
        plain, full = self._filled
        mixed = Planes(plain.y.copy(), plain.u.copy(), plain.v.copy())
        for i in range(lit + 1):
            box = self._said(i, edge if i == lit else None)
            for scale, (to, origin) in ((1, (mixed.y, full.y)), (2, (mixed.u, full.u)), (2, (mixed.v, full.v))):
                part = (box[0] // scale, box[1] // scale, box[2] // scale, box[3] // scale)
                to.paste(origin.crop(part), part[:2])
        return Patch(mixed, whole, half, self._at)

    def _edge(self, lit: int, number: int) -> int:
        """Return how many pixels of the spoken word are filled at a frame, in steps of two; 0 in other styles."""
        if self._name != "karaoke" or lit == _NONE:
            return 0
        turn, end = self._group.turns[lit], self._group.ends[lit]
        share = min(1.0, (number - turn + 1) / max(1, end - turn))
        word = self._group.block.words[lit]
        return round((word.length + 2 * self._group.block.stroke) * share / 2) * 2

    def _said(self, word: int, edge: int | None) -> tuple[int, int, int, int]:
        """Return the even box of what is filled of a word, in the patch's pixels."""
        block, placed = self._group.block, self._group.block.words[word]
        around = block.stroke
        left, right = placed.x - self._at[0] - around, placed.x - self._at[0] + placed.length + around
        if edge is not None and placed.rightwards:
            left = right - edge
        elif edge is not None:
            right = left + edge
        top, bottom = (
            placed.baseline - self._at[1] - block.rise - around,
            placed.baseline - self._at[1] + block.fall + around,
        )
        even = (round(side / 2) * 2 for side in (left, top, right, bottom))
        x, y, x_end, y_end = even
        return max(0, x), max(0, y), max(0, x, min(self._size[0], x_end)), max(0, y, min(self._size[1], y_end))

    def _rounded(self, words: "tuple[Placed, ...] | list[Placed]", opacity: int) -> Image.Image:
        """Return one smooth-cornered box behind some words."""
        block = self._group.block
        pad_x, pad_y = (round(block.size * share) for share in self._manner.pad)
        left = min(word.x for word in words) - self._at[0] - pad_x
        right = max(word.x + word.length for word in words) - self._at[0] + pad_x
        top = min(word.baseline for word in words) - block.rise - self._at[1] - pad_y
        bottom = max(word.baseline for word in words) + block.fall - self._at[1] + pad_y
        return _box(self._size, (left, top, right, bottom), radius=block.size * 0.24, opacity=opacity)


_DRAW: Mapping[str, Callable[[Inker, int, int, int], Patch]] = {
    "classic": Inker._classic,  # noqa: SLF001 - the table of this class's own ways to draw
    "box": Inker._box,  # noqa: SLF001
    "karaoke": Inker._karaoke,  # noqa: SLF001
    "pop": Inker._pop,  # noqa: SLF001
    "subtitle": Inker._subtitle,  # noqa: SLF001
}


def _eased(share: float) -> float:
    return share * share * (3 - 2 * share)


def _box(
    size: tuple[int, int], sides: tuple[float, float, float, float], *, radius: float, opacity: int
) -> Image.Image:
    """Draw a box with round, smooth corners: only its own part is drawn larger and shrunk."""
    left, top = max(0, int(sides[0])), max(0, int(sides[1]))
    right, bottom = min(size[0], -int(-sides[2] // 1)), min(size[1], -int(-sides[3] // 1))
    large = Image.new("L", ((right - left) * _SMOOTH, (bottom - top) * _SMOOTH), 0)
    inner = [(side - origin) * _SMOOTH for side, origin in zip(sides, (left, top, left, top), strict=True)]
    inner[2], inner[3] = inner[2] - 1, inner[3] - 1
    ImageDraw.Draw(large).rounded_rectangle(tuple(inner), radius=radius * _SMOOTH, fill=opacity)
    out = Image.new("L", size, 0)
    out.paste(large.resize((right - left, bottom - top), Image.Resampling.BOX), (left, top))
    return out


def logo(chosen: Logo, area: Area, *, frame: tuple[int, int]) -> Patch:
    """Return a logo fitted into its corner of the area. Raises OSError where it can't be read."""
    room = chosen.room(*frame)
    with Image.open(Path(chosen.path)) as file:
        picture = file.convert("RGBA")
    scale = min(room[0] / picture.width, room[1] / picture.height)
    fitted = (max(2, round(picture.width * scale) // 2 * 2), max(2, round(picture.height * scale) // 2 * 2))
    picture = picture.resize(fitted, Image.Resampling.LANCZOS)
    x = -(-area.left // 2) * 2 if chosen.corner.endswith("left") else (area.right - fitted[0]) // 2 * 2
    y = -(-area.top // 2) * 2 if chosen.corner.startswith("top") else (area.bottom - fitted[1]) // 2 * 2
    opacity = picture.getchannel("A").point(lambda a: a * _LOGO_OPACITY)
    return _patch(picture.convert("RGB"), opacity, (x, y))

"""Words set in lines: their fonts, sizes and places, measured, in whatever script they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from PIL import ImageFont

from reelwright.rendering.fonts import FONT_FILE, Chain, Face, fallen_back, has_glyph
from reelwright.rendering.safearea import Area
from reelwright.rendering.scripts import cleaned, may_break, standing
from reelwright.rendering.style import Manner

__all__ = ["FONT_FILE", "Block", "Page", "Placed", "Run", "cleaned", "drawable", "has_glyph", "lay_out"]

_SMALLEST = 0.022  # of the frame's shorter side
_LEGIBLE = 9  # pixels
_LINES = 2


def drawable(text: str) -> tuple[str, bool]:
    """Return the text, cleaned, in letters that Poppins has, and whether no letter or digit was lost."""
    return fallen_back(cleaned(text), has_glyph)


class Shaping(TypedDict, total=False):
    """What the text engine is told about letters."""

    direction: str
    language: str


@dataclass(frozen=True, slots=True)
class Run:
    """Letters of one font: where they begin, in pixels from their word's left end."""

    text: str
    face: Face
    x: float
    rightwards: bool
    language: str

    @property
    def shaping(self) -> Shaping:
        """What the text engine is told about them: ideographs are drawn as their language writes them."""
        told = Shaping()
        if self.language and self.face.name == "cjk":
            told["language"] = self.language
        if self.rightwards:
            told["direction"] = "rtl"
        return told


@dataclass(frozen=True, slots=True)
class Placed:
    """A word on its line: left end, baseline and length in pixels."""

    text: str
    x: float
    baseline: int
    length: float
    rightwards: bool
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Words laid out, in the order in which they are spoken: font size and outline in pixels.

    `ink` is the rectangle of all that is ever drawn of them, outlines, boxes and grown words included; `rise` and
    `fall` are how far letters go above and below their baselines, in pixels.
    """

    words: tuple[Placed, ...]
    size: int
    stroke: int
    ink: Area
    quiet: bool
    rise: int
    fall: int

    def font(self, face: Face, swell: float = 1.0) -> ImageFont.FreeTypeFont:
        """Return a font at this block's size and weight."""
        return face.at(self.size if swell == 1.0 else round(self.size * swell, 2), quiet=self.quiet)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What words are set on and how: the frame in pixels, the area they stay in, manner, fonts, direction, language."""

    width: int
    height: int
    area: Area
    manner: Manner
    chain: Chain
    rtl: bool = False
    language: str = ""


@dataclass(frozen=True, slots=True)
class _Text:
    """A word to be set; `glued` where no space parts it from the one before."""

    index: int
    text: str
    glued: bool


_Row = list[_Text]


def lay_out(words: Sequence[tuple[str, bool]], page: Page) -> Block:
    """Set words, each with whether it is glued to the one before, in at most two centred lines in the page's area.

    They shrink until they fit.
    """
    manner, area = page.manner, page.area
    texts = [_Text(i, text, glued) for i, (text, glued) in enumerate(words)]
    room = 2 * min(page.width / 2 - area.left, area.right - page.width / 2)
    size = round(min(page.width, page.height) * manner.size)
    smallest = max(_LEGIBLE, round(min(page.width, page.height) * _SMALLEST))
    while True:
        setter = _Setter(page, size)
        rows = setter.broken(texts, room - 2 * setter.beside)
        fits = len(rows) <= _LINES and all(setter.length(row) <= room - 2 * setter.beside for row in rows)
        if fits or size <= smallest:
            block = setter.block(rows)
            if size <= smallest or area.holds(block.ink):
                return block
        size -= 2


class _Setter:
    """Sets words at one size."""

    def __init__(self, page: Page, size: int) -> None:
        self._page, self._size = page, size
        self._known: dict[tuple[str, bool], tuple[tuple[Run, ...], float]] = {}
        manner = page.manner
        self._stroke = max(2, round(size * manner.stroke)) if manner.stroke else 0
        self._pad = (round(size * manner.pad[0]), round(size * manner.pad[1]))
        self._space = self._font(_first_face(page.chain)).getlength(" ") + manner.space * size
        self._narrow = 0 if manner.quiet or not self._pad[0] else self._pad[0] + self._stroke

    @property
    def beside(self) -> float:
        """What outline or box takes beside a line, in pixels."""
        return max(self._stroke, self._pad[0])

    def _font(self, face: Face) -> ImageFont.FreeTypeFont:
        return face.at(self._size, quiet=self._page.manner.quiet)

    def _runs(self, text: str, *, rightwards: bool) -> tuple[tuple[Run, ...], float]:
        """Return a word's letters by font, from left to right, and how long they are."""
        known = self._known.get((text, rightwards))
        if known is None:
            known = self._known[text, rightwards] = self._measured(text, rightwards=rightwards)
        return known

    def _measured(self, text: str, *, rightwards: bool) -> tuple[tuple[Run, ...], float]:
        x, made = 0.0, list[Run]()
        pieces = self._page.chain.runs(text)
        for face, letters in reversed(pieces) if rightwards else pieces:
            run = Run(letters, face, x, rightwards, self._page.language)
            made.append(run)
            x += self._font(face).getlength(letters, **run.shaping)
        return tuple(made), x

    def length(self, row: _Row) -> float:
        """Return how long a line is, in pixels: every word has the room to grow."""
        gaps = sum(self._narrow if word.glued else self._space for word in row[1:])
        letters = sum(self._runs(word.text, rightwards=self._page.rtl)[1] for word in row)
        return letters * self._page.manner.swell + gaps

    def broken(self, words: Sequence[_Text], room: float) -> list[_Row]:
        """Return the words in lines that fit the room; two lines are about as long as each other."""
        rows: list[_Row] = [[]]
        for word in words:
            if rows[-1] and self.length([*rows[-1], word]) > room and _may_part(rows[-1][-1], word):
                rows.append([])
            rows[-1].append(word)
        if len(rows) == _LINES:
            cuts = [cut for cut in range(1, len(words)) if _may_part(words[cut - 1], words[cut])]
            halves = [[list(words[:cut]), list(words[cut:])] for cut in cuts]
            return min(halves, key=lambda half: max(self.length(row) for row in half))
        return rows

    def block(self, rows: Sequence[_Row]) -> Block:
        """Place the lines: centred, low in the area, wholly inside it where there is room."""
        page, manner, size = self._page, self._page.manner, self._size
        faces = {run.face for row in rows for word in row for run in self._runs(word.text, rightwards=page.rtl)[0]}
        pitch = max(round(size * max(manner.leading, *(face.leading for face in faces))), self._apart(rows))
        ascent, descent = (max(edge) for edge in zip(*(self._font(f).getmetrics() for f in faces), strict=True))
        tall = pitch * (len(rows) - 1) + ascent + descent
        area, below = page.area, max(self._stroke, self._pad[1])
        middle = area.top + (area.bottom - area.top) * manner.middle
        top = round(min(middle - tall / 2, area.bottom - tall - below))
        placed: dict[int, Placed] = {}
        for i, row in enumerate(rows):
            placed |= self._line(row, baseline=top + ascent + pitch * i)
        words = tuple(placed[i] for i in range(len(placed)))
        edges = [self._edges(word) for word in words]
        rise = max(word.baseline - edge[1] for word, edge in zip(words, edges, strict=True))
        fall = max(edge[3] - word.baseline for word, edge in zip(words, edges, strict=True))
        ink = self._ink(words, edges, rise, fall)
        return Block(words, size, self._stroke, ink, manner.quiet, int(-(-rise // 1)), int(-(-fall // 1)))

    def _apart(self, rows: Sequence[_Row]) -> int:
        """Return how far apart baselines are at least, so that no mark below a letter touches one above another."""
        lines = [[self._edges(word) for word in self._line(row, baseline=0).values()] for row in rows]
        falls = [max(edge[3] for edge in line) for line in lines]
        rises = [-min(edge[1] for edge in line) for line in lines]
        near = [fall + rise for fall, rise in zip(falls, rises[1:], strict=False)]
        boxed = 0 if self._page.manner.quiet else 2 * self._pad[1]
        return round(max(near, default=0) + self._stroke + boxed)

    def _line(self, row: _Row, *, baseline: int) -> dict[int, Placed]:
        x = (self._page.width - self.length(row)) / 2
        placed: dict[int, Placed] = {}
        stood = standing([word.text for word in row], rtl=self._page.rtl)
        for at, one in enumerate(stood):
            word = row[one.word]
            if at:
                beside = stood[at - 1].word
                glued = row[max(one.word, beside)].glued and abs(one.word - beside) == 1
                x += self._narrow if glued else self._space
            runs, length = self._runs(one.text, rightwards=one.rightwards)
            growth = length * (self._page.manner.swell - 1) / 2
            placed[word.index] = Placed(word.text, x + growth, baseline, length, one.rightwards, runs)
            x += length + 2 * growth
        return placed

    def _edges(self, word: Placed) -> tuple[float, float, float, float]:
        """Return the box of a word's letters, without outline."""
        boxes = [self._font(run.face).getbbox(run.text, anchor="ls", **run.shaping) for run in word.runs]
        starts = [word.x + run.x for run in word.runs]
        return (
            min(x + box[0] for x, box in zip(starts, boxes, strict=True)),
            word.baseline + min(box[1] for box in boxes),
            max(x + box[2] for x, box in zip(starts, boxes, strict=True)),
            word.baseline + max(box[3] for box in boxes),
        )

    def _ink(
        self, words: Sequence[Placed], edges: Sequence[tuple[float, float, float, float]], rise: float, fall: float
    ) -> Area:
        pad_x, pad_y = self._pad
        swell, stroke = self._page.manner.swell, self._stroke
        boxes: list[tuple[float, float, float, float]] = []
        for word, (left, top, right, bottom) in zip(words, edges, strict=True):
            if pad_x:
                ends = min(left, word.x) - pad_x, max(right, word.x + word.length) + pad_x
                boxes.append((ends[0], word.baseline - rise - pad_y, ends[1], word.baseline + fall + pad_y))
                continue
            x, y = word.x + word.length / 2, word.baseline - (rise - fall) / 2
            sides = (x + (left - x) * swell, y + (top - y) * swell, x + (right - x) * swell, y + (bottom - y) * swell)
            boxes.append((sides[0] - stroke, sides[1] - stroke, sides[2] + stroke, sides[3] + stroke))
        left, upper = min(box[0] for box in boxes), min(box[1] for box in boxes)
        right, lower = max(box[2] for box in boxes), max(box[3] for box in boxes)
        spare = 1 if swell > 1 else 0  # a grown letter is drawn from a pixel's fraction on
        return Area(
            int(left // 1) - spare, int(upper // 1) - spare, int(-(-right // 1)) + spare, int(-(-lower // 1)) + spare
        )


def _first_face(chain: Chain) -> Face:
    return chain.runs(" ")[0][0]


def _may_part(before: _Text, after: _Text) -> bool:
    return not after.glued or may_break(before.text, after.text)

"""One line of any text at one size: cut where there is no room, and drawn in every font that its letters need."""

import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from PIL import ImageDraw

from reelwright.rendering.fonts import FACES, Chain
from reelwright.rendering.lettering import Run
from reelwright.rendering.scripts import Standing, cleaned, joins, language, may_break, rightwards, standing

_CHAIN = Chain("poppins")
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Line:
    """Letters from left to right, each font's `x` from the line's left end; size and length in pixels."""

    runs: tuple[Run, ...]
    size: int
    length: float
    rightwards: bool

    def draw(self, pen: ImageDraw.ImageDraw, at: tuple[float, float], fill: str) -> None:
        """Draw it with its upper left corner there: all fonts stand on the first one's baseline."""
        ascent, _ = FACES[_CHAIN.chosen].at(self.size, quiet=True).getmetrics()
        for run in self.runs:
            font, place = run.face.at(self.size, quiet=True), (at[0] + run.x, at[1] + ascent)
            pen.text(place, run.text, font=font, fill=fill, anchor="ls", **run.shaping)


def fitted(text: str, size: int, room: float) -> Line:
    """Return the text in letters that can be drawn, with an ellipsis where it is longer than the room, in pixels."""
    text = _drawable(text)
    whole = _set(text, size)
    if whole.length <= room:
        return whole
    return _set(text[: _cut(text, size, room, _ELLIPSIS)].rstrip() + _ELLIPSIS, size)


def two(text: str, size: int, room: float) -> tuple[Line, ...]:
    """Return the text as at most two lines that fit the room, the second with an ellipsis where it must be cut."""
    text = _drawable(text)
    if _set(text, size).length <= room:
        return (_set(text, size),)
    at = _cut(text, size, room, "")
    spaced = text.rfind(" ", 0, at + 1)
    if spaced <= 0:  # some scripts have no spaces
        spaced = next((i for i in range(at, 0, -1) if may_break(text[:i], text[i:])), at)
    return _set(text[:spaced].rstrip(), size), fitted(text[spaced:].lstrip(), size, room)


def _drawable(text: str) -> str:
    return _CHAIN.drawable(cleaned(text))[0]


def _cut(text: str, size: int, room: float, behind: str) -> int:
    """Return how many letters fit the room with what is to stand behind them; at least one, and no letter is torn."""
    at = bisect_right(range(1, len(text)), room, key=lambda letters: _set(text[:letters] + behind, size).length)
    while at > 1 and _belongs(text[at]):
        at -= 1
    return max(at, 1)


def _belongs(character: str) -> bool:
    """Return whether a character is drawn onto the one before it."""
    return joins(character) or unicodedata.category(character).startswith("M")


@lru_cache(maxsize=512)
def _set(text: str, size: int) -> Line:
    rtl, spoken, x = rightwards(text), language(text), 0.0
    space = FACES[_CHAIN.chosen].at(size, quiet=True).getlength(" ")
    runs: list[Run] = []
    for word in standing(text.split(), rtl=rtl):
        placed, length = _word(word, spoken, size)
        runs += [Run(run.text, run.face, x + run.x, run.rightwards, run.language) for run in placed]
        x += length + space
    return Line(tuple(runs), size, max(0.0, x - space), rtl)


def _word(word: Standing, spoken: str, size: int) -> tuple[list[Run], float]:
    x, runs = 0.0, list[Run]()
    pieces = _CHAIN.runs(word.text)
    for face, letters in reversed(pieces) if word.rightwards else pieces:
        run = Run(letters, face, x, word.rightwards, spoken)
        runs.append(run)
        x += face.at(size, quiet=True).getlength(letters, **run.shaping)
    return runs, x

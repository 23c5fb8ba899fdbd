"""Text to letters that the caption font really has, and their measured, drawn form."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import fontpkg_poppins
from PIL import Image, ImageDraw, ImageFont

from reelwright.rendering.safearea import Area

FONT_FILE = Path(str(fontpkg_poppins.ROOT)) / "files" / "Poppins-ExtraBold.ttf"
_NOWHERE = "\U0010fffd"  # a private-use code point that no text font draws: it shows as the font's "missing" box
_SMALLEST = 24


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the caption font, Poppins ExtraBold, at a size in pixels."""
    return ImageFont.truetype(str(FONT_FILE), size)


def _drawn(character: str) -> bytes:
    canvas = Image.new("L", (96, 96))
    ImageDraw.Draw(canvas).text((24, 64), character, font=font(40), fill=255, anchor="ls")
    return canvas.tobytes()


@lru_cache(maxsize=4096)
def has_glyph(character: str) -> bool:
    """Return whether the font draws this character, and not its box for missing ones."""
    if character.isspace():
        return True
    drawn, missing = _drawn(character), _drawn(_NOWHERE)
    return drawn != missing


def cleaned(text: str) -> str:
    """Return the text in NFC on one line, without control (NUL too), format, surrogate and private characters."""
    spaced = "".join(" " if c.isspace() else c for c in unicodedata.normalize("NFC", text))
    kept = "".join(c for c in spaced if c == " " or not unicodedata.category(c).startswith("C"))
    return " ".join(kept.split())


def drawable(text: str) -> tuple[str, bool]:
    """Return the text in letters that the font has, and whether no letter or digit was lost.

    What the font lacks falls back to its plain form (NFKD without marks), and is else left out.
    """
    out: list[str] = []
    whole = True
    for character in cleaned(text):
        if has_glyph(character):
            out.append(character)
            continue
        plain = [c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c) and has_glyph(c)]
        out += plain
        whole = whole and (bool(plain) or unicodedata.category(character)[0] not in "LN")
    return " ".join("".join(out).split()), whole


@dataclass(frozen=True, slots=True)
class Placed:
    """A word on its line: left end and baseline in pixels."""

    text: str
    x: float
    baseline: int


@dataclass(frozen=True, slots=True)
class Block:
    """Words laid out: font size and outline in pixels, and the rectangle of all ink, outline included."""

    words: tuple[Placed, ...]
    size: int
    stroke: int
    ink: Area


def lay_out(words: tuple[str, ...], *, width: int, height: int, area: Area, lines: int = 2) -> Block:
    """Set words in at most `lines` centred lines low in the safe area; they shrink until they fit."""
    room = 2 * min(width / 2 - area.left, area.right - width / 2)
    size = round(min(width, height) * 0.085)
    while True:
        stroke = max(3, round(size * 0.085))
        rows = _broken(words, size, room - 2 * stroke)
        if size <= _SMALLEST or (len(rows) <= lines and all(_length(r, size) <= room - 2 * stroke for r in rows)):
            return _placed(rows, size, stroke, width=width, area=area)
        size -= 2


def _length(row: list[str], size: int) -> float:
    return font(size).getlength(" ".join(row))


def _broken(words: tuple[str, ...], size: int, room: float) -> list[list[str]]:
    rows: list[list[str]] = [[]]
    for word in words:
        if rows[-1] and _length([*rows[-1], word], size) > room:
            rows.append([])
        rows[-1].append(word)
    if len(rows) == 2:  # noqa: PLR2004 - two lines look best when they are about as long as each other
        cuts = [[list(words[:cut]), list(words[cut:])] for cut in range(1, len(words))]
        return min(cuts, key=lambda cut: max(_length(row, size) for row in cut))
    return rows


def _placed(rows: list[list[str]], size: int, stroke: int, *, width: int, area: Area) -> Block:
    pitch = round(size * 1.16)
    ascent, descent = font(size).getmetrics()
    tall = pitch * (len(rows) - 1) + ascent + descent
    middle = area.top + (area.bottom - area.top) * (0.87)
    top = round(min(middle - tall / 2, area.bottom - tall - stroke))
    space = font(size).getlength(" ")
    placed: list[Placed] = []
    edges: list[tuple[float, float, float, float]] = []
    for i, row in enumerate(rows):
        x = (width - _length(row, size)) / 2
        baseline = top + ascent + pitch * i
        for word in row:
            placed.append(Placed(word, x, baseline))
            edges.append(font(size).getbbox(word, anchor="ls", stroke_width=stroke))
            edges[-1] = (edges[-1][0] + x, edges[-1][1] + baseline, edges[-1][2] + x, edges[-1][3] + baseline)
            x += font(size).getlength(word) + space
    left, upper = min(e[0] for e in edges), min(e[1] for e in edges)
    right, lower = max(e[2] for e in edges), max(e[3] for e in edges)
    ink = Area(int(left), int(upper), int(-(-right // 1)), int(-(-lower // 1)))
    return Block(tuple(placed), size, stroke, ink)

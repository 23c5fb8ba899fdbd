"""The caption fonts, and which of them draws a letter that the chosen one lacks."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType

import fontpkg_anton
import fontpkg_heebo
import fontpkg_inter
import fontpkg_lora
import fontpkg_montserrat
import fontpkg_noto_sans
import fontpkg_noto_sans_arabic
import fontpkg_poppins
import fontpkg_rubik
import noto_cjk_sans_jp_bold
from PIL import Image, ImageDraw, ImageFont

from reelwright.rendering.scripts import joins

_NOWHERE = "\U0010fffd"  # a private-use code point that no text font draws: it shows as the font's "missing" box
_PROBED_AT, _PLAIN = 40, ImageFont.Layout.BASIC
_CHOOSES = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # a mark that only picks one of a sign's pictures
_LACKING = 0.1  # of a reel's words: fewer odd names are drawn in another font


@dataclass(frozen=True, slots=True)
class Cut:
    """A font file at one weight: `axes` are the places on a variable font's axes, in the file's order."""

    file: Path
    axes: tuple[float, ...] = ()

    def at(self, size: float) -> ImageFont.FreeTypeFont:
        """Return it at a size in pixels."""
        return _opened(self, size)


@lru_cache(maxsize=96)
def _opened(cut: Cut, size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(str(cut.file), size, layout_engine=ImageFont.Layout.RAQM)
    if cut.axes:
        font.set_variation_by_axes(list(cut.axes))
    return font


@dataclass(frozen=True, slots=True)
class Face:
    """A family at the two weights that captions use. `scale` evens out how large families look at one size.

    `leading` is the least distance between baselines that its letters need, as a share of their size.
    """

    name: str
    loud: Cut
    quiet: Cut
    scale: float = 1.0
    leading: float = 1.0

    def at(self, size: float, *, quiet: bool = False) -> ImageFont.FreeTypeFont:
        """Return it at a size in pixels, evened out."""
        cut = self.quiet if quiet else self.loud
        return cut.at(size if self.scale == 1.0 else round(size * self.scale, 2))


def _file(package: ModuleType, name: str) -> Path:
    return Path(str(package.ROOT)) / "files" / name


def _variable(name: str, package: ModuleType, file: str, loud: tuple[float, ...], quiet: tuple[float, ...]) -> Face:
    return Face(name, Cut(_file(package, file), loud), Cut(_file(package, file), quiet))


FONT_FILE = _file(fontpkg_poppins, "Poppins-ExtraBold.ttf")
_ANTON = Cut(_file(fontpkg_anton, "Anton-Regular.ttf"))
_CJK = Cut(Path(str(noto_cjk_sans_jp_bold.FONT_PATH)))
_ARABIC = _file(fontpkg_noto_sans_arabic, "NotoSansArabic[wdth,wght].ttf")

_FACES = (
    Face("poppins", Cut(FONT_FILE), Cut(_file(fontpkg_poppins, "Poppins-SemiBold.ttf"))),
    _variable("montserrat", fontpkg_montserrat, "Montserrat[wght].ttf", (800,), (600,)),
    _variable("inter", fontpkg_inter, "Inter[opsz,wght].ttf", (32, 800), (24, 600)),
    _variable("noto", fontpkg_noto_sans, "NotoSans[wdth,wght].ttf", (800, 100), (600, 100)),
    Face("arabic", Cut(_ARABIC, (800, 100)), Cut(_ARABIC, (600, 100)), scale=1.1, leading=1.5),
    _variable("hebrew", fontpkg_heebo, "Heebo[wght].ttf", (800,), (600,)),
    Face("cjk", _CJK, _CJK, scale=0.92, leading=1.2),
    _variable("rubik", fontpkg_rubik, "Rubik[wght].ttf", (800,), (600,)),
    _variable("lora", fontpkg_lora, "Lora[wght].ttf", (700,), (600,)),
    Face("anton", _ANTON, _ANTON, scale=1.06),
)
FACES = {face.name: face for face in _FACES}


@lru_cache(maxsize=256)
def _missing(name: str, *, mark: bool) -> bytes:
    return _drawn(FACES[name], _NOWHERE, mark=mark)


def _drawn(face: Face, character: str, *, mark: bool) -> bytes:
    """Draw a character alone. A mark isn't shaped: that would move its box for a missing one, too."""
    canvas = Image.new("L", (_PROBED_AT * 3, _PROBED_AT * 3))
    font = (
        ImageFont.truetype(str(face.loud.file), _PROBED_AT, layout_engine=_PLAIN) if mark else face.loud.at(_PROBED_AT)
    )
    ImageDraw.Draw(canvas).text((_PROBED_AT, 2 * _PROBED_AT), character, font=font, fill=255, anchor="ls")
    return canvas.tobytes()


@lru_cache(maxsize=65_536)
def has_glyph(character: str, name: str = "poppins") -> bool:
    """Return whether a family draws this character, and not its box for missing ones."""
    if character.isspace() or joins(character):
        return True
    mark = unicodedata.category(character).startswith("M")
    return _drawn(FACES[name], character, mark=mark) != _missing(name, mark=mark)


def fallen_back(text: str, has: Callable[[str], bool]) -> tuple[str, bool]:
    """Return a cleaned text in letters that can be drawn, and whether no letter, digit or mark on one was lost.

    What can't falls back to its plain form (NFKD without marks), and is else left out. Emoji and other symbols may be.
    """
    out: list[str] = []
    whole = True
    for character in text:
        if has(character):
            out.append(character)
            continue
        parts = unicodedata.normalize("NFKD", character)
        plain = [c for c in parts if not unicodedata.combining(c) and has(c)]
        out += plain
        spells = unicodedata.category(character)[0] in "LN" and not plain
        whole = whole and not spells and not any(_spells(c) for c in parts)
    return " ".join("".join(out).split()), whole


def _spells(mark: str) -> bool:
    return unicodedata.category(mark) in {"Mn", "Mc"} and not _CHOOSES.match(mark)


@dataclass(frozen=True)
class Chain:
    """A chosen family, and behind it every other: what the whole chain can draw is the same whichever is chosen."""

    chosen: str

    @classmethod
    def of(cls, chosen: str, words: Sequence[str]) -> "Chain":
        """Return the chosen family's chain, or another's where it lacks letters of many Latin words: one look."""
        latin = [word for word in words if any(c.isascii() and c.isalpha() for c in word)]
        for name in (chosen, *FACES):
            lacking = sum(not all(has_glyph(c, name) for c in word) for word in latin)
            if lacking <= _LACKING * len(latin):
                return cls(name)
        return cls(chosen)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The families in the order in which they are asked."""
        return (self.chosen, *(name for name in FACES if name != self.chosen))

    def drawable(self, text: str) -> tuple[str, bool]:
        """Return a cleaned text in letters that some family has, and whether no letter or digit was lost."""
        return fallen_back(text, lambda character: any(has_glyph(character, name) for name in self.names))

    def runs(self, word: str) -> tuple[tuple[Face, str], ...]:
        """Return the word in as few pieces as can be, each with the family that draws it: one, where one has all."""
        for name in self.names:
            if all(has_glyph(character, name) for character in word):
                return ((FACES[name], word),)
        runs: list[tuple[str, str]] = []
        for character in word:
            last = runs[-1][0] if runs else ""
            if last and (unicodedata.combining(character) or has_glyph(character, last)):
                runs[-1] = (last, runs[-1][1] + character)
            else:
                runs.append((self._first(character), character))
        return tuple((FACES[name], text) for name, text in runs)

    def _first(self, character: str) -> str:
        return next((name for name in self.names if has_glyph(character, name)), self.chosen)


def lacking(text: str) -> Iterator[str]:
    """Yield the letters, digits and marks of a cleaned text that no font has, in their order.

    Looking takes long the first time: the font that has a letter's neighbours is asked first.
    """
    names, near = Chain("poppins").names, dict[int, str]()

    def drawn(character: str) -> bool:
        block = ord(character) >> 8
        found = next((name for name in (near.get(block, names[0]), *names) if has_glyph(character, name)), None)
        if found is not None:
            near[block] = found
        return found is not None

    for character in dict.fromkeys(text):
        if _matters(character) and not fallen_back(character, drawn)[1]:
            yield character


def _matters(character: str) -> bool:
    """Return whether something is missing where it isn't drawn: not so with emoji and other symbols."""
    spells = unicodedata.category(character)[0] in "LN"
    return spells or any(_spells(part) for part in unicodedata.normalize("NFKD", character))

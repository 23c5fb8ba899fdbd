"""How scripts differ: cleaned text, cuts where no spaces are, who stands left of whom, and capitals."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import budoux

_JOINED = "\u0600-\u08ff\u0900-\u0dff"  # Arabic and its kin, and the scripts of India: where (non-)joiners spell
_STRAY_JOINER = re.compile(f"(?<![{_JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])")
_JOINERS = "\u200c\u200d\u200e\u200f"
_HAN = re.compile("[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile("[\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
_TURKISH = re.compile("[ığĞİ]")
# JIS X 4051 and the W3C's "Requirements for Japanese Text Layout", 3.1.7 and 3.1.8, as far as captions need them.
_NO_START = frozenset(
    "、。，．・：；？！゛゜ヽヾゝゞ々ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ〜…‥）〕］｝〉》」』】’”,.!?:;)]}%％"
)
_NO_END = frozenset("（〔［｛〈《「『【‘“([{")
_UNCUT, _LONGEST, _JOINED_COLUMNS = 8, 16, 8
_SHARE = 0.05
_MOST_MARKS = 5
LEFT, RIGHT = "L", "R"
_MARKS = {LEFT: "\u200e", RIGHT: "\u200f"}


def joins(character: str) -> bool:
    """Return whether a character has no picture of its own, and only says how its neighbours are drawn."""
    return character in _JOINERS


def cleaned(text: str) -> str:
    """Return the text in NFC on one line, without control (NUL too), format, surrogate and private characters.

    Joiners stay between the letters of scripts that spell with them, and five marks on a letter: no script has more.
    """
    spaced = "".join(" " if c.isspace() else c for c in unicodedata.normalize("NFC", text))
    kept = (c for c in spaced if c == " " or c in "\u200c\u200d" or not unicodedata.category(c).startswith("C"))
    return " ".join(_STRAY_JOINER.sub("", "".join(_unstacked(kept))).split())


def _unstacked(characters: Iterable[str]) -> Iterator[str]:
    marks = 0
    for character in characters:
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if marks <= _MOST_MARKS:
            yield character


def columns(text: str) -> int:
    """Return how wide a text is, in letters: East Asian wide ones count twice (Unicode, annex 11), marks nothing."""
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text if not (unicodedata.combining(c) or joins(c))
    )


def language(text: str) -> str:
    """Return which of ja, ko, zh-Hans and zh-Hant a text's ideographs are drawn for; empty where it has none."""
    kana, hangul, han = (len(found.findall(text)) for found in (_KANA, _HANGUL, _HAN))
    if not kana + hangul + han:
        return ""
    if kana > _SHARE * (kana + han):
        return "ja"
    if hangul > _SHARE * (hangul + han):
        return "ko"
    ideographs = set(_HAN.findall(text))
    foreign = {code: sum(not _encodes(c, code) for c in ideographs) for code in ("gb2312", "big5")}
    return "zh-Hant" if foreign["gb2312"] > foreign["big5"] else "zh-Hans"


def _encodes(character: str, code: str) -> bool:
    try:
        character.encode(code)
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=3)
def _parser(language: str) -> budoux.Parser:
    match language:
        case "zh-Hans":
            return budoux.load_default_simplified_chinese_parser()
        case "zh-Hant":
            return budoux.load_default_traditional_chinese_parser()
        case _:
            return budoux.load_default_japanese_parser()


def pieces(text: str, language: str) -> list[str]:
    """Cut a text without spaces into phrases of a few letters where its language has them, else return it whole.

    No piece begins with a closing mark or small kana, none ends with an opening mark.
    """
    if columns(text) <= _UNCUT or not (_HAN.search(text) or _KANA.search(text)):
        return [text]
    cut: list[str] = []
    for phrase in _parser(language).parse(text):
        if cut and (not may_break(cut[-1], phrase) or _short(cut[-1], phrase)):
            cut[-1] += phrase
        else:
            cut.append(phrase)
    return [part for phrase in cut for part in _halved(phrase)]


def _short(before: str, after: str) -> bool:
    return columns(before) <= 2 and columns(before) + columns(after) <= _JOINED_COLUMNS  # noqa: PLR2004 - one ideograph


def _halved(phrase: str) -> list[str]:
    if columns(phrase) <= _LONGEST:
        return [phrase]
    places = [i for i in range(1, len(phrase)) if may_break(phrase[:i], phrase[i:])]
    if not places:
        return [phrase]
    at = min(places, key=lambda i: abs(columns(phrase[:i]) - columns(phrase[i:])))
    return [*_halved(phrase[:at]), *_halved(phrase[at:])]


def may_break(before: str, after: str) -> bool:
    """Return whether a line may end between two texts that no space parts."""
    return before[-1] not in _NO_END and after[0] not in _NO_START and not unicodedata.combining(after[0])


def spaceless(before: str, after: str) -> bool:
    """Return whether two words stand side by side without a space: both ends are ideographs, kana or their marks."""
    return all(unicodedata.east_asian_width(c) in "WF" and not _HANGUL.match(c) for c in (before[-1], after[0]))


def rightwards(text: str) -> bool:
    """Return whether most letters of a text are read from right to left."""
    strong = [unicodedata.bidirectional(c) for c in text]
    return sum(kind in {"R", "AL"} for kind in strong) > sum(kind == "L" for kind in strong)


def capitals(text: str, *, turkish: bool = False) -> str:
    """Return a text in capitals where its script has them: Greek ones without accents, Turkish ones with their dots."""
    raised = (text.replace("i", "İ") if turkish else text).upper()
    if not any("\u0370" <= c <= "\u1fff" for c in raised):
        return raised
    apart = unicodedata.normalize("NFD", raised)
    return unicodedata.normalize(
        "NFC", re.sub("([\u0391-\u03a9]\u0308?)[\u0300\u0301\u0313\u0314\u0342]+", r"\1", apart)
    )


def is_turkish(text: str) -> bool:
    """Return whether a text has letters that only Turkish and its kin have."""
    return bool(_TURKISH.search(text))


@dataclass(frozen=True, slots=True)
class Standing:
    """A word where it stands: its number in the text, its letters with the marks that keep its ends in place."""

    word: int
    text: str
    rightwards: bool


def standing(words: Sequence[str], *, rtl: bool) -> tuple[Standing, ...]:
    """Return a line's words from left to right: Unicode's bidirectional algorithm (annex 9), by whole words.

    It differs in one thing: a mark at the end of several foreign words in a row stays with its own word.
    """
    base = RIGHT if rtl else LEFT
    sides = _sides(words, base)
    if base == LEFT and RIGHT not in sides:
        return tuple(Standing(i, word, rightwards=False) for i, word in enumerate(words))
    marked = [_marked(word, i, sides, base) for i, word in enumerate(words)]
    order = list(range(len(words)))
    against = LEFT if rtl else RIGHT
    order = _reversed_runs(order, [sides[i] == against for i in order])
    if rtl:
        order.reverse()
    return tuple(Standing(i, marked[i], rightwards=rtl) for i in order)


def _sides(words: Sequence[str], base: str) -> list[str]:
    sides: list[str] = []
    before = base
    for word in words:
        kinds = [unicodedata.bidirectional(c) for c in word]
        strong = next((RIGHT if kind in {"R", "AL"} else LEFT for kind in kinds if kind in {"R", "AL", "L"}), "")
        if not strong and any(kind in {"EN", "AN"} for kind in kinds):
            strong = before  # rules W2, W7 and N1: numbers go where the letters before them go
        before = strong or before
        sides.append(strong)
    for i, side in enumerate(sides):
        if not side:
            left = next((s for s in reversed(sides[:i]) if s), base)
            right = next((s for s in sides[i + 1 :] if s), base)
            sides[i] = left if left == right else base
    return sides


def _marked(word: str, at: int, sides: Sequence[str], base: str) -> str:
    """Keep the marks at the ends of words that run against the line with them, wherever two or more do so in a row."""
    side = sides[at]
    in_a_row = side in (sides[at - 1] if at else "", sides[at + 1] if at + 1 < len(sides) else "")
    return _MARKS[side] + word + _MARKS[side] if side != base and in_a_row else word


def _reversed_runs(order: list[int], against: Sequence[bool]) -> list[int]:
    out: list[int] = []
    run: list[int] = []
    for i, turned in zip(order, against, strict=True):
        if turned:
            run.append(i)
            continue
        out += [*reversed(run), i]
        run = []
    return out + list(reversed(run))

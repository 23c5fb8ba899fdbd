"""Turns any text into clean sentences: markup, citations, pronunciations and control characters go, meaning stays."""

import html
import re
import unicodedata
from dataclasses import dataclass

from reelwright.providers.offline.language import Language, folded, spoken_words

LONGEST_TEXT = 120_000  # characters read: what stands further down an article is rarely what it is about
MOST_SENTENCES = 500
_LONGEST_SENTENCE = 700

_PAIRS = (("<script", "</script"), ("<style", "</style"), ("<!--", "-->"), ("```", "```"))
_BREAK = re.compile(
    r"</?(?:p|div|br|li|ul|ol|h[1-6]|tr|td|th|table|section|article|blockquote)\b[^<>]{0,500}>", re.IGNORECASE
)
_TAG = re.compile(r"</?[A-Za-z!?][^<>]{0,500}>")
_HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t].*$", re.MULTILINE)
_TERMINAL = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_LINK = re.compile(r"!?\[([^\[\]\n]{0,200})\]\((?:[^()\s]|\([^()\s]{0,200}\)){0,500}\)")
_REFERENCE = re.compile(r"\[([^\[\]\n]{1,200})\]\[[^\[\]\n]{0,100}\]")
_WIKI_LINK = re.compile(r"\[\[(?:[^\[\]|\n]{0,200}\|)?([^\[\]|\n]{0,200})\]\]")
_CITATION = re.compile(
    r"\[(?:\d{1,4}|[a-z]|note \d+|citation needed|clarification needed|update|who\?|when\?)\]", re.IGNORECASE
)
_DRAWN = re.compile(r"\{[^{}\n]{0,100}\\p[1-9][^{}\n]{0,100}\}[^{}\n]{0,500}(?:\{[^{}\n]{0,100}\\p0[^{}\n]{0,100}\}|$)")
_BRACED = re.compile(r"\{[^{}\n]{0,300}\}")
_ESCAPE = re.compile(r"\\[Nnh](?![a-z])|\\[A-Za-z]+\d*|\\")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S{1,500}|\S{1,64}@\w[\w.\-]{1,80}\.\w{2,10}")
_LEAD = re.compile(r"^[ \t]{0,12}(?:>+|[-*+•·▪–](?=\s)|\d{1,3}[.)](?=\s))[ \t]*", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*(?:[-=_*~][ \t]*){3,}$|^[ \t]*\|.*\|[ \t]*$", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<!\w)[*_~`]{1,3}(?=\S)|(?<=\S)[*_~`]{1,3}(?!\w)")
_PRONOUNCED = re.compile(
    r"\s?\((?:pronounced|listen|IPA|pronunciation|pronunciación|prononc)\b[^()\n]{0,200}\)", re.IGNORECASE
)
_ROUND = re.compile(r"\s?[(（][^()（）]{0,300}[)）]")
_SQUARE = re.compile(r"\[([^\[\]\n]{0,80})\]")
_SOUND = re.compile(
    r"\s?(?:\[[^\[\]\n]{0,80}[ːˈˌəɪʊɛɔɑʃʒθðŋɲʁɡ][^\[\]\n]{0,80}\]|/[^/\s]{0,40}[ːˈˌəɪʊɛɔʃʒθðŋ][^/]{0,40}/)"
)
_SOUND_NAMED = re.compile(r",?\s(?:pronunciación|prononciation|pronunciation) (?:en |in )?\w{3,12}:;?")
_BOILERPLATE = re.compile(
    r"\b(?:cookies?\b.{0,60}\b(?:accept|use|policy|consent)|all rights reserved|sign up (?:for|to) (?:our|the)|"
    r"subscribe (?:to|now)|advertisement|read more\b|share this|click here|terms of (?:use|service)|privacy policy|"
    r"skip to content|log ?in to|enable javascript)|©",
    re.IGNORECASE,
)
# Said to a machine that may read the page, by whoever wants it to do something: no part of any story.
_COMMANDING = re.compile(
    r"\b(?:ignor\w{1,5}|disregard|forget|override|olvida|oubli\w{1,3})\b.{0,40}\b(?:instructions?|instrucciones|prompts?|"
    r"guidelines)\b|\b(?:reveal|print|output|repeat|show|leak)\b.{0,40}\bsystem prompt\b|"
    r"\byou are (?:now|no longer)\b.{0,60}\b(?:assistant|administrator|admin|AI|model|developer mode)\b|"
    r"\b(?:AI|language model|assistant)s?\b.{0,30}\b(?:must|should) (?:now )?(?:say|write|output|print|reply|tell)\b|"
    r"[\[(] ?/?(?:tool|function)[ _-]?(?:results?|calls?|outputs?|responses?) ?[\])]|"
    r"\bset (?:\w{1,12} ){0,2}credits? to\b",
    re.IGNORECASE,
)

_END = re.compile(r"([.!?؟…]+|[。！？]+)([\"'”’»)\]]*)(\s+|(?<=[。！？”」』])|$)")
_OPENING = re.compile(r"[\"'“‘«(\[¿¡—–\-\s]*(\S?)")
_INITIALS = re.compile(r"(?:^|[\s(“\"])(?:[^\W\d_]\.){0,3}[^\W\d_]$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` is fit to be said, `source` stands as in the source (cleaned of markup). `paragraph` counts from 0.

    `orphan` says that what stood before it in its paragraph can't be said: nobody would know who "it" is.
    """

    text: str
    source: str
    paragraph: int
    words: int
    orphan: bool = False


def plain(text: str) -> str:
    """Return hostile or marked-up text as plain text, paragraphs apart by a blank line. Never fails, linear time."""
    text = html.unescape(text[:LONGEST_TEXT])
    for opening, closing in _PAIRS:
        text = _without(text, opening, closing)
    text = unicodedata.normalize(
        "NFC", _TERMINAL.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    )
    text = _narrowed("".join(c for c in text if _keeps(c)))
    for pattern, put in (
        (_BREAK, "\n\n"), (_TAG, ""), (_HEADING, "\n\n"), (_WIKI_LINK, r"\1"), (_LINK, r"\1"),
        (_CITATION, ""), (_REFERENCE, r"\1"),
        (_PRONOUNCED, ""), (_SOUND, ""), (_DRAWN, ""), (_BRACED, ""), (_ESCAPE, " "), (_ADDRESS, ""), (_RULE, "\n\n"),
        (_LEAD, "\n\n"), (_EMPHASIS, ""),
    ):  # fmt: skip
        text = pattern.sub(put, text)
    text = re.sub(r"[{}<>\\|]", " ", text)
    return _narrowed(text).strip()


def _narrowed(text: str) -> str:
    """Narrow runs of white space to one space or one blank line, which also keeps every later pattern linear."""
    text = re.sub(r"[ \t\u00a0\u2007\u202f\u2009]+", " ", text)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" ?\n ?", "\n", text))


def _without(text: str, opening: str, closing: str) -> str:
    """Cut out what stands between a pair of marks; an opening that is never closed is left to the tag pattern."""
    low, kept, start = text.lower(), list[str](), 0
    while (at := low.find(opening, start)) >= 0 and (end := low.find(closing, at + len(opening))) >= 0:
        kept += [text[start:at], "\n\n"]
        start = end + len(closing)
    return "".join([*kept, text[start:]])


def _keeps(char: str) -> bool:
    if char in "\n\t°":
        return True
    category = unicodedata.category(char)
    # Cc control, Cf bidirectional overrides and zero widths, Cs lone surrogates, Co private use, So and Sk emoji
    return category not in {"Cc", "Cf", "Cs", "Co", "Cn", "So", "Sk"} and char != "\ufe0f"


def sentences(text: str, language: Language) -> list[Sentence]:
    """Return the usable sentences in order, none twice, at most MOST_SENTENCES: each stands as one spoken statement."""
    found: list[Sentence] = []
    seen: set[str] = set()
    for number, paragraph in enumerate(_paragraphs(plain(text))):
        if _COMMANDING.search(paragraph):
            continue
        lost = False
        for piece in split(paragraph, language):
            said = spoken(piece)
            key = folded(said)
            orphan, lost = lost, not _usable(said)
            if key in seen or lost:
                continue
            seen.add(key)
            found.append(Sentence(said, piece, number, spoken_words(said), orphan))
            if len(found) == MOST_SENTENCES:
                return found
    return found


def _paragraphs(text: str) -> list[str]:
    """Join the lines of a paragraph; a short line without a full stop is a heading, which nobody says aloud."""
    found: list[str] = []
    for block in re.split(r"\n{2,}", text):
        lines = [line.strip() for line in block.split("\n") if line.strip()]
        joined = " ".join(lines)
        ends = bool(joined) and joined.rstrip("\"'”’»)")[-1:] in set(".!?؟…。！？")
        if joined and (ends or spoken_words(joined) > 11):  # noqa: PLR2004 - a longer line without a stop is prose
            found.append(joined if ends or joined.endswith(":") else joined + ".")
    return found


def split(paragraph: str, language: Language) -> list[str]:
    """Return a paragraph's sentences; abbreviations, initials and decimals don't end one."""
    pieces: list[str] = []
    start = 0
    for match in _END.finditer(paragraph):
        if match.end() < len(paragraph) and not _ends_here(paragraph, match, language):
            continue
        piece = paragraph[start : match.end()].strip()
        if piece:
            pieces.append(piece)
        start = match.end()
    rest = paragraph[start:].strip()
    return [*pieces, rest] if rest else pieces


def _ends_here(paragraph: str, match: re.Match[str], language: Language) -> bool:
    following = _OPENING.match(paragraph, match.end())
    opens = following.group(1) if following else ""
    if opens and opens.islower():
        return False
    if match.group(1) != ".":
        return True
    before = paragraph[max(0, match.start() - 24) : match.start()]
    last = before.split()[-1].lstrip("(“\"'«").casefold() if before.split() else ""
    if _INITIALS.search(before) and not last.isdigit():
        # "U.S. The…" ends, "J. R. Tolkien" doesn't: what follows decides
        after = paragraph[match.end() : match.end() + 24].split()
        return "." in last and bool(after) and after[0].casefold() in language.small
    return last not in language.abbreviations


def spoken(sentence: str) -> str:
    """Return a sentence as it is said: without parentheses, editorial brackets kept as plain words."""
    said = sentence
    for _ in range(3):  # parentheses nest, rarely deeper
        said = _ROUND.sub("", said)
    said = re.sub(r"[()（）\[\]]", "", _SQUARE.sub(r"\1", said))
    said = re.sub(r"\s+([,.;:!?…])", r"\1", re.sub(r"\s{2,}", " ", said))
    said = re.sub(r",\s*(?=[,.;:])", "", _SOUND_NAMED.sub("", said))
    return re.sub(r"([,;:])\1+", r"\1", said).strip(" ,;:-–—*_")


def _usable(said: str) -> bool:
    letters, marks = sum(c.isalpha() for c in said), sum(not c.isspace() for c in said)
    if spoken_words(said) < 4 or len(said) > _LONGEST_SENTENCE or letters < 0.6 * marks:  # noqa: PLR2004 - a fragment
        return False
    if said[0].islower() or said.endswith(":") or _BOILERPLATE.search(said):
        return False
    return said.count('"') % 2 == 0 and said.count("“") == said.count("”") and said.count("«") == said.count("»")

"""Makes foreign text plain: no control characters, no invisible ones, paragraphs apart by one blank line."""

import re
import unicodedata

_JOINERS = {"\u200c", "\u200d"}  # Persian and Indic spelling needs them, emoji too
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
_BREAK = re.compile(r"\n\s*\n")
_SPACES = re.compile(r"\s+")


def visible(text: str) -> str:
    """Return the text in NFC without NUL, controls, lone surrogates, tags and zero-width characters. Keeps newlines."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n")
    kept = (
        c if c == "\n" or c in _JOINERS or unicodedata.category(c) not in _UNSEEN else " " if c in "\t\f\v" else ""
        for c in unified
    )
    return unicodedata.normalize("NFC", "".join(kept))


def line_of(text: str) -> str:
    """Return the visible text on one line, spaces collapsed."""
    return _SPACES.sub(" ", visible(text)).strip()


def paragraphs_of(text: str) -> tuple[str, ...]:
    """Return the paragraphs, each on one line; a blank line parts them."""
    lines = (line_of(part) for part in _BREAK.split(visible(text)))
    return tuple(line for line in lines if line)


def opening_of(text: str, *, longest: int = 300) -> str:
    """Return whole sentences from the start, up to about `longest` characters; a summary to show, not to narrate."""
    flat = line_of(text)
    if len(flat) <= longest:
        return flat
    ends = [match.end() for match in re.finditer(r"[.!?…。！？](?=\s)", flat[: longest + 1])]
    return flat[: ends[-1]] if ends else flat[:longest].rsplit(" ", 1)[0] + "…"


def words_in(text: str) -> int:
    """Count the words: runs between spaces that hold a letter or digit; a CJK character counts as one of two."""
    cjk = sum(1 for c in text if "\u3040" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7af")
    return cjk // 2 + sum(1 for run in text.split() if any(c.isalnum() and c < "\u3040" for c in run))

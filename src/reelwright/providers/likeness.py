"""How much two texts say the same, by the words they share, and of what kind an opening is."""

import re
import unicodedata
from collections.abc import Iterable

ALIKE = 0.5
"""Two openings that share so much are one to a viewer who has seen the first."""
RETOLD = 0.7
"""Two narrations that share so much of their vocabulary are one story."""

_SHORT = 3  # letters: shorter words stand everywhere
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]+")
_CONTRAST = re.compile(r"\b(?:but|yet|not|never|no|nobody|only|pero|nunca|mais|aber|nicht|nie)\b", re.IGNORECASE)
_MOST = 20_000  # characters of a text that are looked at


def vocabulary(text: str) -> frozenset[str]:
    """Return a text's words of three letters or more; pairs of characters where a script sets no spaces."""
    plain = unicodedata.normalize("NFKC", text[:_MOST]).casefold()
    pairs = {run[at : at + 2] for run in _UNSPACED.findall(plain) for at in range(max(1, len(run) - 1))}
    words = (word for word in _WORD.findall(_UNSPACED.sub(" ", plain)) if len(word) >= _SHORT)
    return frozenset(words) | pairs


def likeness(one: str, other: str) -> float:
    """Return the shared part of two texts' words, 0..1 (Jaccard 1901); texts without words are alike when equal."""
    left, right = vocabulary(one), vocabulary(other)
    if not (left or right):
        return float(one.strip() == other.strip())
    return len(left & right) / len(left | right)


def echoes(text: str, told: Iterable[str]) -> bool:
    """Say whether a text is like one of those that were told before."""
    return any(likeness(text, before) >= ALIKE for before in told)


def kind_of(hook: str) -> str:
    """Return of what kind an opening is: question, number, contrast or statement."""
    if hook.rstrip().endswith(("?", "？", "؟", ";")):
        return "question"
    if any(char.isdigit() for char in hook):
        return "number"
    return "contrast" if _CONTRAST.search(hook) else "statement"

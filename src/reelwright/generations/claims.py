"""Whether a sentence that somebody has edited still says what its source said."""

import re
import unicodedata

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_DENIALS = frozenset({"no", "not", "never", "none", "nobody", "nothing", "neither", "nor", "without", "cannot"})
_STEM = 5  # letters that two forms of a word share: purrs, purring
_SHORT = 3  # letters of a word that says little
_ENOUGH = 0.5  # of the words that say something


def supports(claim: str, narration: str) -> bool:
    """Say whether a source's sentence still stands behind a narration.

    Every number of the narration stands in it, half of its longer words do, and it denies no more and no less. Where
    that can't be seen, as in scripts without spaces, the answer is no, unless one contains the other: a claim that is
    dropped is only missing, one that is kept wrongly is false.
    """
    source, said = _plain(claim), _plain(narration)
    if said and said in source:
        return True
    if not set(_NUMBER.findall(said)) <= set(_NUMBER.findall(source)) or _denies(said) is not _denies(source):
        return False
    known = {word[:_STEM] for word in _WORD.findall(source)}
    telling = [word for word in _WORD.findall(said) if len(word) > _SHORT and not word.isdecimal()]
    return bool(telling) and sum(word[:_STEM] in known for word in telling) >= _ENOUGH * len(telling)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _denies(text: str) -> bool:
    return any(word in _DENIALS or word.endswith(("n't", "n’t")) for word in _WORD.findall(text))

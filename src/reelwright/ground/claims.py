"""Whether a sentence that somebody has written or edited says what its source said."""

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
    return bool(said and said in source) or (not _contradicts(source, said) and _share(said, source) >= _ENOUGH)


def retells(claim: str, sentence: str) -> bool:
    """Say whether a sentence tells what a source's sentence says, among other things that it may add.

    As `supports`, but half of the longer words of either are enough: a writer goes on where an editor corrects.
    """
    source, said = _plain(claim), _plain(sentence)
    return supports(claim, sentence) or (not _contradicts(source, said) and _share(source, said) >= _ENOUGH)


def _contradicts(source: str, said: str) -> bool:
    """Say whether a text has a number that its source hasn't, or denies more or less."""
    return not set(_NUMBER.findall(said)) <= set(_NUMBER.findall(source)) or _denies(said) is not _denies(source)


def _share(said: str, known: str) -> float:
    """Return the share of a text's longer words that another has too; 0 for a text without any."""
    stems = {word[:_STEM] for word in _WORD.findall(known)}
    telling = [word for word in _WORD.findall(said) if len(word) > _SHORT and not word.isdecimal()]
    return sum(word[:_STEM] in stems for word in telling) / len(telling) if telling else 0.0


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _denies(text: str) -> bool:
    return any(word in _DENIALS or word.endswith(("n't", "n’t")) for word in _WORD.findall(text))

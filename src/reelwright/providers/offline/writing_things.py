"""Which things a text names, in any language: nouns by the signs that its language gives, without a grammar of it."""

import re
from collections.abc import Sequence
from functools import cache

import budoux

from reelwright.providers.offline.facts import Encyclopaedia, key_of
from reelwright.providers.offline.illustrations import content_words, without_deeds
from reelwright.providers.offline.illustrations_abroad import UNKNOWN, named_in, small_in, tongue_of
from reelwright.providers.offline.language import Language, stem, words_of

_TOKEN = re.compile(r"\d[\d.,]*\d(?!\w)|[^\W_]+(?:['’\-][^\W_]+)*|[^\w\s]")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_STEM = re.compile(r"[\u3400-\u9fff々]+|[\u30a0-\u30ff]{2,}")  # ideographs, or a word in katakana
_PARTICLES = ("", *"はがをにのとでもやへ、。，！？」")
_COUNTED = re.compile(
    r"^(?:[一二三四五六七八九十百千万何数]+[回間本個匹年月日人時分秒つ]?間?|[人時中前方事物間所早高低目一]|今|自分|最初)$"
)
_ARABIC = re.compile(r"[\u0600-\u06ff]")
_DEFINITE = re.compile(r"^(?:[وفبك]?ال|لل)(?=\w{3})")
_DOER_WORDS = "i we you that who which can could will would must may might should to"
_DOERS = frozenset(_DOER_WORDS.split())
_DETERMINING = """
    el la los las un una unos unas del al su sus esa ese esas esos esta este
    le les l des du au aux une ses son sa ces cette cet leur leurs
"""
_DETERMINERS = frozenset(_DETERMINING.split())
_AMOUNT_WORDS = """
    second minute hour day week month year half quarter dozen hundred thousand million billion harder millon millones
    mile kilometre metre inch never seconde heure jour mois semaine hora minuto mes semana litro gramo
"""
_AMOUNTS = frozenset(_AMOUNT_WORDS.split())
_LONGEST = 3  # words of a phrase
_LEAST = 4  # letters of a word that may be a noun, where nothing else says so


def things(text: str, language: Language, *, most: int = 3, about: Sequence[str] = ()) -> list[str]:
    """Return the things that a text names, each once, in order; those of `about` before others where there are many."""
    found = list(dict.fromkeys(_found(text, language)))
    wanted = {stem(word, language) for phrase in about for word in _parts(phrase)}
    rated = [(_rating(phrase, wanted, language), -place, phrase) for place, phrase in enumerate(found)]
    best = {phrase for _, _, phrase in sorted(rated, reverse=True)[:most]}
    return [phrase for phrase in found if phrase in best]


def mentions(text: str, thing: str) -> bool:
    """Whether a text holds a thing's name, as it stands or, in Arabic, without its article."""
    bare = _DEFINITE.sub("", thing)
    return bare.casefold() in text.casefold()


def _rating(phrase: str, wanted: set[str], language: Language) -> float:
    own = [stem(word, language) for word in _parts(phrase)]
    return 2.0 * any(word in wanted for word in own) + min(len(own), 2) + (len(phrase) > 5)  # noqa: PLR2004 - says more


def _parts(phrase: str) -> list[str]:
    return _STEM.findall(phrase) if _DENSE.search(phrase) else words_of(phrase)


def _found(text: str, language: Language) -> list[str]:
    if _DENSE.search(text):
        return _dense(text)
    if _ARABIC.search(text):
        return [_DEFINITE.sub("ال", word) for word in words_of(text) if _DEFINITE.match(word)]
    return _nominal(text, language) if language.code else _foreign(text)


def _dense(text: str) -> list[str]:
    """Cut into phrases, and take of each what stands before its endings."""
    kana = re.search(r"[\u3040-\u309f]", text) is not None
    found: list[str] = []
    for phrase in _parser("ja" if kana else "zh").parse(text):
        for match in _STEM.finditer(phrase):
            word = match.group()
            if kana and len(word) == 1 and phrase[match.end() : match.end() + 1] not in _PARTICLES:
                continue  # a verb's: 動 of 動かす
            shown = re.sub(r"^[的了是在和也]|[的了是在和]$", "", word) if not kana else word
            if shown and not _COUNTED.match(shown) and (kana or len(shown) > 1):
                found.append(shown)
    return found


@cache
def _parser(code: str) -> budoux.Parser:
    return budoux.load_default_japanese_parser() if code == "ja" else budoux.load_default_simplified_chinese_parser()


def _foreign(text: str) -> list[str]:
    """Take the longer words that aren't small ones: capitals inside a sentence first, as German writes its nouns."""
    tongue = tongue_of(text)
    small = small_in(tongue)
    inside = re.findall(r"(?<=[^\W_] )[^\W\d_]+(?:-[^\W\d_]+)*", text)
    nouns = [word for word in inside if word[0].isupper()] if tongue in {"de", UNKNOWN} else []
    named = [word for word in words_of(text) if tongue and named_in(word, tongue)]
    return nouns or named or [w for w in words_of(text) if len(w) >= _LEAST and w.casefold() not in small]


def _nominal(text: str, language: Language) -> list[str]:
    """Take runs of content words between small words, verbs and stops, cut to where a known name ends."""
    runs: list[tuple[str, list[str]]] = [("", [])]  # each behind the token that parts it from the one before
    for token in _TOKEN.findall(without_deeds(text) if language.code == "en" else text):
        if _parting(token, language):
            adverb = language.code == "en" and token.endswith("ly") and not runs[-1][1]
            runs.append((runs[-1][0] if adverb else token.casefold(), []))
        else:
            runs[-1][1].append(token)
    cut = (_cut(run, before, language) for before, run in runs if run)
    return [phrase for phrase in cut if phrase]


def _parting(token: str, language: Language) -> bool:
    low = token.casefold()
    adverb = language.code == "en" and low.endswith("ly") and len(low) > 4  # noqa: PLR2004 - 'fly', 'July'
    said = low in language.small or low in language.verbs or adverb or "'" in low[1:-2]
    return said or not token[0].isalnum() or token[0].isdigit()


def _cut(run: list[str], before: str, language: Language) -> str:
    """Return a run as far as it surely names something: to its last known name, else whole where that is one word."""
    if before in language.asking | language.subject | _DOERS and not _known(run[0], language):
        run = run[1:]  # what they do
    for at, word in enumerate(run[1:], 1):
        if language.code == "en" and word.endswith("ed") and len(word) > _LEAST:
            run = run[:at]
            break
    if not run:
        return ""
    known = [at for at, word in enumerate(run) if _known(word, language)]
    if known:
        last = known[-1] if language.code == "en" else known[0]
        two = language.code == "en" and last - 1 in known  # "honey bee", but not "hot sun"
        kept = run[last - two : last + 1]
    else:
        sure = content_words(run[0]) if language.code == "en" else before in _DETERMINERS
        kept = run if len(run) == 1 and len(run[0]) >= _LEAST and sure else []
    bare = len(kept) == 1 and language.code == "en" and kept[0].endswith(("ed", "ing"))
    if bare or all(stem(word, language) in language.generic | _AMOUNTS for word in kept):
        return ""
    return " ".join(kept[-_LONGEST:])


def _known(word: str, language: Language) -> bool:
    if stem(word, language) in language.generic | _AMOUNTS:
        return False
    book = Encyclopaedia.load(language.code)
    return (book is not None and key_of(word, language) in book.names) or bool(named_in(word, language.code))

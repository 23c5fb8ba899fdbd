"""Whether a text is in the language that was asked for: by its script, then by the small words that it uses."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

_SCRIPTS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("ru", "uk", "bg", "be", "mk"), frozenset({"CYRILLIC"})),
    **dict.fromkeys(("ar", "fa", "ur"), frozenset({"ARABIC"})),
    **dict.fromkeys(("hi", "mr", "ne"), frozenset({"DEVANAGARI"})),
    "sr": frozenset({"CYRILLIC", "LATIN"}),
    "el": frozenset({"GREEK"}),
    "he": frozenset({"HEBREW"}),
    "th": frozenset({"THAI"}),
    "ko": frozenset({"HANGUL"}),
    "zh": frozenset({"CJK"}),
    "ja": frozenset({"HIRAGANA", "KATAKANA", "CJK"}),
    "bn": frozenset({"BENGALI"}),
    "ta": frozenset({"TAMIL"}),
    **dict.fromkeys(("no", "nb", "nn", "sk", "hr", "sl", "et", "lv", "lt", "vi"), frozenset({"LATIN"})),
}
_LISTS: Mapping[str, str] = {
    "en": "English", "es": "Spanish", "fr": "French", "de": "German", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "sv": "Swedish", "da": "Danish", "fi": "Finnish", "pl": "Polish", "cs": "Czech", "ro": "Romanian",
    "hu": "Hungarian", "tr": "Turkish", "id": "Indonesian", "ca": "Catalan", "ru": "Russian", "uk": "Ukrainian",
    "bg": "Bulgarian",
}  # fmt: skip
_OTHERS: Mapping[str, str] = {
    "ar": "Arabic", "el": "Greek", "he": "Hebrew", "hi": "Hindi", "ja": "Japanese", "ko": "Korean", "th": "Thai",
    "zh": "Chinese",
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")
_SCRIPT_SHARE = 0.5  # of the letters have to be of the language's script: names and terms may be of another
_LEAST_WORDS = 12
_LONGEST = 6_000  # characters of a text that are looked at
_SURE = 0.12  # share of small words by which another language has to be ahead
_LEAST_AHEAD = 3  # of them: one or two are a name's


def speaks(text: str, language: str) -> bool:
    """Say whether a text may be in a language (`en`, `pt-BR`); True where that can't be told, as of a few words."""
    code, text = _code(language), text[:_LONGEST]
    scripts = _scripts(text)
    letters = sum(scripts.values())
    if not letters or (letters == scripts["LATIN"] and letters < _LEAST_WORDS):  # NASA is so in every script
        return True
    own = _SCRIPTS.get(code, frozenset({"LATIN"}) if code in _LISTS else frozenset())
    if own and sum(scripts[script] for script in own) < _SCRIPT_SHARE * letters:
        return False
    if code == "ja" and letters >= _LEAST_WORDS and not scripts["HIRAGANA"] + scripts["KATAKANA"]:
        return False
    if code == "zh" and scripts["HIRAGANA"] > scripts["CJK"] // 4:
        return False
    return _sounds(text, code)


def heard(text: str) -> str | None:
    """Return the code of the language that a text is surely in, of those with a name here; else None."""
    likely = [code for code in (*_LISTS, *_OTHERS) if speaks(text, code)]
    if len(likely) > 1:
        small = _smalls(_telling(text))
        first, second, *_ = sorted((small.get(code, 0) for code in likely), reverse=True)
        likely = [code for code in likely if small.get(code) == first >= second + _LEAST_AHEAD]
    return likely[0] if len(likely) == 1 else None


def name_of(language: str) -> str:
    """Return a language's English name; of one without a name here, its code."""
    code = _code(language)
    return _LISTS.get(code) or _OTHERS.get(code) or f"“{language}”"


def _code(language: str) -> str:
    return language.partition("-")[0].lower()


def _sounds(text: str, code: str) -> bool:
    words = _telling(text)
    if code not in _LISTS or len(words) < _LEAST_WORDS:
        return True
    small = _smalls(words)
    return small[code] + max(_SURE * len(words), _LEAST_AHEAD) > max(small.values())


def _smalls(words: Sequence[str]) -> Mapping[str, int]:
    """Count the words that are small ones, by language."""
    return {code: sum(word in _small(name) for word in words) for code, name in _LISTS.items()}


def _telling(text: str) -> list[str]:
    """Return the words that may be small ones: what is written large is a name, and some lists hold names."""
    return [word for word in _WORD.findall(text) if word.islower()]


def _scripts(text: str) -> Counter[str]:
    return Counter(unicodedata.name(char, "?").partition(" ")[0] for char in text if char.isalpha())


def small_words(language: str) -> frozenset[str]:
    """Return the words of a language that stand in every text; none of a language without a list."""
    name = _LISTS.get(_code(language))
    return _small(name) if name else frozenset()


@cache
def _small(name: str) -> frozenset[str]:
    import justext  # noqa: PLC0415 - 60 ms for its parser, which only those who check a model's answer need

    return frozenset(word.casefold() for word in justext.get_stoplist(name))

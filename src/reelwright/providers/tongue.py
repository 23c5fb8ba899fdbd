"""Whether a text is in the language that was asked for: by its script, then by the small words that it uses."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
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
}
_LISTS: Mapping[str, str] = {
    "en": "English", "es": "Spanish", "fr": "French", "de": "German", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "sv": "Swedish", "da": "Danish", "fi": "Finnish", "pl": "Polish", "cs": "Czech", "ro": "Romanian",
    "hu": "Hungarian", "tr": "Turkish", "id": "Indonesian", "ca": "Catalan", "ru": "Russian", "uk": "Ukrainian",
    "bg": "Bulgarian",
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")
_SCRIPT_SHARE = 0.5  # of the letters have to be of the language's script: names and terms may be of another
_LEAST_WORDS = 12
_SURE = 0.12  # share of small words by which another language has to be ahead


def speaks(text: str, language: str) -> bool:
    """Say whether a text may be in a language (`en`, `pt-BR`); True where that can't be told, as of a few words."""
    code = language.partition("-")[0].lower()
    scripts = _scripts(text)
    letters = sum(scripts.values())
    if not letters:
        return True
    own = _SCRIPTS.get(code, frozenset({"LATIN"}) if code in _LISTS else frozenset())
    if own and sum(scripts[script] for script in own) < _SCRIPT_SHARE * letters:
        return False
    if code == "ja" and letters >= _LEAST_WORDS and not scripts["HIRAGANA"] + scripts["KATAKANA"]:
        return False
    if code == "zh" and scripts["HIRAGANA"] > scripts["CJK"] // 4:
        return False
    return _sounds(text, code)


def _sounds(text: str, code: str) -> bool:
    words = [word.casefold() for word in _WORD.findall(text)]
    if code not in _LISTS or len(words) < _LEAST_WORDS:
        return True
    shares = {other: sum(word in _small(name) for word in words) / len(words) for other, name in _LISTS.items()}
    return shares[code] + _SURE > max(shares.values())


def _scripts(text: str) -> Counter[str]:
    return Counter(unicodedata.name(char, "?").partition(" ")[0] for char in text if char.isalpha())


@cache
def _small(name: str) -> frozenset[str]:
    """Return a language's small words."""
    import justext  # noqa: PLC0415 - 60 ms for its parser, which only those who check a model's answer need

    return frozenset(word.casefold() for word in justext.get_stoplist(name))

"""Tells which language a text is in, and which things the drawings know it names."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache

from reelwright.providers.offline.illustrations_tongues import LANGUAGES, TONGUES

ENGLISH, UNKNOWN = "en", ""
_BY_SCRIPT = {"CYRILLIC": "ru", "ARABIC": "ar", "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh", "LATIN": ENGLISH}
_SMALL: Mapping[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "en": "the a an and or but of in on at by for from to is are was were it its this that they he she as with not",
        "es": "el la los las un una de del y o pero en con por para se su sus que es son al lo más no si como cuando",
        "fr": "le la les un une des du de et ou mais en dans avec par pour se sa ses son que qui est sont au ne pas",
        "de": "der die das den dem des ein eine einer und oder aber in mit von zu für auf ist sind war nicht es als",
        "it": "il lo la i gli le un una di del della dei e o ma in con per su che è sono si non come al alla nel",
        "pt": "o a os as um uma de do da dos das e ou mas em no na com por para que é são se não ao como mais",
        "nl": "de het een en of maar in op met van voor te is zijn was niet dat die ook aan er",
        "pl": "i w z na do się nie jest są to że przez od po za jak ale lub oraz",
        "cs": "a v z na do se je jsou to že od po za jak ale nebo který která",
        "ro": "și în cu de la pe un o este sunt nu se că din pentru care sau dar",
        "tr": "ve bir bu da de için ile çok olan gibi daha ne en kadar ama",
    }.items()
}
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_ARTICLES = re.compile("^(?:وال|بال|كال|فال|لل|ال|و|ف|ب|ل|ك)(?=\\w{2})")
_ENDING = 2  # letters: no plural or case that these words take is longer
_STEM = 4
_DENSE = frozenset({"ja", "zh"})


def tongue_of(text: str) -> str:
    """Return a text's language: English unless its letters or its small words say otherwise, UNKNOWN beyond our ten."""
    scripts = Counter(unicodedata.name(char, "?").partition(" ")[0] for char in text[:2_000] if char.isalpha())
    if not scripts:
        return ENGLISH
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    script = "HIRAGANA" if kana * 8 > scripts["CJK"] > 0 else max(scripts, key=lambda name: scripts[name])
    found = _BY_SCRIPT.get(script, UNKNOWN)
    if found != ENGLISH:
        return found
    words = [word.casefold() for word in _WORD.findall(text[:2_000])]
    counts = {code: sum(word in small for word in words) for code, small in _SMALL.items()}
    best = max(counts, key=lambda code: (counts[code], code == ENGLISH))
    if counts[best] < 2 and not text.isascii():  # noqa: PLR2004 - one small word may be anybody's: letters then tell
        best = max((code for code in counts if code != ENGLISH), key=lambda code: counts[code])
    return best if best in {ENGLISH, *LANGUAGES} else UNKNOWN


def small_in(tongue: str) -> frozenset[str]:
    """Return a few of a language's small words, as far as they are known here."""
    return _SMALL.get(tongue, frozenset())


def named_in(text: str, tongue: str) -> list[str]:
    """Return the English words of the things that a text in one of LANGUAGES names, in order, each once."""
    if tongue not in LANGUAGES:
        return []
    return _dense(text, tongue) if tongue in _DENSE else _spaced(text, tongue)


def _dense(text: str, tongue: str) -> list[str]:
    """Find words in a script without spaces, longer ones first; none within another."""
    found: list[tuple[int, str]] = []
    for word in sorted(_lexicon(tongue), key=len, reverse=True):
        at = text.find(word)
        if at >= 0:
            found += [(at, thing) for thing in _lexicon(tongue)[word]]
            text = text.replace(word, "\0" * len(word))
    return list(dict.fromkeys(thing for _, thing in sorted(found)))


def _spaced(text: str, tongue: str) -> list[str]:
    found: list[str] = []
    for token in _WORD.findall(text):
        forms = {_bare(token)}
        if tongue == "ar":
            forms.add(_ARTICLES.sub("", _bare(token)))
        found += [thing for form in forms for thing in _meant(form, tongue)]
    return list(dict.fromkeys(found))


def _meant(form: str, tongue: str) -> tuple[str, ...]:
    """Return what a word means that is one of ours, or one of ours with an ending."""
    known = _lexicon(tongue)
    if form in known:
        return known[form]
    for cut in range(1, _ENDING + 1):
        start = form[:-cut]
        if len(start) < _STEM - (tongue == "ar" or form.endswith("s")):
            break
        for stem in (start, *(start + vowel for vowel in "aeoyаяьه")):
            if stem in known:
                return known[stem]
    return ()


def _bare(word: str) -> str:
    """Return a word without case, accents and Arabic's vowel signs, its kinds of alif and final forms made one."""
    apart = unicodedata.normalize("NFKD", word.casefold())
    plain = "".join(char for char in apart if not unicodedata.combining(char) and char != "\u0640")
    return plain.replace("ة", "ه").replace("ى", "ي")


@cache
def _lexicon(tongue: str) -> Mapping[str, tuple[str, ...]]:
    column = LANGUAGES.index(tongue) + 1
    known: dict[str, tuple[str, ...]] = {}
    for line in filter(None, TONGUES.splitlines()):
        cells = [cell.strip() for cell in line.split("|")]
        for word in cells[column].split():
            key = word if tongue in _DENSE else _bare(word)
            known[key] = (*known.get(key, ()), cells[0])
    return known

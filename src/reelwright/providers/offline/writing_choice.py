"""Chooses which of a source's sentences to say, so that together they are central, varied and just as long as asked."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelwright.providers.offline.embedding import Embedding
from reelwright.providers.offline.language import Language, alike, folded, spoken_words, stem, words_of
from reelwright.providers.offline.writing_sentences import Sentence
from reelwright.providers.offline.writing_things import mentions, things

LONGEST_BEAT = 30  # words
SHORTEST_BEAT = 6

_MOST_CANDIDATES = 70
_DAMPING = 0.85  # LexRank: Erkan and Radev 2004, section 3.2
_RELEVANCE = 0.65  # MMR's lambda: Carbonell and Goldstein 1998
_SUBORDINATE = re.compile(
    r"^(?:although|while|when|whenever|if|because|since|as|after|before|despite|during|unless|until|in|on|at|by|with|"
    r"for|from|to|due|aunque|cuando|si|mientras|tras|durante|en|con|por|para|desde|al|bien que|lorsqu\w+|quand|comme|"
    r"après|avant|pendant|dans|avec|pour|depuis|à|au)\b",
    re.IGNORECASE,
)
_FINITE = {  # a clause with one of these is a sentence
    *("is", "are", "was", "were", "has", "have", "had", "can", "could", "may", "might", "will", "would", "does", "did"),
    *(
        "es",
        "son",
        "era",
        "fue",
        "fueron",
        "tiene",
        "tienen",
        "puede",
        "est",
        "sont",
        "était",
        "ont",
        "peut",
        "peuvent",
    ),
}
_SEAM = re.compile(r"[，、；：]|[,;:]\s")
_NEIGHBOUR = 0.4  # what a sentence from a neighbouring article counts, against one of the article itself
WHY = re.compile(r"\W*(?:why|pourquoi|por que)\b")
_LIST_ITEM = 3  # words
_NUMBER = re.compile(r"\d[\d.,]*")
_TWIN = 0.15  # what a sentence counts that says what another one says
_SET_UP, _SHORTEST_ALONE = 0.3, 5  # "Elephants do the opposite.": so few words wait for the next sentence
_MOST_ASKED = 0.6  # of what a question asks
_LATIN_LIST = re.compile(r"\b[A-Z]\. [a-z]\b")  # "B. m. musculus": nobody can listen to it

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Version:
    """One way of saying a sentence: whole, or without a trailing clause."""

    text: str
    words: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence with its worth. It may be said only after one of the sentences `after` (None: after anything).

    `asked` says that it holds what the question adds to its subject: the word that people want to hear.
    """

    place: int
    sentence: Sentence
    versions: tuple[Version, ...]
    worth: float
    after: frozenset[int] | None = None
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """A sentence that will be said, in the version that fits."""

    place: int
    text: str
    source: str
    words: int


def versions_of(sentence: Sentence, language: Language) -> tuple[Version, ...]:
    """Return the ways to say a sentence that stay grammatical, longest first; none if it can't be cut into beats."""
    text = sentence.text
    if language.droppable is not None:
        bare = language.droppable.sub("", text)
        text = bare[:1].upper() + bare[1:]
    found = [text]
    if language.trailing is not None:
        short = language.trailing.sub("", text)
        if short != text and _stands(short):
            found.append(short)
    sized = [Version(said, spoken_words(said)) for said in found]
    return tuple(v for v in sized if v.words <= LONGEST_BEAT or pieces(v.text, language, loose=True))


def _stands(text: str) -> bool:
    """Whether what is left of a shortened sentence is a main clause: long enough, a finite verb, no "Although"."""
    words = [w.casefold() for w in words_of(text)]
    return len(words) >= SHORTEST_BEAT and not _SUBORDINATE.match(text) and any(w in _FINITE for w in words)


def pieces(text: str, language: Language, *, loose: bool = False) -> tuple[str, str] | None:
    """Cut a sentence in two where a speaker would breathe, nearest to its middle; None where there is no such place.

    `loose` also cuts before a preposition.
    """
    kinds = [_SEAM, language.seam, language.loose if loose else None]
    seams = [seam for kind in kinds if kind is not None for seam in kind.finditer(text)]
    best: tuple[float, str, str] | None = None
    for seam in seams:
        at = seam.end() if text[seam.start()] in ";:—,，、；：" else seam.start()
        left, right = text[:at].strip(), text[at:].strip()
        sizes = spoken_words(left), spoken_words(right)
        if min(sizes) < SHORTEST_BEAT or max(sizes) > LONGEST_BEAT:
            continue
        lopsided = abs(sizes[0] - sizes[1]) + _roughness(left)
        if best is None or lopsided < best[0]:
            best = (lopsided, left, right)
    return None if best is None else (best[1], best[2])


def _roughness(left: str) -> int:
    """Return how ill a pause would fit here, in words of imbalance: well at a clause's comma, badly inside a list."""
    if left[-1] not in ";:—,，、；：":
        return 4
    item = left[-1] == "," and len(left[:-1].rsplit(",", 1)[-1].split()) <= _LIST_ITEM
    return 8 if item else 0


def starts_with(sentence: Sentence, words: frozenset[str]) -> bool:
    """Whether a sentence's first word is one of these."""
    first = words_of(sentence.text)[:1]
    return bool(first) and first[0].casefold() in words


def candidates(
    said: Sequence[Sentence], *, question: str, title: str, language: Language, gathered: bool
) -> list[Candidate]:
    """Return the best sentences with their worth, in source order, and what each must follow to be understood.

    `gathered` says that only the first paragraph is the article's own: the others come from its neighbours, are worth
    less and are said whole, so that what they say about the subject is never what gets cut.
    """
    worth = _worths(said, question=question, title=title, language=language)
    after = [_needs(said, i, title, language) for i in range(len(said))]
    worth *= np.array([2.0 if answers(question, title, s, language) else 1.0 for s in said])
    worth *= _freshness(said, worth)
    worth *= np.array([_SET_UP if len(s.text.split()) <= _SHORTEST_ALONE else 1.0 for s in said])
    if gathered:
        worth[0] *= 1.4  # the definition
        worth *= np.array([_nearness(s, title, language) for s in said])
    best = set(_diverse(said, worth)[:_MOST_CANDIDATES])
    for place in sorted(best):
        needed = after[place]
        if needed:  # a sentence that leans on another brings it along as a candidate
            best.add(min(needed))
            best.add(max(needed))
    made = [
        Candidate(
            place,
            said[place],
            _versions(said[place], language, gathered),
            float(worth[place]),
            after[place],
            _asked(said[place].text, question, title, language) >= _MOST_ASKED,
        )
        for place in sorted(best)
    ]
    return [candidate for candidate in made if candidate.versions and candidate.after != frozenset()]


def _freshness(said: Sequence[Sentence], worth: Numbers) -> Numbers:
    """Return what each sentence keeps of its worth: little where a better one says the same but for its numbers."""
    shapes: Counter[str] = Counter()
    kept = np.ones(len(said))
    for place in np.argsort(-worth, kind="stable"):
        shape = _NUMBER.sub("#", said[place].text.casefold())
        kept[place] = _TWIN ** min(shapes[shape], 1)
        shapes[shape] += 1
    return kept


def _nearness(sentence: Sentence, title: str, language: Language) -> float:
    """Return what a sentence counts by where it comes from: half a neighbour's, where it begins with something else."""
    if sentence.paragraph == 0:
        return 1.0
    begins = {stem(word, language) for word in words_of(sentence.text)[:5]}
    return _NEIGHBOUR if begins & {stem(word, language) for word in words_of(title)} else _NEIGHBOUR / 2


def _versions(sentence: Sentence, language: Language, gathered: bool) -> tuple[Version, ...]:  # noqa: FBT001 - passed on
    found = versions_of(sentence, language)
    return found[:1] if gathered and sentence.paragraph else found


def _needs(said: Sequence[Sentence], place: int, title: str, language: Language) -> frozenset[int] | None:
    """Return the sentences of which one must come right before. 'It' reaches back to where the subject was named."""
    sentence = said[place]
    if sentence.orphan and starts_with(sentence, language.subject | language.leaning):
        return frozenset()
    bare = language.droppable.sub("", sentence.text) if language.droppable else sentence.text
    first = (words_of(bare) or [""])[0].casefold()
    if language.pointing is not None and language.pointing.search(bare):
        return frozenset({place - 1}) if place else frozenset()
    if first not in language.subject | language.leaning:
        return None
    if place == 0 or (said[place - 1].paragraph != sentence.paragraph and first in language.leaning):
        return frozenset()
    if first in language.leaning:
        return frozenset({place - 1})
    start = place
    while start > 0 and starts_with(said[start], language.subject) and said[start].paragraph == sentence.paragraph:
        start -= 1
    named = {stem(w, language) for w in words_of(said[start].text)[:4]} & {stem(w, language) for w in words_of(title)}
    return frozenset(range(start, place)) if named else frozenset({place - 1})


def _worths(said: Sequence[Sentence], *, question: str, title: str, language: Language) -> Numbers:
    """Score sentences 0..1 by LexRank, nearness to the question, place and length."""
    count = len(said)
    vectors = Embedding.load().embed([question or title, *(s.text for s in said)]).astype(np.float64)
    asked, rows = vectors[0], vectors[1:]
    alikeness = rows @ rows.T
    np.fill_diagonal(alikeness, 0)
    links = np.clip(alikeness, 0, None)
    links /= links.sum(axis=1, keepdims=True) + 1e-9
    rank = np.ones(count) / count
    for _ in range(30):
        rank = (1 - _DAMPING) / count + _DAMPING * (links.T @ rank)
    centre = rows.mean(axis=0)
    centre /= np.linalg.norm(centre) + 1e-9
    hits = np.array([_asked(s.text, question, title, language) for s in said])
    place = 1 / (1 + 0.06 * np.arange(count))
    length = np.exp(-(((np.array([s.words for s in said]) - 16) / 14.0) ** 2))
    worth = 0.4 * rank / rank.max() + 0.3 * (rows @ centre) + 0.3 * (rows @ asked) + 0.8 * hits
    worth = worth * (0.6 + 0.4 * place) * (0.6 + 0.4 * length)
    worth *= np.array([0.2 if _LATIN_LIST.search(s.text) else 1.0 for s in said])
    return np.clip(worth, 0.01, None)


def _asked(text: str, question: str, title: str, language: Language) -> float:
    """Return the share of what is asked that a sentence holds: what a question adds to the title, or a title names."""
    if not language.code:  # its words can't be cut and stemmed
        named = things(question, language, most=6)
        return sum(mentions(text, thing) for thing in named) / max(1, len(named))
    sought = {stem(w, language) for w in words_of(question) if w.casefold() not in language.small | language.verbs}
    sought -= language.generic | _names(question, title, language)
    return _hits(text, sought, language)


def _hits(text: str, sought: set[str], language: Language) -> float:
    if not sought:
        return 0.0
    held = {stem(w, language) for w in words_of(text)}
    return sum(any(alike(word, other) for other in held) for word in sought) / len(sought)


def _diverse(said: Sequence[Sentence], worth: Numbers) -> list[int]:
    """Order sentences by maximal marginal relevance: worth, less likeness to what was taken already."""
    rows = Embedding.load().embed([s.text for s in said]).astype(np.float64)
    likeness, closest = rows @ rows.T, np.zeros(len(said))
    left, order = np.ones(len(said), bool), list[int]()
    for _ in range(min(len(said), _MOST_CANDIDATES)):
        marginal = np.where(left, _RELEVANCE * worth - (1 - _RELEVANCE) * closest, -np.inf)
        best = int(marginal.argmax())
        order.append(best)
        left[best] = False
        closest = np.maximum(closest, likeness[best])
    return order


def fill(options: Sequence[Candidate], *, low: int, high: int, told: frozenset[int] = frozenset()) -> list[Chosen]:
    """Choose sentences in source order worth most together, with `low` to `high` words in all.

    Where no choice reaches `low`, the longest one below is returned. `told` are sentences that the hook has said: they
    are not repeated but may be leaned on. Dynamic programming over (last sentence, words): exact and bounded.
    """
    width = high + 1
    best = np.full((len(options), width), -np.inf)
    came = np.full((len(options), width, 2), -1, np.int32)  # the row before (-1: start), the version
    for row, option in enumerate(options):
        if option.place in told:
            continue
        base, origin = _reach(options, best, row, width, told)
        for number, version in enumerate(option.versions):
            if version.words > high:
                continue
            gain = option.worth * version.words**0.7
            reached = np.full(width, -np.inf)
            reached[version.words :] = base[: width - version.words] + gain
            source = np.full(width, -1, np.int32)
            source[version.words :] = origin[: width - version.words]
            better = reached > best[row]
            best[row][better] = reached[better]
            came[row][better] = np.stack([source, np.full(width, number, np.int32)], axis=1)[better]
    return _walk_back(options, best, came, low, high)


def _reach(
    options: Sequence[Candidate], best: Numbers, row: int, width: int, told: frozenset[int]
) -> tuple[Numbers, NDArray[np.int32]]:
    """Return what can stand before this sentence: for each number of words the best worth, and the row it ends with."""
    after = options[row].after
    base, origin = np.full(width, -np.inf), np.full(width, -1, np.int32)
    if after is None or after & told:
        base[0] = 0.0
    for earlier in range(row):
        if after is None or options[earlier].place in after:
            better = best[earlier] > base
            base[better], origin[better] = best[earlier][better], earlier
    return base, origin


def _walk_back(
    options: Sequence[Candidate], best: Numbers, came: NDArray[np.int32], low: int, high: int
) -> list[Chosen]:
    if not len(options) or not np.isfinite(best).any():
        return []
    totals = best.max(axis=0)
    fitting = [w for w in range(max(low, 1), high + 1) if np.isfinite(totals[w])]
    aim = (low + high) / 2
    if fitting:
        words = max(fitting, key=lambda w: totals[w] - 0.15 * abs(w - aim))
    else:
        words = max(w for w in range(high + 1) if np.isfinite(totals[w]))
    row, chosen = int(best[:, words].argmax()), list[Chosen]()
    while row >= 0:
        before, number = (int(x) for x in came[row, words])
        option = options[row]
        version = option.versions[number]
        chosen.append(Chosen(option.place, version.text, option.sentence.source, version.words))
        row, words = before, words - version.words
    return chosen[::-1]


def answered(question: str, title: str, said: Sequence[Sentence], language: Language) -> bool:
    """Whether these sentences hold an answer; 'what is' and 'who was' are answered by any article of that title."""
    plain = re.match(r"\W*(?:what|who|que|quien|qui)\b", folded(question)) is not None
    if plain and not _sought(question, title, language):
        return True
    return any(answers(question, title, sentence, language) for sentence in said)


def answers(question: str, title: str, sentence: Sentence, language: Language) -> bool:
    """Whether a sentence holds most of what a question asks about its subject, and for a 'why' a reason too."""
    sought = _sought(question, title, language)
    if not sought or _hits(sentence.text, sought, language) < _MOST_ASKED:
        return False
    if WHY.match(folded(question)) is None:
        return True
    return language.reason is not None and language.reason.search(sentence.text) is not None


def _sought(question: str, title: str, language: Language) -> set[str]:
    """Return the stems that a question adds to its subject: 'why do cats purr' about Cat → purr."""
    asked = {stem(w, language) for w in words_of(question) if w.casefold() not in language.small}
    return asked - _names(question, title, language) - language.generic


def _names(question: str, title: str, language: Language) -> set[str]:
    """Return the stems that name the subject: the title's, unless the title itself is the question."""
    words = words_of(title)
    if question == title and words and words[0].casefold() in language.asking:
        return set()
    return {stem(w, language) for w in words}

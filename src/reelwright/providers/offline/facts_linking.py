"""Finds the one article that a person's words are about, or none: better no facts than wrong ones."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reelwright.providers.offline.embedding import Embedding
from reelwright.providers.offline.facts import Encyclopaedia, key_of
from reelwright.providers.offline.language import Language, alike, folded, stem, words_of
from reelwright.providers.offline.writing_choice import WHY, answers
from reelwright.providers.offline.writing_sentences import sentences

CONFIDENT = 0.57  # of 1: set by reading 120 links, right ones and wrong ones; tests hold some of both kinds

_LEGAL = re.compile(
    r"\b(?:ltd|inc|llc|gmbh|corp|corporation|plc|s\.?a\.?s?|s\.?l\.?|ag|pty|pvt|limited|company|co\.)(?:\W|$)",
    re.IGNORECASE,
)
_INVERTED = re.compile(r"-(?:t-)?(?:ils?|elles?|on)\b|\b[dlnsq]u?['’](?=\w)")  # French: "ronronnent-ils", "l'histoire"
_LONGEST_TOPIC = 40  # words read of a topic


@dataclass(frozen=True, slots=True)
class Link:
    """An article found for a topic, and how sure we are, 0..1."""

    article: int
    confidence: float


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    entries: tuple[tuple[int, bool], ...]


def link(topic: str, book: Encyclopaedia) -> Link | None:
    """Return the article a topic is about, or None where none can be named with confidence."""
    words = words_of(_INVERTED.sub(" ", topic))[:_LONGEST_TOPIC]
    if not words:
        return None
    spans = list(_spans(words, book))
    compound = words[0].casefold() not in book.language.asking or words[0].casefold() in {"what", "qué"}
    candidates: list[Link] = []
    for at, span in enumerate(spans):
        modifies = compound and at + 1 < len(spans) and spans[at + 1].start == span.end  # "green tea": about tea
        for number, alias in span.entries:
            found = _scored(span, number, alias, words, topic, book)
            candidates.append(Link(number, found.confidence - 0.2 * modifies))
    best = max(candidates, key=lambda found: (_explains(topic, found, book), found.confidence), default=None)
    return best if best is not None and best.confidence >= CONFIDENT else None


def _explains(topic: str, found: Link, book: Encyclopaedia) -> bool:
    """Whether a sure article holds the reason that a 'why' asks for: "why is the sky blue" is told under Blue."""
    if found.confidence < CONFIDENT or not WHY.match(folded(topic)):
        return False
    article = book.articles[found.article]
    said = sentences(article.extract, book.language)
    return any(answers(topic, article.name, sentence, book.language) for sentence in said)


def _spans(words: list[str], book: Encyclopaedia) -> Iterator[_Span]:
    """Yield the runs of words that are some article's name, the longest at each place."""
    taken = 0
    for start in range(len(words)):
        for length in range(min(book.longest_name, len(words) - start), 0, -1):
            end = start + length
            entries = book.names.get(key_of(" ".join(words[start:end]), book.language))
            if entries and end > taken and not _empty(words[start:end], book.language):
                taken = end
                yield _Span(start, end, entries)
                break


def _empty(words: list[str], language: Language) -> bool:
    """Whether these words are too small to be a subject: 'how', 'the', 'make'."""
    return all(w.casefold() in language.small or w.casefold() in language.verbs for w in words)


def _scored(span: _Span, number: int, alias: bool, words: list[str], topic: str, book: Encyclopaedia) -> Link:  # noqa: FBT001 - a pair from the index
    language, article = book.language, book.articles[number]
    content = [i for i, w in enumerate(words) if w.casefold() not in language.small]
    inside = [i for i in content if span.start <= i < span.end] or list(range(span.start, span.end))
    left = [words[i] for i in content if not span.start <= i < span.end]
    telling = [w for w in left if w.casefold() not in language.verbs and stem(w, language) not in language.generic]
    first = next((i for i in content if stem(words[i], language) not in language.generic), inside[0])
    text = {folded(w) for w in words_of(f"{article.title} {article.description or ''} {article.extract}")}
    unsupported = [w for w in telling if not any(alike(stem(w, language), known) for known in text)]

    near = Embedding.load().embed([topic, f"{article.name}. {article.description or ''}"])
    score = (
        0.62
        + 0.1 * (len(inside) - 1)
        + 0.14 * (span.start <= first < span.end)
        + 0.3 * (float(near[0] @ near[1]) - 0.45)
    )
    score -= 0.12 * alias + 0.3 * all(stem(words[i], language) in language.generic for i in inside) * bool(left)
    score -= 0.02 * (article.name != article.title)
    return Link(number, score - _doubt(words, telling, unsupported, book))


def _doubt(words: list[str], telling: list[str], unsupported: list[str], book: Encyclopaedia) -> float:
    """Return how much speaks against the link: names the encyclopaedia doesn't know, companies, words left over."""
    if not telling:
        return 0.0
    asks = words[0].casefold() in book.language.asking or any(
        w.casefold() in book.language.small or w.casefold().endswith("'s") for w in words
    )
    doubt = 0.04 * len(unsupported)
    if _LEGAL.search(" ".join(words)):
        return 1.0
    named = [w for w in unsupported if w != words[0] and w[0].isupper()] or ([] if asks else unsupported)
    if named and not asks:
        doubt += 0.5 if len(unsupported) == len(telling) else 0.2
    elif named:
        doubt += 0.25
    if any(not book.mentions(w[: max(4, len(w) - 2)]) for w in unsupported):
        doubt += 0.12 if asks and not named else 0.35  # a verb that no article happens to use, or a name
    return doubt

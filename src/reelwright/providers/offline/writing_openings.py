"""Finds ways to open a story: a question the facts answer, a sentence that strikes, else our own plain words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reelwright.providers.model import Brief
from reelwright.providers.offline import writing_frame as frame
from reelwright.providers.offline.language import Language, spoken_words, words_of
from reelwright.providers.offline.writing_choice import LONGEST_BEAT, SHORTEST_BEAT, Candidate, answered
from reelwright.providers.offline.writing_sentences import plain

_LONGEST_TITLE = 90  # characters
_LONGEST_HOOK = 20  # words
_LONGEST_LEAD = 24
_ALSO_RELATIVE = frozenset({"what", "when", "where", "which", "who"})
_SUBJECT_WORDS = "a an the i you he she it we they my your his her our their this these those nobody"
_SUBJECTS = frozenset(_SUBJECT_WORDS.split())


@dataclass(frozen=True, slots=True)
class Opening:
    """The first words. `place` is the sentence that it says, when it is one of the source's own."""

    text: str
    claim: str | None = None
    place: int | None = None


def openings(brief: Brief, options: Sequence[Candidate], language: Language) -> list[Opening]:
    """Return ways to open, best first: a question that is answered, else what the facts themselves hold."""
    facts, found = brief.facts, list[Opening]()
    asks = _is_question(brief.topic, language)
    if asks and answered(brief.topic, facts.title, [o.sentence for o in options], language):
        found.append(Opening(_as_question(brief.topic)))
    encyclopaedia = facts.kind == "encyclopaedia"
    strikes = _striking([o for o in options if not (encyclopaedia and o.sentence.paragraph)], language)
    if encyclopaedia:
        if asks and not found:
            found += [Opening(text) for text in frame.say("wonder", language, facts=facts)]
        subject = frame.subject_of(facts, language)
        kind = "who" if subject.person else "what"
        asked = [Opening(text) for text in frame.say(kind, language, facts=facts, past=subject.past)]
        about = [Opening(text) for text in frame.say("about", language, facts=facts)]
        return found + strikes[:1] + asked + strikes[1:2] + about
    lead = [opened(o) for o in options if o.after is None and o.versions[-1].words <= LONGEST_BEAT][:1]
    begins = [way for way in lead if spoken_words(way.text) <= _LONGEST_LEAD]  # whoever wrote it began with it
    return found + begins + [way for way in strikes[:4] + lead if way not in begins] or [opened(options[0])]


def every_opening(brief: Brief, options: Sequence[Candidate], language: Language) -> list[Opening]:
    """Return all ways to open, best first: a story's usual ones, then every short sentence that stands alone."""
    near = [o for o in options if not (brief.facts.kind == "encyclopaedia" and o.sentence.paragraph)]
    subjects = language.subject
    alone = [
        opened(o)
        for o in near
        if o.after is None
        and SHORTEST_BEAT <= o.versions[-1].words <= _LONGEST_HOOK
        and not any(word.casefold() in subjects for word in words_of(o.versions[-1].text))
    ]
    ways = openings(brief, options, language) + _striking(near, language) + alone
    return list({way.text: way for way in reversed(ways)}.values())[::-1]


def _striking(options: Sequence[Candidate], language: Language) -> list[Opening]:
    """Return sentences that stand alone, are short and hold something rare: a number, a 'first', an 'only'."""
    if language.striking is None:
        return []
    rated: list[tuple[float, Candidate]] = []
    for option in options:
        text = option.versions[-1].text
        hits = len(language.striking.findall(text))
        leans = any(word.casefold() in language.subject for word in words_of(text))
        if option.after is None and hits and not leans and SHORTEST_BEAT <= option.versions[-1].words <= _LONGEST_HOOK:
            rated.append((min(hits, 2) * 0.25 + option.worth, option))
    return [opened(option) for _, option in sorted(rated, key=lambda r: (-r[0], r[1].place))]


def opened(option: Candidate) -> Opening:
    """Return a sentence as an opening, in its shortest version."""
    return Opening(option.versions[-1].text, option.sentence.source, option.place)


def _is_question(topic: str, language: Language) -> bool:
    words = words_of(topic)
    if len(words) > 1 and words[0].casefold() in _ALSO_RELATIVE and words[1].casefold() in _SUBJECTS:
        return topic.rstrip().endswith("?")  # "What a keeper wrote", "When the sea sleeps"
    return topic.rstrip().endswith("?") or (len(words) > 2 and words[0].casefold() in language.asking)  # noqa: PLR2004 - "What If" is a title


def _as_question(topic: str) -> str:
    line = " ".join(plain(topic).split()).rstrip(" .!?")
    space = " " if re.search(r"\s\?$", topic.rstrip()) else ""  # French sets a space before the mark
    return f"{line[:1].upper()}{line[1:]}{space}?"


def clipped(text: str) -> str:
    """Return a line as plain text, at most a title long, cut between words."""
    line = " ".join(plain(text).split())
    if len(line) > _LONGEST_TITLE:
        line = line[:_LONGEST_TITLE].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"
    return (line[:1].upper() + line[1:]) or "…"

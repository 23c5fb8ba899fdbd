"""Writes stories by extraction: each sentence is the source's own; only opening and ending are ours, and no fact."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from reelwright.providers import likeness
from reelwright.providers.model import Brief, ProposedBeat, ProposedStory
from reelwright.providers.offline import writing_frame as frame
from reelwright.providers.offline.language import Language, spoken_words, stem, words_of
from reelwright.providers.offline.writing_choice import (
    LONGEST_BEAT,
    SHORTEST_BEAT,
    Candidate,
    Chosen,
    fill,
    pieces,
)
from reelwright.providers.offline.writing_material import Material, material_of
from reelwright.providers.offline.writing_openings import Opening, every_opening, openings
from reelwright.providers.offline.writing_outline import outline
from reelwright.providers.offline.writing_things import mentions, things
from reelwright.providers.offline.writing_titles import title_of

_SHORTER = 0.16  # the voice slows down by a tenth at most
TOLERANCE = 0.06  # of the words asked for: the reel's length may be 10 % off, and the voice varies too

_USED_BEFORE = 0.6  # what a sentence's worth is multiplied with for each earlier variant or take that said it
_MOST_USED = 4  # beyond this many times a sentence is as worn as it gets
_TAKES = 6  # tellings that are told apart; the seventh begins again, since its forerunners have to be written first


@dataclass(frozen=True, slots=True)
class _Unit:
    """A run of words that will be a beat, or part of one."""

    text: str
    claim: str | None
    words: int
    seen: str = ""  # what of it can be pictured: the source's words, none of ours


def write(brief: Brief) -> tuple[ProposedStory, ...]:
    """Return `brief.variants` stories, always the same for one brief. Raises Refusal for a source without sentences."""
    first = brief.take % _TAKES * brief.variants
    if brief.facts.kind == "none":
        return tuple(outline(brief, first + turn) for turn in range(brief.variants))
    return tuple(_stories(brief, material_of(brief), turns=first + brief.variants)[first:])


def _stories(brief: Brief, material: Material, *, turns: int) -> list[ProposedStory]:
    """Write so many stories: what one has said counts less in the next, and each opens as none before where it can."""
    language, stories = material.language, list[ProposedStory]()
    usual = openings(brief, material.options, language)
    ways = usual + [way for way in every_opening(brief, material.options, language) if way not in usual]
    told, begun = Counter[int](), Counter[str]()
    begun.update(way.text for way in ways if likeness.echoes(way.text, brief.recent))  # as if it had been told here
    for turn in range(turns):
        fresh = [replace(o, worth=o.worth * _USED_BEFORE ** min(told[o.place], _MOST_USED)) for o in material.options]
        hooks = [story.hook for story in stories]
        ways.sort(key=lambda way: (begun[way.text], likeness.echoes(way.text, hooks)))
        endings = frame.endings(brief.tone, language, facts=brief.facts, turn=turn, words=brief.words)
        opening, chosen, ending = _arrange(brief, fresh, ways, endings)
        told.update({c.place for c in chosen} | ({opening.place} if opening.place is not None else set()))
        begun[opening.text] += 1
        titles = [story.title for story in stories]
        stories.append(_story(brief, opening, chosen, ending, language, titles))
    return stories


def _arrange(
    brief: Brief, options: Sequence[Candidate], ways: Sequence[Opening], endings: Sequence[tuple[str, ...]]
) -> tuple[Opening, list[Chosen], tuple[str, ...]]:
    """Choose opening, sentences and ending whose words add up to what was asked; the longest where none does."""
    low, high = round(brief.words * (1 - TOLERANCE)), round(brief.words * (1 + TOLERANCE))
    asked = {option.place for option in options if option.asked}
    found = _filled(options, ways, endings, low=low, high=high)
    if asked and not asked & _said(found):  # a little shorter, where what was asked is said then
        other = _filled(options, ways, endings, low=round(brief.words * (1 - _SHORTER)), high=high, first=asked)
        return other if asked & _said(other) else found
    return found


def _said(arranged: tuple[Opening, list[Chosen], tuple[str, ...]]) -> set[int | None]:
    return {arranged[0].place} | {chosen.place for chosen in arranged[1]}


def _filled(
    options: Sequence[Candidate],
    ways: Sequence[Opening],
    endings: Sequence[tuple[str, ...]],
    *,
    low: int,
    high: int,
    first: Collection[int] = (),
) -> tuple[Opening, list[Chosen], tuple[str, ...]]:
    """Take the first opening and ending between which sentences add up; those of `first` count tenfold."""
    options = [replace(o, worth=o.worth * 10) if o.place in first else o for o in options]
    best: tuple[int, Opening, list[Chosen], tuple[str, ...]] | None = None
    for opening in ways[:3]:
        for ending in endings:
            around = spoken_words(opening.text) + sum(spoken_words(said) for said in ending)
            told = frozenset() if opening.place is None else frozenset({opening.place})
            chosen = fill(options, low=max(1, low - around), high=max(1, high - around), told=told)
            words = around + sum(c.words for c in chosen)
            if low <= words <= high:
                return opening, chosen, ending
            if words <= high and (best is None or words > best[0]):
                best = (words, opening, chosen, ending)
    if best is None:  # even one sentence is longer than what was asked: say it alone
        return ways[0], [], ()
    return best[1], best[2], best[3]


def _story(
    brief: Brief,
    opening: Opening,
    chosen: list[Chosen],
    ending: tuple[str, ...],
    language: Language,
    titles: Sequence[str],
) -> ProposedStory:
    units = [_Unit(opening.text, opening.claim, spoken_words(opening.text), opening.text if opening.claim else "")]
    units += [_Unit(c.text, c.source, c.words, c.text) for c in chosen]
    units += [_Unit(said, None, spoken_words(said)) for said in ending]
    facts, body = brief.facts, [c.text for c in chosen]
    subject = facts.title if facts.kind == "encyclopaedia" else _subject(facts.title, [opening.text, *body], language)
    beats = _beats(units, brief.scenes, language)
    source = frame.source_line(facts, language)
    pitch = body[0] if body else opening.text
    caption = opening.text if pitch == opening.text else f"{opening.text} {pitch}"
    keywords = _told_of([opening.text, *body] if opening.claim else body, language)
    return ProposedStory(
        title=title_of(brief, opening.text, keywords, titles, language),
        hook=opening.text,
        synopsis=" ".join(body[:2]) or opening.text,
        arc=_arc(opening.text, body, " ".join(ending), language),
        beats=_pictured(beats, subject, language),
        caption=caption if source is None else f"{caption}\n\n{source}",
        hashtags=frame.hashtags(subject, keywords, platform=brief.platform, language=language, is_outline=False),
    )


def _subject(title: str, body: list[str], language: Language) -> str:
    """Return what a story is about: of the things it and its title name, the one that it comes back to most."""
    told = " ".join(body)
    named = things(title, language, most=6)
    ranked = sorted(named, key=lambda thing: -told.casefold().count(thing.casefold()))
    if ranked and mentions(told, ranked[0]):
        return ranked[0]
    return next(iter(_told_of(body, language)), "") or next(iter(named), "") or title


def _told_of(body: list[str], language: Language) -> list[str]:
    """Return the things that a story names, those it comes back to first."""
    named = [thing for text in body for thing in things(text, language)]
    counts = Counter(stem(thing, language) for thing in named)
    return sorted(dict.fromkeys(named), key=lambda thing: -counts[stem(thing, language)])


def _beats(units: list[_Unit], scenes: int, language: Language) -> list[_Unit]:
    """Cut and join until there are as many beats as scenes, each 6 to 30 words; fewer where the words don't reach."""
    beats: list[_Unit] = []
    for unit in units:
        cut = pieces(unit.text, language, loose=True) if unit.words > LONGEST_BEAT else None
        beats += [unit] if cut is None else [_Unit(part, unit.claim, spoken_words(part), part) for part in cut]
    while len(beats) > 1 and (shorts := [i for i, b in enumerate(beats) if b.words < SHORTEST_BEAT]):
        short = shorts[0]
        at = (
            short
            if short + 1 < len(beats) and (short == 0 or beats[short + 1].words <= beats[short - 1].words)
            else short - 1
        )
        beats[at : at + 2] = [_joined(beats[at], beats[at + 1])]
    while len(beats) < scenes and (cut := _cut(beats, language)) is not None:
        at, parts = cut
        beats[at : at + 1] = [
            _Unit(part, beats[at].claim, spoken_words(part), part if beats[at].seen else "") for part in parts
        ]
    while len(beats) > scenes:
        pairs = [(beats[i].words + beats[i + 1].words, i) for i in range(len(beats) - 1)]
        words, at = min(pairs)
        if words > LONGEST_BEAT and len(beats) <= 2 * scenes:
            break
        beats[at : at + 2] = [_joined(beats[at], beats[at + 1])]
    return beats


def _cut(beats: list[_Unit], language: Language) -> tuple[int, tuple[str, str]] | None:
    """Return the longest beat that can be cut and its halves: at a comma or a conjunction, else at a preposition."""
    by_length = sorted(range(len(beats)), key=lambda i: -beats[i].words)
    for loose in (False, True):
        for at in by_length:
            if beats[at].claim is not None and (parts := pieces(beats[at].text, language, loose=loose)) is not None:
                return at, parts
    return None


def _joined(one: _Unit, other: _Unit) -> _Unit:
    claims = list(dict.fromkeys(c for c in (one.claim, other.claim) if c))
    return _Unit(
        f"{one.text} {other.text}",
        " ".join(claims) or None,
        one.words + other.words,
        f"{one.seen} {other.seen}".strip(),
    )


def _pictured(units: list[_Unit], subject: str, language: Language) -> tuple[ProposedBeat, ...]:
    """Say what to picture: what a beat names, and the subject. Beats that name nothing show what the others do."""
    every = [phrase for unit in units for phrase in things(unit.seen, language, about=(subject,))]
    beats: list[ProposedBeat] = []
    for number, unit in enumerate(units):
        phrases = things(unit.seen, language, about=(subject,)) if unit.seen else every[-1 - number % 2 :][:1]
        names = {stem(w, language) for phrase in phrases for w in words_of(phrase)}
        if not any(stem(w, language) in names for w in words_of(subject)):
            phrases = [*phrases, subject] if unit.seen else [subject, *phrases]
        beats.append(ProposedBeat(narration=unit.text, visual=", ".join(phrases), claim=unit.claim))
    return tuple(beats)


def _arc(opening: str, body: list[str], ending: str, language: Language) -> tuple[str, ...]:
    middle = [", ".join(things(text, language, most=2)) for text in body]
    return tuple(part for part in (opening, *middle, ending) if part)

"""Writes stories by extraction: each sentence is the source's own; only opening and ending are ours, and no fact."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from reelwright.ground.errors import Refusal
from reelwright.providers.model import Brief, ProposedBeat, ProposedStory
from reelwright.providers.offline import writing_frame as frame
from reelwright.providers.offline.language import (
    Language,
    known_language,
    language_of,
    spoken_words,
    stem,
    words_of,
)
from reelwright.providers.offline.writing_choice import (
    LONGEST_BEAT,
    SHORTEST_BEAT,
    Candidate,
    Chosen,
    answered,
    candidates,
    fill,
    pieces,
)
from reelwright.providers.offline.writing_sentences import plain, sentences

TOLERANCE = 0.06  # of the words asked for: the reel's length may be 10 % off, and the voice varies too
LEAST_WORDS = 20

_USED_BEFORE = 0.6  # what a sentence's worth is multiplied with when an earlier variant said it
_LONGEST_TITLE = 90  # characters
_LONGEST_HOOK = 20  # words


@dataclass(frozen=True, slots=True)
class _Opening:
    """The first words. `place` is the sentence that it says, when it is one of the source's own."""

    text: str
    claim: str | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True)
class _Unit:
    """A run of words that will be a beat, or part of one."""

    text: str
    claim: str | None
    words: int
    seen: str = ""  # what of it can be pictured: the source's words, none of ours


def write(brief: Brief) -> tuple[ProposedStory, ...]:
    """Return `brief.variants` stories, always the same for one brief. Raises Refusal for a source without sentences."""
    if brief.facts.kind == "none":
        return tuple(_outline(brief, turn) for turn in range(brief.variants))
    declared = known_language(brief.facts.language)
    said = sentences(brief.facts.body, declared)
    language = language_of(" ".join(s.text for s in said), declared=brief.facts.language)
    if language is not declared:
        said = sentences(brief.facts.body, language)
    if sum(s.words for s in said) < LEAST_WORDS:
        raise Refusal(
            "The source holds fewer than 20 words of running text, too few for a story: give a longer one.",
            code="source.too_short",
            field={"url": "url", "text": "text"}.get(brief.facts.kind, "topic"),
        )
    gathered = brief.facts.kind == "encyclopaedia"
    title = brief.facts.title
    options = candidates(said, question=brief.topic, title=title, language=language, gathered=gathered)
    return _stories(brief, options, language)


def _stories(brief: Brief, options: list[Candidate], language: Language) -> tuple[ProposedStory, ...]:
    """Write the variants; what one has said counts less in the next, and each opens differently."""
    openings = _openings(brief, options, language)
    stories: list[ProposedStory] = []
    told: set[int] = set()
    for turn in range(brief.variants):
        fresh = [
            Candidate(o.place, o.sentence, o.versions, o.worth * (_USED_BEFORE if o.place in told else 1.0), o.after)
            for o in options
        ]
        order = openings[turn % len(openings) :] + openings[: turn % len(openings)]
        endings = frame.endings(brief.tone, language, facts=brief.facts, turn=turn)
        opening, chosen, ending = _arrange(brief, fresh, order, endings)
        told |= {c.place for c in chosen} | ({opening.place} if opening.place is not None else set())
        stories.append(_story(brief, opening, chosen, ending, language))
    return tuple(stories)


def _openings(brief: Brief, options: Sequence[Candidate], language: Language) -> list[_Opening]:
    """Return ways to open, best first: a question that is answered, else what the facts themselves hold."""
    facts, found = brief.facts, list[_Opening]()
    asks = _is_question(brief.topic, language)
    if asks and answered(brief.topic, facts.title, [o.sentence for o in options], language):
        found.append(_Opening(_as_question(brief.topic)))
    encyclopaedia = facts.kind == "encyclopaedia"
    strikes = _striking([o for o in options if not (encyclopaedia and o.sentence.paragraph)], language)
    if encyclopaedia:
        if asks and not found:
            found += [_Opening(text) for text in frame.say("wonder", language, facts=facts)]
        subject = frame.subject_of(facts, language)
        kind = "who" if subject.person else "what"
        asked = [_Opening(text) for text in frame.say(kind, language, facts=facts, past=subject.past)]
        about = [_Opening(text) for text in frame.say("about", language, facts=facts)]
        return found + strikes[:1] + asked + strikes[1:2] + about
    lead = [_opened(o) for o in options if o.after is None and o.versions[-1].words <= LONGEST_BEAT][:1]
    return found + strikes[:4] + lead or [_opened(options[0])]


def _striking(options: Sequence[Candidate], language: Language) -> list[_Opening]:
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
    return [_opened(option) for _, option in sorted(rated, key=lambda r: (-r[0], r[1].place))]


def _opened(option: Candidate) -> _Opening:
    return _Opening(option.versions[-1].text, option.sentence.source, option.place)


def _arrange(
    brief: Brief, options: Sequence[Candidate], openings: Sequence[_Opening], endings: Sequence[tuple[str, ...]]
) -> tuple[_Opening, list[Chosen], tuple[str, ...]]:
    """Choose opening, sentences and ending whose words add up to what was asked; the longest where none does."""
    low, high = round(brief.words * (1 - TOLERANCE)), round(brief.words * (1 + TOLERANCE))
    best: tuple[int, _Opening, list[Chosen], tuple[str, ...]] | None = None
    for opening in openings[:3]:
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
        return openings[0], [], ()
    return best[1], best[2], best[3]


def _story(
    brief: Brief, opening: _Opening, chosen: list[Chosen], ending: tuple[str, ...], language: Language
) -> ProposedStory:
    units = [_Unit(opening.text, opening.claim, spoken_words(opening.text), opening.text if opening.claim else "")]
    units += [_Unit(c.text, c.source, c.words, c.text) for c in chosen]
    units += [_Unit(said, None, spoken_words(said)) for said in ending]
    facts, body = brief.facts, [c.text for c in chosen]
    subject = facts.title if facts.kind == "encyclopaedia" else _main_phrase(body or [opening.text], language)
    beats = _beats(units, brief.scenes, language)
    source = frame.source_line(facts, language)
    pitch = body[0] if body else opening.text
    caption = opening.text if pitch == opening.text else f"{opening.text} {pitch}"
    keywords = [
        p
        for text in ([opening.text] if opening.claim else []) + body
        for p in frame.key_phrases(text, language, most=1)
    ]
    return ProposedStory(
        title=_title(brief, language),
        hook=opening.text,
        synopsis=" ".join(body[:2]) or opening.text,
        arc=_arc(opening.text, body, " ".join(ending), language),
        beats=_pictured(beats, subject, language),
        caption=caption if source is None else f"{caption}\n\n{source}",
        hashtags=frame.hashtags(subject, keywords, platform=brief.platform, language=language, is_outline=False),
    )


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
    every = [phrase for unit in units for phrase in frame.key_phrases(unit.seen, language)]
    beats: list[ProposedBeat] = []
    for number, unit in enumerate(units):
        phrases = frame.key_phrases(unit.seen, language) if unit.seen else every[-1 - number % 2 :][:1]
        names = {stem(w, language) for phrase in phrases for w in words_of(phrase)}
        if not any(stem(w, language) in names for w in words_of(subject)):
            phrases = [*phrases, subject] if unit.seen else [subject, *phrases]
        beats.append(ProposedBeat(narration=unit.text, visual=", ".join(phrases), claim=unit.claim))
    return tuple(beats)


def _main_phrase(texts: list[str], language: Language) -> str:
    """Return the key phrase whose words come up most in these sentences."""
    counts: dict[str, int] = {}
    for text in texts:
        for word in {stem(w, language) for w in words_of(text)}:
            counts[word] = counts.get(word, 0) + 1
    phrases = [p for text in texts for p in frame.key_phrases(text, language)]
    best = max(phrases, key=lambda p: min(counts.get(stem(w, language), 0) for w in words_of(p)), default="")
    return best or " ".join(words_of(texts[0])[:3])


def _arc(opening: str, body: list[str], ending: str, language: Language) -> tuple[str, ...]:
    middle = [", ".join(frame.key_phrases(text, language, most=2)) for text in body]
    return tuple(part for part in (opening, *middle, ending) if part)


def _title(brief: Brief, language: Language) -> str:
    """Return the user's own words where the facts hold what they promise, else the source's title."""
    facts = brief.facts
    if facts.kind != "encyclopaedia":
        return _clipped(facts.title or brief.topic)
    body = sentences(facts.body, language)
    telling = {stem(w, language) for w in words_of(brief.topic) if w.casefold() not in language.small}
    if telling <= {stem(w, language) for w in words_of(facts.title)} or answered(
        brief.topic, facts.title, body, language
    ):
        return _clipped(brief.topic)
    return _clipped((frame.say("brief", language, facts=facts) or (facts.title,))[0])


def _clipped(text: str) -> str:
    """Return a line as plain text, at most a title long, cut between words."""
    line = " ".join(plain(text).split())
    if len(line) > _LONGEST_TITLE:
        line = line[:_LONGEST_TITLE].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"
    return (line[:1].upper() + line[1:]) or "…"


def _is_question(topic: str, language: Language) -> bool:
    words = words_of(topic)
    return topic.rstrip().endswith("?") or (len(words) > 2 and words[0].casefold() in language.asking)  # noqa: PLR2004 - "What If" is a title


def _as_question(topic: str) -> str:
    line = " ".join(plain(topic).split()).rstrip(" .!?")
    space = " " if re.search(r"\s\?$", topic.rstrip()) else ""  # French sets a space before the mark
    return f"{line[:1].upper()}{line[1:]}{space}?"


def _outline(brief: Brief, turn: int) -> ProposedStory:
    """Return an honest plan for a topic without facts: it says that it is one, and how to make it a story."""
    language = known_language(brief.language)
    if not language.code:
        language = known_language("en")
    words = words_of(plain(brief.topic))[:8]
    topic = f"“{' '.join(words) or '…'}”"
    lines = frame.outline(topic, language)
    fixed = (lines[0], lines[1], lines[-1])
    wanted = brief.words - sum(spoken_words(said) for said, _ in fixed)
    middles = list(combinations(lines[2:-1], min(len(lines) - 3, max(0, brief.scenes - 3))))
    middles.sort(key=lambda some: abs(wanted - sum(spoken_words(said) for said, _ in some)))
    chosen = middles[turn % len(middles)]
    beats = [lines[0], lines[1], *chosen, lines[-1]]
    note = frame.plain_words("outline_note", language)[0]
    return ProposedStory(
        title=_clipped(brief.topic),
        hook=beats[0][0],
        synopsis=note,
        arc=tuple(seen for _, seen in beats),
        beats=tuple(ProposedBeat(narration=said, visual=seen) for said, seen in beats),
        caption=f"{_clipped(brief.topic)}\n\n{note}",
        hashtags=frame.hashtags(" ".join(words), [], platform=brief.platform, language=language, is_outline=True),
        outline=True,
    )

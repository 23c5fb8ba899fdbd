"""Plans a story where nothing is known: an outline that says that it is one, and states no fact."""

from itertools import combinations

from reelwright.providers.model import Brief, ProposedBeat, ProposedStory
from reelwright.providers.offline import writing_frame as frame
from reelwright.providers.offline.language import Language, known_language, spoken_words, words_of
from reelwright.providers.offline.writing_abroad import ABROAD
from reelwright.providers.offline.writing_openings import clipped
from reelwright.providers.offline.writing_sentences import plain
from reelwright.providers.tongue import small_words

_LONGEST_SUBJECT = 60  # characters: a script without spaces has no words to count


def spoken_language(brief: Brief) -> Language:
    """Return the language of an outline's own sentences: the brief's where it is ours to speak, else English."""
    code = brief.language[:2].lower()
    if code in ABROAD:
        return Language(code=code, small=small_words(code))
    wanted = known_language(code)
    return wanted if wanted.code else known_language("en")


def subject_words(brief: Brief) -> list[str]:
    """Return the topic's first words, without marks."""
    return words_of(plain(brief.topic))[:8]


def quoted(brief: Brief) -> str:
    """Return the topic in quotation marks, as an outline names it."""
    return f"“{' '.join(subject_words(brief))[:_LONGEST_SUBJECT].rstrip() or '…'}”"


def outline(brief: Brief, turn: int) -> ProposedStory:
    """Return an honest plan for a topic without facts: it says that it is one, and how to make it a story."""
    language, words = spoken_language(brief), subject_words(brief)
    lines = list(frame.outline(quoted(brief), language))
    first = frame.outline_ways(quoted(brief), language)[0]
    lines[0] = (first[turn % len(first)], lines[0][1])
    fixed = (lines[0], lines[1], lines[-1])
    wanted = brief.words - sum(spoken_words(said) for said, _ in fixed)
    middles = list(combinations(lines[2:-1], min(len(lines) - 3, max(0, brief.scenes - 3))))
    middles.sort(key=lambda some: abs(wanted - sum(spoken_words(said) for said, _ in some)))
    chosen = middles[turn % len(middles)]
    beats = [lines[0], lines[1], *chosen, lines[-1]]
    note = frame.plain_words("outline_note", language)[0]
    return ProposedStory(
        title=clipped(brief.topic),
        hook=beats[0][0],
        synopsis=note,
        arc=tuple(seen for _, seen in beats),
        beats=tuple(ProposedBeat(narration=said, visual=seen) for said, seen in beats),
        caption=f"{clipped(brief.topic)}\n\n{note}",
        hashtags=frame.hashtags(" ".join(words), [], platform=brief.platform, language=language, is_outline=True),
        outline=True,
    )

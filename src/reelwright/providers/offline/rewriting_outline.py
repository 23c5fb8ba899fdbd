"""Writes one part of an outline anew: every wording still says that it is one, and none states a fact."""

from reelwright.providers.model import Part, Reworded, Rewrite
from reelwright.providers.offline import writing_frame as frame
from reelwright.providers.offline.language import spoken_words
from reelwright.providers.offline.rewriting_choice import Wording, next_of
from reelwright.providers.offline.rewriting_tags import another_set
from reelwright.providers.offline.writing_openings import clipped
from reelwright.providers.offline.writing_outline import quoted, spoken_language, subject_words

_NEAR = 4  # words by which a line may be longer or shorter than the one it stands for


def reworded_outline(order: Rewrite) -> Reworded:
    """Write the part anew. Raises NoAlternative."""
    brief, story, language = order.brief, order.story, spoken_language(order.brief)
    topic = quoted(brief)
    firsts, seconds, lasts = frame.outline_ways(topic, language)
    if order.part is Part.HASHTAGS:
        words = subject_words(brief)
        telling = [word for word in words if word.casefold() not in language.small]
        return Reworded(hashtags=another_set(order, subject=" ".join(words), phrases=telling, language=language))
    if order.part is Part.CAPTION:
        note = frame.plain_words("outline_note", language)[0]
        texts = [f"{text}\n\n{note}" for text in (clipped(brief.topic), *firsts, *lasts)]
        present = story.caption
    elif order.part is Part.HOOK:
        texts, present = list(firsts), story.hook
    else:
        if order.beat is None:
            raise IndexError(order.beat)
        present = story.beats[order.beat].narration
        texts = _lines(order, present, (firsts, seconds, lasts))
    return Reworded(text=next_of([Wording(text) for text in texts], present=present, take=order.take).text)


def _lines(order: Rewrite, present: str, fixed: tuple[tuple[str, ...], ...]) -> list[str]:
    """Return the lines that can stand for one beat: other wordings of a fixed one, else what the plan leaves out."""
    language = spoken_language(order.brief)
    for ways in fixed:
        if present in ways:
            return list(ways)
    said = {beat.narration for beat in order.story.beats} - {present}
    middles = [line for line, _ in frame.outline(quoted(order.brief), language)[2:-1] if line not in said]
    near = [line for line in middles if abs(spoken_words(line) - spoken_words(present)) <= _NEAR]
    led = [f"{lead} {present}" for lead in frame.plain_words("lead", language)[:1]]
    return near if len(near) > 1 else near + middles + led

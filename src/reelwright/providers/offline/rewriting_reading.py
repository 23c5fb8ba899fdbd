"""Reads a story as it stands: which of the source's sentences it says where, and which of them lean on others."""

from collections.abc import Iterable, Sequence

from reelwright.providers.model import ProposedBeat, ProposedStory
from reelwright.providers.offline.language import words_of
from reelwright.providers.offline.writing_choice import Candidate
from reelwright.providers.offline.writing_frame import plain_words
from reelwright.providers.offline.writing_material import Material

_ENDS = ".!?…。！？"
_QUOTES = "\"'”’»)」』"


def bare(text: str, material: Material) -> str:
    """Return a text without the lead-ins and asides that an earlier take put around it."""
    for said in (*plain_words("lead", material.language), *plain_words("aside", material.language)):
        text = text.replace(f"{said} ", "").removesuffix(f" {said}")
    return text


def after_hook(story: ProposedStory) -> str | None:
    """Return what the first beat says after the hook, or None where it doesn't begin with the hook."""
    first = story.beats[0].narration if story.beats else ""
    return first[len(story.hook) :].strip() if story.hook and first.startswith(story.hook) else None


def whole_in(text: str, options: Sequence[Candidate]) -> list[tuple[int, int, Candidate]]:
    """Return where a text says one of the sentences whole, in order, as (start, end, sentence)."""
    found: list[tuple[int, int, Candidate]] = []
    for option in options:
        for version in sorted(option.versions, key=lambda v: -v.words):
            at = text.find(version.text)
            if at >= 0:
                found.append((at, at + len(version.text), option))
                break
    apart: list[tuple[int, int, Candidate]] = []
    for span in sorted(found, key=lambda s: (s[0], -s[1])):
        if not apart or span[0] >= apart[-1][1]:
            apart.append(span)
    return apart


def places_in(beats: Iterable[ProposedBeat], options: Sequence[Candidate]) -> frozenset[int]:
    """Return the places of the sentences that these beats say or rest on."""
    texts = [text for beat in beats for text in (beat.narration, beat.claim) if text]
    return frozenset(o.place for o in options if any(o.sentence.source in t or o.versions[-1].text in t for t in texts))


def behind(claim: str | None, options: Sequence[Candidate]) -> list[Candidate]:
    """Return the sentences that a claim is made of."""
    return [option for option in options if option.sentence.source in (claim or "")]


def needed_by(following: str, material: Material) -> frozenset[int] | None:
    """Return the sentences of which one must come right before this text; None where it stands alone."""
    if not following:
        return None
    for option in material.options:
        if any(following.startswith(version.text) for version in option.versions):
            return option.after
    first = (words_of(following) or [""])[0].casefold()
    leans = first in material.language.subject | material.language.leaning
    return frozenset() if leans or following[0].islower() else None


def last_said(preceding: str, options: Sequence[Candidate]) -> int | None:
    """Return the place of the sentence that a text ends with, or None."""
    ends = [o.place for o in options if any(preceding.endswith(version.text) for version in o.versions)]
    return ends[0] if ends else None


def closed(text: str) -> bool:
    """Whether a text ends where a sentence ends."""
    return text.rstrip().rstrip(_QUOTES)[-1:] in set(_ENDS)

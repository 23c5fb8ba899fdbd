"""Finds other words for one scene: sentences of the source that nobody has said yet, about as long, understood here."""

from dataclasses import dataclass
from itertools import pairwise

from reelwright.providers.model import Rewrite
from reelwright.providers.offline import writing_frame as frame
from reelwright.providers.offline.language import spoken_words, words_of
from reelwright.providers.offline.rewriting_choice import Wording, others
from reelwright.providers.offline.rewriting_reading import (
    after_hook,
    bare,
    behind,
    closed,
    last_said,
    needed_by,
    places_in,
    whole_in,
)
from reelwright.providers.offline.writing_choice import LONGEST_BEAT, Candidate, Chosen, fill
from reelwright.providers.offline.writing_material import Material

_SLACKS = (0.12, 0.25, 0.5)  # of the scene's words, tried in turn
_REEL_OFF = 0.1  # of the reel's words: beyond it no rewriting may take the whole
_ENOUGH = 6  # ways to choose from


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where new sentences may stand: between what is kept, before what may lean on them. `whole`: not part of one."""

    left: str
    text: str
    right: str
    previous: int | None
    need: frozenset[int] | None
    whole: bool
    aside: bool  # whether words of ours may end it: what follows is understood all the same


def scene_wordings(order: Rewrite, material: Material, *, beat: int) -> list[Wording]:
    """Return ways to say one scene, the present one among them where it is the source's own."""
    present = order.story.beats[beat]
    slot = _slot(order, material, beat)
    if not slot.text:
        return _closings(order, material, slot)
    ways = _sentences(order, material, slot, beat) if slot.whole else []
    found = others(ways, present=present.narration)
    if len(found) > 1:
        return ways
    return ways + _around(order, slot, present.claim, material, anyway=not found)


def _slot(order: Rewrite, material: Material, at: int) -> _Slot:
    """Read what of a scene can be replaced: its whole sentences, else all that is neither hook nor ending."""
    beats, options = order.story.beats, material.options
    hook = order.story.hook if at == 0 and after_hook(order.story) is not None else ""
    rest = bare(beats[at].narration.removeprefix(hook).strip(), material)
    ending = next((e for e in _endings(order, material) if at == len(beats) - 1 and rest.endswith(e)), "")
    own = rest.removesuffix(ending).strip()
    shared = _cut_apart(order, material, at)
    spans = _run([span for span in whole_in(own, options) if span[2].place not in shared])
    if spans:
        left, middle, right = own[: spans[0][0]], own[spans[0][0] : spans[-1][1]], own[spans[-1][1] :]
        whole = True
    else:
        left, middle, right = "", own, ""
        whole = not shared and (not own or closed(own)) and not own[:1].islower()
    left, right = f"{hook} {left}".strip(), f"{right} {ending}".strip()
    earlier = left or (beats[at - 1].narration if at else "")
    later = right.removesuffix(ending).strip() or ("" if ending or at + 1 == len(beats) else beats[at + 1].narration)
    need, first = needed_by(later, material), (words_of(later) or [""])[0].casefold()
    aside = need is None or first in material.language.subject  # "It" still means what it meant, "This" doesn't
    return _Slot(left, middle, right, last_said(earlier, options), need, whole, aside)


def _run(spans: list[tuple[int, int, Candidate]]) -> list[tuple[int, int, Candidate]]:
    """Return the sentences that follow on each other from the first."""
    for count, (one, two) in enumerate(pairwise(spans), 1):
        if two[0] - one[1] > 1:
            return spans[:count]
    return spans


def _cut_apart(order: Rewrite, material: Material, at: int) -> frozenset[int]:
    """Return the sentences that this scene shares with a neighbour, since they were too long for one."""
    own = {o.place for o in behind(order.story.beats[at].claim, material.options)}
    beside = [beat for n, beat in enumerate(order.story.beats) if abs(n - at) == 1]
    return frozenset(own & {o.place for beat in beside for o in behind(beat.claim, material.options)})


def _sentences(order: Rewrite, material: Material, slot: _Slot, at: int) -> list[Wording]:
    """Choose sentences for the slot again and again, each choice without those before it, until there are enough."""
    beats, options = order.story.beats, material.options
    hooked = {option.place for _, _, option in whole_in(order.story.hook, options)} if at else set[int]()
    kept = {option.place for _, _, option in whole_in(f"{slot.left} {slot.right}", options)}
    elsewhere = places_in([beat for n, beat in enumerate(beats) if n != at], options) | hooked | kept
    elsewhere |= _cut_apart(order, material, at)
    behind_rest = [o.sentence.source for o in behind(beats[at].claim, options) if o.place in elsewhere]
    left = [o for o in options if o.place not in elsewhere and (slot.need is None or o.place in slot.need)]
    before = [o for o in options if o.place == slot.previous]
    told = frozenset(o.place for o in before)
    words, ways = spoken_words(slot.text), list[Wording]()
    for slack in _SLACKS:
        low, high = _span(order, words, slack)
        while left and len(ways) < _ENOUGH:
            chosen = fill(sorted(left + before, key=lambda o: o.place), low=low, high=high, told=told)
            if not chosen or not low <= sum(c.words for c in chosen) <= high:
                break
            ways.append(_worded(slot, chosen, behind_rest))
            gone = {c.place for c in chosen}
            left = [o for o in left if o.place not in gone]
        if len(ways) > 2:  # noqa: PLR2004 - the present one and two others, so that takes in a row differ
            break
    return ways


def _span(order: Rewrite, words: int, slack: float) -> tuple[int, int]:
    """Return the fewest and most words for a slot of so many now, so that the reel keeps the length that was asked."""
    asked, rest = order.brief.words, _spoken(order) - words
    low, high = words - max(2, round(slack * words)), words + max(2, round(slack * words))
    low = max(low, min(words, round(asked * (1 - _REEL_OFF)) - rest), 1)
    return low, min(high, room(order, words), max(words, LONGEST_BEAT))


def room(order: Rewrite, words: int) -> int:
    """Return the most words for what has so many now: the reel stays as long as asked, or as it is if it is longer."""
    return max(words, round(order.brief.words * (1 + _REEL_OFF)) - (_spoken(order) - words))


def _spoken(order: Rewrite) -> int:
    return sum(spoken_words(beat.narration) for beat in order.story.beats)


def _worded(slot: _Slot, chosen: list[Chosen], behind_rest: list[str]) -> Wording:
    text = " ".join(part for part in (slot.left, *(c.text for c in chosen), slot.right) if part)
    claims = [*behind_rest, *(c.source for c in chosen)]
    return Wording(text, " ".join(dict.fromkeys(claims)) or None)


def _around(order: Rewrite, slot: _Slot, claim: str | None, material: Material, *, anyway: bool) -> list[Wording]:
    """Return the scene as it is with words of ours before or after: they state nothing, and break no sentence.

    Those that make the reel too long are left out, unless `anyway` nothing else is left.
    """
    leads = frame.plain_words("lead", material.language) if _starts(slot.text) else ()
    asides = frame.plain_words("aside", material.language) if closed(slot.text) and slot.aside else ()
    said = [slot.text, *(f"{lead} {slot.text}" for lead in leads), *(f"{slot.text} {aside}" for aside in asides)]
    high = room(order, spoken_words(slot.text))
    short = [text for text in said[1:] if spoken_words(text) <= high]
    texts = [said[0], *(short or (said[1:] if anyway else []))]
    return [Wording(" ".join(p for p in (slot.left, text, slot.right) if p), claim) for text in texts]


def _starts(text: str) -> bool:
    return bool(text) and not text[0].islower()


def _closings(order: Rewrite, material: Material, slot: _Slot) -> list[Wording]:
    """Return other endings for a scene that says nothing else, those near its length first."""
    length = spoken_words(slot.right)
    endings = sorted(_endings(order, material), key=lambda ending: abs(spoken_words(ending) - length) > 3)  # noqa: PLR2004 - a second of speech
    short = [ending for ending in endings if spoken_words(ending) <= room(order, length)]
    fitting = short if any(ending != slot.right for ending in short) else endings
    return [Wording(" ".join(part for part in (slot.left, ending) if part)) for ending in fitting]


def _endings(order: Rewrite, material: Material) -> list[str]:
    """Return every ending of ours, longest first, whatever the tone was when it was written."""
    tones = ("curious", "calm", "energetic", "serious", "warm")
    found = [
        " ".join(ending)
        for tone in (order.brief.tone, *tones)
        for ending in frame.endings(tone, material.language, facts=order.brief.facts, turn=0)
    ]
    return sorted(dict.fromkeys(ending for ending in found if ending), key=len, reverse=True)

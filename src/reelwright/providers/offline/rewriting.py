"""Writes one part of a story anew by extraction: other sentences of the same source, and never a fact of our own."""

from dataclasses import replace
from itertools import pairwise

from reelwright.providers.model import Part, Reworded, Rewrite
from reelwright.providers.offline import writing_frame as frame
from reelwright.providers.offline.language import spoken_words
from reelwright.providers.offline.rewriting_choice import Wording, next_of, none_left, others
from reelwright.providers.offline.rewriting_outline import reworded_outline
from reelwright.providers.offline.rewriting_reading import after_hook, bare, behind, needed_by, places_in, whole_in
from reelwright.providers.offline.rewriting_scene import room, scene_wordings
from reelwright.providers.offline.rewriting_tags import another_set
from reelwright.providers.offline.writing_choice import Candidate
from reelwright.providers.offline.writing_material import Material, material_of
from reelwright.providers.offline.writing_openings import Opening, every_opening
from reelwright.providers.offline.writing_things import things

_LONGEST_CAPTION = 400  # characters, its source line not counted
_LONGEST_MORE = 10  # words: of a hook that is not spoken
_HOOK_OFF = (0.06, 0.1)  # of the reel's words: what a hook may be longer or shorter than the old one, tried in turn


def reword(order: Rewrite) -> Reworded:
    """Write one part anew, always alike for one order. Raises NoAlternative, Refusal (`source.too_short`)."""
    if order.brief.facts.kind == "none":
        return reworded_outline(order)
    material = material_of(order.brief)
    if order.part is Part.HASHTAGS:
        return Reworded(hashtags=_hashtags(order, material))
    if order.part is Part.CAPTION:
        return Reworded(text=next_of(_captions(order, material), present=order.story.caption, take=order.take).text)
    if order.part is Part.HOOK:
        hook = next_of(_hooks(order, material), present=order.story.hook, take=order.take)
        return Reworded(text=hook.text, claim=_first_claim(order, hook, material))
    at = order.beat
    if at is None or not 0 <= at < len(order.story.beats):
        raise IndexError(at)
    if at == 0:
        order = _opening_found(order, material)
    only_hook = at == 0 and after_hook(order.story) == ""
    ways = _hooks(order, material) if only_hook else scene_wordings(order, material, beat=at)
    scene = next_of(ways, present=order.story.beats[at].narration, take=order.take)
    return Reworded(text=scene.text, claim=scene.claim)


def _opening_found(order: Rewrite, material: Material) -> Rewrite:
    """Return the order with the hook that its first scene opens with, where an earlier take gave it one of its own."""
    if after_hook(order.story) is not None:
        return order
    said = order.story.beats[0].narration
    ways = (way.text for way in every_opening(order.brief, material.options, material.language))
    hook = next((way for way in ways if said.startswith(way)), order.story.hook)
    return replace(order, story=replace(order.story, hook=hook))


def _hooks(order: Rewrite, material: Material) -> list[Wording]:
    """Return the openings that fit before the rest of the story, as long as the old one where it can be."""
    story, options = order.story, material.options
    rest = after_hook(story)
    kept = story.beats[1:] if rest is not None else story.beats
    elsewhere = places_in(kept, options) | {option.place for _, _, option in whole_in(rest or "", options)}
    following = rest or (story.beats[1].narration if rest is not None and len(story.beats) > 1 else "")
    need = needed_by(following, material)
    every = [way for way in every_opening(order.brief, options, material.language) if way.place not in elsewhere]
    ways = [Wording(w.text, w.claim) for w in every if need is None or w.place in need]
    fitting = ways
    led, length = _led(story.hook, every, material), spoken_words(story.hook)
    high = room(order, length) if rest is not None else length + _LONGEST_MORE
    for off in _HOOK_OFF:
        near = max(3, round(off * order.brief.words))
        fitting = [w for w in ways if abs(spoken_words(w.text) - length) <= near and spoken_words(w.text) <= high]
        if len(others(fitting, present=story.hook)) > 1:
            return fitting
    some = fitting + [way for way in led if spoken_words(way.text) <= high]
    return some if others(some, present=story.hook) else ways + led


def _led(present: str, every: list[Opening], material: Material) -> list[Wording]:
    """Return our lead-ins before the sentence that opens now, else before any that could open."""
    own = bare(present, material)
    saying = [way for way in every if way.claim and way.text == own]
    leads = frame.plain_words("lead", material.language)
    return [
        wording
        for way in saying or [way for way in every if way.claim]
        for wording in (Wording(way.text, way.claim), *(Wording(f"{lead} {way.text}", way.claim) for lead in leads))
    ]


def _first_claim(order: Rewrite, hook: Wording, material: Material) -> str | None:
    """Return what the first beat rests on once the new hook stands there: the hook's claim, and its rest's."""
    rest, claim = after_hook(order.story), order.story.beats[0].claim if order.story.beats else None
    if not rest:
        return hook.claim
    gone = {o.place for _, _, o in whole_in(order.story.hook, material.options)}
    kept = [o.sentence.source for o in behind(claim, material.options) if o.place not in gone]
    return " ".join(dict.fromkeys([*([hook.claim] if hook.claim else []), *kept])) or None


def _captions(order: Rewrite, material: Material) -> list[Wording]:
    """Return captions of one or two sentences, the reel's own first, each with the line that names the source."""
    story, language = order.story, material.language
    credit = frame.source_line(order.brief.facts, language)
    told, untold = list[str](), list[str]()
    heard = places_in(story.beats, material.options)
    for option in material.options:
        if option.after is None:
            (told if option.place in heard else untold).append(_as_said(option, order))
    told = [said for said in told if said not in story.hook]
    texts = [f"{story.hook} {said}" for said in told]
    texts += [f"{one} {two}" for one, two in pairwise(told)]
    texts += [f"{story.hook} {said}" for said in untold[:6] if said not in story.hook]
    texts = [text for text in texts if len(text) <= _LONGEST_CAPTION]
    if len(texts) < 2:  # noqa: PLR2004 - one alternative at least besides the present one
        leads = frame.plain_words("lead", language)
        texts += [f"{lead} {said}" for lead in leads for said in ([story.hook] if not told else told[:2])]
        texts += [*told, *untold[:2]]
    return [Wording(text if credit is None else f"{text}\n\n{credit}") for text in texts]


def _as_said(option: Candidate, order: Rewrite) -> str:
    """Return a sentence in the version that the reel says, else the shortest."""
    narration = " ".join(beat.narration for beat in order.story.beats)
    return next((v.text for v in option.versions if v.text in narration), option.versions[-1].text)


def _hashtags(order: Rewrite, material: Material) -> tuple[str, ...]:
    """Return the subject's tag with other key words: the reel's own first, then the rest of the source's."""
    facts, language = order.brief.facts, material.language
    said = [beat.narration for beat in order.story.beats if beat.claim]
    gathered = facts.kind == "encyclopaedia"
    more = [o.sentence.text for o in material.options if not (gathered and o.sentence.paragraph)]
    if not said and not more:
        raise none_left()
    named = order.story.hashtags[:1]  # the subject's own tag has always come first
    phrases = [phrase for text in (*said, *more) for phrase in things(text, language)]
    subject = facts.title if gathered else "".join(named) or next(iter(phrases), facts.title)
    return another_set(order, subject=subject, phrases=phrases, language=language)

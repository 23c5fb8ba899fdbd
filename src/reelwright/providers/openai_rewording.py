"""What a chat model is told to write one part of a story anew, and how its answer is read."""

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from reelwright.ground.cleaning import line_of, words_in
from reelwright.providers import openai_prompts as prompts
from reelwright.providers import platforms
from reelwright.providers.answers import Message
from reelwright.providers.evidence import evidence_of
from reelwright.providers.model import Part, Reworded, Rewrite
from reelwright.providers.openai_chat import Reply
from reelwright.providers.openai_stories import (
    LONGEST_CAPTION,
    LONGEST_HOOK,
    hashtags_of,
    repeats_rules,
    sourced,
    spoken,
    unfenced,
)
from reelwright.providers.story_checks import hook_doubts, speaks

_WORDS_OFF = 0.25  # of the words of what it stands for: beyond this the reel's length would suffer
_LEAST_OFF = 3  # words
_LONGEST_SCENE = 1_000  # characters


class _Text(msgspec.Struct, frozen=True):
    text: str
    claim: str | None = None


class _Hashtags(msgspec.Struct, frozen=True):
    hashtags: tuple[str, ...]


def format_of(part: Part) -> Mapping[str, Any]:
    """Return the shape in which a part is answered."""
    return prompts.HASHTAGS_FORMAT if part is Part.HASHTAGS else prompts.TEXT_FORMAT


def messages(order: Rewrite) -> list[Message]:
    """Return the rules as system words; the source and the story as it stands as what the user hands over."""
    brief, known = order.brief, order.brief.facts.kind != "none"
    facts_rule = prompts.FROM_SOURCE if known else prompts.WITHOUT_SOURCE
    rules = prompts.EDITOR.format(
        language=brief.language,
        tone=brief.tone,
        platform=brief.platform,
        task=_task(order),
        take=order.take,
        facts_rule=facts_rule,
    )
    if order.part is not Part.HASHTAGS:
        rules += prompts.CLAIM_RULE
    token = secrets.token_hex(8)
    asked = f"{sourced(brief)}\n\nVIDEO {token}\n{_told(order)}\nVIDEO {token}"
    return [{"role": "system", "content": rules}, {"role": "user", "content": asked}]


def read(reply: Reply, order: Rewrite) -> tuple[Reworded | None, list[str]]:
    """Return the part, or None where it can't be used at all, and what is wrong with it."""
    if not reply.finished:
        return None, ["it is too long and was cut off"]
    if repeats_rules(reply.text):
        return None, ["it repeats its instructions"]
    shape = _Hashtags if order.part is Part.HASHTAGS else _Text
    try:
        said = msgspec.json.decode(unfenced(reply.text), type=shape)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None, ["it isn't the agreed JSON object"]
    if isinstance(said, _Hashtags):
        tags = hashtags_of(said.hashtags, order.brief.platform)
        if not tags or set(tags) == set(order.story.hashtags):
            return None, ["its hashtags are the present ones or none"]
        return Reworded(hashtags=tags), []
    return _worded(said, order)


def _worded(said: _Text, order: Rewrite) -> tuple[Reworded | None, list[str]]:
    present = _present(order)
    text, own = spoken(said.text), _own_words(present, order)
    if not words_in(text) or line_of(text).casefold() == own.casefold():
        return None, ["its text is empty or the present one"]
    longest = {Part.HOOK: LONGEST_HOOK, Part.CAPTION: LONGEST_CAPTION}.get(order.part, _LONGEST_SCENE)
    if len(text) > longest:
        return None, [f"its text has more than {longest} characters"]
    if not speaks(text, order.brief.language):
        return None, [f"its text isn't in the language with the code {order.brief.language}"]
    if order.part is Part.CAPTION:
        credit = present.removeprefix(own) if own != present else ""
        return Reworded(text=f"{text}{credit}"), []
    claim, faults = evidence_of(order.brief).behind(said.claim, text), list[str]()
    wanted = words_in(present)
    if abs(words_in(text) - wanted) > max(_LEAST_OFF, _WORDS_OFF * wanted):
        faults.append(f"its text has {words_in(text)} words instead of {wanted}")
    if order.part is Part.HOOK:
        faults += hook_doubts(text, order.brief.recent)
        claim = _first_claim(claim, order)
    return Reworded(text=text, claim=claim), faults


def _own_words(present: str, order: Rewrite) -> str:
    """Return a caption without its last paragraph where that names the source, else the text itself."""
    body, parted, last = present.rpartition("\n\n")
    facts = order.brief.facts
    names = [name for name in (facts.attribution_title, facts.attribution_url) if name]
    credited = order.part is Part.CAPTION and parted and any(name in last for name in names)
    return body if credited else present


def _first_claim(claim: str | None, order: Rewrite) -> str | None:
    """Return what the first beat rests on with this hook: on its claim, and on the old one where it says more."""
    story = order.story
    first = story.beats[0] if story.beats else None
    rest = first.narration.removeprefix(story.hook).strip() if first else ""
    claims = [claim, first.claim if first and rest else None]
    return " ".join(dict.fromkeys(said for said in claims if said)) or None


def _present(order: Rewrite) -> str:
    match order.part:
        case Part.HOOK:
            return order.story.hook
        case Part.CAPTION:
            return order.story.caption
        case Part.HASHTAGS:
            return " ".join(order.story.hashtags)
        case Part.SCENE_TEXT:
            if order.beat is None or not 0 <= order.beat < len(order.story.beats):
                raise IndexError(order.beat)
            return order.story.beats[order.beat].narration


def _task(order: Rewrite) -> str:
    words = prompts.WORDS.format(words=words_in(_present(order)))
    match order.part:
        case Part.HOOK:
            return prompts.HOOK_TASK.format(words=words)
        case Part.CAPTION:
            return prompts.CAPTION_TASK.format(caption=platforms.CAPTION)
        case Part.HASHTAGS:
            return prompts.HASHTAGS_TASK.format(hashtags=platforms.most_hashtags(order.brief.platform))
        case Part.SCENE_TEXT:
            return prompts.SCENE_TASK.format(scene=(order.beat or 0) + 1, words=words)


def _told(order: Rewrite) -> str:
    """Return the story as it stands, one part a line."""
    story = order.story
    lines = [f"Hook: {story.hook}", *(f"Scene {n}: {beat.narration}" for n, beat in enumerate(story.beats, 1))]
    lines += [f"Caption: {story.caption}", f"Hashtags: {' '.join(story.hashtags)}"]
    return "\n".join(line_of(line) for line in lines)

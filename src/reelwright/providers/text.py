"""Writes stories with an OpenAI-compatible chat model: source as data, answer by schema, at most one repair."""

import re
import secrets
import time
from typing import Protocol

import msgspec

from reelwright.ground.metering import Action, Use
from reelwright.providers import openai_prompts as prompts
from reelwright.providers.catalogue import Model
from reelwright.providers.cleaning import line_of, visible, words_in
from reelwright.providers.model import Brief, Facts, ProposedBeat, ProposedStory
from reelwright.providers.openai_chat import Message, Reply, complete
from reelwright.providers.openai_connection import OpenAIConnection, away

_LONGEST_SOURCE = 24_000  # characters, about 6,000 tokens
_LONGEST_ANSWER = 60_000
_TOKENS_A_STORY = 2_500
_WORDS_OFF = 0.2  # beyond this share of the wanted words a repair is worth its price
_MOST_HASHTAGS = 8
_LINK = re.compile(r"(?:https?://|www\.)\S+|!?\[([^\[\]]{0,200})\]\([^()]{0,500}\)", re.IGNORECASE)
_TAG = re.compile(r"[^\w]+")


class FactFinder(Protocol):
    """Whoever knows facts with a source; the bundled encyclopaedia does."""

    async def facts(self, topic: str, *, language: str) -> Facts | None: ...


class _Beat(msgspec.Struct, frozen=True):
    narration: str
    visual: str
    claim: str | None = None


class _Story(msgspec.Struct, frozen=True):
    title: str
    hook: str
    synopsis: str
    arc: tuple[str, ...]
    beats: tuple[_Beat, ...]
    caption: str
    hashtags: tuple[str, ...]


class _Stories(msgspec.Struct, frozen=True):
    stories: tuple[_Story, ...]


class OpenAIText:
    """A `TextProvider`. Facts for a bare topic come from `facts_from`, since a model can't name its sources."""

    def __init__(self, connection: OpenAIConnection, model: Model, *, facts_from: FactFinder | None = None) -> None:
        self._connection = connection
        self._model = model
        self._facts_from = facts_from

    async def facts(self, topic: str, *, language: str) -> Facts | None:
        """Return sourced facts about a bare topic, or None."""
        return await self._facts_from.facts(topic, language=language) if self._facts_from else None

    async def write(self, brief: Brief) -> tuple[tuple[ProposedStory, ...], tuple[Use, ...]]:
        """Write the variants in one answer, repaired once if its shape is wrong. Raises ProviderRefused, ProviderAway.

        A claim that isn't in the source, letter by letter but for spaces, is dropped.
        """
        began = time.monotonic()
        messages: list[Message] = _messages(brief)
        replies = [await self._ask(messages, brief)]
        stories, faults = _read(replies[0], brief)
        if faults:
            messages += [
                {"role": "assistant", "content": replies[0].text[:_LONGEST_ANSWER]},
                {"role": "user", "content": prompts.REPAIR.format(faults="; ".join(faults))},
            ]
            replies.append(await self._ask(messages, brief))
            repaired, _ = _read(replies[1], brief)
            stories = repaired or stories
        if stories is None:
            raise away("unusable story")
        wall_ms = round((time.monotonic() - began) * 1000)
        return tuple(_proposed(story, brief) for story in stories), (self._use(replies, brief, wall_ms=wall_ms),)

    async def _ask(self, messages: list[Message], brief: Brief) -> Reply:
        return await complete(
            self._connection,
            self._model,
            messages=messages,
            answer_format=prompts.STORIES_FORMAT,
            most_tokens=_TOKENS_A_STORY * brief.variants + 1_000,
        )

    def _use(self, replies: list[Reply], brief: Brief, *, wall_ms: int) -> Use:
        prompt = sum(reply.prompt_tokens for reply in replies)
        completion = sum(reply.completion_tokens for reply in replies)
        return Use(
            action=Action.STORY,
            provider=self._model.provider,
            model=self._model.name,
            quantity=brief.variants,
            prompt_tokens=prompt,
            completion_tokens=completion,
            wall_ms=wall_ms,
            cost_nano_usd=self._model.price.of(prompt_tokens=prompt, completion_tokens=completion),
        )


def _messages(brief: Brief) -> list[Message]:
    known = brief.facts.kind != "none"
    rules = prompts.WRITER.format(
        language=brief.language,
        tone=brief.tone,
        platform=brief.platform,
        variants=brief.variants,
        scenes=brief.scenes,
        words=brief.words,
        duration_s=brief.duration_s,
        facts_rule=prompts.FROM_SOURCE if known else prompts.WITHOUT_SOURCE,
    )
    token = secrets.token_hex(8)  # a page can't close a fence that it can't foresee
    source = visible(brief.facts.body)[:_LONGEST_SOURCE] if known else ""
    title = line_of(brief.facts.title)
    asked = f"Subject: {line_of(brief.topic)}\n\nSOURCE {token}\n{title}\n\n{source}\nSOURCE {token}"
    return [{"role": "system", "content": rules}, {"role": "user", "content": asked}]


def _read(reply: Reply, brief: Brief) -> tuple[tuple[_Story, ...] | None, list[str]]:
    """Return the stories, or None where they can't be used at all, and what is wrong with them."""
    if not reply.finished:
        return None, ["it is too long and was cut off"]
    try:
        stories = msgspec.json.decode(_unfenced(reply.text), type=_Stories).stories
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None, ["it isn't the agreed JSON object"]
    faults = [fault for story in stories for fault in _faults(story, brief)]
    if len(stories) != brief.variants:
        faults.append(f"it has {len(stories)} stories instead of {brief.variants}")
    if faults:
        return None, faults[:6]
    words = [sum(words_in(beat.narration) for beat in story.beats) for story in stories]
    return stories, [
        f"story {n} has {count} words of narration instead of {brief.words}"
        for n, count in enumerate(words, 1)
        if abs(count - brief.words) > _WORDS_OFF * brief.words
    ]


def _faults(story: _Story, brief: Brief) -> list[str]:
    faults: list[str] = []
    if len(story.beats) != brief.scenes:
        faults.append(f"a story has {len(story.beats)} beats instead of {brief.scenes}")
    if not all(words_in(_spoken(beat.narration)) and line_of(beat.visual) for beat in story.beats):
        faults.append("a beat has no narration or no visual")
    if not (line_of(story.title) and line_of(story.hook)):
        faults.append("a story has no title or no hook")
    return faults


def _proposed(story: _Story, brief: Brief) -> ProposedStory:
    source = line_of(brief.facts.body)
    tags = (_TAG.sub("", line_of(tag)).lower()[:40] for tag in story.hashtags)
    return ProposedStory(
        title=_spoken(story.title)[:120],
        hook=_spoken(story.hook)[:300],
        synopsis=_spoken(story.synopsis)[:600],
        arc=tuple(line_of(part)[:60] for part in story.arc[: brief.scenes]),
        beats=tuple(
            ProposedBeat(
                narration=_spoken(beat.narration),
                visual=_spoken(beat.visual)[:400],
                claim=_supported(beat.claim, source),
            )
            for beat in story.beats
        ),
        caption=_spoken(story.caption)[:500],
        hashtags=tuple(dict.fromkeys(tag for tag in tags if tag))[:_MOST_HASHTAGS],
        outline=brief.facts.kind == "none",
    )


def _supported(claim: str | None, source: str) -> str | None:
    said = line_of(claim or "")
    return said if said and said in source else None


def _spoken(text: str) -> str:
    """Return one line without links: no address that a model wrote ever reaches a viewer."""
    return line_of(_LINK.sub(lambda match: match[1] or "", text))


def _unfenced(text: str) -> str:
    """Return the JSON of an answer that came in a Markdown fence, as some servers send it."""
    bare = text.strip()
    if bare.startswith("```"):
        bare = bare.partition("\n")[2].rpartition("```")[0]
    return bare

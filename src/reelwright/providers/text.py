"""Writes stories, and parts of them anew, with an OpenAI-compatible chat model: answers by schema, one repair."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from reelwright.ground.metering import Action, Use
from reelwright.providers import openai_prompts as prompts
from reelwright.providers import openai_rewording as rewording
from reelwright.providers import openai_stories as stories
from reelwright.providers.catalogue import Model
from reelwright.providers.model import Brief, Facts, ProposedStory, Reworded, Rewrite
from reelwright.providers.openai_chat import Message, Reply, complete
from reelwright.providers.openai_connection import OpenAIConnection, away

_LONGEST_ANSWER = 60_000
_TOKENS_A_STORY = 2_500
_TOKENS_A_PART = 1_500

T = TypeVar("T")


class FactFinder(Protocol):
    """Whoever knows facts with a source; the bundled encyclopaedia does."""

    async def facts(self, topic: str, *, language: str) -> Facts | None: ...


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
        written, replies = await self._answered(
            stories.messages(brief),
            lambda reply: stories.read(reply, brief),
            answer_format=prompts.STORIES_FORMAT,
            most_tokens=_TOKENS_A_STORY * brief.variants + 1_000,
        )
        use = self._use(replies, Action.STORY, quantity=brief.variants, began=began)
        return tuple(stories.proposed(story, brief) for story in written), (use,)

    async def rewrite(self, order: Rewrite) -> tuple[Reworded, tuple[Use, ...]]:
        """Write one part anew, repaired once if it can't be used. Raises NoAlternative, ProviderRefused, ProviderAway.

        The claim rule is that of `write`; nothing is known where the brief has no facts, so nothing is claimed.
        """
        began = time.monotonic()
        part, replies = await self._answered(
            rewording.messages(order),
            lambda reply: rewording.read(reply, order),
            answer_format=rewording.format_of(order.part),
            most_tokens=_TOKENS_A_PART,
        )
        return part, (self._use(replies, Action.REWRITE, quantity=1, began=began),)

    async def _answered(
        self,
        messages: list[Message],
        read: Callable[[Reply], tuple[T | None, list[str]]],
        *,
        answer_format: Mapping[str, Any],
        most_tokens: int,
    ) -> tuple[T, list[Reply]]:
        """Ask, and once more where `read` finds faults; what can be used in spite of them is taken then."""

        async def ask() -> Reply:
            return await complete(
                self._connection,
                self._model,
                messages=messages,
                answer_format=answer_format,
                most_tokens=most_tokens,
            )

        replies = [await ask()]
        found, faults = read(replies[0])
        if faults:
            messages += [
                {"role": "assistant", "content": replies[0].text[:_LONGEST_ANSWER]},
                {"role": "user", "content": prompts.REPAIR.format(faults="; ".join(faults))},
            ]
            replies.append(await ask())
            repaired, _ = read(replies[1])
            found = repaired or found
        if found is None:
            raise away("unusable text")
        return found, replies

    def _use(self, replies: list[Reply], action: Action, *, quantity: int, began: float) -> Use:
        prompt = sum(reply.prompt_tokens for reply in replies)
        completion = sum(reply.completion_tokens for reply in replies)
        return Use(
            action=action,
            provider=self._model.provider,
            model=self._model.name,
            quantity=quantity,
            prompt_tokens=prompt,
            completion_tokens=completion,
            wall_ms=round((time.monotonic() - began) * 1000),
            cost_nano_usd=self._model.price.of(prompt_tokens=prompt, completion_tokens=completion),
        )

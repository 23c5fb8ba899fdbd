"""Writes stories, and parts of them anew, with an OpenAI-compatible chat model: answers by schema, one repair."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from reelwright.ground.metering import Action, Use
from reelwright.providers import openai_prompts as prompts
from reelwright.providers import openai_rewording as rewording
from reelwright.providers import openai_stories as stories
from reelwright.providers.answers import Message
from reelwright.providers.calls import charged
from reelwright.providers.catalogue import Model
from reelwright.providers.model import Brief, Facts, ProposedStory, ProviderAway, Reworded, Rewrite
from reelwright.providers.openai_chat import Parse, Reply, Unusable, complete
from reelwright.providers.openai_connection import OpenAIConnection

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

        A claim that is no whole sentence of the source, or says something else than its beat, is dropped.
        """
        written, uses = await self._answered(
            stories.messages(brief),
            lambda reply: stories.read(reply, brief),
            action=Action.STORY,
            quantity=brief.variants,
            answer_format=prompts.STORIES_FORMAT,
            most_tokens=_TOKENS_A_STORY * brief.variants + 1_000,
        )
        return tuple(stories.proposed(story, brief) for story in written), uses

    async def rewrite(self, order: Rewrite) -> tuple[Reworded, tuple[Use, ...]]:
        """Write one part anew, repaired once if it can't be used. Raises NoAlternative, ProviderRefused, ProviderAway.

        The claim rule is that of `write`; nothing is known where the brief has no facts, so nothing is claimed.
        """
        return await self._answered(
            rewording.messages(order),
            lambda reply: rewording.read(reply, order),
            action=Action.REWRITE,
            quantity=1,
            answer_format=rewording.format_of(order.part),
            most_tokens=_TOKENS_A_PART,
        )

    async def _answered(
        self,
        messages: list[Message],
        parse: Parse[T],
        *,
        action: Action,
        quantity: int,
        answer_format: Mapping[str, Any],
        most_tokens: int,
    ) -> tuple[T, tuple[Use, ...]]:
        """Ask, and once more where `parse` finds faults; what can be used in spite of them is taken then.

        A repair is a use of its own, of quantity 0: it costs us, and is nothing that was ordered. Its prompt holds our
        words and the failed answer; the source stays where it was, behind its fence.
        """

        async def ask(quantity: int) -> tuple[T, list[str], Reply]:
            return await complete(
                self._connection,
                self._model,
                parse,
                action=action,
                quantity=quantity,
                messages=messages,
                answer_format=answer_format,
                most_tokens=most_tokens,
            )

        try:
            found, faults, first = await ask(quantity)
        except Unusable as answer:
            found, faults, first = None, answer.faults, answer.reply
        if found is not None and not faults:
            return found, (first.use,)
        messages += [
            {"role": "assistant", "content": first.text[:_LONGEST_ANSWER]},
            {"role": "user", "content": prompts.REPAIR.format(faults="; ".join(faults))},
        ]
        try:
            with charged(first.use):
                repaired, left, second = await ask(0)
        except ProviderAway as gone:
            if found is None:
                raise
            return found, gone.uses
        chosen = repaired if found is None or len(left) <= len(faults) else found
        return chosen, (first.use, second.use)

"""One structured chat completion: messages and a JSON schema in, the answer's text and its measured use out."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from reelwright.ground.metering import Action, Use
from reelwright.providers import anthropic_messages, chat_completions
from reelwright.providers.answers import Asked, Message, Said
from reelwright.providers.calls import charged
from reelwright.providers.catalogue import Craft, Model
from reelwright.providers.model import ProviderAway, ProviderRefused
from reelwright.providers.openai_connection import Method, OpenAIConnection, Order, posting
from reelwright.providers.openai_failures import away

_CHARACTERS_A_TOKEN = 4  # OpenAI's rule of thumb for English; used only where a server counts nothing

FENCE = re.compile(r"\b(SOURCE|VIDEO|RECENT) [0-9a-f]{16}\b")
"""The line that stands before and behind what people wrote, with a token of its own each time."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model said, and what it used. `finished` is False where the output cap cut it off."""

    text: str
    finished: bool
    use: Use


class Unusable(ProviderAway):
    """The model answered, but nothing that can be used: `faults` say why, for a repair."""

    def __init__(self, reply: Reply, faults: list[str]) -> None:
        super().__init__("The model's answer can't be used.")
        self.reply = reply
        self.faults = faults


class Parse(Protocol[T_co]):
    """Reads a reply: what can be used of it, or None, and what is wrong with it."""

    def __call__(self, reply: Reply, /) -> tuple[T_co | None, list[str]]: ...


async def complete(
    connection: OpenAIConnection,
    model: Model,
    parse: Parse[T],
    *,
    action: Action,
    quantity: int,
    messages: Sequence[Message],
    answer_format: Mapping[str, Any],
    most_tokens: int,
) -> tuple[T, list[str], Reply]:
    """Ask once: return what can be used, what is wrong with it all the same, and the reply with its use.

    Raises Unusable, ProviderRefused (the model or its filter declines), ProviderAway, Outage. What was charged goes
    with the error.
    """
    began = time.monotonic()

    async def read(body: bytes) -> tuple[T, list[str], Reply]:
        said = _counted(_said(model, body), messages)
        use = _use(model, said, action=action, quantity=quantity, seconds=time.monotonic() - began)
        with charged(use):
            reply = _reply(said, use)
            found, faults = parse(reply)
            if found is None:
                raise Unusable(reply, faults)
        return found, faults, reply

    shape = answer_format["json_schema"]
    asked = Asked(
        messages=tuple(messages),
        name=shape["name"],
        schema=shape["schema"],
        most_tokens=min(most_tokens, model.most_output_tokens) + model.thinking_tokens,
    )
    method, request = _posed(model, asked)
    return await connection.ask(
        Order(
            craft=Craft.VISION if action is Action.VISION_CHECK else Craft.TEXT,
            model=model,
            method=method,
            request=request,
            read=read,
            identity={**request, "messages": _identity(messages)},
        )
    )


def _posed(model: Model, asked: Asked) -> tuple[Method, dict[str, Any]]:
    """Return by which method, with what arguments, the model is asked in its own protocol."""
    if model.protocol == "messages":
        return posting(anthropic_messages.PATH, bearer=False), anthropic_messages.request(model, asked)
    return lambda client: client.chat.completions.with_raw_response.create, chat_completions.request(model, asked)


def _said(model: Model, body: bytes) -> Said:
    return anthropic_messages.said(body) if model.protocol == "messages" else chat_completions.said(model, body)


def _identity(messages: Sequence[Message]) -> list[object]:
    """Return what the messages order: without a fence's token, which is new each time, or what the model said.

    A repair is known by its place in the talk, so that one whose reply was lost is known again.
    """
    asked = [message["content"] for message in messages[:2]]
    return [*(FENCE.sub(r"\1", said) if isinstance(said, str) else said for said in asked), len(messages)]


def _counted(said: Said, messages: Sequence[Message]) -> Said:
    """Return it with about what was used, for a server that counts nothing."""
    if said.counted:
        return said
    return replace(
        said,
        prompt_tokens=len(str(messages)) // _CHARACTERS_A_TOKEN,
        completion_tokens=len(said.text or "") // _CHARACTERS_A_TOKEN,
    )


def _use(model: Model, said: Said, *, action: Action, quantity: int, seconds: float) -> Use:
    return Use(
        action=action,
        provider=model.provider,
        model=model.name,
        quantity=quantity,
        prompt_tokens=said.prompt_tokens,
        completion_tokens=said.completion_tokens,
        images=1 if action is Action.VISION_CHECK else 0,
        wall_ms=round(seconds * 1000),
        cost_nano_usd=model.price.of(
            prompt_tokens=said.prompt_tokens,
            cached_tokens=said.cached_tokens,
            completion_tokens=said.completion_tokens,
        ),
    )


def _reply(said: Said, use: Use) -> Reply:
    if said.declined:
        raise ProviderRefused(
            "The model declines this subject: change the topic or the source and try again.", code="provider.policy"
        )
    if said.text is None:
        raise away("no choice")
    return Reply(text=said.text, finished=said.finished, use=use)

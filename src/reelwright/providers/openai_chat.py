"""One structured chat completion: messages and a JSON schema in, the answer's text and its measured use out."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec

from reelwright.ground.metering import Action, Use
from reelwright.providers.calls import charged
from reelwright.providers.catalogue import Craft, Model
from reelwright.providers.model import ProviderAway, ProviderRefused
from reelwright.providers.openai_connection import OpenAIConnection, Order, decoded
from reelwright.providers.openai_failures import away

_CHARACTERS_A_TOKEN = 4  # OpenAI's rule of thumb for English; used only where a server counts nothing

FENCE = re.compile(r"\b(SOURCE|VIDEO) [0-9a-f]{16}\b")
"""The line that stands before and behind what people wrote, with a token of its own each time."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model said, and what it used. `finished` is False where the output cap cut it off."""

    text: str
    finished: bool
    use: Use


class _Said(msgspec.Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: _Said
    finish_reason: str | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(msgspec.Struct, frozen=True):
    choices: tuple[_Choice, ...]
    usage: _Usage | None = None


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
        completion = decoded(body, _Completion)
        used = completion.usage or _estimated(completion, messages)
        use = _use(model, used, action=action, quantity=quantity, seconds=time.monotonic() - began)
        with charged(use):
            reply = _reply(completion, use)
            found, faults = parse(reply)
            if found is None:
                raise Unusable(reply, faults)
        return found, faults, reply

    request: dict[str, Any] = {
        "model": model.name,
        "messages": list(messages),
        "response_format": answer_format,
        model.output_tokens_field: min(most_tokens, model.most_output_tokens),
    }
    return await connection.ask(
        Order(
            craft=Craft.VISION if action is Action.VISION_CHECK else Craft.TEXT,
            model=model,
            method=lambda client: client.chat.completions.with_raw_response.create,
            request=request,
            read=read,
            identity={**request, "messages": _identity(messages)},
        )
    )


def _identity(messages: Sequence[Message]) -> list[object]:
    """Return what the messages order: without a fence's token, which is new each time, or what the model said.

    A repair is known by its place in the talk, so that one whose reply was lost is known again.
    """
    asked = [message["content"] for message in messages[:2]]
    return [*(FENCE.sub(r"\1", said) if isinstance(said, str) else said for said in asked), len(messages)]


def _estimated(completion: _Completion, messages: Sequence[Message]) -> _Usage:
    """Return about what was used, for a server that counts nothing."""
    said = sum(len(choice.message.content or "") for choice in completion.choices)
    return _Usage(
        prompt_tokens=len(str(messages)) // _CHARACTERS_A_TOKEN, completion_tokens=said // _CHARACTERS_A_TOKEN
    )


def _use(model: Model, used: _Usage, *, action: Action, quantity: int, seconds: float) -> Use:
    return Use(
        action=action,
        provider=model.provider,
        model=model.name,
        quantity=quantity,
        prompt_tokens=used.prompt_tokens,
        completion_tokens=used.completion_tokens,
        images=1 if action is Action.VISION_CHECK else 0,
        wall_ms=round(seconds * 1000),
        cost_nano_usd=model.price.of(prompt_tokens=used.prompt_tokens, completion_tokens=used.completion_tokens),
    )


def _reply(completion: _Completion, use: Use) -> Reply:
    if not completion.choices:
        raise away("no choice")
    choice = completion.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        raise ProviderRefused(
            "The model declines this subject: change the topic or the source and try again.", code="provider.policy"
        )
    return Reply(text=choice.message.content or "", finished=choice.finish_reason != "length", use=use)

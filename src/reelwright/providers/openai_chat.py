"""One structured chat completion: messages and a JSON schema in, the answer's text and its measured use out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

from reelwright.providers.catalogue import Model
from reelwright.providers.model import ProviderRefused
from reelwright.providers.openai_connection import OpenAIConnection, away, decoded

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._legacy_response import LegacyAPIResponse

_CHARACTERS_A_TOKEN = 4  # OpenAI's rule of thumb for English; used only where a server counts nothing

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model said. `finished` is False where the output cap cut it off."""

    text: str
    finished: bool
    prompt_tokens: int
    completion_tokens: int


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


async def complete(
    connection: OpenAIConnection,
    model: Model,
    *,
    messages: Sequence[Message],
    answer_format: Mapping[str, Any],
    most_tokens: int,
) -> Reply:
    """Ask once. Raises ProviderRefused (the model or its filter declines), ProviderAway."""
    length: dict[str, Any] = {model.output_tokens_field: min(most_tokens, model.most_output_tokens)}

    async def call(client: "AsyncOpenAI") -> "LegacyAPIResponse[Any]":
        return await client.chat.completions.with_raw_response.create(
            model=model.name,
            messages=cast("Any", list(messages)),
            response_format=cast("Any", answer_format),
            **length,
        )

    completion = decoded(await connection.ask(call), _Completion)
    if not completion.choices:
        raise away("no choice")
    choice = completion.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        raise ProviderRefused(
            "The model declines this subject: change the topic or the source and try again.", code="provider.policy"
        )
    text = choice.message.content or ""
    used = completion.usage or _Usage(
        prompt_tokens=len(str(messages)) // _CHARACTERS_A_TOKEN, completion_tokens=len(text) // _CHARACTERS_A_TOKEN
    )
    return Reply(
        text=text,
        finished=choice.finish_reason != "length",
        prompt_tokens=used.prompt_tokens,
        completion_tokens=used.completion_tokens,
    )

"""OpenAI's chat completions, as OpenAI, Gemini, MiniMax and Ollama speak them."""

import re
from typing import Any

import msgspec

from reelwright.providers import minimax_failures
from reelwright.providers.answers import Asked, Message, Said
from reelwright.providers.catalogue import Model
from reelwright.providers.openai_connection import decoded

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)  # some models put their thinking before the answer
_SCHEMA = "{rules}\nThe JSON object fits this JSON schema: {schema}\n"


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: _Message
    finish_reason: str | None = None


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None


class _Completion(msgspec.Struct, frozen=True):
    choices: tuple[_Choice, ...]
    usage: _Usage | None = None


def request(model: Model, asked: Asked) -> dict[str, Any]:
    """Return the arguments of the SDK's method. A model that isn't held to the schema is told it."""
    arguments: dict[str, Any] = {
        "model": model.name,
        "messages": list(asked.messages) if model.structured else _told(asked),
        model.output_tokens_field: asked.most_tokens,
    }
    if model.structured:
        shape = {"name": asked.name, "strict": True, "schema": asked.schema}
        arguments["response_format"] = {"type": "json_schema", "json_schema": shape}
    if model.chat_options:
        arguments["extra_body"] = dict(model.chat_options)
    return arguments


def said(model: Model, body: bytes) -> Said:
    """Read a completion. Raises ProviderAway on anything else, Failure on an error with a status of success."""
    if model.provider == "minimax":
        minimax_failures.check(body)
    completion = decoded(body, _Completion)
    usage = completion.usage or _Usage()
    first = completion.choices[0] if completion.choices else None
    return Said(
        text=_THOUGHT.sub("", first.message.content or "") if first else None,
        declined=first is not None and (bool(first.message.refusal) or first.finish_reason == "content_filter"),
        finished=first is not None and first.finish_reason != "length",
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=(usage.prompt_tokens_details or _Details()).cached_tokens or 0,
        completion_tokens=usage.completion_tokens,
        counted=completion.usage is not None,
    )


def _told(asked: Asked) -> list[Message]:
    rules, *rest = asked.messages
    schema = msgspec.json.encode(asked.schema).decode()
    return [{**rules, "content": _SCHEMA.format(rules=rules["content"], schema=schema)}, *rest]

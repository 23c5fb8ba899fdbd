"""Anthropic's Messages API: answers are held to a JSON schema there, which its OpenAI-compatible layer doesn't do.

By platform.claude.com, "Structured outputs" and "Handling stop reasons" (November 2026): `output_config.format` holds
the schema, the system's words stand apart, pictures are blocks, `stop_reason` tells of refusals and of the token cap.
"""

from typing import Any

import msgspec

from reelwright.providers.answers import Asked, Message, Said
from reelwright.providers.catalogue import Model
from reelwright.providers.openai_connection import decoded

PATH = "/messages"


class _Block(msgspec.Struct, frozen=True):
    type: str
    text: str = ""


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Answer(msgspec.Struct, frozen=True):
    content: tuple[_Block, ...]
    stop_reason: str | None = None
    usage: _Usage | None = None


def request(model: Model, asked: Asked) -> dict[str, Any]:
    """Return the body of a request."""
    system = "\n\n".join(str(message["content"]) for message in asked.messages if message["role"] == "system")
    options = dict(model.chat_options)
    config = {**options.pop("output_config", {}), "format": {"type": "json_schema", "schema": asked.schema}}
    return {
        "model": model.name,
        "system": system,
        "messages": [_message(message) for message in asked.messages if message["role"] != "system"],
        "max_tokens": asked.most_tokens,
        "output_config": config,
        **options,
    }


def said(body: bytes) -> Said:
    """Read an answer. Raises ProviderAway on anything else."""
    answer = decoded(body, _Answer)
    usage = answer.usage or _Usage()
    texts = [block.text for block in answer.content if block.type == "text"]
    return Said(
        text="".join(texts) if texts else None,
        declined=answer.stop_reason == "refusal",
        finished=answer.stop_reason not in {"max_tokens", "model_context_window_exceeded"},
        prompt_tokens=usage.input_tokens
        + (usage.cache_creation_input_tokens or 0)
        + (usage.cache_read_input_tokens or 0),
        cached_tokens=usage.cache_read_input_tokens or 0,
        completion_tokens=usage.output_tokens,
        counted=answer.usage is not None,
    )


def _message(message: Message) -> dict[str, Any]:
    content = message["content"]
    blocks = content if isinstance(content, str) else [_block(part) for part in content]
    return {"role": message["role"], "content": blocks}


def _block(part: Message) -> dict[str, Any]:
    if part["type"] != "image_url":
        return dict(part)
    head, _, data = part["image_url"]["url"].partition(";base64,")
    return {"type": "image", "source": {"type": "base64", "media_type": head.removeprefix("data:"), "data": data}}

"""A server on loopback that speaks each service's own protocol, every one below its own path, as strictly as they do.

It knows its callers by each service's own header, refuses fields that the service doesn't know, and misbehaves when
told to: the faults are those of the simulated OpenAI.
"""

import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.simulators.openai import (
    RATE,
    Asked,
    Fault,
    Send,
    SimulatedOpenAI,
    chat,
    content_of,
    encoded_png,
    error,
    give,
    says,
    served,
    tones,
)

KEY = "key-of-the-simulated-services"
_SPEAKS = re.compile(r"/elevenlabs/v1/text-to-speech/([A-Za-z0-9]+)/with-timestamps")
_CHATS = {f"/{name}/v1/chat/completions" for name in ("gemini", "minimax", "ollama")}
_SOLD = _CHATS | {"/anthropic/v1/messages", "/minimax/v1/t2a_v2", "/minimax/v1/image_generation"}
_CHARACTER_MS = 60
_PAUSE_MS = 300
_MESSAGES = {"model", "system", "messages", "max_tokens", "output_config", "thinking"}
_CHAT: Mapping[str, set[str]] = {
    "gemini": {"model", "messages", "max_tokens", "response_format", "reasoning_effort"},
    "minimax": {"model", "messages", "max_completion_tokens", "thinking", "reasoning_split"},
    "ollama": {"model", "messages", "max_tokens", "response_format"},
}


@dataclass
class SimulatedServices(SimulatedOpenAI):
    """All services at once; `url_of` is one's base URL."""

    def url_of(self, service: str) -> str:
        return self.base_url.removesuffix("/v1") + f"/{service}/v1"

    def sells(self, path: str) -> bool:
        return path in _SOLD or bool(_SPEAKS.fullmatch(path))

    async def answer(self, asked: Asked, send: Send) -> None:
        service = asked.path.split("/")[1]
        if service != "ollama" and not _known(service, asked.headers):
            await give(send, error("who are you?"), status=401)
        elif asked.path in _CHATS:
            await _chat(service, asked.body, send)
        elif asked.path == "/anthropic/v1/messages":
            await _messages(asked, send)
        elif spoken := _SPEAKS.fullmatch(asked.path):
            assert spoken[1]
            assert asked.query == f"output_format=pcm_{RATE}"
            await give(send, speech(asked.body["text"]))
        elif asked.path == "/minimax/v1/t2a_v2":
            await give(send, minimax({"audio": tones(asked.body["text"]).hex(), "status": 2}))
        elif asked.path == "/minimax/v1/image_generation":
            drawn = encoded_png(asked.body["width"], asked.body["height"])
            await give(send, minimax({"image_base64": [drawn]}))
        else:
            await give(send, error("no such route", code="not_found"), status=404)


def _known(service: str, headers: Mapping[str, str]) -> bool:
    own = {"anthropic": "x-api-key", "elevenlabs": "xi-api-key"}.get(service)
    if own:
        return headers.get(own) == KEY and "authorization" not in headers
    return headers.get("authorization") == f"Bearer {KEY}"


async def _chat(service: str, body: dict[str, Any], send: Send) -> None:
    strange = set(body) - _CHAT[service]
    if strange:
        await give(send, error(f"unknown fields {strange}"), status=400)
        return
    text = content_of(body if "response_format" in body else _formed(body))
    await give(send, chat(f"<think>Let me see.</think>\n```json\n{text}\n```" if service == "minimax" else text))


async def _messages(asked: Asked, send: Send) -> None:
    body = asked.body
    strange = set(body) - _MESSAGES
    plain = all(message["role"] in {"user", "assistant"} for message in body["messages"])
    if strange or not plain or asked.headers.get("anthropic-version") != "2023-06-01":
        await give(send, anthropic_error("invalid_request_error"), status=400)
        return
    schema = body["output_config"]["format"]["schema"]
    rules = {"role": "system", "content": body["system"]}
    await give(send, message(content_of({"messages": [rules, *body["messages"]], "response_format": _named(schema)})))


def _formed(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body with the format that its rules tell of."""
    schema = json.loads(body["messages"][0]["content"].rpartition("JSON schema: ")[2])
    return {**body, "response_format": _named(schema)}


def _named(schema: dict[str, Any]) -> dict[str, Any]:
    properties = set(schema["properties"])
    name = {"stories": "stories", "text": "part", "hashtags": "hashtags"}.get(
        min(properties & {"stories", "text", "hashtags"}, default=""), "judgement"
    )
    return {"json_schema": {"name": name}}


def message(text: str, *, stop: str = "end_turn") -> bytes:
    """Return an answer of Anthropic's: 1,000 tokens in, some of them from a cache, and 200 out."""
    usage = {
        "input_tokens": 700,
        "cache_read_input_tokens": 300,
        "cache_creation_input_tokens": None,
        "output_tokens": 200,
    }
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": text}]
    content = blocks if text else []
    return json.dumps(
        {"type": "message", "role": "assistant", "content": content, "stop_reason": stop, "usage": usage}
    ).encode()


def anthropic_error(kind: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": "no"}}).encode()


def elevenlabs_error(status: str) -> bytes:
    return json.dumps({"detail": {"status": status, "message": "no"}}).encode()


def minimax(data: dict[str, Any] | None, *, code: int = 0) -> bytes:
    return json.dumps({"data": data, "base_resp": {"status_code": code, "status_msg": "m"}}).encode()


def minimax_says_no(code: int) -> Fault:
    """Answer once with an error, the way MiniMax does: by a code, the status being 200."""
    fault = says(minimax(None, code=code))
    fault.charges = 0  # type: ignore[attr-defined] - read where faults are played
    return fault


def timed(text: str) -> tuple[bytes, list[str], list[float], list[float]]:
    """Return raw sound, and each character with its times: a tone a sentence, silence after it, as `tones` has it."""
    parts: list[np.ndarray] = []
    starts: list[float] = []
    characters: list[str] = []
    at_ms = 0
    for sentence in re.findall(r"[^.!?]+[.!?]*\s*", text):
        clock = np.arange(len(sentence) * _CHARACTER_MS * RATE // 1000) / RATE
        parts += [np.sin(2 * np.pi * 220 * clock) * 12_000, np.zeros(_PAUSE_MS * RATE // 1000)]
        starts += [(at_ms + _CHARACTER_MS * n) / 1000 for n in range(len(sentence))]
        characters += list(sentence)
        at_ms += len(sentence) * _CHARACTER_MS + _PAUSE_MS
    ends = [start + _CHARACTER_MS / 1000 for start in starts]
    return np.concatenate(parts).astype("<i2").tobytes(), characters, starts, ends


def speech(text: str, **changes: Any) -> bytes:
    """Return an answer of ElevenLabs' with the times of its characters; `changes` replace parts of its alignment."""
    sound, characters, starts, ends = timed(text)
    alignment = {
        "characters": characters,
        "character_start_times_seconds": starts,
        "character_end_times_seconds": ends,
        **changes,
    }
    return json.dumps({"audio_base64": base64.b64encode(sound).decode(), "alignment": alignment}).encode()


@asynccontextmanager
async def simulated_services() -> AsyncIterator[SimulatedServices]:
    """Run the server on a free loopback port until the block ends."""
    async with served(SimulatedServices()) as state:
        yield state

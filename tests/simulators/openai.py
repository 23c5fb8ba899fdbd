"""A server on loopback that speaks the OpenAI protocol as far as we use it, and misbehaves when told to.

It answers sensibly by itself (stories to order, pictures of the asked size, tone bursts for sentences). `faults` are
played first, one a request. It counts what it charged: every answer that it gave, whether it arrived or not.
"""

import asyncio
import base64
import io
import json
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import uvicorn
from PIL import Image, ImageDraw

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Fault = Callable[[Send, Receive], Awaitable[None]]

RATE = 24_000
_SOLD = {"/v1/chat/completions", "/v1/images/generations", "/v1/audio/speech"}
_WORDS = ("the", "quiet", "sea", "keeps", "many", "bright", "and", "curious", "stories", "for", "people", "who")
_TOLD = (
    ("What does the sea keep?", " ".join(_WORDS)),
    ("Rivers carry 90 tons an hour.", "a river carries cold silver light with all that was ever lost in it"),
    ("Nobody counted these trees.", "under old trees there is moss that no map has shown and no one owns"),
    ("A desert sings at night.", "sand moves on when the wind is up and then it hums below our feet"),
    (
        "Mountains are still growing.",
        "each year they rise by as much as your nails do while snow takes them down",
    ),
)
"""How each of several stories opens, and which words it is made of."""


Server = TypeVar("Server", bound="SimulatedOpenAI")


@dataclass
class Asked:
    """One request as the server saw it."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    query: str = ""


@dataclass
class Book:
    """What the server was asked, and how many answers it charged."""

    asked: list[Asked] = field(default_factory=list)
    charged: int = 0


@dataclass
class SimulatedOpenAI:
    """The server: its book, and what it does wrong next. `always` is played once `faults` are used up."""

    base_url: str = ""
    book: Book = field(default_factory=Book)
    faults: list[Fault] = field(default_factory=list)
    always: Fault | None = None

    @property
    def asked(self) -> list[Asked]:
        return self.book.asked

    @property
    def charged(self) -> int:
        return self.book.charged

    def begin_anew(self) -> None:
        """Behave again, with an empty book; a request that still hangs ends in the old one."""
        self.book, self.faults, self.always = Book(), [], None

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        asked = Asked(
            path=scope["path"],
            headers=headers,
            body=json.loads(body or b"{}"),
            query=scope["query_string"].decode(),
        )
        book = self.book
        book.asked.append(asked)
        fault = self.faults.pop(0) if self.faults else self.always
        book.charged += getattr(fault, "charges", 0) if fault else int(self.sells(asked.path))
        if fault is None:
            await self.answer(asked, send)
        else:
            await fault(send, receive)

    def sells(self, path: str) -> bool:
        """Say whether a sensible answer costs money."""
        return path in _SOLD

    async def answer(self, asked: Asked, send: Send) -> None:
        """Give the sensible answer to a request."""
        if asked.path == "/v1/chat/completions":
            await give(send, chat(content_of(asked.body)))
        elif asked.path == "/v1/images/generations":
            await give(send, picture(*(int(side) for side in asked.body["size"].split("x"))))
        elif asked.path == "/v1/audio/speech":
            await give(send, tones(asked.body["input"]), content_type="audio/wav")
        else:
            await give(send, error("no such route", code="not_found"), status=404)


async def give(
    send: Send,
    body: bytes,
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> None:
    lines = {"content-type": content_type, **(headers or {})}
    encoded = [(name.encode(), value.encode()) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def says(
    body: bytes, *, status: int = 200, content_type: str = "application/json", headers: Mapping[str, str] | None = None
) -> Fault:
    """Answer once with exactly this."""

    async def fault(send: Send, _receive: Receive) -> None:
        await give(send, body, status=status, content_type=content_type, headers=headers)

    return charging(fault) if status < 400 else fault


def charging(fault: Fault) -> Fault:
    """Mark a fault that takes its money first."""
    fault.charges = 1  # type: ignore[attr-defined] - read where faults are played
    return fault


def fails(status: int, *, code: str = "", message: str = "no", headers: Mapping[str, str] | None = None) -> Fault:
    """Answer once with an error."""
    return says(error(message, code=code), status=status, headers=headers)


async def hangs(_send: Send, receive: Receive) -> None:
    """Say nothing until the caller goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass


@charging
async def swallows(send: Send, receive: Receive) -> None:
    """Do the work and charge for it, then cut the connection without a word."""
    send.__self__.transport.abort()  # type: ignore[attr-defined] - uvicorn's own cycle behind the ASGI callable
    await hangs(send, receive)


@charging
async def cuts(send: Send, receive: Receive) -> None:
    """Do the work and charge for it, then cut the connection in the middle of the answer."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
    await send({"type": "http.response.body", "body": b'{"choices": [', "more_body": True})
    await swallows(send, receive)


async def drips(send: Send, receive: Receive) -> None:
    """Send a byte now and then, each in time, until the caller goes away."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    gone = asyncio.ensure_future(receive())
    while not gone.done():
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.wait([gone], timeout=0.02)
    await gone


async def floods(send: Send, receive: Receive) -> None:
    """Send without end."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    gone = asyncio.ensure_future(receive())
    while not gone.done():
        await send({"type": "http.response.body", "body": b" " * 65_536, "more_body": True})
        await asyncio.wait([gone], timeout=0)
    await gone


def error(message: str, *, code: str = "") -> bytes:
    return json.dumps({"error": {"message": message, "type": "error", "code": code, "param": None}}).encode()


def chat(content: str | None, *, finish: str = "stop", refusal: str | None = None, usage: bool = True) -> bytes:
    """Return a completion of 1,000 prompt and 200 completion tokens."""
    answer: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
            }
        ],
    }
    if usage:
        answer["usage"] = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
    return json.dumps(answer).encode()


def stories(*, variants: int, scenes: int, words: int, source: str = "", **changes: Any) -> str:
    """Return stories as the writer's format asks for them; `changes` replace a story's fields."""
    sentences = [part for part in re.split(r"(?<=[.!?])\s+", source) if part] or [None]
    share = [words // scenes + (1 if n < words % scenes else 0) for n in range(scenes)]
    made = []
    for variant in range(variants):
        hook, told = _TOLD[variant % len(_TOLD)]
        beats = [
            {
                "narration": _narration(hook if n == 0 else "", said or "", told.split(), variant + n, count),
                "visual": f"Scene {n} of variant {variant}: a calm sea at dawn",
                "claim": said,
            }
            for n, count in enumerate(share)
            for said in (sentences[n % len(sentences)],)
        ]
        story = {
            "title": f"Story {variant}",
            "hook": hook,
            "synopsis": "The sea keeps stories.",
            "arc": ["hook", "proof", "close"],
            "beats": beats,
            "look": {"palette": "deep blue, amber", "medium": "gouache", "characters": "an old keeper in a red coat"},
            "caption": "The sea keeps stories.",
            "hashtags": ["sea", "stories", "nature"],
        }
        made.append({**story, **changes})
    return json.dumps({"stories": made})


def _narration(hook: str, said: str, words: Sequence[str], first: int, count: int) -> str:
    """Return so many words, the hook's and the claim's among them where there is room for them."""
    opening = hook if len(hook.split()) < count else ""
    if len(f"{opening} {said}".split()) < count:
        opening = f"{opening} {said}"
    rest = count - len(opening.split())
    return f"{opening} {' '.join(words[(first + k) % len(words)] for k in range(rest)).capitalize()}.".strip()


def part(*, words: int, claim: str | None = None) -> str:
    """Return one part written anew, of so many words."""
    text = " ".join(_WORDS[(5 + k) % len(_WORDS)] for k in range(words)).capitalize()
    return json.dumps({"text": f"{text}.", "claim": claim})


def _rules(body: Mapping[str, Any]) -> str:
    return body["messages"][0]["content"]


def content_of(body: Mapping[str, Any]) -> str:
    """Return the sensible answer to what a chat model is asked."""
    name = body["response_format"]["json_schema"]["name"]
    if name == "judgement":
        return json.dumps({"relevance": 91, "quality": 84, "consistency": 88, "safety": 100, "reasons": []})
    if name == "hashtags":
        return json.dumps({"hashtags": ["#Ocean", "waves", "blue planet"]})
    if name == "part":
        return part(words=int(found[1]) if (found := re.search(r"about (\d+) words", _rules(body))) else 12)
    rules, asked = body["messages"][0]["content"], body["messages"][1]["content"]
    variants, scenes, words = (
        int(re.search(pattern, rules)[1])  # type: ignore[index]
        for pattern in (r"Write (\d+) stories", r"exactly (\d+) beats", r"about (\d+) words")
    )
    source = asked.split("\n\n", 2)[-1].rpartition("\nSOURCE")[0]
    return stories(variants=variants, scenes=scenes, words=words, source=source)


def encoded_png(width: int, height: int) -> str:
    """Return a small real PNG of that size, in base64."""
    out = io.BytesIO()
    drawn = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    brush, step = ImageDraw.Draw(drawn), max(8, min(width, height) // 6)
    for n, at in enumerate(range(0, height, step)):  # something sharp to look at: a blurred picture is made again
        brush.ellipse(
            (width * n // 9 % width, at, width * n // 9 % width + step, at + step), fill=(200, 30 * n % 255, 60)
        )
    drawn.save(out, format="PNG")
    return base64.b64encode(out.getvalue()).decode()


def huge_png_header() -> str:
    """Return the start of a PNG that claims 30,000 x 30,000 pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + b"\x00" * 64).decode()


def picture(width: int, height: int, *, b64: str | None = None) -> bytes:
    usage = {"input_tokens": 50, "output_tokens": 1500, "total_tokens": 1550}
    return json.dumps(
        {"created": 1, "data": [{"b64_json": b64 or encoded_png(width, height)}], "usage": usage}
    ).encode()


def tones(text: str) -> bytes:
    """Return a streamed WAV of unknown size, as the service does: a tone a sentence, 300 ms of silence after it."""
    parts: list[np.ndarray] = []
    for sentence in re.findall(r"[^.!?]+[.!?]*", text):
        time = np.arange(len(sentence.strip()) * 60 * RATE // 1000) / RATE
        parts += [np.sin(2 * np.pi * 220 * time) * 12_000, np.zeros(300 * RATE // 1000)]
    return wav(np.concatenate(parts).astype("<i2").tobytes())


def wav(data: bytes, *, channels: int = 1, bits: int = 16, size: int = 0xFFFFFFFF) -> bytes:
    step = channels * bits // 8
    shape = struct.pack("<HHIIHH", 1, channels, RATE, RATE * step, step, bits)
    head = b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<I", 16) + shape
    return head + b"data" + struct.pack("<I", size) + data


@asynccontextmanager
async def simulated_openai(*, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[SimulatedOpenAI]:
    """Run the server on a loopback port, a free one by itself, until the block ends."""
    async with served(SimulatedOpenAI(), host=host, port=port) as state:
        yield state


@asynccontextmanager
async def served(state: Server, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Server]:
    """Run a simulated server on a loopback port until the block ends."""
    config = uvicorn.Config(
        state, host=host, port=port, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done()
        await asyncio.sleep(0)
    state.base_url = f"http://{host}:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    try:
        yield state
    finally:
        server.should_exit = True
        await running


async def warmed_up(server: SimulatedOpenAI) -> None:
    """Let the SDK build itself, which takes it a second at its first call: a test's deadline is about the server."""
    from openai import AsyncOpenAI  # noqa: PLC0415 - a second that tests of other clients of this module save

    async with AsyncOpenAI(api_key="k", base_url=server.base_url, max_retries=0, timeout=60) as client:
        _ = client.chat.completions.with_raw_response, client.images.with_raw_response
        await client.audio.speech.with_raw_response.create(model="m", voice="alloy", input="Calm.")
    server.begin_anew()

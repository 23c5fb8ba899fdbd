"""A server on loopback that speaks Upstash's Redis protocol over HTTP in front of a real Valkey.

It answers as the service does (POST /, /pipeline, /multi-exec, base64, scripts that lock their keys) and misbehaves
when told to: `faults` are played instead of a command, `late` ones after the command has run, one a request.
"""

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any
from urllib.parse import unquote, urlsplit

import hiredis
import uvicorn

from tests.simulators.openai import Fault, Receive, Send, give

TOKEN = "canary-token-51c2"
_BATCHES = {"/pipeline": False, "/multi-exec": True}
_LOCKING = "#!lua flags=allow-key-locking"
_GUARD = (
    "local redis = (function(real, mine) for _, key in ipairs(KEYS) do mine[key] = true end "
    "local function of(ask) return function(verb, ...) local named = {...} "
    "local last = ({DEL = #named, UNLINK = #named, EXISTS = #named, MGET = #named, TIME = 0})[string.upper(verb)] or 1 "
    "for at = 1, last do if not mine[tostring(named[at])] then error({err = 'ERR Dynamic keys are not allowed in Lua "
    "scripts when allow-key-locking flag is set'}) end end return ask(verb, ...) end end "
    "return setmetatable({call = of(real.call), pcall = of(real.pcall)}, {__index = real}) end)(redis, {})"
)
"""What Upstash does to a script that locks its keys: a key that KEYS doesn't name is an error. One line, as theirs."""


class Line:
    """One connection to the Valkey, whose replies come as they were sent: no client's taste in between."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._in, self._out = reader, writer
        self._replies: Any = hiredis.Reader()

    @classmethod
    async def open(cls, url: str) -> "Line":
        where = urlsplit(url)
        line = cls(*await asyncio.open_connection(where.hostname, where.port))
        if where.password:
            await line.ask(["AUTH", unquote(where.password)])
        await line.ask(["SELECT", where.path.strip("/") or "0"])
        return line

    async def ask(self, words: Sequence[str]) -> Any:
        """Return bytes, an integer, None, a list of these, or a hiredis.ReplyError."""
        self._out.write(hiredis.pack_command(tuple(word.encode() for word in words)))
        while (reply := self._replies.gets()) is False:
            received = await self._in.read(65_536)
            if not received:
                raise ConnectionError
            self._replies.feed(received)
        return reply

    async def close(self) -> None:
        self._out.close()
        with contextlib.suppress(OSError):
            await self._out.wait_closed()


@dataclass
class Asked:
    """One request as the server saw it."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class SimulatedUpstash:
    """The server's state: where its Valkey is, what it was asked, and what it does wrong next."""

    valkey_url: str
    base_url: str = ""
    asked: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    late: list[Fault] = field(default_factory=list)
    _free: list[Line] = field(default_factory=list)
    _digests: dict[str, str] = field(default_factory=dict)

    def forget(self) -> None:
        """Be as new: for a server that many tests share."""
        for seen in (self.asked, self.faults, self.late):
            seen.clear()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        asked = Asked(path=scope["path"], headers=headers, body=json.loads(await _body(receive) or b"null"))
        self.asked.append(asked)
        if self.faults:
            return await self.faults.pop(0)(send, receive)
        status, answer = await self._answer(asked)
        if self.late:
            return await self.late.pop(0)(send, receive)
        lines = {"upstash-sync-token": f"sync-{len(self.asked)}"}
        return await give(send, json.dumps(answer).encode(), status=status, headers=lines)

    async def _answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"error": "WRONGPASS invalid or missing auth token"}
        encoded = asked.headers.get("upstash-encoding") == "base64"
        async with self._line() as line:
            if asked.path in _BATCHES:
                return await self._batch(line, asked.body, encoded=encoded, atomic=_BATCHES[asked.path])
            answer = _told(await self._ask(line, asked.body), encoded=encoded)
        return 400 if "error" in answer else 200, answer

    async def _batch(
        self, line: Line, commands: Sequence[Sequence[Any]], *, encoded: bool, atomic: bool
    ) -> tuple[int, Any]:
        if not atomic:
            return 200, [_told(await self._ask(line, command), encoded=encoded) for command in commands]
        await line.ask(["MULTI"])
        for command in commands:
            await self._ask(line, command)
        replies = await line.ask(["EXEC"])
        if isinstance(replies, hiredis.ReplyError):
            return 400, _told(replies, encoded=encoded)
        return 200, [_told(reply, encoded=encoded) for reply in replies]

    async def _ask(self, line: Line, command: Sequence[Any]) -> Any:
        words = [word if isinstance(word, str) else _number(word) for word in command]
        match [words[0].upper(), *words[1:2]]:
            case ["EVAL" | "EVAL_RO", text]:
                self._digests[_digest(text)] = _digest(_guarded(text))
                words[1] = _guarded(text)
            case ["EVALSHA" | "EVALSHA_RO", digest]:
                words[1] = self._digests.get(digest.lower(), _digest("unknown: " + digest))
            case ["SCRIPT", verb] if verb.upper() == "LOAD":
                self._digests[_digest(words[2])] = _digest(_guarded(words[2]))
                reply = await line.ask([*words[:2], _guarded(words[2])])
                return reply if isinstance(reply, hiredis.ReplyError) else _digest(words[2]).encode()
            case ["SCRIPT", verb] if verb.upper() == "EXISTS":
                words[2:] = [self._digests.get(digest.lower(), digest) for digest in words[2:]]
            case ["CONFIG" | "SUBSCRIBE" | "MONITOR" as verb, *_]:
                return hiredis.ReplyError(f"ERR Command is not available: '{verb}'")
            case ["INFO", *_]:
                reply = await line.ask(words)
                return re.sub(rb"maxmemory_policy:[^\r]*\r\n", b"", reply)
            case _:
                pass
        return await line.ask(words)

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[Line]:
        line = self._free.pop() if self._free else await Line.open(self.valkey_url)
        try:
            yield line
        except BaseException:
            await line.close()
            raise
        self._free.append(line)

    async def close(self) -> None:
        while self._free:
            await self._free.pop().close()


async def cuts(send: Send, _receive: Receive) -> None:
    """Begin an answer and end the connection in its middle."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"400")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"result":', "more_body": True})


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            return body


def _told(reply: Any, *, encoded: bool) -> dict[str, Any]:
    return {"error": str(reply)} if isinstance(reply, hiredis.ReplyError) else {"result": _spelt(reply, encoded)}


def _spelt(reply: Any, encoded: bool) -> Any:  # noqa: FBT001 - the one switch of a recursion
    if isinstance(reply, list):
        return [_spelt(cell, encoded) for cell in reply]
    if not isinstance(reply, bytes):
        return reply
    if encoded and reply != b"OK":
        return base64.b64encode(reply).decode()
    return reply.decode(errors="replace")


def _number(value: Any) -> str:
    """A JSON number passes through a double there: whoever sends one loses what 53 bits can't hold."""
    return str(int(float(value))) if float(value).is_integer() else repr(value)


def _guarded(text: str) -> str:
    return _GUARD + text.removeprefix(_LOCKING) if text.startswith(_LOCKING + "\n") else text


def _digest(text: str) -> str:
    return sha1(text.encode()).hexdigest()  # noqa: S324 - Redis names scripts by SHA-1


@asynccontextmanager
async def simulated_upstash(valkey_url: str) -> AsyncIterator[SimulatedUpstash]:
    """Run the server on a free loopback port until the block ends."""
    state = SimulatedUpstash(valkey_url)
    config = uvicorn.Config(
        state,
        host="127.0.0.1",
        port=0,
        log_level="critical",
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
        timeout_keep_alive=60,  # longer than our client keeps a connection: who closes second can't lose a request
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done()
        await asyncio.sleep(0)
    state.base_url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        server.should_exit = True
        await running
        await state.close()

"""A TCP proxy that fails as networks do: late, cut, silent, or with the reply lost after the request went through."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

_BLOCK = 1 << 16
_LONGEST = 128
"""No pattern is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong from now on; the default is nothing.

    `swallow`: a request that holds these bytes is handed on, its reply never comes and the connection is cut.
    `withhold`: a request that holds them is not handed on, and the connection is cut.
    `late`: a request that holds them is handed on by `hand_on`, after the connection was cut.
    Each happens `times` times, and if there are bytes `after` which it comes, then only on a connection on which these
    have gone by before, such as one transaction's own words.
    """

    latency_s: float = 0.0
    refuse: bool = False
    cut_after_bytes: int | None = None
    swallow: bytes | None = None
    withhold: bytes | None = None
    late: bytes | None = None
    after: bytes = b""
    times: int = 1


@dataclass(slots=True)
class Proxy:
    """Stands before one server. Setting `fault` changes what happens to every connection, open ones too."""

    host: str
    port: int
    fault: Fault = field(default_factory=Fault)
    struck: int = 0
    _left: int = 1
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _going: asyncio.Event = field(default_factory=asyncio.Event)
    _late: asyncio.Event = field(default_factory=asyncio.Event)
    _answered: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None

    @property
    def listens_on(self) -> int:
        """The port to connect to."""
        if self._server is None:
            raise RuntimeError("not started")
        return int(self._server.sockets[0].getsockname()[1])

    def set(self, fault: Fault) -> None:
        """Let this go wrong from now on, and nothing else. `struck` counts from 0 again."""
        self.fault, self._left, self.struck = fault, fault.times, 0

    async def hand_on(self) -> None:
        """Hand on what is late, and return when the server has answered it."""
        self._late.set()
        await self._answered.wait()

    def cut(self) -> None:
        """Cut every open connection."""
        for writer in list(self._open):
            writer.transport.abort()

    def pause(self) -> None:
        """Hand on nothing more until `resume`: the network hangs."""
        self._going.clear()

    def resume(self) -> None:
        """Hand on again what has waited."""
        self._going.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault.refuse:
            writer.transport.abort()
            return
        try:
            upstream = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        ends = (writer, upstream[1])
        self._open.update(ends)
        deaf = asyncio.Event()
        pumps = [
            asyncio.create_task(self._requests(reader, writer, upstream[1], deaf)),
            asyncio.create_task(self._replies(upstream[0], writer, deaf)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for end in ends:
            self._open.discard(end)
            end.transport.abort()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
        deaf: asyncio.Event,
    ) -> None:
        before, armed = b"", b""
        while block := await reader.read(_BLOCK):
            await self._going.wait()
            await asyncio.sleep(self.fault.latency_s)
            armed = self.fault.after if _arrives(self.fault.after, before, block) else armed
            if armed == self.fault.after:
                if self._strikes(self.fault.withhold, before, block):
                    return
                if self._strikes(self.fault.swallow, before, block):
                    deaf.set()
                if self._strikes(self.fault.late, before, block):
                    client.transport.abort()
                    await self._late.wait()
                    deaf.set()
                    writer.write(block)
                    await asyncio.Event().wait()  # until it is answered
            before = block[-_LONGEST:]
            writer.write(block)
            await writer.drain()

    async def _replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        sent = 0
        while block := await reader.read(_BLOCK):
            await self._going.wait()
            if deaf.is_set():
                self._answered.set()
                return
            most = self.fault.cut_after_bytes
            writer.write(block if most is None else block[: max(0, most - sent)])
            await writer.drain()
            sent += len(block)
            if most is not None and sent >= most:
                return

    def _strikes(self, pattern: bytes | None, before: bytes, block: bytes) -> bool:
        if pattern is None or self._left <= 0 or not _arrives(pattern, before, block):
            return False
        self._left, self.struck = self._left - 1, self.struck + 1
        return True


def _arrives(pattern: bytes, before: bytes, block: bytes) -> bool:
    """Say whether a pattern ends in this block, wherever it began: what had gone by whole is no request of now."""
    return pattern in before[max(0, len(before) - len(pattern) + 1) :] + block


@contextlib.asynccontextmanager
async def proxied(host: str, port: int) -> AsyncGenerator[Proxy]:
    """Stand before a server until the block ends."""
    proxy = Proxy(host, port)
    proxy.resume()
    proxy._server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    try:
        yield proxy
    finally:
        proxy._server.close()
        proxy.cut()
        await proxy._server.wait_closed()

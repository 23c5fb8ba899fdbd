"""A longer way to Redis: a TCP proxy in a process of its own that adds half its round-trip time each way.

    python benchmarks/slow_line.py PORT MICROSECONDS     prints its own port, then serves until its input ends

It runs on select(), whose time-outs are exact to the microsecond: epoll and uvloop round them up to a millisecond.
"""

import asyncio
import contextlib
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import cast


class End(asyncio.Protocol):
    """One end of a connection: what arrives here leaves at the other end, in order and later."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._late: deque[bytes] = deque()
        self._transport: asyncio.Transport | None = None
        self.other: End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._late.append(data)
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._pass_on)
        else:
            self._pass_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self.other and self.other._transport:  # noqa: SLF001 - the same class
            self.other._transport.close()  # noqa: SLF001 - the same class

    def _pass_on(self) -> None:
        data = self._late.popleft()
        if self.other and self.other._transport:  # noqa: SLF001 - the same class
            self.other._transport.write(data)  # noqa: SLF001 - the same class


class Near(End):
    """The client's end: it calls the server as soon as the client has called it, and keeps early bytes until then."""

    def __init__(self, port: int, delay_s: float) -> None:
        super().__init__(delay_s)
        self._port = port
        self._calling: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        cast("asyncio.Transport", transport).pause_reading()
        self._calling = asyncio.get_running_loop().create_task(self._call())

    async def _call(self) -> None:
        far = End(self._delay_s)
        far.other, self.other = self, far
        await asyncio.get_running_loop().create_connection(lambda: far, "127.0.0.1", self._port)
        assert self._transport
        self._transport.resume_reading()


async def serve(port: int, round_trip_us: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Near, port, round_trip_us / 2e6), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = loop.create_future()
    loop.add_reader(sys.stdin, lambda: ended.done() or ended.set_result(None))
    await ended
    server.close()


@contextlib.contextmanager
def slower(port: int, *, round_trip_us: int) -> Generator[int]:
    """Start a proxy to a port of this machine and return its own; end it with the block."""
    argv = [sys.executable, str(Path(__file__).resolve()), str(port), str(round_trip_us)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        try:
            yield int(child.stdout.readline())
        finally:
            child.stdin.close()
            child.wait(10)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(serve(int(sys.argv[1]), int(sys.argv[2])))

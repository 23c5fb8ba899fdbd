"""Sends prepared requests to one address over a few kept connections, and times them: `api_load.py`, plan on stdin.

Open loop: requests fall due at their own instants, whatever the server does, and are timed from then on, so that a
server that stalls is charged for all who wait meanwhile. Closed loop (no rate): each connection asks as soon as it has
its answer. It is a process of its own, and does nothing that a request does not need.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from time import perf_counter, process_time
from typing import cast

import uvloop


class Wire(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's isn't one by its class

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """Send a request; the status code is to come."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._got += data
        head = self._got.find(b"\r\n\r\n")
        if head < 0 or self._answer is None:
            return
        start = self._got.lower().find(b"content-length:", 0, head)
        length = int(self._got[start + 15 : self._got.find(b"\r", start)]) if start >= 0 else 0
        if len(self._got) >= head + 4 + length:
            status = int(self._got[9:12])
            self._got.clear()
            self._answer.set_result(status)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())


def instants(rate: float | None, count: int) -> Iterator[float | None]:
    """When each request falls due, in seconds from the start: a Poisson stream, or None for as soon as can be."""
    chance, at = random.Random(7), 0.0  # noqa: S311 - arrivals, no secret
    for _ in range(count):
        yield None if rate is None else (at := at + chance.expovariate(rate))


async def sent(port: int, requests: list[bytes], *, rate: float | None, at_once: int) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    wires = [(await loop.create_connection(Wire, "127.0.0.1", port))[1] for _ in range(at_once)]
    todo = iter(list(zip(instants(rate, len(requests)), requests, strict=True)))
    statuses, took_ms = Counter[int](), list[float]()
    began = perf_counter()

    async def work(wire: Wire) -> None:
        for due, request in todo:
            if due is not None and (early := due - (perf_counter() - began)) > 0:
                await asyncio.sleep(early)
            since = perf_counter() if due is None else began + due
            statuses[await wire.ask(request)] += 1
            took_ms.append((perf_counter() - since) * 1000)

    await asyncio.gather(*(work(wire) for wire in wires))
    whole_s = perf_counter() - began
    took_ms.sort()
    return {
        "count": len(took_ms),
        "whole_s": whole_s,
        "p50_ms": took_ms[len(took_ms) // 2],
        "p99_ms": took_ms[len(took_ms) * 99 // 100],
        "worst_ms": took_ms[-1],
        "statuses": statuses,
        "cpu_s": process_time(),
    }


def main() -> None:
    plan = json.load(sys.stdin)
    requests = [request.encode("latin-1") for request in plan["requests"]]
    found = uvloop.run(sent(plan["port"], requests, rate=plan["rate"], at_once=plan["at_once"]))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

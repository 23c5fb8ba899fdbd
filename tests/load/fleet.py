"""Client processes that fire together: shots are dealt out, answers come together while they are still firing."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from tests.load.client import Answer, Shot, Volley
from tests.load.rig import ROOT, search_path

_LINE_BYTES = 64 * 1024 * 1024
_ANSWERS = msgspec.json.Decoder(list[Answer])


@dataclass
class Report:
    """What was answered so far. `grown` is told of every batch; `over` once all is answered."""

    wanted: int
    answers: list[Answer] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)
    ended: float | None = None
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        return Counter(answer.status for answer in self.answers)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended or time.perf_counter()) - self.began

    @property
    def fresh(self) -> list[Answer]:
        """The answers that tell of a new generation."""
        return [answer for answer in self.answers if answer.status == 202 and not answer.replayed]

    async def until(self, true: Callable[["Report"], bool]) -> None:
        """Return when it is true of the answers so far, or when all is answered."""
        async with self.grown:
            await self.grown.wait_for(lambda: self.ended is not None or true(self))

    async def share(self, part: float) -> None:
        """Return when this share of all shots was answered."""
        await self.until(lambda report: len(report.answers) >= part * report.wanted)


Meanwhile = Callable[[Report], Awaitable[None]]


class Fleet:
    """Several client processes on several APIs."""

    def __init__(self, clients: Sequence[Process], *, apis: Sequence[str], lanes: int) -> None:
        self._clients = clients
        self._apis = list(apis)
        self._lanes = lanes
        self.answered = 0

    async def fire(self, shots: Sequence[Shot], *, meanwhile: Meanwhile | None = None) -> Report:
        """Fire everything, each client at all APIs, and run `meanwhile` beside it; return when both are over."""
        report = Report(wanted=len(shots))
        async with asyncio.TaskGroup() as together:
            if meanwhile is not None:
                together.create_task(meanwhile(report))  # type: ignore[arg-type]  # it is a coroutine
            dealt = [list(shots[number :: len(self._clients)]) for number in range(len(self._clients))]
            firing = [self._one(client, part, report) for client, part in zip(self._clients, dealt, strict=True)]
            await asyncio.gather(*firing)
            async with report.grown:
                report.ended = time.perf_counter()
                report.grown.notify_all()
        return report

    async def _one(self, client: Process, shots: list[Shot], report: Report) -> None:
        if client.stdin is None or client.stdout is None:
            raise ValueError(client)
        volley = Volley(apis=self._apis, lanes=self._lanes, shots=shots)
        client.stdin.write(msgspec.json.encode(volley) + b"\n")
        await client.stdin.drain()
        while True:
            line = await client.stdout.readline()
            answers = _ANSWERS.decode(line)  # a client that died has said nothing, which doesn't decode
            if not answers:
                return
            self.answered += len(answers)
            async with report.grown:
                report.answers += answers
                report.grown.notify_all()


@asynccontextmanager
async def manned(*, clients: int, apis: Sequence[str], lanes: int) -> AsyncGenerator[Fleet]:
    """Start the clients, and end them at the end: they go when their input does."""
    started = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.load.client"),
            stdin=PIPE,
            stdout=PIPE,
            limit=_LINE_BYTES,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": search_path()},
        )
        for _ in range(clients)
    ]
    try:
        yield Fleet(started, apis=apis, lanes=lanes)
    finally:
        for client in started:
            if client.stdin is not None:
                client.stdin.close()
        for client in started:
            await client.wait()

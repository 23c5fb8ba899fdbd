"""Cases F50 to F56: a provider that is full, broken, gone, silent, slow, mad or unheard, over real sockets.

Real workers write the story with the real client; the provider is a server in this process. Each case has a model of
its own, so that no lane stays closed for the next one. What one call does is tested in tests/rooms/providers.
"""

import contextlib
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from reelwright.ground import clock
from reelwright.ground.ids import GenerationId
from tests.chaos.cases import makes
from tests.chaos.fleet import PATIENCE_S, Fleet, Member
from tests.chaos.kills import succeeded
from tests.chaos.refitting import refitted
from tests.simulators.openai import (
    Fault,
    Receive,
    Send,
    SimulatedOpenAI,
    chat,
    drips,
    fails,
    floods,
    hangs,
    says,
    simulated_openai,
    swallows,
)
from tests.waiting import wait_until

STAGE_S = 12.0
LEASE_S = 8.0
"""How long a stage and a lease may last here: more than the provider's SDK needs to begin on a busy machine."""
_STORY = (
    "SELECT id, state, attempt, fence, error_code FROM stage_runs WHERE generation_id = :id AND stage = 'STORY_WRITING'"
)
_USES = (
    "SELECT count(*) FROM usage_ledger WHERE generation_id = :id AND stage = 'STORY_WRITING' AND outcome = 'succeeded'"
)
_CALLS = "SELECT state, repeats FROM provider_calls WHERE generation_id = :id ORDER BY began_at"
_END = "SELECT state, failure_code FROM generations WHERE id = :id"


@dataclass
class Seen:
    """When a server was asked, and how long it kept those whom it did not answer."""

    at: list[float] = field(default_factory=list)
    kept_s: list[float] = field(default_factory=list)

    def by(self, fault: Fault) -> Fault:
        """Let a fault be played, and note its times."""

        async def noted(send: Send, receive: Receive) -> None:
            began = time.monotonic()
            self.at.append(began)
            await fault(send, receive)
            self.kept_s.append(time.monotonic() - began)

        noted.charges = getattr(fault, "charges", 0)  # type: ignore[attr-defined] - read where faults are played
        return noted


def bought_at(url: str, model: str, **more: str) -> dict[str, str]:
    """Return the settings of a process that buys its text there."""
    return {
        "REELWRIGHT_TEXT_PROVIDER": "openai",
        "REELWRIGHT_TEXT_MODEL": model,
        "OPENAI_API_KEY": "k",
        "OPENAI_BASE_URL": url,
        "REELWRIGHT_STAGE_DEADLINE": f"{STAGE_S:.0f}s",
        "REELWRIGHT_LEASE": f"{LEASE_S:.0f}s",
        **more,
    }


@contextlib.asynccontextmanager
async def bought(
    on: Fleet, model: str, *, also: tuple[Member, ...] = (), **more: str
) -> AsyncGenerator[SimulatedOpenAI]:
    """Let the workers buy their text from a server that is told what goes wrong."""
    async with (
        simulated_openai() as server,
        refitted((*on.workers, *also), bought_at(server.base_url, model, **more)),
    ):
        yield server


async def ordered(on: Fleet) -> GenerationId:
    return await on.order(topic="real STORY_WRITING: why do cats purr?")


async def story(on: Fleet, generation: GenerationId) -> Any:
    (row,) = await on.rows(_STORY, id=generation)
    return row


async def well(on: Fleet, generation: GenerationId, *, attempts: int) -> None:
    """It has succeeded, after so many attempts at most, and its story was billed to it once."""
    await on.ended(generation, within_s=2 * PATIENCE_S)
    await succeeded(on, generation)
    assert (await story(on, generation)).attempt <= attempts
    assert await on.one(_USES, id=generation) == 1


@makes("F50")
async def full(on: Fleet) -> None:
    """Who wants fewer calls is asked no sooner than it says, uncounted, and no longer than the reel may take."""
    seen = Seen()
    soon = timedelta(seconds=7)
    async with bought(on, "busy-model", also=(on.api,), REELWRIGHT_GENERATION_DEADLINE="60s") as server:
        server.faults = [seen.by(fails(429, headers={"retry-after": "7"}))]
        generation = await ordered(on)
        await wait_until(lambda: seen.at, timeout=PATIENCE_S)
        dated = {"retry-after": format_datetime(clock.now() + 2 * soon, usegmt=True)}
        server.faults = [seen.by(fault) for fault in (fails(429, headers=dated), *[fails(429)] * 3)]
        await well(on, generation, attempts=1)
        first, date, *none = seen.at
        assert (len(none), date - first >= 7) == (3, True)
        assert none[0] - first >= 12, "a date says when, too"
        server.faults = [seen.by(fails(429, headers={"retry-after": "86400"}))]
        asked = len(server.asked)
        hopeless = await ordered(on)
        await on.ended(hopeless, within_s=3 * PATIENCE_S)
        (end,) = await on.rows(_END, id=hopeless)
        assert (end.state, end.failure_code, len(server.asked) - asked) == ("failed", "generation.deadline", 1)


@makes("F51")
async def broken(on: Fleet) -> None:
    """Three quick tries, then the run's own next attempt: five requests, one charge."""
    async with bought(on, "broken-model") as server:
        server.faults = [fails(status) for status in (500, 502, 503, 504)]
        generation = await ordered(on)
        await well(on, generation, attempts=2)
        assert (len(server.asked), server.charged) == (5, 1)


@makes("F52")
async def gone(on: Fleet) -> None:
    """Nobody is there: the circuit opens, the run waits without an attempt, other work goes on, and all ends well."""
    async with simulated_openai() as server:
        url = server.base_url
    async with refitted(on.workers, bought_at(url, "gone-model")):
        generation = await ordered(on)
        opened = "provider.circuit", "gone-model"
        await wait_until(lambda: any(worker.said(*opened) for worker in on.workers), timeout=2 * PATIENCE_S)
        await succeeded(on, await on.order())
        async with simulated_openai(port=urlsplit(url).port or 0) as server:
            await well(on, generation, attempts=4)
            assert server.charged == 1
    assert (await story(on, generation)).fence > (await story(on, generation)).attempt, "it was given back meanwhile"


async def _never_whole(on: Fleet, fault: Fault, model: str) -> None:
    """The whole call ends with its stage's time, the socket with it, and the next attempt may pay once more."""
    seen = Seen()
    async with bought(on, model) as server:
        server.faults = [seen.by(fault)]
        generation = await ordered(on)
        await well(on, generation, attempts=3)
        assert (len(seen.kept_s), 0 < seen.kept_s[0] < STAGE_S + 2) == (1, True)
        calls = await on.rows(_CALLS, id=generation)
        assert [(call.state, call.repeats) for call in calls] == [("unknown", False), ("answered", True)]


@makes("F53")
async def silent(on: Fleet) -> None:
    await _never_whole(on, hangs, "silent-model")


@makes("F54")
async def dripping(on: Fleet) -> None:
    await _never_whole(on, drips, "dripping-model")


@makes("F55")
async def mad(on: Fleet) -> None:
    """Rubbish of each kind is an attempt, wrong stories are asked for again once, and nothing of it reaches a reel."""
    page, half, wrong = says(b"<html>", content_type="text/html"), says(b'{"choices": ['), says(chat('{"stories": []}'))
    async with bought(on, "mad-model") as server:
        server.faults = [page, half, wrong, wrong, floods]
        generation = await ordered(on)
        await well(on, generation, attempts=5)
        assert len(server.asked) == 6


@makes("F56")
async def unheard(on: Fleet) -> None:
    """A lost reply costs one paid call more, which is known, counted, and not the customer's."""
    async with bought(on, "unheard-model") as server:
        server.faults = [swallows]
        generation = await ordered(on)
        await well(on, generation, attempts=2)
        calls = await on.rows(_CALLS, id=generation)
        assert [(call.state, call.repeats) for call in calls] == [("unknown", False), ("answered", True)]
        assert server.charged == 2
        pages = [(await on.client.get(f"{url}/metrics")).text for url in on.worker_urls]
        lines = [
            line for page in pages for line in page.splitlines() if line.startswith("reelwright_provider_repeats_total")
        ]
        assert sum(float(line.split()[-1]) for line in lines) == 1

"""What befalls the servers in a soak: at random moments something dies, freezes, restarts, hangs or mishears."""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable

from reelwright.ground.errors import Outage
from tests.chaos.fleet import Fleet, Member
from tests.chaos.proxy import Fault, Proxy
from tests.waiting import wait_until

CALM_S = (1.0, 4.0)
"""How long nothing new happens in between."""
_FREEZE_S, _SLOW_S, _MISHEARING_S = 3.0, 2.0, 5.0
Blow = Callable[[Fleet, random.Random], Awaitable[None]]


def _kill(member: Member) -> None:
    if member.program.alive:
        member.send(signal.SIGKILL)


async def kill_worker(on: Fleet, luck: random.Random) -> None:
    _kill(luck.choice(on.workers))


async def kill_api(on: Fleet, _luck: random.Random) -> None:
    _kill(on.api)


async def stop_worker(on: Fleet, luck: random.Random) -> None:
    """As a rolling deploy does: it sees itself out and is started again."""
    leaving = luck.choice(on.workers)
    if leaving.program.alive:
        leaving.send(signal.SIGTERM)


async def freeze_worker(on: Fleet, luck: random.Random) -> None:
    frozen = luck.choice(on.workers)
    if frozen.program.alive:
        pid = frozen.pid
        frozen.send(signal.SIGSTOP)
        await asyncio.sleep(_FREEZE_S)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def restart_postgres(on: Fleet, _luck: random.Random) -> None:
    await on.restart_postgres()


async def crash_postgres(on: Fleet, _luck: random.Random) -> None:
    await on.restart_postgres(signal.SIGQUIT)


async def lose_valkey(on: Fleet, _luck: random.Random) -> None:
    await on.lose_valkey()


async def kill_valkey(on: Fleet, _luck: random.Random) -> None:
    """It comes back with what its log holds."""
    os.kill(on.valkey.pid, signal.SIGKILL)
    await wait_until(lambda: not on.valkey.alive)
    await asyncio.to_thread(on.valkey.start)
    await on.redis.connection_pool.disconnect()


async def kill_queue(on: Fleet, _luck: random.Random) -> None:
    """It keeps nothing: every message that it had accepted is lost."""
    os.kill(on.delivery.pid, signal.SIGKILL)
    await wait_until(lambda: not on.delivery.alive)
    await asyncio.to_thread(on.delivery.start)
    await asyncio.to_thread(on.delivery.await_ready)


async def mishear(on: Fleet, luck: random.Random) -> None:
    """The queue forgets, repeats, delays and reorders messages, and loses answers."""
    await on.misdeliver(drop=0.1, duplicate=2, delay_ms=500, reorder=0.3, lose_reply=0.3, seed=luck.getrandbits(30))
    await asyncio.sleep(_MISHEARING_S)
    await on.misdeliver()


async def cut(on: Fleet, luck: random.Random) -> None:
    luck.choice((on.db_line, on.redis_line)).cut()


async def slow(on: Fleet, luck: random.Random) -> None:
    await _for_a_while(luck.choice((on.db_line, on.redis_line)), Fault(latency_s=luck.uniform(0.05, 0.5)))


async def lose_commit(on: Fleet, luck: random.Random) -> None:
    """The next few COMMITs, or orders (which are one statement), happen or don't, and nobody is told which."""
    times, words = luck.randint(1, 5), luck.choice((b"COMMIT", b"stage_due.v1"))
    swallow, withhold = (words, None) if luck.randrange(2) else (None, words)
    await _for_a_while(on.db_line, Fault(times=times, swallow=swallow, withhold=withhold))


async def lose_script(on: Fleet, luck: random.Random) -> None:
    """Redis runs the next few scripts, and nobody hears how they ended."""
    await _for_a_while(on.redis_line, Fault(times=luck.randint(1, 5), swallow=b"EVALSHA"))


async def _for_a_while(line: Proxy, fault: Fault) -> None:
    line.set(fault)
    await asyncio.sleep(_SLOW_S)
    line.set(Fault())


BLOWS: dict[Blow, int] = {
    kill_worker: 8,
    kill_api: 3,
    stop_worker: 2,
    freeze_worker: 2,
    restart_postgres: 1,
    crash_postgres: 2,
    kill_valkey: 2,
    lose_valkey: 1,
    kill_queue: 1,
    mishear: 3,
    cut: 2,
    slow: 2,
    lose_commit: 3,
    lose_script: 2,
}
"""What may happen, and how often beside the others."""


async def rage(on: Fleet, luck: random.Random, happened: Counter[str]) -> None:
    """Let one thing after the other happen, for ever."""
    while True:
        await asyncio.sleep(luck.uniform(*CALM_S))
        (blow,) = luck.choices(list(BLOWS), weights=list(BLOWS.values()))
        happened[blow.__name__] += 1
        with contextlib.suppress(ProcessLookupError, Outage):
            await blow(on, luck)


async def calm(on: Fleet) -> None:
    """End what lasts. Whatever has died comes back by itself, or here."""
    for line in (on.db_line, on.redis_line):
        line.set(Fault())
    for server in (on.postgres, on.valkey, on.delivery):
        if not server.alive:
            await asyncio.to_thread(server.start)
    await asyncio.to_thread(on.delivery.await_ready)
    for member in (on.api, *on.workers):
        with contextlib.suppress(ProcessLookupError):
            member.send(signal.SIGCONT)
    await on.misdeliver()


@contextlib.asynccontextmanager
async def platform(on: Fleet) -> AsyncGenerator[None]:
    """Start API and workers again whenever they die, each by itself."""

    async def watch(member: Member) -> None:
        while True:
            with contextlib.suppress(Outage):  # it died again before it was ready
                await member.revive()
            await asyncio.sleep(0.1)

    watching = [asyncio.create_task(watch(member)) for member in (on.api, *on.workers)]
    try:
        yield
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)

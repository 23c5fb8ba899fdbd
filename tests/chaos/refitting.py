"""Our own processes, started again with other settings: another queue, another provider, something in between."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Mapping
from urllib.parse import urlsplit

from tests.chaos.fleet import Fleet, Member
from tests.chaos.proxy import Fault, Proxy, proxied


@contextlib.asynccontextmanager
async def refitted(members: Iterable[Member], settings: Mapping[str, str]) -> AsyncGenerator[None]:
    """Run these processes with other settings for as long as the block lasts."""
    chosen = list(members)
    before = [dict(member.program._environment) for member in chosen]
    for member in chosen:
        member.program._environment.update(settings)
    await _anew(chosen)
    try:
        yield
    finally:
        for member, environment in zip(chosen, before, strict=True):
            member.program._environment = environment
        await _anew(chosen)


async def _anew(members: list[Member]) -> None:
    for member in members:
        await asyncio.to_thread(member.program.stop)
        await asyncio.to_thread(member.program.start)
    for member in members:
        await asyncio.to_thread(member.program.await_ready)


@contextlib.asynccontextmanager
async def queue_line(on: Fleet) -> AsyncGenerator[Proxy]:
    """Put a fault proxy before the queue, as API and workers see it."""
    async with proxied("127.0.0.1", urlsplit(on.queue_url).port or 0) as line:
        settings = {"QSTASH_URL": f"http://127.0.0.1:{line.listens_on}"}
        async with refitted((on.api, *on.workers), settings):
            try:
                yield line
            finally:
                line.set(Fault())

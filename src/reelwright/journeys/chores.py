"""What is done over and over beside the requests: each chore by itself, so that one that waits holds up no other."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from reelwright.ground import log
from reelwright.ground.errors import Outage

_log = log.logger("journeys.chores")
_SIDE_BY_SIDE = 3
"""Chores of one process at a time: a few wait for servers far away, and the database's pool is there for work first."""

Chore = Callable[[], Awaitable[object]]


async def once(chores: Mapping[str, Chore]) -> None:
    """Do each chore once. Raises an Outage where some had to wait; a bug in one is logged and stops no other."""
    places = asyncio.Semaphore(_SIDE_BY_SIDE)
    for away in await asyncio.gather(*(_done(name, chore, places) for name, chore in chores.items())):
        if away is not None:
            raise away


async def keep_doing(chores: Mapping[str, Chore], *, every: timedelta) -> None:
    """Do each of them for ever, a little out of step with the others and other processes; an outage is waited out."""
    places = asyncio.Semaphore(_SIDE_BY_SIDE)
    async with asyncio.TaskGroup() as group:
        for name, chore in chores.items():
            group.create_task(_kept(name, chore, places, every))


async def _kept(name: str, chore: Chore, places: asyncio.Semaphore, every: timedelta) -> None:
    while True:
        await asyncio.sleep(every.total_seconds() * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        away = await _done(name, chore, places)
        if away is not None:
            _log.warning("chore.postponed", chore=name, code=away.code)


async def _done(name: str, chore: Chore, places: asyncio.Semaphore) -> Outage | None:
    try:
        async with places:
            await chore()
    except Outage as away:
        return away
    except Exception:  # noqa: BLE001 - a bug in one chore must not stop the others; it is logged with its traceback
        _log.exception("chore.failed", chore=name)
    return None

"""What is done over and over beside the requests: each chore by itself, so that one that waits holds up no other."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from reelwright.ground import log
from reelwright.ground.errors import Outage

_log = log.logger("journeys.chores")

Chore = Callable[[], Awaitable[object]]


async def once(chores: Mapping[str, Chore]) -> None:
    """Do each chore once. Raises the last Outage where some had to wait; a bug in one is logged and stops no other."""
    away: Outage | None = None
    for name, chore in chores.items():
        try:
            await chore()
        except Outage as outage:
            away = outage
        except Exception:  # noqa: BLE001 - a bug in one chore must not stop the others; it is logged with its traceback
            _log.exception("chore.failed", chore=name)
    if away is not None:
        raise away


async def keep_doing(chores: Mapping[str, Chore], *, every: timedelta) -> None:
    """Do them for ever, a little out of step with other processes; an outage is waited out."""
    while True:
        await asyncio.sleep(every.total_seconds() * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        try:
            await once(chores)
        except Outage as away:
            _log.warning("chore.postponed", code=away.code)

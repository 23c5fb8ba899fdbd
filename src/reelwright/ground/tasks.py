"""Ends background tasks for certain."""

import asyncio
from typing import Any

_ASK_AGAIN_S = 0.25


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel the tasks until every one has ended; what they raise is theirs and is dropped.

    One cancellation is not enough: `asyncio.wait_for` in Python 3.11, and libraries that use it, lose it when the
    awaited thing completes in the same step of the loop. A heartbeat that survived this way kept its lease for ever.
    """
    waiting = {task for task in tasks if not task.done()}
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_ASK_AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()

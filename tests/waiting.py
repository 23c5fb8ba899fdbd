"""Waits for a condition instead of sleeping for a guess."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

_POLL_S = 0.01


async def wait_until(
    predicate: Callable[[], object] | Callable[[], Awaitable[object]],
    timeout: float = 10,  # noqa: ASYNC109 - the waiter is the time-out
    *,
    message: str = "",
) -> None:
    """Return as soon as the predicate (plain or async) is true. Raises AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        if time.monotonic() >= deadline:
            raise AssertionError(message or f"not true within {timeout} s: {inspect.getsource(predicate).strip()}")
        await asyncio.sleep(_POLL_S)


def block_until(predicate: Callable[[], object], timeout: float = 10, *, message: str = "") -> None:
    """The same for tests without a loop."""
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() >= deadline:
            raise AssertionError(message or f"not true within {timeout} s: {inspect.getsource(predicate).strip()}")
        time.sleep(_POLL_S)

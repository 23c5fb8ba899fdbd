"""A task that loses a cancellation is asked again: a heartbeat once lived on this way and kept its lease for ever."""

import asyncio

from reelwright.ground import tasks


async def test_a_task_that_swallows_its_first_cancellations_still_ends() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(tasks.end(task), timeout=5)
    assert (task.cancelled(), swallowed) == (True, 3)


async def test_what_an_ended_task_raised_is_dropped_and_nobody_waits_for_it() -> None:
    async def broken() -> None:
        raise RuntimeError

    task = asyncio.create_task(broken())
    await asyncio.wait({task})
    await asyncio.wait_for(tasks.end(task), timeout=1)
    await tasks.end()

"""Chores: each is done although another waits, fails or takes long."""

import asyncio
from datetime import timedelta

import pytest

from reelwright.ground.errors import Outage
from reelwright.journeys.chores import keep_doing, once

SOON = timedelta(milliseconds=1)


async def test_what_waits_or_breaks_stops_no_other() -> None:
    done: list[str] = []

    async def away() -> None:
        raise Outage("The mail server is away.", code="mail.away")

    async def broken() -> None:
        raise RuntimeError("a bug")

    async def fine() -> None:
        done.append("fine")

    with pytest.raises(Outage, match="mail server"):
        await once({"away": away, "broken": broken, "fine": fine})
    assert done == ["fine"]
    await once({"broken": broken, "fine": fine})
    assert done == ["fine", "fine"]


async def test_one_that_never_ends_holds_up_no_other() -> None:
    often, begun = asyncio.Event(), 0
    times: list[int] = []

    async def stuck() -> None:
        nonlocal begun
        begun += 1
        await asyncio.Event().wait()

    async def fine() -> None:
        times.append(len(times))
        if len(times) == 3:
            often.set()

    doing = asyncio.create_task(keep_doing({"stuck": stuck, "fine": fine}, every=SOON))
    await asyncio.wait_for(often.wait(), 10)
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert begun == 1

"""One of several processes that rush an account at once: says "ready", waits for a line, and says what it was told."""

import asyncio
import json
import sys
from collections import Counter
from dataclasses import replace
from uuid import UUID

from reelwright.admission import Admitted, Order, Replayed
from reelwright.ground import clock, redis
from reelwright.ground.ids import AccountId
from tests.rooms.admission.desk import PLACE, ROOMY, Desk

AT_ONCE = 8
"""As many connections a process: opening one for each order would take longer than the rush."""


async def rush(url: str, account: str, policy: str, orders: int) -> Counter[str]:
    """Bring so many orders at once under a limit of 7, by Redis's own clock."""
    desk = Desk(redis.connect(url, timeout_ms=None), clocked=False)
    desk.account = AccountId(UUID(account))
    plan = ROOMY if policy == "provider_place" else replace(ROOMY, **{policy: 7})
    brought = [desk.holds(desk.order(plan, full_units=1, place=replace(PLACE, cap=7))) for _ in range(orders)]
    if policy != "provider_place":
        brought = [replace(order, place=None) for order in brought]
    await desk.gate.ping()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    line = asyncio.Semaphore(AT_ONCE)

    async def bring(order: Order) -> Admitted | Replayed:
        async with line:
            return await desk.gate.admit(order, now=clock.now())

    answers = await asyncio.gather(*map(bring, brought), return_exceptions=True)
    await desk.gate.close()
    return Counter(type(answer).__name__ for answer in answers)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(rush(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))))

"""Whatever is called, in whatever order: every key has an end, and no count falls below nothing."""

import random
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from reelwright.admission import Facts, InProgress, Limits, NoPlace, NotAdmitted, Order, Periods
from tests.rooms.admission.desk import HOUR, PLACE, ROOMY, Desk, a_draft

LIMITS = Limits(generations_month=30, generations_hour=9, full_regenerations_month=5, concurrent=6, cooldown_ms=20_000)
TTL = timedelta(seconds=45)
FEW = Facts(generations_month=1, generations_hour=1, full_month=0)


async def step(desk: Desk, dice: random.Random, orders: list[Order]) -> None:
    """Do one of all the things that write, to one of the orders so far."""
    order, gate, account = dice.choice(orders), desk.gate, desk.account
    place = order.place or PLACE
    match dice.randrange(12):
        case 0 | 1 | 2:
            new = desk.order(dice.choice([LIMITS, ROOMY]), full_units=dice.randrange(2))
            new = replace(new, draft=dice.choice([a_draft(), None]), place=dice.choice([PLACE, None]))
            orders.append(new)
            await desk.admit(new)
        case 3:
            await desk.admit(order)
        case 4:
            await gate.confirm(order, desk.now + dice.choice([-HOUR, TTL, HOUR]))
        case 5:
            await gate.withdraw(account, order.lease)
        case 6:
            await gate.renew(account, order.lease, ttl=TTL, adopt=dice.choice([True, False]))
        case 7:
            await gate.release(account, order.lease)
        case 8:
            await gate.refund(account, order.lease)
        case 9:
            holder = f"run {dice.randrange(5)}"
            await gate.places.take(place, holder, account=account, ttl=TTL, inherits=dice.choice([order.lease, None]))
            await gate.places.renew(place, holder, ttl=TTL)
            await gate.places.give_back(place, f"run {dice.randrange(5)}")
            await gate.places.slow_down(place, wait=TTL)
        case 10:
            desk.facts = replace(FEW, leases=[(order.lease, desk.now + HOUR)], cooldowns=[])
            await gate.forget(account, now=desk.now)
            await gate.warm(account, now=desk.now)
            seen = await gate.counted(account, Periods.at(desk.now))
            await gate.repair(account, Periods.at(desk.now), seen=seen, facts=FEW)
        case _:
            desk.now += dice.choice([timedelta(seconds=1), timedelta(seconds=31), HOUR])


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_e47_every_key_ends_after_any_sequence(desk: Desk, seed: int) -> None:
    """The fixture looks once more when the test is over; no counter is ever negative."""
    dice, orders = random.Random(seed), [desk.order()]
    for at in range(1, 91):
        with suppress(NotAdmitted, NoPlace, InProgress):
            await step(desk, dice, orders)
        if at % 15:
            continue
        names = [name.decode() for name in await desk.redis.keys()]
        assert not [name for name in names if await desk.redis.pttl(name) < 0], "these never end"
        counters = [name for name in names if ":gen_" in name or ":full_regen_used:" in name]
        assert not counters or min(int(used or 0) for used in await desk.redis.mget(counters)) >= 0
    kinds = {name.split(":")[1] for name in names}
    assert kinds == {"usage", "burst", "cooldown", "conc", "idem", "user", "boost"}

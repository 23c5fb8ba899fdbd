"""What belongs to one order is never given back, counted or ended by another."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reelwright.admission import Facts, InProgress, Periods, Policy
from tests.rooms.admission.desk import HOUR, ROOMY, Desk

CLAIM = timedelta(seconds=60)


async def test_e62_a_late_withdrawal_leaves_the_key_to_whoever_took_it_over(desk: Desk) -> None:
    """By another lease, which our own requests never bring: a key names its generation."""
    late = desk.order()
    await desk.admit(late)
    desk.now += CLAIM
    await desk.admit(replace(late, lease=desk.order().lease))

    assert await desk.gate.withdraw(desk.account, late.lease)

    with pytest.raises(InProgress):
        await desk.admit(replace(late, lease=desk.order().lease))


async def test_e61_a_retry_in_the_next_hour_counts_in_that_hour(desk: Desk) -> None:
    """As PostgreSQL will count it: its unit of the month is not taken twice, and a withdrawal clears the new hour."""
    order = desk.order(replace(ROOMY, generations_hour=1))
    await desk.admit(order)
    desk.now += HOUR

    again = await desk.admit(order)

    assert again.remaining[Policy.GENERATIONS_HOUR] == 0
    used = await desk.standings()
    assert (used["generations_month"], used["generations_hour"]) == (1, 1)
    await desk.gate.withdraw(desk.account, order.lease)
    used = await desk.standings()
    assert (used["generations_month"], used["generations_hour"]) == (0, 0)


async def test_e36_a_rebuild_holds_a_committed_lease_that_had_lapsed_unconfirmed(desk: Desk) -> None:
    """Its expired member is still there, and must not stand in the way of what PostgreSQL says."""
    order = desk.order()
    await desk.admit(order)
    desk.now += timedelta(seconds=31)
    assert (await desk.standings())["concurrent"] == 0
    desk.facts = Facts(
        generations_month=1, generations_hour=1, full_month=0, leases=[(order.lease, desk.now + timedelta(minutes=9))]
    )
    await desk.gate.forget(desk.account, now=desk.now)

    await desk.warm()

    assert (await desk.standings())["concurrent"] == 1


async def test_a_repair_takes_no_unit_from_an_order_that_is_under_way(desk: Desk) -> None:
    """It may have come since the counters were read, and another one gone, so that they are as they were."""
    order = desk.order()
    await desk.admit(order)
    periods = Periods.at(desk.now)
    seen = replace(await desk.gate.counted(desk.account, periods), busy=False)
    none = Facts(generations_month=0, generations_hour=0, full_month=0)

    assert not await desk.gate.repair(desk.account, periods, seen=seen, facts=none)
    assert (await desk.standings())["generations_month"] == 1

    await desk.gate.confirm(order, desk.now + HOUR)
    assert await desk.gate.repair(desk.account, periods, seen=seen, facts=none)
    assert (await desk.standings())["generations_month"] == 0

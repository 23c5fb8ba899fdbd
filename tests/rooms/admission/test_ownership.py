"""What belongs to one order is never given back, counted or ended by another."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reelwright.admission import InProgress, Policy
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

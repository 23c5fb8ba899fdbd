"""What an admission took is given back once, whole, to where it was taken from, and nothing of anybody else's."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from reelwright.admission import Admitted, Facts, NotAdmitted
from tests.rooms.admission.desk import HOUR, PLACE, ROOMY, Desk, a_draft

ALONE = replace(ROOMY, concurrent=1)
COOLING = replace(ROOMY, cooldown_ms=60_000)


async def test_e38_withdrawing_leaves_everything_as_it_was(desk: Desk) -> None:
    """Units, cooldown, lease, place and key, and nothing of anybody else's."""
    await desk.admit(desk.order(place=PLACE, draft=a_draft(), full_units=1))
    before = await desk.everything()
    order = desk.order(COOLING, place=PLACE, draft=a_draft(), full_units=1, generation_units=2)
    await desk.admit(order)

    assert await desk.gate.withdraw(desk.account, order.lease)

    assert {name: held for name, (held, _) in (await desk.everything()).items()} == {
        name: held for name, (held, _) in before.items()
    }


async def test_e19_withdrawing_again_gives_nothing_more(desk: Desk) -> None:
    """Two compensations for one admission take no unit from another one."""
    order = desk.order()
    await desk.admit(desk.order())
    await desk.admit(order)
    assert await desk.gate.withdraw(desk.account, order.lease)
    before = await desk.everything()

    assert not await desk.gate.withdraw(desk.account, order.lease)
    assert not await desk.gate.withdraw(desk.account, desk.order().lease)

    assert await desk.everything() == before


async def test_what_was_withdrawn_may_be_admitted_anew(desk: Desk) -> None:
    order = desk.order(replace(ALONE, generations_month=1))
    await desk.admit(order)
    await desk.gate.withdraw(desk.account, order.lease)

    assert isinstance(await desk.admit(order), Admitted)


async def test_e18_a_refunded_unit_may_be_used_at_once(desk: Desk) -> None:
    plan = replace(ROOMY, generations_month=1)
    order = desk.order(plan)
    await desk.admit(order)
    await desk.gate.confirm(order, desk.now + HOUR)

    await desk.gate.refund(desk.account, order.lease)

    assert isinstance(await desk.admit(desk.order(plan)), Admitted)


async def test_e20_a_refund_ends_its_own_cooldown_only(desk: Desk) -> None:
    draft, first, second = a_draft(), desk.order(COOLING), desk.order(COOLING)
    first, second = replace(first, draft=draft), replace(second, draft=draft)
    await desk.admit(first)
    desk.now += timedelta(seconds=60)
    await desk.admit(second)

    await desk.gate.refund(desk.account, first.lease)
    with pytest.raises(NotAdmitted):
        await desk.admit(desk.order(COOLING, draft=draft))

    await desk.gate.refund(desk.account, second.lease)
    assert isinstance(await desk.admit(desk.order(COOLING, draft=draft)), Admitted)


@pytest.mark.parametrize("left", [None, b"1"])
@pytest.mark.parametrize("withdrawn", [False, True])
async def test_e17_giving_back_never_goes_below_nothing(desk: Desk, *, withdrawn: bool, left: bytes | None) -> None:
    """Whether the counter is gone, or was read from rows that don't know of this unit."""
    order = desk.order(generation_units=2)
    await desk.admit(order)
    counter = f"app:usage:{desk.account}:gen_used:202612"
    await desk.redis.delete(counter)
    if left is not None:
        await desk.redis.set(counter, left, ex=60)

    assert await (
        desk.gate.withdraw(desk.account, order.lease) if withdrawn else desk.gate.refund(desk.account, order.lease)
    )

    assert await desk.redis.get(counter) == (left and b"0")


async def test_e19_withdrawing_what_was_refunded_gives_nothing_twice(desk: Desk) -> None:
    order = desk.order()
    await desk.admit(desk.order())
    await desk.admit(order)

    await desk.gate.refund(desk.account, order.lease)
    await desk.gate.withdraw(desk.account, order.lease)

    used = await desk.standings()
    assert (used["generations_month"], used["concurrent"]) == (1, 1)


async def test_e19_refunding_what_was_withdrawn_gives_nothing_twice(desk: Desk) -> None:
    """The receipt went with the withdrawal, so PostgreSQL is asked: nobody guesses, and nobody's unit is taken."""
    order = desk.order()
    await desk.started()
    await desk.admit(order)
    assert await desk.gate.withdraw(desk.account, order.lease)
    desk.facts = Facts(generations_month=1, generations_hour=1, full_month=0)

    for _ in range(2):
        assert not await desk.gate.refund(desk.account, order.lease)

    assert (await desk.standings())["generations_month"] == 1
    admitted = await desk.admit(desk.order())
    assert isinstance(admitted, Admitted)
    assert (await desk.standings())["generations_month"] == 2


async def test_e16_a_refund_of_a_running_generation_leaves_its_lease(desk: Desk) -> None:
    """Units and places are two things: what was refunded may still be ending its work."""
    order = await desk.started(ALONE, place=PLACE)

    assert await desk.gate.refund(desk.account, order.lease)
    assert not await desk.gate.refund(desk.account, order.lease)

    await desk.refused(desk.order(ALONE))
    assert await desk.gate.release(desk.account, order.lease)
    assert not await desk.gate.refund(desk.account, order.lease)
    assert (await desk.standings())["generations_month"] == 0


async def test_e19_two_withdrawals_at_once_give_back_once(desk: Desk) -> None:
    """Also while a refund of the same lease runs: each reads the receipt, and only the first one's words still hold."""
    await desk.started()
    order = desk.order()
    await desk.admit(order)
    give = desk.gate

    answers = await asyncio.gather(
        *(give.withdraw(desk.account, order.lease) for _ in range(4)), give.refund(desk.account, order.lease)
    )

    assert sum(answers[:4]) == 1
    desk.facts = Facts(generations_month=1, generations_hour=1, full_month=0)
    assert (await desk.standings())["generations_month"] == 1

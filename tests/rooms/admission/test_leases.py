"""Leases and places are held as long as they must be, and given back once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from reelwright.admission import Admitted, NotAdmitted, Place
from tests.rooms.admission.desk import MS, PLACE, ROOMY, Desk, a_draft

HOUR = timedelta(hours=1)
TTL = timedelta(seconds=45)
ALONE = replace(ROOMY, concurrent=1)
COOLING = replace(ROOMY, cooldown_ms=60_000)


async def running(desk: Desk) -> int:
    return (await desk.standings())["concurrent"]


async def test_withdrawing_leaves_everything_as_it_was(desk: Desk) -> None:
    """E38: units, cooldown, lease, place and key, and nothing of anybody else's."""
    await desk.admit(desk.order(place=PLACE, draft=a_draft(), full_units=1))
    before = await desk.everything()
    order = desk.order(COOLING, place=PLACE, draft=a_draft(), full_units=1, generation_units=2)
    await desk.admit(order)

    assert await desk.gate.withdraw(desk.account, order.lease)

    assert {name: held for name, (held, _) in (await desk.everything()).items()} == {
        name: held for name, (held, _) in before.items()
    }


async def test_withdrawing_again_gives_nothing_more(desk: Desk) -> None:
    """E19: two compensations for one admission take no unit from another one."""
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


async def test_an_unconfirmed_lease_ends_soon_and_a_confirmed_one_with_the_queue(desk: Desk) -> None:
    """E35: an API process that died between admission and commit blocks its user for half a minute."""
    order = desk.order(ALONE)
    admitted = await desk.admit(order)
    assert isinstance(admitted, Admitted)
    assert admitted.lease_until == desk.now + timedelta(seconds=30)
    deadline = desk.now + HOUR

    await desk.gate.confirm(order, deadline)
    await desk.gate.confirm(order, deadline)

    desk.now = deadline - MS
    assert await running(desk) == 1
    desk.now = deadline
    assert await running(desk) == 0


async def test_a_late_confirmation_of_a_lapsed_lease_holds_it_again(desk: Desk) -> None:
    """E36: it was committed, so it runs."""
    order = desk.order()
    await desk.admit(order)
    desk.now += timedelta(minutes=2)
    assert await running(desk) == 0

    await desk.gate.confirm(order, desk.now + HOUR)

    assert await running(desk) == 1


async def test_a_confirmation_behind_the_end_holds_nothing(desk: Desk) -> None:
    """A worker may be quicker than the answer to the caller."""
    order = desk.order()
    await desk.admit(order)
    await desk.gate.release(desk.account, order.lease)

    await desk.gate.confirm(order, desk.now + HOUR)

    assert await running(desk) == 0


async def test_renewing_prolongs_and_never_shortens(desk: Desk) -> None:
    order = desk.order()
    await desk.admit(order)
    await desk.gate.confirm(order, desk.now + HOUR)

    assert await desk.gate.renew(desk.account, order.lease, ttl=TTL)
    desk.now += HOUR - MS
    assert await desk.gate.renew(desk.account, order.lease, ttl=TTL)

    desk.now += TTL - MS
    assert await running(desk) == 1
    desk.now += MS
    assert await running(desk) == 0


async def test_a_workers_renewal_confirms_the_lease(desk: Desk) -> None:
    """The confirmation may be lost: a worker holds the lease, so its row was committed and nobody may withdraw it."""
    order = desk.order()
    await desk.admit(order)

    assert await desk.gate.renew(desk.account, order.lease, ttl=TTL)

    assert not await desk.gate.withdraw(desk.account, order.lease)
    assert await running(desk) == 1


async def test_a_lapsed_lease_is_lost_unless_its_row_is_live(desk: Desk) -> None:
    """E31: lapsed at this very instant is lapsed."""
    order = desk.order()
    await desk.admit(order)
    desk.now += timedelta(seconds=30)

    assert not await desk.gate.renew(desk.account, order.lease, ttl=TTL)
    assert await running(desk) == 0

    assert await desk.gate.renew(desk.account, order.lease, ttl=TTL, adopt=True)
    assert await running(desk) == 1


async def test_a_released_lease_frees_at_once_and_never_comes_back(desk: Desk) -> None:
    """E27, E28."""
    order = desk.order(ALONE, place=PLACE)
    await desk.admit(order)
    await desk.gate.confirm(order, desk.now + HOUR)

    assert await desk.gate.release(desk.account, order.lease)
    assert not await desk.gate.release(desk.account, order.lease)

    assert not await desk.gate.renew(desk.account, order.lease, ttl=TTL, adopt=True)
    assert await desk.redis.zcard(f"app:conc:{desk.account}:leases") == 0
    assert await desk.redis.zcard("app:conc:provider:offline:drawn%3Av1:interactive") == 0
    assert isinstance(await desk.admit(desk.order(ALONE)), Admitted)


async def test_releasing_a_lapsed_lease_frees_nobody_elses(desk: Desk) -> None:
    """E29."""
    lapsed = desk.order(ALONE)
    await desk.admit(lapsed)
    desk.now += timedelta(seconds=30)
    await desk.admit(desk.order(ALONE))

    await desk.gate.release(desk.account, lapsed.lease)

    with pytest.raises(NotAdmitted):
        await desk.admit(desk.order(ALONE))


async def test_a_refund_goes_once_to_the_month_of_admission(desk: Desk) -> None:
    """E15, E16: and the hour stays used."""
    order = desk.order(full_units=1)
    await desk.admit(desk.order())
    await desk.admit(order)
    await desk.gate.confirm(order, desk.now + HOUR)
    await desk.gate.release(desk.account, order.lease)
    then = desk.now
    desk.now = then.replace(month=1, year=then.year + 1)
    await desk.admit(desk.order())

    assert await desk.gate.refund(desk.account, order.lease)
    assert not await desk.gate.refund(desk.account, order.lease)

    assert (await desk.standings())["generations_month"] == 1
    desk.now = then
    used = await desk.standings()
    assert (used["generations_month"], used["full_regenerations_month"], used["generations_hour"]) == (1, 0, 2)


async def test_a_refunded_unit_may_be_used_at_once(desk: Desk) -> None:
    """E18."""
    plan = replace(ROOMY, generations_month=1)
    order = desk.order(plan)
    await desk.admit(order)
    await desk.gate.confirm(order, desk.now + HOUR)

    await desk.gate.refund(desk.account, order.lease)

    assert isinstance(await desk.admit(desk.order(plan)), Admitted)


async def test_a_refund_ends_its_own_cooldown_only(desk: Desk) -> None:
    """E20."""
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
async def test_giving_back_never_goes_below_nothing(desk: Desk, *, withdrawn: bool, left: bytes | None) -> None:
    """E17: whether the counter is gone, or was read from rows that don't know of this unit."""
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


async def test_withdrawing_what_was_refunded_gives_nothing_twice(desk: Desk) -> None:
    """E19."""
    order = desk.order()
    await desk.admit(desk.order())
    await desk.admit(order)

    await desk.gate.refund(desk.account, order.lease)
    await desk.gate.withdraw(desk.account, order.lease)

    used = await desk.standings()
    assert (used["generations_month"], used["concurrent"]) == (1, 1)


async def test_a_short_lease_leaves_a_long_ones_key_its_end(desk: Desk) -> None:
    """The leases share a key: its end is the last lease's, not the latest writer's."""
    long = desk.order(place=PLACE)
    await desk.admit(long)
    await desk.gate.confirm(long, desk.now + 5 * HOUR)
    ends = {name: end for name, (_, end) in (await desk.everything()).items() if name.startswith(b"app:conc:")}
    assert len(ends) == 3

    await desk.admit(desk.order(place=PLACE))
    await desk.gate.renew(desk.account, long.lease, ttl=TTL)
    await desk.gate.give_back_place(PLACE, "nobody")
    await desk.gate.take_place(replace(PLACE, cap=3), "a stage run", ttl=TTL)
    short = desk.order()
    await desk.admit(short)
    await desk.gate.confirm(short, desk.now + TTL)
    await desk.gate.renew(desk.account, short.lease, ttl=TTL)

    now = await desk.everything()
    assert all(now[name][1] >= end for name, end in ends.items())


async def test_places_are_given_up_to_the_cap_and_come_back(desk: Desk) -> None:
    gate = desk.gate
    for holder, ttl in (("one that lapses", TTL / 2), ("one", TTL), ("two", TTL)):
        assert await gate.take_place(replace(PLACE, cap=3), holder, ttl=ttl)
    desk.now += TTL / 2
    before = await desk.everything()
    assert not await gate.take_place(PLACE, "three", ttl=TTL)
    assert await desk.everything() == before
    assert await gate.take_place(PLACE, "two", ttl=TTL), "a holder asks again after a redelivery"

    await gate.give_back_place(PLACE, "one")
    await gate.give_back_place(PLACE, "one")

    assert await gate.take_place(PLACE, "three", ttl=TTL)
    assert not await gate.take_place(PLACE, "one", ttl=TTL)


async def test_a_place_lapses_and_is_not_renewed_afterwards(desk: Desk) -> None:
    assert await desk.gate.take_place(PLACE, "one", ttl=TTL)
    desk.now += TTL - MS
    assert await desk.gate.renew_place(PLACE, "one", ttl=TTL)
    desk.now += TTL

    assert not await desk.gate.renew_place(PLACE, "one", ttl=TTL)


async def test_the_first_stage_takes_over_its_admissions_place(desk: Desk) -> None:
    """By name or by the generation's own id, never as a second place."""
    for holder in ("a stage run", None):
        order = desk.order(place=replace(PLACE, cap=1, lane=holder or "batch"))
        await desk.admit(order)
        await desk.gate.confirm(order, desk.now + HOUR)
        assert isinstance(order.place, Place)
        name = holder or str(order.lease)

        desk.now += HOUR / 2
        assert not await desk.gate.take_place(order.place, "another run", ttl=TTL), "it is kept while queued"
        assert await desk.gate.take_place(order.place, name, ttl=TTL, inherits=order.lease)
        assert await desk.gate.take_place(order.place, name, ttl=TTL, inherits=order.lease)

        await desk.gate.give_back_place(order.place, name)
        assert await desk.gate.take_place(order.place, "another run", ttl=TTL)


async def test_sixty_four_at_once_never_pass_a_cap(desk: Desk) -> None:
    taken = await asyncio.gather(
        *(desk.gate.take_place(replace(PLACE, cap=9), f"run {run}", ttl=TTL) for run in range(64))
    )
    assert sum(taken) == 9

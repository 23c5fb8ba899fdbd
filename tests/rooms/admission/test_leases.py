"""Leases and places are held as long as they must be, and given back once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reelwright.admission import Admitted, NotAdmitted
from tests.rooms.admission.desk import HOUR, MS, PLACE, ROOMY, Desk, a_draft

TTL = timedelta(seconds=45)
ALONE = replace(ROOMY, concurrent=1)


async def running(desk: Desk) -> int:
    return (await desk.standings())["concurrent"]


async def test_e35_an_unconfirmed_lease_ends_soon_and_a_confirmed_one_with_the_queue(desk: Desk) -> None:
    """An API process that died between admission and commit blocks its user for half a minute."""
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


async def test_e36_a_late_confirmation_of_a_lapsed_lease_holds_it_again(desk: Desk) -> None:
    """It was committed, so it runs."""
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


async def test_e31_a_lapsed_lease_is_lost_unless_its_row_is_live(desk: Desk) -> None:
    """Lapsed at this very instant is lapsed."""
    order = desk.order()
    await desk.admit(order)
    desk.now += timedelta(seconds=30)

    assert not await desk.gate.renew(desk.account, order.lease, ttl=TTL)
    assert await running(desk) == 0

    assert await desk.gate.renew(desk.account, order.lease, ttl=TTL, adopt=True)
    assert await running(desk) == 1


async def test_e27_e28_a_released_lease_frees_at_once_and_never_comes_back(desk: Desk) -> None:
    order = desk.order(ALONE, place=PLACE)
    await desk.admit(order)
    await desk.gate.confirm(order, desk.now + HOUR)

    assert await desk.gate.release(desk.account, order.lease)
    assert not await desk.gate.release(desk.account, order.lease)

    assert not await desk.gate.renew(desk.account, order.lease, ttl=TTL, adopt=True)
    assert await desk.redis.zcard(f"app:conc:{desk.account}:leases") == 0
    assert await desk.redis.zcard("app:conc:provider:offline:drawn%3Av1:interactive") == 0
    assert isinstance(await desk.admit(desk.order(ALONE)), Admitted)


async def test_e29_releasing_a_lapsed_lease_frees_nobody_elses(desk: Desk) -> None:
    lapsed = desk.order(ALONE)
    await desk.admit(lapsed)
    desk.now += timedelta(seconds=30)
    await desk.admit(desk.order(ALONE))

    await desk.gate.release(desk.account, lapsed.lease)

    with pytest.raises(NotAdmitted):
        await desk.admit(desk.order(ALONE))


async def test_a_short_lease_leaves_a_long_ones_key_its_end(desk: Desk) -> None:
    """The leases share a key: its end is the last lease's, not the latest writer's."""
    long = desk.order(place=PLACE)
    await desk.admit(long)
    await desk.gate.confirm(long, desk.now + 5 * HOUR)
    ends = {name: end for name, (_, end) in (await desk.everything()).items() if name.startswith(b"app:conc:")}
    assert len(ends) == 3

    await desk.admit(desk.order(place=PLACE))
    await desk.gate.renew(desk.account, long.lease, ttl=TTL)
    await desk.gate.places.give_back(PLACE, "nobody")
    await desk.gate.places.take(replace(PLACE, cap=3), "a stage run", account=desk.account, ttl=TTL)
    short = desk.order()
    await desk.admit(short)
    await desk.gate.confirm(short, desk.now + TTL)
    await desk.gate.renew(desk.account, short.lease, ttl=TTL)

    now = await desk.everything()
    assert all(now[name][1] >= end for name, end in ends.items())


async def test_a_late_confirmation_takes_no_place_that_went_to_another(desk: Desk) -> None:
    """The order runs all the same: its first stage asks for a place of its own at dispatch."""
    alone = replace(PLACE, cap=1)
    order, other = desk.order(place=alone), desk.order(place=alone)
    await desk.admit(order)
    desk.now += timedelta(seconds=30)
    await desk.admit(other)

    await desk.gate.confirm(order, desk.now + HOUR)
    await desk.gate.confirm(other, desk.now + HOUR)

    live = await desk.redis.zrangebyscore("app:conc:provider:offline:drawn%3Av1:interactive", desk.ms + 1, "+inf")
    assert live == [f"{desk.account}|{other.lease}".encode()]
    assert await running(desk) == 2


async def test_e30_whoever_lost_the_row_renews_nothing_that_ended(desk: Desk) -> None:
    """Fencing is PostgreSQL's: a stage run's rows carry a fence that grows with every claim, and what a worker that
    lost it writes matches no row. Here, the generation's lease knows one owner, which is the generation: once its row
    ended and released it, neither the fenced worker's renewal nor its release changes anything for anybody."""
    order = await desk.started(ALONE)
    await desk.gate.release(desk.account, order.lease)
    await desk.started(ALONE)
    before = await desk.everything()

    assert not await desk.gate.renew(desk.account, order.lease, ttl=TTL)
    assert not await desk.gate.renew(desk.account, order.lease, ttl=TTL, adopt=True)
    assert await desk.everything() == before

    assert not await desk.gate.release(desk.account, order.lease)
    assert {name: held for name, (held, _) in (await desk.everything()).items()} == {
        name: held for name, (held, _) in before.items()
    }


@pytest.mark.parametrize("adopt", [False, True])
async def test_e32_a_renewal_holds_no_longer_than_it_says(desk: Desk, *, adopt: bool) -> None:
    """The hard end is the row's deadline, which the worker and the sweep keep: Redis never adds to what it is told."""
    order = await desk.started(ALONE, until=TTL)
    for _ in range(3):
        desk.now += TTL - MS
        assert await desk.gate.renew(desk.account, order.lease, ttl=TTL, adopt=adopt)
    (lease,) = await desk.redis.zrange(f"app:conc:{desk.account}:leases", 0, -1, withscores=True)

    assert lease == (str(order.lease).encode(), desk.ms + TTL / MS)
    desk.now += TTL
    assert isinstance(await desk.admit(desk.order(ALONE)), Admitted)


async def test_e33_a_redelivered_generation_holds_one_lease(desk: Desk) -> None:
    """Two workers may adopt it, one of them by mistake: the fence in PostgreSQL says whose result counts, and the
    account is charged one place for both."""
    order = await desk.started(replace(ROOMY, concurrent=2), until=TTL)
    desk.now += TTL
    for _ in range(2):
        assert await desk.gate.renew(desk.account, order.lease, ttl=TTL, adopt=True)

    assert await running(desk) == 1
    assert isinstance(await desk.admit(desk.order(replace(ROOMY, concurrent=2))), Admitted)


async def test_e34_a_killed_workers_lease_and_place_come_back_by_themselves(desk: Desk) -> None:
    """With the last renewal's end, and without any sweeper; what it did not adopt ends with the queue's deadline."""
    alone = replace(PLACE, cap=1)
    order = await desk.started(ALONE, until=timedelta(seconds=5))
    desk.now += timedelta(seconds=5)
    assert await desk.gate.renew(desk.account, order.lease, ttl=TTL, adopt=True)
    assert (await desk.gate.places.take(alone, "a stage run", account=desk.account, ttl=TTL)).granted
    desk.now += TTL - MS
    await desk.refused(desk.order(ALONE))
    assert not await desk.gate.places.renew(alone, "another run", ttl=TTL)

    desk.now += MS

    assert isinstance(await desk.admit(desk.order(ALONE, place=alone)), Admitted)


async def test_e35_an_admission_whose_process_died_gives_all_back(desk: Desk) -> None:
    """The place and the lease by themselves after half a minute, the units by the sweep, which is told a minute after
    the admission and not before: until then its commit may still come."""
    draft, plan = a_draft(), replace(ROOMY, generations_month=1, full_regenerations_month=1, cooldown_ms=3_600_000)
    order = desk.order(plan, full_units=1, draft=draft, place=PLACE)
    await desk.admit(order)
    desk.now += timedelta(seconds=30)
    assert await running(desk) == 0
    desk.now += timedelta(seconds=30) - MS
    assert await desk.gate.unconfirmed(10) == []

    desk.now += MS
    assert await desk.gate.unconfirmed(10) == [(desk.account, order.lease)]
    assert await desk.gate.withdraw(desk.account, order.lease)

    assert await desk.gate.unconfirmed(10) == []
    assert isinstance(await desk.admit(desk.order(plan, full_units=1, draft=draft, place=PLACE)), Admitted)


async def test_e36_a_commit_that_nobody_confirmed_is_kept_and_charged_once(desk: Desk) -> None:
    """The sweep finds the row live and says so by a renewal: nobody can withdraw it after that."""
    order = desk.order(replace(ROOMY, generations_month=1))
    await desk.admit(order)
    desk.now += timedelta(seconds=60)
    assert await desk.gate.unconfirmed(10) == [(desk.account, order.lease)]

    assert await desk.gate.renew(desk.account, order.lease, ttl=HOUR, adopt=True)

    assert await desk.gate.unconfirmed(10) == []
    assert not await desk.gate.withdraw(desk.account, order.lease)
    used = await desk.standings()
    assert (used["generations_month"], used["concurrent"]) == (1, 1)


async def test_the_oldest_unconfirmed_come_first_and_no_more_than_asked_for(desk: Desk) -> None:
    orders = []
    for _ in range(3):
        orders.append(desk.order())
        await desk.admit(orders[-1])
        desk.now += MS
    await desk.gate.confirm(orders[1], desk.now + HOUR)
    desk.now += timedelta(minutes=2)

    assert await desk.gate.unconfirmed(1) == [(desk.account, orders[0].lease)]
    assert [lease for _, lease in await desk.gate.unconfirmed(9)] == [orders[0].lease, orders[2].lease]

"""Whatever PostgreSQL says of a plan or a boost holds from the next request on, to the millisecond."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reelwright.admission import Admitted, Held, Limits, Policy, Unavailable
from reelwright.ground import clock
from tests.rooms.admission.desk import HOUR, MS, ROOMY, Desk

SMALL = replace(ROOMY, generations_month=1)
NONE = replace(ROOMY, generations_month=0)
DAY = timedelta(days=1)


def limit_of(admitted: object, policy: Policy = Policy.GENERATIONS_MONTH) -> int | None:
    assert isinstance(admitted, Admitted)
    return next(row.limit for row in admitted.standings if row.policy is policy)


async def changed(desk: Desk, limits: Limits, *, boost_until: datetime | None = None) -> Held:
    """Let PostgreSQL commit another plan, and tell the gate of it as every writer does after its commit."""
    desk.holds(desk.order(limits, boost_until=boost_until))
    await desk.gate.remember_plan(desk.account, desk.held)
    return desk.held


async def test_e48_an_upgrade_between_two_requests_counts_for_the_second(desk: Desk) -> None:
    """The ceiling moves, the count stays; a caller that still brings the old plan is set right at once."""
    await desk.started(SMALL)
    old = desk.held
    await desk.refused(desk.order(SMALL))

    await changed(desk, replace(ROOMY, generations_month=3))
    admitted = await desk.gate.admit(replace(desk.order(SMALL), held=old), now=desk.now)

    assert isinstance(admitted, Admitted)
    assert (limit_of(admitted), admitted.remaining[Policy.GENERATIONS_MONTH]) == (3, 1)


async def test_e48_an_older_answer_undoes_no_change(desk: Desk) -> None:
    """A reader that was slow to tell what it read before the change is not believed."""
    await desk.started(SMALL)
    old = desk.held
    new = await changed(desk, replace(ROOMY, generations_month=3))

    await desk.gate.remember_plan(desk.account, old)

    asked = desk.asked_plan
    assert limit_of(await desk.gate.admit(replace(desk.order(SMALL), held=new), now=desk.now)) == 3
    assert desk.asked_plan == asked


async def test_e49_a_downgrade_below_what_is_used_leaves_nothing_and_ends_nothing(desk: Desk) -> None:
    """With three running and one allowed, the third expiry is the first that helps."""
    orders = [desk.order(ROOMY) for _ in range(3)]
    for order in orders:
        await desk.admit(order)
        desk.now += timedelta(seconds=1)

    refused = await desk.refused(desk.order(replace(ROOMY, concurrent=1, generations_month=2)))

    month, concurrent = refused.violations
    assert (month.used, month.limit, month.remaining) == (3, 2, 0)
    assert (concurrent.used, concurrent.remaining, concurrent.frees_at) == (3, 0, desk.now + timedelta(seconds=29))
    assert min(row.remaining or 0 for row in (await desk.gate.peek(desk.account, now=desk.now)).standings) == 0
    for order in orders:
        assert await desk.gate.renew(desk.account, order.lease, ttl=timedelta(seconds=45)), "what runs goes on"


async def test_e50_a_boost_ends_between_two_requests_a_millisecond_apart(desk: Desk) -> None:
    """Decided by Redis's clock inside the script, whatever the plan's cache says."""
    until = desk.now + DAY
    await changed(desk, NONE, boost_until=until)
    desk.now = until - MS
    boosted = await desk.admit(desk.order(NONE, boost_until=until))
    assert isinstance(boosted, Admitted)
    assert (boosted.boosted, boosted.limits) == (True, ROOMY)
    assert (await desk.gate.peek(desk.account, now=desk.now)).boosted

    desk.now = until

    refused = await desk.refused(desk.order(NONE, boost_until=until))
    assert refused.violations[0].limit == 0
    assert not (await desk.gate.peek(desk.account, now=desk.now)).boosted


async def test_e50_a_boost_counts_from_its_commit_and_is_taken_away_with_it(desk: Desk) -> None:
    await desk.refused(desk.order(NONE))
    await changed(desk, NONE, boost_until=desk.now + DAY)
    assert isinstance(await desk.admit(desk.order(NONE, boost_until=desk.now + DAY)), Admitted)

    await changed(desk, NONE)

    await desk.refused(desk.order(NONE))


@pytest.mark.parametrize("told", ["before", "at the end"])
async def test_e51_boost_and_plan_end_at_one_instant(desk: Desk, told: str) -> None:
    """The larger plan goes with the boost, not a request earlier or later; nobody keeps either."""
    until = desk.now + DAY
    large = replace(ROOMY, generations_month=500)
    await changed(desk, large, boost_until=until)
    desk.now = until - 2 * MS
    assert limit_of(await desk.admit(desk.order(large, boost_until=until))) == ROOMY.generations_month
    if told == "before":
        await changed(desk, SMALL, boost_until=until)
        desk.now = until - MS
        assert limit_of(await desk.admit(desk.order(SMALL, boost_until=until))) == ROOMY.generations_month
    desk.now = until
    await changed(desk, SMALL)

    refused = await desk.refused(desk.order(SMALL))

    assert refused.violations[0].limit == 1


async def test_e52_a_boost_stacked_twice_lasts_sixty_days_exactly(desk: Desk) -> None:
    """The accounts room reckons the end; the cached one is replaced by it, not prolonged by guess."""
    start, month = desk.now, timedelta(days=30)
    await changed(desk, NONE, boost_until=start + month)
    await changed(desk, NONE, boost_until=start + 2 * month)

    for now, boosted in ((start + month, True), (start + 2 * month - MS, True), (start + 2 * month, False)):
        desk.now = now
        assert (await desk.gate.peek(desk.account, now=now)).boosted is boosted


async def test_e53_a_stale_plan_is_asked_for_once(desk: Desk) -> None:
    """Then the answer is right and the next request asks nobody."""
    await desk.started(SMALL)
    stale = desk.held
    desk.held = replace(desk.held, plan=desk.order(replace(ROOMY, generations_month=5)).held.plan, version=7)
    asked, facts_asked = desk.asked_plan, len(desk.asked)
    await desk.redis.delete(f"app:user:{desk.account}:plan_effective")

    for _ in range(2):
        assert limit_of(await desk.gate.admit(replace(desk.order(SMALL), held=desk.held), now=desk.now)) == 5
    assert (desk.asked_plan - asked, len(desk.asked) - facts_asked) == (1, 0)
    assert limit_of(await desk.gate.admit(replace(desk.order(SMALL), held=stale), now=desk.now)) == 5
    assert desk.asked_plan - asked == 2


async def test_e53_a_plan_that_never_agrees_is_an_outage_and_no_loop(desk: Desk) -> None:
    """PostgreSQL restored from a backup knows less than Redis for ten minutes: nobody is admitted on a guess."""
    await desk.started(SMALL)
    await desk.gate.remember_plan(desk.account, replace(desk.held, version=99))
    before, asked = await desk.everything(plan=True), desk.asked_plan

    with pytest.raises(Unavailable):
        await desk.admit(desk.order(SMALL))

    assert desk.asked_plan - asked <= 5
    assert await desk.everything(plan=True) == before
    assert 0 < await desk.redis.pttl(f"app:user:{desk.account}:plan_effective") <= 600_000


async def test_e53_a_plan_that_changes_while_it_is_asked_for_settles(desk: Desk) -> None:
    await desk.started(SMALL)
    old, new = desk.held, replace(ROOMY, generations_month=4)
    order = replace(desk.order(SMALL), held=replace(old, version=0))
    real = desk.gate._rebuilding._held

    async def overtaken(account) -> Held:
        answer = await real(account)
        if desk.held == old:
            await changed(desk, new)
        return answer

    desk.order(new)
    order = replace(order, held=replace(old, version=0))
    desk.gate._rebuilding._held = overtaken
    assert limit_of(await desk.gate.admit(order, now=desk.now)) == 4


async def test_e55_a_raised_limit_counts_for_the_next_call(desk: Desk) -> None:
    """A plan's own numbers changed with a deploy: no account changed, and none waits for its cache to lapse."""
    await desk.started(SMALL)
    plan = desk.held.plan
    await desk.refused(desk.order(SMALL))
    desk._plans[plan] = replace(ROOMY, generations_month=2)
    desk.gate = desk._gate()

    assert limit_of(await desk.gate.admit(replace(desk.order(), held=desk.held), now=desk.now)) == 2


async def test_an_account_s_limits_come_from_the_cache_or_from_postgresql(desk: Desk) -> None:
    """One function answers for any account, and a boost in it ends by itself."""
    held = await changed(desk, SMALL, boost_until=clock.now() + HOUR)
    asked = desk.asked_plan
    entitled = await desk.gate.entitled(desk.account)
    assert (entitled.plan, entitled.version, entitled.limits) == (held.plan, held.version, ROOMY)
    assert desk.asked_plan == asked

    await desk.redis.delete(f"app:user:{desk.account}:plan_effective")
    desk.held = replace(held, version=held.version + 1, boost_until=datetime(2026, 1, 1, tzinfo=UTC))
    entitled = await desk.gate.entitled(desk.account)

    assert (entitled.limits, entitled.boost_until, desk.asked_plan) == (SMALL, None, asked + 1)

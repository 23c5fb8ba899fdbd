"""Each limit alone, under the field's own name, and the one call for orders and dispatches."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from reelwright.admission import (
    Admitted,
    Dispatch,
    Facts,
    InProgress,
    KeyReused,
    Limits,
    NoPlace,
    NotAdmitted,
    Place,
    Policy,
    Replayed,
    Standing,
    Taken,
    acquire_provider_concurrency,
    acquire_user_concurrency,
    check_and_set_regen_cooldown,
    enforce_hourly_burst,
    enforce_monthly_pool,
    enforce_or_raise,
    full_regen_cap,
    get_or_set_idempotency,
    release_concurrency,
)
from reelwright.ground.ids import AccountId, GenerationId
from tests.rooms.admission.desk import MS, PLACE, PLAN, ROOMY, Desk, a_draft

TTL = timedelta(seconds=45)
SCOPE = "POST /v1/create"
LIMITS = replace(PLAN, generations_month=3, generations_hour=2, full_regenerations_month=2, concurrent=2)
NOTHING_USED = Facts(generations_month=0, generations_hour=0, full_month=0)
COUNTERS = [
    (enforce_monthly_pool, Policy.GENERATIONS_MONTH, 3, datetime(2027, 1, 1, tzinfo=UTC)),
    (enforce_hourly_burst, Policy.GENERATIONS_HOUR, 2, datetime(2026, 12, 15, 11, tzinfo=UTC)),
    (full_regen_cap, Policy.FULL_REGENERATIONS_MONTH, 2, datetime(2027, 1, 1, tzinfo=UTC)),
]
Counter = Callable[..., Awaitable[Standing]]


def holding(desk: Desk, limits: Limits = LIMITS) -> Desk:
    """Let the desk's account hold a plan with these limits, and have used nothing of it."""
    desk.holds(desk.order(limits))
    desk.facts = NOTHING_USED
    return desk


def a_lease() -> GenerationId:
    return GenerationId(uuid4())


@pytest.mark.parametrize(("enforce", "policy", "limit", "ends"), COUNTERS)
async def test_a_counter_counts_to_its_limit_and_refuses_without_a_trace(
    desk: Desk, enforce: Counter, policy: Policy, limit: int, ends: datetime
) -> None:
    holding(desk)
    for used in range(1, limit + 1):
        standing = await enforce(desk.gate, desk.account, now=desk.now)
        assert standing == Standing(policy=policy, limit=limit, used=used, frees_at=ends)
    before = await desk.everything()

    with pytest.raises(NotAdmitted) as refused:
        await enforce(desk.gate, desk.account, now=desk.now)

    assert refused.value.violations == (Standing(policy=policy, limit=limit, used=limit, frees_at=ends),)
    assert refused.value.wait == ends - desk.now
    assert await desk.everything() == before
    desk.now = ends
    assert (await enforce(desk.gate, desk.account, now=desk.now)).used == 1


@pytest.mark.parametrize(("enforce", "policy", "limit", "_ends"), COUNTERS)
async def test_a_counter_counts_what_admission_counts(
    desk: Desk, enforce: Counter, policy: Policy, limit: int, _ends: datetime
) -> None:
    """One counter, whoever counts: an order that fits no more after the single limit was used up is refused."""
    order = replace(desk.holds(holding(desk).order(LIMITS)), full_units=1)
    await desk.gate.admit(order, now=desk.now)

    standing = await enforce(desk.gate, desk.account, now=desk.now, units=limit - 1)

    assert standing.used == limit
    with pytest.raises(NotAdmitted) as refused:
        await desk.gate.admit(replace(order, lease=a_lease(), key="another"), now=desk.now)
    assert [row.policy for row in refused.value.violations] == [policy]


@pytest.mark.parametrize(("enforce", "used"), [(enforce_monthly_pool, 3), (full_regen_cap, 2)])
async def test_a_month_that_redis_has_lost_is_asked_of_the_database(desk: Desk, enforce: Counter, used: int) -> None:
    """Missing is never zero."""
    holding(desk).facts = Facts(generations_month=3, generations_hour=0, full_month=2)

    with pytest.raises(NotAdmitted) as refused:
        await enforce(desk.gate, desk.account, now=desk.now)

    assert refused.value.violations[0].used == used
    assert len(desk.asked) == 1


async def test_a_plan_without_a_cap_counts_full_regenerations_all_the_same(desk: Desk) -> None:
    holding(desk, ROOMY)
    for used in (1, 2, 3):
        assert (await full_regen_cap(desk.gate, desk.account, now=desk.now)).used == used
    holding(desk)
    await desk.gate.remember_plan(desk.account, desk.held)

    with pytest.raises(NotAdmitted):
        await full_regen_cap(desk.gate, desk.account, now=desk.now)


async def test_sixty_four_at_once_count_to_the_pool(desk: Desk) -> None:
    holding(desk, replace(LIMITS, generations_month=7))
    calls = (enforce_monthly_pool(desk.gate, desk.account, now=desk.now) for _ in range(64))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(answer.used for answer in answers if isinstance(answer, Standing)) == list(range(1, 8))
    assert sum(isinstance(answer, NotAdmitted) for answer in answers) == 57


async def test_an_account_holds_as_many_leases_as_its_plan_says(desk: Desk) -> None:
    """E25: and a lease that lapses at this very instant counts no more."""
    holding(desk)
    first, second = a_lease(), a_lease()
    for used, (lease, ttl) in enumerate([(first, TTL), (second, 3 * TTL), (first, TTL)]):
        held = await acquire_user_concurrency(desk.gate, desk.account, lease, ttl=ttl, now=desk.now)
        assert held.used == min(used + 1, 2)
    before = await desk.everything()
    with pytest.raises(NotAdmitted) as refused:
        await acquire_user_concurrency(desk.gate, desk.account, a_lease(), ttl=TTL, now=desk.now)
    full = Standing(policy=Policy.CONCURRENT, limit=2, used=2, frees_at=desk.now + TTL)
    assert refused.value.violations == (full,)
    assert await desk.everything() == before

    desk.now += TTL
    await acquire_user_concurrency(desk.gate, desk.account, a_lease(), ttl=TTL, now=desk.now)
    assert await release_concurrency(desk.gate, desk.account, second)
    assert not await release_concurrency(desk.gate, desk.account, second)
    held = await acquire_user_concurrency(desk.gate, desk.account, a_lease(), ttl=TTL, now=desk.now)
    assert held.used == 2


async def test_a_lease_taken_alone_counts_at_admission(desk: Desk) -> None:
    order = desk.holds(holding(desk).order(LIMITS))
    for _ in range(2):
        await acquire_user_concurrency(desk.gate, desk.account, a_lease(), ttl=TTL, now=desk.now)
    with pytest.raises(NotAdmitted) as refused:
        await desk.gate.admit(order, now=desk.now)
    assert [row.policy for row in refused.value.violations] == [Policy.CONCURRENT]


async def test_e70_a_full_provider_is_an_outage_with_a_wait(desk: Desk) -> None:
    """E70: ours to mend, so no limit of the account is named."""
    one = replace(PLACE, cap=1)
    taken = await acquire_provider_concurrency(desk.gate, one, "one", account=desk.account, ttl=TTL, now=desk.now)
    assert taken == Taken(granted=True)
    with pytest.raises(NoPlace) as full:
        await acquire_provider_concurrency(desk.gate, one, "two", account=desk.account, ttl=TTL, now=desk.now)
    assert full.value.wait == timedelta(milliseconds=500)

    assert await release_concurrency(desk.gate, one, "one")
    await acquire_provider_concurrency(desk.gate, one, "two", account=desk.account, ttl=TTL, now=desk.now)


async def test_e70_admission_waits_behind_the_line(desk: Desk) -> None:
    """A new order does not overtake a run that waits for the place which has just come free."""
    order = desk.holds(holding(desk, ROOMY).order(place=replace(PLACE, cap=1)))
    assert order.place is not None
    waiting, others = AccountId(uuid4()), AccountId(uuid4())
    await desk.gate.places.take(order.place, "holder", account=others, ttl=TTL)
    assert not (await desk.gate.places.take(order.place, "waiting", account=waiting, ttl=TTL)).granted
    await release_concurrency(desk.gate, order.place, "holder")

    with pytest.raises(NoPlace):
        await enforce_or_raise(desk.gate, order, now=desk.now)
    assert (await desk.gate.places.take(order.place, "waiting", account=waiting, ttl=TTL)).granted
    await release_concurrency(desk.gate, order.place, "waiting")
    assert isinstance(await enforce_or_raise(desk.gate, order, now=desk.now), Admitted)


async def test_e21_a_cooldown_holds_until_its_end_and_for_its_own_draft(desk: Desk) -> None:
    """E21, E22: one millisecond before is too early, the end itself is not."""
    holding(desk)
    draft, lease = a_draft(), a_lease()
    until = await check_and_set_regen_cooldown(desk.gate, desk.account, draft, lease)
    assert until == desk.now + timedelta(milliseconds=LIMITS.cooldown_ms)
    desk.now = until - MS
    with pytest.raises(NotAdmitted) as refused:
        await check_and_set_regen_cooldown(desk.gate, desk.account, draft, a_lease())
    assert (refused.value.violations[0].frees_at, refused.value.wait) == (until, MS)
    assert await check_and_set_regen_cooldown(desk.gate, desk.account, draft, lease) == until
    await check_and_set_regen_cooldown(desk.gate, desk.account, a_draft(), a_lease())

    desk.now = until
    assert await check_and_set_regen_cooldown(desk.gate, desk.account, draft, a_lease()) > until


async def test_a_plan_without_a_cooldown_leaves_no_key(desk: Desk) -> None:
    holding(desk, ROOMY)
    assert await check_and_set_regen_cooldown(desk.gate, desk.account, a_draft(), a_lease()) == desk.now
    assert await desk.everything() == {}


async def test_a_cooldown_set_alone_counts_at_admission(desk: Desk) -> None:
    draft = a_draft()
    order = desk.holds(holding(desk).order(LIMITS, draft=draft))
    await check_and_set_regen_cooldown(desk.gate, desk.account, draft, a_lease())
    with pytest.raises(NotAdmitted) as refused:
        await enforce_or_raise(desk.gate, order, now=desk.now)
    assert [row.policy for row in refused.value.violations] == [Policy.COOLDOWN]


async def test_a_key_is_claimed_once_and_taken_over_when_its_request_died(desk: Desk) -> None:
    async def claim(lease: GenerationId, fingerprint: str = "a digest") -> GenerationId | None:
        return await get_or_set_idempotency(
            desk.gate, desk.account, scope=SCOPE, key="a key", fingerprint=fingerprint, lease=lease
        )

    assert await claim(a_lease()) is None
    with pytest.raises(InProgress) as busy:
        await claim(a_lease())
    assert busy.value.wait == timedelta(minutes=1)
    with pytest.raises(KeyReused):
        await claim(a_lease(), "another digest")

    desk.now += timedelta(minutes=1)
    assert await claim(a_lease()) is None


async def test_a_claim_and_admission_read_each_other(desk: Desk) -> None:
    order = desk.holds(holding(desk).order(LIMITS))
    await enforce_or_raise(desk.gate, order, now=desk.now)
    await desk.gate.confirm(order, desk.now + timedelta(hours=1))
    asked = {"scope": order.scope, "key": order.key, "lease": a_lease()}
    assert await get_or_set_idempotency(desk.gate, desk.account, fingerprint="a digest", **asked) == order.lease
    with pytest.raises(KeyReused):
        await get_or_set_idempotency(desk.gate, desk.account, fingerprint="another", **asked)

    late = replace(order, key="claimed before", lease=a_lease())
    claimed = {"scope": late.scope, "key": late.key, "fingerprint": late.fingerprint, "lease": late.lease}
    assert await get_or_set_idempotency(desk.gate, desk.account, **claimed) is None
    with pytest.raises(InProgress):
        await enforce_or_raise(desk.gate, late, now=desk.now)


async def test_an_order_is_admitted_or_replayed_by_the_one_call(desk: Desk) -> None:
    order = desk.holds(holding(desk).order(LIMITS))
    assert isinstance(await enforce_or_raise(desk.gate, order, now=desk.now), Admitted)
    await desk.gate.confirm(order, desk.now + timedelta(hours=1))
    assert await enforce_or_raise(desk.gate, order, now=desk.now) == Replayed(generation=order.lease)


@pytest.mark.parametrize("place", [PLACE, None])
async def test_a_dispatch_renews_its_lease_and_takes_over_its_place(desk: Desk, place: Place | None) -> None:
    """The lease had lapsed: the row is live, so it is held again, by the same member."""
    order = desk.holds(holding(desk).order(LIMITS, place=place))
    await enforce_or_raise(desk.gate, order, now=desk.now)
    dispatch = Dispatch(
        account=desk.account, lease=order.lease, holder="run", ttl=TTL, place=place, inherits=order.lease
    )

    taken = await enforce_or_raise(desk.gate, dispatch, now=desk.now)

    assert taken == (Taken(granted=True) if place else None)
    desk.now += TTL + timedelta(minutes=1)
    assert (await desk.standings())["concurrent"] == 0
    await enforce_or_raise(desk.gate, dispatch, now=desk.now)
    assert (await desk.standings())["concurrent"] == 1
    assert await desk.redis.zcard("app:conc:provider:offline:drawn%3Av1:interactive") == (1 if place else 0)


async def test_a_dispatch_without_a_place_keeps_its_lease_and_says_when_to_come_back(desk: Desk) -> None:
    one = replace(PLACE, cap=1)
    await desk.gate.places.take(one, "other", account=AccountId(uuid4()), ttl=TTL)
    dispatch = Dispatch(account=desk.account, lease=a_lease(), holder="run", ttl=TTL, place=one)

    with pytest.raises(NoPlace) as full:
        await enforce_or_raise(desk.gate, dispatch, now=desk.now)

    assert full.value.wait == timedelta(milliseconds=500)
    assert (await desk.standings())["concurrent"] == 1

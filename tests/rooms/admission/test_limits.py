"""Every limit holds at its exact edge, and being refused costs nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reelwright.admission import Admitted, Facts, NoPlace, NotAdmitted, Policy
from reelwright.ground.errors import Kind
from tests.rooms.admission.desk import MS, PLACE, PLAN, ROOMY, Desk, a_draft


async def refusal(desk: Desk, order) -> NotAdmitted:
    """Be refused, and prove that nothing was written by it."""
    before = await desk.everything()
    with pytest.raises(NotAdmitted) as refused:
        await desk.admit(order)
    assert await desk.everything() == before
    return refused.value


@pytest.mark.parametrize(
    ("policy", "plan", "units", "full_units", "frees_at"),
    [
        (Policy.GENERATIONS_MONTH, replace(ROOMY, generations_month=3), 1, 0, datetime(2027, 1, 1, tzinfo=UTC)),
        (Policy.GENERATIONS_HOUR, replace(ROOMY, generations_hour=3), 1, 0, datetime(2026, 12, 15, 11, tzinfo=UTC)),
        (
            Policy.FULL_REGENERATIONS_MONTH,
            replace(ROOMY, full_regenerations_month=3),
            1,
            1,
            datetime(2027, 1, 1, tzinfo=UTC),
        ),
    ],
)
async def test_a_counter_admits_its_last_unit_and_not_one_more(
    desk: Desk, policy, plan, units, full_units, frees_at
) -> None:
    """E1, E2."""
    for left in (2, 1, 0):
        admitted = await desk.admit(desk.order(plan, generation_units=units, full_units=full_units))
        assert isinstance(admitted, Admitted)
        assert admitted.remaining[policy] == left

    refused = await refusal(desk, desk.order(plan, generation_units=units, full_units=full_units))

    assert [(seen.policy, seen.limit, seen.used, seen.frees_at) for seen in refused.violations] == [
        (policy, 3, 3, frees_at)
    ]
    assert (refused.kind, refused.code, refused.wait) == (Kind.LIMITED, "admission.limited", frees_at - desk.now)


async def test_a_cost_that_does_not_fit_leaves_what_is_left(desk: Desk) -> None:
    """E3."""
    plan = replace(ROOMY, generations_month=3)
    await desk.admit(desk.order(plan, generation_units=2))

    refused = await refusal(desk, desk.order(plan, generation_units=2))

    assert (refused.violations[0].used, refused.violations[0].remaining) == (2, 1)
    assert isinstance(await desk.admit(desk.order(plan)), Admitted)


async def test_the_last_concurrent_place_is_given_and_the_next_is_named_with_its_end(desk: Desk) -> None:
    plan = replace(ROOMY, concurrent=2)
    for _ in range(2):
        await desk.admit(desk.order(plan))
        desk.now += timedelta(seconds=1)

    refused = await refusal(desk, desk.order(plan))

    first_expiry = desk.now + timedelta(seconds=28)
    assert [(seen.policy, seen.used, seen.frees_at) for seen in refused.violations] == [
        (Policy.CONCURRENT, 2, first_expiry)
    ]


async def test_a_smaller_plan_keeps_what_runs_and_waits_for_enough_of_it_to_end(desk: Desk) -> None:
    """E49: with three running and one allowed, the third expiry is the first that helps."""
    for _ in range(3):
        await desk.admit(desk.order(ROOMY))
        desk.now += timedelta(seconds=1)

    refused = await refusal(desk, desk.order(replace(ROOMY, concurrent=1, generations_month=2)))

    month, concurrent = refused.violations
    assert (month.used, month.limit, month.remaining) == (3, 2, 0)
    assert (concurrent.used, concurrent.frees_at) == (3, desk.now + timedelta(seconds=29))


async def test_a_lease_that_expires_now_counts_no_more(desk: Desk) -> None:
    """E25, E26: without any sweeper."""
    plan = replace(ROOMY, concurrent=1)
    await desk.admit(desk.order(plan))
    desk.now += timedelta(seconds=30) - MS
    await refusal(desk, desk.order(plan))

    desk.now += MS

    assert isinstance(await desk.admit(desk.order(plan)), Admitted)


async def test_a_draft_cools_down_to_the_millisecond(desk: Desk) -> None:
    """E21, E22, E23."""
    draft, started = a_draft(), desk.now
    await desk.admit(desk.order(replace(ROOMY, cooldown_ms=30_000), draft=draft))
    desk.now += timedelta(seconds=30) - MS

    refused = await refusal(desk, desk.order(ROOMY, draft=draft))

    assert [(seen.policy, seen.frees_at) for seen in refused.violations] == [
        (Policy.COOLDOWN, started + timedelta(seconds=30))
    ]
    assert refused.wait == MS
    assert isinstance(await desk.admit(desk.order(ROOMY, draft=a_draft())), Admitted)
    assert isinstance(await desk.admit(desk.order(ROOMY)), Admitted)
    desk.now += MS
    assert isinstance(await desk.admit(desk.order(ROOMY, draft=draft)), Admitted)


async def test_a_full_lane_is_our_outage_and_another_lane_is_free(desk: Desk) -> None:
    """E70: no limit of the account binds, so it isn't the account's refusal."""
    for _ in range(2):
        await desk.admit(desk.order(place=PLACE))
    before = await desk.everything()

    with pytest.raises(NoPlace) as full:
        await desk.admit(desk.order(place=PLACE))

    assert await desk.everything() == before
    assert (full.value.code, full.value.wait) == ("admission.full", timedelta(seconds=30))
    assert isinstance(await desk.admit(desk.order(place=replace(PLACE, lane="batch"))), Admitted)


async def test_every_limit_that_binds_is_named_in_one_order(desk: Desk) -> None:
    """E6, E7: the wait is the last one's, so that coming back then is not in vain."""
    draft = a_draft()
    tight = replace(PLAN, generations_month=2, generations_hour=2, full_regenerations_month=2, concurrent=2)
    await desk.admit(desk.order(tight, full_units=1, place=PLACE))
    await desk.admit(desk.order(tight, full_units=1, place=PLACE, draft=draft))

    refused = await refusal(desk, desk.order(tight, full_units=1, place=PLACE, draft=draft))

    assert [seen.policy for seen in refused.violations] == list(Policy)
    assert refused.wait == datetime(2027, 1, 1, tzinfo=UTC) - desk.now
    assert refused.extra["violations"] == [seen.public() for seen in refused.violations]
    assert refused.violations[1].public() == {
        "policy": "generations_month",
        "limit": 2,
        "used": 2,
        "frees_at": "2027-01-01T00:00:00.000Z",
    }


@pytest.mark.parametrize(
    ("before", "plan"),
    [
        (datetime(2026, 12, 15, 10, 59, 59, 999_000, tzinfo=UTC), replace(ROOMY, generations_hour=1)),
        (datetime(2026, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC), replace(ROOMY, generations_month=1)),
        (datetime(2028, 2, 29, 23, 59, 59, 999_000, tzinfo=UTC), replace(ROOMY, generations_month=1)),
        (
            datetime(2027, 4, 30, 23, 59, 59, 999_000, tzinfo=UTC),
            replace(ROOMY, generations_month=9, full_regenerations_month=1),
        ),
    ],
    ids=["hour", "year", "leap month", "full regenerations"],
)
async def test_a_period_ends_at_its_end(desk: Desk, before, plan) -> None:
    """E9, E10, E13, E14: half-open, so the end's own instant has a fresh allowance."""
    desk.now = before
    await desk.admit(desk.order(plan, full_units=1))
    refused = await refusal(desk, desk.order(plan, full_units=1))
    assert refused.wait == MS

    desk.now += MS

    assert isinstance(await desk.admit(desk.order(plan, full_units=1)), Admitted)


async def test_a_slow_clock_at_the_months_end_is_set_right_by_redis(desk: Desk) -> None:
    """E11: the caller only proposes the periods."""
    desk.now = datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC)

    await desk.gate.admit(desk.order(), now=desk.now - timedelta(seconds=2))

    assert await desk.redis.get(f"app:usage:{desk.account}:gen_used:202701") == b"1"
    assert not await desk.redis.exists(f"app:usage:{desk.account}:gen_used:202612")


@pytest.mark.parametrize(
    ("end", "counter"),
    [
        (datetime(2027, 1, 1, tzinfo=UTC), "app:usage:{}:gen_used:202701"),
        (datetime(2026, 12, 15, 11, tzinfo=UTC), "app:burst:{}:gen_hour:2026121511"),
    ],
)
async def test_an_end_seen_too_late_belongs_to_the_next_period(desk: Desk, end: datetime, counter: str) -> None:
    """E9, E10: by Redis's clock it is the end's own millisecond; by the caller's, the one before."""
    desk.now = end

    await desk.gate.admit(desk.order(), now=end - MS)

    assert await desk.redis.get(counter.format(desk.account)) == b"1"


async def test_a_refusal_in_a_fresh_hour_writes_nothing(desk: Desk) -> None:
    """Not even the hour's counter, which nobody has needed yet; and it clears no lapsed lease away."""
    plan = replace(ROOMY, generations_month=1)
    await desk.admit(desk.order(plan, place=PLACE))
    desk.now += timedelta(hours=1)

    await refusal(desk, desk.order(plan, place=PLACE))


async def test_a_plan_change_keeps_what_was_used(desk: Desk) -> None:
    """E48: the ceiling moves, the count stays."""
    small, large = replace(ROOMY, generations_month=1), replace(ROOMY, generations_month=3)
    await desk.admit(desk.order(small))
    await refusal(desk, desk.order(small))

    admitted = await desk.admit(desk.order(large))

    assert isinstance(admitted, Admitted)
    assert admitted.remaining[Policy.GENERATIONS_MONTH] == 1


async def test_a_boost_ends_at_its_end(desk: Desk) -> None:
    """E50: decided by Redis's clock inside the script, whatever the plan's cache says."""
    small, until = replace(ROOMY, generations_month=0), desk.now + timedelta(days=1)
    desk.now = until - MS
    boosted = await desk.admit(desk.order(small, boosted=ROOMY, boost_until=until))
    assert isinstance(boosted, Admitted)
    assert boosted.boosted

    desk.now = until

    refused = await refusal(desk, desk.order(small, boosted=ROOMY, boost_until=until))
    assert refused.violations[0].limit == 0


async def test_a_boost_said_to_redis_wins_over_a_cached_plan(desk: Desk) -> None:
    """Granted or taken away, it counts from the next request on."""
    small, until = replace(ROOMY, generations_month=0), desk.now + timedelta(days=1)
    await desk.gate.set_boost(desk.account, until)
    assert isinstance(await desk.admit(desk.order(small, boosted=ROOMY)), Admitted)

    await desk.gate.set_boost(desk.account, None)

    await refusal(desk, desk.order(small, boosted=ROOMY, boost_until=until))


async def test_no_cap_is_no_cap_and_none_is_none(desk: Desk) -> None:
    """E54."""
    uncapped = replace(ROOMY, full_regenerations_month=None)
    for _ in range(5):
        admitted = await desk.admit(desk.order(uncapped, full_units=1))
        assert isinstance(admitted, Admitted)
        assert Policy.FULL_REGENERATIONS_MONTH not in admitted.remaining

    refused = await refusal(desk, desk.order(replace(ROOMY, full_regenerations_month=0), full_units=1))
    assert [seen.policy for seen in refused.violations] == [Policy.FULL_REGENERATIONS_MONTH]


async def test_a_dry_run_answers_like_the_real_one_and_takes_nothing(desk: Desk) -> None:
    """E67."""
    await desk.warm()
    draft, before = a_draft(), await desk.everything()
    order = desk.order(replace(PLAN, generations_month=1), draft=draft, place=PLACE, full_units=1)

    foretold = await desk.gate.would_admit(order, now=desk.now)
    assert await desk.everything() == before
    assert await desk.admit(order) == foretold

    with pytest.raises(NotAdmitted) as refused:
        await desk.gate.would_admit(desk.order(replace(PLAN, generations_month=1)), now=desk.now)
    assert refused.value.violations[0].policy is Policy.GENERATIONS_MONTH


async def test_peek_reads_what_admission_counts(desk: Desk) -> None:
    """E68: cold, it asks PostgreSQL and still writes nothing."""
    desk.facts = Facts(
        generations_month=4,
        generations_hour=2,
        full_month=1,
        leases=[(desk.order().lease, desk.now + timedelta(hours=1)), (desk.order().lease, desk.now)],
    )
    counted = {"generations_month": 4, "generations_hour": 2, "full_regenerations_month": 1, "concurrent": 1}
    assert await desk.standings() == counted
    assert await desk.everything() == {}

    await desk.admit(desk.order(full_units=1))

    assert await desk.standings() == {policy: used + 1 for policy, used in counted.items()}

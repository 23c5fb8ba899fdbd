"""Every limit holds at its exact edge, and being refused costs nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reelwright.admission import Admitted, Facts, NoPlace, NotAdmitted, Order, Policy, Replayed
from reelwright.ground.errors import Kind
from tests.rooms.admission.desk import HOUR, MS, PLACE, PLAN, ROOMY, Desk, a_draft

NEXT_MONTH, NEXT_HOUR = datetime(2027, 1, 1, tzinfo=UTC), datetime(2026, 12, 15, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("policy", "plan", "units", "full_units", "frees_at"),
    [
        (Policy.GENERATIONS_MONTH, replace(ROOMY, generations_month=3), 1, 0, NEXT_MONTH),
        (Policy.GENERATIONS_HOUR, replace(ROOMY, generations_hour=3), 1, 0, NEXT_HOUR),
        (Policy.FULL_REGENERATIONS_MONTH, replace(ROOMY, full_regenerations_month=3), 1, 1, NEXT_MONTH),
    ],
)
async def test_e01_e02_a_counter_admits_its_last_unit_and_not_one_more(
    desk: Desk, policy, plan, units, full_units, frees_at
) -> None:
    for left in (2, 1, 0):
        admitted = await desk.admit(desk.order(plan, generation_units=units, full_units=full_units))
        assert isinstance(admitted, Admitted)
        assert admitted.remaining[policy] == left

    refused = await desk.refused(desk.order(plan, generation_units=units, full_units=full_units))

    assert [(seen.policy, seen.limit, seen.used, seen.frees_at) for seen in refused.violations] == [
        (policy, 3, 3, frees_at)
    ]
    assert (refused.kind, refused.code, refused.wait) == (Kind.LIMITED, "admission.limited", frees_at - desk.now)


async def test_e03_a_cost_that_does_not_fit_leaves_what_is_left(desk: Desk) -> None:
    plan = replace(ROOMY, generations_month=3)
    await desk.admit(desk.order(plan, generation_units=2))

    refused = await desk.refused(desk.order(plan, generation_units=2))

    assert (refused.violations[0].used, refused.violations[0].remaining) == (2, 1)
    assert isinstance(await desk.admit(desk.order(plan)), Admitted)


async def test_e06_two_limits_are_both_named_and_the_wait_is_the_later(desk: Desk) -> None:
    """Whatever would have admitted is told too: the caller sees where all of them stand."""
    plan = replace(ROOMY, generations_month=1, generations_hour=1)
    await desk.started(plan)

    refused = await desk.refused(desk.order(plan))

    assert [seen.policy for seen in refused.violations] == [Policy.GENERATIONS_MONTH, Policy.GENERATIONS_HOUR]
    assert refused.wait == NEXT_MONTH - desk.now
    assert refused.extra["binding"] == "generations_month"
    assert [seen.policy for seen in refused.standings] == [
        Policy.GENERATIONS_MONTH,
        Policy.GENERATIONS_HOUR,
        Policy.FULL_REGENERATIONS_MONTH,
        Policy.CONCURRENT,
    ]


async def test_e07_six_limits_are_named_in_one_order(desk: Desk) -> None:
    """The wait is the last one's, so that coming back then is not in vain."""
    draft = a_draft()
    tight = replace(PLAN, generations_month=2, generations_hour=2, full_regenerations_month=2, concurrent=2)
    await desk.admit(desk.order(tight, full_units=1, place=PLACE))
    await desk.admit(desk.order(tight, full_units=1, place=PLACE, draft=draft))

    refused = await desk.refused(desk.order(tight, full_units=1, place=PLACE, draft=draft))

    assert [seen.policy for seen in refused.violations] == list(Policy)
    assert refused.violations == refused.standings
    assert refused.wait == NEXT_MONTH - desk.now
    assert refused.extra["violations"] == [seen.public() for seen in refused.violations]
    assert refused.violations[1].public() == {
        "policy": "generations_month",
        "limit": 2,
        "used": 2,
        "frees_at": "2027-01-01T00:00:00.000Z",
    }


async def test_e08_a_full_hour_in_a_free_month_frees_with_the_hour(desk: Desk) -> None:
    plan = replace(ROOMY, generations_hour=1)
    await desk.started(plan)

    refused = await desk.refused(desk.order(plan))

    assert [seen.policy for seen in refused.violations] == [Policy.GENERATIONS_HOUR]
    assert refused.wait == NEXT_HOUR - desk.now


async def test_e18_no_refusal_is_remembered(desk: Desk) -> None:
    """There is no cache of blocked accounts: what was refused a millisecond ago is admitted when it may be."""
    plan = replace(ROOMY, generations_month=1)
    order = await desk.started(plan)
    await desk.refused(desk.order(plan))

    await desk.gate.refund(desk.account, order.lease)

    assert isinstance(await desk.admit(desk.order(plan)), Admitted)


async def test_e21_e22_e23_a_draft_cools_down_to_the_millisecond(desk: Desk) -> None:
    """Another draft doesn't wait, nor does what is no regeneration."""
    draft, started = a_draft(), desk.now
    await desk.admit(desk.order(replace(ROOMY, cooldown_ms=30_000), draft=draft))
    desk.now += timedelta(seconds=30) - MS

    refused = await desk.refused(desk.order(ROOMY, draft=draft))

    assert [(seen.policy, seen.frees_at) for seen in refused.violations] == [
        (Policy.COOLDOWN, started + timedelta(seconds=30))
    ]
    assert refused.wait == MS
    assert isinstance(await desk.admit(desk.order(ROOMY, draft=a_draft())), Admitted)
    assert isinstance(await desk.admit(desk.order(ROOMY)), Admitted)
    desk.now += MS
    assert isinstance(await desk.admit(desk.order(ROOMY, draft=draft)), Admitted)


@pytest.mark.parametrize(
    ("units", "full_units", "cools", "used"),
    [(1, 0, False, (1, 1, 0)), (1, 0, True, (1, 1, 0)), (1, 1, True, (1, 1, 1)), (0, 0, False, (0, 0, 0))],
    ids=["a generation", "a part", "everything anew", "nothing"],
)
async def test_e24_each_kind_takes_its_units(desk: Desk, units, full_units, *, cools, used) -> None:
    """A full regeneration takes one of each, a targeted one a generation alone."""
    draft = a_draft() if cools else None
    await desk.started(replace(ROOMY, cooldown_ms=5_000), generation_units=units, full_units=full_units, draft=draft)

    counted = await desk.standings()
    assert (
        tuple(counted[name] for name in ("generations_month", "generations_hour", "full_regenerations_month")) == used
    )
    assert len(await desk.redis.keys("app:cooldown:*")) == cools


async def test_e25_the_last_place_is_given_and_the_next_is_told_when_one_frees(desk: Desk) -> None:
    plan = replace(ROOMY, concurrent=2)
    for _ in range(2):
        await desk.admit(desk.order(plan))
        desk.now += timedelta(seconds=1)

    refused = await desk.refused(desk.order(plan))

    first_expiry = desk.now + timedelta(seconds=28)
    assert [(seen.policy, seen.used, seen.frees_at) for seen in refused.violations] == [
        (Policy.CONCURRENT, 2, first_expiry)
    ]


async def test_e25_e26_a_lease_that_expires_now_counts_no_more(desk: Desk) -> None:
    """Without any sweeper."""
    plan = replace(ROOMY, concurrent=1)
    await desk.admit(desk.order(plan))
    desk.now += timedelta(seconds=30) - MS
    await desk.refused(desk.order(plan))

    desk.now += MS

    assert isinstance(await desk.admit(desk.order(plan)), Admitted)


async def test_e54_no_cap_is_no_cap_and_none_is_none(desk: Desk) -> None:
    uncapped = replace(ROOMY, full_regenerations_month=None)
    for used in range(1, 6):
        admitted = await desk.admit(desk.order(uncapped, full_units=1))
        assert isinstance(admitted, Admitted)
        row = next(row for row in admitted.standings if row.policy is Policy.FULL_REGENERATIONS_MONTH)
        assert (row.limit, row.used, row.remaining) == (None, used, None)

    refused = await desk.refused(desk.order(replace(ROOMY, full_regenerations_month=0), full_units=1))
    assert [seen.policy for seen in refused.violations] == [Policy.FULL_REGENERATIONS_MONTH]


@pytest.mark.parametrize(
    ("policy", "plan"),
    [
        (Policy.GENERATIONS_MONTH, replace(ROOMY, generations_month=0)),
        (Policy.GENERATIONS_HOUR, replace(ROOMY, generations_hour=0)),
        (Policy.CONCURRENT, replace(ROOMY, concurrent=0)),
    ],
)
async def test_e54_a_limit_of_zero_admits_nobody(desk: Desk, policy, plan) -> None:
    refused = await desk.refused(desk.order(plan))

    assert [(seen.policy, seen.limit, seen.remaining) for seen in refused.violations] == [(policy, 0, 0)]


async def test_e70_a_full_lane_is_our_outage_and_another_lane_is_free(desk: Desk) -> None:
    """No limit of the account binds, so it isn't the account's refusal."""
    for _ in range(2):
        await desk.admit(desk.order(place=PLACE))
    before = await desk.everything()

    with pytest.raises(NoPlace) as full:
        await desk.admit(desk.order(place=PLACE))

    assert await desk.everything() == before
    assert (full.value.code, full.value.wait) == ("admission.full", timedelta(seconds=30))
    assert isinstance(await desk.admit(desk.order(place=replace(PLACE, lane="batch"))), Admitted)


async def test_e67_a_dry_run_foretells_what_is_then_admitted(desk: Desk) -> None:
    draft = a_draft()
    order = desk.holds(desk.order(replace(PLAN, generations_month=1), draft=draft, place=PLACE, full_units=1))
    await desk.warm(order)
    before = await desk.everything(plan=True)

    foretold = await desk.gate.would_admit(order, now=desk.now)
    assert await desk.everything(plan=True) == before
    assert await desk.admit(order) == foretold

    with pytest.raises(NotAdmitted) as refused:
        await desk.gate.would_admit(desk.holds(desk.order(replace(PLAN, generations_month=1))), now=desk.now)
    assert refused.value.violations[0].policy is Policy.GENERATIONS_MONTH


async def test_e67_a_dry_run_foretells_what_is_then_refused(desk: Desk) -> None:
    """Quota exhausted, it still answers, and with the very numbers of the real refusal."""
    draft, tight = a_draft(), replace(PLAN, generations_month=1, concurrent=1, full_regenerations_month=1)
    await desk.started(tight, draft=draft, full_units=1, place=PLACE)
    order = desk.holds(desk.order(tight, draft=draft, full_units=1, place=replace(PLACE, cap=1)))

    with pytest.raises(NotAdmitted) as foretold:
        await desk.gate.would_admit(order, now=desk.now)

    refused = await desk.refused(order)
    assert foretold.value.standings == refused.standings
    assert foretold.value.violations == refused.violations
    assert foretold.value.wait == refused.wait


async def test_e67_a_dry_run_has_no_key_to_replay(desk: Desk) -> None:
    """It says what a new key would get, though this one has started something already."""
    order = await desk.started(replace(ROOMY, generations_month=2))
    again = await desk.gate.would_admit(desk.holds(order), now=desk.now)

    assert again.remaining[Policy.GENERATIONS_MONTH] == 0


async def test_e68_peek_reads_what_admission_counts(desk: Desk) -> None:
    """Cold, it asks PostgreSQL and still writes nothing."""
    desk.facts = Facts(
        generations_month=4,
        generations_hour=2,
        full_month=1,
        leases=[(desk.order().lease, desk.now + HOUR), (desk.order().lease, desk.now)],
    )
    counted = {"generations_month": 4, "generations_hour": 2, "full_regenerations_month": 1, "concurrent": 1}
    assert await desk.standings() == counted
    assert await desk.everything(plan=True) == {}

    await desk.admit(desk.order(full_units=1))

    assert await desk.standings() == {policy: used + 1 for policy, used in counted.items()}


async def test_e68_peek_equals_the_next_decision(desk: Desk) -> None:
    """Every row of it, in a quiet system: the ends, the limits and what is used."""
    plan = replace(PLAN, generations_month=2, concurrent=1)
    await desk.started(plan)

    seen = await desk.gate.peek(desk.account, now=desk.now)

    refused = await desk.refused(desk.order(plan))
    assert list(seen.standings) == list(refused.standings)
    assert (seen.at, seen.entitlement.limits, seen.boosted) == (desk.now, plan, False)


async def replayed(desk: Desk, last: Order, _: Order) -> None:
    assert await desk.admit(last) == Replayed(generation=last.lease)


async def is_refused(desk: Desk, _: Order, new: Order) -> None:
    with pytest.raises(NotAdmitted):
        await desk.admit(new)


async def is_foretold(desk: Desk, _: Order, new: Order) -> None:
    with pytest.raises(NotAdmitted):
        await desk.gate.would_admit(new, now=desk.now)


async def has_no_place(desk: Desk, _: Order, new: Order) -> None:
    allowed = replace(new, generation_units=0, full_units=0, draft=None, place=replace(PLACE, cap=1))
    desk.now += 2 * HOUR - timedelta(minutes=30)
    with pytest.raises(NoPlace):
        await desk.admit(allowed)


async def peeked(desk: Desk, *_: Order) -> None:
    await desk.gate.peek(desk.account, now=desk.now)


async def asked(desk: Desk, *_: Order) -> None:
    await desk.gate.entitled(desk.account)


@pytest.mark.parametrize("fresh_hour", [False, True])
@pytest.mark.parametrize("ask", [replayed, is_refused, is_foretold, has_no_place, peeked, asked])
async def test_e02_e58_e67_what_takes_nothing_writes_nothing(
    desk: Desk, ask: Callable[..., Awaitable[None]], *, fresh_hour: bool
) -> None:
    """Every key's own bytes and its end, the cached plan among them; in an hour that nobody has counted in, too."""
    draft, plan = a_draft(), replace(PLAN, generations_month=2, full_regenerations_month=1, cooldown_ms=7_200_000)
    await desk.admit(desk.order(plan, place=replace(PLACE, lane="batch")))
    last = await desk.started(plan, draft=draft, full_units=1, place=PLACE, until=4 * HOUR)
    new = desk.holds(desk.order(plan, draft=draft, full_units=1, place=PLACE))
    if fresh_hour:
        desk.now += HOUR
    before = await desk.everything(plan=True)

    await ask(desk, last, new)

    assert await desk.everything(plan=True) == before
    assert len(before) == 14

"""A month and an hour end at their end, by Redis's clock and by nobody else's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from reelwright.admission import Admitted, Facts, Periods, Policy
from tests.rooms.admission.desk import HOUR, MS, ROOMY, Desk


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
async def test_e09_e10_e13_e14_a_period_ends_at_its_end(desk: Desk, before, plan) -> None:
    """Half-open, so the end's own instant has a fresh allowance."""
    desk.now = before
    await desk.admit(desk.order(plan, full_units=1))
    refused = await desk.refused(desk.order(plan, full_units=1))
    assert refused.wait == MS

    desk.now += MS

    assert isinstance(await desk.admit(desk.order(plan, full_units=1)), Admitted)


@pytest.mark.parametrize(
    ("end", "counter"),
    [
        (datetime(2027, 1, 1, tzinfo=UTC), "app:usage:{}:gen_used:202701"),
        (datetime(2026, 12, 15, 11, tzinfo=UTC), "app:burst:{}:gen_hour:2026121511"),
    ],
)
async def test_e09_e10_an_end_seen_too_late_belongs_to_the_next_period(desk: Desk, end: datetime, counter: str) -> None:
    """By Redis's clock it is the end's own millisecond; by the caller's, the one before."""
    desk.now = end

    order = desk.holds(desk.order())
    await desk.gate.admit(order, now=end - MS)

    assert await desk.redis.get(counter.format(desk.account)) == b"1"


async def test_e11_a_slow_clock_at_the_months_end_is_set_right_by_redis(desk: Desk) -> None:
    """The caller only proposes the periods, and is told the instant that decided."""
    desk.now = datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC)

    order = desk.holds(desk.order())
    admitted = await desk.gate.admit(order, now=desk.now - timedelta(seconds=2))

    assert isinstance(admitted, Admitted)
    assert admitted.at == desk.now
    assert await desk.redis.get(f"app:usage:{desk.account}:gen_used:202701") == b"1"
    assert not await desk.redis.exists(f"app:usage:{desk.account}:gen_used:202612")


@pytest.mark.parametrize("off", [-2 * HOUR, 2 * HOUR, -400 * 24 * HOUR])
async def test_e12_a_wrong_clock_is_told_to_the_log_and_charged_to_no_wrong_period(desk: Desk, off: timedelta) -> None:
    """Redis's period decides, at the month's end too, and an operator is told by how much the clocks differ."""
    desk.now = datetime(2027, 1, 1, 0, 30, tzinfo=UTC)
    order = desk.holds(desk.order())
    await desk.warm(order)
    before = await desk.everything()

    with structlog.testing.capture_logs() as logs:
        admitted = await desk.gate.admit(order, now=desk.now + off)

    assert isinstance(admitted, Admitted)
    assert admitted.at == desk.now
    told = [entry for entry in logs if entry["event"] == "admission.clock_skew"]
    assert [(entry["ours"], entry["redis"]) for entry in told] == [((desk.now + off).isoformat(), desk.now.isoformat())]
    right = {f"app:usage:{desk.account}:gen_used:202701", f"app:burst:{desk.account}:gen_hour:2027010100"}
    counters = {name.decode() for name in await desk.everything() if b":gen_" in name}
    assert counters == right
    assert set(before) <= set(await desk.everything())


async def test_e12_a_refusal_by_a_wrong_clock_names_redis_s_own_end(desk: Desk) -> None:
    """Nobody is told to come back in an hour that is over."""
    plan = replace(ROOMY, generations_hour=1)
    await desk.started(plan)
    before = await desk.everything()

    order = desk.holds(desk.order(plan))
    with pytest.raises(Exception, match="this hour") as refused:
        await desk.gate.admit(order, now=desk.now + 2 * HOUR)

    assert await desk.everything() == before
    assert refused.value.wait == Periods.at(desk.now).hour_end - desk.now


@pytest.mark.parametrize(
    ("now", "days"), [("2027-02-10", 28), ("2028-02-10", 29), ("2027-04-10", 30), ("2027-05-10", 31)]
)
async def test_e13_a_month_frees_at_its_own_end(desk: Desk, now: str, days: int) -> None:
    desk.now = datetime.fromisoformat(now).replace(tzinfo=UTC)
    plan = replace(ROOMY, generations_month=1)
    await desk.started(plan)

    refused = await desk.refused(desk.order(plan))

    end = desk.now.replace(day=1) + timedelta(days=days)
    assert (refused.violations[0].frees_at, refused.wait) == (end, end - desk.now)


async def test_e14_a_new_year_begins_a_new_month(desk: Desk) -> None:
    desk.now = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    await desk.started(generation_units=5)
    desk.now += timedelta(minutes=1)
    desk.facts = Facts(generations_month=0, generations_hour=0, full_month=0)

    admitted = await desk.admit(desk.order(replace(ROOMY, generations_month=3)))

    assert isinstance(admitted, Admitted)
    assert admitted.remaining[Policy.GENERATIONS_MONTH] == 2
    assert desk.asked[-1] == (desk.account, "202701", "2027010100")


@pytest.mark.parametrize("units", [1, 2])
async def test_e15_e16_a_refund_goes_once_to_the_month_of_admission(desk: Desk, units: int) -> None:
    """And the hour stays used: the burst guards against load, and there was load."""
    await desk.admit(desk.order())
    order = await desk.started(full_units=1, generation_units=units)
    await desk.gate.release(desk.account, order.lease)
    then = desk.now
    desk.now = then.replace(month=1, year=then.year + 1)
    await desk.admit(desk.order())

    assert await desk.gate.refund(desk.account, order.lease)
    assert not await desk.gate.refund(desk.account, order.lease)

    assert (await desk.standings())["generations_month"] == 1
    desk.now = then
    used = await desk.standings()
    assert (used["generations_month"], used["full_regenerations_month"]) == (1, 0)
    assert used["generations_hour"] == 1 + units


async def test_e15_a_withdrawal_after_the_months_end_goes_to_the_month_of_admission(desk: Desk) -> None:
    desk.now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    order = desk.order(full_units=1)
    await desk.admit(order)
    desk.now += timedelta(seconds=2)
    await desk.started(full_units=1)

    assert await desk.gate.withdraw(desk.account, order.lease)

    used = await desk.standings()
    assert (used["generations_month"], used["full_regenerations_month"], used["generations_hour"]) == (1, 1, 1)
    for name in ("usage:{}:gen_used:202612", "usage:{}:full_regen_used:202612", "burst:{}:gen_hour:2026123123"):
        assert await desk.redis.get("app:" + name.format(desk.account)) == b"0"

"""One key starts one generation, whatever repeats, crashes or is lost."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from reelwright.admission import Admitted, Facts, Held, InProgress, KeyReused, NotAdmitted, Replayed
from reelwright.ground.errors import Kind, Outage
from tests.rooms.admission.desk import HOUR, MS, PLACE, ROOMY, Desk, a_draft


async def test_e56_a_repeat_waits_while_the_first_is_decided(desk: Desk) -> None:
    order = desk.order()
    await desk.admit(order)
    before = await desk.everything()
    desk.now += timedelta(seconds=10)

    with pytest.raises(InProgress) as waiting:
        await desk.admit(order)

    assert (waiting.value.kind, waiting.value.code) == (Kind.CONFLICT, "idempotency.in_progress")
    assert waiting.value.wait == timedelta(seconds=50)
    assert await desk.everything() == before


async def test_e58_a_repeat_is_answered_before_any_limit_is_asked(desk: Desk) -> None:
    """Exhausted or not, the first answer is the answer, and it costs nothing."""
    order = desk.order(replace(ROOMY, generations_month=1, concurrent=1))
    await desk.admit(order)
    await desk.gate.confirm(order, desk.now + HOUR)
    before = await desk.everything()

    assert await desk.admit(order) == Replayed(generation=order.lease)
    assert await desk.everything() == before


async def test_e60_a_finished_key_is_known_for_a_day_by_itself(desk: Desk) -> None:
    """Its record says what it started; the lease's receipt may be gone."""
    order = desk.order()
    await desk.admit(order)
    await desk.gate.confirm(order, desk.now + HOUR)
    await desk.redis.delete(f"app:conc:lease:{order.lease}")
    (record,) = await desk.redis.keys("app:idem:*")

    assert timedelta(hours=23) < timedelta(milliseconds=await desk.redis.pttl(record)) <= timedelta(hours=24)
    assert await desk.admit(order) == Replayed(generation=order.lease)
    with pytest.raises(KeyReused):
        await desk.admit(replace(order, fingerprint="another digest"))


@pytest.mark.parametrize("confirmed", [False, True])
async def test_e57_a_key_belongs_to_its_first_body(desk: Desk, *, confirmed: bool) -> None:
    """While the first runs, too."""
    order = desk.order()
    await desk.admit(order)
    if confirmed:
        await desk.gate.confirm(order, desk.now + HOUR)
    before = await desk.everything()

    with pytest.raises(KeyReused) as reused:
        await desk.admit(replace(order, fingerprint="another digest"))

    assert (reused.value.kind, reused.value.code) == (Kind.CHANGED, "idempotency.key_reused")
    assert await desk.everything() == before


async def test_e61_a_dead_claimants_key_is_taken_over_without_a_second_unit(desk: Desk) -> None:
    """The process that was admitted died before its commit; a minute later the same request goes on."""
    order = desk.order(replace(ROOMY, generations_month=1, cooldown_ms=300_000), draft=a_draft(), place=PLACE)
    await desk.admit(order)
    desk.now += timedelta(seconds=60) - MS
    with pytest.raises(InProgress):
        await desk.admit(order)

    desk.now += MS
    again = await desk.admit(order)

    assert isinstance(again, Admitted)
    assert await desk.standings() == {
        "generations_month": 1,
        "generations_hour": 1,
        "full_regenerations_month": 0,
        "concurrent": 1,
    }
    await desk.gate.withdraw(desk.account, order.lease)
    assert (await desk.standings())["generations_month"] == 0


async def test_a_lease_taken_over_in_a_new_month_counts_there(desk: Desk) -> None:
    """What was taken in the old month was never confirmed and ended with it."""
    order = desk.order()
    desk.now = desk.now.replace(day=31, hour=23, minute=59, second=30)
    await desk.admit(order)
    desk.now += timedelta(seconds=60)

    await desk.admit(order)

    assert (await desk.standings())["generations_month"] == 1


async def test_e63_a_refused_key_may_try_again(desk: Desk) -> None:
    """A refusal is not an answer to keep."""
    order = desk.order(replace(ROOMY, generations_month=0))
    with pytest.raises(NotAdmitted):
        await desk.admit(order)

    assert isinstance(await desk.admit(replace(order, held=desk.order().held, fingerprint="a larger order")), Admitted)


async def test_e65_two_accounts_and_two_routes_may_choose_one_key(desk: Desk, store) -> None:
    order, other = desk.order(key="mine"), desk.another()
    assert isinstance(await desk.admit(order), Admitted)
    assert isinstance(await other.admit(other.order(key="mine", fingerprint="b")), Admitted)
    assert isinstance(await desk.admit(desk.order(key="mine", scope="POST /v1/regenerate")), Admitted)


@pytest.mark.parametrize("key", ["", "k" * 15, "k" * 129, "ü\n:*?{x}", '"quoted, list"', "\ud800", "k" * 4_000])
async def test_e64_a_hostile_key_never_reaches_redis(desk: Desk, key: str) -> None:
    order = desk.order(key=key)
    await desk.admit(order)

    names = [name.decode() for name in await desk.redis.keys("app:idem:*")]
    assert [len(name.rsplit(":", 1)[1]) for name in names] == [64]
    with pytest.raises(InProgress):
        await desk.admit(order)


async def test_a_repeat_with_redis_wiped_in_between_is_harmless(desk: Desk) -> None:
    """The lease is the generation's id, so what PostgreSQL says to be live is not started again."""
    order = desk.order(replace(ROOMY, generations_month=2, concurrent=1))
    await desk.admit(order)
    await desk.gate.confirm(order, desk.now + HOUR)
    await desk.redis.flushdb()
    desk.facts = Facts(generations_month=1, generations_hour=1, full_month=0, leases=[(order.lease, desk.now + HOUR)])

    assert await desk.admit(order) == Replayed(generation=order.lease)
    assert (await desk.standings())["generations_month"] == 1
    assert not await desk.gate.withdraw(desk.account, order.lease)
    assert (await desk.standings())["concurrent"] == 1


async def test_a_repeat_after_a_wipe_before_the_commit_is_harmless(desk: Desk) -> None:
    """Both twins are admitted; the loser's withdrawal takes nothing from the one that was committed and confirmed."""
    order = desk.order()
    await desk.admit(order)
    await desk.redis.flushdb()
    await desk.admit(order)
    await desk.gate.confirm(order, desk.now + HOUR)

    assert not await desk.gate.withdraw(desk.account, order.lease)

    used = await desk.standings()
    assert (used["generations_month"], used["concurrent"]) == (1, 1)


async def test_a_commit_that_was_withdrawn_by_its_twin_is_counted_again(desk: Desk) -> None:
    """The database's word wins: the lease is back, and the counters are asked of PostgreSQL."""
    order = desk.order()
    await desk.admit(order)
    await desk.gate.withdraw(desk.account, order.lease)

    await desk.gate.confirm(order, desk.now + HOUR)

    desk.facts = Facts(generations_month=1, generations_hour=1, full_month=0, leases=[(order.lease, desk.now + HOUR)])
    await desk.warm()
    used = await desk.standings()
    assert (used["generations_month"], used["concurrent"]) == (1, 1)


async def test_e56_fifty_equal_requests_at_once_start_one_generation(desk: Desk) -> None:
    order = desk.order()
    answers = await asyncio.gather(*(desk.admit(order) for _ in range(50)), return_exceptions=True)

    assert sum(isinstance(answer, Admitted) for answer in answers) == 1
    assert sum(isinstance(answer, InProgress) for answer in answers) == 49
    assert (await desk.standings())["generations_month"] == 1


async def test_e56_repeats_after_the_end_are_the_first_answer(desk: Desk) -> None:
    """Fifty at once again, when the first is done: every one is told what it started, and none takes anything."""
    order = await desk.started(replace(ROOMY, generations_month=1))
    before = await desk.everything(plan=True)

    answers = await asyncio.gather(*(desk.admit(order) for _ in range(50)))

    assert set(answers) == {Replayed(generation=order.lease)}
    assert await desk.everything(plan=True) == before


async def test_e59_a_repeat_needs_no_plan(desk: Desk) -> None:
    """The account may have lost its plan, or PostgreSQL may be away: what was answered stays answered."""
    order = await desk.started()
    await desk.redis.delete(*(await desk.redis.keys("app:user:*")), *(await desk.redis.keys("app:usage:*")))
    desk.facts, asked = Outage("away", code="postgres.unavailable"), desk.asked_plan

    assert await desk.gate.admit(replace(order, held=Held(plan=order.held.plan, version=99)), now=desk.now) == Replayed(
        generation=order.lease
    )
    assert desk.asked_plan == asked


async def test_e60_after_a_day_the_receipt_still_knows_the_key(desk: Desk) -> None:
    """Key and lease are one name, so a claim that lapsed starts nothing anew for two days; then the row answers."""
    order = await desk.started()
    await desk.gate.release(desk.account, order.lease)
    (record,) = await desk.redis.keys("app:idem:*")
    await desk.redis.delete(record)
    desk.now += timedelta(hours=25)

    assert await desk.admit(order) == Replayed(generation=order.lease)
    assert timedelta(milliseconds=await desk.redis.pttl(f"app:conc:lease:{order.lease}")) > timedelta(hours=47)


@pytest.mark.parametrize("loser_first", [False, True])
async def test_e62_a_slow_owner_and_its_taker_over_start_one_generation(desk: Desk, *, loser_first: bool) -> None:
    """After 70 s the retry is admitted on the same units; one of the two commits, the other finds the row and gives
    its admission back, before or after the winner's confirmation: one lease and one unit are left either way."""
    order = desk.order(replace(ROOMY, generations_month=2))
    await desk.admit(order)
    desk.now += timedelta(seconds=70)
    assert isinstance(await desk.admit(order), Admitted)
    desk.facts = Facts(generations_month=1, generations_hour=1, full_month=0, leases=[(order.lease, desk.now + HOUR)])

    if loser_first:
        assert await desk.gate.withdraw(desk.account, order.lease)
    await desk.gate.confirm(order, desk.now + HOUR)
    assert not await desk.gate.withdraw(desk.account, order.lease)

    await desk.gate.warm(desk.account, now=desk.now)
    used = await desk.standings()
    assert (used["generations_month"], used["generations_hour"], used["concurrent"]) == (1, 1, 1)
    assert await desk.admit(order) == Replayed(generation=order.lease)

"""What is due runs once: however many look, wherever one dies, whatever the clocks do."""

import asyncio
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from reelwright import ledger
from reelwright.accounts import Account
from reelwright.admission import Gate, Tcp
from reelwright.billing import Plan
from reelwright.ground import clock, failpoints, postgres
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.postgres import Database
from reelwright.journeys import brands, facts, planning, scheduling
from reelwright.schedules import Making, Missed, RunOutcome, ScheduleState, TopicList, run_id
from tests.builders import an_account
from tests.journeys.scheduled import NINE, a_desk, a_schedule, look, numbers, runs_of, states, tick

ROOT = Path(__file__).resolve().parents[2]
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
HALF_PAST = "30 9 * * *"
COLOURS = {"text_colour": "#FFFFFF", "highlight_colour": "#7CFFCB", "box_colour": None}
SAYS = text("UPDATE schedules SET making = CAST(:making AS jsonb) WHERE id = :id")
MADE = "SELECT count(*), count(DISTINCT account_id), min(lane), max(lane) FROM generations"


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db, Plan.PRO)


@pytest.fixture(autouse=True)
def disarmed() -> Any:
    yield
    failpoints.arm("")


async def test_twenty_ticks_at_once_start_one_reel(
    db: Database, gate: Gate, redis: Redis, account: Account, database_url: str
) -> None:
    """Its order, credits, run and statistics are one, and it waits in the batch lane."""
    schedule = await a_schedule(db, account)
    many = postgres.connect(database_url, pool_size=20, name="ticks")
    try:
        desk = a_desk(many, gate)
        assert await tick(desk, NINE - MINUTE) == 0
        started = await asyncio.gather(*(tick(desk, NINE) for _ in range(20)))
    finally:
        await many.close()

    assert sum(started) == 1
    assert await numbers(db, MADE) == (1, 1, "batch", "batch")
    assert await numbers(db, "SELECT count(*), sum(amount_micro) > 0 FROM credit_holds") == (1, True)
    (run,) = await runs_of(db, schedule)
    assert (run.state, run.due_at, run.topic) == (RunOutcome.STARTED, NINE, "Fact of 2031-05-12")
    assert run.id == run_id(account.id, schedule, NINE)
    found = await look(db, schedule)
    assert (found.statistics.started, found.position, found.next_due_at) == (1, 1, NINE + DAY)
    assert await redis.zcard("app:conc:provider:web:pages:batch") == 1
    assert await redis.zcard("app:conc:provider:web:pages:interactive") == 0


KILLED_AT = (
    *("schedule.after_due", "schedule.after_claim", "api.create.before_tx", "schedule.in_start_tx"),
    "api.create.after_tx",
)
MANY = 2 * scheduling._AT_ONCE + 1
"""Whoever dies behind an admission may leave as many in flight as it runs at once; two do, and the last needs one."""


async def test_wherever_a_process_dies_every_due_time_has_exactly_one_reel(
    db: Database, gate: Gate, redis: Redis, database_url: str, valkey_url: str
) -> None:
    people = [await an_account(db, Plan.BASIC) for _ in range(MANY)]
    made = [await a_schedule(db, one) for one in people]
    words = (sys.executable, "-m", "tests.journeys.ticking", database_url, valkey_url, NINE.isoformat(), *KILLED_AT)
    child = await asyncio.create_subprocess_exec(*words, cwd=ROOT)
    assert await asyncio.wait_for(child.wait(), 60) == 0
    later = Gate(  # the dead ones' claims are over by Redis's clock, and by ours
        Tcp(redis),
        facts=facts.reader(db),
        held=facts.held(db),
        limits=facts.LIMITS,
        patience=timedelta(seconds=10),
        clock_ms=lambda: round(time.time() * 1000) + 120_000,
    )
    await asyncio.gather(*(tick(a_desk(db, later), NINE + 20 * MINUTE) for _ in range(3)))
    await later.close()

    assert [await states(db, one) for one in made] == [[("started", None)]] * len(made)
    assert await numbers(db, MADE) == (len(made), len(made), "batch", "batch")
    assert await numbers(db, "SELECT count(*) FROM credit_holds") == (len(made),)
    assert await numbers(db, "SELECT count(*) FROM outbox") == (len(made),)
    for one in people:
        used = {row.policy.value: row.used for row in (await gate.peek(one.id, now=clock.now())).standings}
        assert (used["generations_month"], used["concurrent"]) == (1, 1)


async def test_a_run_is_made_as_the_schedule_says_and_without_a_kit_that_went_meanwhile(
    db: Database, gate: Gate, account: Account
) -> None:
    """The kit is deleted between the schedule's reading and the order: the day's reel comes in plain colours."""
    kit, _ = await brands.add(account.id, {"name": "House", "font": "inter", **COLOURS}, request=None, db=db)
    making = Making(duration_s=10, caption_style="karaoke", brand_kit_id=kit.id, profile="preview")
    worn, bare = (
        await a_schedule(db, account, making=making),
        await a_schedule(db, account, making=making, cron=HALF_PAST),
    )
    desk = a_desk(db, gate)
    assert await tick(desk, NINE) == 1
    await brands.remove(account.id, kit.id, db=db)
    assert (await look(db, bare)).wanted.making == msgspec.structs.replace(making, brand_kit_id=None)
    async with db.begin() as tx:  # as whoever read it before it was deleted has it
        await tx.execute(SAYS, {"id": bare, "making": msgspec.json.encode(making).decode()})
    assert await tick(desk, NINE + 30 * MINUTE) == 1
    assert await states(db, worn) == await states(db, bare) == [("started", None)]
    brand = "SELECT brand->>'caption_style', brand->>'profile', brand->'kit'->>'id' FROM generations WHERE id = "
    assert await numbers(db, f"{brand}'{run_id(account.id, worn, NINE)}'") == ("karaoke", "preview", str(kit.id))
    half = run_id(account.id, bare, NINE + 30 * MINUTE)
    assert await numbers(db, f"{brand}'{half}'") == ("karaoke", "preview", None)


async def test_an_outage_in_the_order_leaves_the_run_for_later(db: Database, gate: Gate, account: Account) -> None:
    schedule, desk = await a_schedule(db, account), a_desk(db, gate)
    failpoints.arm("schedule.in_start_tx=raise:outage@1")
    assert await tick(desk, NINE) == 0
    assert await states(db, schedule) == [("due", "failpoint.outage")]
    assert await numbers(db, "SELECT count(*) FROM generations") == (0,)
    assert (await look(db, schedule)).statistics.started == 0
    assert await tick(desk, NINE + MINUTE) == 1
    assert await states(db, schedule) == [("started", None)]


async def test_a_bug_in_one_run_stops_no_other_and_ends_after_five(db: Database, gate: Gate, account: Account) -> None:
    first, second = await a_schedule(db, account), await a_schedule(db, await an_account(db))
    failpoints.arm("schedule.in_start_tx=raise:bug@1")
    desk = a_desk(db, gate)
    assert await tick(desk, NINE) == 1
    found = {one: (await states(db, one))[0][0] for one in (first, second)}
    assert sorted(found.values()) == ["due", "started"]
    broken = next(one for one, state in found.items() if state == "due")
    failpoints.arm("schedule.in_start_tx=raise:bug@always")
    for n in range(1, 5):
        await tick(desk, NINE + n * 3 * MINUTE)
    assert await states(db, broken) == [("refused", "service.bug")]


async def test_a_schedule_that_cant_be_read_holds_up_no_other(db: Database, gate: Gate, account: Account) -> None:
    broken = await a_schedule(db, account, cron="30 8 * * *", after=NINE - DAY)
    sound = await a_schedule(db, account)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE schedules SET timezone = 'Nowhere/Else' WHERE id = :id"), {"id": broken})
    assert await tick(a_desk(db, gate), NINE) == 1
    assert await states(db, sound) == [("started", None)]
    assert await states(db, broken) == []


@pytest.mark.parametrize(
    ("missed", "late", "expected", "counted"),
    [
        (Missed.SKIP, timedelta(minutes=14), [("started", 0)], 0),
        (Missed.SKIP, timedelta(minutes=16), [("missed", 1)], 1),
        (Missed.SKIP, 3 * DAY + timedelta(hours=2), [("missed", 4)], 4),
        (Missed.SKIP, 3 * DAY + timedelta(minutes=2), [("missed", 3), ("started", 0)], 3),
        (Missed.CATCH_UP_ONE, timedelta(hours=5), [("started", 0)], 0),
        (Missed.CATCH_UP_ONE, 3 * DAY + timedelta(hours=2), [("missed", 3), ("started", 0)], 3),
    ],
)
async def test_what_was_missed_is_skipped_or_made_up_for_once(
    db: Database, gate: Gate, account: Account, *, missed: Missed, late: timedelta, expected: Any, counted: int
) -> None:
    schedule = await a_schedule(db, account, missed=missed)
    desk = a_desk(db, gate)
    for _ in range(2):
        await tick(desk, NINE + late)
    found = await runs_of(db, schedule)
    assert [(run.state.value, run.missed) for run in found] == expected
    assert (await look(db, schedule)).statistics.missed == counted
    if found[-1].state is RunOutcome.STARTED:
        assert found[-1].due_at == NINE + DAY * (late // DAY)
    following = (await look(db, schedule)).next_due_at
    assert following == NINE + DAY * (late // DAY + 1)


async def test_a_clock_that_goes_back_runs_nothing_twice(db: Database, gate: Gate, account: Account) -> None:
    schedule, desk = await a_schedule(db, account), a_desk(db, gate)
    assert await tick(desk, NINE + 2 * MINUTE) == 1
    for back in (MINUTE, timedelta(hours=3), DAY):
        assert await tick(desk, NINE - back) == 0
    assert await tick(desk, NINE + 3 * MINUTE) == 0
    assert await tick(desk, NINE + DAY) == 1
    assert [run.due_at for run in await runs_of(db, schedule)] == [NINE, NINE + DAY]


async def test_without_a_test_the_databases_clock_decides(db: Database, gate: Gate, account: Account) -> None:
    schedule = await a_schedule(db, account, cron="0 * * * *")
    desk = a_desk(db, gate)
    assert await scheduling.run_due(desk=desk) == 0
    async with db.begin() as tx:
        await tx.execute(text("UPDATE schedules SET next_due_at = date_trunc('minute', now())"))
    assert await scheduling.run_due(desk=desk) == 1
    assert await states(db, schedule) == [("started", None)]


@pytest.mark.parametrize(
    ("cron", "first", "hours", "expected"),
    [
        ("30 2 * * *", "2031-03-08T12:00", 48, ["2031-03-09T07:00", "2031-03-10T06:30"]),  # 2:30 is skipped on the 9th
        ("30 1 * * *", "2031-11-01T12:00", 48, ["2031-11-02T05:30", "2031-11-03T06:30"]),  # 1:30 comes twice on the 2nd
        ("0 23 L * *", "2031-01-31T12:00", 30 * 24, ["2031-02-01T04:00", "2031-03-01T04:00"]),
    ],
)
async def test_through_changed_clocks_and_months_ends_each_local_time_comes_once(
    db: Database, gate: Gate, account: Account, *, cron: str, first: str, hours: int, expected: list[str]
) -> None:
    """A look every quarter of an hour (every two hours over the month), as a worker's chore would."""
    start = datetime.fromisoformat(first).replace(tzinfo=UTC)
    schedule = await a_schedule(
        db, account, cron=cron, timezone="America/New_York", after=start, missed=Missed.CATCH_UP_ONE
    )
    desk, step = a_desk(db, gate), 0.25 if hours < 100 else 2
    for n in range(int(hours / step) + 1):
        await scheduling._open_due(desk, start + timedelta(hours=n * step))
    assert [f"{run.due_at:%Y-%m-%dT%H:%M}" for run in await runs_of(db, schedule)] == expected


async def test_a_list_is_made_in_order_by_whoever_comes_and_then_ends(
    db: Database, gate: Gate, account: Account
) -> None:
    schedule = await a_schedule(db, account, source=TopicList(topics=("one", "two", "three")))
    desk = a_desk(db, gate)
    for day in range(4):
        await scheduling._open_due(desk, NINE + day * DAY)  # four runs wait at once
    for n in range(1, 8):
        await asyncio.gather(*(tick(desk, NINE + 3 * DAY + n * 3 * MINUTE) for _ in range(3)))
    found = await runs_of(db, schedule)
    assert Counter(run.topic for run in found) == {"one": 1, "two": 1, "three": 1, None: 1}
    assert Counter(run.state.value for run in found) == {"started": 3, "skipped": 1}
    assert (await look(db, schedule)).state is ScheduleState.ENDED
    assert await tick(desk, NINE + 9 * DAY) == 0


async def test_pausing_calls_off_what_waits_and_resuming_makes_up_for_nothing(
    db: Database, gate: Gate, account: Account
) -> None:
    schedule, desk = await a_schedule(db, account), a_desk(db, gate)
    await scheduling._open_due(desk, NINE)
    await planning.pause(account.id, schedule, db=db)
    assert await tick(desk, NINE + MINUTE) == 0
    assert await states(db, schedule) == [("cancelled", "schedule.paused")]
    resumed = await planning.resume(account.id, schedule, db=db, now=NINE + 5 * DAY)
    assert resumed.next_due_at == NINE + 6 * DAY
    assert await tick(desk, NINE + 5 * DAY + MINUTE) == 0


async def test_a_pause_in_the_middle_of_an_order_undoes_it(
    db: Database, gate: Gate, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis has admitted it, and gets everything back."""
    schedule, desk = await a_schedule(db, account), a_desk(db, gate)

    await scheduling._open_due(desk, NINE)

    async def paused(_name: str) -> None:
        monkeypatch.undo()
        assert [state for state, _ in await states(db, schedule)] == ["due"]
        await planning.pause(account.id, schedule, db=db)

    monkeypatch.setattr("reelwright.journeys.creation.failpoints", _At(paused))
    assert await tick(desk, NINE) == 0
    assert await states(db, schedule) == [("cancelled", "schedule.paused")]
    assert await numbers(db, "SELECT count(*) FROM generations") == (0,)
    used = {row.policy.value: row.used for row in (await gate.peek(account.id, now=clock.now())).standings}
    assert (used["generations_month"], used["concurrent"]) == (0, 0)


class _At:
    """Stands in for the failpoints of one module."""

    def __init__(self, reached: Any) -> None:
        self.reached = reached


async def test_a_wait_of_nothing_is_not_asked_for_again_at_once(
    db: Database, gate: Gate, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule, asked = await a_schedule(db, account), Counter[str]()

    async def busy(*_: Any, **__: Any) -> Any:
        asked["times"] += 1
        raise Refusal("Busy.", code="test.busy", wait=timedelta(0))

    monkeypatch.setattr(Gate, "admit", busy)
    await asyncio.wait_for(tick(a_desk(db, gate), NINE), 10)
    assert asked["times"] == 1
    assert await states(db, schedule) == [("due", "test.busy")]


async def test_redis_away_postpones_and_postgres_away_is_an_outage(
    db: Database, gate: Gate, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule, desk = await a_schedule(db, account), a_desk(db, gate)

    async def away(*_: Any, **__: Any) -> Any:
        raise Outage("Away.", code="admission.unavailable")

    monkeypatch.setattr(Gate, "admit", away)
    assert await tick(desk, NINE) == 0
    assert await states(db, schedule) == [("due", "admission.unavailable")]
    monkeypatch.undo()
    assert await tick(desk, NINE + MINUTE) == 1
    gone = postgres.connect("postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(Outage):
        await tick(a_desk(gone, gate), NINE)
    await gone.close()
    async with db.begin() as tx:
        assert (await ledger.balance(tx, account=account.id)).held_micro > 0

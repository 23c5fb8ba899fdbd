"""What becomes of a run: limits wait, budgets hold, failures in a row pause, feeds give what is new."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.billing import MICRO, Plan
from reelwright.generations import Assignment, Stage
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import ending, planning, stopping
from reelwright.journeys.workroom import Workroom
from reelwright.providers import PageFetcher
from reelwright.schedules import Budget, Feed, ScheduleState
from tests.builders import a_generation, an_account
from tests.feeds import an_entry, rss
from tests.journeys.conftest import Studio, deliver_all
from tests.journeys.scheduled import NINE, a_desk, a_schedule, look, numbers, runs_of, states, tick
from tests.simulators.pages import Pages, answer, serving

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db, Plan.PRO)


async def end(db: Database, gate: Gate, generation: GenerationId) -> None:
    """Let a reel that nobody makes fail."""
    assert await ending.give_up(generation, db=db, gate=gate, why=Outage("It broke.", code="stage.exhausted"))


async def test_a_finished_reel_is_written_to_its_run_with_what_it_cost(
    room: Workroom, db: Database, gate: Gate, account: Account
) -> None:
    schedule, desk = await a_schedule(db, account), a_desk(db, gate)
    assert await tick(desk, NINE) == 1
    await deliver_all(room)
    for _ in range(2):
        await tick(desk, NINE + MINUTE)
    (run,) = await runs_of(db, schedule)
    assert run.state.value == "succeeded"
    async with db.begin() as tx:
        charged = await ledger.charged(tx, generation=run.id)
    assert run.charged_micro == charged > 0
    priced = "SELECT count(*), sum(credits_micro) FROM usage_ledger WHERE action = 'scheduled_run'"
    assert await numbers(db, priced) == (1, 100_000)
    assert run.price_micro is not None
    assert run.price_micro > charged
    found = (await look(db, schedule)).statistics
    assert (found.started, found.succeeded, found.failures, found.spent_micro) == (1, 1, 0, charged)


async def test_three_failures_in_a_row_pause_it_and_its_owner_is_told_once(
    db: Database, gate: Gate, account: Account
) -> None:
    schedule, desk = await a_schedule(db, account), a_desk(db, gate)
    for day in range(3):
        assert await tick(desk, NINE + day * DAY) == 1
        await end(db, gate, (await runs_of(db, schedule))[-1].id)
        await tick(desk, NINE + day * DAY + MINUTE)
    assert await states(db, schedule) == [("failed", "stage.exhausted")] * 3
    found = await look(db, schedule)
    assert (found.state, found.pause_code, found.next_due_at) == (ScheduleState.PAUSED, "stage.exhausted", None)
    assert found.pause_sentence is not None
    assert "3 runs in a row failed" in found.pause_sentence
    assert await tick(desk, NINE + 9 * DAY) == 0
    assert await numbers(db, "SELECT count(*) FROM notices WHERE kind = 'schedule_paused'") == (1,)
    resumed = await planning.resume(account.id, schedule, db=db, now=NINE + 9 * DAY)
    assert (resumed.state, resumed.pause_code, resumed.statistics.failures) == (ScheduleState.ACTIVE, None, 0)


async def test_a_success_between_failures_begins_the_count_again(
    room: Workroom, studio: Studio, db: Database, gate: Gate, account: Account
) -> None:
    schedule, desk = await a_schedule(db, account), a_desk(db, gate)

    async def behave(task: Assignment) -> None:
        if task.unit.stage is Stage.INGESTION and failing:
            raise Refusal("No article.", code="source.empty")

    studio.behave = behave
    for day, failing in enumerate((True, True, False, True, True)):  # noqa: B007 - behave reads it
        assert await tick(desk, NINE + day * DAY) == 1
        await deliver_all(room)
        await tick(desk, NINE + day * DAY + MINUTE)
    found = await look(db, schedule)
    assert (found.state, found.statistics.failures, found.statistics.failed) == (ScheduleState.ACTIVE, 2, 4)


async def test_a_cancelled_reel_is_no_failure(db: Database, gate: Gate, account: Account) -> None:
    schedule, desk = await a_schedule(db, account), a_desk(db, gate)
    await tick(desk, NINE)
    await stopping.cancel(account.id, (await runs_of(db, schedule))[0].id, db=db, gate=gate)
    await tick(desk, NINE + MINUTE)
    assert await states(db, schedule) == [("cancelled", None)]
    assert (await look(db, schedule)).statistics.failures == 0


async def test_a_full_account_is_waited_for_and_then_refused(db: Database, gate: Gate) -> None:
    """Another reel is running on a plan of one at a time: it may end within the hour."""
    basic = await an_account(db, Plan.BASIC)
    first, second = await a_schedule(db, basic), await a_schedule(db, basic)
    desk = a_desk(db, gate)
    assert await tick(desk, NINE) == 1
    waits = first if (await states(db, first))[0][0] == "due" else second
    assert await states(db, waits) == [("due", "admission.limited")]
    assert await tick(desk, NINE + 5 * MINUTE) == 0
    (running,) = await numbers(db, "SELECT id FROM generations")
    await end(db, gate, running)
    assert await tick(desk, NINE + 10 * MINUTE) == 1
    assert await states(db, waits) == [("started", None)]

    assert await tick(desk, NINE + DAY) == 0  # both: the one that started yesterday still runs
    assert await tick(desk, NINE + DAY + 61 * MINUTE) == 0
    assert (await states(db, waits))[-1] == ("refused", "admission.limited")


async def test_missing_credits_refuse_and_three_refusals_pause(db: Database, gate: Gate, account: Account) -> None:
    schedule, desk = await a_schedule(db, account), a_desk(db, gate)
    async with db.begin() as tx:
        await ledger.adjust(tx, account=account.id, micro=-25_000 * MICRO, reference="x", reason="x", actor=account.id)
        await tx.execute(text("UPDATE users SET allowance_due_at = 'infinity'"))  # no month comes to its help
    for day in range(4):
        await tick(desk, NINE + day * DAY)
    assert await states(db, schedule) == [("refused", "credits.insufficient")] * 3
    found = await look(db, schedule)
    assert (found.state, found.statistics.refused) == (ScheduleState.PAUSED, 3)
    assert await numbers(db, "SELECT count(*) FROM generations") == (0,)


async def test_a_budget_of_runs_holds_for_its_month_and_pauses_nothing(
    db: Database, gate: Gate, account: Account
) -> None:
    schedule = await a_schedule(db, account, budget=Budget(runs_month=2))
    desk = a_desk(db, gate)
    for day in range(21):  # to 1 June
        await tick(desk, NINE + day * DAY)
        if day == 0:
            await end(db, gate, (await runs_of(db, schedule))[0].id)
    found = await runs_of(db, schedule)
    kinds = [run.state.value for run in found]
    assert kinds == ["failed", "started", "started", *["refused"] * 17, "started"]
    assert {run.code for run in found if run.state.value == "refused"} == {"schedule.budget_spent"}
    assert (await look(db, schedule)).state is ScheduleState.ACTIVE


async def test_a_budget_of_credits_counts_what_a_run_can_cost_then_what_it_cost(
    room: Workroom, db: Database, gate: Gate, account: Account
) -> None:
    desk = a_desk(db, gate)
    probe = await a_schedule(db, account)
    await tick(desk, NINE)
    (price,) = [run.price_micro for run in await runs_of(db, probe)]
    assert price is not None
    await planning.delete(account.id, probe, db=db)
    await deliver_all(room)
    schedule = await a_schedule(db, account, budget=Budget(micro_month=price * 17 // 10), after=NINE)
    await tick(desk, NINE + DAY)
    await tick(desk, NINE + 2 * DAY)
    assert await states(db, schedule) == [("started", None), ("refused", "schedule.budget_spent")]
    await deliver_all(room)  # and it costs less than it could have
    await tick(desk, NINE + 2 * DAY + MINUTE)
    await tick(desk, NINE + 3 * DAY)
    assert [state for state, _ in await states(db, schedule)] == ["succeeded", "refused", "started"]


async def test_a_demos_schedule_costs_nothing_and_tells_nobody(db: Database, gate: Gate, account: Account) -> None:
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET demo = true"))
    schedule, desk = await a_schedule(db, account, budget=Budget(micro_month=1)), a_desk(db, gate)
    for day in range(3):
        assert await tick(desk, NINE + day * DAY) == 1
        await end(db, gate, (await runs_of(db, schedule))[-1].id)
        await tick(desk, NINE + day * DAY + MINUTE)
    assert (await look(db, schedule)).state is ScheduleState.PAUSED
    assert await numbers(db, "SELECT (SELECT count(*) FROM notices), (SELECT count(*) FROM credit_holds)") == (0, 0)


async def test_the_account_that_is_gone_makes_nothing(db: Database, gate: Gate, account: Account) -> None:
    schedule, desk = await a_schedule(db, account), a_desk(db, gate)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET deleted_at = now()"))
    assert await tick(desk, NINE) == 0
    assert await states(db, schedule) == [("refused", "schedule.owner_gone")]


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    async with serving() as server:
        yield server


def a_feed(*items: str) -> bytes:
    return answer(rss(*items), headers={"Content-Type": "application/rss+xml"})


@pytest.mark.parametrize("only_new", [True, False])
async def test_a_feed_gives_its_newest_entry_and_then_what_is_new(
    db: Database, gate: Gate, account: Account, pages: Pages, *, only_new: bool
) -> None:
    near = frozenset({f"127.0.0.1:{pages.port}"})
    pages.routes["/feed"] = a_feed(
        an_entry("bad", "Inward", link="http://10.0.0.1/"), an_entry("2", "Second"), an_entry("1", "First")
    )
    schedule = await a_schedule(db, account, source=Feed(url=pages.url("/feed"), only_new=only_new))
    desk = a_desk(db, gate, PageFetcher(near).feed)
    await tick(desk, NINE)
    await tick(desk, NINE + DAY)
    second = [("skipped", "schedule.nothing_new", None)] if only_new else [("started", None, "First")]
    seen = [(run.state.value, run.code, run.topic) for run in await runs_of(db, schedule)]
    assert seen == [("started", None, "Second"), *second]
    pages.routes["/feed"] = a_feed(an_entry("4", "Fourth", link=""), an_entry("3", "Third"), an_entry("2", "Second"))
    await tick(desk, NINE + 2 * DAY)
    await tick(desk, NINE + 3 * DAY)
    await tick(desk, NINE + 4 * DAY)
    assert [run.topic for run in await runs_of(db, schedule)][2:] == ["Fourth", "Third", None]
    drafts = await numbers(
        db, "SELECT array_agg(source_url ORDER BY source_url) FILTER (WHERE source_url > ''), max(topic) FROM drafts"
    )
    expected = ["https://news.example/2", "https://news.example/3"]
    assert drafts == (expected if only_new else ["https://news.example/1", *expected], "Fourth")
    assert (await look(db, schedule)).statistics.failures == 0


async def test_a_feed_that_is_away_is_asked_again_and_one_that_is_none_is_refused(
    db: Database, gate: Gate, account: Account, pages: Pages
) -> None:
    near = frozenset({f"127.0.0.1:{pages.port}"})
    pages.routes["/feed"] = answer(b"", status="503 Service Unavailable")
    schedule = await a_schedule(db, account, source=Feed(url=pages.url("/feed")))
    desk = a_desk(db, gate, PageFetcher(near).feed)
    await tick(desk, NINE)
    assert await states(db, schedule) == [("due", "source.unreachable")]
    pages.routes["/feed"] = answer(b"<html><body>Moved</body></html>")
    await tick(desk, NINE + 10 * MINUTE)
    assert await states(db, schedule) == [("refused", "source.not_a_feed")]
    await tick(a_desk(db, gate, PageFetcher().feed), NINE + DAY)
    assert (await states(db, schedule))[1] == ("refused", "source.not_allowed")


async def test_another_source_begins_from_its_start(db: Database, gate: Gate, account: Account, pages: Pages) -> None:
    near = frozenset({f"127.0.0.1:{pages.port}"})
    pages.routes["/feed"] = pages.routes["/other"] = a_feed(an_entry("2", "Second"), an_entry("1", "First"))
    schedule = await a_schedule(db, account, source=Feed(url=pages.url("/feed")))
    desk = a_desk(db, gate, PageFetcher(near).feed)
    await tick(desk, NINE)
    other = Feed(url=pages.url("/other"))
    await planning.change(
        account, schedule, lambda before: replace(before, source=other), db=db, terms=desk.terms, now=NINE
    )
    await tick(desk, NINE + DAY)
    assert [run.topic for run in await runs_of(db, schedule)] == ["Second", "Second"]


async def test_reels_of_people_are_nothing_to_schedules(db: Database, gate: Gate, account: Account) -> None:
    """The question that looks at ended reels finds only those of schedules."""
    await end(db, gate, await a_generation(db, account=account))
    schedule = await a_schedule(db, account)
    await tick(a_desk(db, gate), NINE - MINUTE)
    assert (await look(db, schedule)).statistics.failed == 0

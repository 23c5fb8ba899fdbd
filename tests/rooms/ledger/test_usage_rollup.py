"""The daily figures are what both books add up to: each row once, whoever adds, whenever it was committed."""

import asyncio
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger
from reelwright.ground.ids import AccountId, GenerationId, StageRunId
from reelwright.ground.metering import Action, Use
from reelwright.ground.postgres import Database
from reelwright.ledger import rollup
from tests.builders import a_generation, an_account

TODAY = datetime.now(UTC).date


async def used(
    tx: AsyncConnection,
    owner: AccountId,
    *micro: int,
    generation: GenerationId | None = None,
    action: Action = Action.STORY,
    cost: int = 1_000,
    fence: int = 1,
) -> GenerationId:
    """Write one call for each price; a call without one failed."""
    work = generation or GenerationId(uuid4())
    rows = [
        ledger.Metered(
            account_id=owner, generation_id=work, run_id=StageRunId(uuid4()), fence=fence, call_no=0,
            stage="STORY_WRITING", scene=None, plan="pro", price_version=1,
            use=Use(action=action, provider="openai", model="m", quantity=1, prompt_tokens=10, cost_nano_usd=cost),
            credits_micro=price, succeeded=price > 0,
        )
        for price in micro
    ]  # fmt: skip
    await ledger.track_ai_usage(tx, rows)
    return work


async def rolled(db: Database, **options: int) -> ledger.RolledUp:
    """Roll up, and see that what is there now is what a roll-up from nothing would make."""
    done = await ledger.roll_up(db, **options)
    async with db.begin() as tx:
        assert await ledger.differences(tx) == []
    return done


async def totals(db: Database, by: ledger.Grouping = ledger.Grouping.ACTION) -> dict[str, tuple[int, int, int, int]]:
    """Calls, failed ones, cost and credits by key, today."""
    async with db.begin() as tx:
        lines = await ledger.report(tx, by, first=date(2000, 1, 1), last=TODAY())
    return {line.key: (line.calls, line.failed_calls, line.cost_nano_usd, line.credits_micro) for line in lines}


async def charged_work(db: Database, *prices: int, micro: int | None = None) -> tuple[AccountId, GenerationId]:
    """A generation of these calls whose hold has been captured."""
    account = await an_account(db)
    generation = await a_generation(db, account=account)
    async with db.begin() as tx:
        await ledger.hold(tx, account=account.id, generation=generation, micro=100_000_000)
        await used(tx, account.id, *prices, generation=generation)
        metered = await ledger.metered(tx, generation=generation)
        await ledger.capture(tx, generation=generation, micro=metered if micro is None else micro)
    return account.id, generation


async def test_u12_figures_are_the_calls_and_the_credits_are_the_journals(db: Database) -> None:
    """Failed work costs us and is charged to nobody; what was charged is charged, what was voided isn't."""
    owner, _ = await charged_work(db, 2_000_000, 0, 3_000_000)
    lost = await an_account(db)
    generation = await a_generation(db, account=lost)
    async with db.begin() as tx:
        await ledger.hold(tx, account=lost.id, generation=generation, micro=100)
        await used(tx, lost.id, 40, generation=generation, action=Action.IMAGE)
        await ledger.void(tx, generation=generation)
    assert (await rolled(db)).done
    assert await totals(db) == {"story": (3, 1, 3_000, 5_000_000), "image": (1, 0, 1_000, 0)}
    assert await totals(db, ledger.Grouping.USER) == {
        str(owner): (3, 1, 3_000, 5_000_000),
        str(lost.id): (1, 0, 1_000, 0),
    }
    async with db.begin() as tx:
        journal = await tx.scalar(text("SELECT sum(amount_micro) FROM credit_journal WHERE kind = 'capture'"))
    assert journal == 5_000_000


async def test_u14_costs_add_up_to_the_nano_dollar_whatever_came_of_the_calls(db: Database) -> None:
    """No rounding on the way, beyond what a float could hold; failed calls cost too, and days add to days."""
    owner = (await an_account(db)).id
    for _ in range(2):
        async with db.begin() as tx:
            await used(tx, owner, 1, 0, cost=2**53 + 1)
            await used(tx, owner, 1, cost=3)
        await rolled(db)
    assert await totals(db) == {"story": (6, 2, 4 * (2**53 + 1) + 6, 0)}


async def test_c37_shares_of_a_capture_add_up_to_it_to_the_micro_credit(db: Database) -> None:
    """Of five calls two failed; of what the other three cost not all was held. What was charged is what is shown."""
    _, generation = await charged_work(db, 333_333, 0, 333_333, 0, 333_334, micro=777_777)
    await rolled(db)
    assert (await totals(db))["story"] == (5, 2, 5_000, 777_777)
    async with db.begin() as tx:
        await ledger.refund(tx, generation=generation, micro=77_777, reference="r", reason="sorry")
    await rolled(db)
    found = await totals(db)
    assert (found["story"][3], found["refund"]) == (777_777, (0, 0, 0, -77_777))
    assert await totals(db, ledger.Grouping.PLAN) == {"pro": (5, 2, 5_000, 700_000)}


async def test_what_was_charged_without_a_call_is_shown_as_such(db: Database) -> None:
    await charged_work(db, 30, micro=50)
    await rolled(db)
    assert await totals(db) == {"story": (1, 0, 1_000, 30), "other": (0, 0, 0, 20)}


async def test_what_was_carried_over_is_used_once_and_charged_to_whom_it_went_on_for(db: Database) -> None:
    account = await an_account(db)
    died, heir = await a_generation(db, account=account), await a_generation(db, account=account)
    async with db.begin() as tx:
        await used(tx, account.id, 70, generation=died)
        runs = [StageRunId(run) for run in await tx.scalars(text("SELECT run_id FROM usage_ledger"))]
        await ledger.carry_usage(tx, runs={run: StageRunId(uuid4()) for run in runs}, heir=heir)
        await ledger.hold(tx, account=account.id, generation=heir, micro=100)
        await ledger.capture(tx, generation=heir, micro=await ledger.metered(tx, generation=heir))
    await rolled(db)
    assert await totals(db) == {"story": (1, 0, 1_000, 70)}


async def test_adding_again_in_any_batches_by_many_at_once_adds_each_row_once(db: Database) -> None:
    owner = (await an_account(db)).id
    for batch in (1, 3, 50):
        async with db.begin() as tx:
            await used(tx, owner, *range(1, 12))
        await asyncio.gather(*(ledger.roll_up(db, batch=batch) for _ in range(4)))
        for _ in range(2):
            assert (await rolled(db)).done
    assert await totals(db) == {"story": (33, 0, 33_000, 0)}


@pytest.mark.parametrize("commits", [True, False])
async def test_a_row_that_comes_to_light_behind_later_ones_is_added(db: Database, *, commits: bool) -> None:
    """Its id is lower than those of rows that are committed: a mark that went past it would never see it."""
    owner = (await an_account(db)).id
    async with db.engine.connect() as late:
        await used(late, owner, 5, cost=7)
        async with db.begin() as tx:
            await used(tx, owner, 5, cost=100)
        rolling = asyncio.create_task(ledger.roll_up(db))
        await asyncio.wait({rolling}, timeout=0.2)
        assert not rolling.done()
        assert await totals(db) == {}
        await (late.commit() if commits else late.rollback())
    assert (await rolling).done
    await rolled(db)
    assert await totals(db) == {"story": (2, 0, 107, 0) if commits else (1, 0, 100, 0)}


async def test_a_writer_that_never_ends_holds_up_the_figures_and_nothing_else(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "_PATIENCE_S", 0.05)
    owner = (await an_account(db)).id
    async with db.engine.connect() as stuck:
        await used(stuck, owner, 5)
        async with db.begin() as tx:
            await used(tx, owner, 6)
        found = await ledger.roll_up(db)
        assert (found.done, found.upto["usage_ledger"]) == (False, 0)
        await stuck.rollback()
    assert (await rolled(db)).done
    assert (await totals(db))["story"][0] == 1


async def test_a_roll_up_that_is_cut_off_has_added_all_of_a_batch_or_nothing(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = (await an_account(db)).id
    async with db.begin() as tx:
        await used(tx, owner, 1, 2, 3)
    monkeypatch.setattr(rollup, "_MOVE", text("SELECT 1 / 0, CAST(:book AS text), CAST(:upto AS bigint)"))
    with pytest.raises(Exception, match="division by zero"):
        await ledger.roll_up(db)
    monkeypatch.undo()
    assert await totals(db) == {}
    await rolled(db)
    assert (await totals(db))["story"][0] == 3


@pytest.mark.parametrize("table", ["usage_daily", "usage_totals", "usage_accounts"])
async def test_a_figure_that_was_tampered_with_is_found(db: Database, table: str) -> None:
    owner = (await an_account(db)).id
    async with db.begin() as tx:
        await used(tx, owner, 1)
    await rolled(db)
    async with db.begin() as tx:
        await tx.execute(text(f"UPDATE {table} SET cost_nano_usd = cost_nano_usd + 1"))  # noqa: S608 - one of three
        found = await ledger.differences(tx)
    told = {"usage_daily": f"{owner} ", "usage_totals": "all ", "usage_accounts": f"{owner} "}[table]
    last = " all" if table == "usage_accounts" else ""
    assert any(fact.startswith(told) and fact.endswith(last) for fact in found), found


async def test_days_are_utc_days(db: Database) -> None:
    owner = (await an_account(db)).id
    async with db.begin() as tx:
        await tx.execute(text("SET LOCAL timezone = 'Pacific/Kiritimati'"))
        await used(tx, owner, 1)
    async with db.begin() as tx:
        await tx.execute(text("ALTER TABLE usage_ledger DISABLE TRIGGER append_only"))
        await tx.execute(text("UPDATE usage_ledger SET at = '2026-03-01 01:00+02'"))
        await tx.execute(text("ALTER TABLE usage_ledger ENABLE TRIGGER append_only"))
    await rolled(db)
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT day FROM usage_daily")) == date(2026, 2, 28)


async def test_c34_a_user_who_left_stays_in_the_books_without_a_name(db: Database) -> None:
    owner, generation = await charged_work(db, 2_000_000)
    async with db.begin() as tx:
        gone = text("UPDATE users SET deleted_at = now(), email = 'deleted-' || id WHERE id = :id")
        await tx.execute(gone, {"id": owner})
    await rolled(db)
    async with db.begin() as tx:
        assert await ledger.verify(tx) == ()
        assert await ledger.charged(tx, generation=generation) == 2_000_000
        (line,) = await ledger.top_consumers(tx, ledger.Ranking.CREDITS, first=TODAY(), last=TODAY(), limit=5)
    with pytest.raises(Exception, match="violates foreign key"):
        async with db.begin() as tx:
            await tx.execute(text("DELETE FROM users WHERE id = :id"), {"id": owner})
    assert (UUID(line.key), line.credits_micro) == (owner, 2_000_000)

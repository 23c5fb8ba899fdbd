"""Alerts: U1 to U7 and U11 of the reference, low balance, generation limits, and what a month's end tells."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.accounts import Account, Accounts
from reelwright.admission import Gate
from reelwright.billing import calendar_period
from reelwright.generations import GenerationKind
from reelwright.ground import clock
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import alerts, ending, production, stopping
from reelwright.journeys.workroom import Workroom
from reelwright.ledger import Origin
from tests.builders import a_generation
from tests.journeys.conftest import deliver_all, order, waiting
from tests.promised import as_promised

ENDS = datetime(2040, 2, 1, tzinfo=UTC)
ALLOWANCE = ("allowance_80", "allowance_90", "allowance_100")


async def an_account(db: Database, **more: Any) -> Account:
    """An account without any credits."""
    async with db.begin() as tx:
        return await Accounts(session=tx).create(email=f"{uuid4().hex}@example.com", **more)


async def give(db: Database, account: Account, micro: int, *, ends: datetime = ENDS, monthly: bool = True) -> None:
    async with db.begin() as tx:
        await ledger.grant(
            tx,
            account=account.id,
            micro=micro,
            source=uuid4().hex,
            origin=Origin.MONTHLY if monthly else Origin.PURCHASE,
            expires_at=ends if monthly else None,
        )


async def spend(db: Database, account: Account, micro: int, *, now: datetime | None = None) -> GenerationId:
    """Hold and capture so much in one transaction, and measure, as the end of a generation does."""
    generation = await a_generation(db, account=account)
    async with db.begin() as tx:
        await ledger.hold(tx, account=account.id, generation=generation, micro=micro)
        await ledger.capture(tx, generation=generation, micro=micro)
        await alerts.measure(tx, account.id, now=now or clock.now())
    return generation


async def rows(db: Database, *, loud: bool = True) -> list[Any]:
    query = "SELECT kind, key, facts, mail_state FROM notices ORDER BY told_at, kind"
    async with db.begin() as tx:
        found = (await tx.execute(text(query))).all()
    for row in found:
        as_promised(row.kind, row.facts)
    return [row for row in found if not loud or row.mail_state != "none"]


async def told(db: Database) -> list[str]:
    return [row.kind for row in await rows(db) if row.kind in ALLOWANCE]


@pytest.mark.parametrize(
    ("limit", "firsts"),
    [(1, (1, 1, 1)), (2, (2, 2, 2)), (3, (3, 3, 3)), (7, (6, 7, 7)), (10, (8, 9, 10)), (1001, (801, 901, 1001))],
)
def test_a_threshold_is_reached_in_whole_numbers(limit: int, firsts: tuple[int, int, int]) -> None:
    """U1: exactly at 80.0 %, never a unit before; with small limits several at once."""
    for threshold, first in zip((80, 90, 100), firsts, strict=True):
        assert threshold in alerts.crossed(first, limit)
        assert threshold not in alerts.crossed(first - 1, limit)


@pytest.mark.parametrize("limit", [0, -1, None])
def test_without_a_limit_nothing_is_reached(limit: int | None) -> None:
    """U6."""
    assert alerts.crossed(10**9, limit) == ()


async def test_each_threshold_is_told_once_where_it_is_crossed(db: Database) -> None:
    """U1 on real credits: ten of them, one after the other."""
    account = await an_account(db)
    await give(db, account, 10)
    seen = list[int]()
    for _ in range(10):
        await spend(db, account, 1)
        seen.append(len(await told(db)))
    assert seen == [0, 0, 0, 0, 0, 0, 0, 1, 2, 3]
    assert await told(db) == list(ALLOWANCE)
    facts = next(row.facts for row in await rows(db) if row.kind == "allowance_80")
    assert (facts["pool"], facts["threshold"], facts["used_micro"], facts["limit_micro"]) == ("credits", 80, 8, 10)


async def test_what_is_held_is_not_used(db: Database) -> None:
    account = await an_account(db)
    await give(db, account, 10)
    generation = await a_generation(db, account=account)
    async with db.begin() as tx:
        await ledger.hold(tx, account=account.id, generation=generation, micro=10)
        assert await alerts.measure(tx, account.id, now=clock.now()) <= 1
    assert await told(db) == []


async def test_a_jump_tells_the_highest_and_notes_the_others(db: Database) -> None:
    """U2: from 70 to 100 %; and U4, from there back to 85 by a refund, tells nothing more."""
    account = await an_account(db)
    await give(db, account, 100)
    await spend(db, account, 70)
    last = await spend(db, account, 30)
    assert await told(db) == ["allowance_100"]
    noted = sorted(row.kind for row in await rows(db, loud=False) if row.kind in ALLOWANCE)
    assert noted == sorted(ALLOWANCE)
    async with db.begin() as tx:
        await ledger.refund(tx, generation=last, micro=15, reference="r", reason="test")
        await alerts.measure(tx, account.id, now=clock.now())
    await spend(db, account, 1)
    assert await told(db) == ["allowance_100"]


async def test_many_that_cross_it_together_tell_it_once(db: Database) -> None:
    """U3."""
    account = await an_account(db)
    await give(db, account, 100)
    await spend(db, account, 76)
    await asyncio.gather(*(spend(db, account, 2) for _ in range(6)))
    assert await told(db) == ["allowance_80"]


async def test_a_refund_and_a_second_crossing_tell_nothing(db: Database) -> None:
    """U4."""
    account = await an_account(db)
    await give(db, account, 100)
    first = await spend(db, account, 85)
    async with db.begin() as tx:
        await ledger.refund(tx, generation=first, micro=50, reference="r", reason="test")
    await spend(db, account, 40)
    assert await told(db) == ["allowance_80"]
    await spend(db, account, 20)
    assert await told(db) == ["allowance_80", "allowance_90"]


async def test_another_limit_and_another_period_begin_anew(db: Database) -> None:
    """U5, the difference that an upgrade gives; U7, the next month."""
    account = await an_account(db)
    await give(db, account, 100)
    await spend(db, account, 80)
    await give(db, account, 100)
    await spend(db, account, 70)
    assert await told(db) == ["allowance_80"]
    await spend(db, account, 10)
    assert await told(db) == ["allowance_80", "allowance_80"]
    after = ENDS + timedelta(days=3)
    await give(db, account, 200, ends=ENDS + timedelta(days=29))
    async with db.begin() as tx:
        await tx.execute(text("UPDATE credit_lots SET remaining_micro = 0 WHERE expires_at = :ends"), {"ends": ENDS})
        await tx.execute(text("UPDATE credit_lots SET remaining_micro = 40 WHERE remaining_micro > 0"))
        await alerts.measure(tx, account.id, now=after)
        await tx.execute(text("DELETE FROM credit_lots WHERE remaining_micro = 0 AND held_micro = 0"))
    assert await told(db) == ["allowance_80"] * 3


async def test_what_was_taken_back_or_repaid_was_not_used(db: Database) -> None:
    """A dispute takes half of an allowance back and gives it again; a debt is paid, and an administrator takes some."""
    account = await an_account(db)
    await give(db, account, 100)
    await spend(db, account, 10)
    async with db.begin() as tx:
        await ledger.clawback(tx, account=account.id, micro=95, reference="dispute", reason="")
        await alerts.measure(tx, account.id, now=clock.now())
        await ledger.grant(
            tx, account=account.id, micro=95, source="returned:dispute:2", origin=Origin.MONTHLY, expires_at=ENDS
        )
        await ledger.adjust(tx, account=account.id, micro=-20, reference="x", reason="x", actor=uuid4())
        await alerts.measure(tx, account.id, now=clock.now())
    assert [row.kind for row in await rows(db, loud=False) if row.kind in ALLOWANCE] == []
    async with db.begin() as tx:  # what is left of it can be used: of the allowance that there was, not of twice that
        await ledger.adjust(tx, account=account.id, micro=40, reference="y", reason="x", actor=uuid4())
    await spend(db, account, 69)
    assert await told(db) == []
    await spend(db, account, 1)
    facts = [row.facts for row in await rows(db) if row.kind in ALLOWANCE]
    assert [(one["used_micro"], one["limit_micro"]) for one in facts] == [(80, 100)]


async def test_a_demo_is_told_nothing(db: Database) -> None:
    """U11."""
    account = await an_account(db, demo=True)
    await give(db, account, 10)
    await spend(db, account, 10)
    assert await rows(db, loud=False) == []


async def test_a_low_balance_is_told_once_until_credits_come_in(db: Database) -> None:
    account = await an_account(db)
    await give(db, account, 1_000_000_000, monthly=False)
    await spend(db, account, 900_000_000)
    assert await rows(db) == []
    for _ in range(2):
        await spend(db, account, 30_000_000)
    assert [row.kind for row in await rows(db)] == ["low_balance"]
    await give(db, account, 20_000_000, monthly=False)
    await spend(db, account, 5_000_000)
    assert [row.kind for row in await rows(db)] == ["low_balance", "low_balance"]
    await spend(db, account, 55_000_000)
    assert [row.kind for row in await rows(db)][2:] == ["credits_exhausted"]


async def test_the_end_of_the_allowance_and_of_all_credits_is_one_letter(db: Database) -> None:
    account = await an_account(db)
    await give(db, account, 100_000_000)
    await spend(db, account, 100_000_000)
    kinds = {row.kind: row.mail_state for row in await rows(db, loud=False)}
    assert kinds.pop("allowance_100") == "waiting"
    assert set(kinds) == {"allowance_80", "allowance_90", "low_balance", "credits_exhausted"}
    assert set(kinds.values()) == {"none"}


async def started(db: Database, account: Account, more: int) -> None:
    """Let the account have started so many more generations this month."""
    generation = await a_generation(db, account=account)
    async with db.begin() as tx:
        copied = """
            INSERT INTO generations SELECT (jsonb_populate_record(g, jsonb_build_object('id', gen_random_uuid()))).*
              FROM generations g, generate_series(2, :more) WHERE g.id = :id
        """
        await tx.execute(text(copied), {"more": more, "id": generation})


async def test_the_months_generations_are_warned_of_at_the_plans_own_limit(db: Database) -> None:
    account = await an_account(db)  # Basic: 60 a month
    seen = list[int]()
    for more in (47, 1, 1, 5, 1, 5):
        await started(db, account, more)
        async with db.begin() as tx:
            seen.append(await alerts.measure(tx, account.id, now=clock.now()))
    assert seen == [0, 1, 0, 1, 0, 1]
    thresholds = [row.facts["threshold"] for row in await rows(db)]
    assert thresholds == [80, 90, 100]
    async with db.begin() as tx:
        await Accounts(session=tx).set_plan(account.id, "standard")
        assert await alerts.measure(tx, account.id, now=clock.now()) == 0


async def test_what_a_cancel_takes_is_measured_as_well(db: Database, gate: Gate, room: Workroom) -> None:
    account = await an_account(db, plan="pro")
    await give(db, account, 1_000_000_000)
    await spend(db, account, 799_999_999)
    begun = await order(account, db, gate, kind=GenerationKind.SCRIPT)
    (message, *_) = await waiting(db)
    await production.perform(message, room=room)
    assert await told(db) == []

    await stopping.cancel(account.id, begun.generation_id, db=db, gate=gate)

    async with db.begin() as tx:
        assert await ledger.charged(tx, generation=begun.generation_id) > 0
    assert await told(db) == ["allowance_80"]


async def test_a_reel_that_ends_is_told_with_its_price_in_the_same_transaction(
    db: Database, gate: Gate, room: Workroom
) -> None:
    account = await an_account(db, plan="pro")
    await give(db, account, 1_000_000_000)
    done = await order(account, db, gate, kind=GenerationKind.SCRIPT)
    await deliver_all(room)
    failed = await order(account, db, gate, kind=GenerationKind.SCRIPT)
    for _ in range(2):
        await ending.give_up(failed.generation_id, db=db, gate=gate, why=ending.TOO_LATE)
    found = {row.kind: row for row in await rows(db, loud=False)}
    assert set(found) == {"generation_succeeded", "generation_failed"}
    assert found["generation_succeeded"].key == str(done.generation_id)
    assert found["generation_succeeded"].facts["credits_micro"] > 0
    assert found["generation_failed"].facts["code"] == "generation.deadline"
    assert "Cats" not in str(found)


async def test_a_months_end_is_told_once_to_those_who_were_active(db: Database) -> None:
    active, demo = await an_account(db), await an_account(db, demo=True)
    await an_account(db)  # did nothing
    month = calendar_period(datetime(2041, 3, 1, tzinfo=UTC))
    for account in (active, demo):
        await give(db, account, 100, ends=datetime(2050, 1, 1, tzinfo=UTC))
        await spend(db, account, 9)
    await a_generation(db, account=active)
    async with db.begin() as tx:
        await tx.execute(text("DELETE FROM notices"))
        await tx.execute(text("UPDATE generations SET admitted_at = '2041-02-11T12:00Z'"))
        await tx.execute(text("UPDATE generations SET demo = true WHERE account_id = :id"), {"id": demo.id})
    months = alerts.Months()
    assert await months.sweep(db=db, now=month.start) == 1
    assert [row.kind for row in await rows(db, loud=False)] == ["quota_reset"]
    later = month.start + timedelta(hours=3)
    counted = await asyncio.gather(*(alerts.Months().sweep(db=db, now=later) for _ in range(3)))
    assert sum(counted) == 1
    assert await months.sweep(db=db, now=later) == 0
    (summary,) = [row for row in await rows(db) if row.kind == "monthly_summary"]
    assert summary.key == "204102"
    assert (summary.facts["generations"], summary.facts["credits_micro"]) == (2, 9)
    assert await alerts.Months().sweep(db=db, now=month.start + timedelta(days=20)) == 0
    assert {row.key for row in await rows(db, loud=False)} == {"204102", "204103"}

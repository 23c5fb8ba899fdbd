"""A month's turn: everybody's credits by a chore, in few statements, once, and without waiting for anybody.

REELWRIGHT_PEOPLE=10000 lets so many have their month, instead of 200; with so many a minute must do, and whoever orders
meanwhile waits for less than two seconds.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from time import perf_counter

import pytest
from sqlalchemy import event, text

from reelwright import ledger
from reelwright.accounts import Accounts
from reelwright.admission import Gate
from reelwright.billing import Plan
from reelwright.generations import GenerationKind
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import allowances
from reelwright.journeys import credits as money
from tests.builders import an_account
from tests.journeys import conftest as making
from tests.journeys.refilling import ANCHOR, DAY, MONTHS, Books, allowance, books, told

PEOPLE = int(os.environ.get("REELWRIGHT_PEOPLE", "200"))
LEAST_ORDERS, MOST_ORDERS = 16, 600


async def test_everybody_is_refilled_once_however_many_do_it(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four at once, in batches; who is deleted or a demo gets nothing, and who can't be done holds up nobody."""
    monkeypatch.setattr(allowances, "_BATCH", 7)
    accounts = [await an_account(db, Plan.BASIC) for _ in range(16)]
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET deleted_at = now() WHERE id = :id"), {"id": accounts[0].id})
        await Accounts(session=tx).set_demo(accounts[1].id, demo=True)
    given = await asyncio.gather(*(allowances.refill_due(db=db, now=ANCHOR) for _ in range(4)))
    assert (sum(given), await allowances.refill_due(db=db, now=ANCHOR)) == (14, 0)
    async with db.begin() as tx:
        lots = await tx.scalar(text("SELECT count(*) FROM credit_lots WHERE right(external_ref, 6) = '202701'"))
    assert lots == 14
    assert await allowances.refill_due(db=db, now=ANCHOR + DAY) == 14
    assert await money.verify(db=db) == ()


async def test_one_account_that_fails_holds_up_none_behind_it(
    db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(allowances, "_BATCH", 2)
    broken, *others = [await an_account(db, Plan.BASIC) for _ in range(5)]
    give = allowances.give

    async def gives(tx: object, account_id: AccountId, *, now: datetime) -> int:
        if account_id == broken.id:
            raise ValueError("broken")
        return await give(tx, account_id, now=now)

    top_up = ledger.top_up

    async def tops_up(tx: object, wanted: Sequence[ledger.TopUp], **terms: object) -> int:
        if broken.id in {one.account for one in wanted}:
            raise ValueError("broken")
        return await top_up(tx, wanted, **terms)

    monkeypatch.setattr(allowances, "give", gives)
    monkeypatch.setattr(ledger, "top_up", tops_up)
    assert await allowances.refill_due(db=db, now=ANCHOR) == len(others)
    assert "allowances.batch_failed" in caplog.text
    assert caplog.text.count("rounds.account_failed") == 1
    monkeypatch.undo()
    assert await allowances.refill_due(db=db, now=ANCHOR) == 1


async def many(db: Database) -> None:
    async with db.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO users (id, email, role, plan, given_plan, email_verified_at)"
                " SELECT gen_random_uuid(), n || '@example.com', 'user', plan, plan, now()"
                " FROM generate_series(1, CAST(:people AS integer)) AS n,"
                " LATERAL (VALUES ('basic'), ('pro')) AS of (plan)"
                " WHERE (n % 4 = 0) = (plan = 'pro')"
            ),
            {"people": PEOPLE},
        )


async def test_a_months_turn_of_many_accounts_takes_few_statements(db: Database) -> None:
    """Fewer than one for each ten accounts, sent behind one another or not; and everybody's books are right."""
    await many(db)
    sent: list[str] = []

    def count(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        sent.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", count)
    began = perf_counter()
    assert await allowances.refill_due(db=db, now=ANCHOR, most=PEOPLE) == PEOPLE
    took = perf_counter() - began
    event.remove(db.engine.sync_engine, "before_cursor_execute", count)
    assert 0 < len(sent) < PEOPLE / 5
    assert took < 60
    print(f"{PEOPLE:,} months given in {took:.1f} s by {len(sent):,} statements")  # noqa: T201 - with -s
    async with db.begin() as tx:
        lots = await tx.execute(
            text("SELECT plan, amount_micro FROM credit_lots l JOIN users u ON u.id = l.account_id")
        )
        given = Counter(tuple(lot) for lot in lots)
    assert given == {("basic", allowance("basic")): PEOPLE * 3 // 4, ("pro", allowance("pro")): PEOPLE // 4}
    assert await money.verify(db=db) == ()


async def test_orders_go_on_while_everybodys_month_turns(
    db: Database, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers turn the month for all; whoever orders meanwhile is served, and gets the month as all do, once."""
    monkeypatch.setattr(making, "PLACES", {})  # nobody waits for a provider here
    await many(db)
    assert await allowances.refill_due(db=db, now=ANCHOR, most=PEOPLE) == PEOPLE
    async with db.begin() as tx:
        chosen = await tx.scalars(text("SELECT id FROM users ORDER BY id LIMIT :most"), {"most": MOST_ORDERS})
        people = [found for one in chosen if (found := await Accounts(session=tx).get(AccountId(one)))]
    left, took = iter(people), list[float]()
    turns = [asyncio.create_task(allowances.refill_due(db=db, now=ANCHOR + DAY, most=PEOPLE)) for _ in range(2)]

    async def orders() -> None:
        for person in left:
            began = perf_counter()
            await making.order(person, db, gate, kind=GenerationKind.SCRIPT)
            took.append(perf_counter() - began)
            if turns[0].done() and turns[1].done() and len(took) >= LEAST_ORDERS:
                break

    async with asyncio.TaskGroup() as hands:
        for _ in range(4):
            hands.create_task(orders())
    given = sum([await turn for turn in turns])
    given += await allowances.refill_due(db=db, now=ANCHOR + DAY, most=PEOPLE)
    assert given == PEOPLE
    print(f"{len(took)} orders meanwhile, the longest took {max(took):.2f} s")  # noqa: T201 - with -s
    assert len(took) >= LEAST_ORDERS
    assert max(took) < (2 if PEOPLE > 200 else 5)  # a lock is waited for for five seconds
    async with db.begin() as tx:
        lots = (await tx.execute(text("SELECT account_id, external_ref FROM credit_lots"))).all()
        held = await tx.scalar(text("SELECT count(*) FROM credit_holds WHERE state = 'pending'"))
    assert (len(lots), len({lot.account_id for lot in lots}), held) == (2 * PEOPLE, PEOPLE, len(took))
    assert await money.verify(db=db) == ()


async def test_a_months_turn_waits_for_nobody_and_comes_back_for_who_was_busy(db: Database) -> None:
    busy, ordering, idle = [await an_account(db, Plan.BASIC) for _ in range(3)]
    async with db.begin() as tx:
        await Accounts(session=tx).lock(busy.id)
        async with db.begin() as other:
            await ledger.granted(other, account=ordering.id, source="x")  # locks the credits
            async with asyncio.timeout(4):  # a lock is waited for for five seconds
                assert await allowances.refill_due(db=db, now=ANCHOR) == 1
    assert await Books(db, idle).refill(ANCHOR) == 0
    assert await allowances.refill_due(db=db, now=ANCHOR) == 2


async def test_who_paid_and_who_pays_has_own_months_at_a_months_turn(db: Database) -> None:
    """A subscription's month and a paid one that outlived it, beside people who pay nothing."""
    paying, left, plain = [await books(db) for _ in range(3)]
    await paying.tell(told(MONTHS[0], ANCHOR))
    await left.pay(0)
    assert await allowances.refill_due(db=db, now=ANCHOR) == 1
    assert [len(await own.lots()) for own in (paying, left, plain)] == [1, 2, 2]

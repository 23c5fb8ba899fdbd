"""Boundary cases of the credits by their numbers, those that no other file has; and that every number has its test."""

import ast
from collections.abc import AsyncGenerator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from reelwright import ledger
from reelwright.admission import Periods
from reelwright.billing import Plan
from reelwright.generations import GenerationKind
from reelwright.ground import clock
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.metering import Action
from reelwright.ground.postgres import Database
from reelwright.journeys import credits as journey
from reelwright.journeys import pricing
from reelwright.ledger import Origin
from tests.builders import a_gate, an_account
from tests.journeys.conftest import order
from tests.rooms.generations import made
from tests.rooms.ledger.cases import CASES

ROOT = Path(__file__).resolve().parents[3]


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_every_case_is_shown_by_tests_that_exist() -> None:
    assert [*CASES] == [f"C{number}" for number in range(1, 41)]
    named = [(case, *test.split("::")) for case, tests in CASES.items() for test in tests]
    assert [f"{case}: {file}::{test}" for case, file, test in named if test not in names_in(file)] == []


async def owner_with(db: Database, micro: int, work: int = 1) -> tuple[AccountId, list[GenerationId]]:
    async with db.begin() as tx:
        owner = await made.account(tx)
        await ledger.grant(tx, account=owner, micro=micro, source=str(owner))
        return owner, [await made.generation(tx, owner) for _ in range(work)]


async def lines(db: Database, owner: AccountId) -> list[tuple[str, int]]:
    """The account's journal; and the books are right."""
    async with db.begin() as tx:
        assert await ledger.verify(tx) == ()
        return [(line.kind, line.amount_micro) for line in await ledger.transactions(tx, account=owner)][::-1]


@pytest.fixture
async def free(db: Database) -> AsyncGenerator[None]:
    """A price list by which nothing costs anything. Lists are seeded and not emptied: it is taken away afterwards."""
    by = await an_account(db)
    costs = dict.fromkeys(Action, 0)
    await pricing.publish(costs, key="free", note="", effective_from=None, by=by, db=db, now=clock.now())
    yield
    async with db.begin() as tx:
        await tx.execute(text("TRUNCATE generations CASCADE"))
        await tx.execute(text("DELETE FROM action_costs WHERE version > 1"))
        await tx.execute(text("DELETE FROM price_versions WHERE version > 1"))


@pytest.mark.usefixtures("free")
async def test_c03_c38_free_work_takes_a_unit_and_no_credits(db: Database, redis: Any) -> None:
    account, gate = await an_account(db, Plan.BASIC), a_gate(db, redis)
    before = await lines(db, account.id)
    started = await order(account, db, gate, kind=GenerationKind.SCRIPT)
    assert started.price_micro == 0
    async with db.begin() as tx:
        ended = await ledger.capture(tx, generation=started.generation_id, micro=0)
        holds = await tx.scalar(text("SELECT count(*) FROM credit_holds"))
    assert (ended.captured_micro, ended.voided_micro, holds) == (0, 0, 0)
    assert await lines(db, account.id) == before
    assert (await gate.counted(account.id, Periods.at(clock.now()))).generations_month == 1
    assert await journey.verify(db=db) == ()
    await gate.close()


async def test_c05_a_hold_ends_once_and_every_later_end_is_told_how(db: Database) -> None:
    owner, (taken, freed) = await owner_with(db, 100, work=2)
    async with db.begin() as tx:
        for work in (taken, freed):
            await ledger.hold(tx, account=owner, generation=work, micro=20)
        assert await ledger.capture(tx, generation=taken, micro=15) == ledger.Settlement(15, 5, now=True)
        assert await ledger.void(tx, generation=freed) == ledger.Settlement(0, 20, now=True)
    async with db.begin() as tx:
        for work, how in ((taken, (15, 5)), (freed, (0, 20))):
            again = ledger.Settlement(*how, now=False)
            assert await ledger.capture(tx, generation=work, micro=20) == again
            assert await ledger.void(tx, generation=work, ours=True) == again
            assert await ledger.capture(tx, generation=work, micro=0) == again
    assert await lines(db, owner) == [
        ("grant", 100), ("hold", 20), ("hold", 20), ("capture", 15), ("void", 5), ("void", 20),
    ]  # fmt: skip


async def test_c07_more_than_was_held_is_ours_to_bear(db: Database) -> None:
    owner, (work,) = await owner_with(db, 100)
    async with db.begin() as tx:
        await ledger.hold(tx, account=owner, generation=work, micro=30)
        assert await ledger.capture(tx, generation=work, micro=31) == ledger.Settlement(30, 0, now=True)
    assert await lines(db, owner) == [("grant", 100), ("hold", 30), ("capture", 30)]
    with pytest.raises(IntegrityError, match="ck_credit_holds_captured_micro"):
        async with db.begin() as tx:
            await tx.execute(text("UPDATE credit_holds SET captured_micro = 31"))


async def test_c11_a_success_behind_the_end_of_its_hold_moves_nothing(db: Database) -> None:
    """The sweep ended the work; then its worker comes back and would be paid. The caller sees `now` and tells."""
    owner, (work,) = await owner_with(db, 100)
    async with db.begin() as tx:
        await ledger.hold(tx, account=owner, generation=work, micro=30)
        await ledger.void(tx, generation=work, ours=True)
    before = await lines(db, owner)
    async with db.begin() as tx:
        assert await ledger.capture(tx, generation=work, micro=30) == ledger.Settlement(0, 30, now=False)
        assert await ledger.charged(tx, generation=work) == 0
    assert await lines(db, owner) == before


async def test_c18_a_month_rolls_nothing_over_and_takes_nothing_bought(db: Database) -> None:
    now, month = clock.now(), timedelta(days=30)
    async with db.begin() as tx:
        owner = await made.account(tx)
        await ledger.grant(tx, account=owner, micro=50, source="pack", origin=Origin.PURCHASE)
        for name, begins in (("last", now - month), ("this", now)):
            await ledger.grant(
                tx, account=owner, micro=100, source=name, origin=Origin.MONTHLY, effective_at=begins - timedelta(1),
                expires_at=begins + month if name == "this" else now - timedelta(seconds=1),
            )  # fmt: skip
        found = await ledger.balance(tx, account=owner)
    assert found.available_micro == 150
    assert await lines(db, owner) == [("grant", 50), ("grant", 100), ("expire", 100), ("grant", 100)]


async def test_c23_what_no_book_can_hold_leaves_it_as_it_was(db: Database) -> None:
    """The largest amount goes in seven times; the eighth is beyond 2^63 - 1, and nothing of it stays."""
    owner, _ = await owner_with(db, 1)
    for number in range(7):
        async with db.begin() as tx:
            await ledger.grant(tx, account=owner, micro=2**60, source=f"much:{number}")
    before = await lines(db, owner)
    with pytest.raises(DBAPIError):
        async with db.begin() as tx:
            await ledger.grant(tx, account=owner, micro=2**60, source="too much")
    assert await lines(db, owner) == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE credit_balances SET available_micro = -1",
        "UPDATE credit_balances SET held_micro = -1",
        "UPDATE credit_balances SET debt_micro = -1",
        "UPDATE credit_lots SET remaining_micro = -1",
        "UPDATE credit_lots SET held_micro = -1",
        "UPDATE credit_lots SET amount_micro = -1",
        "UPDATE credit_holds SET amount_micro = -1",
        "UPDATE credit_holds SET refunded_micro = -1",
        """
        INSERT INTO credit_journal (account_id, seq, kind, from_bucket, to_bucket, amount_micro, source,
                                    available_after_micro, held_after_micro, debt_after_micro)
        SELECT account_id, 9, 'expire', 'available', 'expired', -1, 'x', 0, 0, 0 FROM credit_balances
        """,
    ],
)
async def test_c24_the_database_refuses_amounts_below_zero_too(db: Database, change: str) -> None:
    owner, (work,) = await owner_with(db, 10)
    async with db.begin() as tx:
        await ledger.hold(tx, account=owner, generation=work, micro=4)
    with pytest.raises(IntegrityError, match="violates check constraint"):
        async with db.begin() as tx:
            await tx.execute(text(change))


async def test_c36_three_attempts_hold_three_times_and_one_is_paid_for(db: Database) -> None:
    owner, (work,) = await owner_with(db, 100)
    for attempt in (1, 2, 3):
        async with db.begin() as tx:
            await ledger.hold(tx, account=owner, generation=work, micro=40, attempt=attempt)
        async with db.begin() as tx:
            if attempt < 3:
                await ledger.void(tx, generation=work, ours=True)
            else:
                await ledger.capture(tx, generation=work, micro=40)
    kinds = [kind for kind, _ in await lines(db, owner)]
    assert [kinds.count(kind) for kind in ("hold", "void", "capture")] == [3, 2, 1]
    async with db.begin() as tx:
        assert await ledger.charged(tx, generation=work) == 40

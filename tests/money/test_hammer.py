"""A short hammering in every run, and proof that it could fail. `python -m tests.money.hammer` is the long one."""

import asyncio
import io
import random
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger
from reelwright.ground.postgres import Database
from reelwright.journeys import credits as journey
from tests.money.commands import KINDS, Hand, purses
from tests.money.mutants import MUTANTS
from tests.money.recomputed import recomputed
from tests.rooms.generations import made

SLICE = ("--processes", "2", "--seconds", "4", "--seed", "1", "--accounts", "12")
C40 = 2_000


async def test_killed_processes_and_cut_connections_leave_books_that_the_journal_makes_again(
    db: Database, database_url: str
) -> None:
    command = (sys.executable, "-m", "tests.money.hammer", *SLICE, "--database", database_url)
    hammer = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told = (await hammer.communicate())[0].decode()

    assert hammer.returncode == 0, told
    assert told.splitlines()[-1] == "the books, made again from the journal, are the stored ones"
    assert " 0 processes killed" not in told
    assert " 0 connections cut" not in told
    async with db.begin() as tx:
        assert await ledger.verify(tx) == ()


async def test_c40_nothing_appears_or_vanishes_in_two_thousand_random_commands(db: Database) -> None:
    """`tests.money.hammer --calm --commands 100000` does a hundred thousand."""
    told, all_of = io.StringIO(), await purses(db, 5)
    hand = Hand(db, all_of, "c40", random.Random(1), told)
    while hand.number < C40:
        async with db.begin() as tx:
            await replace(hand, db=Joined(tx)).until(float("inf"), hand.number + 50)
            hand.number += 50

    async with db.begin() as tx:
        books = await recomputed(tx)
        assert books.wrong == []
        assert await ledger.verify(tx) == ()
    assert set(books.count) >= {"grant", "hold", "capture", "void", "refund", "expire", "clawback", "adjust", "repay"}
    assert told.getvalue().count('"accepted"') > C40 / 2
    assert all(f'"kind": "{kind}"' in told.getvalue() for kind in KINDS)


class Joined(Database):
    """Many commands in one transaction: what is asked here is not who came first, and it takes half the time."""

    def __init__(self, tx: AsyncConnection) -> None:
        self.tx = tx

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[AsyncConnection]:
        yield self.tx


async def some_books(tx: AsyncConnection) -> None:
    """Two lots, a hold over both that was captured in part and refunded in part, one that waits, and a correction."""
    owner = await made.account(tx)
    await ledger.grant(tx, account=owner, micro=20, source=f"{owner}:1", origin=ledger.Origin.PROMO)
    await ledger.grant(tx, account=owner, micro=100, source=f"{owner}:2")
    for micro, taken in ((30, 24), (10, None)):
        work = await made.generation(tx, owner)
        await ledger.hold(tx, account=owner, generation=work, micro=micro)
        if taken:
            await ledger.capture(tx, generation=work, micro=taken)
            await ledger.refund(tx, generation=work, micro=7, reference="r", reason="")
    await ledger.adjust(tx, account=owner, micro=-5, reference="a", reason="", actor=uuid4())


TAMPERINGS = {
    "a line's amount": "UPDATE credit_journal SET amount_micro = amount_micro + 1 WHERE kind = 'capture'",
    "a line's arithmetic": "UPDATE credit_journal SET available_after_micro = 0 WHERE kind = 'adjust'",
    "a line that is gone": "DELETE FROM credit_journal WHERE kind = 'refund'",
    "a line's account's last": "DELETE FROM credit_journal WHERE kind = 'adjust'",
    "a line twice": """
        INSERT INTO credit_journal (account_id, seq, kind, from_bucket, to_bucket, amount_micro, available_after_micro,
                                    held_after_micro, debt_after_micro, generation_id, source)
        SELECT account_id, 99, kind, from_bucket, to_bucket, amount_micro, available_after_micro, held_after_micro,
               debt_after_micro, generation_id, source || 'x' FROM credit_journal WHERE kind = 'refund'
    """,
    "what is available": "UPDATE credit_balances SET available_micro = available_micro + 1",
    "what is held": "UPDATE credit_balances SET held_micro = held_micro + 1",
    "what is owed": "UPDATE credit_balances SET debt_micro = debt_micro + 1",
    "how many lines there are": "UPDATE credit_balances SET version = version + 1",
    "an account that is gone": "DELETE FROM credit_balances",
    "what a lot was": "UPDATE credit_lots SET amount_micro = amount_micro + 1",
    "what a lot has left": "UPDATE credit_lots SET remaining_micro = remaining_micro - 1 WHERE remaining_micro > 0",
    "what is pinned in a lot": "UPDATE credit_lots SET held_micro = held_micro + 1 WHERE remaining_micro = 0",
    "a lot too many": """
        INSERT INTO credit_lots (id, account_id, origin, amount_micro, remaining_micro, priority, external_ref)
        SELECT gen_random_uuid(), account_id, origin, 1, 0, priority, 'grant:x' FROM credit_lots LIMIT 1
    """,
    "what a hold was": "UPDATE credit_holds SET amount_micro = amount_micro + 1",
    "what a hold took": "UPDATE credit_holds SET captured_micro = captured_micro - 1 WHERE state = 'captured'",
    "what was paid back": "UPDATE credit_holds SET refunded_micro = refunded_micro - 1 WHERE refunded_micro > 0",
    "how a hold ended": "UPDATE credit_holds SET state = 'voided', settled_at = now() WHERE state = 'pending'",
    "what a hold is of": "UPDATE credit_holds SET lot_ids = ARRAY[lot_ids[2], lot_ids[1]] WHERE state = 'captured'",
    "a hold that is gone": "DELETE FROM credit_holds WHERE state = 'pending'",
}


async def test_whatever_is_changed_behind_the_ledgers_back_is_found(db: Database) -> None:
    """With the triggers off that keep the journal from it."""
    async with db.begin() as tx:
        await some_books(tx)
        assert (await recomputed(tx)).wrong == []
        await tx.execute(text("ALTER TABLE credit_journal DISABLE TRIGGER append_only"))
        for name, change in TAMPERINGS.items():
            async with tx.begin_nested() as tampered:
                assert (await tx.execute(text(change))).rowcount > 0, name
                assert (await recomputed(tx)).wrong != [], name
                await tampered.rollback()
        await tx.execute(text("ALTER TABLE credit_journal ENABLE TRIGGER append_only"))
        assert (await recomputed(tx)).wrong == []
    assert await journey.verify(db=db) == ()


@pytest.mark.parametrize("name", MUTANTS)
async def test_a_mutant_still_changes_what_it_says(name: str, db: Database) -> None:
    """That each is found, `--mutant` shows; here only that it would not be a ledger as it should be."""
    async with db.begin() as tx:
        said = await MUTANTS[name].said(tx)
    assert [said.count(old) for old, _ in MUTANTS[name].changes] == [1] * len(MUTANTS[name].changes)

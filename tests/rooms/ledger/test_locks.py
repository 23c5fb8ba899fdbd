"""What PostgreSQL undoes for another, or because it waited too long, is an outage; asked again, it is done once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger
from reelwright.billing import Plan
from reelwright.ground.errors import Outage
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import credits as journey
from tests.builders import a_gate, an_account
from tests.journeys.conftest import order
from tests.rooms.generations import made

ROWS = text(
    """
    SELECT (SELECT count(*) FROM generations) + (SELECT count(*) FROM drafts) + (SELECT count(*) FROM stage_runs)
         + (SELECT count(*) FROM outbox) + (SELECT count(*) FROM credit_holds)
    """
)


class Impatient(Database):
    """The same database, for whoever gives a lock up soon; in production it takes five seconds."""

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[AsyncConnection]:
        async with super().begin() as tx:
            await tx.execute(text("SET LOCAL lock_timeout = '100ms'"))
            yield tx


async def test_c25_of_two_in_a_deadlock_one_is_asked_to_come_again_and_both_are_done_once(db: Database) -> None:
    """Each has one account and wants the other's: a transaction that takes two may only be undone as a whole."""
    async with db.begin() as tx:
        accounts = [await made.account(tx) for _ in range(2)]
        for account in accounts:
            await ledger.grant(tx, account=account, micro=100, source=str(account))
    both = asyncio.Barrier(2)

    async def moved(first: AccountId, second: AccountId, name: str, *, meeting: bool) -> bool:
        try:
            async with db.begin() as tx:
                await ledger.adjust(tx, account=first, micro=-7, reference=name, reason="", actor=first)
                if meeting:
                    await both.wait()
                await ledger.adjust(tx, account=second, micro=7, reference=name, reason="", actor=first)
        except Outage as undone:
            assert undone.code == "database.conflict"  # noqa: PT017 - of one of them
            return False
        return True

    one, other = accounts
    done = await asyncio.gather(moved(one, other, "a", meeting=True), moved(other, one, "b", meeting=True))
    assert sorted(done) == [False, True]
    for _ in range(2):
        assert await moved(one, other, "a", meeting=False)
        assert await moved(other, one, "b", meeting=False)
    async with db.begin() as tx:
        assert await ledger.verify(tx) == ()
        for account in accounts:
            assert (await ledger.balance(tx, account=account)).available_micro == 100
            kinds = [line.kind for line in await ledger.transactions(tx, account=account)]
            assert sorted(kinds) == ["adjust", "grant", "grant"]


async def test_c26_an_order_that_waits_too_long_for_the_account_leaves_nothing_behind(db: Database, redis: Any) -> None:
    """Not even the place among the concurrent ones, of which Basic has one: the next try gets it."""
    account, gate = await an_account(db, Plan.BASIC), a_gate(db, redis)
    key = uuid4().hex
    async with db.begin() as holding:
        await holding.execute(text("SELECT FROM credit_balances FOR UPDATE"))
        with pytest.raises(Outage) as away:
            await order(account, Impatient(db.engine), gate, key=key)
        assert away.value.code == "database.unavailable"
        assert await holding.scalar(ROWS) == 0
    started = await order(account, Impatient(db.engine), gate, key=key)
    assert started.admitted is not None
    async with db.begin() as tx:
        assert (await ledger.balance(tx, account=account.id)).held_micro == started.price_micro > 0
    assert await journey.verify(db=db) == ()
    await gate.close()


async def test_c27_a_serialization_failure_asked_again_does_not_double(db: Database) -> None:
    """READ COMMITTED has none; whoever reads more strictly is undone where another was there meanwhile."""
    strict = Database(db.engine.execution_options(isolation_level="REPEATABLE READ"))
    async with db.begin() as tx:
        owner = await made.account(tx)
        await ledger.grant(tx, account=owner, micro=100, source="a")
        early, late = [await made.generation(tx, owner) for _ in range(2)]
    with pytest.raises(Outage) as undone:
        async with strict.begin() as tx:
            await ledger.balance(tx, account=owner)
            async with db.begin() as meanwhile:
                await ledger.hold(meanwhile, account=owner, generation=early, micro=60)
            await ledger.hold(tx, account=owner, generation=late, micro=30)
    assert undone.value.code == "database.conflict"
    for _ in range(2):
        async with strict.begin() as tx:
            await ledger.hold(tx, account=owner, generation=late, micro=30)
    async with db.begin() as tx:
        assert await ledger.verify(tx) == ()
        held = [line.amount_micro for line in await ledger.transactions(tx, account=owner) if line.kind == "hold"]
    assert held == [30, 60]

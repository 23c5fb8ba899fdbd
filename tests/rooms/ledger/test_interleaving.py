"""Two that reach for one account at once (C9): the second waits at the first one's lock, and then does what is right.

Nothing is left to luck: the second is started when the first has done its work and not committed, and the first commits
when PostgreSQL says that the second waits.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger
from reelwright.ground import clock, postgres
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from tests.rooms.generations import made
from tests.waiting import wait_until

Act = Callable[[AsyncConnection], Awaitable[Any]]
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'second' AND wait_event_type = 'Lock'")


@pytest.fixture
async def other(db: Database, database_url: str) -> AsyncGenerator[Database]:
    """The second one's own connection, known by its name."""
    own = postgres.connect(database_url, pool_size=1, name="second")
    yield own
    await own.close()


async def attempted(db: Database, act: Act) -> Any:
    try:
        async with db.begin() as tx:
            return await act(tx)
    except Refusal as refusal:
        return refusal.code


async def met(db: Database, other: Database, first: Act, second: Act) -> tuple[Any, Any]:
    """Let the second run into the first; return both answers, a refusal as its code."""

    async def waits() -> bool:
        async with db.begin() as watching:
            return await watching.scalar(WAITING) == 1

    async with db.begin() as tx:
        begun = await first(tx)
        task = asyncio.create_task(attempted(other, second))
        await wait_until(waits, message="the second never ran into the first")
    return begun, await task


async def prepared(db: Database, *, credits: int, hold: int = 0) -> tuple[AccountId, GenerationId]:  # noqa: A002
    """An account with two lots, the first nearly used up, and perhaps a hold over both."""
    async with db.begin() as tx:
        owner = await made.account(tx)
        until = clock.now() + timedelta(days=1)
        await ledger.grant(tx, account=owner, micro=5, source=f"{owner}:1", expires_at=until)
        await ledger.grant(tx, account=owner, micro=credits - 5, source=f"{owner}:2")
        work = await made.generation(tx, owner)
        if hold:
            await ledger.hold(tx, account=owner, generation=work, micro=hold)
    return owner, work


async def ended(db: Database, owner: AccountId) -> tuple[int, int]:
    async with db.begin() as tx:
        assert await ledger.verify(tx) == ()
        found = await ledger.balance(tx, account=owner)
    return found.available_micro, found.held_micro


async def test_capture_and_void_settle_once_whoever_comes_first(db: Database, other: Database) -> None:
    for swapped in (False, True):
        owner, work = await prepared(db, credits=20, hold=12)

        def capture(tx: AsyncConnection, work: GenerationId = work) -> Awaitable[Any]:
            return ledger.capture(tx, generation=work, micro=7)

        def void(tx: AsyncConnection, work: GenerationId = work) -> Awaitable[Any]:
            return ledger.void(tx, generation=work)

        first, second = await met(db, other, *((void, capture) if swapped else (capture, void)))
        assert (first.now, second.now) == (True, False)
        assert await ended(db, owner) == ((20, 0) if swapped else (13, 0))


async def test_the_last_credits_go_to_one(db: Database, other: Database) -> None:
    owner, work = await prepared(db, credits=20)
    async with db.begin() as tx:
        late = await made.generation(tx, owner)

    def hold(of: GenerationId) -> Act:
        return lambda tx: ledger.hold(tx, account=owner, generation=of, micro=13)

    assert await met(db, other, hold(work), hold(late)) == (None, "credits.insufficient")
    assert await ended(db, owner) == (7, 13)


async def test_a_hold_finds_what_came_in_while_it_waited(db: Database, other: Database) -> None:
    """Its statement began before the lot was there: it has to look a second time."""
    owner, work = await prepared(db, credits=20)

    def grant(tx: AsyncConnection) -> Awaitable[Any]:
        return ledger.grant(tx, account=owner, micro=100, source=f"{owner}:3")

    def hold(tx: AsyncConnection) -> Awaitable[Any]:
        return ledger.hold(tx, account=owner, generation=work, micro=20)

    async def use_up(tx: AsyncConnection) -> Any:
        await ledger.adjust(tx, account=owner, micro=-15, reference="x", reason="", actor=owner)
        return await grant(tx)

    assert await met(db, other, use_up, hold) == (True, None)
    assert await ended(db, owner) == (85, 20)


async def test_a_hold_uses_what_was_freed_while_it_waited(db: Database, other: Database) -> None:
    owner, work = await prepared(db, credits=20, hold=20)
    async with db.begin() as tx:
        late = await made.generation(tx, owner)
        await ledger.grant(tx, account=owner, micro=1, source=f"{owner}:3")

    def void(tx: AsyncConnection) -> Awaitable[Any]:
        return ledger.void(tx, generation=work)

    def hold(tx: AsyncConnection) -> Awaitable[Any]:
        return ledger.hold(tx, account=owner, generation=late, micro=1)

    await met(db, other, void, hold)
    assert await ended(db, owner) == (20, 1)


async def test_a_hold_takes_more_of_a_lot_than_it_had_before_the_wait(db: Database, other: Database) -> None:
    """PostgreSQL checks an UPDATE's row by what the statement saw first, and then again by what it had waited for."""
    owner, work = await prepared(db, credits=20, hold=18)
    async with db.begin() as tx:
        late = await made.generation(tx, owner)
        await ledger.grant(tx, account=owner, micro=30, source=f"{owner}:3")

    def void(tx: AsyncConnection) -> Awaitable[Any]:
        return ledger.void(tx, generation=work)

    def hold(tx: AsyncConnection) -> Awaitable[Any]:
        return ledger.hold(tx, account=owner, generation=late, micro=13)

    assert (await met(db, other, void, hold))[1] is None
    assert await ended(db, owner) == (37, 13)


async def test_two_refunds_never_give_back_more_than_was_taken(db: Database, other: Database) -> None:
    for same in (False, True):
        owner, work = await prepared(db, credits=20, hold=10)
        async with db.begin() as tx:
            await ledger.capture(tx, generation=work, micro=10)

        def refund(reference: str, work: GenerationId = work) -> Act:
            return lambda tx: ledger.refund(tx, generation=work, micro=6, reference=reference, reason="")

        first, second = await met(db, other, refund("a"), refund("a" if same else "b"))
        assert first.now
        assert second == (ledger.Correction(6, 0, now=False) if same else "credits.refund_too_large")
        assert await ended(db, owner) == (16, 0)


async def test_lapsing_and_settling_meet(db: Database, other: Database) -> None:
    for swapped in (False, True):
        owner, work = await prepared(db, credits=20, hold=3)
        async with db.begin() as tx:
            await tx.execute(
                text(
                    "UPDATE credit_lots SET effective_at = now() - interval '2 days',"
                    " expires_at = now() - interval '1 hour' WHERE expires_at IS NOT NULL"
                )
            )

        def expire(tx: AsyncConnection, owner: AccountId = owner) -> Awaitable[Any]:
            return ledger.expire(tx, account=owner)

        def void(tx: AsyncConnection, work: GenerationId = work) -> Awaitable[Any]:
            return ledger.void(tx, generation=work)

        if swapped:
            settled, gone = await met(db, other, void, expire)
        else:
            gone, settled = await met(db, other, expire, void)
        assert (settled.now, gone) == (True, 0 if swapped else 2)
        assert await ended(db, owner) == (15, 0)


async def test_one_source_is_granted_once_also_at_once(db: Database, other: Database) -> None:
    owner, _ = await prepared(db, credits=20)

    def grant(tx: AsyncConnection) -> Awaitable[Any]:
        return ledger.grant(tx, account=owner, micro=5, source=f"invoice:{owner}")

    assert await met(db, other, grant, grant) == (True, False)
    assert await ended(db, owner) == (25, 0)


async def test_a_debt_that_comes_while_a_hold_waits_stops_it(db: Database, other: Database) -> None:
    owner, work = await prepared(db, credits=20)

    def clawback(tx: AsyncConnection) -> Awaitable[Any]:
        return ledger.clawback(tx, account=owner, micro=21, reference="dispute", reason="")

    def hold(tx: AsyncConnection) -> Awaitable[Any]:
        return ledger.hold(tx, account=owner, generation=work, micro=1)

    _, second = await met(db, other, clawback, hold)
    assert second == "credits.debt"
    assert await ended(db, owner) == (0, 0)

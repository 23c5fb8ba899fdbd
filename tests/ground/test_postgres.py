"""What PostgreSQL undoes or cuts off is an outage: the same request may succeed a moment later, and nobody broke it."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database

_LOCK = text("SELECT pg_advisory_xact_lock(hashtext(:name))")


@pytest.fixture
def names() -> list[str]:
    return [uuid4().hex, uuid4().hex]


async def test_f41_of_two_that_wait_for_each_other_one_is_told_to_come_again(pool: Database, names: list[str]) -> None:
    met = asyncio.Barrier(2)

    async def both(first: str, second: str) -> str:
        try:
            async with pool.begin() as tx:
                await tx.execute(_LOCK, {"name": first})
                await met.wait()
                await tx.execute(_LOCK, {"name": second})
        except Outage as outage:
            return outage.code
        return "done"

    ends = await asyncio.gather(both(*names), both(*reversed(names)))
    assert sorted(ends) == ["database.conflict", "done"]


async def test_f41_who_read_what_another_wrote_is_told_to_come_again(db: Database) -> None:
    """Serializable: of two that counted and then wrote, one may not stand."""
    met = asyncio.Barrier(2)
    count, write = text("SELECT count(*) FROM users"), text("UPDATE users SET email = email")
    insert = text("INSERT INTO users (id, email) VALUES (gen_random_uuid(), :email)")

    async def one(email: str) -> str:
        try:
            async with db.begin() as tx:
                await tx.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
                await tx.execute(count)
                await met.wait()
                await tx.execute(insert, {"email": email})
                await tx.execute(write)
        except Outage as outage:
            return outage.code
        return "done"

    assert sorted(await asyncio.gather(one("a@example.com"), one("b@example.com"))) == ["database.conflict", "done"]


@pytest.mark.parametrize(
    ("setting", "then"),
    [
        ("statement_timeout = '20ms'", "SELECT pg_sleep(5)"),
        ("idle_in_transaction_session_timeout = '20ms'", "SELECT 1"),
        ("lock_timeout = '20ms'", "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"),
    ],
)
async def test_f42_what_takes_too_long_is_an_outage_and_the_next_transaction_works(
    pool: Database, setting: str, then: str
) -> None:
    with pytest.raises(Outage) as cut:
        async with pool.begin() as other, pool.begin() as tx:
            await other.execute(text("LOCK TABLE users IN ACCESS SHARE MODE"))
            await tx.execute(text(f"SET LOCAL {setting}"))
            if "idle" in setting:
                await _ended(pool, await tx.scalar(text("SELECT pg_backend_pid()")))
            await tx.execute(text(then))
    assert cut.value.code == "database.unavailable"
    await pool.ping()


async def _ended(pool: Database, backend: int) -> None:
    while True:
        async with pool.begin() as tx:
            if not await tx.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid"), {"pid": backend}):
                return

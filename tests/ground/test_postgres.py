"""What PostgreSQL undoes or cuts off is an outage: the same request may succeed a moment later, and nobody broke it."""

import asyncio
from contextlib import nullcontext
from functools import partial
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, InternalError
from sqlalchemy.ext.asyncio import create_async_engine

from reelwright.ground import postgres, tasks
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


_BORN = postgres.Statement("INSERT INTO providers (name, title) VALUES (:name, :name) RETURNING name, title::text AS t")
_NAP = postgres.Statement("SELECT pg_sleep(:seconds)")


def test_a_statements_names_are_numbered_once_each_and_casts_are_none() -> None:
    made = postgres.Statement("SELECT :b::int, CAST(:a AS int), ':' || :b")
    assert (made.sql, made.names) == ("SELECT $1::int, CAST($2 AS int), ':' || $1", ["b", "a"])


async def test_rows_belong_to_the_transaction(pool: Database) -> None:
    """Also where they come first: the driver begins its transaction with the first statement, whoever sends it."""
    with pytest.raises(ZeroDivisionError):
        async with pool.begin() as tx:
            [row] = await postgres.rows(tx, _BORN, {"name": "p"})
            assert (row["name"], row["t"]) == ("p", "p")
            raise ZeroDivisionError
    async with pool.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM providers WHERE name = 'p'")) == 0


async def test_rows_raise_what_execute_raises(pool: Database) -> None:
    with pytest.raises(IntegrityError) as refused:
        async with pool.begin() as tx:
            await postgres.rows(tx, _BORN, {"name": "offline"})
    assert getattr(refused.value.orig, "sqlstate", "") == "23505"
    with pytest.raises(Outage) as late:
        async with pool.begin() as tx:
            await tx.execute(text("SET LOCAL statement_timeout = '20ms'"))
            await postgres.rows(tx, _NAP, {"seconds": 5})
    assert late.value.code == "database.unavailable"


async def test_a_connection_that_is_cut_under_rows_is_an_outage_and_used_no_more(database_url: str) -> None:
    database = postgres.connect(database_url, pool_size=1)
    cut = text("SELECT pg_terminate_backend(:pid)")
    other = postgres.connect(database_url, pool_size=1)
    with pytest.raises(Outage):
        async with database.begin() as tx:
            pid = await tx.scalar(text("SELECT pg_backend_pid()"))
            async with other.begin() as killing:
                await killing.execute(cut, {"pid": pid})
            await postgres.rows(tx, _NAP, {"seconds": 0})
    await database.ping()
    await database.close()
    await other.close()


async def test_a_connection_that_the_server_said_goodbye_on_is_an_outage_and_given_to_nobody(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver says so itself where the connection's end hasn't come yet."""
    database = postgres.connect(database_url, pool_size=1)
    await database.ping()
    [idle] = database._idle

    async def refused(*_: object) -> str:
        raise asyncpg.InternalClientError("cannot switch to state 15")

    with monkeypatch.context() as broken, pytest.raises(Outage):
        broken.setattr(asyncpg.Connection, "execute", refused)
        async with database.begin():
            pass
    assert idle not in database._idle
    async with database.begin() as tx:
        assert await tx.scalar(text("SELECT 1")) == 1
    await database.close()


async def test_who_is_cancelled_under_rows_leaves_nobody_his_answer(database_url: str) -> None:
    database = postgres.connect(database_url, pool_size=1)
    asked = asyncio.Event()

    async def asking() -> None:
        async with database.begin() as tx:
            await tx.execute(text("SELECT 1"))
            asked.set()
            await postgres.rows(tx, _NAP, {"seconds": 30})

    task = asyncio.create_task(asking())
    await asked.wait()
    await asyncio.sleep(0)
    await tasks.end(task)
    async with database.begin() as tx:
        assert await tx.scalar(text("SELECT 7")) == 7
    await database.close()


async def test_a_commit_behind_a_failure_that_nobody_heard_is_no_success(pool: Database) -> None:
    """PostgreSQL answers such a COMMIT with ROLLBACK and no error: whoever believed it would have told a lie."""
    with pytest.raises(InternalError):
        async with pool.begin() as tx:
            with pytest.raises(IntegrityError):
                await postgres.rows(tx, _BORN, {"name": "offline"})
    await pool.ping()


async def test_what_a_transaction_left_behind_the_next_one_does_not_have(database_url: str) -> None:
    """The connection is the same: neither its transaction nor what was to follow its commit may go on."""
    database, heard = postgres.connect(database_url, pool_size=1), list[str]()
    for failing in (ZeroDivisionError, None):
        with pytest.raises(ZeroDivisionError) if failing else nullcontext():
            async with database.begin() as tx:
                postgres.after_commit(tx, partial(heard.append, "undone" if failing else "done"))
                assert await tx.scalar(text("SELECT count(*) FROM providers WHERE name = 'q'")) == 0
                await postgres.rows(tx, _BORN, {"name": "q"})
                if failing:
                    raise failing
    async with database.begin() as tx:
        await tx.execute(text("DELETE FROM providers WHERE name = 'q'"))
        await tx.rollback()
    async with database.begin() as tx:
        assert await tx.scalar(text("DELETE FROM providers WHERE name = 'q' RETURNING name")) == "q"
    assert heard == ["done"]
    await database.close()


async def test_who_finds_no_connection_free_is_told_to_come_again(database_url: str) -> None:
    database = Database(create_async_engine(postgres.async_url(database_url)), most=1, patience_s=0.01)
    async with database.begin():
        with pytest.raises(Outage) as full:
            await database.ping()
    await database.ping()
    assert full.value.code == "database.unavailable"
    await database.close()


async def test_a_single_statement_that_is_cut_off_takes_its_connection_with_it(database_url: str) -> None:
    database, asked, backends = postgres.connect(database_url, pool_size=1), asyncio.Event(), list[int]()

    async def asking() -> None:
        async with database.single() as tx:
            backends.append(await tx.scalar(text("SELECT pg_backend_pid()")) or 0)
            asked.set()
            await postgres.rows(tx, _NAP, {"seconds": 30})

    task = asyncio.create_task(asking())
    await asked.wait()
    await asyncio.sleep(0)
    await tasks.end(task)
    async with database.single() as tx:
        assert await tx.scalar(text("SELECT pg_backend_pid()")) not in backends
    await database.close()


async def test_a_plan_made_of_a_small_table_is_good_for_a_large_one(db: Database) -> None:
    """It is made once a connection, while the table may grow by thousands of rows: what it reads is one of them."""
    async with db.begin() as tx:
        await tx.execute(
            text(
                "CREATE TEMP TABLE small ON COMMIT DROP AS SELECT n, repeat('x', 200) AS filler"
                " FROM generate_series(1, 100) AS n"
            )
        )
        await tx.execute(text("CREATE UNIQUE INDEX ix_small ON small (n)"))
        await tx.execute(text("ANALYZE small"))
        plan = "\n".join(await tx.scalars(text("EXPLAIN SELECT filler FROM small WHERE n = 7")))
    assert "ix_small" in plan, plan

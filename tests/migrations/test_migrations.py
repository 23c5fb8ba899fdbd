"""The migrations and the models say the same, and the program can bring a database up by itself."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from reelwright.ground import migrations
from reelwright.ground.packaged import packaged
from reelwright.ground.postgres import Row, async_url


@pytest.fixture
async def empty(database_url: str) -> AsyncGenerator[str]:
    """A database of its own, empty, on the same server."""
    name = f"migrations_{uuid4().hex[:12]}"
    server = create_async_engine(async_url(database_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with server.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    yield re.sub(r"/[^/?]+(\?|$)", rf"/{name}\1", database_url)
    async with server.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await server.dispose()


def engine_of(url: str) -> AsyncEngine:
    return create_async_engine(async_url(url), poolclass=NullPool)


async def asked(url: str, statement: str) -> list[str]:
    async with engine_of(url).connect() as connection:
        return [str(value) for value in (await connection.execute(text(statement))).scalars()]


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return [d for d in compare_metadata(context, Row.metadata) if "alembic_version" not in str(d)]


def checks(connection: Connection) -> dict[str, str]:
    """Every CHECK of the schema that the connection looks at first, as PostgreSQL prints it."""
    statement = (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'c' AND connamespace = current_schema()::regnamespace"
    )
    return {name: definition for name, definition in connection.execute(text(statement))}  # noqa: C416 - typed rows


async def test_upgraded_from_empty_a_database_is_what_the_models_say(empty: str) -> None:
    migrations.upgrade(empty)
    async with engine_of(empty).connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_every_check_of_the_models_is_in_the_database_word_for_word(empty: str) -> None:
    """Alembic compares no CHECKs, so the models are built beside the migration and PostgreSQL prints both."""
    migrations.upgrade(empty)
    async with engine_of(empty).connect() as connection:
        migrated = await connection.run_sync(checks)
        await connection.execute(text("CREATE SCHEMA models"))
        await connection.execute(text("SET search_path = models"))
        await connection.run_sync(Row.metadata.create_all)
        modelled = await connection.run_sync(checks)
        named = {c.name for t in Row.metadata.tables.values() for c in t.constraints if isinstance(c, CheckConstraint)}
    assert migrated == modelled
    assert set(migrated) == named
    assert len(named) > 40


async def test_every_foreign_key_has_an_index_to_follow_it_back(empty: str) -> None:
    migrations.upgrade(empty)
    bare = await asked(
        empty,
        """
        SELECT c.conname FROM pg_constraint c WHERE c.contype = 'f' AND NOT EXISTS (
            SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])
        """,
    )
    assert bare == []


async def test_the_journals_refuse_changes_by_trigger(empty: str) -> None:
    migrations.upgrade(empty)
    found = await asked(empty, "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'append_only' ORDER BY 1")
    assert found == ["credit_journal", "usage_ledger"]


async def test_price_list_and_providers_are_there_from_the_start(empty: str) -> None:
    migrations.upgrade(empty)
    assert await asked(empty, "SELECT DISTINCT version FROM action_costs") == ["1"]
    assert await asked(empty, "SELECT name FROM providers ORDER BY name") == ["offline", "openai"]


async def test_down_leaves_nothing_and_up_again_works(empty: str) -> None:
    migrations.upgrade(empty)
    migrations.downgrade(empty, "base")
    left = await asked(
        empty, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')"
    )
    functions = await asked(empty, "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
    assert (left, functions) == (["alembic_version"], [])
    migrations.upgrade(empty)
    assert await asked(empty, "SELECT version_num FROM alembic_version") == ["0001"]


async def test_a_database_that_is_up_to_date_costs_next_to_nothing(empty: str) -> None:
    migrations.upgrade(empty)
    fastest = min([await timed(empty) for _ in range(3)])
    assert fastest < 0.3


async def timed(url: str) -> float:
    start = time.perf_counter()
    await asyncio.to_thread(migrations.upgrade, url)
    return time.perf_counter() - start


async def test_several_that_start_together_migrate_once(empty: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrations.upgrade, empty) for _ in range(4)))
    assert await asked(empty, "SELECT version_num FROM alembic_version") == ["0001"]


async def test_processes_that_start_together_migrate_once(empty: str) -> None:
    """Two API processes and a worker come up at the same moment on an empty database."""
    code = f"from reelwright.ground.migrations import upgrade; upgrade({empty!r})"
    started = [await asyncio.create_subprocess_exec(sys.executable, "-c", code) for _ in range(3)]
    assert [await process.wait() for process in started] == [0, 0, 0]
    assert await asked(empty, "SELECT version_num FROM alembic_version") == ["0001"]


def test_a_new_migration_waits_only_briefly_for_locks() -> None:
    folder = packaged("migrations")
    texts = [folder / "script.py.mako", *sorted(Path(folder / "versions").glob("*.py"))]
    assert len(texts) >= 2
    for file in texts:
        assert file.read_text(encoding="utf-8").count("SET LOCAL lock_timeout = '3s'") == 2, file.name

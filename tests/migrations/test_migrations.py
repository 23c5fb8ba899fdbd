"""The migrations and the models say the same, and the program can bring a database up by itself."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from reelwright.ground import migrations
from reelwright.ground.packaged import packaged
from reelwright.ground.postgres import Database, Row, async_url
from reelwright.providers import SERVICES
from tests.builders import a_generation

HEAD = max(file.name[:4] for file in Path(packaged("migrations") / "versions").glob("[0-9]*.py"))


@asynccontextmanager
async def made(server_url: str, template: str = "template1") -> AsyncGenerator[str]:
    """A database on the same server, as its template is, until the block ends."""
    name = f"migrations_{uuid4().hex[:12]}"
    server = create_async_engine(async_url(server_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with server.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield re.sub(r"/[^/?]+(\?|$)", rf"/{name}\1", server_url)
    async with server.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await server.dispose()


@pytest.fixture
async def empty(postgres_url: str) -> AsyncGenerator[str]:
    """A database of its own, empty."""
    async with made(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
async def newest(postgres_url: str) -> AsyncGenerator[str]:
    """A database that was upgraded from empty, to look at."""
    async with made(postgres_url) as url:
        migrations.upgrade(url)
        yield url


@pytest.fixture
async def upgraded(postgres_url: str, newest: str) -> AsyncGenerator[str]:
    """A database of its own, upgraded from empty."""
    async with made(postgres_url, template=newest.rpartition("/")[2]) as url:
        yield url


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


async def test_upgraded_from_empty_a_database_is_what_the_models_say(newest: str) -> None:
    async with engine_of(newest).connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_every_check_of_the_models_is_in_the_database_word_for_word(newest: str) -> None:
    """Alembic compares no CHECKs, so the models are built beside the migration and PostgreSQL prints both."""
    async with engine_of(newest).connect() as connection:
        migrated = await connection.run_sync(checks)
        await connection.execute(text("CREATE SCHEMA models"))
        await connection.execute(text("SET search_path = models, public"))  # the latter has the extension
        await connection.run_sync(Row.metadata.create_all, checkfirst=False)
        modelled = await connection.run_sync(checks)
        named = {c.name for t in Row.metadata.tables.values() for c in t.constraints if isinstance(c, CheckConstraint)}
    assert migrated == modelled
    assert set(migrated) == named
    assert len(named) > 40


async def test_every_foreign_key_has_an_index_to_follow_it_back(newest: str) -> None:
    bare = await asked(
        newest,
        """
        SELECT c.conname FROM pg_constraint c WHERE c.contype = 'f' AND NOT EXISTS (
            SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])
        """,
    )
    assert bare == []


async def test_the_journals_refuse_changes_by_trigger(newest: str) -> None:
    found = await asked(
        newest, "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'append_only' ORDER BY 1"
    )
    assert found == ["admin_actions", "credit_journal", "usage_ledger"]


async def test_price_list_and_providers_are_there_from_the_start(newest: str) -> None:
    assert await asked(newest, "SELECT DISTINCT version FROM action_costs") == ["1"]
    assert set(await asked(newest, "SELECT name FROM providers")) == {"offline", *SERVICES}


async def test_down_leaves_nothing_and_up_again_works(upgraded: str) -> None:
    migrations.downgrade(upgraded, "base")
    left = await asked(
        upgraded, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')"
    )
    functions = await asked(upgraded, "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
    assert (left, functions) == (["alembic_version"], [])
    migrations.upgrade(upgraded)
    assert await asked(upgraded, "SELECT version_num FROM alembic_version") == [HEAD]


ROWS = """
    INSERT INTO users (id, email, plan) VALUES ('{user}', 'a@example.com', 'pro');
    INSERT INTO drafts (id, account_id, topic, platform, tone, language, duration_s, aspect, voice, music)
    VALUES ('{draft}', '{user}', 'Cats', 'tiktok', 'calm', 'en', 30, '9:16', 'default', 'auto');
    INSERT INTO generations (id, account_id, draft_id, kind, fingerprint, plan, price_version, hold_micro, lane,
                             admitted_at, deadline_at)
    SELECT gen_random_uuid(), '{user}', '{draft}', kind, '', 'pro', 1, 0, 'interactive', now(), now()
      FROM unnest(ARRAY['script', 'video', 'render', 'regenerate_full']) AS kind;
    INSERT INTO variants (id, draft_id, generation_id, position, title, hook, synopsis, arc, beats, caption, hashtags)
    SELECT '{variant}', '{draft}', id, 0, '', '', '', '{{}}', '[]', '', '{{}}' FROM generations LIMIT 1;
    INSERT INTO scenes (variant_id, position, narration, visual, image_prompt, duration_ms, motion_kind, motion_amount,
                        transition_kind, transition_frames)
    VALUES ('{variant}', 0, '', '', '', 5000, 'still', 0, 'cut', 0);
    INSERT INTO price_versions (version, effective_from) VALUES (2, '2030-01-01');
    INSERT INTO action_costs SELECT 2, action, unit_micro * 2 FROM action_costs
"""


async def test_a_database_with_rows_goes_up_down_and_up_again(empty: str) -> None:
    """Accounts, generations and scenes of before keep their meaning; every price list learns the new action."""
    migrations.upgrade(empty, "0001")
    ids = {name: uuid4() for name in ("user", "draft", "variant")}
    async with engine_of(empty).begin() as connection:
        for statement in ROWS.format(**ids).split(";"):
            await connection.exec_driver_sql(statement)
    for _ in range(2):
        migrations.upgrade(empty)
        assert await asked(empty, "SELECT plan_version FROM users") == ["1"]
        assert await asked(empty, "SELECT count(*) FROM generations WHERE part IS NULL AND scene IS NULL") == ["4"]
        assert await asked(empty, "SELECT take FROM scenes") == ["0"]
        prices = "SELECT unit_micro FROM action_costs WHERE action = 'rewrite' ORDER BY version"
        assert await asked(empty, prices) == ["800000", "1600000"]
        migrations.downgrade(empty, "0001")
        assert await asked(empty, "SELECT DISTINCT count(*) FROM action_costs GROUP BY version") == ["8"]


@pytest.mark.parametrize(
    ("kind", "part", "scene", "refused_by"),
    [
        ("video", None, None, None),
        ("regenerate_targeted", "hook", None, None),
        ("regenerate_targeted", "scene_picture", 0, None),
        ("regenerate_targeted", None, None, "kind"),
        ("video", "hook", None, "kind"),
        ("video", None, 0, "kind"),
        ("regenerate_targeted", "hook", 0, "kind"),
        ("regenerate_targeted", "scene_text", None, "kind"),
        ("regenerate_targeted", "scene_text", -1, "scene"),
        ("regenerate_targeted", "title", None, "kind"),
    ],
)
async def test_a_generation_names_a_part_and_a_scene_exactly_where_it_has_one(
    db: Database, kind: str, part: str | None, scene: int | None, refused_by: str | None
) -> None:
    generation = await a_generation(db)
    change = text("UPDATE generations SET kind = :kind, part = :part, scene = :scene WHERE id = :id")
    refused = None
    try:
        async with db.begin() as tx:
            await tx.execute(change, {"kind": kind, "part": part, "scene": scene, "id": generation})
    except IntegrityError as error:
        refused = error.orig.__cause__.constraint_name
    assert refused == (refused_by and f"ck_generations_{refused_by}")


async def test_a_promise_that_was_not_proven_for_older_rows_is_proven_by_the_next_upgrade(upgraded: str) -> None:
    """Whoever was cut off between the migrations and the look at the rows; a row that breaks it is told of."""
    unproven = "SELECT conname FROM pg_constraint WHERE NOT convalidated"
    add = "ALTER TABLE providers ADD CONSTRAINT known CHECK (name <> '{}') NOT VALID"
    async with engine_of(upgraded).begin() as connection:
        await connection.exec_driver_sql(add.format("nobody"))
    migrations.upgrade(upgraded)
    assert await asked(upgraded, unproven) == []
    async with engine_of(upgraded).begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE providers DROP CONSTRAINT known")
        await connection.exec_driver_sql(add.format("offline"))
    with pytest.raises(IntegrityError, match="known"):
        migrations.upgrade(upgraded)
    assert await asked(upgraded, unproven) == ["known"]


async def test_a_database_that_is_up_to_date_costs_next_to_nothing(upgraded: str) -> None:
    fastest = min([await timed(upgraded) for _ in range(3)])
    assert fastest < 0.3


async def timed(url: str) -> float:
    start = time.perf_counter()
    await asyncio.to_thread(migrations.upgrade, url)
    return time.perf_counter() - start


async def test_several_that_start_together_migrate_once(empty: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrations.upgrade, empty) for _ in range(4)))
    assert await asked(empty, "SELECT version_num FROM alembic_version") == [HEAD]


TOGETHER = """
import os, sys
from reelwright.ground.migrations import upgrade
started = []
for _ in range(3):
    started.append(os.fork())
    if started[-1] == 0:
        upgrade(sys.argv[1])
        os._exit(0)
sys.exit(any([os.waitpid(pid, 0)[1] for pid in started]))
"""
"""Three processes that have loaded everything begin at the same moment."""


async def test_processes_that_start_together_migrate_once(empty: str) -> None:
    """Two API processes and a worker come up at the same moment on an empty database."""
    starting = await asyncio.create_subprocess_exec(sys.executable, "-c", TOGETHER, empty)
    assert await starting.wait() == 0
    assert await asked(empty, "SELECT version_num FROM alembic_version") == [HEAD]


def test_a_new_migration_waits_only_briefly_for_locks() -> None:
    folder = packaged("migrations")
    texts = [folder / "script.py.mako", *sorted(Path(folder / "versions").glob("*.py"))]
    assert len(texts) >= 2
    for file in texts:
        assert file.read_text(encoding="utf-8").count("SET LOCAL lock_timeout = '3s'") == 2, file.name

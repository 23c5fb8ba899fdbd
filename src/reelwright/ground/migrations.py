"""Brings a database to the newest tables: Alembic, callable from a running program."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from reelwright.ground.packaged import packaged
from reelwright.ground.postgres import async_url

_ONE_AT_A_TIME = threading.Lock()  # Alembic keeps its context in module globals
_ADVISORY_LOCK = 0x7265656C  # "reel": processes that start together migrate one after the other

_UNPROVEN = text(
    """
    SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
     WHERE NOT convalidated AND connamespace = CAST(current_schema() AS regnamespace) ORDER BY conrelid, conname
    """
)
"""What proves for a table's older rows a promise that new ones keep already."""


def configuration() -> Config:
    """Return an Alembic configuration that needs no file."""
    config = Config()
    config.set_main_option("script_location", str(packaged("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the database up to a revision; return at once where it is there already.

    Blocks, and may be called with or without an event loop running. Everything happens in one transaction, so a
    failure leaves the database as it was. Constraints that are added as NOT VALID are then validated, each by itself:
    a large table's rows are looked through under a lock that lets others read and write them, and whoever is cut off
    in it goes on the next time. Raises what the database driver raises.
    """
    _apply(database_url, revision, command.upgrade)


def downgrade(database_url: str, revision: str) -> None:
    """Take the database back to a revision (`base` empties it). Raises what the database driver raises."""
    _apply(database_url, revision, command.downgrade)


def _apply(database_url: str, revision: str, step: Callable[[Config, str], None]) -> None:
    config = configuration()
    with _ONE_AT_A_TIME, ThreadPoolExecutor(max_workers=1, thread_name_prefix="migrations") as own_thread:
        own_thread.submit(asyncio.run, _connected(database_url, config, revision, step)).result()


async def _connected(database_url: str, config: Config, revision: str, step: Callable[[Config, str], None]) -> None:
    engine = create_async_engine(async_url(database_url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            async with connection.begin():
                await connection.run_sync(_migrate, config, revision, step)
                unproven = (await connection.execute(_UNPROVEN)).scalars().all()
            for statement in unproven:
                async with connection.begin():
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
                    if statement in (await connection.execute(_UNPROVEN)).scalars().all():
                        await connection.exec_driver_sql(statement)
    finally:
        await engine.dispose()


def _migrate(connection: Connection, config: Config, revision: str, step: Callable[[Config, str], None]) -> None:
    if step is command.upgrade and _present(connection) == ScriptDirectory.from_config(config).as_revision_number(
        revision
    ):
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    config.attributes["connection"] = connection
    step(config, revision)


def _present(connection: Connection) -> str | None:
    """Return the database's revision, or None for an empty database."""
    if not connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL")):
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))

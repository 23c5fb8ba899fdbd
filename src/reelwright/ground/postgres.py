"""PostgreSQL: one engine a process, one transaction a `begin`, and the metadata every room's tables share."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from reelwright.ground.errors import Outage

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Row(DeclarativeBase):
    """The base of every table. Rows stay inside repositories; what leaves a room is a plain dataclass."""

    metadata = MetaData(naming_convention=NAMING)


# connection exceptions, insufficient resources, shutting down, read-only standby, a transaction left idle too long,
# a lock that was waited for too long, a statement that took too long
_AWAY = ("08", "53", "57P0", "25006", "25P0", "55P03", "57014")
_GONE = (InterfaceError, OperationalError, PoolTimeoutError, ConnectionError, TimeoutError, asyncpg.InterfaceError)
_CONFLICT = "40"
"""Two transactions met, and PostgreSQL undid this one: a deadlock, a serialization failure."""
_SOON = timedelta(seconds=1)


_AFTER = "after the commit"
_NAME = re.compile(r"(?<![:\w]):([a-z_]+)\b")


class Database:
    """The one way to the rows: `async with db.begin() as tx`, which commits at its end or rolls back.

    Statements go straight to a connection: an ORM session around each costs a delivery more than its SQL does.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[AsyncConnection]:
        """Open a transaction. Raises Outage where PostgreSQL is away, or has undone it for another's sake.

        A lost COMMIT raises it too: re-read by key.
        """
        with _outages():
            async with self.engine.begin() as tx:
                tx.info.pop(_AFTER, None)  # PostgreSQL's connection is pooled, and so is what it carries
                yield tx
                after: Sequence[Callable[[], None]] = tx.info.pop(_AFTER, ())
        for do in after:
            do()

    @asynccontextmanager
    async def single(self) -> AsyncGenerator[AsyncConnection]:
        """Open a connection for one statement, which is a transaction by itself: no BEGIN and no COMMIT go with it.

        Raises Outage, as `begin` does.
        """
        with _outages():
            async with self._single.connect() as tx:
                yield tx

    async def ping(self) -> None:
        """Ask the server for one value. Raises Outage."""
        async with self.single() as tx:
            await tx.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Return every connection."""
        await self.engine.dispose()


def after_commit(tx: AsyncConnection, do: Callable[[], None]) -> None:
    """Call this once the transaction of `Database.begin` has committed; never where it did not."""
    tx.info.setdefault(_AFTER, []).append(do)


@contextmanager
def _outages() -> Generator[None]:
    """Tell what is PostgreSQL's absence, or another transaction's doing, from our bugs. Raises Outage.

    SQLAlchemy leaves asyncpg's own errors as they are where a connection ends while it is being made.
    """
    try:
        yield
    except _GONE as away:
        raise Outage("The database is not answering.", code="database.unavailable") from away
    except (DBAPIError, asyncpg.PostgresError) as error:
        state = str(getattr(getattr(error, "orig", error), "sqlstate", "") or "")
        if state.startswith(_CONFLICT):
            raise Outage("Someone else was at it: ask again.", code="database.conflict", wait=_SOON) from error
        if getattr(error, "connection_invalidated", False) or state.startswith(_AWAY):
            raise Outage("The database is not answering.", code="database.unavailable") from error
        raise


class Statement:
    """SQL with `:names` for `rows`, made once: `text` as it was written, `sql` with the `$1` that asyncpg takes."""

    def __init__(self, written: str) -> None:
        self.text = written
        self.names: list[str] = []
        self.sql = _NAME.sub(self._numbered, written)

    def _numbered(self, found: re.Match[str]) -> str:
        if found[1] not in self.names:
            self.names.append(found[1])
        return f"${self.names.index(found[1]) + 1}"


async def rows(tx: AsyncConnection, statement: Statement, values: Mapping[str, object]) -> Sequence[asyncpg.Record]:
    """Execute a statement in the transaction and return its rows, with what the driver makes of their values.

    For what every delivery sends: it goes straight to the driver's cursor, whose transaction, statement cache and
    errors are the ones of `tx.execute`, at a third of its cost. Raises what that raises.
    """
    sync = tx.sync_connection
    if sync is None:
        raise InterfaceError(statement.text, None, RuntimeError("the connection is not open"))
    driver: Any = sync.connection.dbapi_connection
    cursor: Any = driver.cursor()
    try:
        await cursor._prepare_and_execute(statement.sql, [values[name] for name in statement.names])  # noqa: SLF001 - what its own `execute` awaits, without the greenlet
    except sync.dialect.loaded_dbapi.Error as error:
        gone = sync.dialect.is_disconnect(error, driver, cursor)
        if gone:
            await tx.invalidate(error)
        raise DBAPIError.instance(
            statement.text,
            None,
            error,
            sync.dialect.loaded_dbapi.Error,
            connection_invalidated=gone,
            dialect=sync.dialect,
        ) from error
    except asyncio.CancelledError:  # its answer may come yet: nobody else may take it for theirs
        await tx.invalidate()
        raise
    return cursor._rows  # noqa: SLF001 - the same


def async_url(url: str) -> str:
    """Return a DATABASE_URL of any common spelling as SQLAlchemy's asyncpg URL."""
    for prefix in ("postgresql+asyncpg://", "postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+asyncpg://" + url.removeprefix(prefix)
    return url


def connect(url: str, *, pool_size: int = 8, statement_timeout_ms: int = 10_000, name: str = "reelwright") -> Database:
    """Make the engine; nothing is opened until the first transaction."""
    options: dict[str, Any] = {
        "server_settings": {
            "application_name": name,
            "statement_timeout": str(statement_timeout_ms),
            "idle_in_transaction_session_timeout": "15000",
            "lock_timeout": "5000",
            "timezone": "UTC",
            # Short statements, prepared once: planning them anew each time, or compiling them, costs more than running.
            "plan_cache_mode": "force_generic_plan",
            "jit": "off",
        },
        "timeout": 5,
    }
    engine = create_async_engine(
        async_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=2,
        pool_pre_ping=False,
        pool_recycle=1800,
        connect_args=options,
    )
    return Database(engine)


async def listen(url: str, channel: str, heard: Callable[[str], None]) -> None:
    """Call `heard` with each notification's text, and with none after every (re)connection. Runs until cancelled."""
    plain = async_url(url).replace("postgresql+asyncpg://", "postgresql://")
    while True:
        try:
            await _listen_once(plain, channel, heard)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            await asyncio.sleep(1.0)


async def _listen_once(url: str, channel: str, heard: Callable[[str], None]) -> None:
    """Listen until the connection ends. Raises OSError, asyncpg's errors."""
    gone = asyncio.Event()

    def ended(_connection: object) -> None:
        gone.set()

    def notified(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        heard(str(payload))

    connection = await asyncpg.connect(url, timeout=5, server_settings={"application_name": "reelwright-listen"})
    try:
        connection.add_termination_listener(ended)
        await connection.add_listener(channel, notified)
        heard("")
        await gone.wait()
    finally:
        connection.terminate()

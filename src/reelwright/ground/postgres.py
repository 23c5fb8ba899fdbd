"""PostgreSQL: one engine a process, one transaction a `begin`, and the metadata every room's tables share."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from advanced_alchemy.types import DateTimeUTC
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import Connection, MetaData, NullPool, event
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
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
    """The base of every table. Rows stay inside repositories; what leaves a room is a plain dataclass.

    Every instant is a timestamptz: one without a time zone is refused before it is sent.
    """

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: DateTimeUTC(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own hook


# connection exceptions, insufficient resources, shutting down, read-only standby, a transaction left idle too long,
# a lock that was waited for too long, a statement that took too long
_AWAY = ("08", "53", "57P0", "25006", "25P0", "55P03", "57014")
# The last: the server has said that it ends the connection, whose end hasn't come yet.
_LOST = (ConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_GONE = (InterfaceError, OperationalError, TimeoutError, *_LOST)
_CONFLICT = "40"
"""Two transactions met, and PostgreSQL undid this one: a deadlock, a serialization failure."""
_SOON = timedelta(seconds=1)


LAZILY = "set_config('synchronous_commit', 'off', true)"
"""Said in a transaction: nobody waits for the disk. For notes that a crash of PostgreSQL may undo: they are made again.
Those of keys' first use alone were a tenth of what an order waited for, as `pg_stat_activity` tells under load."""
_UNDOING = "RW001"
_LINE = "line"
_OLD_S, _LAST_S = 1800.0, 2.0
"""A connection is opened anew after half an hour; one that must go is given two seconds to do so in order."""
_NAME = re.compile(r"(?<![:\w]):([a-z_]+)\b")


class Undone(Exception):  # noqa: N818 - a finding
    """A statement has found that it must not stand, and says so by SQLSTATE RW001: its transaction is over."""


class Database:
    """The one way to the rows: `async with db.begin() as tx`, which commits at its end or rolls back.

    Statements go straight to a connection: an ORM session around each costs a delivery more than its SQL does. The
    connections stay open between transactions, SQLAlchemy's beside the driver's own, which BEGIN and COMMIT go to:
    taking one from SQLAlchemy's pool and giving it back took four times as long as the two and a statement.
    """

    def __init__(self, engine: AsyncEngine, *, most: int = 8, patience_s: float = 2.0) -> None:
        self.engine = engine
        level = engine.get_execution_options().get("isolation_level")
        self.beginning = f"BEGIN ISOLATION LEVEL {level}" if level else "BEGIN"
        self._idle: list[_Line] = []
        self._places = asyncio.Semaphore(most)
        self._patience_s = patience_s
        self._ending: set[asyncio.Task[None]] = set()
        event.listen(engine.sync_engine, "engine_disposed", self._abandon)

    def begin(self) -> "_Transaction":
        """Open a transaction. Raises Outage where PostgreSQL is away, or has undone it for another's sake.

        A lost COMMIT raises it too: re-read by key.
        """
        return _Transaction(self)

    def single(self) -> "_Single":
        """Open a connection for one statement, which is a transaction by itself: no BEGIN and no COMMIT go with it.

        Raises Outage, as `begin` does.
        """
        return _Single(self)

    async def ping(self) -> None:
        """Ask the server for one value. Raises Outage."""
        async with self.single() as tx:
            await rows(tx, _PING, {})

    async def close(self) -> None:
        """Return every connection."""
        idle, self._idle = self._idle, []
        for line in idle:
            self._end(line)
        if self._ending:
            await asyncio.wait(self._ending)
        await self.engine.dispose()

    async def take(self) -> "_Line":
        """Return a connection: the one that was used last, else a new one. It must come back by `give_back`.

        Raises TimeoutError where none is free for long, and what connecting raises.
        """
        if self._places.locked():
            async with asyncio.timeout(self._patience_s):
                await self._places.acquire()
        else:
            await self._places.acquire()
        try:
            line = await self._usable()
            line.renew()
        except BaseException:
            self._places.release()
            raise
        return line

    def give_back(self, line: "_Line", error: BaseException | None) -> None:
        """Keep a connection for the next. Cut off in its middle, it is of no more use."""
        if error is not None:
            line.spent = line.spent or not isinstance(error, Exception) or isinstance(error, _LOST)
        if line.free:
            self._idle.append(line)
        else:
            self._end(line)
        self._places.release()

    async def _usable(self) -> "_Line":
        while self._idle:
            line = self._idle.pop()
            if line.open and time.monotonic() - line.since < _OLD_S:
                return line
            self._end(line)
        return _Line(await self.engine.connect())

    def _end(self, line: "_Line") -> None:
        """Close a connection beside what goes on; what still runs on it is cancelled."""
        ending = asyncio.create_task(line.end())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _abandon(self, _engine: object) -> None:
        """Let the next transactions connect anew: the engine was disposed of."""
        idle, self._idle = self._idle, []
        for line in idle:
            line.driver.terminate()
            self._end(line)


class _Line:
    """One open connection, SQLAlchemy's and the driver's below it, and the statements prepared on it.

    SQLAlchemy is let believe that a transaction of its own is open, and this is it: so it begins none.
    """

    __slots__ = ("adapter", "after", "begun", "driver", "prepared", "since", "spent", "tx")

    def __init__(self, tx: AsyncConnection) -> None:
        self.tx = tx
        self.adapter: Any = _sync(tx).connection.dbapi_connection
        self.driver: asyncpg.Connection = self.adapter.driver_connection
        self.prepared: dict[str, PreparedStatement] = {}
        self.since = time.monotonic()
        self.spent = False
        tx.info[_LINE] = self

    def renew(self) -> None:
        """Begin with nothing that was said before."""
        self.after: list[Callable[[], None]] = []
        self.begun = False
        self.adapter._transaction = self  # noqa: SLF001 - see above

    @property
    def open(self) -> bool:
        """Whether another transaction may have it."""
        return not (self.spent or self.driver.is_closed() or _sync(self.tx).invalidated)

    @property
    def free(self) -> bool:
        """Whether it is open, and nothing has begun on it."""
        return self.open and not self.begun and self.adapter._transaction in {None, self}  # noqa: SLF001 - see above

    async def commit(self) -> None:
        """Commit what has begun and wasn't rolled back. Raises InternalError where a statement had failed unheard."""
        if self.begun:
            said = await self.driver.execute("COMMIT")
            self.begun = False
            if said != "COMMIT":
                raise InternalError("COMMIT", None, RuntimeError("a statement had failed: all was undone"))

    async def rollback(self) -> None:
        """Undo what has begun, so that another may have the connection; where that fails, nobody may."""
        if self.begun:
            try:
                await self.driver.execute("ROLLBACK")
            except (asyncpg.PostgresError, *_LOST, OSError):
                self.spent = True
            self.begun = False

    async def end(self) -> None:
        """Close it, within two seconds in order."""
        with suppress(Exception):
            await self.driver.close(timeout=_LAST_S)
        self.driver.terminate()
        with suppress(Exception):
            await self.tx.invalidate()
        await self.tx.close()


def _sync(tx: AsyncConnection) -> Connection:
    if tx.sync_connection is None:
        raise InterfaceError("", None, RuntimeError("the connection is not open"))
    return tx.sync_connection


def after_commit(tx: AsyncConnection, do: Callable[[], None]) -> None:
    """Call this once the transaction has committed that `Database.begin` or `single` opened; never where it didn't."""
    line: _Line = tx.info[_LINE]
    line.after.append(do)


class _Single:
    """What `Database.single` opens. A class: nested generators cost a request as much as a statement."""

    __slots__ = ("_db", "_line")

    def __init__(self, db: Database) -> None:
        self._db = db

    async def __aenter__(self) -> AsyncConnection:
        try:
            self._line = await self._db.take()
        except Exception as error:
            _tell_outage(error)
            raise
        return self._line.tx

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        after = self._line.after
        self._db.give_back(self._line, error)
        if error is not None:
            _tell_outage(error)
            return
        for do in after:
            do()


class _Transaction(_Single):
    """What `Database.begin` opens."""

    __slots__ = ()

    async def __aenter__(self) -> AsyncConnection:
        tx = await super().__aenter__()
        try:
            await self._line.driver.execute(self._db.beginning)
        except BaseException as error:
            await super().__aexit__(type(error), error, None)
            raise
        self._line.begun = True
        return tx

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        line = self._line
        try:
            if not line.begun:
                line.after = []  # whoever had it rolled it back
            if error is None:
                await line.commit()
            elif isinstance(error, Exception) and line.open:
                await line.rollback()
        except BaseException as failed:
            await super().__aexit__(type(failed), failed, None)
            raise
        await super().__aexit__(kind, error, trace)


def _tell_outage(error: BaseException) -> None:
    """Tell what is PostgreSQL's absence, or another transaction's doing, from our bugs. Raises Outage.

    SQLAlchemy leaves asyncpg's own errors as they are where a connection ends while it is being made.
    """
    if isinstance(error, _GONE):
        raise Outage("The database is not answering.", code="database.unavailable") from error
    if isinstance(error, DBAPIError | asyncpg.PostgresError):
        state = str(getattr(getattr(error, "orig", error), "sqlstate", "") or "")
        if state.startswith(_CONFLICT):
            raise Outage("Someone else was at it: ask again.", code="database.conflict", wait=_SOON) from error
        if getattr(error, "connection_invalidated", False) or state.startswith(_AWAY):
            raise Outage("The database is not answering.", code="database.unavailable") from error


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


_PING = Statement("SELECT 1")


async def rows(tx: AsyncConnection, statement: Statement, values: Mapping[str, object]) -> Sequence[asyncpg.Record]:
    """Execute a statement in the transaction and return its rows, with what the driver makes of their values.

    For what every request and delivery sends: it goes straight to the driver, prepared once a connection, at a fifth of
    what `tx.execute` costs, and in the same transaction. Raises what that raises, and Undone.
    """
    line: _Line = tx.info.get(_LINE) or _Line(tx)  # the latter is somebody's own connection of the engine
    try:
        if line.adapter._transaction is None:  # noqa: SLF001 - SQLAlchemy begins with the first statement
            if not tx.in_transaction():
                await tx.begin()
            await line.adapter._start_transaction()  # noqa: SLF001 - the same
        prepared = line.prepared.get(statement.sql)
        if prepared is None:
            prepared = line.prepared[statement.sql] = await line.driver.prepare(statement.sql)
        return await prepared.fetch(*[values[name] for name in statement.names])
    except asyncpg.InvalidCachedStatementError as changed:  # a migration changed what it returns
        line.spent = True
        raise Outage("The database has just changed: ask again.", code="database.conflict", wait=_SOON) from changed
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if getattr(error, "sqlstate", None) == _UNDOING:
            raise Undone from error
        raise _as_sqlalchemys(line, statement, error) from error


def _as_sqlalchemys(line: _Line, statement: Statement, error: Exception) -> DBAPIError:
    """Name a driver's error as SQLAlchemy does, so that callers need to know one kind."""
    dialect: Any = _sync(line.tx).dialect
    try:
        line.adapter._handle_exception(error)  # noqa: SLF001 - its translation, which always raises
    except dialect.loaded_dbapi.Error as translated:
        line.spent = line.spent or line.driver.is_closed()
        return DBAPIError.instance(
            statement.text,
            None,
            translated,
            dialect.loaded_dbapi.Error,
            connection_invalidated=line.spent,
            dialect=dialect,
        )
    raise error


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
            # As SSDs have it: else plans made while a table is small, or isn't analysed yet, read it whole ever after.
            "random_page_cost": "1.1",
        },
        "timeout": 5,
    }
    return Database(create_async_engine(async_url(url), poolclass=NullPool, connect_args=options), most=pool_size)

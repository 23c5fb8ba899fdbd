"""One clock for PostgreSQL, Python, Redis and the simulated Stripe, which jumps where a test wants it.

PostgreSQL: functions in `public` go before the catalogue's of the same name, in column defaults too, and add what a
one-row table says. They must be there before the tables are.
"""

import contextlib
from collections.abc import Generator
from datetime import UTC, datetime, timedelta

import asyncpg
from sqlalchemy import text

from reelwright.dev.stripe import controls
from reelwright.ground import clock
from reelwright.ground.postgres import Database
from tests.simulators.stripe import SimulatedStripe

_SHADOW = """
    CREATE FUNCTION public.{name}() RETURNS timestamptz LANGUAGE sql {kind}
        AS 'SELECT pg_catalog.{name}() + ahead FROM simulated.clock'
"""
_SHADOWED = {
    "now": "STABLE",
    "transaction_timestamp": "STABLE",
    "statement_timestamp": "STABLE",
    "clock_timestamp": "VOLATILE",
}
_SETUP = """
    CREATE SCHEMA simulated;
    CREATE TABLE simulated.clock (ahead interval NOT NULL);
    INSERT INTO simulated.clock VALUES ('0');
"""


async def shadow(database_url: str) -> None:
    """Let an empty database's time be moved, for every connection from now on."""
    connection = await asyncpg.connect(database_url)
    name = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(_SETUP)
    for function, kind in _SHADOWED.items():
        await connection.execute(_SHADOW.format(name=function, kind=kind))
    await connection.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
    await connection.close()


class Clock:
    """How far simulated time is before the real one. It never goes back."""

    def __init__(self, db: Database, stripe: SimulatedStripe) -> None:
        self._db, self._stripe = db, stripe
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """Return the simulated instant."""
        return datetime.now(UTC) + self._ahead

    def now_ms(self) -> int:
        """Return it as Redis's scripts are told it."""
        return int(self.now().timestamp() * 1000)

    async def jump(self, to: datetime) -> None:
        """Let it be this instant everywhere. What Stripe does meanwhile, renewals and retries, happens on its way."""
        ahead = to - datetime.now(UTC)
        assert ahead >= self._ahead, "time passes forward only"
        self._ahead = ahead
        async with self._db.begin() as tx:
            await tx.execute(text("UPDATE simulated.clock SET ahead = :ahead"), {"ahead": ahead})
        self._stripe.book.ahead_s = ahead.total_seconds()
        controls.catch_up(self._stripe.book)

    @contextlib.contextmanager
    def ruling(self) -> Generator[None]:
        """Let Python's doors and chores read this clock inside the block."""
        real = clock.now
        clock.now = self.now
        try:
            yield
        finally:
            clock.now = real

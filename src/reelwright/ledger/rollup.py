"""The daily figures: usage ledger and journal, added up by account, day and kind of work, each row of them once.

    usage ledger      calls, measures and cost, on the day of the call
    credit journal    credits, on the day they were charged or refunded

A book is read in the order of its ids up to a mark, which moves in the transaction that adds. An id is taken before its
row is committed, so a row may come to light behind later ones. Whoever writes to a table holds a lock on it until its
transaction ends, and took that before the id: once all who hold it at an instant have ended, every id that had been
taken by then is committed or will never be.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.postgres import Database

BATCH = 50_000
_PATIENCE_S = 2.0
_ASK_AGAIN_S = 0.01

_TAKEN = text("SELECT coalesce(pg_sequence_last_value(CAST(pg_get_serial_sequence(:book, 'id') AS regclass)), 0)")
_WRITERS = text(
    """
    SELECT virtualtransaction FROM pg_locks
     WHERE locktype = 'relation' AND relation = to_regclass(:book) AND mode = 'RowExclusiveLock' AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
)
_BEGUN = text("INSERT INTO usage_rollups (book) VALUES (:book) ON CONFLICT DO NOTHING")
_MARK = text("SELECT upto FROM usage_rollups WHERE book = :book FOR UPDATE SKIP LOCKED")
_MOVE = text("UPDATE usage_rollups SET upto = :upto, at = now() WHERE book = :book")
_AS_OF = text("SELECT min(at) FROM usage_rollups HAVING count(*) = :books")

_KIND = "day, action, provider, model, plan, outcome"
_KEY = f"account_id, {_KIND}"
_MEASURES = ("calls", "quantity", "prompt_tokens", "completion_tokens", "images", "characters", "wall_ms")
_FIGURES = (*_MEASURES, "cost_nano_usd", "credits_micro")
# What was carried over from another generation was used, and paid for by us, there.
_USED = """
    SELECT account_id, (at AT TIME ZONE 'UTC')::date AS day, action, provider, model, plan, outcome,
           count(*) AS calls, sum(quantity) AS quantity, sum(prompt_tokens) AS prompt_tokens,
           sum(completion_tokens) AS completion_tokens, sum(images) AS images, sum(characters) AS characters,
           sum(wall_ms) AS wall_ms, sum(cost_nano_usd) AS cost_nano_usd, 0 AS credits_micro
      FROM usage_ledger WHERE id > :after AND id <= :upto AND fence > 0
     GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
# A capture pays a generation's calls in their order, what it carried over last, until nothing is left of it.
_CHARGED = """
    SELECT account_id, day, action, provider, model, plan, 'succeeded' AS outcome,
           0 AS calls, 0 AS quantity, 0 AS prompt_tokens, 0 AS completion_tokens, 0 AS images, 0 AS characters,
           0 AS wall_ms, 0 AS cost_nano_usd, sum(micro) AS credits_micro
      FROM (WITH lines AS (
                SELECT id, account_id, generation_id, (at AT TIME ZONE 'UTC')::date AS day, kind, amount_micro
                  FROM credit_journal WHERE id > :after AND id <= :upto AND kind IN ('capture', 'refund')
            ), paid AS (
                SELECT l.id, l.account_id, l.day, u.action, u.provider, u.model, u.plan,
                       greatest(0, least(u.credits_micro, l.amount_micro - sum(u.credits_micro) OVER burn
                                                          + u.credits_micro)) AS micro
                  FROM lines l JOIN usage_ledger u ON u.generation_id = l.generation_id
                 WHERE l.kind = 'capture' AND u.credits_micro > 0
                WINDOW burn AS (PARTITION BY l.id ORDER BY u.fence = 0, u.id ROWS UNBOUNDED PRECEDING)
            )
            SELECT account_id, day, action, provider, model, plan, micro FROM paid
            UNION ALL
            SELECT account_id, day, CASE kind WHEN 'capture' THEN 'other' ELSE 'refund' END, '', '',
                   coalesce((SELECT plan FROM usage_ledger u WHERE u.generation_id = l.generation_id LIMIT 1), ''),
                   CASE kind WHEN 'capture' THEN amount_micro - coalesce(p.micro, 0) ELSE -amount_micro END
              FROM lines l LEFT JOIN (SELECT id, sum(micro) AS micro FROM paid GROUP BY id) AS p USING (id)
             WHERE kind = 'refund' OR amount_micro <> coalesce(p.micro, 0)) AS moved
     WHERE micro <> 0 GROUP BY 1, 2, 3, 4, 5, 6
"""
_SOURCES = {"usage_ledger": _USED, "credit_journal": _CHARGED}
_COLUMNS, _SUMS = ", ".join(_FIGURES), ", ".join(f"sum({name}) AS {name}" for name in _FIGURES)
_MORE = ", ".join(f"{name} = d.{name} + excluded.{name}" for name in _FIGURES)
_FAILED = "coalesce(sum(calls) FILTER (WHERE outcome = 'failed'), 0) AS failed_calls"
_ADD = {
    book: text(
        f"""
        WITH figures AS MATERIALIZED ({source}), totals AS (
            INSERT INTO usage_totals AS d ({_KIND}, {_COLUMNS}) SELECT {_KIND}, {_SUMS} FROM figures GROUP BY {_KIND}
            ON CONFLICT ({_KIND}) DO UPDATE SET {_MORE}), accounts AS (
            INSERT INTO usage_accounts AS d (account_id, day, {_COLUMNS}, failed_calls)
            SELECT account_id, day, {_SUMS}, {_FAILED} FROM figures GROUP BY account_id, day
            ON CONFLICT (account_id, day) DO UPDATE SET {_MORE}, failed_calls = d.failed_calls + excluded.failed_calls)
        INSERT INTO usage_daily AS d ({_KEY}, {_COLUMNS}) SELECT {_KEY}, {_COLUMNS} FROM figures
        ON CONFLICT ({_KEY}) DO UPDATE SET {_MORE}
        """  # noqa: S608 - constants, above
    )
    for book, source in _SOURCES.items()
}
# The same from nothing, up to where the marks stand; then both must be one.
_MARK_OF = "(SELECT upto FROM usage_rollups WHERE book = '{book}')"
_ANEW = " UNION ALL ".join(
    f"SELECT {_KEY}, {', '.join(_FIGURES)} FROM ("  # noqa: S608 - constants, above
    + source.replace(":after", "0").replace(":upto", _MARK_OF.format(book=book))
    + f") AS {book}_anew"
    for book, source in _SOURCES.items()
)


def _unlike(figures: Sequence[str]) -> str:
    anew, kept = (", ".join(f"coalesce({side}.{name}, 0)" for name in figures) for side in ("anew", "kept"))
    return f"({anew}) <> ({kept})"


_DIFFERENT = text(
    f"""
    SELECT account_id::text || ' ' || day || ' ' || action || ' ' || provider || ' ' || outcome AS fact
      FROM (SELECT {_KEY}, {_SUMS} FROM ({_ANEW}) AS rows GROUP BY {_KEY}) AS anew
      FULL JOIN (SELECT {_KEY}, {_SUMS} FROM usage_daily GROUP BY {_KEY}) AS kept USING ({_KEY})
     WHERE {_unlike(_FIGURES)}
    UNION ALL
    SELECT 'all ' || day || ' ' || action || ' ' || provider || ' ' || outcome
      FROM (SELECT {_KIND}, {_SUMS} FROM usage_daily GROUP BY {_KIND}) AS anew
      FULL JOIN (SELECT {_KIND}, {_SUMS} FROM usage_totals GROUP BY {_KIND}) AS kept USING ({_KIND})
     WHERE {_unlike(_FIGURES)}
    UNION ALL
    SELECT account_id::text || ' ' || day || ' all'
      FROM (SELECT account_id, day, {_SUMS}, {_FAILED} FROM usage_daily GROUP BY account_id, day) AS anew
      FULL JOIN usage_accounts AS kept USING (account_id, day)
     WHERE {_unlike((*_FIGURES, "failed_calls"))}
     ORDER BY 1 LIMIT 20
    """  # noqa: S608 - constants, above
)


@dataclass(frozen=True, slots=True)
class RolledUp:
    """How far each book is in the daily figures now: the id of its last row, by book. `done`: nothing is left behind.

    `done` is False where another process is at it, or a writer would not end.
    """

    upto: dict[str, int]
    done: bool


async def roll_up(db: Database, *, batch: int = BATCH) -> RolledUp:
    """Add what is new to the daily figures, in transactions of `batch` ids each; any number of processes at once.

    Whatever it is interrupted by, each row is added once. Raises Outage.
    """
    upto, done = dict[str, int](), True
    for book in _SOURCES:
        settled = await _settled(db, book)
        reached = await _added(db, book, settled, batch)
        done = done and settled is not None and reached is not None
        upto[book] = reached or 0
    return RolledUp(upto, done)


async def as_of(tx: AsyncConnection) -> datetime | None:
    """Return when the daily figures were last complete, None where they never were."""
    return await tx.scalar(_AS_OF, {"books": len(_SOURCES)})


async def differences(tx: AsyncConnection) -> list[str]:
    """Return, at most twenty of them, the daily figures that are not what both books add up to; none is expected."""
    return [str(fact) for fact in await tx.scalars(_DIFFERENT)]


async def _settled(db: Database, book: str) -> int | None:
    """Return an id up to which every row is committed or never will be, None where a writer outlasts our patience."""
    ends = time.monotonic() + _PATIENCE_S
    async with db.single() as tx:
        taken = await tx.scalar(_TAKEN, {"book": book}) or 0
        waiting = {*await tx.scalars(_WRITERS, {"book": book})}
        while waiting:
            if time.monotonic() >= ends:
                return None
            await asyncio.sleep(_ASK_AGAIN_S)
            waiting &= {*await tx.scalars(_WRITERS, {"book": book})}
    return taken


async def _added(db: Database, book: str, settled: int | None, batch: int) -> int | None:
    """Add a book's rows up to the settled id and return it, None where there is none or another process adds."""
    if settled is None:
        return None
    async with db.begin() as tx:
        await tx.execute(_BEGUN, {"book": book})
    while True:
        async with db.begin() as tx:
            mark = await tx.scalar(_MARK, {"book": book})
            if mark is None:
                return None
            upto = max(mark, min(settled, mark + batch))
            if upto > mark:
                await tx.execute(_ADD[book], {"after": mark, "upto": upto})
            await tx.execute(_MOVE, {"book": book, "upto": upto})
            if upto >= settled:
                return upto

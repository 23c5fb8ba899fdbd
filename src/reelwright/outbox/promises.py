"""Promises of messages: made in the transaction that makes them true, kept by a relay, looked after by the sweep."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import GenerationId, StageRunId
from reelwright.ground.postgres import Statement, after_commit, rows
from reelwright.outbox.messages import Message, encoded

CHANNEL = "reelwright_outbox"
_waking: set[Callable[[], None]] = set()
"""Wakes the relays that run in this process."""

_PROMISED = """
    promised AS (
        INSERT INTO outbox (generation_id, run_id, body, deliver_at)
        SELECT generation_id, run_id, body, clock_timestamp() + CAST(:delay AS interval)
          FROM {beside}unnest(CAST(:generations AS uuid[]), CAST(:runs AS uuid[]), CAST(:bodies AS bytea[]))
            AS message (generation_id, run_id, body)
        RETURNING id)
"""
NOTIFIED = "CASE WHEN CAST(:tell AS boolean) THEN CAST(pg_notify(:channel, '') AS text) END"
"""What tells the relays of other processes, once, where there is none in this one."""
_PROMISE = Statement(
    f"WITH {_PROMISED.format(beside='')} SELECT {NOTIFIED} FROM promised LIMIT 1"  # noqa: S608 - from constants
)
_PARKED = text(
    """
    SELECT id, generation_id, run_id, attempts, parked_at, parked_reason FROM outbox
     WHERE parked_at IS NOT NULL AND id > :after ORDER BY id LIMIT :limit
    """
)
_UNPARK = text(
    """
    WITH back AS (
        UPDATE outbox SET parked_at = NULL, parked_reason = NULL, attempts = 0, claimed_until = NULL
         WHERE id = ANY(CAST(:ids AS bigint[])) AND parked_at IS NOT NULL RETURNING id)
    SELECT count(*), CASE WHEN count(*) > 0 THEN CAST(pg_notify(:channel, '') AS text) END FROM back
    """
)
_FORGET = text(
    """
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM outbox WHERE published_at < clock_timestamp() - CAST(:older AS interval)
         ORDER BY published_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    """
)
_WAITING = text(
    """
    SELECT count(*) AS waiting,
           coalesce(extract(epoch FROM clock_timestamp() - min(deliver_at)), 0)::float8 AS oldest_s
      FROM outbox WHERE published_at IS NULL AND parked_at IS NULL AND deliver_at <= clock_timestamp()
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A promise that the queue refused again and again. `reason` is the queue's own sentence."""

    id: int
    generation_id: GenerationId
    run_id: StageRunId
    attempts: int
    parked_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many messages are due and unsent, and for how many seconds the oldest has been."""

    waiting: int
    oldest_s: float


async def enqueue(tx: AsyncConnection, *messages: Message, delay: timedelta = timedelta(0)) -> None:
    """Promise messages with this transaction; a relay hears of it at the commit and publishes each after the `delay`.

    One in this process is woken by itself. Only where there is none does PostgreSQL notify those of others: it lets
    transactions that notify commit one by one.
    """
    if not messages:
        return
    await rows(tx, _PROMISE, promised(tx, *messages, delay=delay))


def promising(beside: str) -> str:
    """Return the WITH query `promised`, for a statement that does more in one go: done where `beside` has its one row.

    Let that statement select `NOTIFIED`.
    """
    return _PROMISED.format(beside=f"{beside}, ")


def promised(tx: AsyncConnection, *messages: Message, delay: timedelta = timedelta(0)) -> dict[str, object]:
    """Return the values of `promising` and `NOTIFIED`; a relay of this process is woken once they are committed."""
    for wake in _waking:
        after_commit(tx, wake)
    return {
        "generations": [message.generation_id for message in messages],
        "runs": [message.run_id for message in messages],
        "bodies": [encoded(message) for message in messages],
        "delay": delay,
        "channel": CHANNEL,
        "tell": not _waking,
    }


@contextmanager
def woken(wake: Callable[[], None]) -> Generator[None]:
    """Let this be called, while the block runs, whenever a transaction of this process has promised something."""
    _waking.add(wake)
    try:
        yield
    finally:
        _waking.discard(wake)


async def parked(tx: AsyncConnection, limit: int, *, after: int = 0) -> list[Parked]:
    """Return what can't be published as it is, by id, from behind the given one."""
    return [
        Parked(
            id=row.id,
            generation_id=row.generation_id,
            run_id=row.run_id,
            attempts=row.attempts,
            parked_at=row.parked_at,
            reason=row.parked_reason,
        )
        for row in await tx.execute(_PARKED, {"limit": limit, "after": after})
    ]


async def unpark(tx: AsyncConnection, ids: Sequence[int]) -> int:
    """Let relays try these parked ones anew, and return how many there were."""
    return await tx.scalar(_UNPARK, {"ids": list(ids), "channel": CHANNEL}) or 0


async def forget(tx: AsyncConnection, *, older: timedelta = timedelta(hours=24), limit: int = 1000) -> int:
    """Delete some of what was published that long ago and return how many; fewer than the limit: no more are left."""
    deleted = await tx.execute(_FORGET, {"older": older, "limit": limit})
    return int(getattr(deleted, "rowcount", 0))


async def backlog(tx: AsyncConnection) -> Backlog:
    """Return how much waits to be published, and how long."""
    row = (await tx.execute(_WAITING)).one()
    return Backlog(row.waiting, row.oldest_s)

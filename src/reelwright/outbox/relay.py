"""The relay: promised messages → QStash. Any number of relays may run; each row is published by one of them.

Publish, then mark: a crash between the two publishes again under the same deduplication id, and the stage run's own
state makes the second delivery harmless. Marking first could lose a message for good.
"""

import asyncio
import contextlib
import random
from dataclasses import dataclass
from datetime import timedelta

from qstash import AsyncQStash
from qstash.errors import QStashError
from sqlalchemy import text

from reelwright.ground import log
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database

_log = log.logger("outbox.relay")

_BATCH = 100
_IN_FLIGHT = 8
_PARK_AFTER = 5
_RETRY_DELAY = "min(1000 * pow(3, retried), 300000)"  # milliseconds: a worker that restarts is back in seconds
_CLAIM = text(
    """
    UPDATE outbox SET claimed_until = clock_timestamp() + interval '30 seconds', attempts = attempts + 1
     WHERE id IN (
        SELECT id FROM outbox
         WHERE published_at IS NULL AND parked_at IS NULL AND deliver_at <= clock_timestamp()
           AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
         ORDER BY deliver_at, id LIMIT :batch FOR UPDATE SKIP LOCKED)
    RETURNING id, run_id, body, attempts
    """
)
_MARK = text(
    "UPDATE outbox SET published_at = clock_timestamp(), message_id = :message, claimed_until = NULL WHERE id = :id"
)
_LATER = text("UPDATE outbox SET claimed_until = clock_timestamp() + :wait WHERE id = :id AND published_at IS NULL")
_PARK = text(
    "UPDATE outbox SET parked_at = clock_timestamp(), parked_reason = :reason, claimed_until = NULL"
    " WHERE id = :id AND published_at IS NULL"
)
_NEXT_DUE = text(
    "SELECT extract(epoch FROM min(deliver_at) - clock_timestamp()) FROM outbox"
    " WHERE published_at IS NULL AND parked_at IS NULL AND deliver_at > clock_timestamp()"
)
_FORGET = text("DELETE FROM outbox WHERE published_at < clock_timestamp() - interval '24 hours'")


class Unpublishable(Exception):  # noqa: N818 - internal: the queue said that this message can never be accepted
    pass


@dataclass(frozen=True, slots=True)
class Destination:
    """Where deliveries go, and how long QStash itself should try when no worker could even record a failure."""

    url: str
    retries: int = 3
    timeout: timedelta = timedelta(minutes=15)


class Relay:
    """Publishes what the outbox holds, woken by `wake` and by its own polling."""

    def __init__(self, db: Database, queue: AsyncQStash, destination: Destination) -> None:
        self._db = db
        self._queue = queue
        self._to = destination
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Publish until cancelled; an outage of PostgreSQL or QStash only delays it."""
        pause = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), timeout=pause)
            self.wake.clear()
            try:
                pause = 0.0 if await self.publish_due() == _BATCH else await self._until_next()
            except Outage:
                pause = 1.0

    async def publish_due(self) -> int:
        """Publish one batch of due rows and return how many were claimed. Raises Outage."""
        async with self._db.begin() as tx:
            rows = (await tx.execute(_CLAIM, {"batch": _BATCH})).all()
        if not rows:
            return 0
        places = asyncio.Semaphore(_IN_FLIGHT)

        async def send(row_id: int, run: str, body: bytes) -> str | Exception:
            async with places:
                try:
                    return await self._publish(body, dedup=f"{run.replace('-', '')}-{row_id}")
                except Exception as error:  # noqa: BLE001 - one row's failure is that row's; it is recorded below
                    return error

        answers = await asyncio.gather(*(send(row.id, str(row.run_id), row.body) for row in rows))
        async with self._db.begin() as tx:
            for row, answer in zip(rows, answers, strict=True):
                if isinstance(answer, str):
                    await tx.execute(_MARK, {"id": row.id, "message": answer})
                elif isinstance(answer, Unpublishable) and row.attempts >= _PARK_AFTER:
                    _log.error("outbox.parked", row=row.id, run_id=str(row.run_id), reason=str(answer))
                    await tx.execute(_PARK, {"id": row.id, "reason": str(answer)[:200]})
                else:
                    _log.warning("outbox.publish_failed", row=row.id, error=type(answer).__name__)
                    wait = timedelta(seconds=random.uniform(0.2, min(30.0, 0.5 * 2**row.attempts)))  # noqa: S311 - jitter
                    await tx.execute(_LATER, {"id": row.id, "wait": wait})
        return len(rows)

    async def forget_published(self) -> None:
        """Delete what was published more than a day ago. Raises Outage."""
        async with self._db.begin() as tx:
            await tx.execute(_FORGET)

    async def _until_next(self) -> float:
        """Return how long nothing will be due, one second at most: the poll that a lost notification falls back on."""
        async with self._db.begin() as tx:
            seconds = await tx.scalar(_NEXT_DUE)
        return 1.0 if seconds is None else min(1.0, max(0.02, float(seconds)))

    async def _publish(self, body: bytes, *, dedup: str) -> str:
        try:
            answer = await self._queue.message.publish(
                url=self._to.url,
                body=body,
                content_type="application/json",
                retries=self._to.retries,
                retry_delay=_RETRY_DELAY,
                timeout=f"{int(self._to.timeout.total_seconds())}s",
                deduplication_id=dedup,
            )
        except QStashError as error:
            if any(f"status: {status}" in str(error) for status in (400, 404, 413, 422)):
                raise Unpublishable(str(error)[:200]) from error
            raise
        return str(getattr(answer, "message_id", ""))

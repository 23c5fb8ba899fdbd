"""The relay: promised messages → QStash. Any number of relays may run; each row is published by one of them.

Publish, then mark: a crash between the two publishes again under the same deduplication id, and the stage run's own
state makes the second delivery harmless. Marking first could lose a message for good.
"""

import asyncio
import contextlib
import math
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from qstash import AsyncQStash
from qstash.errors import QStashError
from qstash.message import BatchRequest, prepare_batch_message_body

from reelwright.ground import failpoints, log, tasks, telemetry
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import LAZILY, Database, Statement, rows
from reelwright.outbox.promises import woken

_log = log.logger("outbox.relay")

_BATCH = 100
_BATCHES_IN_FLIGHT = 4
_SINGLES_IN_FLIGHT = 8
_PARK_AFTER = 5
_POLL_S = 1.0
_GATHER_S, _MOST_GATHER_S = 0.02, 0.08
"""After a batch rows gather for the next, so long for each row but one: not at all when idle, in tens when busy."""
_RETRY_DELAY = "min(1000 * pow(3, retried), 300000)"  # milliseconds: a worker that restarts is back in seconds
_STATUS = re.compile(r"status: (\d{3})")
_NEVER = frozenset({400, 404, 412, 413, 422})
"""What says that a message, or one of a batch, is wrong in itself. A bad token (401, 403) is our own outage."""

_NEAR, _FAR = timedelta(minutes=1), timedelta(days=36_500)
_LOOK_BACK_S = 5.0
"""Rows are looked for from so long ago on, since behind them may lie thousands that were sent and that no vacuum may
clear away yet; now and then from the first, for those whose relay died or was refused."""

# now() is the statement's beginning, and bounds the scan of an index; clock_timestamp() is asked anew for each row.
_CLAIM = Statement(
    f"""
    WITH claimed AS (
        UPDATE outbox SET claimed_until = now() + interval '30 seconds', attempts = attempts + 1
         WHERE id IN (
            SELECT id FROM outbox
             WHERE published_at IS NULL AND parked_at IS NULL
               AND deliver_at BETWEEN now() - CAST(:reach AS interval) AND now()
               AND (claimed_until IS NULL OR claimed_until < now())
             ORDER BY deliver_at, id LIMIT :batch FOR UPDATE SKIP LOCKED)
        RETURNING id, run_id, body, attempts),
    next AS (
        SELECT extract(epoch FROM min(deliver_at) - now())::float8 AS due_s, {LAZILY} FROM outbox
         WHERE published_at IS NULL AND parked_at IS NULL AND deliver_at > now())
    SELECT id, run_id, body, attempts, due_s FROM next LEFT JOIN claimed ON true
    """  # noqa: S608 - put together from constants
)
_SETTLE = Statement(
    f"""
    UPDATE outbox SET message_id = said.message,
           published_at = CASE WHEN said.message IS NOT NULL THEN clock_timestamp() END,
           parked_at = CASE WHEN said.reason IS NOT NULL THEN clock_timestamp() END, parked_reason = said.reason,
           claimed_until = clock_timestamp() + said.wait
      FROM unnest(CAST(:ids AS bigint[]), CAST(:messages AS text[]), CAST(:waits AS interval[]),
                  CAST(:reasons AS text[])) AS said (id, message, wait, reason), (SELECT {LAZILY}) AS lazily
     WHERE outbox.id = said.id AND published_at IS NULL AND parked_at IS NULL
    """  # noqa: S608 - put together from constants
)


class Unpublishable(Exception):  # noqa: N818 - internal: the queue said that this message can never be accepted
    pass


@dataclass(frozen=True, slots=True)
class Destination:
    """Where deliveries go, and how long QStash itself should try when no worker could even record a failure.

    What it has given up on it says to `failures`, if there is such an address.
    """

    url: str
    failures: str | None = None
    retries: int = 3
    timeout: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class _Claimed:
    """One row that this relay publishes now."""

    id: int
    run: str
    body: bytes
    attempts: int


@dataclass(slots=True)
class _Verdicts:
    """What became of each row, in columns, as one statement writes it."""

    ids: list[int]
    messages: list[str | None]
    waits: list[timedelta | None]
    reasons: list[str | None]


class Relay:
    """Publishes what the outbox holds, woken by notifications and by its own polling."""

    def __init__(self, db: Database, queue: AsyncQStash, destination: Destination) -> None:
        self._db = db
        self._queue = queue
        self._to = destination
        self._sending: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._looked_back = -math.inf
        self.wake = asyncio.Event()

    def notified(self, _said: str = "") -> None:
        """Look for rows now."""
        self.wake.set()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what is under way has been settled."""
        self._stopped = True
        self.wake.set()

    async def run(self) -> None:
        """Publish until stopped or cancelled; an outage of PostgreSQL or QStash only delays it."""
        pause = 0.0
        try:
            with woken(self.wake.set):
                while not self._stopped:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.wake.wait(), timeout=pause)
                    self.wake.clear()
                    try:
                        pause = await self._turn()
                    except Outage:
                        pause = _POLL_S
            if self._sending:
                await asyncio.wait(self._sending)
        finally:
            await tasks.end(*self._sending)

    async def _turn(self) -> float:
        """Claim one batch, send it on its way beside the next, and return how long to wait for that. Raises Outage."""
        if len(self._sending) >= _BATCHES_IN_FLIGHT:
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
        if self._stopped:
            return 0.0
        claimed, pause = await self._claim()
        if claimed:
            sending = asyncio.create_task(self._sent(claimed))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        if 1 < len(claimed) < _BATCH:
            await asyncio.sleep(min(_MOST_GATHER_S, _GATHER_S * (len(claimed) - 1)))
        return pause

    async def _sent(self, rows: Sequence[_Claimed]) -> None:
        try:
            await self._settle(rows, await self._publish(rows))
        except Outage:  # the claim lapses, and the same deduplication id makes a second publishing harmless
            _log.warning("outbox.not_marked", rows=len(rows))

    async def publish_due(self) -> int:
        """Publish one batch of due rows and return how many were claimed. Raises Outage."""
        claimed, _ = await self._claim()
        if claimed:
            await self._settle(claimed, await self._publish(claimed))
        return len(claimed)

    async def _claim(self) -> tuple[list[_Claimed], float]:
        """Claim a batch; return it and how long nothing more will be due: one second, the poll, at most."""
        far = (began := time.monotonic()) - self._looked_back >= _LOOK_BACK_S
        async with self._db.single() as tx:
            found = await rows(tx, _CLAIM, {"batch": _BATCH, "reach": _FAR if far else _NEAR})
        claimed = [
            _Claimed(row["id"], row["run_id"].hex, row["body"], row["attempts"])
            for row in found
            if row["id"] is not None
        ]
        if far and len(claimed) < _BATCH:
            self._looked_back = began
        if claimed:
            await failpoints.reached("outbox.after_claim")
        due_s = found[0]["due_s"]
        return claimed, 0.0 if len(claimed) == _BATCH else min(_POLL_S, _POLL_S if due_s is None else max(0.01, due_s))

    async def _publish(self, rows: Sequence[_Claimed]) -> list[str | Exception]:
        """Publish the rows in one request, and each on its own that the queue didn't take so; return ids or errors."""
        try:
            answers = await self._batch(rows)
        except Unpublishable:
            answers: list[str | None] = [None] * len(rows)  # one of them spoils it for all: ask for each
        except Exception as error:  # noqa: BLE001 - the queue is away, in whatever words: the rows wait
            return [error] * len(rows)
        places = asyncio.Semaphore(_SINGLES_IN_FLIGHT)

        async def alone(row: _Claimed) -> str | Exception:
            async with places:
                try:
                    return (await self._batch([row]))[0] or Unpublishable("the queue doesn't say why")
                except Exception as error:  # noqa: BLE001 - one row's failure is that row's; it is recorded
                    return error

        refused = {
            row.id: asyncio.create_task(alone(row)) for row, got in zip(rows, answers, strict=True) if got is None
        }
        if refused:
            await asyncio.wait(refused.values())
        found = [refused[row.id].result() if got is None else got for row, got in zip(rows, answers, strict=True)]
        await failpoints.reached("outbox.after_publish")
        return found

    async def _batch(self, rows: Sequence[_Claimed]) -> list[str | None]:
        """Ask for the rows' publishing; return each one's message id, None where it alone was refused.

        The SDK's own `batch` loses all ids when one item is refused, so its answer is read here. Raises Unpublishable
        where the request itself is wrong, and what the SDK and httpx raise.
        """
        body = prepare_batch_message_body([self._message(row) for row in rows])
        headers = {"Content-Type": "application/json"}
        try:
            said: Any = await self._queue.http.request(path="/v2/batch", method="POST", headers=headers, body=body)
        except QStashError as error:
            status = _STATUS.search(str(error))
            if status and int(status[1]) in _NEVER:
                raise Unpublishable(str(error)[:200]) from error
            raise
        if len(rows) == 1 and "error" in said[0]:
            raise Unpublishable(str(said[0]["error"])[:200])
        return [item.get("messageId") for item in said]

    def _message(self, row: _Claimed) -> BatchRequest:
        message = BatchRequest(
            url=self._to.url,
            body=row.body.decode(),
            content_type="application/json",
            retries=self._to.retries,
            retry_delay=_RETRY_DELAY,
            timeout=f"{int(self._to.timeout.total_seconds())}s",
            deduplication_id=f"{row.run}-{row.id}",
        )
        if self._to.failures:
            message["failure_callback"] = self._to.failures
        return message

    async def _settle(self, claimed: Sequence[_Claimed], answers: Sequence[str | Exception]) -> None:
        """Write down what became of the rows, in one statement. Raises Outage."""
        told = _Verdicts([], [], [], [])
        for row, answer in zip(claimed, answers, strict=True):
            hopeless = isinstance(answer, Unpublishable) and row.attempts >= _PARK_AFTER
            wait = timedelta(seconds=random.uniform(0.2, min(30.0, 0.5 * 2**row.attempts)))  # noqa: S311 - jitter
            told.ids.append(row.id)
            told.messages.append(answer if isinstance(answer, str) else None)
            told.waits.append(None if isinstance(answer, str) or hopeless else wait)
            told.reasons.append(str(answer)[:200] if hopeless else None)
            if hopeless:
                telemetry.OUTBOX_PARKED.inc()
                _log.error("outbox.parked", row=row.id, run_id=row.run, reason=str(answer))
        failed = [answer for answer in answers if isinstance(answer, Exception)]
        if failed:
            _log.warning("outbox.publish_failed", rows=len(failed), error=type(failed[0]).__name__)
        values = {"ids": told.ids, "messages": told.messages, "waits": told.waits, "reasons": told.reasons}
        async with self._db.single() as tx:
            await rows(tx, _SETTLE, values)
        telemetry.OUTBOX_PUBLISHED.inc(len(claimed) - len(failed))

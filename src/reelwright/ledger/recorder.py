"""Analytics that may be late: what each account asks of the API, counted in memory and written in batches.

Nothing that carries money comes this way. A process that is killed loses what it has counted since its last batch, a
PostgreSQL that crashes its last half second; a batch whose COMMIT went unanswered may be counted twice.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

from sqlalchemy import text

from reelwright.ground import log, tasks, telemetry
from reelwright.ground.errors import Outage
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import LAZILY, Database, Statement, rows

_log = log.logger("ledger.recorder")
_EVERY_S = 1.0
_LAST_BATCH_S = 5.0
_MOST = 10_000
REQUESTS = "requests"
telemetry.show(telemetry.USAGE_UNTRACKED, [REQUESTS], ["queue_full", "shutdown", "bug"])
Asked = tuple[AccountId, date, str, str]  # who, on which UTC day, which route, how it was answered
Missed = tuple[date, str, str]  # on which UTC day, of which source, why

_ADD = Statement(
    f"""
    INSERT INTO requests_daily AS d (account_id, day, route, outcome, requests)
    SELECT asked.* FROM unnest(CAST(:accounts AS uuid[]), CAST(:days AS date[]), CAST(:routes AS text[]),
                               CAST(:outcomes AS text[]), CAST(:counts AS bigint[])) AS asked,
                        (SELECT {LAZILY}) AS lazily
    ON CONFLICT (account_id, day, route, outcome) DO UPDATE SET requests = d.requests + excluded.requests
    """  # noqa: S608 - put together from constants
)
_MISS = text(
    """
    INSERT INTO tracking_failures AS f (day, source, reason, lost) VALUES (:day, :source, :reason, :lost)
    ON CONFLICT (day, source, reason) DO UPDATE SET lost = f.lost + excluded.lost, last_at = now()
    """
)


class Recorder:
    """Counts without ever waiting or failing: a request is never slower or broken for being counted.

    At most `most` different counts wait; what comes on top is lost, and how much that was is counted.
    """

    def __init__(self, db: Database, *, every_s: float = _EVERY_S, most: int = _MOST) -> None:
        self._db = db
        self._every_s = every_s
        self._most = most
        self._asked = dict[Asked, int]()
        self._missed = dict[Missed, int]()
        self._stopping = asyncio.Event()

    def asked(self, account: AccountId, *, route: str, outcome: str, at: datetime) -> None:
        """Count one request. Takes microseconds, whatever PostgreSQL does."""
        self._count((account, at.astimezone(UTC).date(), route, outcome), 1)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Write what is counted, once a second; at the end what is left, for at most five seconds."""
        writing = asyncio.create_task(self._run(), name="usage-recorder")
        try:
            yield
        finally:
            self._stopping.set()
            await asyncio.wait({writing}, timeout=_LAST_BATCH_S)
            await tasks.end(writing)
            self._give_up(self._asked, "shutdown")

    async def write(self) -> None:
        """Write what is waiting, in one transaction; where PostgreSQL is away it goes on waiting."""
        asked, self._asked = self._asked, {}
        missed, self._missed = self._missed, {}
        if not asked and not missed:
            return
        written = False
        try:
            await self._write(asked, missed)
            written = True
        except Outage as away:
            _log.warning("usage.recording_postponed", code=away.code, waiting=sum(asked.values()))
        except Exception:  # noqa: BLE001 - a bug here may cost figures, never requests; it is logged and counted
            _log.exception("usage.recording_failed")
            self._give_up(asked, "bug")
            written = True
        finally:
            if not written:  # also where the process's end cuts it off
                for key, count in asked.items():
                    self._count(key, count)
                for key, count in missed.items():
                    self._missed[key] = self._missed.get(key, 0) + count

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(self._every_s):
                    await self._stopping.wait()
            except TimeoutError:
                await self.write()
        await self.write()  # what came in while the last batch was written, too

    async def _write(self, asked: dict[Asked, int], missed: dict[Missed, int]) -> None:
        async with self._db.begin() as tx:
            if asked:  # in one order, so that two processes never wait for each other
                counted = sorted(asked.items())
                accounts, days, routes, outcomes = zip(*(key for key, _ in counted), strict=True)
                values = {"accounts": [*accounts], "days": [*days], "routes": [*routes], "outcomes": [*outcomes]}
                await rows(tx, _ADD, values | {"counts": [count for _, count in counted]})
            for (day, source, reason), lost in sorted(missed.items()):
                await tx.execute(_MISS, {"day": day, "source": source, "reason": reason, "lost": lost})

    def _count(self, key: Asked, count: int) -> None:
        if key in self._asked or len(self._asked) < self._most:
            self._asked[key] = self._asked.get(key, 0) + count
        else:
            self._miss((key[1], REQUESTS, "queue_full"), count)

    def _miss(self, key: Missed, lost: int) -> None:
        self._missed[key] = self._missed.get(key, 0) + lost
        telemetry.USAGE_UNTRACKED.labels(key[1], key[2]).inc(lost)

    def _give_up(self, asked: dict[Asked, int], reason: str) -> None:
        if not asked:
            return
        _log.error("usage.untracked", source=REQUESTS, reason=reason, requests=sum(asked.values()))
        for key, count in asked.items():
            self._miss((key[1], REQUESTS, reason), count)

"""Find what nobody is working on any more and set it going again, or end it honestly; safe to run any time."""

import asyncio
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from reelwright.admission import Gate
from reelwright.generations import Generations, Runs, StaleRun
from reelwright.ground import clock, log
from reelwright.ground.errors import Outage
from reelwright.ground.ids import StageRunId
from reelwright.ground.postgres import Database
from reelwright.journeys import ending
from reelwright.journeys.creation import due
from reelwright.journeys.reconciliation import settle_unconfirmed
from reelwright.outbox import enqueue

_log = log.logger("journeys.recovery")
_BATCH = 50
EXHAUSTED = Outage(
    "A stage failed again and again on our side; nothing was charged. Start the reel again.", code="stage.exhausted"
)
TOO_LATE = Outage("The reel was not finished in time; nothing was charged. Start it again.", code="generation.deadline")


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did."""

    rescued: int
    exhausted: int
    overdue: int


async def sweep(*, db: Database, gate: Gate, resend_after: timedelta = timedelta(seconds=30)) -> Swept:
    """Re-queue runs whose worker died or whose message was lost, and end what is out of attempts or past its deadline.

    Each row is judged again inside its own UPDATE, so two sweepers, or a worker that is only slow, do no harm.
    Raises Outage.
    """
    rescued = exhausted = 0
    async for run in _stale(db, resend_after):
        if run.exhausted:
            exhausted += await _given_up(run, db=db, gate=gate, resend_after=resend_after)
            continue
        async with db.begin() as tx:
            if await Runs(session=tx).rescue(run, resend_after=resend_after):
                await enqueue(tx, due(run.generation_id, run.unit, request_id=None))
                rescued += 1
    async with db.begin() as tx:
        late = await Generations(session=tx).unfinished_past_deadline(limit=_BATCH)
    for generation in late:
        await ending.give_up(generation, db=db, gate=gate, why=TOO_LATE)
    swept = Swept(rescued=rescued, exhausted=exhausted, overdue=len(late))
    if rescued or exhausted or late:
        _log.warning("sweep.found", rescued=rescued, exhausted=exhausted, overdue=len(late))
    return swept


async def _stale(db: Database, resend_after: timedelta) -> AsyncGenerator[StaleRun]:
    """Yield what needs looking after, page by page, so that rows nobody can help hide nothing behind them."""
    after: StageRunId | None = None
    while True:
        async with db.begin() as tx:
            page = await Runs(session=tx).stale(limit=_BATCH, resend_after=resend_after, after=after)
        for run in page:
            yield run
        if len(page) < _BATCH:
            return
        after = page[-1].id


async def _given_up(run: StaleRun, *, db: Database, gate: Gate, resend_after: timedelta) -> bool:
    """End a generation whose run has no attempt left, unless its worker came back in this moment."""

    async def still_stale(tx: AsyncSession) -> bool:
        return await Runs(session=tx).give_up(run, resend_after=resend_after, error_code=EXHAUSTED.code)

    return await ending.give_up(run.generation_id, db=db, gate=gate, why=EXHAUSTED, provided=still_stale)


async def keep_sweeping(*, db: Database, gate: Gate, every: timedelta, resend_after: timedelta) -> None:
    """Sweep for ever, a little out of step with other sweepers; an outage is waited out."""
    while True:
        await asyncio.sleep(every.total_seconds() * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        try:
            await sweep(db=db, gate=gate, resend_after=resend_after)
            await settle_unconfirmed(db=db, gate=gate, now=clock.now())
        except Outage:
            _log.warning("sweep.postponed")
        except Exception:  # noqa: BLE001 - a bug in one sweep must not end the sweeping; it is logged with its traceback
            _log.exception("sweep.bug")

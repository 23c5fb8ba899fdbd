"""Find what nobody is working on any more and set it going again, or end it honestly; safe to run any time."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import outbox
from reelwright.admission import Gate
from reelwright.generations import Generations, Runs, StaleRun, Uploads
from reelwright.ground import clock, failpoints, log, telemetry
from reelwright.ground.errors import Outage
from reelwright.ground.ids import GenerationId, StageRunId
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage
from reelwright.journeys import ending, invariants, stopping
from reelwright.journeys.creation import due
from reelwright.journeys.credits import sweep_lapsed
from reelwright.journeys.ending import EXHAUSTED, TOO_LATE
from reelwright.journeys.reconciliation import settle_unconfirmed
from reelwright.providers import PaidCalls

_log = log.logger("journeys.recovery")
_BATCH = 50
_MOST = 500
"""So much of each kind is done in one sweep; the next goes on with what is left."""
_ABANDONED = timedelta(hours=1)
_CALLS_KEPT = timedelta(days=90)
"""Until the provider's bill for them has come and was compared."""
_POKE = timedelta(seconds=2)
_RECENT = timedelta(hours=3)
_BEHIND_S = (0.1, 1.0)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did."""

    rescued: int
    exhausted: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Tidied:
    """What one tidying removed: files that no row names, published messages, and calls that were waited for."""

    files: int
    messages: int
    calls: int


async def sweep(*, db: Database, gate: Gate, resend_after: timedelta = timedelta(seconds=30)) -> Swept:
    """Re-queue runs whose worker died or whose message was lost, and end what is out of attempts or past its deadline.

    Each row is judged again inside its own UPDATE, so two sweepers, or a worker that is only slow, do no harm. A row
    that can't be handled hides none behind it. Raises Outage.
    """
    rescued = exhausted = overdue = 0
    async for run in _stale(db, resend_after):
        if run.exhausted:
            exhausted += await _handled(_given_up(run, db=db, gate=gate, resend_after=resend_after), run.generation_id)
        else:
            rescued += await _handled(_rescued(run, db=db, resend_after=resend_after), run.generation_id)
        await failpoints.reached("sweep.mid_batch")
    async for generation in _late(db):
        overdue += await _handled(ending.give_up(generation, db=db, gate=gate, why=TOO_LATE), generation)
    for what, count in (("rescued", rescued), ("exhausted", exhausted), ("overdue", overdue)):
        telemetry.SWEPT.labels(what).inc(count)
    if rescued or exhausted or overdue:
        _log.warning("sweep.found", rescued=rescued, exhausted=exhausted, overdue=overdue)
    return Swept(rescued=rescued, exhausted=exhausted, overdue=overdue)


async def judge(run_id: StageRunId, *, db: Database, gate: Gate) -> bool:
    """Look at one run now, as the queue has given its message up; return whether anything had to be done.

    A run that fails every delivery before it is even claimed is sent again with the sweep's growing patience.
    Raises Outage.
    """
    before = StageRunId(UUID(int=run_id.int - 1)) if run_id.int else None
    async with db.begin() as tx:
        page = await Runs(session=tx).stale(limit=1, resend_after=_POKE, after=before)
    if not page or page[0].id != run_id:
        return False
    run = page[0]
    if run.exhausted:
        return await _given_up(run, db=db, gate=gate, resend_after=_POKE)
    return await _rescued(run, db=db, resend_after=_POKE)


async def _stale(db: Database, resend_after: timedelta) -> AsyncGenerator[StaleRun]:
    """Yield what needs looking after, page by page, so that rows nobody can help hide nothing behind them."""
    after: StageRunId | None = None
    for _ in range(_MOST // _BATCH):
        async with db.begin() as tx:
            page = await Runs(session=tx).stale(limit=_BATCH, resend_after=resend_after, after=after)
        await failpoints.reached("sweep.after_select")
        for run in page:
            yield run
        if len(page) < _BATCH:
            return
        after = page[-1].id


async def _late(db: Database) -> AsyncGenerator[GenerationId]:
    after: GenerationId | None = None
    for _ in range(_MOST // _BATCH):
        async with db.begin() as tx:
            page = await Generations(session=tx).unfinished_past_deadline(limit=_BATCH, after=after)
        for generation in page:
            yield generation
        if len(page) < _BATCH:
            return
        after = page[-1]


async def _handled(work: Awaitable[bool], generation: GenerationId) -> bool:
    """Await one row's handling; a bug in it is that row's. Raises Outage."""
    try:
        return await work
    except Outage:
        raise
    except Exception:  # noqa: BLE001 - it is logged with its traceback, and the rows behind it are not its prisoners
        _log.exception("sweep.row_bug", generation_id=str(generation))
        return False


async def _rescued(run: StaleRun, *, db: Database, resend_after: timedelta) -> bool:
    async with db.begin() as tx:
        if not await Runs(session=tx).rescue(run, resend_after=resend_after):
            return False
        await outbox.enqueue(tx, due(run.generation_id, run.unit, request_id=None))
        return True


async def _given_up(run: StaleRun, *, db: Database, gate: Gate, resend_after: timedelta) -> bool:
    """End a generation whose run has no attempt left, unless its worker came back in this moment."""

    async def still_stale(tx: AsyncConnection) -> bool:
        return await Runs(session=tx).give_up(run, resend_after=resend_after, error_code=EXHAUSTED.code)

    return await ending.give_up(run.generation_id, db=db, gate=gate, why=EXHAUSTED, last=run, provided=still_stale)


async def tidy(*, db: Database, storage: Storage, older: timedelta = _ABANDONED) -> Tidied:
    """Remove what dead workers left behind, forget what was published a day ago, and measure what waits.

    `older`: how long ago an upload or a call to a provider was begun that nobody has finished. Raises Outage.
    """
    async with db.begin() as tx:
        messages = await outbox.forget(tx, limit=_MOST)
    async with db.begin() as tx:
        calls = await PaidCalls(session=tx).lose(older=older, limit=_MOST)
    async with db.begin() as tx:
        telemetry.SWEPT.labels("old_calls").inc(await PaidCalls(session=tx).forget(older=_CALLS_KEPT, limit=_MOST))
    async with db.begin() as tx:
        waits = await outbox.backlog(tx)
    telemetry.OUTBOX_WAITING.set(waits.waiting)
    telemetry.OUTBOX_OLDEST_SECONDS.set(waits.oldest_s)
    tidied = Tidied(files=await _removed(db, storage, older), messages=messages, calls=calls)
    for what, count in (("files", tidied.files), ("messages", messages), ("calls", calls)):
        telemetry.SWEPT.labels(what).inc(count)
    return tidied


async def _removed(db: Database, storage: Storage, older: timedelta) -> int:
    """Delete abandoned files, then their rows: a crash between the two only repeats the deletion."""
    removed, after = 0, ""
    while removed < _MOST:
        async with db.begin() as tx:
            keys = await Uploads(session=tx).abandoned(older, _BATCH, after=after)
        for key in keys:
            await storage.delete(key)
        if keys:
            await failpoints.reached("gc.after_delete")
            async with db.begin() as tx:
                await Uploads(session=tx).forget(keys)
            after, removed = keys[-1], removed + len(keys)
        if len(keys) < _BATCH:
            break
    return removed


async def tick(*, db: Database, gate: Gate, storage: Storage, resend_after: timedelta) -> None:
    """Do once all that keeps the rows honest: sweep, settle, tidy and check. Raises Outage where a part must wait."""
    await rounds(db=db, gate=gate, storage=storage, resend_after=resend_after)
    await invariants.check(db, window=_RECENT)


async def rounds(*, db: Database, gate: Gate, storage: Storage, resend_after: timedelta) -> None:
    """Sweep, settle and tidy once. What waits for one server to come back keeps nothing else. Raises Outage."""
    parts: list[Callable[[], Awaitable[object]]] = [
        lambda: sweep(db=db, gate=gate, resend_after=resend_after),
        lambda: settle_unconfirmed(db=db, gate=gate, now=clock.now()),
        lambda: stopping.sweep_paused(db=db, gate=gate),
        lambda: sweep_lapsed(db=db),
        lambda: tidy(db=db, storage=storage),
    ]
    away: Outage | None = None
    for part in parts:
        try:
            await part()
        except Outage as outage:
            away = outage
    if away is not None:
        raise away


async def keep_sweeping(
    *, db: Database, gate: Gate, storage: Storage, every: timedelta, resend_after: timedelta
) -> None:
    """Sweep for ever, a little out of step with other sweepers; an outage is waited out.

    Where a lease ends before the next sweep would come, that comes right behind it: a dead worker's run is set going
    again as soon as it may be.
    """
    pause_s = 0.0
    while True:
        await asyncio.sleep(pause_s)
        pause_s = every.total_seconds() * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        try:
            await rounds(db=db, gate=gate, storage=storage, resend_after=resend_after)
            async with db.single() as tx:
                lapse = await Runs(session=tx).next_lapse()
            if lapse is not None:
                pause_s = min(pause_s, lapse.total_seconds() + random.uniform(*_BEHIND_S))  # noqa: S311 - jitter
        except Outage:
            _log.warning("sweep.postponed")
        except Exception:  # noqa: BLE001 - a bug in one sweep must not end the sweeping; it is logged with its traceback
            _log.exception("sweep.bug")

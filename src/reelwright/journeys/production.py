"""Perform one delivered stage run: claim it, check limits, do the work, and make its result true in one transaction."""

import asyncio
import contextlib
import random
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import structlog

from reelwright.admission import Dispatch, enforce_or_raise, release_concurrency
from reelwright.generations import Artefact, Assignment, Claim, Generation, Generations, Made, Pulse, Runs, pipeline
from reelwright.ground import clock, log, tasks
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.ids import GenerationId
from reelwright.journeys import ending, recording
from reelwright.journeys.creation import due as due_message
from reelwright.journeys.workroom import Workroom
from reelwright.outbox import StageDue, enqueue
from reelwright.providers import RATE_LIMITED, ProviderAway

_log = log.logger("journeys.production")


class Answer(StrEnum):
    """What the door tells the queue. Everything we could record is DONE: our rows are the one retry authority."""

    DONE = "done"
    SNOOZE = "snooze"


class Lost(Exception):  # noqa: N818 - not an error: another worker holds the run, or it was cancelled
    """This claim is over: whatever was made here must not be written."""


@dataclass(slots=True)
class _Bench:
    """One run's workspace, its files and its progress, as the stage sees them."""

    workspace: Path
    room: Workroom
    done: float = 0.0

    async def fetch(self, artefact: Artefact) -> Path:
        """Return the artefact as a local file, fetched once a run."""
        local = self.workspace / f"in-{artefact.id.hex}{Path(artefact.key).suffix}"
        if not local.exists():
            arriving = local.with_suffix(local.suffix + ".part")
            await self.room.storage.fetch(artefact.key, arriving)
            arriving.rename(local)
        return local

    def progress(self, done: float) -> None:
        """Remember how far this run is; the next heartbeat says it."""
        self.done = min(1.0, max(self.done, done))


async def perform(message: StageDue, *, room: Workroom) -> Answer:
    """Run the stage run that a message says is due. Raises Outage only where nothing could be recorded."""
    names = {"generation_id": str(message.generation_id), "stage": message.stage, "scene": message.scene}
    with structlog.contextvars.bound_contextvars(**names, chunk=message.chunk, request_id=message.request_id):
        async with room.db.begin() as tx:
            generation = await Generations(session=tx).lock(message.generation_id)
            claim = await Runs(session=tx).claim(message.run_id, lease=room.timings.lease)
            if generation is None or claim is None:
                return Answer.DONE
            task = await recording.opened(tx, claim, generation)
        _log.info("stage.started", attempt=claim.attempt)
        dispatch = _dispatch(claim, generation, room)
        try:
            async with _admitted(dispatch, room):
                made = await _worked(claim, task, dispatch, room)
                await recording.keep(claim, task, made, room=room, request_id=message.request_id)
        except Lost:
            _log.info("stage.lost")
        except Refusal as refusal:
            await ending.fail(claim, task, room=room, why=refusal)
        except Busy as busy:
            await _give_back(claim, message, room=room, delay=busy.delay)
        except Exception as error:  # noqa: BLE001 - an outage or a bug: recorded, retried, and in the end given up on
            await _slow_down(dispatch, room, error)
            await _try_again(claim, task, message, room=room, error=error)
        return Answer.DONE


class Busy(Exception):  # noqa: N818 - a full provider or a limiter that is away: come back later, uncounted
    def __init__(self, delay: timedelta) -> None:
        super().__init__()
        self.delay = delay


def _dispatch(claim: Claim, generation: Generation, room: Workroom) -> Dispatch:
    """Return what this run holds while it works: its generation's lease, and a place in that generation's lane."""
    begins = pipeline.first(generation.kind, scenes=1, part=generation.part, scene=generation.scene)
    return Dispatch(
        account=generation.account_id,
        lease=claim.generation_id,
        holder=str(claim.run_id),
        place=room.place(claim.unit.stage, generation.lane),
        ttl=room.timings.lease,
        inherits=claim.generation_id if claim.unit in begins else None,
    )


@contextlib.asynccontextmanager
async def _admitted(dispatch: Dispatch, room: Workroom) -> AsyncGenerator[None]:
    """Renew the generation's lease and hold the provider's place while the block runs. Raises Busy."""
    try:
        await enforce_or_raise(room.gate, dispatch, now=clock.now())
    except Outage as away:
        raise Busy(max(away.wait, room.timings.busy_delay)) from away
    try:
        yield
    finally:
        await _released(dispatch, room)


async def _released(dispatch: Dispatch, room: Workroom) -> None:
    """Give the place back; where Redis is away its expiry does."""
    if dispatch.place is None:
        return
    try:
        await asyncio.shield(release_concurrency(room.gate, dispatch.place, dispatch.holder))
    except Outage:
        _log.warning("place.left_to_expire")


async def _slow_down(dispatch: Dispatch, room: Workroom, error: Exception) -> None:
    """Where the provider has too many calls from us, let its lane wait and narrow. Redis away: the next one does."""
    if dispatch.place is None or not isinstance(error, ProviderAway) or error.code != RATE_LIMITED:
        return
    with contextlib.suppress(Outage):
        left = await room.gate.places.slow_down(dispatch.place, wait=error.wait)
        _log.warning("place.slowed", provider=dispatch.place.provider, lane=dispatch.place.lane, places=left)


async def _worked(claim: Claim, task: Assignment, dispatch: Dispatch, room: Workroom) -> recording.Kept:
    """Do the stage's work under a deadline and a heartbeat, then store its files. Raises Lost, and what it raises."""
    room.workspace.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=room.workspace, prefix=f"{claim.run_id.hex[:12]}-") as folder:
        bench = _Bench(workspace=Path(folder), room=room)
        work = asyncio.create_task(_stage(task, bench, room))
        beat = asyncio.create_task(_heartbeats(claim, dispatch, bench, room))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                beat.result()  # raises what stopped the heart
                raise Lost
            made = work.result()
            return await recording.store(claim, task, made, room=room)
        finally:
            await tasks.end(work, beat)


async def _stage(task: Assignment, bench: _Bench, room: Workroom) -> Made:
    try:
        async with asyncio.timeout(room.timings.stage_deadline.total_seconds()):
            return await room.stages[task.unit.stage](task, room.tools, bench)
    except TimeoutError as late:
        raise Outage("The stage took too long.", code="stage.deadline") from late


async def _heartbeats(claim: Claim, dispatch: Dispatch, bench: _Bench, room: Workroom) -> None:
    """Keep the claim, the lease and the place alive. Returns, or raises Lost, once the claim is no longer ours."""
    missed = timedelta(0)
    while True:
        await asyncio.sleep(room.timings.heartbeat.total_seconds())
        try:
            async with room.db.begin() as tx:
                beat = await Runs(session=tx).heartbeat(
                    claim.run_id, claim.fence, lease=room.timings.lease, progress=bench.done
                )
            missed = timedelta(0)
        except Outage:
            missed += room.timings.heartbeat
            if missed >= room.timings.lease:
                raise Lost from None
            continue
        if beat is not Pulse.OK:
            raise Lost
        with contextlib.suppress(Outage):
            await room.gate.renew(dispatch.account, dispatch.lease, ttl=dispatch.ttl, adopt=True)
            if dispatch.place is not None:
                await room.gate.places.renew(dispatch.place, dispatch.holder, ttl=dispatch.ttl)


async def _give_back(claim: Claim, message: StageDue, *, room: Workroom, delay: timedelta) -> None:
    """Return the run uncounted, to be delivered again after the delay."""
    wait = delay * random.uniform(1.0, 2.0)  # noqa: S311 - jitter, so that the refused don't come back together
    async with room.db.begin() as tx:
        if await Runs(session=tx).give_back(claim.run_id, claim.fence, delay=wait):
            await enqueue(tx, message, delay=wait)


async def _try_again(claim: Claim, task: Assignment, message: StageDue, *, room: Workroom, error: Exception) -> None:
    """Record a failed attempt and promise another, or fail the generation when the attempts are used up."""
    code = error.code if isinstance(error, Outage) else "stage.bug"
    if not isinstance(error, Outage):
        _log.error("stage.bug", error=type(error).__name__, exc_info=error)
    if claim.last:
        broken = Outage("A stage broke on our side; nothing was charged. Start the reel again.", code=code)
        await ending.fail(claim, task, room=room, why=error if isinstance(error, Outage) else broken)
        return
    longest = room.timings.retry_delay * 2**claim.attempt
    wait = max(longest * random.random(), timedelta(milliseconds=50))  # noqa: S311 - full jitter
    if isinstance(error, Outage) and error.wait > wait:
        wait = error.wait
    _log.warning("stage.will_retry", code=code, attempt=claim.attempt, wait_s=round(wait.total_seconds(), 2))
    async with room.db.begin() as tx:
        if await Runs(session=tx).retry_later(claim.run_id, claim.fence, delay=wait, error_code=code):
            await enqueue(
                tx,
                due_message(GenerationId(message.generation_id), claim.unit, request_id=message.request_id),
                delay=wait,
            )

"""Perform one delivered stage run: claim it, check limits, do the work, and make its result true in one transaction."""

import asyncio
import random
import tempfile
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import structlog

from reelwright.admission import Dispatch
from reelwright.generations import Artefact, Claim, Generation, Logo, Made, Runs, Track
from reelwright.ground import clock, failpoints, log, tasks, telemetry, tracing
from reelwright.ground.errors import NotFound, Outage, Refusal
from reelwright.ground.ids import StageRunId
from reelwright.ground.metering import Use
from reelwright.journeys import ending, holding, recording, reuse, spending
from reelwright.journeys.calls import Calls
from reelwright.journeys.creation import due
from reelwright.journeys.holding import Busy, Lost
from reelwright.journeys.workroom import Workroom
from reelwright.outbox import StageDue, enqueue
from reelwright.providers import CIRCUIT_OPEN, RATE_LIMITED, ProviderAway, ProviderRefused, deadline, journaled

_log = log.logger("journeys.production")
_BRIEF_S = 0.05
"""What is done within it needs no heart: its lease is a thousand times as long, in tests at least ten times."""
_NOT_OURS_TO_HURRY = frozenset({RATE_LIMITED, CIRCUIT_OPEN})
telemetry.show(telemetry.USAGE_UNTRACKED, ["calls"], ["database.unavailable", "database.conflict"])


class Answer(StrEnum):
    """What the door tells the queue. Everything we could record is DONE: our rows are the one retry authority."""

    DONE = "done"
    SNOOZE = "snooze"


class _End(StrEnum):
    """How one attempt ended, as STAGE_SECONDS counts it."""

    SUCCEEDED = "succeeded"
    RETRIED = "retried"
    FAILED = "failed"
    LOST = "lost"
    GIVEN_BACK = "given_back"


@dataclass(slots=True)
class _Bench:
    """One run's workspace, its files and its progress, as the stage sees them."""

    run: StageRunId
    room: Workroom
    done: float = 0.0
    _folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def workspace(self) -> Path:
        """The run's own folder; most stages never need one. Raises Outage."""
        if self._folder is None:
            try:
                self.room.workspace.mkdir(parents=True, exist_ok=True)
                self._folder = tempfile.TemporaryDirectory(dir=self.room.workspace, prefix=f"{self.run.hex[:12]}-")
            except OSError as unusable:
                raise Outage("The worker has no room to work in.", code="worker.no_workspace") from unusable
        return Path(self._folder.name)

    def clear(self) -> None:
        """Remove the folder with all that is in it."""
        if self._folder is not None:
            self._folder.cleanup()

    async def fetch(self, artefact: Artefact | Track | Logo) -> Path:
        """Return the artefact as a local file, fetched once a run.

        Raises Outage, also where what is stored isn't what was made: that is our failure, and nothing is built on it.
        """
        local = self.workspace / f"in-{artefact.id.hex}{Path(artefact.key).suffix}"
        if not local.exists():
            arriving = local.with_suffix(local.suffix + ".part")
            try:
                found = await self.room.storage.fetch(artefact.key, arriving)
            except NotFound as gone:
                await reuse.forget(artefact.key, db=self.room.db)
                raise Outage("A file of this reel is no longer stored.", code=gone.code) from gone
            if found.sha256 != artefact.sha256:
                await reuse.forget(artefact.key, db=self.room.db)
                raise Outage("A file of this reel came back with other bytes.", code="storage.corrupt")
            arriving.rename(local)
        return local

    def progress(self, done: float) -> None:
        """Remember how far this run is; the next heartbeat says it."""
        self.done = min(1.0, max(self.done, done))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """One claimed run with everything that its attempt needs. `uses` is what it has cost so far."""

    claim: Claim
    opened: recording.Opened
    room: Workroom
    request_id: str | None
    calls: Calls
    began: float = field(default_factory=time.monotonic)
    uses: list[Use] = field(default_factory=list[Use])

    @property
    def stage(self) -> str:
        return self.claim.unit.stage.value

    @property
    def generation(self) -> Generation:
        return self.opened.told.generation

    @property
    def left(self) -> timedelta:
        """How long the generation may still take."""
        return self.opened.dossier.left - self.lasted

    @property
    def lasted(self) -> timedelta:
        """How long the attempt has taken so far."""
        return timedelta(seconds=time.monotonic() - self.began)

    def bounded(self, wait: timedelta) -> timedelta:
        """Return the wait, or the generation's rest of time where that is shorter: then the sweep will end it."""
        return max(min(wait, self.left), timedelta(milliseconds=50))

    def message(self) -> StageDue:
        """Return what lets this run start again."""
        return due(self.claim.generation_id, self.claim.unit, request_id=self.request_id)


async def perform(message: StageDue, *, room: Workroom) -> Answer:
    """Run the stage run that a message says is due. Raises Outage only where nothing could be recorded."""
    names = {"generation_id": str(message.generation_id), "stage": message.stage, "scene": message.scene}
    with structlog.contextvars.bound_contextvars(**names, chunk=message.chunk, request_id=message.request_id):
        opened = await recording.opened(message, room)
        if opened is None:
            return Answer.DONE
        request_id = message.request_id or opened.told.generation.request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        calls = Calls(db=room.db, claim=opened.claim, account=opened.task.account_id)
        attempt = _Attempt(claim=opened.claim, opened=opened, room=room, request_id=request_id, calls=calls)
        await failpoints.reached(f"stage.{attempt.stage}.after_claim")
        _begun(attempt)
        end = await _recorded(attempt)
        took = time.monotonic() - attempt.began
        telemetry.STAGE_SECONDS.labels(attempt.stage, end.value).observe(took)
        _log.info(f"stage.{_EVENTS[end]}", attempt=attempt.claim.attempt, ms=round(took * 1000))
        return Answer.DONE


_EVENTS = {
    _End.SUCCEEDED: "completed",
    _End.RETRIED: "will_retry",
    _End.FAILED: "failed",
    _End.LOST: "lost",
    _End.GIVEN_BACK: "given_back",
}


def _begun(attempt: _Attempt) -> None:
    """Say that the run has begun, and its generation too where this is the first."""
    waited = max(attempt.opened.dossier.waited_ms, 0.0)
    telemetry.STAGE_WAIT_SECONDS.labels(attempt.stage).observe(waited / 1000)
    if attempt.opened.told.began:
        queued = (clock.now() - attempt.generation.admitted_at).total_seconds()
        _log.info("generation.started", kind=attempt.generation.kind.value, queued_ms=round(queued * 1000))
    _log.info("stage.started", attempt=attempt.claim.attempt, waited_ms=round(waited))


async def _recorded(attempt: _Attempt) -> _End:
    """Make the attempt. Raises Outage where how it ended could not be recorded; what it cost is missing then."""
    try:
        return await _attempted(attempt)
    except Outage as away:
        if attempt.uses and not attempt.generation.demo:
            telemetry.USAGE_UNTRACKED.labels("calls", away.code).inc(len(attempt.uses))
            _log.exception("usage.untracked", source="calls", code=away.code, calls=len(attempt.uses))
        raise


async def _attempted(attempt: _Attempt) -> _End:
    """Work, keep the result, and record whatever happens instead. Raises Outage where that could not be recorded."""
    try:
        return await _by_turns(attempt)
    except Lost:
        return await _lost(attempt)
    except (Refusal, ending.GateFailed) as hopeless:  # another attempt would end alike
        return await _failed(attempt, hopeless)
    except Busy as busy:
        wait = busy.delay * random.uniform(1.0, 2.0)  # noqa: S311 - jitter: not together
        return await _given_back(attempt, wait, busy.code)
    except ProviderAway as away:
        return await _put_off(attempt, away)
    except Exception as error:  # noqa: BLE001 - an outage or a bug: recorded, retried, and in the end given up on
        return await _try_again(attempt, error)


async def _by_turns(attempt: _Attempt) -> _End:
    """Have it done by the first who can. Where none can, it is as it is with the one who may be back the soonest."""
    gone: list[Busy | ProviderAway | ProviderRefused] = []
    for room in attempt.room.turns(attempt.opened.task):
        try:
            return await _turn(replace(attempt, room=room))
        except (Busy, ProviderAway, ProviderRefused) as away:
            if not holding.another_may(away):
                raise
            gone.append(away)
    raise min(gone, key=holding.patience)


async def _turn(attempt: _Attempt) -> _End:
    """Hold one provider's place, do the work with it and keep the result."""
    claim, task, room = attempt.claim, attempt.opened.task, attempt.room
    held = holding.dispatch(claim, attempt.generation, room)
    try:
        async with holding.admitted(held, room):
            made = await _worked(attempt, held)
            counted = await recording.keep(claim, task, made, room=room, request_id=attempt.request_id)
            return _End.SUCCEEDED if counted else await _lost(attempt)
    except ProviderAway as away:
        if away.code == RATE_LIMITED:
            await holding.slow_down(held, room, wait=away.wait)
        raise


async def _worked(attempt: _Attempt, held: Dispatch) -> recording.Kept:
    """Do the stage's work under a deadline and a heartbeat, then store its files. Raises Lost, Busy, and its own.

    A worker that leaves cuts what its grace did not suffice for, and gives it back: the stage's task is cancelled,
    and with it its processes.
    """
    claim, room = attempt.claim, attempt.room
    bench = _Bench(run=claim.run_id, room=room)
    work = asyncio.create_task(_stage(attempt, bench))
    try:
        await asyncio.wait({work}, timeout=_BRIEF_S)
        if not work.done():
            await _attended(work, holding.heartbeats(claim, held, lambda: bench.done, room), room)
        made = work.result()
        vain = (replace(use, quantity=0) for use in attempt.uses)  # another's, who then couldn't: it costs, unsold
        made = replace(made, uses=(*made.uses, *vain))
        attempt.uses[:] = made.uses
        return await recording.store(claim, attempt.opened.task, made, room=room)
    finally:
        await tasks.end(work)
        bench.clear()


async def _attended(work: asyncio.Task[Made], heart: Coroutine[None, None, None], room: Workroom) -> None:
    """Wait for work that isn't over at once, beside its heartbeat. Raises Lost, Busy where it has to be cut."""
    beat, leaving = asyncio.create_task(heart), asyncio.create_task(room.leaving.wait())
    try:
        await asyncio.wait({work, beat, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            if not beat.done():
                raise Busy(timedelta(0), code="worker.leaving")
            beat.result()  # raises what stopped the heart
            raise Lost
    finally:
        await tasks.end(beat, leaving)


async def _stage(attempt: _Attempt, bench: _Bench) -> Made:
    """Do the work within the stage's time and what its generation has left. Raises Outage, and what the stage does."""
    room, task, stage = attempt.room, attempt.opened.task, attempt.stage
    most, calls = min(room.timings.stage_deadline - attempt.lasted, attempt.left), attempt.calls
    try:
        with tracing.span(f"work {stage}"), journaled(calls), deadline(most.total_seconds()):
            async with asyncio.timeout(most.total_seconds()):
                await failpoints.reached(f"stage.{stage}.before_provider")
                made = await room.stages[task.unit.stage](task, room.tools, bench)
                await failpoints.reached(f"stage.{stage}.after_provider")
                return made
    except (ProviderAway, ProviderRefused) as error:
        attempt.uses.extend(error.uses)
        raise
    except TimeoutError as late:
        raise Outage("The stage took too long.", code="stage.deadline") from late
    finally:
        attempt.uses.extend(calls.lost)
        calls.lost.clear()


async def _failed(attempt: _Attempt, why: Refusal | Outage) -> _End:
    ended = await ending.fail(attempt.claim, room=attempt.room, why=why, uses=attempt.uses)
    return _End.FAILED if ended else _End.LOST


async def _lost(attempt: _Attempt) -> _End:
    """Write down what this attempt cost although another's counts. Raises Outage."""
    if attempt.uses:
        async with attempt.room.db.begin() as tx:
            await spending.wasted(tx, attempt.generation, attempt.claim, attempt.uses)
    return _End.LOST


async def _given_back(attempt: _Attempt, delay: timedelta, code: str) -> _End:
    """Return the run uncounted, to be delivered again after the delay, and keep why."""
    wait = attempt.bounded(delay) if delay else delay
    async with attempt.room.db.begin() as tx:
        ours = await Runs(session=tx).give_back(attempt.claim.run_id, attempt.claim.fence, wait, reason=code)
        await spending.wasted(tx, attempt.generation, attempt.claim, attempt.uses)
        if not ours:
            return _End.LOST
        await enqueue(tx, attempt.message(), delay=wait)
    return _End.GIVEN_BACK


async def _put_off(attempt: _Attempt, away: ProviderAway) -> _End:
    """Wait, uncounted, for a provider that has too many calls from us or rests; anything else is a failed attempt."""
    if away.code not in _NOT_OURS_TO_HURRY:
        return await _try_again(attempt, away)
    wait = away.wait * random.uniform(1.0, 1.2)  # noqa: S311 - jitter: not together
    return await _given_back(attempt, wait, away.code)


async def _try_again(attempt: _Attempt, error: Exception) -> _End:
    """Record a failed attempt and promise another, or fail the generation when the attempts are used up."""
    claim, room = attempt.claim, attempt.room
    if not isinstance(error, Outage):
        _log.error("stage.bug", error=type(error).__name__, exc_info=error)
    why = error if isinstance(error, Outage) else ending.BROKEN
    if claim.last:
        return await _failed(attempt, why)
    longest = min(room.timings.retry_delay * 2**claim.attempt, room.timings.longest_retry_delay)
    jittered = longest * random.random()  # noqa: S311 - full jitter
    asked = why.wait * random.uniform(1.0, 1.5) if why is error else jittered  # noqa: S311 - jitter: not together
    wait = attempt.bounded(max(jittered, asked))
    _log.warning(
        "stage.attempt_failed", code=why.code, attempt=claim.attempt, wait_ms=round(wait.total_seconds() * 1e3)
    )
    async with room.db.begin() as tx:
        ours = await Runs(session=tx).retry_later(claim.run_id, claim.fence, delay=wait, error_code=why.code)
        await spending.wasted(tx, attempt.generation, claim, attempt.uses)
        if not ours:
            return _End.LOST
        await enqueue(tx, attempt.message(), delay=wait)
    return _End.RETRIED

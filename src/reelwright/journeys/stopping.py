"""Stop a generation for good or for a while, and let a paused one go on: each is one transaction, safe to repeat.

A run that is at work when its generation is cancelled is fenced off: its worker hears of it with the next heartbeat,
stops, and gives the provider's place back; nothing that it still makes is kept or charged.
"""

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger, outbox
from reelwright.admission import Gate
from reelwright.generations import (
    LONGEST_PAUSE,
    Drafts,
    Generation,
    GenerationKind,
    Generations,
    GenerationState,
    Runs,
    Stage,
    Variants,
    pipeline,
)
from reelwright.ground import clock, failpoints, log
from reelwright.ground.errors import Kind, NotFound, Outage, Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import alerts, creation, ending
from reelwright.journeys.ordering import check_length, check_stop
from reelwright.journeys.reading import GONE

_log = log.logger("journeys.stopping")
_NO_LEASE = timedelta(seconds=1)
_RENDERING_ITS_OWN = (GenerationKind.VIDEO, GenerationKind.REGENERATE_FULL)
_RESTED_TOO_LONG = Refusal(
    f"It was paused for more than {LONGEST_PAUSE.days} days, so it was cancelled: create it again when you want it.",
    code="generation.paused_too_long",
)


class Ended(Refusal):
    """What has ended can't be stopped; `extra` says how it ended."""

    kind = Kind.CONFLICT
    code = "generation.ended"


class StageDone(Refusal):
    """The stage that it should pause after is behind it."""

    kind = Kind.CONFLICT
    code = "generation.stage_done"


class _OnlyAsked(Exception):  # noqa: N818 - undoes what was tried
    pass


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a generation that goes on shall pause next: behind this stage, or nowhere."""

    after: Stage | None


async def cancel(account_id: AccountId, generation_id: GenerationId, *, db: Database, gate: Gate) -> Generation:
    """End a live generation for its owner and return it; one that was cancelled before is returned as it is.

    What finished stages used is charged and the rest given back; where nothing was used yet, the unit too.
    Raises NotFound, Ended, Outage.
    """
    await failpoints.reached("cancel.before")
    async with db.begin() as tx:
        found = await _owned(tx, account_id, generation_id)
        if found.live:
            await _cancel(tx, found)
        elif found.state is not GenerationState.CANCELLED:
            raise _ended(found)
        cancelled = await _owned(tx, account_id, generation_id)
    await failpoints.reached("cancel.after")
    if found.live:
        ending.told(cancelled, GenerationState.CANCELLED)
    await _release(cancelled, gate)  # of a repeat too: the process that cancelled it may have died before this
    return cancelled


async def pause(account_id: AccountId, generation_id: GenerationId, *, db: Database, gate: Gate) -> Generation:
    """Let a live generation rest and return it: what runs finishes, nothing more starts.

    It keeps its place among the account's concurrent ones. The sweep cancels what rests longer than `LONGEST_PAUSE`.
    Raises NotFound, Ended, Outage.
    """
    async with db.begin() as tx:
        found = await _owned(tx, account_id, generation_id)
        if not found.live:
            raise _ended(found)
        if await Generations(session=tx).pause(generation_id):
            await Generations(session=tx).note(generation_id, "paused", {})
        paused = await _owned(tx, account_id, generation_id)
    await keep_lease(paused, gate, resting=True, now=clock.now())
    return paused


async def rest(tx: AsyncConnection, generation: Generation) -> None:
    """Pause a generation behind the stage it was to pause after: in the transaction that completes that stage.

    The caller then says so to Redis, by `keep_lease`.
    """
    stop = generation.pause_after
    if await Generations(session=tx).rest(generation.id):
        await Generations(session=tx).note(generation.id, "paused", {"after": stop and stop.value})


async def proceed(
    account_id: AccountId, generation_id: GenerationId, *, db: Database, gate: Gate, stop: Stop | None = None
) -> Generation:
    """Let a paused generation go on under its own id and return it; one that isn't paused just goes on.

    Every run that waits is promised a message: what had come for it while it rested was turned away. It pauses next
    where `stop` says, else where it was to. Raises NotFound, Ended, NoSuchStop, StageDone, ScenesTooLong, Outage.
    """
    async with db.begin() as tx:
        found = await _owned(tx, account_id, generation_id)
        if not found.live:
            raise _ended(found)
        if await Generations(session=tx).proceed(generation_id):
            await _go_on(tx, found, stop or Stop(found.pause_after))
        going_on = await _owned(tx, account_id, generation_id)
    await keep_lease(going_on, gate, resting=False, now=clock.now())
    return going_on


async def _go_on(tx: AsyncConnection, found: Generation, stop: Stop) -> None:
    """Promise messages to the runs that wait, and queue those that a stop had held back.

    Raises NoSuchStop, StageDone, ScenesTooLong.
    """
    check_stop(found.kind, stop.after)
    await Generations(session=tx).stop_after(found.id, stop.after)
    await Generations(session=tx).note(found.id, "resumed", {})
    runs = await Runs(session=tx).of(found.id)
    planned = {run.unit for run in runs}
    if not any(unit.stage in pipeline.stages(GenerationKind.RENDER) for unit in planned):
        await _choose(tx, found)
    await check_length(tx, await Generations(session=tx).get(found.account_id, found.id) or found)
    finished = await Runs(session=tx).finished(found.id)
    scenes = await Variants(session=tx).scene_count(found.id)
    due = pipeline.due(found.kind, finished, scenes=scenes, part=found.part, scene=found.scene).until(stop.after)
    if all(unit in finished for unit in due.units):
        raise StageDone(
            f"pause_after: {stop.after} is done here already: name a later stage, or none.", field="pause_after"
        )
    for unit, wait in await Runs(session=tx).wake(found.id):
        await outbox.enqueue(tx, creation.due(found.id, unit, request_id=found.request_id), delay=wait)
    new = tuple(unit for unit in due.units if unit not in planned)
    most = max(run.max_attempts for run in runs)
    await creation.queue(tx, found.id, new, most_attempts=most, request_id=found.request_id)


async def try_to_proceed(found: Generation, *, db: Database, stop: Stop | None) -> None:
    """Raise what letting a paused generation go on would raise, and change nothing."""
    with contextlib.suppress(_OnlyAsked):
        async with db.begin() as tx:
            if await Generations(session=tx).proceed(found.id):
                await _go_on(tx, found, stop or Stop(found.pause_after))
            raise _OnlyAsked


async def _choose(tx: AsyncConnection, found: Generation) -> None:
    """Before its first picture, render the one of its own variants that was selected while it rested."""
    chosen = (await Drafts(session=tx).of_generation(found.id)).selected_variant
    own = {variant.id for variant in await Variants(session=tx).of_generation(found.id)}
    if found.kind in _RENDERING_ITS_OWN and found.variant_id is not None and chosen in own and chosen is not None:
        await Generations(session=tx).render_variant(found.id, chosen)


async def sweep_paused(*, db: Database, gate: Gate) -> int:
    """Cancel what was paused too long and return how many. Any number of sweepers at once. Raises Outage."""
    cancelled = 0
    while True:
        async with db.begin() as tx:
            found = await Generations(session=tx).lock_paused_too_long()
            if found is None:
                return cancelled
            await _cancel(tx, found, why=_RESTED_TOO_LONG)
            ended = await _owned(tx, found.account_id, found.id)
        ending.told(ended, GenerationState.CANCELLED, code=_RESTED_TOO_LONG.code)
        await _release(ended, gate)
        cancelled += 1


async def _owned(tx: AsyncConnection, account_id: AccountId, generation_id: GenerationId) -> Generation:
    """Lock and return the account's generation. Raises NotFound."""
    found = await Generations(session=tx).lock(generation_id, of=account_id)
    if found is None:
        raise NotFound(GONE)
    return found


async def _cancel(tx: AsyncConnection, generation: Generation, *, why: Refusal | None = None) -> None:
    """End a locked, live generation: charge what was used, free the rest, fence every run off, and tell it.

    What it carried over from a failed one was free there; it is charged only where paid work of its own came after it.
    """
    if generation.demo:
        used, begun = 0, bool(await Runs(session=tx).finished(generation.id))
    else:
        begun = await ledger.metered(tx, generation=generation.id, carried=False) > 0
        used = await ledger.metered(tx, generation=generation.id) if begun else 0
    await Generations(session=tx).finish(
        generation.id,
        GenerationState.CANCELLED,
        failure_code=why and why.code,
        failure_sentence=why and why.sentence,
        units_back=not begun,
    )
    taken = 0
    if used:
        taken = (await ledger.capture(tx, generation=generation.id, micro=used)).captured_micro
    elif not generation.demo:
        await ledger.void(tx, generation=generation.id)
    said = {"code": why.code, "sentence": why.sentence} if why else {}
    await Generations(session=tx).note(generation.id, GenerationState.CANCELLED.value, said)
    await alerts.cancelled(tx, generation, micro=taken, code=why and why.code)
    if used:
        await alerts.measure(tx, generation.account_id, now=clock.now())


def _ended(found: Generation) -> Ended:
    return Ended(
        f"This generation has {found.state.value} already: there is nothing to stop.",
        extra={"state": found.state.value},
    )


async def _release(cancelled: Generation, gate: Gate) -> None:
    refund = cancelled.units_returned_at is not None
    await ending.release(gate, cancelled.account_id, cancelled.id, refund=refund)


async def keep_lease(generation: Generation, gate: Gate, *, resting: bool, now: datetime) -> None:
    """Hold the generation's place as long as it may live. Redis away: the rows are asked when it is back."""
    left = generation.deadline_at + (LONGEST_PAUSE if resting else timedelta(0)) - now
    try:
        await gate.renew(generation.account_id, generation.id, ttl=max(left, _NO_LEASE), adopt=True)
    except Outage:
        _log.warning("lease.not_renewed", generation_id=str(generation.id))

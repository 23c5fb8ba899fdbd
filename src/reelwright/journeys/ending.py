"""How a generation ends: its credits captured or given back, its lease and places released, its story told."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger
from reelwright.admission import Gate
from reelwright.generations import (
    Claim,
    DeadLetters,
    Generation,
    Generations,
    GenerationState,
    Outcome,
    Progress,
    Released,
    Reuse,
    Runs,
    StaleRun,
    pipeline,
)
from reelwright.ground import clock, log, telemetry
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.metering import Use
from reelwright.ground.postgres import Database
from reelwright.journeys import alerts, spending
from reelwright.journeys.workroom import Workroom

_log = log.logger("journeys.ending")
EXHAUSTED = Outage(
    "A stage failed again and again on our side; nothing was charged. Start the reel again.", code="stage.exhausted"
)
TOO_LATE = Outage("The reel was not finished in time; nothing was charged. Start it again.", code="generation.deadline")
BROKEN = Outage("A stage broke on our side; nothing was charged. Start the reel again.", code="stage.bug")
_SHORTEN = (
    "Resumed it would be as long again: shorten what its scenes say or their planned times, or order a longer reel,"
    " then render its story."
)


class GateFailed(Outage):
    """The finished file did not pass the release gate: ours, so nothing is delivered, charged, or made from it again.

    Trying the same stage anew would not help: whoever goes on makes anew what `gate`, the report, puts in doubt.
    """

    code = "gate.failed"

    def __init__(self, gate: Mapping[str, object]) -> None:
        self.gate = gate
        self.checks = pipeline.failed_checks(gate)
        super().__init__(
            f"The finished reel did not pass its own check ({', '.join(self.checks)}); nothing was charged."
            f" {_SHORTEN if 'duration_s' in self.checks else 'Resume it: what failed is made anew.'}"
        )


_REASONS = {TOO_LATE.code: "deadline", BROKEN.code: "bug", GateFailed.code: "bug"}
telemetry.show(
    telemetry.DEAD_LETTERS,
    (
        *(EXHAUSTED.code, *_REASONS, "stage.deadline", "stage.lost", "worker.no_workspace", "worker.media_failed"),
        *("provider.unavailable", "source.unreachable", "voice.late", "admission.unavailable"),
        *("storage.unavailable", "storage.not_found", "storage.corrupt", "database.unavailable", "database.conflict"),
    ),
)


async def succeed(tx: AsyncConnection, generation: Generation, outcome: Outcome) -> None:
    """Capture what was metered, give the rest of the hold back, and end the generation: in the caller's transaction."""
    gate = outcome.gate if isinstance(outcome, Released) else None
    taken = 0
    if not generation.demo:
        used = await ledger.metered(tx, generation=generation.id)
        taken = (await ledger.capture(tx, generation=generation.id, micro=used)).captured_micro
    await Progress(session=tx).succeed(generation.id, gate=gate)
    await alerts.succeeded(tx, generation, micro=taken, now=clock.now())


async def fail(claim: Claim, *, room: Workroom, why: Refusal | Outage, uses: Sequence[Use] = ()) -> bool:
    """End the generation as failed with everything given back: credits, unit, lease. Only the claim's holder may.

    An outage is our failure and leaves a dead letter; a refusal is the user's to mend. A reel that failed its gate
    leaves nothing to others that may be why. `uses` is what the attempt has cost us, which is written whoever holds the
    claim. Returns whether this ended it.
    """
    async with room.db.begin() as tx:
        generation = await Generations(session=tx).lock(claim.generation_id)
        if generation is None:
            return False
        ours = await Runs(session=tx).fail(claim.run_id, claim.fence, error_code=why.code)
        await spending.wasted(tx, generation, claim, uses)
        if not ours:
            return False
        await _end_unpaid(tx, generation, why)
        if isinstance(why, Outage):
            await _bury(tx, why, claim)
        if isinstance(why, GateFailed):
            await Reuse(session=tx).distrust(generation.id, pipeline.doubted(why.gate))
    if isinstance(why, GateFailed):
        _log.error("gate.failed", generation_id=str(generation.id), checks=list(why.checks))
    told(generation, GenerationState.FAILED, code=why.code)
    await release(room.gate, generation.account_id, generation.id, refund=True)
    return True


async def give_up(
    generation: GenerationId,
    *,
    db: Database,
    gate: Gate,
    why: Outage,
    last: StaleRun | None = None,
    provided: Callable[[AsyncConnection], Awaitable[bool]] | None = None,
) -> bool:
    """Fail a live generation that can't go on, and give everything back; return whether this call did.

    `provided` is asked, and may write, in the same transaction; its no leaves all as it was. `last` is the run that it
    died of, if it was one's. Raises Outage.
    """
    async with db.begin() as tx:
        found = await Generations(session=tx).lock(generation)
        if found is None or not found.live or (provided is not None and not await provided(tx)):
            return False
        await _end_unpaid(tx, found, why)
        await _bury(tx, why, last or found)
    told(found, GenerationState.FAILED, code=why.code)
    await release(gate, found.account_id, generation, refund=True)
    return True


async def _end_unpaid(tx: AsyncConnection, generation: Generation, why: Refusal | Outage) -> None:
    ended = await Generations(session=tx).finish(
        generation.id,
        GenerationState.FAILED,
        failure_code=why.code,
        failure_sentence=why.sentence,
        gate=why.gate if isinstance(why, GateFailed) else None,
        units_back=True,
    )
    if not ended:
        return
    if not generation.demo:
        await ledger.void(tx, generation=generation.id, ours=isinstance(why, Outage))
    said = {"code": why.code, "sentence": why.sentence}
    await Generations(session=tx).note(generation.id, GenerationState.FAILED.value, said)
    await alerts.failed(tx, generation, code=why.code, detail=why.sentence)


async def _bury(tx: AsyncConnection, why: Outage, died: Claim | StaleRun | Generation) -> None:
    """Leave a dead letter, so that an operator sees what died of our failure and can set it going again."""
    reason = _REASONS.get(why.code, "exhausted")
    match died:
        case Claim():
            run, unit, attempts = died.run_id, died.unit, died.attempt
        case StaleRun():
            run, unit, attempts = died.id, died.unit, died.attempt
        case Generation():
            run, unit, attempts = None, None, 0
    generation = died.id if isinstance(died, Generation) else died.generation_id
    await DeadLetters(session=tx).add(
        generation_id=generation, run_id=run, unit=unit, reason=reason, code=why.code, attempts=attempts
    )


def told(generation: Generation, state: GenerationState, *, code: str = "") -> None:
    """Say in the log and in the metrics that a generation has ended. Call it behind the commit."""
    took = clock.now() - generation.admitted_at
    telemetry.GENERATION_SECONDS.labels(generation.kind.value, state.value).observe(took.total_seconds())
    telemetry.GENERATIONS_ENDED.labels(generation.kind.value, state.value, code).inc()
    event = "generation.completed" if state is GenerationState.SUCCEEDED else f"generation.{state.value}"
    names = {
        "generation_id": str(generation.id),
        "kind": generation.kind.value,
        "ms": round(took.total_seconds() * 1e3),
    }
    (_log.warning if code else _log.info)(event, **names, **({"code": code} if code else {}))


async def release(gate: Gate, account: AccountId, generation: GenerationId, *, refund: bool = False) -> None:
    """Free the user's place, and give the pool unit back where asked. Redis away: the lease's expiry does."""
    try:
        await gate.release(account, generation)
        if refund:
            await gate.refund(account, generation)
    except Outage:
        _log.warning("lease.left_to_expire", generation_id=str(generation))

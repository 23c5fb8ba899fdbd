"""How a generation ends: its credits captured or given back, its lease and places released, its story told."""

from collections.abc import Awaitable, Callable
from typing import cast

from sqlalchemy.ext.asyncio import AsyncSession

from reelwright import ledger
from reelwright.admission import Gate
from reelwright.generations import Assignment, Claim, Generation, Generations, GenerationState, Outcome, Released, Runs
from reelwright.ground import log
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys.workroom import Workroom

_log = log.logger("journeys.ending")


async def succeed(tx: AsyncSession, generation: Generation, outcome: Outcome) -> None:
    """Capture what was metered, give the rest of the hold back, and end the generation: in the caller's transaction."""
    gate = outcome.gate if isinstance(outcome, Released) else None
    if not generation.demo:
        used = await ledger.metered(tx, generation=generation.id)
        await ledger.capture(tx, generation=generation.id, micro=used)
    await Generations(session=tx).finish(generation.id, GenerationState.SUCCEEDED, gate=gate)
    await Generations(session=tx).note(generation.id, "succeeded", {})


async def fail(claim: Claim, task: Assignment, *, room: Workroom, why: Refusal | Outage) -> None:
    """End the generation as failed with everything given back: credits, unit, lease. Only the claim's holder may."""
    _log.warning("generation.failed", code=why.code)
    gate = why.extra.get("gate") if isinstance(why, Refusal) else None
    async with room.db.begin() as tx:
        generation = await Generations(session=tx).lock(claim.generation_id)
        if generation is None or not await Runs(session=tx).fail(claim.run_id, claim.fence, error_code=why.code):
            return
        await _end_unpaid(tx, generation, GenerationState.FAILED, code=why.code, sentence=why.sentence, gate=gate)
    await release_lease(task, room=room, refund=True)


async def _end_unpaid(
    tx: AsyncSession,
    generation: Generation,
    state: GenerationState,
    *,
    code: str,
    sentence: str,
    gate: object = None,
) -> None:
    report = cast("dict[str, object] | None", gate)
    ended = await Generations(session=tx).finish(
        generation.id, state, failure_code=code, failure_sentence=sentence, gate=report, units_back=True
    )
    if not ended:
        return
    if not generation.demo:
        await ledger.void(tx, generation=generation.id)
    await Generations(session=tx).note(generation.id, state.value, {"code": code, "sentence": sentence})


async def give_up(
    generation: GenerationId,
    *,
    db: Database,
    gate: Gate,
    why: Outage,
    provided: Callable[[AsyncSession], Awaitable[bool]] | None = None,
) -> bool:
    """Fail a live generation that can't go on, and give everything back; return whether this call did.

    `provided` is asked, and may write, in the same transaction; its no leaves all as it was. Raises Outage.
    """
    async with db.begin() as tx:
        found = await Generations(session=tx).lock(generation)
        if found is None or not found.live or (provided is not None and not await provided(tx)):
            return False
        await _end_unpaid(tx, found, GenerationState.FAILED, code=why.code, sentence=why.sentence)
    await _release(gate, found.account_id, generation, refund=True)
    return True


async def release_lease(task: Assignment, *, room: Workroom, refund: bool = False) -> None:
    """Free the user's place, and give the pool unit back where asked. Redis away: the lease's expiry does."""
    await _release(room.gate, task.account_id, task.generation_id, refund=refund)


async def _release(gate: Gate, account: AccountId, generation: GenerationId, *, refund: bool) -> None:
    try:
        await gate.release(account, generation)
        if refund:
            await gate.refund(account, generation)
    except Outage:
        _log.warning("lease.left_to_expire", generation_id=str(generation))

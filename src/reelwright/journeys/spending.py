"""What an attempt at a stage run has used: priced where it counts, free where nothing came of it; cost in any case."""

from collections.abc import Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import billing, ledger
from reelwright.generations import Claim, Generation, Stage
from reelwright.ground.metering import Action, Use
from reelwright.journeys.ordering import BATCH

_SCHEDULED = Use(action=Action.SCHEDULED_RUN, provider="reelwright", model="schedule", quantity=1)
"""What a schedule's run costs beside its work, metered with its first stage."""


async def spent(tx: AsyncConnection, generation: Generation, claim: Claim, uses: Sequence[Use]) -> None:
    """Write one usage row for each call or step of a run that counts. A picture's second and third try are ours to pay.

    Demo accounts are never tracked.
    """
    if generation.demo or not uses:
        return
    if generation.lane == BATCH and claim.unit.stage is Stage.INGESTION:
        uses = [*uses, _SCHEDULED]
    prices = await billing.Catalogue(session=tx).at(generation.price_version)
    micro = [billing.priced(use, prices) if claim.unit.round == 0 else 0 for use in uses]
    await _track(tx, _rows(generation, claim, uses, micro, succeeded=True))


async def wasted(tx: AsyncConnection, generation: Generation, claim: Claim, uses: Sequence[Use]) -> None:
    """Write what an attempt has cost us that failed, was cut, or was lost to another worker: nobody is charged for it.

    Doing it again changes nothing, also where the attempt's own completion has been committed after all.
    """
    if generation.demo or not uses:
        return
    await _track(tx, _rows(generation, claim, uses, [0] * len(uses), succeeded=False))


def _rows(
    generation: Generation, claim: Claim, uses: Sequence[Use], micro: Iterable[int], *, succeeded: bool
) -> list[ledger.Metered]:
    return [
        ledger.Metered(
            account_id=generation.account_id,
            generation_id=claim.generation_id,
            run_id=claim.run_id,
            fence=claim.fence,
            call_no=call,
            stage=claim.unit.stage.value,
            scene=claim.unit.scene,
            use=use,
            credits_micro=price,
            plan=generation.plan,
            price_version=generation.price_version,
            succeeded=succeeded,
        )
        for call, (use, price) in enumerate(zip(uses, micro, strict=True))
    ]


async def _track(tx: AsyncConnection, rows: Sequence[ledger.Metered]) -> None:
    await ledger.track_ai_usage(tx, [row for row in rows if not row.use.action.compute])
    await ledger.track_compute_usage(tx, [row for row in rows if row.use.action.compute])

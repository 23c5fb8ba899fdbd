"""Settle a picture's verdict as it is completed: beside the reel's other pictures, and within what tries may cost."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.admission import Place
from reelwright.generations import (
    Assignment,
    Claim,
    GenerationKind,
    Generations,
    Judged,
    Runs,
    Stage,
    verdicts,
)
from reelwright.ground import log
from reelwright.journeys import reuse

_log = log.logger("journeys.judging")


async def settled(
    tx: AsyncConnection, claim: Claim, task: Assignment, verdict: Judged, *, places: Mapping[Stage, Place]
) -> Judged:
    """Return a verdict that is about to be completed as its reel sees it.

    Locks the generation, so that one verdict after the other is settled and completed: each sees those before it.
    """
    unit, generation = claim.unit, await Generations(session=tx).lock(claim.generation_id)
    if generation is None or unit.scene is None:
        return verdict
    finished = pictures = await Runs(session=tx).finished(generation.id)
    if generation.kind is GenerationKind.REGENERATE_TARGETED:  # it has this scene only: the others are as a render's
        pictures = await reuse.standing(tx, generation, task, places=places)
    others = verdicts.prints(pictures, unit.scene)
    found = verdicts.settled(finished, unit, verdict, others, scenes=len(task.variant.scenes))
    if found != verdict:
        _log.info("picture.doubted", score=found.score, given=verdict.score, kept=found.kept)
    return found

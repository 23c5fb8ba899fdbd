"""What each run of a generation has cost its payer."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import GenerationId, StageRunId

_BY_RUN = text(
    """
    SELECT run_id, sum(credits_micro)::bigint AS micro FROM usage_ledger
     WHERE generation_id = :generation AND outcome = 'succeeded' GROUP BY run_id
    """
)


async def metered_by_run(tx: AsyncConnection, *, generation: GenerationId) -> dict[StageRunId, int]:
    """Return what a generation's finished runs cost, in micro-credits: its own, and those it carried over."""
    return {StageRunId(row.run_id): row.micro for row in await tx.execute(_BY_RUN, {"generation": generation})}

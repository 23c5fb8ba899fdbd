"""Usage: one row for each provider call and compute step, written in the transaction that makes the work true.

`track_ai_usage` and `track_compute_usage` are the only way in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId, GenerationId, StageRunId
from reelwright.ground.metering import Use
from reelwright.ground.postgres import Statement, rows

_GIVEN = {
    **dict.fromkeys(("account_id", "generation_id", "run_id"), "uuid"),
    "fence": "bigint",
    "call_no": "integer",
    "stage": "text",
    "scene": "smallint",
    "plan": "text",
    "price_version": "integer",
    **dict.fromkeys(("action", "provider", "model", "outcome"), "text"),
    **dict.fromkeys(("quantity", "prompt_tokens", "completion_tokens", "characters", "wall_ms"), "bigint"),
    "images": "integer",
    **dict.fromkeys(("cost_nano_usd", "credits_micro"), "bigint"),
}
"""What a step gives of a row, with its type in PostgreSQL."""
_ARRAYS = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _GIVEN.items())
_ROWS = f"INSERT INTO usage_ledger ({', '.join(_GIVEN)}) SELECT * FROM unnest({_ARRAYS})"  # noqa: S608 - columns' names
_WRITE = Statement(_ROWS)
# Of an attempt whose own completion turns out to be committed, the calls are in the book under the same numbers.
_WRITE_ONCE = Statement(f"{_ROWS} ON CONFLICT (run_id, fence, call_no) DO NOTHING")
_METERED = Statement(
    """
    SELECT coalesce(sum(credits_micro), 0)::bigint AS micro FROM usage_ledger
     WHERE generation_id = :generation AND (fence > 0 OR CAST(:carried AS boolean))
    """
)
_CARRY = text(
    """
    INSERT INTO usage_ledger (account_id, generation_id, run_id, fence, call_no, stage, scene, action, provider, model,
                              quantity, credits_micro, plan, price_version)
    SELECT u.account_id, :heir, copy.new, 0, u.call_no, u.stage, u.scene, u.action, u.provider, u.model,
           u.quantity, CASE WHEN copy.paid THEN 0 ELSE u.credits_micro END, u.plan, u.price_version
      FROM usage_ledger u
      JOIN unnest(CAST(:old AS uuid[]), CAST(:new AS uuid[]), CAST(:paid AS boolean[])) AS copy (old, new, paid)
        ON copy.old = u.run_id
     WHERE u.outcome = 'succeeded' ORDER BY u.id
    """
)
_CALLS = text(
    """
    SELECT stage, scene, action, provider, model, outcome, quantity, credits_micro, price_version, at
      FROM usage_ledger WHERE generation_id = :generation ORDER BY id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageCall:
    """One provider call or compute step as its payer may see it: `quantity` in the action's units."""

    stage: str
    scene: int | None
    action: str
    provider: str
    model: str
    outcome: str
    quantity: int
    credits_micro: int
    price_version: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """One metered step with everything that a later question may ask for. `credits_micro` is its price, 0 if it failed.

    `call_no` counts the steps of one attempt at a run from 0. A run's success is ledgered once, whatever its fence.
    """

    account_id: AccountId
    generation_id: GenerationId
    run_id: StageRunId
    fence: int
    call_no: int
    stage: str
    scene: int | None
    plan: str
    price_version: int
    use: Use
    credits_micro: int
    succeeded: bool = True


async def track_ai_usage(tx: AsyncConnection, steps: Sequence[Metered]) -> None:
    """Write calls of models: tokens, images, characters, time, cost. Raises ValueError for what isn't one.

    What succeeded and is in the book already is a bug and raises IntegrityError; what failed is there at most once.
    """
    await _track(tx, steps, compute=False)


async def track_compute_usage(tx: AsyncConnection, steps: Sequence[Metered]) -> None:
    """Write steps that our own machines did: sources fetched, milliseconds rendered and mixed. Raises as above."""
    await _track(tx, steps, compute=True)


async def carry_usage(tx: AsyncConnection, *, runs: Mapping[StageRunId, StageRunId], heir: GenerationId) -> None:
    """Price another generation's finished steps for the one that goes on from it: `runs` are its own, by the old ones.

    Quantity and credits stay, because it is charged for the whole; what the provider billed, its tokens and the time
    were booked where the work was done and are 0 here, and so is the fence.
    """
    await reuse_usage(tx, heir=heir, runs=[(old, new, False) for old, new in runs.items()])


async def reuse_usage(
    tx: AsyncConnection, *, heir: GenerationId, runs: Sequence[tuple[StageRunId, StageRunId, bool]]
) -> None:
    """As `carry_usage`, for (old run, new run, whether it was paid for): what was paid for costs nothing again."""
    old, new, paid = ([run[at] for run in runs] for at in range(3))
    await tx.execute(_CARRY, {"heir": heir, "old": old, "new": new, "paid": paid})


async def metered(tx: AsyncConnection, *, generation: GenerationId, carried: bool = True) -> int:
    """Return what a generation's finished steps cost so far, in micro-credits: its own, and those it carried over."""
    [found] = await rows(tx, _METERED, {"generation": generation, "carried": carried})
    return found["micro"]


async def calls(tx: AsyncConnection, *, generation: GenerationId) -> list[UsageCall]:
    """Return every call and step of a generation, in the order in which they were written."""
    return [UsageCall(**row) for row in (await tx.execute(_CALLS, {"generation": generation})).mappings()]


async def _track(tx: AsyncConnection, steps: Sequence[Metered], *, compute: bool) -> None:
    strange = {step.use.action.value for step in steps if step.use.action.compute is not compute}
    if strange:
        raise ValueError(strange)
    for succeeded, alike in groupby(steps, key=lambda step: step.succeeded):
        columns = zip(*map(_values, alike), strict=True)
        await rows(tx, _WRITE if succeeded else _WRITE_ONCE, dict(zip(_GIVEN, columns, strict=True)))


def _values(step: Metered) -> tuple[object, ...]:
    """Return what `_GIVEN` names."""
    use = step.use
    return (
        *(step.account_id, step.generation_id, step.run_id, step.fence, step.call_no, step.stage, step.scene),
        *(step.plan, step.price_version, use.action, use.provider, use.model),
        *("succeeded" if step.succeeded else "failed", use.quantity, use.prompt_tokens, use.completion_tokens),
        *(use.characters, use.wall_ms, use.images, use.cost_nano_usd, step.credits_micro),
    )

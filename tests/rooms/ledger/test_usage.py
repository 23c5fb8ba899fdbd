"""Every step of work is in the usage ledger once."""

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from reelwright import ledger
from reelwright.ground.ids import AccountId, GenerationId, StageRunId
from reelwright.ground.metering import Action, Use
from reelwright.ground.postgres import Database
from tests.rooms.generations import made

RUN = StageRunId(uuid4())
GENERATION = GenerationId(uuid4())
USE = Use(action=Action.STORY, provider="openai", model="m", quantity=1, prompt_tokens=900, cost_nano_usd=2**40)


def metered(owner: AccountId, **fields: object) -> ledger.Metered:
    values = {
        "account_id": owner,
        "generation_id": GENERATION,
        "run_id": RUN,
        "fence": 1,
        "call_no": 0,
        "stage": "STORY_WRITING",
        "scene": None,
        "plan": "basic",
        "price_version": 1,
        "use": USE,
        "credits_micro": 2_500_000,
    } | fields
    return ledger.Metered(**values)


async def test_what_finished_steps_cost_adds_up_and_failures_are_free(db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        rows = [
            metered(owner, succeeded=False, credits_micro=0),
            metered(owner, fence=2),
            metered(owner, fence=2, call_no=1, credits_micro=40),
        ]
        await ledger.track_ai_usage(tx, rows)
        await ledger.track_ai_usage(tx, [])
        assert await ledger.metered(tx, generation=GENERATION) == 2_500_040
        assert await ledger.metered(tx, generation=GenerationId(uuid4())) == 0
        kept = (await tx.execute(text("SELECT * FROM usage_ledger WHERE fence = 2 AND call_no = 0"))).one()
    assert (kept.prompt_tokens, kept.cost_nano_usd, kept.action, kept.outcome) == (900, 2**40, "story", "succeeded")


@pytest.mark.parametrize("second", [{}, {"fence": 2}])
async def test_a_step_is_never_ledgered_twice(db: Database, second: dict[str, object]) -> None:
    """Neither the same attempt's step again, nor a second success of the same run under another fence."""
    async with db.begin() as tx:
        owner = await made.account(tx)
        await ledger.track_ai_usage(tx, [metered(owner)])
    with pytest.raises(IntegrityError, match="uq_usage_ledger"):
        async with db.begin() as tx:
            await ledger.track_ai_usage(tx, [metered(owner, **second)])


async def test_what_failed_is_ledgered_at_most_once_and_never_over_what_succeeded(db: Database) -> None:
    """An attempt whose completion's answer was lost takes it for failed; its calls are in the book already."""
    failed = {"succeeded": False, "credits_micro": 0}
    async with db.begin() as tx:
        owner = await made.account(tx)
        await ledger.track_ai_usage(tx, [metered(owner)])
        for _ in range(2):
            await ledger.track_ai_usage(tx, [metered(owner, **failed), metered(owner, call_no=1, **failed)])
        rows = (await tx.execute(text("SELECT call_no, outcome FROM usage_ledger ORDER BY call_no"))).all()
    assert [tuple(row) for row in rows] == [(0, "succeeded"), (1, "failed")]


async def test_models_and_machines_have_a_way_in_each(db: Database) -> None:
    rendered = Use(action=Action.RENDER, provider="ffmpeg", model="x264", quantity=4_500, wall_ms=900)
    async with db.begin() as tx:
        owner = await made.account(tx)
        await ledger.track_compute_usage(tx, [metered(owner, use=rendered)])
        with pytest.raises(ValueError, match="render"):
            await ledger.track_ai_usage(tx, [metered(owner, use=rendered)])
        with pytest.raises(ValueError, match="story"):
            await ledger.track_compute_usage(tx, [metered(owner)])
        assert [call.action for call in await ledger.calls(tx, generation=GENERATION)] == ["render"]


async def test_a_failed_step_costs_no_credits(db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
    with pytest.raises(IntegrityError, match="failures_are_free"):
        async with db.begin() as tx:
            await ledger.track_ai_usage(tx, [metered(owner, succeeded=False)])


@pytest.mark.parametrize("change", ["UPDATE usage_ledger SET credits_micro = 0", "DELETE FROM usage_ledger"])
async def test_the_usage_ledger_is_never_rewritten(db: Database, change: str) -> None:
    async with db.begin() as tx:
        await ledger.track_ai_usage(tx, [metered(await made.account(tx))])
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        async with db.begin() as tx:
            await tx.execute(text(change))

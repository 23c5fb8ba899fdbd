"""Each column of the usage ledger holds what its step gave, and no other: the insert names columns and values apart."""

from uuid import UUID

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.ground.ids import AccountId, GenerationId, StageRunId
from reelwright.ground.metering import Action, Use
from reelwright.ground.postgres import Database
from tests.rooms.generations import made

GENERATION, RUN = GenerationId(UUID(int=1)), StageRunId(UUID(int=2))
GIVEN = {
    "generation_id": GENERATION,
    "run_id": RUN,
    "fence": 3,
    "call_no": 4,
    "stage": "STORY_WRITING",
    "scene": 5,
    "plan": "standard",
    "price_version": 6,
    "action": "story",
    "provider": "openai",
    "model": "the-model",
    "outcome": "succeeded",
    "quantity": 7,
    "prompt_tokens": 8,
    "completion_tokens": 9,
    "characters": 10,
    "wall_ms": 11,
    "images": 12,
    "cost_nano_usd": 13,
    "credits_micro": 14,
}
"""What a step gives, no two alike; who pays for it is found by its account."""
BY_ITSELF = {"id", "at", "account_id"}


def step(owner: AccountId, *, succeeded: bool = True) -> ledger.Metered:
    """Return the step above, written out: named by nothing that the insert is made from."""
    return ledger.Metered(
        account_id=owner,
        generation_id=GENERATION,
        run_id=RUN,
        fence=3,
        call_no=4,
        stage="STORY_WRITING",
        scene=5,
        plan="standard",
        price_version=6,
        use=Use(
            action=Action.STORY,
            provider="openai",
            model="the-model",
            quantity=7,
            prompt_tokens=8,
            completion_tokens=9,
            characters=10,
            wall_ms=11,
            images=12,
            cost_nano_usd=13,
        ),
        credits_micro=14 if succeeded else 0,
        succeeded=succeeded,
    )


async def written(db: Database, column: str, *, succeeded: bool = True) -> object:
    """Write the step, and return what its owner's only row has in a column."""
    async with db.begin() as tx:
        owner = await made.account(tx)
        await ledger.track_ai_usage(tx, [step(owner, succeeded=succeeded)])
        statement = f"SELECT {column} FROM usage_ledger WHERE account_id = :owner"  # noqa: S608 - a column's name
        return (await tx.execute(text(statement), {"owner": owner})).scalar_one()


@pytest.mark.parametrize("column", GIVEN)
async def test_a_column_holds_what_the_step_gave_for_it(db: Database, column: str) -> None:
    assert await written(db, column) == GIVEN[column]


@pytest.mark.parametrize("column", ["characters", "wall_ms", "images", "outcome"])
async def test_a_failed_steps_column_does_so_too(db: Database, column: str) -> None:
    """What failed is written by a statement of its own."""
    assert await written(db, column, succeeded=False) == (GIVEN | {"outcome": "failed"})[column]


async def test_no_column_is_left_out(db: Database) -> None:
    async with db.begin() as tx:
        named = await tx.scalars(
            text("SELECT column_name FROM information_schema.columns WHERE table_name = 'usage_ledger'")
        )
        assert {*named} == {*GIVEN} | BY_ITSELF
    assert len({repr(value) for value in GIVEN.values()}) == len(GIVEN)

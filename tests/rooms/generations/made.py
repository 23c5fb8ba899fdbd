"""Accounts, drafts, generations and claimed runs for the tests of the rooms, made through the rooms themselves."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts import Accounts
from reelwright.generations import (
    Claim,
    Draft,
    Drafts,
    GenerationKind,
    Generations,
    NewGeneration,
    Stage,
    Unit,
)
from reelwright.ground.ids import AccountId, DraftId, GenerationId
from reelwright.ground.postgres import Database
from tests.builders import Worked, started

LEASE = timedelta(seconds=30)
EXPIRED = timedelta(seconds=-1)  # a lease that is over as soon as it is given: no test waits for a clock
UNIT = Unit(stage=Stage.STORY_WRITING)
NOW = datetime(2026, 3, 15, 12, 30, tzinfo=UTC)


async def account(tx: AsyncConnection, *, plan: str = "basic") -> AccountId:
    made = await Accounts(session=tx).create(email=f"{uuid4().hex}@example.com", plan=plan)
    return made.id


async def draft(tx: AsyncConnection, owner: AccountId, **fields: object) -> Draft:
    values = {"id": DraftId(uuid4()), "account_id": owner, "topic": "Why do cats purr?"} | fields
    made = Draft(**values)
    assert await Drafts(session=tx).add(made)
    return made


def new_generation(owner: AccountId, on: DraftId, **fields: object) -> NewGeneration:
    values = {
        "id": GenerationId(uuid4()),
        "account_id": owner,
        "draft_id": on,
        "kind": GenerationKind.VIDEO,
        "fingerprint": b"order",
        "plan": "basic",
        "price_version": 1,
        "hold_micro": 0,
        "admitted_at": NOW,
        "deadline": timedelta(hours=1),
    } | fields
    return NewGeneration(**values)


async def generation(tx: AsyncConnection, owner: AccountId | None = None, **fields: object) -> GenerationId:
    """An accepted generation on a draft of its own, of a new account where none is given."""
    owner = owner or await account(tx)
    new = new_generation(owner, (await draft(tx, owner)).id, **fields)
    assert await Generations(session=tx).add_once(new)
    return new.id


async def queued(db: Database, *, max_attempts: int = 3, **fields: object) -> GenerationId:
    """A committed generation with one queued run: `UNIT`."""
    async with db.begin() as tx:
        made = await generation(tx, **fields)
        assert await Worked(session=tx).plan(made, [UNIT], max_attempts=max_attempts) == [UNIT]
    return made


async def claimed(db: Database, made: GenerationId, lease: timedelta = LEASE) -> Claim:
    async with db.begin() as tx:
        claim = await Worked(session=tx).claim(UNIT.run_id(made), lease)
        assert claim is not None
        await started(tx, made)
    return claim

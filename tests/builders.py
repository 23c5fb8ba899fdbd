"""Things that tests need to exist: an account, a generation with its first run, made through the real journeys."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from reelwright.accounts import Account
from reelwright.admission import Gate, Tcp
from reelwright.billing import Plan
from reelwright.generations import Draft, Drafts, GenerationKind, Generations, NewGeneration, Runs, Stage, Unit
from reelwright.ground import clock
from reelwright.ground.ids import DraftId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import facts, onboarding


async def an_account(db: Database, plan: Plan = Plan.STANDARD) -> Account:
    email = f"{uuid4().hex[:12]}@example.com"
    welcome = await onboarding.create_user(email=email, plan=plan, role="user", live=False, db=db, now=clock.now())
    return welcome.account


async def a_generation(db: Database, *, account: Account | None = None) -> GenerationId:
    """Return a queued generation whose first run is planned and promised to nobody."""
    owner = account or await an_account(db)
    draft = Draft(id=DraftId(uuid4()), account_id=owner.id, topic="Cats")
    generation = GenerationId(uuid4())
    async with db.begin() as tx:
        await Drafts(session=tx).add(draft)
        await Generations(session=tx).add_once(
            NewGeneration(
                id=generation,
                account_id=owner.id,
                draft_id=draft.id,
                kind=GenerationKind.VIDEO,
                fingerprint=b"f" * 32,
                plan=owner.plan,
                price_version=1,
                hold_micro=0,
                admitted_at=clock.now(),
                deadline=timedelta(hours=1),
            )
        )
        await Runs(session=tx).plan(generation, [Unit(stage=Stage.INGESTION)], max_attempts=3)
    return generation


def a_gate(db: Database, redis: Any) -> Gate:
    """Return a gate as the roof makes it, but patient, over a client of the test's Redis. Close it."""
    patient = timedelta(seconds=10)
    return Gate(Tcp(redis), facts=facts.reader(db), held=facts.held(db), limits=facts.LIMITS, patience=patient)

"""Things that tests need to exist: accounts, generations, written drafts, gates; made by the real rooms."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts import Account, SubscriptionTold
from reelwright.admission import Gate, Tcp
from reelwright.billing import Plan
from reelwright.generations import (
    Beat,
    Claim,
    Draft,
    Drafts,
    GenerationKind,
    Generations,
    GenerationState,
    Motion,
    MotionKind,
    NewGeneration,
    Outcome,
    Overtaken,
    Progress,
    Runs,
    Scene,
    Stage,
    Story,
    Transition,
    TransitionKind,
    Unit,
    Variants,
)
from reelwright.ground import clock
from reelwright.ground.ids import AccountId, DraftId, GenerationId, StageRunId, VariantId
from reelwright.ground.postgres import Database
from reelwright.journeys import facts, onboarding

A_YEAR = timedelta(days=365)


async def an_account(db: Database, plan: Plan = Plan.STANDARD) -> Account:
    email = f"{uuid4().hex[:12]}@example.com"
    welcome = await onboarding.create_user(email=email, plan=plan, role="user", live=False, db=db, now=clock.now())
    return welcome.account


def subscription_told(start: datetime, end: datetime, **changes: object) -> SubscriptionTold:
    """Return what a payment provider tells at a period's start of a subscription to Standard, with these changes."""
    known = SubscriptionTold(
        external_id="sub_1",
        external_customer_id="cus_1",
        plan="standard",
        status="active",
        period_start=start,
        period_end=end,
        anchor=start,
        cancel_at_period_end=False,
        next_plan=None,
        ended_at=None,
        told_at=start,
    )
    return replace(known, **changes)


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


@dataclass(frozen=True)
class WrittenDraft:
    draft: DraftId
    variant: VariantId


async def a_written_draft(db: Database, owner: AccountId) -> WrittenDraft:
    """Return a draft with one variant of two scenes, written by a generation that has ended and taken no unit."""
    draft = Draft(id=DraftId(uuid4()), account_id=owner, topic="Cats")
    beats = (Beat(narration="Why? So.", visual="a cat"), Beat(narration="That is why.", visual="a cat"))
    story = Story(
        title="Cats", hook="Why?", synopsis="So.", arc=("hook", "end"), beats=beats, caption="Why?", hashtags=("cats",)
    )
    scenes = [
        Scene(
            index=index,
            narration=beat.narration,
            visual=beat.visual,
            image_prompt="hero: cat",
            duration_ms=15_000,
            motion=Motion(kind=MotionKind.PUSH_IN),
            transition=Transition(kind=TransitionKind.FADE),
        )
        for index, beat in enumerate(beats)
    ]
    script = NewGeneration(
        id=GenerationId(uuid4()),
        account_id=owner,
        draft_id=draft.id,
        kind=GenerationKind.SCRIPT,
        fingerprint=b"f" * 32,
        plan="basic",
        price_version=1,
        hold_micro=0,
        generation_units=0,
        admitted_at=clock.now(),
        deadline=timedelta(hours=1),
    )
    async with db.begin() as tx:
        await Drafts(session=tx).add(draft)
        await Generations(session=tx).add_once(script)
        (variant,) = await Variants(session=tx).write(script.id, draft.id, [story])
        await Variants(session=tx).plan_scenes(variant.id, scenes)
        await started(tx, script.id)
        await Generations(session=tx).finish(script.id, GenerationState.SUCCEEDED)
    return WrittenDraft(draft.id, variant.id)


def a_gate(db: Database, redis: Any) -> Gate:
    """Return a gate as the roof makes it, but patient, over a client of the test's Redis. Close it."""
    patient = timedelta(seconds=10)
    return Gate(Tcp(redis), facts=facts.reader(db), held=facts.held(db), limits=facts.LIMITS, patience=patient)


async def started(tx: AsyncConnection, generation: GenerationId) -> None:
    """Leave the generation as one whose first run was claimed."""
    running = "UPDATE generations SET state = 'running', started_at = clock_timestamp() WHERE id = :id"
    await tx.execute(text(running), {"id": generation})


class Worked(Runs):
    """Runs as workers begin and end them, by `Progress`, for tests that ask no more than whether they did."""

    async def claim(self, run_id: StageRunId, lease: timedelta, *, longest: timedelta = A_YEAR) -> Claim | None:
        progress = Progress(session=self.session)
        try:
            found = await progress.begin(run_id, "", lease, longest=longest)
        except Overtaken:  # the generation is locked by now
            found = await progress.begin(run_id, "", lease, longest=longest)
        return found and found[0]

    async def complete(self, run_id: StageRunId, fence: int, result: Outcome, *, made_of: str | None = None) -> bool:
        run = await self.get(run_id)
        if run is None:
            return False
        claim = Claim(
            run_id=run_id,
            generation_id=run.generation_id,
            unit=run.unit,
            attempt=run.attempt,
            max_attempts=run.max_attempts,
            fence=fence,
        )
        return await Progress(session=self.session).complete(claim, result, {}, made_of=made_of) is not None

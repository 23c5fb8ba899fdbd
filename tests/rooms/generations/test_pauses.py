"""A paused generation rests: nothing of it starts, is rescued or runs out of time, and what runs may finish."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from reelwright.generations import (
    LONGEST_PAUSE,
    Drawn,
    Generation,
    Generations,
    GenerationState,
    Pulse,
    Reason,
    Stage,
    Unit,
)
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from tests.builders import Worked
from tests.rooms.generations import made
from tests.rooms.generations.made import EXPIRED, LEASE, NOW, UNIT

LATER = timedelta(hours=1)
RESEND = timedelta(seconds=30)


async def paused(db: Database, generation: GenerationId) -> None:
    async with db.begin() as tx:
        assert await Generations(session=tx).pause(generation)


async def moved(db: Database, column: str, by: timedelta) -> None:
    """Move a stored instant of every generation: no test waits for a clock."""
    async with db.begin() as tx:
        await tx.execute(text(f"UPDATE generations SET {column} = {column} + :by"), {"by": by})  # noqa: S608


async def test_nothing_of_it_starts_until_it_goes_on(db: Database) -> None:
    generation = await made.queued(db)
    await paused(db, generation)
    async with db.begin() as tx:
        assert await Worked(session=tx).claim(UNIT.run_id(generation), LEASE) is None
        assert (await Worked(session=tx).why_not(UNIT.run_id(generation))).reason is Reason.PAUSED
        assert not await Generations(session=tx).pause(generation)
        assert await Generations(session=tx).proceed(generation)
        assert not await Generations(session=tx).proceed(generation)
        assert await Worked(session=tx).wake(generation) == [(UNIT, timedelta(0))]
        assert await Worked(session=tx).claim(UNIT.run_id(generation), LEASE) is not None


async def test_what_runs_finishes_and_what_follows_waits(db: Database) -> None:
    generation = await made.queued(db)
    claim = await made.claimed(db, generation)
    next_one = Unit(stage=Stage.SCENE_GENERATION)
    await paused(db, generation)
    await moved(db, "deadline_at", -2 * LATER)
    async with db.begin() as tx:
        runs = Worked(session=tx)
        assert await runs.heartbeat(claim.run_id, claim.fence, LEASE, 0.5) is Pulse.OK
        assert (await runs.get(claim.run_id)).lease_until > (await Generations(session=tx).lock(generation)).deadline_at
        assert await runs.complete(claim.run_id, claim.fence, Drawn())
        assert await runs.plan(generation, [next_one], max_attempts=3) == [next_one]
        assert await runs.claim(next_one.run_id(generation), LEASE) is None


async def test_nothing_of_it_is_rescued_given_up_or_late(db: Database) -> None:
    dead, silent = await made.queued(db), await made.queued(db)
    await made.claimed(db, dead, EXPIRED)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE stage_runs SET sent_at = sent_at - interval '1 day'"))
        stale = await Worked(session=tx).stale(10, RESEND)
    assert {run.generation_id for run in stale} == {dead, silent}
    for generation in (dead, silent):
        await paused(db, generation)
    await moved(db, "deadline_at", -2 * LATER)
    async with db.begin() as tx:
        assert await Worked(session=tx).stale(10, RESEND) == []
        assert [await Worked(session=tx).rescue(run, RESEND) for run in stale] == [False, False]
        await tx.execute(text("UPDATE stage_runs SET attempt = max_attempts"))
        assert [await Worked(session=tx).give_up(run, RESEND, "a.b") for run in stale] == [False, False]
        assert await Generations(session=tx).unfinished_past_deadline(10) == []


async def test_its_deadline_is_as_far_away_as_it_was(db: Database) -> None:
    generation = await made.queued(db)
    await paused(db, generation)
    async with db.begin() as tx:
        deadline = (await Generations(session=tx).lock(generation)).deadline_at
    await moved(db, "paused_at", -3 * LATER)
    async with db.begin() as tx:
        assert await Generations(session=tx).proceed(generation)
        found = await Generations(session=tx).lock(generation)
    assert 3 * LATER <= found.deadline_at - deadline < 3 * LATER + timedelta(minutes=1)
    assert found.paused_at is None


async def test_it_counts_as_live_and_holds_its_place_as_long_as_it_may_rest(db: Database) -> None:
    generation = await made.queued(db)
    await paused(db, generation)
    await moved(db, "deadline_at", -2 * LATER)
    async with db.begin() as tx:
        found = await Generations(session=tx).lock(generation)
        month, hour = NOW.replace(day=1, hour=0, minute=0), NOW.replace(minute=0)
        counted = await Generations(session=tx).counted(
            found.account_id, month, month + timedelta(days=31), hour, hour + LATER
        )
        facts = await Generations(session=tx).admission_facts(found.account_id, month, hour, hour)
    assert counted.live == 1
    assert facts.live == ((generation, found.deadline_at + LONGEST_PAUSE),)


async def overlong(db: Database) -> Generation | None:
    async with db.begin() as tx:
        return await Generations(session=tx).lock_paused_too_long()


async def test_a_pause_that_lasts_too_long_is_found_by_one(db: Database) -> None:
    generation = await made.queued(db)
    await paused(db, generation)
    await moved(db, "paused_at", timedelta(minutes=1) - LONGEST_PAUSE)
    assert await overlong(db) is None
    await moved(db, "paused_at", timedelta(minutes=-1))
    async with db.begin() as tx:
        found = await Generations(session=tx).lock_paused_too_long()
        assert await overlong(db) is None
        assert found is not None
        assert await Generations(session=tx).finish(found.id, GenerationState.CANCELLED)
        assert (await Generations(session=tx).lock(generation)).paused_at is None
    assert await overlong(db) is None


@pytest.mark.parametrize("state", [GenerationState.FAILED, GenerationState.CANCELLED])
async def test_what_has_ended_is_neither_paused_nor_let_go_on(db: Database, state: GenerationState) -> None:
    generation = await made.queued(db)
    why = {"failure_code": "a.b", "failure_sentence": "No."} if state is GenerationState.FAILED else {}
    async with db.begin() as tx:
        assert await Generations(session=tx).finish(generation, state, **why)
        assert not await Generations(session=tx).pause(generation)
        assert not await Generations(session=tx).proceed(generation)
        assert await Worked(session=tx).wake(generation) == []


async def test_a_woken_run_keeps_the_wait_that_it_had(db: Database) -> None:
    generation = await made.queued(db)
    claim = await made.claimed(db, generation)
    async with db.begin() as tx:
        assert await Worked(session=tx).retry_later(claim.run_id, claim.fence, LATER, "a.b")
        ((unit, wait),) = await Worked(session=tx).wake(generation)
    assert unit == UNIT
    assert LATER - timedelta(minutes=1) < wait <= LATER

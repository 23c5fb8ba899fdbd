"""An attempt has a deadline that no heartbeat moves, and no lease outlives the time that its generation has."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from reelwright.generations import Claim, Drawn, Generations, Pulse, Reason
from reelwright.ground.postgres import Database
from tests.builders import Worked
from tests.rooms.generations import made
from tests.rooms.generations.made import LEASE, UNIT
from tests.waiting import wait_until

SOON = timedelta(seconds=5)
OVER = timedelta(seconds=-1)
AT_ONCE = timedelta(0)


async def lease_left(db: Database) -> float:
    async with db.begin() as tx:
        left = text("SELECT extract(epoch FROM lease_until - clock_timestamp())::float8 FROM stage_runs")
        return await tx.scalar(left)


@pytest.mark.parametrize("beats", [0, 1])
async def test_no_lease_reaches_beyond_the_attempts_deadline(db: Database, beats: int) -> None:
    generation = await made.queued(db)
    async with db.begin() as tx:
        claim = await Worked(session=tx).claim(UNIT.run_id(generation), LEASE, longest=SOON)
        for _ in range(beats):
            assert await Worked(session=tx).heartbeat(claim.run_id, claim.fence, LEASE, 0.1) is Pulse.OK
    assert 0 < await lease_left(db) <= 5


@pytest.mark.parametrize("beats", [0, 1])
async def test_no_lease_reaches_beyond_the_generations_deadline(db: Database, beats: int) -> None:
    generation = await made.queued(db, deadline=SOON)
    claim = await made.claimed(db, generation)
    async with db.begin() as tx:
        for _ in range(beats):
            assert await Worked(session=tx).heartbeat(claim.run_id, claim.fence, LEASE, 0.1) is Pulse.OK
    assert 0 < await lease_left(db) <= 5


async def test_whose_time_is_over_hears_it_and_is_found_by_the_sweep(db: Database) -> None:
    """A worker that hangs but still beats would hold its run for ever; late work that arrives first still counts."""
    generation = await made.queued(db)
    async with db.begin() as tx:
        claim = await Worked(session=tx).claim(UNIT.run_id(generation), LEASE, longest=OVER)
    async with db.begin() as tx:
        runs = Worked(session=tx)
        assert await runs.heartbeat(claim.run_id, claim.fence, LEASE, 0.1) is Pulse.LATE
        (stale,) = await runs.stale(10, LEASE)
        assert await runs.rescue(stale, LEASE)
        assert not await runs.complete(claim.run_id, claim.fence, Drawn())
        again = await runs.claim(claim.run_id, LEASE, longest=SOON)
        assert await runs.heartbeat(again.run_id, again.fence, LEASE, 0.1) is Pulse.OK
        assert await runs.complete(again.run_id, again.fence, Drawn())


async def test_a_generation_past_its_deadline_tells_its_worker_to_stop(db: Database) -> None:
    generation = await made.queued(db)
    claim = await made.claimed(db, generation)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE generations SET deadline_at = now() - interval '1 s'"))
        assert await Worked(session=tx).heartbeat(claim.run_id, claim.fence, LEASE, 0.1) is Pulse.ENDED


async def test_a_claim_that_waited_for_the_generation_sees_what_became_of_it(db: Database) -> None:
    """Deadline and pause are read of the row that was locked, not of the one that the statement began with."""
    generation = await made.queued(db, deadline=OVER)
    async with db.begin() as tx:
        assert await Worked(session=tx).claim(UNIT.run_id(generation), LEASE) is None
        assert (await Worked(session=tx).why_not(UNIT.run_id(generation))).reason is Reason.ENDED
        assert await Generations(session=tx).pause(generation)
        await tx.execute(text("UPDATE generations SET paused_at = paused_at - interval '1 h'"))

    async def claim() -> Claim | None:
        async with db.begin() as other:
            return await Worked(session=other).claim(UNIT.run_id(generation), LEASE)

    async with db.begin() as tx:
        assert await Generations(session=tx).proceed(generation)
        claiming = asyncio.create_task(claim())
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        await wait_until(lambda: tx.scalar(waiting), message="the claim never waited")
    assert await claiming is not None


async def test_what_is_given_back_says_why_and_counts_nothing(db: Database) -> None:
    """As often as it likes: only the generation's deadline ends it."""
    generation = await made.queued(db, max_attempts=1)
    for attempt in range(1, 4):
        claim = await made.claimed(db, generation)
        assert (claim.attempt, claim.fence) == (1, attempt)
        async with db.begin() as tx:
            assert await Worked(session=tx).give_back(
                claim.run_id, claim.fence, AT_ONCE, reason="provider.rate_limited"
            )
            assert (await Worked(session=tx).get(claim.run_id)).error_code == "provider.rate_limited"

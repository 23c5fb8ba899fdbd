"""A run is worked on by one claim at a time; whoever lost it writes nothing; nobody waits for a dead worker."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from reelwright import outbox
from reelwright.generations import (
    Claim,
    Drawn,
    Generations,
    GenerationState,
    Ingested,
    Judged,
    Mixed,
    Pulse,
    Reason,
    RunState,
    Source,
    Stage,
    StaleRun,
    Unit,
)
from reelwright.ground import postgres
from reelwright.ground.ids import GenerationId, StageRunId
from reelwright.ground.postgres import Database
from tests.builders import Worked
from tests.rooms.generations import made
from tests.rooms.generations.made import EXPIRED, LEASE, UNIT

AT_ONCE = timedelta(0)
LATER = timedelta(minutes=5)


@pytest.fixture
async def many(db: Database, database_url: str) -> AsyncGenerator[Database]:
    """The same database through a pool that lets sixteen transactions run side by side."""
    wide = postgres.connect(database_url, pool_size=16)
    yield wide
    await wide.close()


async def stale(db: Database, resend_after: timedelta = AT_ONCE) -> list[StaleRun]:
    async with db.begin() as tx:
        return await Worked(session=tx).stale(50, resend_after)


async def why_not(db: Database, run: StageRunId) -> Reason:
    async with db.begin() as tx:
        return (await Worked(session=tx).why_not(run)).reason


async def test_units_are_planned_once_whatever_is_repeated(db: Database) -> None:
    units = [Unit(stage=Stage.VISUAL_GENERATION, scene=n) for n in (0, 1)] + [
        Unit(stage=Stage.VIDEO_ASSEMBLY, chunk=0),
        Unit(stage=Stage.VIDEO_ASSEMBLY),
        Unit(stage=Stage.VISUAL_GENERATION, scene=0, round=1),
    ]
    async with db.begin() as tx:
        generation = await made.generation(tx)
        runs = Worked(session=tx)
        assert await runs.plan(generation, units[:2], max_attempts=3) == units[:2]
        assert await runs.plan(generation, units, max_attempts=9) == units[2:]
        assert await runs.plan(generation, units, max_attempts=3) == []
        assert await runs.plan(generation, [], max_attempts=3) == []
        planned = await runs.of(generation)
    in_order = [units[0], units[4], units[1], units[3], units[2]]
    assert [(run.unit, run.max_attempts) for run in planned] == list(zip(in_order, (3, 9, 3, 9, 9), strict=True))
    assert all(run.state is RunState.QUEUED and run.id == run.unit.run_id(generation) for run in planned)


async def test_of_many_claims_at_once_one_wins(db: Database, many: Database) -> None:
    generation = await made.queued(db)

    async def claim() -> Claim | None:
        async with many.begin() as tx:
            won = await Worked(session=tx).claim(UNIT.run_id(generation), LEASE)
            if won is not None:
                await Generations(session=tx).note(generation, "stage_started", {})
            return won

    won = [c for c in await asyncio.gather(*(claim() for _ in range(16))) if c is not None]
    assert [(c.fence, c.attempt, c.max_attempts, c.unit, c.generation_id) for c in won] == [(1, 1, 3, UNIT, generation)]
    assert await why_not(db, UNIT.run_id(generation)) is Reason.HELD


async def test_claims_of_all_scenes_side_by_side_never_deadlock(db: Database, many: Database) -> None:
    """Each transaction changes the generation as well: it tells an event."""
    units = [Unit(stage=Stage.VISUAL_GENERATION, scene=scene) for scene in range(12)]
    async with db.begin() as tx:
        generation = await made.generation(tx)
        await Worked(session=tx).plan(generation, units, max_attempts=3)

    async def work(unit: Unit) -> bool:
        async with many.begin() as tx:
            claim = await Worked(session=tx).claim(unit.run_id(generation), LEASE)
            assert claim is not None
        async with many.begin() as tx:
            return await Worked(session=tx).complete(claim.run_id, claim.fence, Drawn())

    assert all(await asyncio.gather(*(work(unit) for unit in units)))
    async with db.begin() as tx:
        assert (await Generations(session=tx).lock(generation)).event_seq == 24


async def test_an_expired_lease_is_reclaimed_and_the_old_claim_writes_nothing(db: Database) -> None:
    generation = await made.queued(db)
    dead = await made.claimed(db, generation, EXPIRED)
    alive = await made.claimed(db, generation)
    assert (alive.fence, alive.attempt) == (dead.fence + 1, 2)
    async with db.begin() as tx:
        runs = Worked(session=tx)
        assert await runs.heartbeat(dead.run_id, dead.fence, LEASE, 0.9) is Pulse.LOST
        assert not await runs.complete(dead.run_id, dead.fence, Drawn())
        assert not await runs.retry_later(dead.run_id, dead.fence, LATER, "x.y")
        assert not await runs.give_back(dead.run_id, dead.fence, LATER)
        assert not await runs.fail(dead.run_id, dead.fence, "x.y")
        untouched = await runs.get(dead.run_id)
        assert (untouched.state, untouched.fence, untouched.progress) == (RunState.RUNNING, alive.fence, 0)
        assert await runs.complete(alive.run_id, alive.fence, Drawn())
        done = await runs.get(alive.run_id)
    assert (done.state, done.won_fence, done.progress) == (RunState.SUCCEEDED, alive.fence, 1)


async def test_of_many_completions_at_once_one_counts(db: Database, many: Database) -> None:
    generation = await made.queued(db)
    claim = await made.claimed(db, generation)

    async def complete() -> bool:
        async with many.begin() as tx:
            return await Worked(session=tx).complete(claim.run_id, claim.fence, Drawn())

    assert sum(await asyncio.gather(*(complete() for _ in range(12)))) == 1
    assert await why_not(db, claim.run_id) is Reason.ENDED


async def test_a_live_lease_keeps_others_away_and_a_heartbeat_keeps_it_live(db: Database) -> None:
    generation = await made.queued(db)
    claim = await made.claimed(db, generation, EXPIRED)
    async with db.begin() as tx:
        runs = Worked(session=tx)
        assert await runs.heartbeat(claim.run_id, claim.fence, LEASE, 0.5) is Pulse.OK
        assert await runs.heartbeat(claim.run_id, claim.fence, LEASE, 0.25) is Pulse.OK
        assert await runs.claim(claim.run_id, LEASE) is None
        held = await runs.why_not(claim.run_id)
        assert (await runs.get(claim.run_id)).progress == 0.5
    assert held.reason is Reason.HELD
    assert timedelta(0) < held.wait <= LEASE


async def test_a_failed_attempt_counts_and_waits_and_the_last_one_is_the_last(db: Database) -> None:
    generation = await made.queued(db, max_attempts=2)
    claim = await made.claimed(db, generation)
    assert not claim.last
    async with db.begin() as tx:
        assert await Worked(session=tx).retry_later(claim.run_id, claim.fence, LATER, "provider.unavailable")
    async with db.begin() as tx:
        early = await Worked(session=tx).why_not(claim.run_id)
        assert (early.reason, LATER - early.wait < timedelta(minutes=1)) == (Reason.EARLY, True)
        assert await Worked(session=tx).claim(claim.run_id, LEASE) is None
        assert (await Worked(session=tx).get(claim.run_id)).error_code == "provider.unavailable"
        await tx.execute(text("UPDATE stage_runs SET next_attempt_at = now()"))
    second = await made.claimed(db, generation)
    assert (second.attempt, second.last) == (2, True)
    async with db.begin() as tx:
        assert await Worked(session=tx).retry_later(second.run_id, second.fence, AT_ONCE, "x.y")
    async with db.begin() as tx:
        assert await Worked(session=tx).claim(second.run_id, LEASE) is None
    assert await why_not(db, second.run_id) is Reason.EXHAUSTED


async def test_what_is_given_back_was_never_counted(db: Database) -> None:
    generation = await made.queued(db, max_attempts=1)
    for fence in (1, 2, 3):
        claim = await made.claimed(db, generation)
        assert (claim.attempt, claim.fence) == (1, fence)
        async with db.begin() as tx:
            assert await Worked(session=tx).give_back(claim.run_id, claim.fence, AT_ONCE)


async def test_a_run_that_failed_is_never_claimed_again(db: Database) -> None:
    generation = await made.queued(db)
    claim = await made.claimed(db, generation)
    async with db.begin() as tx:
        assert await Worked(session=tx).fail(claim.run_id, claim.fence, "provider.refused")
        assert await Worked(session=tx).claim(claim.run_id, LEASE) is None
        assert (await Worked(session=tx).get(claim.run_id)).error_code == "provider.refused"


async def test_nothing_is_claimed_for_a_generation_that_is_over(db: Database) -> None:
    late = await made.queued(db, deadline=EXPIRED)
    ended = await made.queued(db)
    async with db.begin() as tx:
        await Generations(session=tx).finish(ended, GenerationState.CANCELLED)
    async with db.begin() as tx:
        for generation in (late, ended, GenerationId(uuid4())):
            assert await Worked(session=tx).claim(UNIT.run_id(generation), LEASE) is None
    reasons = [await why_not(db, UNIT.run_id(generation)) for generation in (late, ended, GenerationId(uuid4()))]
    assert reasons == [Reason.ENDED, Reason.ENDED, Reason.UNKNOWN]


async def test_a_dead_workers_run_is_found_and_rescued_by_one_sweeper(db: Database, many: Database) -> None:
    generation = await made.queued(db)
    dead = await made.claimed(db, generation, EXPIRED)
    (found,) = await stale(db, LATER)
    assert (found.id, found.state, found.fence, found.exhausted) == (dead.run_id, RunState.RUNNING, dead.fence, False)

    async def rescue() -> bool:
        async with many.begin() as tx:
            return await Worked(session=tx).rescue(found, LATER)

    assert sum(await asyncio.gather(*(rescue() for _ in range(12)))) == 1
    async with db.begin() as tx:
        assert not await Worked(session=tx).complete(dead.run_id, dead.fence, Drawn())
    assert await stale(db, LATER) == []
    assert (await made.claimed(db, generation)).attempt == 2


async def test_a_silent_run_that_many_sweepers_found_is_sent_again_by_one(db: Database, many: Database) -> None:
    """Even where it would be silent again at once: the fence that each of them saw is good for one rescue."""
    await made.queued(db)
    (found,) = await stale(db)

    async def rescue() -> bool:
        async with many.begin() as tx:
            return await Worked(session=tx).rescue(found, AT_ONCE)

    assert sum(await asyncio.gather(*(rescue() for _ in range(12)))) == 1


@pytest.mark.parametrize("came_first", ["heartbeat", "claim", "complete"])
async def test_a_run_that_moved_on_is_not_rescued(db: Database, came_first: str) -> None:
    generation = await made.queued(db)
    slow = await made.claimed(db, generation, EXPIRED)
    (found,) = await stale(db)
    async with db.begin() as tx:
        runs = Worked(session=tx)
        if came_first == "heartbeat":
            assert await runs.heartbeat(slow.run_id, slow.fence, LEASE, 0.5) is Pulse.OK
        elif came_first == "claim":
            assert await runs.claim(slow.run_id, LEASE) is not None
        else:
            assert await runs.complete(slow.run_id, slow.fence, Drawn())
    async with db.begin() as tx:
        before = await Worked(session=tx).get(slow.run_id)
        assert not await Worked(session=tx).rescue(found, AT_ONCE)
        assert not await Worked(session=tx).give_up(found, AT_ONCE, "x.y")
        assert await Worked(session=tx).get(slow.run_id) == before


async def test_a_silent_run_is_sent_again_less_and_less_often(db: Database) -> None:
    """Back-off doubles by row: after n re-sends it is left alone for 2^n times as long."""
    generation = await made.queued(db)
    assert await stale(db, LATER) == []
    waits: list[int] = []
    for _ in range(8):
        for minutes in (4, 6, 11, 21, 41, 81, 161, 321, 641):
            async with db.begin() as tx:
                ago = timedelta(minutes=minutes)
                await tx.execute(
                    text("UPDATE stage_runs SET sent_at = clock_timestamp() - CAST(:ago AS interval)"), {"ago": ago}
                )
            found = await stale(db, LATER)
            if found:
                break
        waits.append(minutes)
        async with db.begin() as tx:
            assert await Worked(session=tx).rescue(found[0], LATER)
        assert await stale(db, LATER) == []
    assert waits == [6, 11, 21, 41, 81, 161, 321, 321]
    async with db.begin() as tx:
        assert await Worked(session=tx).claim(UNIT.run_id(generation), LEASE) is not None
        assert await tx.scalar(text("SELECT resends FROM stage_runs")) == 0


async def test_a_run_whose_message_still_waits_is_not_sent_again(db: Database) -> None:
    generation = await made.queued(db)
    message = outbox.StageDue(generation_id=generation, run_id=UNIT.run_id(generation), stage=UNIT.stage)
    async with db.begin() as tx:
        await outbox.enqueue(tx, message)
    assert await stale(db) == []
    async with db.begin() as tx:
        await tx.execute(text("UPDATE outbox SET published_at = now()"))
    assert [found.id for found in await stale(db)] == [message.run_id]
    async with db.begin() as tx:
        await tx.execute(text("UPDATE outbox SET published_at = NULL, parked_at = now(), parked_reason = 'x'"))
    assert [found.id for found in await stale(db)] == [message.run_id]


async def test_a_run_without_attempts_left_is_given_up_once_and_never_rescued(db: Database) -> None:
    generation = await made.queued(db, max_attempts=1)
    await made.claimed(db, generation, EXPIRED)
    (found,) = await stale(db)
    async with db.begin() as tx:
        assert found.exhausted
        assert not await Worked(session=tx).rescue(found, AT_ONCE)
        assert await Worked(session=tx).give_up(found, AT_ONCE, "stage.exhausted")
        assert not await Worked(session=tx).give_up(found, AT_ONCE, "stage.exhausted")
        run = await Worked(session=tx).get(found.id)
    assert (run.state, run.error_code) == (RunState.FAILED, "stage.exhausted")


async def test_stale_runs_come_page_by_page_and_only_of_live_generations(db: Database) -> None:
    generations = [await made.queued(db) for _ in range(4)]
    async with db.begin() as tx:
        await Generations(session=tx).finish(generations[0], GenerationState.CANCELLED)
    expected = sorted(UNIT.run_id(generation) for generation in generations[1:])
    async with db.begin() as tx:
        first = await Worked(session=tx).stale(2, AT_ONCE)
        rest = await Worked(session=tx).stale(2, AT_ONCE, after=first[-1].id)
    assert [found.id for found in first + rest] == expected


async def test_what_finished_runs_concluded_is_read_back(db: Database) -> None:
    """Sources and stories have tables of their own: of them a run keeps only that there are some."""
    judged = Unit(stage=Stage.VISUAL_VERIFICATION, scene=0)
    outcomes = {
        Unit(stage=Stage.INGESTION): Ingested(source=Source(kind="text", title="t", body="a long article")),
        judged: Judged(score=41, scores={"quality": 41}, reasons=("dark",)),
        Unit(stage=Stage.AUDIO_MIXING): Mixed(chunks=6, duration_ms=30_000),
    }
    async with db.begin() as tx:
        generation = await made.generation(tx)
        runs = Worked(session=tx)
        await runs.plan(generation, [*outcomes, Unit(stage=Stage.VIDEO_ASSEMBLY)], max_attempts=3)
        for unit, outcome in outcomes.items():
            claim = await runs.claim(unit.run_id(generation), LEASE)
            assert await runs.complete(claim.run_id, claim.fence, outcome)
        finished = await runs.finished(generation)
        ingested = await runs.get(Unit(stage=Stage.INGESTION).run_id(generation))
    assert finished.keys() == outcomes.keys()
    assert finished[judged] == outcomes[judged]
    assert finished[Unit(stage=Stage.AUDIO_MIXING)] == Mixed(chunks=6, duration_ms=30_000)
    assert ingested.result == {"type": "ingested"}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("state = 'running', started_at = now()", "state"),
        ("lease_until = now()", "state"),
        ("state = 'succeeded', started_at = now(), finished_at = now()", "state"),
        ("state = 'failed', finished_at = now()", "state"),
        ("state = 'cancelled'", "state"),
        ("attempt = 4", "attempt"),
        ("progress = 1.1", "progress"),
    ],
)
async def test_states_and_their_instants_belong_together(db: Database, change: str, broken: str) -> None:
    await made.queued(db)
    with pytest.raises(IntegrityError, match=f"ck_stage_runs_{broken}"):
        async with db.begin() as tx:
            await tx.execute(text(f"UPDATE stage_runs SET {change}"))  # noqa: S608 - a constant of this test

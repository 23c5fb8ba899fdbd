"""A generation is accepted once, ends once, and its events are numbered in the order of the commits."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from reelwright.generations import (
    Drawn,
    GenerationKind,
    Generations,
    GenerationState,
    Part,
    Pulse,
    RunState,
    Stage,
    Unit,
    listed,
)
from reelwright.ground import postgres
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from tests.builders import Worked, started
from tests.rooms.generations import made
from tests.rooms.generations.made import EXPIRED, LEASE, NOW
from tests.waiting import wait_until


@pytest.fixture
async def many(db: Database, database_url: str) -> AsyncGenerator[Database]:
    """The same database through a pool that lets sixteen transactions run side by side."""
    wide = postgres.connect(database_url, pool_size=16)
    yield wide
    await wide.close()


async def test_an_order_told_by_many_at_once_is_accepted_once(db: Database, many: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        new = made.new_generation(owner, (await made.draft(tx, owner)).id, fingerprint=b"one", request_id="r1")

    async def accept() -> bool:
        async with many.begin() as tx:
            return await Generations(session=tx).add_once(new)

    assert sum(await asyncio.gather(*(accept() for _ in range(12)))) == 1
    async with db.begin() as tx:
        generations = Generations(session=tx)
        assert not await generations.add_once(replace(new, fingerprint=b"two"))
        assert await generations.fingerprint_of(new.id) == b"one"
        assert await generations.fingerprint_of(GenerationId(uuid4())) is None
        found = await generations.get(owner, new.id)
    assert found is not None
    assert (found.state, found.live, found.request_id, found.admitted_at) == (GenerationState.QUEUED, True, "r1", NOW)
    assert timedelta(0) <= found.deadline_at - found.created_at - timedelta(hours=1) < timedelta(minutes=1)


async def test_another_account_sees_nothing(db: Database) -> None:
    async with db.begin() as tx:
        generation, other = await made.generation(tx), await made.account(tx)
        assert await Generations(session=tx).get(other, generation) is None
        assert await listed(tx, other, 10) == []


async def test_the_end_cancels_what_still_runs_and_fences_it_off(db: Database) -> None:
    generation = await made.queued(db)
    claim = await made.claimed(db, generation)
    report = {"passed": False, "checks": []}
    async with db.begin() as tx:
        await Worked(session=tx).plan(generation, [Unit(stage=Stage.AUDIO_MIXING)], max_attempts=3)
        assert await Generations(session=tx).finish(
            generation,
            GenerationState.FAILED,
            failure_code="gate.failed",
            failure_sentence="No.",
            gate=report,
            units_back=True,
        )
    async with db.begin() as tx:
        runs = await Worked(session=tx).of(generation)
        assert [(run.state, run.lease_until) for run in runs] == [(RunState.CANCELLED, None)] * 2
        assert runs[0].fence == claim.fence + 1
        assert await Worked(session=tx).heartbeat(claim.run_id, claim.fence, LEASE, 0.5) is Pulse.LOST
        assert not await Worked(session=tx).complete(claim.run_id, claim.fence, Drawn())
        ended = await Generations(session=tx).lock(generation)
    assert (ended.state, ended.failure_code, ended.gate, ended.live) == (
        GenerationState.FAILED, "gate.failed", report, False,
    )  # fmt: skip
    assert ended.units_returned_at is not None


async def test_of_many_ends_at_once_one_counts(db: Database, many: Database) -> None:
    generation = await made.queued(db)
    await made.claimed(db, generation)

    async def end(state: GenerationState) -> bool:
        failed = {"failure_code": "x.y", "failure_sentence": "No."} if state is GenerationState.FAILED else {}
        async with many.begin() as tx:
            return await Generations(session=tx).finish(generation, state, **failed)

    states = [GenerationState.SUCCEEDED, GenerationState.FAILED, GenerationState.CANCELLED] * 3
    assert sum(await asyncio.gather(*(end(state) for state in states))) == 1


async def test_runs_that_were_planned_while_the_end_waited_are_cancelled_too(db: Database) -> None:
    """The worker that plans them holds the generation's lock; the end has been asked for meanwhile."""
    generation = await made.queued(db)
    later = Unit(stage=Stage.SCENE_GENERATION)
    async with db.begin() as tx:
        await Generations(session=tx).lock(generation)

        async def end() -> None:
            async with db.begin() as other:
                await Generations(session=other).finish(generation, GenerationState.CANCELLED)

        ending = asyncio.create_task(end())
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        await wait_until(lambda: tx.scalar(waiting), message="the end never waited")
        assert await Worked(session=tx).plan(generation, [later], max_attempts=3) == [later]
    await ending
    async with db.begin() as tx:
        assert {run.state for run in await Worked(session=tx).of(generation)} == {RunState.CANCELLED}


async def test_what_is_past_its_deadline_is_found_page_by_page(db: Database) -> None:
    async with db.begin() as tx:
        late = sorted([await made.generation(tx, deadline=EXPIRED) for _ in range(3)])
        ended = await made.generation(tx, deadline=EXPIRED)
        await made.generation(tx)
        await Generations(session=tx).finish(ended, GenerationState.CANCELLED)
        first = await Generations(session=tx).unfinished_past_deadline(2)
        rest = await Generations(session=tx).unfinished_past_deadline(2, after=first[-1])
    assert (first, rest) == (late[:2], late[2:])


async def test_admission_counts_units_in_the_period_of_their_admission(db: Database) -> None:
    month, hour = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 15, 12, tzinfo=UTC)
    async with db.begin() as tx:
        owner = await made.account(tx)
        await made.generation(tx, owner, admitted_at=month - timedelta(microseconds=1))
        await made.generation(tx, owner, admitted_at=month, full_units=1)
        await made.generation(tx, owner, admitted_at=hour - timedelta(microseconds=1))
        live = await made.generation(tx, owner, admitted_at=hour)
        returned = await made.generation(tx, owner, admitted_at=hour, full_units=1)
        await made.generation(tx, admitted_at=hour)
        await Generations(session=tx).finish(
            returned, GenerationState.FAILED, failure_code="a.b", failure_sentence="No.", units_back=True
        )
        facts = await Generations(session=tx).admission_facts(owner, month, hour, hour)
        deadline = (await Generations(session=tx).get(owner, live)).deadline_at
    assert (facts.generations_month, facts.generations_hour, facts.full_month) == (3, 2, 1)
    assert len(facts.live) == 4
    assert (live, deadline) in facts.live


async def test_an_account_that_never_generated_counts_nothing(db: Database) -> None:
    async with db.begin() as tx:
        facts = await Generations(session=tx).admission_facts(await made.account(tx), NOW, NOW, NOW)
    assert facts == (0, 0, 0, (), ())


async def test_events_are_numbered_without_gaps_in_the_order_of_the_commits(db: Database, many: Database) -> None:
    """Whoever has read up to n never misses an event: none below n can appear later."""
    async with db.begin() as tx:
        generation = await made.generation(tx)
    seen: list[int] = []
    done = asyncio.Event()

    async def write(number: int) -> None:
        async with many.begin() as tx:
            await Generations(session=tx).note(generation, "step", {"number": number})
            await tx.execute(text("SELECT 1"))

    async def read() -> None:
        while not done.is_set() or len(seen) < 30:
            async with many.begin() as tx:
                news = await Generations(session=tx).events_after(generation, seen[-1] if seen else 0, limit=7)
            seen.extend(event.seq for event in news)

    reading = asyncio.create_task(read())
    await asyncio.gather(*(write(number) for number in range(30)))
    done.set()
    await asyncio.wait_for(reading, 20)
    assert seen == list(range(1, 31))


async def test_an_event_that_is_rolled_back_leaves_no_gap(db: Database) -> None:
    async with db.begin() as tx:
        generation = await made.generation(tx)
        assert await Generations(session=tx).note(generation, "a", {"x": [1, None, "é"]}) == 1
    async with db.begin() as tx:
        assert await Generations(session=tx).note(generation, "b", {}) == 2
        await tx.rollback()
    async with db.begin() as tx:
        assert await Generations(session=tx).note(generation, "c", {}) == 2
        events = await Generations(session=tx).events_after(generation, 0)
        with pytest.raises(LookupError):
            await Generations(session=tx).note(GenerationId(uuid4()), "a", {})
    assert [(event.seq, event.kind, event.data) for event in events] == [(1, "a", {"x": [1, None, "é"]}), (2, "c", {})]


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("state = 'running'", "state"),
        ("state = 'succeeded', ended_at = now()", "state"),
        ("state = 'cancelled'", "state"),
        ("state = 'failed', ended_at = now()", "state"),
        ("failure_code = 'a.b', failure_sentence = 'No.'", "state"),
        ("started_at = now()", "state"),
        ("state = 'lost', ended_at = now()", "state"),
    ],
)
async def test_states_and_their_instants_belong_together(db: Database, change: str, broken: str) -> None:
    async with db.begin() as tx:
        await made.generation(tx)
    with pytest.raises(IntegrityError, match=f"ck_generations_{broken}"):
        async with db.begin() as tx:
            await tx.execute(text(f"UPDATE generations SET {change}"))  # noqa: S608 - a constant of this test


async def test_use_is_counted_in_its_periods_only(db: Database) -> None:
    """Half-open periods; units that were given back count in their hour only; past its deadline nothing is live."""
    month = datetime(2026, 3, 1, tzinfo=UTC)
    hour, tick = NOW.replace(minute=0), timedelta(milliseconds=1)
    periods = (month, datetime(2026, 4, 1, tzinfo=UTC), hour, hour + timedelta(hours=1))
    admitted = [month - tick, month, hour - tick, hour, periods[3] - tick, periods[3], periods[1] - tick, periods[1]]
    async with db.begin() as tx:
        owner, other = await made.account(tx), await made.account(tx)
        ids = [await made.generation(tx, owner, admitted_at=at, full_units=n % 2) for n, at in enumerate(admitted)]
        await made.generation(tx, other, admitted_at=NOW)
        generations = Generations(session=tx)
        assert await generations.counted(owner, *periods) == (6, 2, 3, 8)
        await started(tx, ids[3])
        failed = {"failure_code": "x.y", "failure_sentence": "No."}
        await generations.finish(ids[3], GenerationState.FAILED, units_back=True, **failed)
        late = text("UPDATE generations SET deadline_at = now() - interval '1 s' WHERE id = :id")
        await tx.execute(late, {"id": ids[1]})
        assert await generations.counted(owner, *periods) == (5, 2, 2, 6)


async def test_regenerations_are_told_since_an_instant_unless_they_were_given_back(db: Database) -> None:
    kinds = [GenerationKind.REGENERATE_FULL, GenerationKind.VIDEO, GenerationKind.REGENERATE_TARGETED]
    async with db.begin() as tx:
        owner, generations = await made.account(tx), Generations(session=tx)
        ids = [
            await made.generation(
                tx,
                owner,
                kind=kind,
                part=Part.HOOK if kind is GenerationKind.REGENERATE_TARGETED else None,
                admitted_at=NOW + timedelta(seconds=second),
            )
            for second, kind in enumerate(kinds)
        ]
        told = await generations.regenerated(owner, NOW - timedelta(seconds=1))
        assert [done.generation_id for done in told] == [ids[0], ids[2]]
        assert (told[0].plan, told[0].admitted_at) == ("basic", NOW)
        assert [done.generation_id for done in await generations.regenerated(owner, NOW)] == [ids[2]]
        counted = await generations.admission_facts(owner, NOW, NOW, NOW - timedelta(seconds=1))
        assert (list(counted.regenerated), list(counted.regenerated[1:])) == (
            told,
            await generations.regenerated(owner, NOW),
        )
        failed = {"failure_code": "x.y", "failure_sentence": "No."}
        await generations.finish(ids[2], GenerationState.FAILED, units_back=True, **failed)
        assert await generations.regenerated(owner, NOW) == []
        assert (await generations.admission_facts(owner, NOW, NOW, NOW)).regenerated == ()

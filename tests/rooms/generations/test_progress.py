"""A run begins and ends in one statement each, and what it reads beside the lock is never older than the lock."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from reelwright.generations import (
    Claim,
    Dossier,
    Drawn,
    Generations,
    GenerationState,
    Overtaken,
    Progress,
    Runs,
    RunState,
    Stage,
    Told,
    Unit,
)
from reelwright.ground.ids import DraftId, GenerationId
from reelwright.ground.postgres import Database
from tests.builders import started
from tests.rooms.generations import made
from tests.rooms.generations.made import LEASE, UNIT
from tests.waiting import wait_until

LONGEST = timedelta(minutes=10)
PICTURES = [Unit(stage=Stage.VISUAL_GENERATION, scene=scene) for scene in range(2)]
WAITING = text("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")


async def begun(of: Progress, generation: GenerationId, unit: Unit = UNIT) -> tuple[Claim, Told, Dossier] | None:
    return await of.begin(unit.run_id(generation), unit.stage, LEASE, longest=LONGEST)


async def draft_of(db: Database, generation: GenerationId) -> DraftId:
    async with db.begin() as tx:
        return await tx.scalar(text("SELECT draft_id FROM generations WHERE id = :id"), {"id": generation})


async def test_a_claim_notes_the_beginning_and_reads_the_draft(db: Database) -> None:
    generation = await made.queued(db)
    async with db.single() as tx:
        found = await begun(Progress(session=tx), generation)
    assert found is not None
    claim, told, dossier = found
    assert (claim.run_id, claim.unit, claim.attempt, claim.fence) == (UNIT.run_id(generation), UNIT, 1, 1)
    assert (told.began, told.generation.state, dossier.draft.topic) == (True, "running", "Why do cats purr?")
    async with db.begin() as tx:
        assert await begun(Progress(session=tx), generation) is None  # it is held
        [event] = await Generations(session=tx).events_after(generation, 0)
    said = {"stage": "STORY_WRITING", "scene": None, "chunk": None, "round": 0, "attempt": 1}
    assert (event.seq, event.kind, event.data) == (1, "stage_started", said)


async def test_a_second_run_keeps_the_generations_first_start(db: Database) -> None:
    async with db.begin() as tx:
        generation = await made.generation(tx)
        await Runs(session=tx).plan(generation, PICTURES, max_attempts=3)
    at: list[datetime | None] = []
    for unit in PICTURES:
        async with db.single() as tx:
            found = await begun(Progress(session=tx), generation, unit)
        assert found is not None
        at.append(found[1].generation.started_at)
    assert at == [at[0]] * 2 != [None] * 2


async def test_a_claim_that_waited_for_an_edit_is_done_again_and_reads_the_edit(db: Database) -> None:
    """An edit is taken while a run isn't begun: whoever begins it then must read what was edited."""
    generation = await made.queued(db)

    async def claim() -> str:
        async with db.begin() as tx:
            with pytest.raises(Overtaken):
                await begun(Progress(session=tx), generation)
            found = await begun(Progress(session=tx), generation)
        assert found is not None
        return found[2].draft.topic or ""

    draft = await draft_of(db, generation)
    async with db.begin() as tx:
        assert [one.id for one in await Generations(session=tx).lock_live_of(draft)] == [generation]
        waiting = asyncio.create_task(claim())
        await wait_until(lambda: tx.scalar(WAITING), message="the claim never met the edit")
        await tx.execute(text("UPDATE drafts SET topic = 'Why do dogs bark?' WHERE id = :id"), {"id": draft})
    assert await waiting == "Why do dogs bark?"


async def test_of_two_that_end_together_the_second_knows_of_the_first(db: Database) -> None:
    """Else neither would see that both are done, and nobody would go on."""
    generation = await made.queued(db)
    async with db.begin() as tx:
        await Runs(session=tx).plan(generation, PICTURES, max_attempts=3)
    claims = []
    for unit in PICTURES:
        async with db.begin() as tx:
            found = await begun(Progress(session=tx), generation, unit)
            assert found is not None
            claims.append(found[0])

    async def second() -> set[Unit]:
        async with db.begin() as tx:
            ended = await Progress(session=tx).complete(claims[1], Drawn(), {}, made_of=None)
        assert ended is not None
        return set(ended[1])

    async with db.begin() as tx:
        first = await Progress(session=tx).complete(claims[0], Drawn(), {}, made_of=None)
        assert first is not None
        assert set(first[1]) == {PICTURES[0]}
        assert first[2] == {UNIT, *PICTURES}
        waiting = asyncio.create_task(second())
        await wait_until(lambda: tx.scalar(WAITING), message="the two never met")
    assert await waiting == {*PICTURES}


async def test_who_lost_the_run_ends_nothing(db: Database) -> None:
    generation = await made.queued(db)
    async with db.begin() as tx:
        found = await begun(Progress(session=tx), generation)
        assert found is not None
        assert await Runs(session=tx).call_off(found[0].run_id, found[0].fence)
        assert await Progress(session=tx).complete(found[0], Drawn(), {}, made_of=None) is None
        [run] = await Runs(session=tx).of(generation)
        kinds = [event.kind for event in await Generations(session=tx).events_after(generation, 0)]
    assert (run.state, kinds) == (RunState.QUEUED, ["stage_started"])


async def test_a_success_ends_the_generation_once_with_what_is_still_planned(db: Database) -> None:
    generation = await made.queued(db)
    async with db.begin() as tx:
        await started(tx, generation)
        for _ in range(2):
            await Progress(session=tx).succeed(generation, gate={"passed": True})
        ended = await Generations(session=tx).lock(generation)
        [run] = await Runs(session=tx).of(generation)
        kinds = [event.kind for event in await Generations(session=tx).events_after(generation, 0)]
    assert ended is not None
    assert (ended.state, ended.gate, run.state, kinds) == (
        GenerationState.SUCCEEDED,
        {"passed": True},
        RunState.CANCELLED,
        ["succeeded"],
    )

"""Verdicts are settled one after the other: of two alike one is drawn again, and no two at once pass the budget."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.billing import Plan
from reelwright.generations import (
    Assignment,
    Bench,
    Drawn,
    GenerationKind,
    Judged,
    Made,
    Part,
    Stage,
    Unit,
    pipeline,
    verdicts,
)
from reelwright.ground.postgres import Database
from reelwright.journeys import production
from reelwright.journeys.workroom import Workroom
from tests.builders import an_account
from tests.journeys.conftest import Studio, deliver_all, due_now, order, waiting
from tests.journeys.remaking import LAST, Reels, Workshop

PICTURE, CHECK = Stage.VISUAL_GENERATION, Stage.VISUAL_VERIFICATION
_VERDICTS = text(
    "SELECT scene, round, result FROM stage_runs WHERE stage = 'VISUAL_VERIFICATION' AND state = 'succeeded'"
    " ORDER BY scene, round"
)


class Draughtsman(Workshop):
    """Draws what `look` says of a scene and its take; what has the same name looks alike."""

    look: Callable[[int, int], str] = staticmethod(lambda scene, take: f"{scene} {take}")

    def made(self, task: Assignment, bench: Bench) -> Made:
        made = super().made(task, bench)
        if task.unit.stage is not PICTURE:
            return made
        look = self.look(task.scene.index, task.scene.take + task.unit.round)
        return replace(made, outcome=Drawn(seen_as=sha256(look.encode()).hexdigest()[:16]))


@pytest.fixture
def studio() -> Studio:
    return Draughtsman()


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db, Plan.PRO)


async def deliver_at_once(room: Workroom) -> None:
    """Deliver each message as soon as it is promised, beside those that are under way."""
    under_way: set[asyncio.Task[production.Answer]] = set()
    while True:
        messages = await waiting(room.db)
        await due_now(room.db)
        under_way |= {asyncio.create_task(production.perform(message, room=room)) for message in messages}
        if not under_way:
            return
        done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result() for task in done} == {production.Answer.DONE}


def meeting(*units: Unit, score: int | None = None) -> Callable[[Assignment], Awaitable[Made | None]]:
    """Let these units wait for each other, and every check give that score, if one is told."""
    door = asyncio.Barrier(len(units))

    async def behave(task: Assignment) -> Made | None:
        if task.unit in units:
            await asyncio.wait_for(door.wait(), 10)
        if task.unit.stage is CHECK and score is not None:
            return Made(outcome=Judged(score=score + task.unit.round, scores={}, reasons=("dull",)))
        return None

    return behave


async def judged(db: Database) -> dict[tuple[int, int], Judged]:
    async with db.begin() as tx:
        found = (await tx.execute(_VERDICTS)).all()
    return {
        (row.scene, row.round): Judged(row.result["score"], {}, tuple(row.result["reasons"]), row.result["kept"])
        for row in found
    }


async def test_of_two_alike_that_are_judged_at_once_the_later_scenes_is_drawn_again(
    account: Account, room: Workroom, studio: Draughtsman
) -> None:
    studio.look = lambda scene, take: f"{scene if take else 'alike'} {take}"
    studio.behave = meeting(*(Unit(stage=CHECK, scene=scene) for scene in (0, 1)))
    await order(account, room.db, room.gate)
    await deliver_at_once(room)

    assert [unit for unit in studio.calls if unit.stage is PICTURE and unit.round] == [
        Unit(stage=PICTURE, scene=1, round=1)
    ]
    found = await judged(room.db)
    assert {at: verdict.score for at, verdict in found.items()} == {(0, 0): 90, (1, 0): 50, (1, 1): 90}
    assert "the picture of scene 1" in found[1, 0].reasons[0]


async def test_a_picture_asked_for_anew_is_not_like_those_the_reel_has(
    account: Account, room: Workroom, studio: Draughtsman
) -> None:
    draft = (await order(account, room.db, room.gate, kind=GenerationKind.SCRIPT)).draft_id
    await deliver_all(room)
    reels = Reels(account=account, room=room, studio=studio, draft=draft)
    await reels.render()
    studio.look = lambda scene, take: "0 0" if take == 1 else f"{scene} {take}"  # the next one is as scene 0's

    _, made = await reels.render(kind=GenerationKind.REGENERATE_TARGETED, part=Part.SCENE_PICTURE, scene=1)

    assert sorted(unit.round for unit in made if unit.stage is PICTURE) == [0, 1]
    assert [scene.take for scene in (await reels.variant()).scenes] == [0, 2]


async def test_two_at_once_do_not_pass_the_budget_and_a_render_draws_nothing_of_it_again(
    account: Account, room: Workroom, studio: Draughtsman
) -> None:
    """One further try is left, and two ask for it. What was kept for want of it stays as it is."""
    studio.behave = meeting(Unit(stage=CHECK, scene=0, round=1), Unit(stage=CHECK, scene=1), score=10)
    draft = (await order(account, room.db, room.gate)).draft_id
    await deliver_at_once(room)

    assert sum(unit.stage is PICTURE and unit.round > 0 for unit in studio.calls) == verdicts.budget(2) == 2
    found = await judged(room.db)
    kept = [verdict for verdict in found.values() if verdict.kept]
    assert kept
    assert {verdict.reasons for verdict in kept} == {("dull", verdicts.SPENT)}
    assert all(
        pipeline.settles(found[max(at for at in found if at[0] == scene)]) or (scene, 2) in found for scene in (0, 1)
    )
    reels = Reels(account=account, room=room, studio=studio, draft=draft)
    assert (await reels.render())[1] == {LAST}

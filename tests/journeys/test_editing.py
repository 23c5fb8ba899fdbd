"""An edit while a reel is made: refused where it would tear it, and read by everything that isn't begun."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.billing import Plan
from reelwright.generations import Assignment, GenerationKind, Made, Part, ScenesTooLong, Stage, Unit, VariantChanged
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, editing, invariants, production, stopping
from reelwright.journeys.ordering import Order, Prepared
from reelwright.journeys.workroom import Workroom
from tests.builders import an_account
from tests.journeys.conftest import Studio, deliver_all, one, order, waiting
from tests.journeys.remaking import LAST, MIX, Reels, Workshop, chunk, pictures, voice
from tests.waiting import wait_until

WORDS = {"narration": "Other words."}


@pytest.fixture
def studio() -> Studio:
    return Workshop()


@pytest.fixture
async def reels(db: Database, room: Workroom, studio: Workshop) -> Reels:
    """A story that nobody has rendered yet."""
    account = await an_account(db, Plan.PRO)
    draft = (await order(account, db, room.gate, kind=GenerationKind.SCRIPT)).draft_id
    await deliver_all(room)
    studio.calls.clear()
    return Reels(account=account, room=room, studio=studio, draft=draft)


async def edit(reels: Reels, scene: int, **changes: object) -> None:
    found = await reels.variant()
    await editing.change_scene(
        reels.account.id, found.id, scene, changes, expected_version={found.version}, db=reels.db
    )


async def deliver_until(reels: Reels, *stages: Stage) -> None:
    """Deliver what is promised but these stages' runs, which stay undelivered."""
    while messages := [message for message in await waiting(reels.db) if message.stage not in stages]:
        for message in messages:
            await production.perform(message, room=reels.room)


async def test_what_is_made_stays_as_it_was_told_and_the_rest_is_told_anew(reels: Reels) -> None:
    spoken: list[str] = []

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.TTS_GENERATION:
            spoken.append(task.scene.narration)
        return None

    reels.studio.behave = behave
    generation = await reels.order()
    await deliver_until(reels, Stage.TTS_GENERATION)
    assert set(reels.studio.calls) == pictures(0) | pictures(1)

    with pytest.raises(editing.InUse) as refused:
        await edit(reels, 0, image_prompt="hero: dog")
    assert refused.value.extra["generation_id"] == str(generation)
    await edit(reels, 0, **WORDS)
    with pytest.raises(editing.DraftInUse):
        await editing.change_draft(reels.account.id, reels.draft, {"aspect": "1:1"}, expected_version=None, db=reels.db)
    with pytest.raises(editing.InUse):
        await editing.reorder(reels.account.id, (await reels.variant()).id, [1, 0], expected_version=None, db=reels.db)

    async with reels.db.begin() as tx:  # the messages that were taken away
        await tx.execute(text("UPDATE stage_runs SET sent_at = now() - interval '1 hour' WHERE state = 'queued'"))
    await stopping.pause(reels.account.id, generation, db=reels.db, gate=reels.room.gate)
    await edit(reels, 1, narration="And more.")
    await stopping.proceed(reels.account.id, generation, db=reels.db, gate=reels.room.gate)
    await deliver_all(reels.room)

    assert sorted(spoken) == ["And more.", "Other words."]
    assert (await one(reels.db, "SELECT state FROM generations WHERE kind = 'render'"))["state"] == "succeeded"
    again, made = await reels.render()
    assert made == {LAST}, again
    assert await invariants.check(reels.db) == ()


async def test_a_paused_reel_may_be_edited_where_nothing_was_made(reels: Reels) -> None:
    generation = await reels.order()
    await deliver_until(reels, Stage.AUDIO_MIXING)
    await stopping.pause(reels.account.id, generation, db=reels.db, gate=reels.room.gate)

    with pytest.raises(editing.InUse):
        await edit(reels, 1, **WORDS)
    with pytest.raises(editing.InUse):
        await edit(reels, 1, image_prompt="hero: dog")
    found = await reels.variant()
    await editing.change_story(reels.account.id, found.id, {"caption": "Purr."}, expected_version=None, db=reels.db)

    await stopping.cancel(reels.account.id, generation, db=reels.db, gate=reels.room.gate)
    await edit(reels, 1, **WORDS)
    _, made = await reels.render()
    assert made == {voice(1), MIX, chunk(0), chunk(1), LAST}


async def test_an_edit_waits_for_an_order_that_is_just_being_written(
    reels: Reels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order has taken over pictures of the old words: the edit must see it, although it isn't committed yet."""
    await reels.render()
    read, go_on = asyncio.Event(), asyncio.Event()
    opening = creation.from_the_start

    async def slow(tx: AsyncConnection, wanted: Order, prepared: Prepared) -> tuple[Unit, ...]:
        units = await opening(tx, wanted, prepared)
        read.set()
        await go_on.wait()
        return units

    monkeypatch.setattr(creation.start, "__kwdefaults__", {**(creation.start.__kwdefaults__ or {}), "opening": slow})
    ordered = asyncio.create_task(reels.order())
    await read.wait()
    edited = asyncio.create_task(edit(reels, 0, image_prompt="hero: dog"))
    async with reels.db.begin() as tx:
        stands = text("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
        await wait_until(lambda: tx.scalar(stands), message="the edit never met the order")
    go_on.set()
    generation = await ordered
    with pytest.raises(editing.DraftInUse):
        await edited
    reels.studio.calls.clear()
    await deliver_all(reels.room)
    assert set(reels.studio.calls) == {LAST}, generation


async def written(reels: Reels, *, duration_s: int) -> None:
    async with reels.db.begin() as tx:
        await tx.execute(text("UPDATE drafts SET duration_s = :long"), {"long": duration_s})


async def test_scenes_may_be_too_long_together_until_they_are_rendered(reels: Reels) -> None:
    """Two edits that are fine together may come one after the other; a reel that must fail its gate is never begun."""
    await written(reels, duration_s=10)
    with pytest.raises(ScenesTooLong) as alone:
        await edit(reels, 0, duration_ms=11_001)
    assert (alone.value.field, alone.value.kind) == ("duration_ms", "invalid")
    await edit(reels, 0, duration_ms=6_001)
    with pytest.raises(ScenesTooLong, match=r"11.001 s, and a reel of 10 s may last 11 s"):
        await reels.order(kind=GenerationKind.RENDER)
    assert reels.studio.calls.total() == 0
    await edit(reels, 1, duration_ms=4_999)
    await reels.order(kind=GenerationKind.RENDER)


async def test_a_paused_reel_is_edited_in_peace_and_goes_on_only_where_it_fits(reels: Reels) -> None:
    await written(reels, duration_s=10)
    generation = await reels.order(kind=GenerationKind.RENDER)
    account, db, gate = reels.account.id, reels.db, reels.room.gate
    with pytest.raises(ScenesTooLong):  # nobody would be asked any more
        await edit(reels, 0, duration_ms=7_000)
    await stopping.pause(account, generation, db=db, gate=gate)
    await edit(reels, 0, duration_ms=7_000)
    with pytest.raises(ScenesTooLong):
        await stopping.proceed(account, generation, db=db, gate=gate)
    assert (await one(db, "SELECT paused_at FROM generations WHERE kind = 'render'"))["paused_at"] is not None
    await edit(reels, 1, duration_ms=3_000)
    assert (await stopping.proceed(account, generation, db=db, gate=gate)).paused_at is None


async def test_many_edits_at_once_each_count_once(reels: Reels) -> None:
    found = await reels.variant()

    async def change(title: str, version: set[int] | None) -> Any:
        return await editing.change_story(
            reels.account.id, found.id, {"title": title}, expected_version=version, db=reels.db
        )

    bare = await asyncio.gather(*(change(f"Title {n}", None) for n in range(4)))
    assert sorted(told.version for told in bare) == [found.version + n for n in range(1, 5)]
    last = found.version + 4
    told = await asyncio.gather(*(change(f"Again {n}", {last}) for n in range(4)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in told) == ["Variant"] + ["VariantChanged"] * 3
    assert all(isinstance(answer, VariantChanged) or answer.version == last + 1 for answer in told)


async def test_a_voice_that_is_made_anew_keeps_its_words(reels: Reels) -> None:
    """The new take is of these words: other ones would be rendered with a take that nobody has spoken."""
    speaking, go_on = asyncio.Event(), asyncio.Event()

    async def behave(task: Assignment) -> Made | None:
        speaking.set()
        await go_on.wait()
        return None

    reels.studio.behave = behave
    await reels.order(kind=GenerationKind.REGENERATE_TARGETED, part=Part.SCENE_VOICE, scene=0)
    await edit(reels, 0, **WORDS)  # nobody speaks yet
    delivered = asyncio.create_task(deliver_all(reels.room))
    await speaking.wait()
    with pytest.raises(editing.InUse):
        await edit(reels, 0, narration="Again others.")
    await edit(reels, 1, **WORDS)
    go_on.set()
    await delivered
    told = await reels.variant()
    assert [(scene.narration, scene.voice_take) for scene in told.scenes] == [("Other words.", 1), ("Other words.", 0)]

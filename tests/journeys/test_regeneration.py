"""One part made anew changes that part of that variant and nothing else, and is charged as quoted at most."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.admission import Gate, NotAdmitted
from reelwright.billing import Plan
from reelwright.generations import (
    Assignment,
    Drafts,
    GenerationKind,
    Judged,
    Made,
    Part,
    Rewritten,
    Stage,
    Unit,
    Variant,
    Variants,
    Written,
)
from reelwright.ground.errors import NotFound
from reelwright.ground.ids import DraftId, VariantId
from reelwright.ground.postgres import Database
from reelwright.journeys.ordering import PlanLacksIt
from reelwright.journeys.workroom import Workroom
from tests.builders import an_account
from tests.journeys.conftest import Studio, a_story, deliver_all, one, order
from tests.waiting import wait_until

TARGETED, FULL = GenerationKind.REGENERATE_TARGETED, GenerationKind.REGENERATE_FULL
TEXTS = [Part.HOOK, Part.CAPTION, Part.HASHTAGS, Part.SCENE_TEXT]


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db, Plan.STANDARD)


@pytest.fixture
async def draft(account: Account, room: Workroom, gate: Gate, studio: Studio) -> DraftId:
    """A draft with one written variant."""
    script = await order(account, room.db, gate, kind=GenerationKind.SCRIPT)
    await deliver_all(room)
    studio.calls.clear()
    return script.draft_id


async def variants_of(db: Database, draft: DraftId) -> list[Variant]:
    async with db.begin() as tx:
        return await Variants(session=tx).of_draft(draft)


async def cooled(redis: Any, db: Database) -> None:
    """Let every draft's cooldown be over, in both books."""
    for key in [key async for key in redis.scan_iter("app:cooldown:*")]:
        await redis.delete(key)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE generations SET admitted_at = admitted_at - interval '1 minute'"))


@pytest.mark.parametrize("part", TEXTS)
async def test_a_part_in_other_words_changes_that_part_and_counts_the_version_on(
    part: Part, account: Account, draft: DraftId, room: Workroom, gate: Gate, studio: Studio
) -> None:
    (before,) = await variants_of(room.db, draft)
    scene = 1 if part.of_scene else None
    await order(account, room.db, gate, kind=TARGETED, draft=draft, part=part, scene=scene)
    assert await deliver_all(room) == 1

    (after,) = await variants_of(room.db, draft)
    changed: dict[str, Any] = {part.value: f"The {part} of take 0."}
    if part is Part.HASHTAGS:
        changed = {"hashtags": ("purring", "take0")}
    scenes = before.scenes
    if part is Part.SCENE_TEXT:
        said = {"narration": "The scene_text of take 0.", "claim": "Claim 0."}
        changed = {"beats": (before.story.beats[0], replace(before.story.beats[1], **said))}
        scenes = (scenes[0], replace(scenes[1], **said))
    assert after == replace(before, story=replace(before.story, **changed), scenes=scenes, version=before.version + 1)
    stage = Stage.SCENE_GENERATION if part.of_scene else Stage.STORY_WRITING
    assert dict(studio.calls) == {Unit(stage=stage, scene=scene): 1}
    row = await one(
        room.db,
        "SELECT g.state, g.part, g.scene, h.state AS hold, h.captured_micro, h.amount_micro, u.action, u.credits_micro"
        " FROM generations g JOIN credit_holds h ON h.generation_id = g.id"
        " JOIN usage_ledger u ON u.generation_id = g.id WHERE g.kind = 'regenerate_targeted'",
    )
    assert (row["state"], row["part"], row["scene"], row["hold"]) == ("succeeded", part.value, scene, "captured")
    assert (row["action"], row["captured_micro"]) == ("rewrite", row["credits_micro"])
    assert 0 < row["captured_micro"] == row["amount_micro"]


async def test_a_new_hook_also_opens_the_first_scene_where_the_old_one_did(
    account: Account, room: Workroom, gate: Gate, studio: Studio
) -> None:
    """The hook is spoken: a story whose first sentence stayed the old one would contradict its own cover."""
    story = a_story()
    spoken = replace(story, beats=(replace(story.beats[0], narration="Why? Because."), story.beats[1]))

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.STORY_WRITING and task.part is None:
            return Made(outcome=Written(stories=(spoken,)))
        return None

    studio.behave = behave
    draft = (await order(account, room.db, gate, kind=GenerationKind.SCRIPT)).draft_id
    await deliver_all(room)
    await order(account, room.db, gate, kind=TARGETED, draft=draft, part=Part.HOOK)
    await deliver_all(room)

    (variant,) = await variants_of(room.db, draft)
    said = "The hook of take 0. Because."
    assert (variant.story.hook, variant.story.beats[0].narration) == ("The hook of take 0.", said)
    assert (variant.scenes[0].narration, variant.scenes[0].claim) == (said, "Claim 0.")
    assert variant.scenes[1].narration == "Sentence 1."
    assert variant.version == 2


async def test_a_part_is_told_how_often_it_was_made_anew_and_of_which_variant(
    account: Account, draft: DraftId, room: Workroom, gate: Gate, redis: Any
) -> None:
    for take in range(3):
        await cooled(redis, room.db)
        await order(account, room.db, gate, kind=TARGETED, draft=draft, part=Part.CAPTION)
        await deliver_all(room)
        (variant,) = await variants_of(room.db, draft)
        assert variant.story.caption == f"The caption of take {take}."
    await cooled(redis, room.db)
    await order(account, room.db, gate, kind=TARGETED, draft=draft, part=Part.HOOK)
    await deliver_all(room)
    (variant,) = await variants_of(room.db, draft)
    assert variant.story.hook == "The hook of take 0."


async def test_writers_at_once_keep_each_their_own_part(draft: DraftId, room: Workroom) -> None:
    """All have seen the same version before one writes: none may write another's part back."""
    (before,) = await variants_of(room.db, draft)

    async def write(new: Rewritten, scene: int | None) -> None:
        async with room.db.begin() as tx:
            await Variants(session=tx).rewrite(before.id, new, scene=scene)

    ends = Rewritten(part=Part.SCENE_TEXT, text="Another end.")
    writers = [
        (Rewritten(part=Part.HOOK, text="Why not?"), None),
        (ends, 1),
        (Rewritten(part=Part.SCENE_TEXT, text="A start."), 0),
    ]
    async with room.db.begin() as tx:
        await tx.execute(text("SELECT FROM variants FOR UPDATE"))
        writing = [asyncio.create_task(write(*writer)) for writer in writers]
        queue = text("SELECT count(*) = 3 FROM pg_locks WHERE NOT granted")
        await wait_until(lambda: tx.scalar(queue), message="the writers never met")
    await asyncio.gather(*writing)
    (after,) = await variants_of(room.db, draft)
    assert after.story.hook == "Why not?"
    assert [beat.narration for beat in after.story.beats] == ["A start.", "Another end."]
    assert [scene.narration for scene in after.scenes] == ["A start.", "Another end."]
    assert after.version == before.version + 3


async def test_another_picture_is_the_next_take_and_a_render_draws_the_one_that_won(
    account: Account, draft: DraftId, room: Workroom, gate: Gate, studio: Studio, redis: Any
) -> None:
    drawn: list[tuple[int, int]] = []

    async def behave(task: Assignment) -> Made | None:
        unit = task.unit
        if unit.stage is Stage.VISUAL_GENERATION:
            drawn.append((task.scene.index, task.scene.take + unit.round))
        if unit.stage is Stage.VISUAL_VERIFICATION and task.part is Part.SCENE_PICTURE:
            return Made(outcome=Judged(score=50 + 20 * unit.round, scores={}, reasons=()))
        return None

    studio.behave = behave
    await order(account, room.db, gate, kind=TARGETED, draft=draft, part=Part.SCENE_PICTURE, scene=1)
    assert await deliver_all(room) == 4
    assert drawn == [(1, 1), (1, 2)]
    (variant,) = await variants_of(room.db, draft)
    assert [scene.take for scene in variant.scenes] == [0, 2]
    assert variant.version == 2
    charged = await one(
        room.db,
        "SELECT h.captured_micro, h.amount_micro, h.state FROM credit_holds h JOIN generations g"
        " ON g.id = h.generation_id WHERE g.part = 'scene_picture'",
    )
    assert charged["state"] == "captured"
    assert charged["captured_micro"] <= charged["amount_micro"]

    drawn.clear()
    await order(account, room.db, gate, kind=GenerationKind.RENDER, draft=draft)
    await deliver_all(room)
    assert drawn == [(0, 0)]  # the other one is there
    shown = text(
        "SELECT a.scene, CAST(a.meta->>'take' AS integer) FROM artefacts a JOIN generations g ON g.id = a.generation_id"
        " WHERE g.kind = 'render' AND a.kind = 'image' ORDER BY a.scene"
    )
    async with room.db.begin() as tx:
        assert [tuple(picture) for picture in await tx.execute(shown)] == [(0, 0), (1, 2)]

    await cooled(redis, room.db)
    drawn.clear()
    await order(account, room.db, gate, kind=TARGETED, draft=draft, part=Part.SCENE_PICTURE, scene=1)
    await deliver_all(room)
    assert drawn[0] == (1, 3)


async def test_a_failed_picture_leaves_the_variant_and_gives_everything_back(
    account: Account, draft: DraftId, room: Workroom, gate: Gate, studio: Studio
) -> None:
    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.VISUAL_VERIFICATION:
            raise NotFound("gone")
        return None

    studio.behave = behave
    before = await variants_of(room.db, draft)
    await order(account, room.db, gate, kind=TARGETED, draft=draft, part=Part.SCENE_PICTURE, scene=0)
    await deliver_all(room)
    assert await variants_of(room.db, draft) == before
    row = await one(
        room.db,
        "SELECT h.state, g.units_returned_at IS NOT NULL AS back FROM credit_holds h"
        " JOIN generations g ON g.id = h.generation_id WHERE g.part IS NOT NULL",
    )
    assert (row["state"], row["back"]) == ("voided", True)
    await order(account, room.db, gate, kind=TARGETED, draft=draft, part=Part.HOOK)  # what failed cools nothing


async def test_all_of_it_anew_is_a_new_variant_selected_and_rendered(
    account: Account, draft: DraftId, room: Workroom, gate: Gate, studio: Studio
) -> None:
    takes: set[int] = set()

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage in {Stage.STORY_WRITING, Stage.SCENE_GENERATION}:  # nobody else asks which take it is
            takes.add(task.take)
        return None

    studio.behave = behave
    (old,) = await variants_of(room.db, draft)
    await order(account, room.db, gate, kind=FULL, draft=draft)
    await deliver_all(room)
    new, kept = await variants_of(room.db, draft)
    assert kept == old
    row = await one(
        room.db,
        "SELECT g.state, g.variant_id, g.generation_units, g.full_units, d.selected_variant, g.gate->>'passed' AS gate"
        " FROM generations g JOIN drafts d ON d.id = g.draft_id WHERE g.kind = 'regenerate_full'",
    )
    assert (row["state"], row["gate"], row["generation_units"], row["full_units"]) == ("succeeded", "true", 1, 1)
    assert row["variant_id"] == row["selected_variant"] == new.id
    assert takes == {1}


async def test_what_is_not_there_or_not_in_the_plan_is_refused_before_anything_is_taken(
    account: Account, draft: DraftId, room: Workroom, gate: Gate, redis: Any
) -> None:
    stranger, basic = await an_account(room.db), await an_account(room.db, Plan.BASIC)
    empty = await order(basic, room.db, gate, kind=GenerationKind.SCRIPT)

    async def refused(who: Account, on: DraftId, **asked: Any) -> tuple[str, str | None]:
        kept = {key: await redis.dump(key) for key in await redis.keys()}
        asked = {"kind": TARGETED, "part": Part.HOOK} | asked
        with pytest.raises((NotFound, PlanLacksIt)) as refusal:
            await order(who, room.db, gate, draft=on, **asked)
        assert {key: await redis.dump(key) for key in await redis.keys()} == kept
        return refusal.value.code, refusal.value.field

    gone = "request.not_found"
    assert await refused(stranger, draft) == (gone, "draft_id")
    assert await refused(account, DraftId(uuid4())) == (gone, "draft_id")
    assert await refused(account, draft, variant=VariantId(uuid4())) == (gone, "variant_id")
    assert await refused(basic, empty.draft_id) == (gone, "variant_id")
    assert await refused(account, draft, part=Part.SCENE_TEXT, scene=2) == (gone, "scene")
    assert await refused(account, draft, part=Part.SCENE_PICTURE, scene=9) == (gone, "scene")
    assert await refused(basic, empty.draft_id, kind=FULL, part=None) == ("plan.required", "part")


async def test_a_draft_cools_after_a_regeneration_and_other_drafts_do_not(
    account: Account, draft: DraftId, room: Workroom, gate: Gate, redis: Any
) -> None:
    other = (await order(account, room.db, gate, kind=GenerationKind.SCRIPT)).draft_id
    await deliver_all(room)
    await order(account, room.db, gate, kind=TARGETED, draft=draft, part=Part.HOOK)
    await deliver_all(room)
    assert await redis.exists(f"app:cooldown:{account.id}:regen:{draft}")
    for _ in range(2):
        with pytest.raises(NotAdmitted) as refusal:
            await order(account, room.db, gate, kind=FULL, draft=draft)
        assert [violation.policy for violation in refusal.value.violations] == ["cooldown"]
        assert refusal.value.wait is not None
        assert 0 < refusal.value.wait.total_seconds() <= 15
        await redis.flushdb()  # the rows remember it too
    await order(account, room.db, gate, kind=TARGETED, draft=other, part=Part.HOOK)


async def test_the_variant_is_the_one_given_else_the_selected_else_the_newest(
    account: Account, draft: DraftId, room: Workroom, gate: Gate, redis: Any
) -> None:
    await order(account, room.db, gate, kind=GenerationKind.SCRIPT, draft=draft)
    await deliver_all(room)
    newest, oldest = await variants_of(room.db, draft)

    async def changed(**asked: Any) -> list[int]:
        await cooled(redis, room.db)
        await order(account, room.db, gate, kind=TARGETED, draft=draft, part=Part.CAPTION, **asked)
        await deliver_all(room)
        return [variant.version for variant in await variants_of(room.db, draft)]

    assert await changed() == [newest.version + 1, oldest.version]
    assert await changed(variant=oldest.id) == [newest.version + 1, oldest.version + 1]
    async with room.db.begin() as tx:
        await Drafts(session=tx).select_variant(draft, oldest.id)
    assert await changed() == [newest.version + 1, oldest.version + 2]

"""An edit redoes only what it touches: everything else is taken over, and nobody buys it or is charged for it again."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.admission import Place
from reelwright.billing import Plan
from reelwright.generations import (
    Assignment,
    GenerationKind,
    Judged,
    Made,
    Motion,
    MotionKind,
    Part,
    Released,
    Stage,
    Unit,
)
from reelwright.ground import clock
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, editing, invariants, pricing
from reelwright.journeys.ordering import Order, Terms, order_id
from reelwright.journeys.reuse import EditedMeanwhile
from reelwright.journeys.workroom import Workroom
from tests.builders import an_account
from tests.journeys.conftest import PLACES, Studio, deliver_all, one, order
from tests.journeys.remaking import ALL, LAST, MIX, Reels, Workshop, chunk, pictures, voice

TARGETED = GenerationKind.REGENERATE_TARGETED


@pytest.fixture
def studio() -> Studio:
    return Workshop()


@pytest.fixture
async def reels(db: Database, room: Workroom, studio: Workshop) -> Reels:
    account = await an_account(db, Plan.PRO)
    draft = (await order(account, db, room.gate, kind=GenerationKind.SCRIPT)).draft_id
    await deliver_all(room)
    first = Reels(account=account, room=room, studio=studio, draft=draft)
    _, made = await first.render()
    assert made == ALL
    return first


async def charged(db: Database, generation: GenerationId) -> tuple[list[str], int, int, int]:
    """Return a generation's own priced steps, what all its steps cost, what was held and what was taken."""
    of = {"id": generation}
    async with db.begin() as tx:
        own = "SELECT action FROM usage_ledger WHERE generation_id = :id AND fence > 0 ORDER BY action"
        steps = list(await tx.scalars(text(own), of))
        metered = await tx.scalar(
            text("SELECT coalesce(sum(credits_micro), 0)::bigint FROM usage_ledger WHERE generation_id = :id"), of
        )
        query = (
            "SELECT g.hold_micro, coalesce(h.captured_micro, 0) AS taken FROM generations g"
            " LEFT JOIN credit_holds h ON h.generation_id = g.id WHERE g.id = :id"
        )
        money = (await tx.execute(text(query), of)).one()
    return steps, metered, money.hold_micro, money.taken


async def change(reels: Reels, scene: int, **changes: object) -> None:
    found = await reels.variant()
    await editing.change_scene(
        reels.account.id, found.id, scene, changes, expected_version={found.version}, db=reels.db
    )


async def quote(reels: Reels) -> int:
    asked = await pricing.calculate(
        reels.account,
        kind=GenerationKind.RENDER,
        draft_id=reels.draft,
        db=reels.db,
        now=clock.now(),
        places=PLACES,
    )
    return asked.total_micro


async def test_a_story_that_nobody_touched_is_only_joined_again_for_nothing(reels: Reels) -> None:
    assert await quote(reels) == 0
    generation, made = await reels.render()

    assert made == {LAST}
    assert await charged(reels.db, generation) == ([], 0, 0, 0)
    files = await one(
        reels.db, "SELECT count(*) AS n, count(DISTINCT key) AS keys FROM artefacts WHERE kind <> 'video'"
    )
    assert files["n"] == 2 * files["keys"]
    assert await invariants.check(reels.db) == ()


EDITS: list[tuple[dict[str, object], set[Unit], list[str]]] = [
    ({"narration": "Other words."}, {voice(1), MIX, chunk(1)}, ["mix", "music", "render", "speech"]),
    ({"image_prompt": "hero: dog"}, {*pictures(1), chunk(1)}, ["image", "render", "vision_check"]),
    ({"visual": "a dog"}, {Unit(stage=Stage.VISUAL_VERIFICATION, scene=1)}, ["vision_check"]),
    ({"motion": Motion(kind=MotionKind.PAN_UP)}, {MIX}, ["mix", "music"]),
    ({"duration_ms": 6000}, {voice(1), MIX, chunk(1)}, ["mix", "music", "render", "speech"]),
]


async def test_an_edit_of_one_scene_redoes_what_it_touches(reels: Reels) -> None:
    for edit, touched, priced in EDITS:
        await change(reels, 1, **edit)
        foreseen = await quote(reels)
        generation, made = await reels.render()

        assert made == {*touched, LAST}, edit
        steps, metered, held, taken = await charged(reels.db, generation)
        assert steps == priced, edit
        assert 0 < metered == taken <= held == foreseen, edit
    assert await invariants.check(reels.db) == ()


async def test_another_aspect_keeps_every_sound_and_picture(reels: Reels) -> None:
    """One set serves all three frames; what is drawn anew in the new one is found again there, and elsewhere."""
    moving = {Unit(stage=Stage.VIDEO_GENERATION, scene=scene) for scene in (0, 1)}
    for aspect in ("1:1", "16:9", "9:16"):
        await editing.change_draft(
            reels.account.id, reels.draft, {"aspect": aspect}, expected_version=None, db=reels.db
        )
        foreseen = await quote(reels)
        generation, made = await reels.render()
        assert made == ({*moving, chunk(0), chunk(1), LAST} if aspect != "9:16" else {LAST})
        steps, metered, held, taken = await charged(reels.db, generation)
        assert set(steps) <= {"render"}
        assert metered == taken <= held == foreseen
    assert await invariants.check(reels.db) == ()


async def test_another_caption_style_redoes_chunks_alone(reels: Reels) -> None:
    looks = {"caption_style": "pop"}
    await editing.change_draft(reels.account.id, reels.draft, looks, expected_version=None, db=reels.db)
    generation, made = await reels.render()
    assert made == {chunk(0), chunk(1), LAST}
    assert (await charged(reels.db, generation))[0] == ["render", "render"]
    assert await invariants.check(reels.db) == ()


async def test_an_edit_that_is_taken_back_costs_nothing(reels: Reels) -> None:
    before = (await reels.variant()).scenes[0]
    await change(reels, 0, narration="Other words.")
    await reels.render()
    await change(reels, 0, narration=before.narration)

    generation, made = await reels.render()

    assert (made, await charged(reels.db, generation)) == ({LAST}, ([], 0, 0, 0))


async def test_another_order_keeps_every_picture_and_voice(reels: Reels) -> None:
    await change(reels, 0, image_prompt="hero: dog")
    await change(reels, 1, narration="The end.")
    await reels.render()
    found = await reels.variant()
    await editing.reorder(reels.account.id, found.id, [1, 0], expected_version=None, db=reels.db)

    generation, made = await reels.render()

    assert made <= {MIX, chunk(0), chunk(1), LAST}
    assert MIX in made
    query = text(
        "SELECT a.scene, a.meta->>'take' AS take, v.narration, v.image_prompt FROM artefacts a"
        " JOIN scenes v ON v.position = a.scene WHERE a.generation_id = :id AND a.kind = 'narration' ORDER BY a.scene"
    )
    async with reels.db.begin() as tx:
        told = [(row.scene, row.narration, row.image_prompt) for row in await tx.execute(query, {"id": generation})]
    assert told == [(0, "The end.", "hero: cat"), (1, found.scenes[0].narration, "hero: dog")]
    assert await same_files(reels, generation)


async def same_files(reels: Reels, generation: GenerationId) -> bool:
    """Say whether each picture and voice of this render is the one that its scene had before it was moved."""
    query = text(
        "SELECT count(*) FROM artefacts n JOIN artefacts o ON o.key = n.key AND o.scene = 1 - n.scene"
        " WHERE n.generation_id = :id AND o.generation_id <> :id AND n.kind IN ('image', 'narration', 'clip')"
    )
    async with reels.db.begin() as tx:
        found = await tx.scalar(query, {"id": generation})
        assert found is not None
        return found >= 6


async def test_words_that_sound_the_same_are_shown_as_they_are_written_now(reels: Reels) -> None:
    """A voice may give the same bytes for other words: the captions, which the mix's plan holds, must not stay."""

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is not Stage.TTS_GENERATION:
            return None
        made = reels.studio.made(task, Bench())
        made.artefacts[0].path.write_bytes(b"the same sound")
        return made

    class Bench:
        workspace = reels.room.workspace

    reels.room.workspace.mkdir(exist_ok=True)
    reels.studio.behave = behave
    await change(reels, 1, narration="Its own.")
    await reels.render()
    await change(reels, 1, narration="It's own.")
    _, made = await reels.render()

    assert made == {voice(1), MIX, chunk(1), LAST}


async def test_another_voice_is_made_alone_and_the_next_render_speaks_with_it(reels: Reels) -> None:
    before = await reels.variant()
    generation, made = await reels.render(kind=TARGETED, part=Part.SCENE_VOICE, scene=1)
    after = await reels.variant()
    assert made == {voice(1)}
    steps, metered, held, taken = await charged(reels.db, generation)
    assert (steps, metered == taken == held > 0) == (["speech"], True)
    assert [scene.voice_take for scene in after.scenes] == [0, 1]
    assert after.version == before.version + 1

    rendered, made = await reels.render()

    assert made == {MIX, LAST}
    query = text("SELECT key FROM artefacts WHERE generation_id = :id AND kind = 'narration' AND scene = 1")
    async with reels.db.begin() as tx:
        assert await tx.scalar(query, {"id": generation}) == await tx.scalar(query, {"id": rendered})


async def test_what_a_failed_render_had_made_is_charged_once(reels: Reels) -> None:
    await change(reels, 0, image_prompt="hero: dog")
    await change(reels, 1, narration="Other words.")

    class Broken(Refusal):
        code = "stage.refused"

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.AUDIO_MIXING:
            raise Broken("No sound.")
        return None

    reels.studio.behave = behave
    failed, _ = await reels.render()
    reels.studio.behave = None
    assert (await charged(reels.db, failed))[3] == 0

    price = await quote(reels)
    generation, made = await reels.render()

    assert made.isdisjoint({voice(1), *(unit for unit in pictures(0) if unit.stage is Stage.VISUAL_GENERATION)})
    steps, metered, held, taken = await charged(reels.db, generation)
    assert "image" not in steps
    owed = text("SELECT array_agg(action ORDER BY action) FROM usage_ledger WHERE fence = 0 AND credits_micro > 0")
    async with reels.db.begin() as tx:
        assert await tx.scalar(owed) == ["image", "speech", "vision_check"]  # nobody has paid for them yet
    assert 0 < metered == taken <= held == price
    again, made = await reels.render()
    assert (made, (await charged(reels.db, again))[3]) == ({LAST}, 0)
    assert await invariants.check(reels.db) == ()


async def test_what_failed_its_gate_is_taken_over_by_nobody(reels: Reels) -> None:
    """Not even what an earlier reel had paid for: the same bytes would fail the same check for ever."""

    async def behave(task: Assignment) -> Made | None:
        gate: dict[str, object] = {"passed": False, "checks": [{"name": "speech_sync_ms", "passed": False}]}
        return Made(outcome=Released(duration_ms=1, gate=gate)) if task.unit == LAST else None

    reels.studio.behave = behave
    assert (await reels.render())[1] == {LAST}
    reels.studio.behave = None

    price = await quote(reels)
    generation, made = await reels.render()

    assert made == ALL - pictures(0) - pictures(1)
    _, metered, held, taken = await charged(reels.db, generation)
    assert 0 < metered == taken <= held == price
    assert (await reels.render())[1] == {LAST}
    assert await invariants.check(reels.db) == ()


async def test_pictures_that_failed_their_check_stay_failed_and_the_best_is_kept(reels: Reels) -> None:
    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.VISUAL_VERIFICATION:
            return Made(
                outcome=Judged(score=30 + task.unit.round, scores={}, reasons=()),
                uses=reels.studio.made(task, Nowhere()).uses,
            )
        return None

    class Nowhere:
        workspace = reels.room.workspace

    reels.studio.behave = behave
    await change(reels, 0, image_prompt="hero: dog")
    _, made = await reels.render()
    assert {unit.round for unit in made if unit.stage is Stage.VISUAL_GENERATION} == {0, 1, 2}

    _, made = await reels.render()

    assert made == {LAST}


async def test_another_model_makes_its_own(reels: Reels) -> None:
    """Half of a reel in one voice and half in another is no reel."""
    speech = Stage.TTS_GENERATION
    other = {**PLACES, speech: Place(provider="offline", model="other", lane="interactive", cap=8)}
    asked: dict[str, Any] = {"kind": GenerationKind.RENDER, "draft_id": reels.draft, "db": reels.db}
    price = await pricing.calculate(reels.account, now=clock.now(), places=other, **asked)
    assert {line.action.value for line in price.lines} == {"speech", "music", "mix", "render"}


async def test_what_was_edited_between_price_and_order_is_not_started(
    reels: Reels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The price was of other work: nothing is held, taken or begun."""
    found = await reels.variant()
    key = uuid4().hex
    wanted = Order(
        id=order_id(reels.account.id, GenerationKind.RENDER, key),
        key=key,
        fingerprint=b"f" * 32,
        kind=GenerationKind.RENDER,
        draft=(await editing.drafts(reels.account.id, platform=None, words=None, before=None, limit=1, db=reels.db))[0],
        existing=True,
    )
    write = creation.write

    async def late(*args: Any, **named: Any) -> bool:
        await editing.change_scene(
            reels.account.id, found.id, 0, {"narration": "Late."}, expected_version=None, db=reels.db
        )
        return await write(*args, **named)

    monkeypatch.setattr(creation, "write", late)
    with pytest.raises(EditedMeanwhile):
        await creation.start(
            order=wanted,
            account=reels.account,
            db=reels.db,
            gate=reels.room.gate,
            terms=Terms(places=PLACES),
            now=clock.now(),
        )
    left = await one(reels.db, f"SELECT count(*) AS n FROM generations WHERE id = '{UUID(str(wanted.id))}'")  # noqa: S608 - our own id
    assert left["n"] == 0


async def test_a_strangers_story_of_the_same_words_shares_nothing(reels: Reels, room: Workroom) -> None:
    other: Account = await an_account(reels.db, Plan.PRO)
    draft = (await order(other, reels.db, room.gate, kind=GenerationKind.SCRIPT)).draft_id
    await deliver_all(room)
    _, made = await Reels(account=other, room=room, studio=reels.studio, draft=draft).render()
    assert made == ALL


async def test_a_file_that_is_gone_is_made_again_by_the_next_render(reels: Reels) -> None:
    """Else a story whose file was lost could never be rendered again."""
    query = "SELECT key FROM artefacts WHERE kind = 'clip' AND scene = 1 LIMIT 1"
    key = (await one(reels.db, query))["key"]
    await reels.room.storage.delete(key)

    async def behave(task: Assignment) -> Made | None:
        if task.unit == LAST:
            for artefact in task.artefacts:
                assert reels.studio.bench is not None
                await reels.studio.bench.fetch(artefact)
        return None

    reels.studio.behave = behave
    generation = await reels.order()
    await deliver_all(reels.room)
    async with reels.db.begin() as tx:
        state = text("SELECT state FROM generations WHERE id = :id")
        assert await tx.scalar(state, {"id": generation}) == "failed"

    _, made = await reels.render()

    assert made == {Unit(stage=Stage.VIDEO_GENERATION, scene=1), chunk(1), LAST}

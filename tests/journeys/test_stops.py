"""Paused behind a stage by wish: nothing later begins, what is edited meanwhile counts, and nothing is made twice."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.generations import (
    LONGEST_PAUSE,
    Assignment,
    Draft,
    Drafts,
    GenerationKind,
    Generations,
    GenerationState,
    Judged,
    Made,
    Stage,
    Unit,
    Variants,
    Written,
)
from reelwright.ground import clock
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import DraftId, GenerationId, derived
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, invariants, resumption, stopping
from reelwright.journeys.ordering import NoSuchStop, Order, Terms, order_id
from reelwright.journeys.resumption import Wish
from reelwright.journeys.stopping import StageDone, Stop
from reelwright.journeys.workroom import Workroom
from tests.builders import a_written_draft, an_account
from tests.journeys.conftest import PLACES, TIMINGS, Studio, a_story, deliver_all, one

TERMS = Terms(places=dict(PLACES), most_attempts=TIMINGS.most_attempts)
SOME = (Stage.INGESTION, Stage.VISUAL_GENERATION, Stage.VIDEO_GENERATION, Stage.TTS_GENERATION)


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db)


async def ordered(
    account: Account,
    db: Database,
    gate: Gate,
    stop: Stage | None,
    *,
    kind: GenerationKind = GenerationKind.VIDEO,
    draft: DraftId | None = None,
) -> GenerationId:
    key = uuid4().hex
    generation = order_id(account.id, kind, key)
    new = Draft(id=draft or DraftId(derived(generation, "draft")), account_id=account.id, topic="Cats", duration_s=10)
    wanted = Order(
        id=generation,
        key=key,
        fingerprint=b"f" * 32,
        kind=kind,
        draft=new,
        existing=draft is not None,
        pause_after=stop,
    )
    made = await creation.start(order=wanted, account=account, db=db, gate=gate, terms=TERMS, now=clock.now())
    return made.generation_id


async def go_on(account: Account, generation: GenerationId, room: Workroom, stop: Stop | None = None) -> None:
    await stopping.proceed(account.id, generation, db=room.db, gate=room.gate, stop=stop)


async def standing(db: Database) -> tuple[str, bool, str | None]:
    row = await one(db, "SELECT state, paused_at IS NOT NULL AS rests, pause_after FROM generations")
    return row["state"], row["rests"], row["pause_after"]


async def told(db: Database, generation: GenerationId) -> list[str]:
    async with db.begin() as tx:
        return [event.kind for event in await Generations(session=tx).events_after(generation, 0)]


@pytest.mark.parametrize("stop", SOME)
async def test_it_pauses_behind_the_stage_and_goes_on_to_the_end(
    stop: Stage, account: Account, room: Workroom, studio: Studio
) -> None:
    """Deliveries are doubled and side by side: the last of a stage's runs pauses it, once."""
    generation = await ordered(account, room.db, room.gate, stop)
    await deliver_all(room, times=2)

    done = {unit.stage for unit in studio.calls}
    assert done == set(list(Stage)[: list(Stage).index(stop) + 1])
    assert await standing(room.db) == ("running", True, None)
    assert (await told(room.db, generation)).count("paused") == 1
    assert await room.gate.leased(account.id) == {generation}

    await go_on(account, generation, room)
    await deliver_all(room, times=2)
    assert await standing(room.db) == ("succeeded", False, None)
    assert set(studio.calls.values()) == {1}
    assert (await told(room.db, generation))[-1] == "succeeded"


async def test_who_rests_pages_nobody_and_who_stands_still_does(account: Account, room: Workroom) -> None:
    """A pause may last seven days without a run; the same rows without the pause are work that nobody does."""
    generation = await ordered(account, room.db, room.gate, Stage.SCENE_GENERATION)
    await deliver_all(room)
    assert await standing(room.db) == ("running", True, None)
    assert await invariants.check(room.db) == ()

    async with room.db.begin() as tx:
        await tx.execute(text("UPDATE generations SET paused_at = NULL"))
    (stuck,) = await invariants.check(room.db)
    assert (stuck.name, stuck.examples) == ("nothing_stuck", (f"lives without a run: {generation}",))


async def test_from_stop_to_stop_and_never_back(account: Account, room: Workroom, studio: Studio, redis: Redis) -> None:
    generation = await ordered(account, room.db, room.gate, Stage.STORY_WRITING)
    await deliver_all(room)
    place = timedelta(milliseconds=await redis.zscore(f"app:conc:{account.id}:leases", str(generation)) or 0)
    left = place - timedelta(seconds=clock.now().timestamp())
    assert LONGEST_PAUSE < left < LONGEST_PAUSE + timedelta(hours=1), "its place is kept as long as it may rest"
    for behind in (Stage.INGESTION, Stage.STORY_WRITING):
        with pytest.raises(StageDone) as refused:
            await go_on(account, generation, room, Stop(behind))
        assert (refused.value.code, refused.value.field) == ("generation.stage_done", "pause_after")
    assert await standing(room.db) == ("running", True, None)

    for stop in (Stage.SCENE_GENERATION, Stage.VISUAL_VERIFICATION, Stage.AUDIO_MIXING):
        await go_on(account, generation, room, Stop(stop))
        assert await standing(room.db) == ("running", False, stop)
        await deliver_all(room)
        assert max(list(Stage).index(unit.stage) for unit in studio.calls) == list(Stage).index(stop)
    await go_on(account, generation, room, Stop(None))
    await deliver_all(room)
    assert (await standing(room.db))[0] == "succeeded"


async def test_a_picture_made_again_belongs_to_the_check_that_asked_for_it(
    account: Account, room: Workroom, studio: Studio
) -> None:
    async def behave(task: Assignment) -> Made | None:
        if task.unit == Unit(stage=Stage.VISUAL_VERIFICATION, scene=0):
            return Made(outcome=Judged(score=10, scores={"quality": 10}, reasons=("dark",)))
        return None

    studio.behave = behave
    await ordered(account, room.db, room.gate, Stage.VISUAL_VERIFICATION)
    await deliver_all(room)
    drawn = Counter(unit.stage for unit in studio.calls)
    assert drawn[Stage.VISUAL_GENERATION] == drawn[Stage.VISUAL_VERIFICATION] == 3
    assert await standing(room.db) == ("running", True, None)


async def test_paused_by_hand_its_stop_stays_ahead_unless_another_is_named(
    account: Account, room: Workroom, studio: Studio
) -> None:
    generation = await ordered(account, room.db, room.gate, Stage.STORY_WRITING)
    await stopping.pause(account.id, generation, db=room.db, gate=room.gate)
    await go_on(account, generation, room)
    assert await standing(room.db) == ("queued", False, "STORY_WRITING")
    await stopping.pause(account.id, generation, db=room.db, gate=room.gate)
    await go_on(account, generation, room, Stop(None))
    await deliver_all(room)
    assert (await standing(room.db))[0] == "succeeded"
    assert set(studio.calls.values()) == {1}


async def test_paused_by_hand_while_the_stops_last_run_works_it_is_paused_once(
    account: Account, room: Workroom, studio: Studio
) -> None:
    generation = await ordered(account, room.db, room.gate, Stage.INGESTION)

    async def behave(_task: Assignment) -> Made | None:
        await stopping.pause(account.id, generation, db=room.db, gate=room.gate)
        studio.behave = None
        return None

    studio.behave = behave
    await deliver_all(room)
    assert (await told(room.db, generation)).count("paused") == 1
    await go_on(account, generation, room)
    await deliver_all(room)
    assert (await standing(room.db))[0] == "succeeded"


async def test_what_was_chosen_while_it_rested_is_rendered(account: Account, room: Workroom, studio: Studio) -> None:
    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.STORY_WRITING:
            return Made(outcome=Written(stories=(a_story(), replace(a_story(), title="Other cats"))))
        return None

    studio.behave = behave
    generation = await ordered(account, room.db, room.gate, Stage.SCENE_GENERATION)
    await deliver_all(room)
    async with room.db.begin() as tx:
        other = next(v for v in await Variants(session=tx).of_generation(generation) if v.story.title == "Other cats")
        draft = await Drafts(session=tx).of_generation(generation)
        assert draft.selected_variant != other.id
        await Drafts(session=tx).select_variant(draft.id, other.id)
    await go_on(account, generation, room)
    await deliver_all(room)
    assert await one(room.db, "SELECT state, variant_id FROM generations") == {
        "state": "succeeded",
        "variant_id": other.id,
    }


async def test_a_stop_that_never_comes_is_refused_and_the_last_one_is_the_end(
    account: Account, room: Workroom, db: Database
) -> None:
    written = await a_written_draft(db, account.id)
    refused = (
        (GenerationKind.SCRIPT, Stage.VISUAL_GENERATION),
        (GenerationKind.RENDER, Stage.INGESTION),
        (GenerationKind.REGENERATE_TARGETED, Stage.STORY_WRITING),
    )
    for kind, stop in refused:
        with pytest.raises(NoSuchStop) as never:
            await ordered(account, db, room.gate, stop, kind=kind, draft=written.draft)
        assert never.value.field == "pause_after"
    assert await room.gate.leased(account.id) == set()
    generation = await ordered(account, db, room.gate, Stage.SCENE_GENERATION, kind=GenerationKind.SCRIPT)
    await deliver_all(room)
    assert (await told(db, generation))[-1] == "succeeded"


async def test_a_failed_one_is_gone_on_from_with_its_stop(account: Account, room: Workroom, studio: Studio) -> None:
    """The heir keeps the stop that was ahead, another may be named, and one that lies behind is refused."""

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.SCENE_GENERATION:
            raise Refusal("No.", code="story.refused")
        return None

    studio.behave = behave
    failed = await ordered(account, room.db, room.gate, Stage.VISUAL_GENERATION)
    await deliver_all(room)
    studio.behave = None

    async def resumed(stop: Stop | None) -> GenerationId:
        wish = Wish(generation=failed, key=uuid4().hex, stop=stop)
        started = await resumption.resume(
            wish, account=account, db=room.db, gate=room.gate, terms=TERMS, now=clock.now()
        )
        assert isinstance(started, creation.Started)
        return started.generation_id

    with pytest.raises(StageDone):
        await resumed(Stop(Stage.STORY_WRITING))
    assert await room.gate.leased(account.id) == set()
    heir = await resumed(None)
    await deliver_all(room)
    async with room.db.begin() as tx:
        rests = await Generations(session=tx).get(account.id, heir)
        ended = await Generations(session=tx).get(account.id, failed)
        made = set(await tx.scalars(text("SELECT stage FROM stage_runs WHERE generation_id = :g"), {"g": heir}))
    assert rests is not None
    assert ended is not None
    assert (rests.paused_at is None, ended.state) == (False, GenerationState.FAILED)
    assert made == {"INGESTION", "STORY_WRITING", "SCENE_GENERATION", "VISUAL_GENERATION"}


async def test_a_render_whose_stop_was_reached_before_rests_at_once(
    account: Account, room: Workroom, studio: Studio
) -> None:
    """All up to there is taken over from the reel that was made of the same inputs: nothing runs until it goes on."""
    await ordered(account, room.db, room.gate, None)
    await deliver_all(room)
    draft = (await one(room.db, "SELECT draft_id FROM generations"))["draft_id"]
    done = Counter(studio.calls)
    stop = Stage.VISUAL_VERIFICATION
    again = await ordered(account, room.db, room.gate, stop, kind=GenerationKind.RENDER, draft=draft)
    assert await deliver_all(room) == 0
    async with room.db.begin() as tx:
        rests = await Generations(session=tx).get(account.id, again)
    assert rests is not None
    assert (rests.state, rests.paused_at is None, rests.pause_after) == (GenerationState.QUEUED, False, None)
    assert studio.calls == done
    await go_on(account, again, room)
    await deliver_all(room)
    assert (await told(room.db, again))[-1] == "succeeded"
    assert {unit.stage for unit in studio.calls - done} <= {Stage.AUDIO_MIXING, Stage.VIDEO_ASSEMBLY}

"""A failed reel goes on where it failed: nothing that was finished is made, bought or charged a second time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.accounts import Account
from reelwright.admission import NotAdmitted
from reelwright.billing import Plan
from reelwright.generations import (
    ArtefactKind,
    Assignment,
    Drafts,
    Generation,
    GenerationKind,
    Ingested,
    Judged,
    Made,
    Part,
    Released,
    ScenesTooLong,
    Source,
    Stage,
    Unit,
)
from reelwright.ground import clock
from reelwright.ground.errors import NotFound, Refusal
from reelwright.ground.ids import GenerationId
from reelwright.ground.metering import Action, Use
from reelwright.ground.postgres import Database
from reelwright.journeys import invariants, reading, resumption, stopping
from reelwright.journeys.creation import OrderChanged, Started
from reelwright.journeys.ordering import Terms
from reelwright.journeys.resumption import NotResumable, Outdated, ResumedAlready, Wish
from reelwright.journeys.workroom import Workroom
from tests.builders import an_account
from tests.journeys.conftest import CHUNKS, PLACES, SCENES, TIMINGS, Studio, deliver_all, one, order
from tests.waiting import wait_until

TERMS = Terms(places=dict(PLACES), most_attempts=TIMINGS.most_attempts)
METERED = 2 + 3 * SCENES
WORDS = [Unit(stage=stage) for stage in (Stage.INGESTION, Stage.STORY_WRITING, Stage.SCENE_GENERATION)]
BY_SCENE = (Stage.VISUAL_GENERATION, Stage.VISUAL_VERIFICATION, Stage.VIDEO_GENERATION, Stage.TTS_GENERATION)
PICTURES = [
    *(Unit(stage=stage, scene=scene) for stage in BY_SCENE for scene in range(SCENES)),
    Unit(stage=Stage.AUDIO_MIXING),
    *(Unit(stage=Stage.VIDEO_ASSEMBLY, chunk=chunk) for chunk in range(CHUNKS)),
    Unit(stage=Stage.VIDEO_ASSEMBLY),
]
UNITS = {*WORDS, *PICTURES}
AT = [*WORDS, *(Unit(stage=stage, scene=1) for stage in BY_SCENE), PICTURES[-4], PICTURES[-2], PICTURES[-1]]


class Broken(Refusal):
    code = "stage.refused"


def failing_at(*units: Unit) -> Callable[[Assignment], Awaitable[None]]:
    async def behave(task: Assignment) -> None:
        if task.unit in units:
            raise Broken("It can't be made.")

    return behave


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db)


async def go_on(wanted: GenerationId, account: Account, room: Workroom, *, key: str | None = None) -> Started:
    wish = Wish(generation=wanted, key=key or uuid4().hex, request_id="request-2")
    gone_on = await resumption.resume(wish, account=account, db=room.db, gate=room.gate, terms=TERMS, now=clock.now())
    assert isinstance(gone_on, Started)
    return gone_on


async def fail(room: Workroom, studio: Studio, account: Account, *units: Unit, **ordered: Any) -> GenerationId:
    """Order a reel and let it fail at these units; from then on the stages work."""
    started = await order(account, room.db, room.gate, **ordered)
    studio.behave = failing_at(*units)
    await deliver_all(room)
    studio.behave = None
    return started.generation_id


async def rows_of(db: Database, generation: GenerationId) -> dict[str, list[Any]]:
    """All rows of a generation, as they stand."""
    tables = {
        "generations": "id = :id",
        "stage_runs": "generation_id = :id",
        "artefacts": "generation_id = :id",
        "variants": "generation_id = :id",
        "scenes": "variant_id IN (SELECT id FROM variants WHERE generation_id = :id)",
        "sources": "generation_id = :id",
        "usage_ledger": "generation_id = :id",
        "credit_holds": "generation_id = :id",
        "generation_events": "generation_id = :id",
    }
    async with db.begin() as tx:
        return {
            table: sorted(
                await tx.scalars(text(f"SELECT to_jsonb(t) FROM {table} t WHERE {which}"), {"id": generation}),  # noqa: S608 - constants
                key=str,
            )
            for table, which in tables.items()
        }


def units_of(rows: dict[str, list[Any]], state: str = "succeeded") -> set[Unit]:
    return {
        Unit(stage=Stage(run["stage"]), scene=run["scene"], chunk=run["chunk"], round=run["round"])
        for run in rows["stage_runs"]
        if run["state"] == state
    }


def story_of(rows: dict[str, list[Any]]) -> list[Any]:
    """What the rows tell, without their names and times."""
    named = {"id", "generation_id", "variant_id", "created_at", "updated_at"}
    told = [*rows["sources"], *rows["variants"], *rows["scenes"]]
    return [{name: value for name, value in row.items() if name not in named} for row in told]


@pytest.mark.parametrize("unit", AT, ids=lambda unit: f"{unit.stage}-{unit.scene}-{unit.chunk}")
async def test_a_failed_reel_goes_on_at_the_stage_where_it_failed(
    unit: Unit, account: Account, room: Workroom, studio: Studio
) -> None:
    failed = await fail(room, studio, account, unit)
    before = await rows_of(room.db, failed)
    done = units_of(before)
    assert before["generations"][0]["state"] == "failed"
    assert unit not in done
    studio.calls.clear()

    started = await go_on(failed, account, room)
    taken_over = await rows_of(room.db, started.generation_id)
    await deliver_all(room)

    assert dict(studio.calls) == dict.fromkeys(UNITS - done, 1)
    assert units_of(taken_over) == done
    assert story_of(taken_over) == story_of(before)
    assert await rows_of(room.db, failed) == before
    after = await rows_of(room.db, started.generation_id)
    (reel,) = after["generations"]
    assert (reel["state"], reel["resumes"], reel["gate"]["passed"]) == ("succeeded", str(failed), True)
    assert (reel["draft_id"], reel["generation_units"]) == (before["generations"][0]["draft_id"], 1)
    assert units_of(after) == UNITS
    assert len(after["usage_ledger"]) == len({row["run_id"] for row in after["usage_ledger"]}) == METERED
    (hold,) = after["credit_holds"]
    metered = sum(row["credits_micro"] for row in after["usage_ledger"])
    assert (hold["state"], hold["captured_micro"]) == ("captured", metered)
    assert before["credit_holds"][0]["state"] == "voided"
    async with room.db.begin() as tx:
        assert (await ledger.balance(tx, account=account.id)).held_micro == 0
    assert await invariants.check(room.db) == ()


async def test_files_are_shared_and_only_what_succeeded_can_be_read(
    account: Account, room: Workroom, studio: Studio
) -> None:
    failed = await fail(room, studio, account, Unit(stage=Stage.VIDEO_ASSEMBLY))
    mix = await one(room.db, "SELECT key, sha256, inputs_hash FROM artefacts WHERE kind = 'mix'")
    heir = (await go_on(failed, account, room)).generation_id
    await deliver_all(room)

    found = await reading.file(account.id, heir, ArtefactKind.MIX, db=room.db)
    assert (found.key, found.sha256, found.inputs_hash) == (mix["key"], mix["sha256"], mix["inputs_hash"])
    await room.storage.fetch(found.key, room.workspace / heir.hex)
    with pytest.raises(NotFound):
        await reading.file(account.id, failed, ArtefactKind.MIX, db=room.db)
    reels = await one(room.db, "SELECT count(*) AS n, count(DISTINCT key) AS keys FROM artefacts WHERE kind = 'video'")
    assert dict(reels) == {"n": 1, "keys": 1}
    files = await one(room.db, "SELECT count(*) AS n, count(DISTINCT key) AS keys FROM artefacts")
    assert (files["n"], files["keys"]) == (2 * files["keys"] - 1, 3 * SCENES + 1 + CHUNKS + 1)


async def test_what_the_provider_billed_is_booked_once(account: Account, room: Workroom, studio: Studio) -> None:
    started = await order(account, room.db, room.gate)
    billed = Use(
        action=Action.INGESTION, provider="p", model="m", quantity=1, prompt_tokens=9, wall_ms=8, cost_nano_usd=7
    )

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.STORY_WRITING:
            raise Broken("No story.")
        source = Source(kind="text", title="Cats", body="Cats purr.")
        return Made(outcome=Ingested(source=source), uses=(billed,))

    studio.behave = behave
    await deliver_all(room)
    await go_on(started.generation_id, account, room)

    async with room.db.begin() as tx:
        query = (
            "SELECT quantity, credits_micro, prompt_tokens, wall_ms, cost_nano_usd, fence FROM usage_ledger ORDER BY id"
        )
        was, carried = [tuple(row) for row in await tx.execute(text(query))]
    assert was[:2] == carried[:2]
    assert was[1] > 0
    assert (was[2:], carried[2:]) == ((9, 8, 7, 1), (0, 0, 0, 0))


async def test_it_may_fail_and_go_on_again_and_again(account: Account, room: Workroom, studio: Studio) -> None:
    last = await fail(room, studio, account, WORDS[1])
    for unit in (PICTURES[0], PICTURES[-4]):
        studio.behave = failing_at(unit)
        last = (await go_on(last, account, room)).generation_id
        await deliver_all(room)
        studio.behave = None
    final = (await go_on(last, account, room)).generation_id
    await deliver_all(room)

    assert studio.calls == dict.fromkeys(UNITS, 1) | {WORDS[1]: 2, PICTURES[0]: 2, PICTURES[-4]: 2}
    rows = await rows_of(room.db, final)
    assert (rows["generations"][0]["state"], len(rows["usage_ledger"])) == ("succeeded", METERED)
    holds = await one(room.db, "SELECT count(*) AS n FROM credit_holds WHERE state = 'captured'")
    assert holds["n"] == 1


async def test_pictures_that_were_judged_and_drawn_again_stay_judged(
    account: Account, room: Workroom, studio: Studio
) -> None:
    """The second try of a picture is carried as the second, so that it isn't drawn a third time."""
    started = await order(account, room.db, room.gate)

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.VISUAL_VERIFICATION and task.unit.round == 0:
            return Made(outcome=Judged(score=10, scores={}, reasons=()))
        if task.unit.stage is Stage.AUDIO_MIXING:
            raise Broken("No sound.")
        return None

    studio.behave = behave
    await deliver_all(room)
    studio.behave = None
    studio.calls.clear()

    await go_on(started.generation_id, account, room)
    await deliver_all(room)

    assert set(studio.calls) == set(PICTURES[-4:])


async def test_a_part_that_failed_is_tried_again_on_the_variant_it_was_of(
    account: Account, room: Workroom, studio: Studio
) -> None:
    first = await order(account, room.db, room.gate, kind=GenerationKind.SCRIPT)
    await deliver_all(room)
    hook = Unit(stage=Stage.STORY_WRITING)
    ordered = {"kind": GenerationKind.REGENERATE_TARGETED, "draft": first.draft_id, "part": Part.HOOK}
    failed = await fail(room, studio, account, hook, **ordered)

    heir = await go_on(failed, account, room)
    await deliver_all(room)

    found = await reading.generation(account.id, heir.generation_id, db=room.db)
    assert (found.generation.part, found.generation.state) == (Part.HOOK, "succeeded")
    assert [variant.story.hook for variant in found.variants] == ["The hook of take 0."]
    assert found.generation.resumes == failed


@pytest.mark.parametrize(
    ("check", "stages"),
    [
        ("loudness_lufs", ()),
        ("words_on_speech", (Stage.TTS_GENERATION,)),
        ("black_s", (Stage.VISUAL_GENERATION, Stage.VISUAL_VERIFICATION, Stage.VIDEO_GENERATION)),
    ],
)
async def test_of_a_reel_that_failed_its_gate_nothing_is_kept_that_may_be_why(
    check: str, stages: tuple[Stage, ...], account: Account, room: Workroom, studio: Studio
) -> None:
    """Whoever went on with the same voice, mix and chunks would get the same file, and the same failure."""
    started = await order(account, room.db, room.gate)

    async def behave(task: Assignment) -> Made | None:
        if task.unit == PICTURES[-1]:
            checks = [{"name": check, "passed": False}, {"name": "frames", "passed": None}]
            return Made(outcome=Released(duration_ms=1, gate={"passed": False, "checks": checks}))
        return None

    studio.behave = behave
    await deliver_all(room)
    studio.behave = None
    assert studio.calls[PICTURES[-1]] == 1  # again it would only fail again
    failed = await one(room.db, "SELECT failure_code, failure_sentence FROM generations")
    assert failed["failure_code"] == "gate.failed"
    assert f"({check})" in failed["failure_sentence"]
    studio.calls.clear()

    heir = await go_on(started.generation_id, account, room)
    await deliver_all(room)

    assert set(studio.calls) == {*PICTURES[-4:], *(Unit(stage=stage, scene=n) for stage in stages for n in (0, 1))}
    assert (await one(room.db, "SELECT count(*) AS n FROM dead_letters WHERE redriven_at IS NULL"))["n"] == 0
    found = await reading.generation(account.id, heir.generation_id, db=room.db)
    priced = text("SELECT count(*) FROM usage_ledger WHERE generation_id = :id AND credits_micro > 0")
    async with room.db.begin() as tx:
        assert await tx.scalar(priced, {"id": heir.generation_id}) == METERED  # each step once, carried or anew
    assert (found.generation.state, 0 < found.charged_micro <= heir.price_micro) == ("succeeded", True)
    assert await invariants.check(room.db) == ()


async def test_nobody_goes_on_to_a_reel_that_its_scenes_make_too_long(
    account: Account, room: Workroom, studio: Studio
) -> None:
    """It would be rendered at our cost, fail its gate, and so again with every resumption."""
    failed = await fail(room, studio, account, PICTURES[-1])
    async with room.db.begin() as tx:
        await tx.execute(text("UPDATE scenes SET duration_ms = 30000"))
    studio.calls.clear()
    with pytest.raises(ScenesTooLong):
        await go_on(failed, account, room)
    await deliver_all(room)
    assert not studio.calls
    async with room.db.begin() as tx:
        await tx.execute(text("UPDATE scenes SET duration_ms = 5000"))
    await go_on(failed, account, room)


async def test_one_key_resumes_once_and_another_is_told_where_it_went_on(
    account: Account, room: Workroom, studio: Studio
) -> None:
    failed = await fail(room, studio, account, PICTURES[0])
    first = await go_on(failed, account, room, key="one")
    again = await go_on(failed, account, room, key="one")
    assert (again.generation_id, again.admitted, again.price_micro) == (first.generation_id, None, first.price_micro)

    with pytest.raises(ResumedAlready) as told:
        await go_on(failed, account, room, key="two")

    assert told.value.extra["url"] == f"/v1/generations/{first.generation_id}"
    other = await fail(room, studio, account, WORDS[0])
    with pytest.raises(OrderChanged):
        await go_on(other, account, room, key="one")


async def test_many_keys_at_once_start_one(room: Workroom, studio: Studio) -> None:
    pro = await an_account(room.db, Plan.PRO)
    failed = await fail(room, studio, pro, PICTURES[0])
    calls = [go_on(failed, pro, room, key=f"key-{n}") for n in range(4)]
    told = await asyncio.gather(*calls, return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in told) == ["ResumedAlready"] * 3 + ["Started"]
    exist = await one(room.db, "SELECT count(*) AS n FROM generations WHERE resumes IS NOT NULL")
    used = {row.policy.value: row.used for row in (await room.gate.peek(pro.id, now=clock.now())).standings}
    assert (exist["n"], used["generations_month"], used["concurrent"]) == (1, 1, 1)


async def test_who_looks_while_another_begins_to_go_on_is_told_of_it(room: Workroom, studio: Studio) -> None:
    """Going on changes the draft: whoever saw that, but not yet who did it, would call the reel outdated."""
    pro = await an_account(room.db, Plan.PRO)
    failed = await fail(room, studio, pro, PICTURES[0])
    heir = uuid4()
    async with room.db.begin() as tx:
        await tx.execute(text("LOCK TABLE variants IN ACCESS EXCLUSIVE MODE"))
        second = asyncio.create_task(go_on(failed, pro, room))
        await wait_until(lambda: waited_for(room.db, "variants"))
        await tx.execute(
            text(
                "INSERT INTO generations SELECT (jsonb_populate_record(g, jsonb_build_object("
                "  'id', CAST(:heir AS text), 'resumes', g.id))).* FROM generations g WHERE id = :failed"
            ),
            {"heir": str(heir), "failed": failed},
        )
        await tx.execute(text("UPDATE drafts SET updated_at = clock_timestamp()"))

    with pytest.raises(ResumedAlready) as told:
        await second
    assert told.value.extra["generation_id"] == str(heir)


async def waited_for(db: Database, table: str) -> bool:
    held = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = CAST(:table AS regclass) AND NOT granted) AS waiting"
    async with db.begin() as tx:
        return bool(await tx.scalar(text(held), {"table": table}))


async def test_a_paused_one_goes_on_as_itself(account: Account, room: Workroom, studio: Studio, db: Database) -> None:
    generation = (await order(account, db, room.gate)).generation_id
    await stopping.pause(account.id, generation, db=db, gate=room.gate)
    await deliver_all(room)
    assert not studio.calls

    wish = Wish(generation=generation, key="on")
    gone_on = await resumption.resume(wish, account=account, db=db, gate=room.gate, terms=TERMS, now=clock.now())
    await deliver_all(room)

    assert isinstance(gone_on, Generation)
    assert (gone_on.id, gone_on.paused_at) == (generation, None)
    assert studio.calls == dict.fromkeys(UNITS, 1)
    assert (await one(db, "SELECT state FROM generations"))["state"] == "succeeded"


async def test_cancelled_before_it_did_anything_itself_it_costs_nothing(
    account: Account, room: Workroom, studio: Studio, db: Database
) -> None:
    failed = await fail(room, studio, account, Unit(stage=Stage.AUDIO_MIXING))
    async with db.begin() as tx:
        owned = await ledger.balance(tx, account=account.id)

    heir = (await go_on(failed, account, room)).generation_id
    cancelled = await stopping.cancel(account.id, heir, db=db, gate=room.gate)

    assert cancelled.units_returned_at is not None
    async with db.begin() as tx:
        assert await ledger.balance(tx, account=account.id) == owned
        assert await ledger.metered(tx, generation=heir) > 0
    assert await invariants.check(db) == ()


async def test_only_what_failed_is_resumed(account: Account, room: Workroom, studio: Studio, db: Database) -> None:
    started = await order(account, db, room.gate)
    with pytest.raises(NotResumable) as told:
        await go_on(started.generation_id, account, room)
    assert told.value.extra == {"generation_status": "queued"}
    await deliver_all(room)
    with pytest.raises(NotResumable) as told:
        await go_on(started.generation_id, account, room)
    assert told.value.extra == {"generation_status": "succeeded"}


async def test_a_draft_that_was_changed_since_is_not_made_from_old_pieces(
    account: Account, room: Workroom, studio: Studio
) -> None:
    failed = await fail(room, studio, account, PICTURES[0])
    async with room.db.begin() as tx:
        draft = (await Drafts(session=tx).of_generation(failed)).id
        await Drafts(session=tx).patch(account.id, draft, {"aspect": "1:1"})
    with pytest.raises(Outdated):
        await go_on(failed, account, room)
    exist = await one(room.db, "SELECT count(*) AS n FROM generations")
    assert exist["n"] == 1

    early = await fail(room, studio, account, WORDS[0])
    async with room.db.begin() as tx:
        draft = (await Drafts(session=tx).of_generation(early)).id
        await Drafts(session=tx).patch(account.id, draft, {"aspect": "1:1"})
    assert (await go_on(early, account, room, key="early")).admitted is not None  # nothing was made, so all fits


async def test_the_copies_become_the_drafts_choice_only_where_the_old_ones_were(
    account: Account, room: Workroom, studio: Studio
) -> None:
    failed = await fail(room, studio, account, PICTURES[0])
    heir = await go_on(failed, account, room)

    chosen = await one(
        room.db,
        "SELECT d.selected_variant = g.variant_id AS same, v.generation_id, g.resumes FROM generations g"
        " JOIN drafts d ON d.id = g.draft_id JOIN variants v ON v.id = g.variant_id WHERE g.resumes IS NOT NULL",
    )
    assert dict(chosen) == {"same": True, "generation_id": heir.generation_id, "resumes": failed}


async def test_it_is_counted_and_refused_like_any_order(room: Workroom, studio: Studio, db: Database) -> None:
    basic = await an_account(db, Plan.BASIC)
    failed = await fail(room, studio, basic, PICTURES[0])
    await order(basic, db, room.gate)
    with pytest.raises(NotAdmitted):
        await go_on(failed, basic, room)
    await deliver_all(room)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE credit_balances SET available_micro = 0"))
    with pytest.raises(ledger.CreditsInsufficient):
        await go_on(failed, basic, room)
    exist = await one(db, "SELECT count(*) AS n FROM generations WHERE resumes IS NOT NULL")
    assert exist["n"] == 0

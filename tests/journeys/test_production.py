"""From an accepted order to a delivered reel, whatever fails on the way: done once, charged once, or not at all."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.admission import Gate
from reelwright.generations import Assignment, GenerationKind, Judged, Made, Released, Stage, Unit
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.ids import AccountId, GenerationId, VariantId
from reelwright.ground.postgres import Database
from reelwright.journeys import production, recovery
from reelwright.journeys.ending import GateFailed
from reelwright.journeys.workroom import Workroom
from tests.builders import an_account
from tests.journeys.conftest import CHUNKS, SCENES, TIMINGS, Studio, deliver_all, due_now, one, order, waiting

RUNS = 3 + 4 * SCENES + 1 + CHUNKS + 1


async def ledgered_once(db: Database) -> bool:
    """Exactly one set of usage rows for each run that was to be metered, by count and not only by sum."""
    row = await one(
        db,
        "SELECT count(*) AS rows, count(DISTINCT run_id) AS runs FROM usage_ledger WHERE outcome = 'succeeded'",
    )
    return row["rows"] == row["runs"] == 2 + 3 * SCENES


async def books_balance(db: Database) -> bool:
    async with db.begin() as tx:
        return await ledger.mismatches(tx) == []


async def nothing_is_held(db: Database, redis: object) -> bool:
    held = await one(db, "SELECT coalesce(sum(held_micro), 0) AS held FROM credit_balances")
    sets = [key async for key in redis.scan_iter("app:conc:*") if b"lease:" not in key]  # type: ignore[attr-defined]
    places = [await redis.zcard(key) for key in sets]  # type: ignore[attr-defined]
    return held["held"] == 0 and sum(places) == 0


@pytest.fixture
async def generation(db: Database, gate: Gate) -> GenerationId:
    account = await an_account(db)
    return (await order(account, db, gate)).generation_id


async def test_a_reel_is_made_run_by_run_and_paid_for_once(
    generation: GenerationId, room: Workroom, studio: Studio, redis: object
) -> None:
    assert await deliver_all(room) == RUNS

    row = await one(room.db, "SELECT state, gate->>'passed' AS passed FROM generations")
    assert (row["state"], row["passed"]) == ("succeeded", "true")
    assert set(studio.calls.values()) == {1}
    assert len(studio.calls) == RUNS
    assert await ledgered_once(room.db)
    hold = await one(room.db, "SELECT state, captured_micro, amount_micro FROM credit_holds")
    metered = await one(room.db, "SELECT sum(credits_micro)::bigint AS micro FROM usage_ledger")
    assert (hold["state"], hold["captured_micro"]) == ("captured", metered["micro"])
    assert 0 < hold["captured_micro"] < hold["amount_micro"]
    assert await books_balance(room.db)
    assert await nothing_is_held(room.db, redis)
    kinds = {
        row["kind"] for row in [await one(room.db, "SELECT string_agg(DISTINCT kind, ',') AS kind FROM artefacts")]
    }
    assert kinds == {"chunk,clip,image,mix,narration,video"}


async def test_five_deliveries_of_each_message_at_once_do_the_work_once(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    await deliver_all(room, times=5)

    assert (await one(room.db, "SELECT state FROM generations"))["state"] == "succeeded"
    assert set(studio.calls.values()) == {1}
    assert await ledgered_once(room.db)
    assert await books_balance(room.db)


async def test_a_worker_killed_in_the_middle_is_resumed_at_its_stage_and_scene(
    generation: GenerationId, room: Workroom, studio: Studio, redis: object
) -> None:
    """The killed worker's delivery is cut off without a word; after its lease the sweeper hands the run to another."""
    killed = Unit(stage=Stage.TTS_GENERATION, scene=1)
    reached = asyncio.Event()

    async def behave(task: Assignment) -> Made | None:
        if task.unit == killed and studio.calls[killed] == 1:
            reached.set()
            await asyncio.Event().wait()
        return None

    studio.behave = behave
    working = asyncio.create_task(deliver_all(room))
    await reached.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert (await one(room.db, "SELECT count(*) AS n FROM stage_runs WHERE state = 'running'"))["n"] == 1

    async with room.db.begin() as tx:
        await tx.execute(text("UPDATE stage_runs SET lease_until = now() - interval '1 s' WHERE state = 'running'"))
        await tx.execute(text("UPDATE stage_runs SET sent_at = now() - interval '1 h' WHERE state = 'queued'"))
    before = dict(studio.calls)
    await asyncio.gather(*(recovery.sweep(db=room.db, gate=room.gate) for _ in range(3)))
    await deliver_all(room)

    assert (await one(room.db, "SELECT state FROM generations"))["state"] == "succeeded"
    assert studio.calls[killed] == 2
    assert all(studio.calls[unit] == 1 for unit in before if unit != killed)
    assert await ledgered_once(room.db)
    assert await books_balance(room.db)
    assert await nothing_is_held(room.db, redis)


async def test_a_worker_that_lost_its_claim_writes_nothing_but_what_it_cost_us(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    """It was only slow: somebody else claimed the run meanwhile, and the fence keeps the late result out."""
    slow, go_on = asyncio.Event(), asyncio.Event()

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.STORY_WRITING and studio.calls[task.unit] == 1:
            slow.set()
            await go_on.wait()
        return None

    studio.behave = behave
    late = asyncio.create_task(deliver_all(room))
    await slow.wait()
    async with room.db.begin() as tx:
        await tx.execute(
            text(
                "UPDATE stage_runs SET fence = fence + 1, state = 'queued', lease_until = NULL WHERE state = 'running'"
            )
        )
    go_on.set()
    await late
    assert (await one(room.db, "SELECT count(*) AS n FROM variants"))["n"] == 0
    async with room.db.begin() as tx:
        await tx.execute(text("UPDATE stage_runs SET sent_at = now() - interval '1 h' WHERE state = 'queued'"))
    await recovery.sweep(db=room.db, gate=room.gate)
    await deliver_all(room)
    assert (await one(room.db, "SELECT count(*) AS n FROM variants"))["n"] == 1
    assert await ledgered_once(room.db)
    wasted = await one(room.db, "SELECT stage, credits_micro FROM usage_ledger WHERE outcome = 'failed'")
    assert tuple(wasted.values()) == ("STORY_WRITING", 0)


async def test_an_outage_is_tried_again_and_costs_nothing_more(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    async def behave(task: Assignment) -> Made | None:
        if studio.calls[task.unit] == 1:
            raise Outage("The provider is away.", code="provider.unavailable")
        return None

    studio.behave = behave
    assert await deliver_all(room) == 2 * RUNS
    assert (await one(room.db, "SELECT state FROM generations"))["state"] == "succeeded"
    assert await ledgered_once(room.db)
    assert await books_balance(room.db)


@pytest.mark.parametrize(
    ("error", "calls", "code"),
    [
        (Refusal("The article is empty.", field="url", code="source.empty"), 1, "source.empty"),
        (Outage("The provider is away.", code="provider.unavailable"), 3, "provider.unavailable"),
        (RuntimeError("a bug"), 3, "stage.bug"),
    ],
)
@pytest.mark.parametrize("stage", [Stage.INGESTION, Stage.VISUAL_GENERATION, Stage.VIDEO_ASSEMBLY])
async def test_a_failure_gives_everything_back_and_says_why(
    error: Exception,
    calls: int,
    code: str,
    stage: Stage,
    generation: GenerationId,
    room: Workroom,
    studio: Studio,
    redis: object,
) -> None:
    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is stage:
            raise error
        return None

    studio.behave = behave
    await deliver_all(room)

    row = await one(room.db, "SELECT state, failure_code, failure_sentence FROM generations")
    assert (row["state"], row["failure_code"]) == ("failed", code)
    assert row["failure_sentence"]
    failed = [unit for unit in studio.calls if unit.stage is stage]
    assert max(studio.calls[unit] for unit in failed) == calls
    hold = await one(room.db, "SELECT state, captured_micro FROM credit_holds")
    assert (hold["state"], hold["captured_micro"] or 0) == ("voided", 0)
    assert await books_balance(room.db)
    assert await nothing_is_held(room.db, redis)
    used = {key: int(await redis.get(key)) async for key in redis.scan_iter("app:usage:*gen_used*")}  # type: ignore[attr-defined]
    assert set(used.values()) == {0}, used
    assert (await one(room.db, "SELECT count(*) AS n FROM stage_runs WHERE state IN ('queued', 'running')"))["n"] == 0


async def test_a_reel_that_fails_its_gate_is_not_delivered_and_not_charged(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    report = {"passed": False, "checks": [{"name": "loudness", "passed": False, "value": -20, "limit": "-14 ±1"}]}

    async def behave(task: Assignment) -> Made | None:
        if task.unit == Unit(stage=Stage.VIDEO_ASSEMBLY):
            return Made(outcome=Released(duration_ms=10_000, gate=report))
        return None

    studio.behave = behave
    await deliver_all(room)
    row = await one(room.db, "SELECT state, failure_code, failure_sentence, gate FROM generations")
    assert (row["state"], row["failure_code"], row["gate"]) == ("failed", "gate.failed", report)
    assert "loudness" in row["failure_sentence"]
    assert (await one(room.db, "SELECT state FROM credit_holds"))["state"] == "voided"
    letter = await one(room.db, "SELECT reason, code, stage, attempts, redriven_at FROM dead_letters")
    assert tuple(letter.values()) == ("bug", "gate.failed", "VIDEO_ASSEMBLY", 1, None)


@pytest.mark.parametrize(
    ("check", "remedy"), [("duration_s", "shorten"), ("black_s", "Resume it: what failed is made")]
)
def test_a_failed_gate_tells_what_helps(check: str, remedy: str) -> None:
    assert remedy in GateFailed({"checks": [{"name": check, "passed": False}]}).sentence


async def test_credits_that_have_lapsed_come_back_after_a_failed_gate_since_it_is_our_failure(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    async def behave(task: Assignment) -> Made | None:
        if task.unit == Unit(stage=Stage.VIDEO_ASSEMBLY):
            async with room.db.begin() as tx:
                await tx.execute(text("UPDATE credit_lots SET expires_at = now() - interval '1 hour'"))
            return Made(outcome=Released(duration_ms=10_000, gate={"passed": False, "checks": []}))
        return None

    studio.behave = behave
    await deliver_all(room)
    again = await one(room.db, "SELECT sum(remaining_micro) AS micro FROM credit_lots WHERE expires_at > now()")
    held = await one(room.db, "SELECT state, amount_micro FROM credit_holds")
    assert (held["state"], again["micro"]) == ("voided", held["amount_micro"])


async def test_a_poor_picture_is_made_again_at_our_cost_and_the_best_is_used(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    scores = {0: 30, 1: 55, 2: 40}
    used: list[int] = []
    told: list[tuple[str, ...]] = []

    async def behave(task: Assignment) -> Made | None:
        unit = task.unit
        if unit.stage is Stage.VISUAL_VERIFICATION and unit.scene == 1:
            assert task.artefacts[0].round == unit.round or task.artefacts[0].scene != 1
            return Made(outcome=Judged(score=scores[unit.round], scores={}, reasons=(f"dull {unit.round}",)))
        if unit.stage is Stage.VISUAL_GENERATION and unit.scene == 1:
            told.append(task.faults)
        if unit.stage is Stage.VIDEO_GENERATION and unit.scene == 1:
            picture = next(a for a in task.artefacts if a.kind == "image" and a.scene == 1)
            used.append(picture.round)
        return None

    studio.behave = behave
    await deliver_all(room)
    assert used == [1]
    assert told == [(), ("dull 0",), ("dull 1",)]
    assert (await one(room.db, "SELECT state FROM generations"))["state"] == "succeeded"
    images = await one(
        room.db,
        "SELECT count(*) AS made, count(*) FILTER (WHERE credits_micro > 0) AS charged"
        " FROM usage_ledger WHERE action = 'image'",
    )
    assert (images["made"], images["charged"]) == (SCENES + 2, SCENES)


async def test_a_script_is_rendered_later_and_a_changed_choice_does_not_reach_a_running_render(
    room: Workroom, gate: Gate, studio: Studio
) -> None:
    """A render must not mix the scenes of two variants because somebody selected another one meanwhile."""
    account = await an_account(room.db)
    script = await order(account, room.db, gate, kind=GenerationKind.SCRIPT)
    await deliver_all(room)
    assert set(studio.calls) == {Unit(stage=stage) for stage in list(Stage)[:3]}
    other = await order(account, room.db, gate, kind=GenerationKind.SCRIPT, draft=script.draft_id)
    await deliver_all(room)
    row = await one(
        room.db,
        "SELECT (array_agg(id ORDER BY created_at))[1] AS first,"
        " (array_agg(id ORDER BY created_at))[2] AS second FROM variants",
    )
    seen: set[object] = set()

    async def behave(task: Assignment) -> Made | None:
        seen.add(task.variant.id)
        if task.unit.stage is Stage.VISUAL_VERIFICATION:
            async with room.db.begin() as tx:
                await tx.execute(text("UPDATE drafts SET selected_variant = :other"), {"other": row["second"]})
        return None

    studio.behave = behave
    kind = GenerationKind.RENDER
    render = await order(account, room.db, gate, kind=kind, draft=script.draft_id, variant=VariantId(row["first"]))
    await deliver_all(room)

    assert seen == {row["first"]}
    assert render.generation_id != other.generation_id
    states = await one(room.db, "SELECT count(*) AS n FROM generations WHERE state = 'succeeded'")
    assert states["n"] == 3


async def test_a_full_provider_is_waited_for_without_spending_attempts(
    generation: GenerationId, room: Workroom, gate: Gate
) -> None:
    place = room.places[Stage.STORY_WRITING]
    for holder in range(place.cap):
        taken = await gate.places.take(place, f"other-{holder}", account=AccountId(uuid4()), ttl=TIMINGS.lease * 100)
        assert taken.granted
    for _ in range(3):
        await due_now(room.db)
        for message in await waiting(room.db):
            await production.perform(message, room=room)
    run = await one(room.db, "SELECT state, attempt FROM stage_runs WHERE stage = 'STORY_WRITING'")
    assert (run["state"], run["attempt"]) == ("queued", 0)
    for holder in range(place.cap):
        assert await gate.places.give_back(place, f"other-{holder}")
    await deliver_all(room)
    assert (await one(room.db, "SELECT state FROM generations"))["state"] == "succeeded"


async def test_a_generation_past_its_deadline_ends_and_gives_everything_back(
    generation: GenerationId, room: Workroom, redis: object
) -> None:
    async with room.db.begin() as tx:
        await tx.execute(text("UPDATE generations SET deadline_at = now() - interval '1 s'"))
    assert (await recovery.sweep(db=room.db, gate=room.gate)).overdue == 1
    row = await one(room.db, "SELECT state, failure_code FROM generations")
    assert (row["state"], row["failure_code"]) == ("failed", "generation.deadline")
    assert await nothing_is_held(room.db, redis)
    await deliver_all(room)
    assert (await one(room.db, "SELECT count(*) AS n FROM usage_ledger"))["n"] == 0


async def test_a_run_that_kills_every_worker_ends_the_generation_and_gives_everything_back(
    generation: GenerationId, room: Workroom, redis: object
) -> None:
    """Nobody is left to record the last failure: the sweeper does, unless the worker comes back in that moment."""
    dying = (
        "UPDATE stage_runs SET state = 'running', attempt = max_attempts, fence = 3, started_at = now(), lease_until = "
    )
    async with room.db.begin() as tx:
        await tx.execute(text(f"{dying} now() + interval '1 h'"))
    assert (await recovery.sweep(db=room.db, gate=room.gate)).exhausted == 0
    async with room.db.begin() as tx:
        await tx.execute(text(f"{dying} now() - interval '1 s'"))

    swept = await asyncio.gather(*(recovery.sweep(db=room.db, gate=room.gate) for _ in range(3)))

    assert sum(s.exhausted for s in swept) == 1
    row = await one(room.db, "SELECT state, failure_code FROM generations")
    assert (row["state"], row["failure_code"]) == ("failed", "stage.exhausted")
    assert (await one(room.db, "SELECT state FROM stage_runs"))["state"] == "failed"
    assert (await one(room.db, "SELECT state FROM credit_holds"))["state"] == "voided"
    assert await nothing_is_held(room.db, redis)


async def test_a_lost_message_is_sent_again_by_the_sweeper_with_patience(
    generation: GenerationId, room: Workroom
) -> None:
    """One re-send at a time: a sweeper that asks again every time storms the queue and never converges."""
    await waiting(room.db)
    async with room.db.begin() as tx:
        await tx.execute(text("UPDATE stage_runs SET sent_at = now() - interval '31 s'"))
    swept = [await recovery.sweep(db=room.db, gate=room.gate) for _ in range(5)]
    assert [s.rescued for s in swept] == [1, 0, 0, 0, 0]
    await deliver_all(room)
    assert (await one(room.db, "SELECT state FROM generations"))["state"] == "succeeded"

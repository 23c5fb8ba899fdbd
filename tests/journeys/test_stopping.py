"""Cancelled, paused, let go on: whatever happens meanwhile, one end, and money exact to the micro-credit."""

import asyncio
import os
import random
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.accounts import Account
from reelwright.admission import Gate, Periods
from reelwright.generations import (
    LONGEST_PAUSE,
    Assignment,
    Generation,
    GenerationKind,
    Generations,
    GenerationState,
    Made,
    NewGeneration,
    Part,
    Runs,
    Stage,
    Unit,
)
from reelwright.ground import clock
from reelwright.ground.errors import NotFound
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, production, stopping
from reelwright.journeys.workroom import Workroom
from tests.builders import WrittenDraft, a_written_draft, an_account
from tests.journeys.conftest import Studio, deliver_all, one, order, waiting
from tests.promised import as_promised

INTERLEAVINGS = int(os.environ.get("CANCEL_RACES", "100"))
HOOK = Unit(stage=Stage.STORY_WRITING)


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db)


@pytest.fixture
async def generation(account: Account, db: Database, gate: Gate) -> GenerationId:
    return (await order(account, db, gate)).generation_id


async def delivered(room: Workroom, *, times: int) -> None:
    """Deliver the next messages one by one, so many of them."""
    for _ in range(times):
        (message, *_) = await waiting(room.db)
        await production.perform(message, room=room)


async def told(db: Database) -> list[tuple[GenerationId, int, str | None]]:
    """Return of which cancelled generations people were told, at which price, and why; each in as many rows."""
    async with db.begin() as tx:
        found = await tx.scalars(text("SELECT facts FROM notices WHERE kind = 'generation_cancelled' ORDER BY id"))
        facts = [as_promised("generation_cancelled", each) for each in found]
    return [(GenerationId(UUID(one["generation_id"])), one["credits_micro"], one["code"]) for one in facts]


async def books(db: Database, account: Account) -> dict[str, int]:
    """What the account's money says: held, captured, metered, and in how many usage rows and units."""
    row = await one(
        db,
        """
        SELECT (SELECT sum(held_micro)::bigint FROM credit_balances) AS held,
               (SELECT coalesce(sum(captured_micro), 0)::bigint FROM credit_holds) AS captured,
               (SELECT coalesce(sum(credits_micro), 0)::bigint FROM usage_ledger) AS metered,
               (SELECT count(*) FROM usage_ledger WHERE outcome = 'succeeded') AS rows,
               (SELECT count(DISTINCT run_id) FROM usage_ledger WHERE outcome = 'succeeded') AS runs,
               (SELECT count(*) FROM generations WHERE units_returned_at IS NOT NULL) AS returned
        """,
    )
    async with db.begin() as tx:
        assert await ledger.mismatches(tx) == []
    return dict(row)


async def used_this_month(gate: Gate, account: Account) -> int | None:
    return (await gate.counted(account.id, Periods.at(clock.now()))).generations_month


async def events(db: Database, generation: GenerationId) -> list[str]:
    async with db.begin() as tx:
        return [event.kind for event in await Generations(session=tx).events_after(generation, 0)]


async def test_cancelled_before_anything_was_used_all_comes_back(
    account: Account, generation: GenerationId, db: Database, gate: Gate
) -> None:
    assert await used_this_month(gate, account) == 1
    cancelled = await stopping.cancel(account.id, generation, db=db, gate=gate)
    assert (cancelled.state, cancelled.live, cancelled.units_returned_at is None) == ("cancelled", False, False)
    assert await used_this_month(gate, account) == 0
    assert await gate.leased(account.id) == set()
    assert await books(db, account) == {"held": 0, "captured": 0, "metered": 0, "rows": 0, "runs": 0, "returned": 1}
    assert await stopping.cancel(account.id, generation, db=db, gate=gate) == cancelled
    assert await used_this_month(gate, account) == 0
    assert (await events(db, generation)).count("cancelled") == 1
    assert await waiting(db) != []  # its message is still promised, and finds nothing to do
    assert await told(db) == [(generation, 0, None)]


async def test_cancelled_on_its_way_what_finished_is_charged_and_nothing_else(
    account: Account, generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    """The run at work is fenced off: what it still makes is neither kept nor charged."""
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.SCENE_GENERATION:
            reached.set()
            await go_on.wait()
        return None

    studio.behave = behave
    await delivered(room, times=2)
    working = asyncio.create_task(delivered(room, times=1))
    await reached.wait()
    cancelled = await stopping.cancel(account.id, generation, db=room.db, gate=room.gate)
    go_on.set()
    await working
    seen = await books(room.db, account)
    assert (seen["held"], seen["captured"], seen["rows"], seen["runs"]) == (0, seen["metered"], 2, 2)
    assert seen["metered"] > 0
    assert cancelled.units_returned_at is None
    assert await used_this_month(room.gate, account) == 1
    assert await gate_is_free(room.gate, account)
    assert await waiting(room.db) == []
    states = await one(room.db, "SELECT array_agg(state ORDER BY queued_at) AS states FROM stage_runs")
    assert states["states"] == ["succeeded", "succeeded", "cancelled"]
    assert await stopping.cancel(account.id, generation, db=room.db, gate=room.gate) == cancelled
    assert await books(room.db, account) == seen
    assert await told(room.db) == [(generation, seen["captured"], None)]


async def gate_is_free(gate: Gate, account: Account) -> bool:
    return await gate.leased(account.id) == set()


async def test_a_demos_unit_stays_used_once_something_was_made(db: Database, room: Workroom) -> None:
    """A demo is never metered, so its finished stages say whether anything was used."""
    for stages, returned in ((0, True), (1, False)):
        account = await an_account(db)
        async with db.begin() as tx:
            await tx.execute(text("UPDATE users SET demo = true WHERE id = :id"), {"id": account.id})
        demo = Account(**{**{name: getattr(account, name) for name in account.__slots__}, "demo": True})
        made = (await order(demo, db, room.gate)).generation_id
        await delivered(room, times=stages)
        cancelled = await stopping.cancel(account.id, made, db=db, gate=room.gate)
        assert (cancelled.units_returned_at is not None) is returned
        await waiting(db)


async def test_what_has_ended_otherwise_is_refused(account: Account, generation: GenerationId, room: Workroom) -> None:
    await deliver_all(room)
    before = await books(room.db, account)
    for stop in (stopping.cancel, stopping.pause, stopping.proceed):
        with pytest.raises(stopping.Ended) as refused:
            await stop(account.id, generation, db=room.db, gate=room.gate)
        assert (refused.value.code, refused.value.extra) == ("generation.ended", {"state": "succeeded"})
    assert await books(room.db, account) == before


async def test_another_accounts_generation_is_not_found(generation: GenerationId, db: Database, gate: Gate) -> None:
    stranger = await an_account(db)
    for stop in (stopping.cancel, stopping.pause, stopping.proceed):
        with pytest.raises(NotFound):
            await stop(stranger.id, generation, db=db, gate=gate)
    assert (await one(db, "SELECT state, paused_at FROM generations")) == {"state": "queued", "paused_at": None}


async def test_paused_it_rests_and_keeps_its_place_and_goes_on_where_it_was(
    account: Account, generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    await delivered(room, times=2)
    paused = await stopping.pause(account.id, generation, db=room.db, gate=room.gate)
    assert await stopping.pause(account.id, generation, db=room.db, gate=room.gate) == paused
    calls = studio.calls.total()
    await deliver_all(room)  # the message that was waiting is turned away
    assert studio.calls.total() == calls
    assert await room.gate.leased(account.id) == {generation}

    going_on = await stopping.proceed(account.id, generation, db=room.db, gate=room.gate)
    assert (paused.paused_at is None, going_on.paused_at) == (False, None)
    assert await stopping.proceed(account.id, generation, db=room.db, gate=room.gate) == going_on
    await deliver_all(room)
    assert (await one(room.db, "SELECT state FROM generations"))["state"] == "succeeded"
    assert set(studio.calls.values()) == {1}
    told = Counter(await events(room.db, generation))
    assert (told["paused"], told["resumed"], told["succeeded"]) == (1, 1, 1)


async def test_what_rests_too_long_is_cancelled_by_one_sweeper(
    account: Account, generation: GenerationId, db: Database, gate: Gate
) -> None:
    await stopping.pause(account.id, generation, db=db, gate=gate)
    assert await stopping.sweep_paused(db=db, gate=gate) == 0
    async with db.begin() as tx:
        await tx.execute(
            text("UPDATE generations SET paused_at = paused_at - CAST(:rest AS interval)"), {"rest": LONGEST_PAUSE}
        )
    swept = await asyncio.gather(*(stopping.sweep_paused(db=db, gate=gate) for _ in range(3)))
    assert sorted(swept) == [0, 0, 1]
    ended = await one(db, "SELECT state, failure_code, paused_at FROM generations")
    assert ended == {"state": "cancelled", "failure_code": "generation.paused_too_long", "paused_at": None}
    assert (await books(db, account))["returned"] == 1
    assert await gate_is_free(gate, account)
    assert await told(db) == [(generation, 0, "generation.paused_too_long")]


async def rewordings(db: Database, account: Account, written: WrittenDraft, hold: int) -> list[GenerationId]:
    """Admit so many regenerations of a hook, each one run long, by the rooms alone: what races is their end."""
    made = [GenerationId(uuid4()) for _ in range(INTERLEAVINGS)]
    async with db.begin() as tx:
        await ledger.grant(tx, account=account.id, micro=hold * len(made), source="race")
        for each in made:
            new = NewGeneration(
                id=each,
                account_id=account.id,
                draft_id=written.draft,
                variant_id=written.variant,
                kind=GenerationKind.REGENERATE_TARGETED,
                part=Part.HOOK,
                fingerprint=b"f" * 32,
                plan="standard",
                price_version=1,
                hold_micro=hold,
                admitted_at=clock.now(),
                deadline=timedelta(hours=1),
            )
            assert await Generations(session=tx).add_once(new)
            await Runs(session=tx).plan(each, [HOOK], max_attempts=3)
            await ledger.hold(tx, account=account.id, generation=each, micro=hold)
    return made


async def test_of_cancel_and_completion_one_wins_and_the_money_is_the_winners(
    account: Account, room: Workroom, db: Database
) -> None:
    """A hundred interleavings, from well before the delivery to well after it; the answer is the final state."""
    hold = 3_000_000
    written = await a_written_draft(db, account.id)
    made = await rewordings(db, account, written, hold)
    loop = asyncio.get_running_loop()
    first, *rest = made
    before = loop.time()
    await production.perform(creation.due(first, HOOK, request_id=None), room=room)
    usual = loop.time() - before
    answers: dict[GenerationId, GenerationState] = {first: GenerationState.SUCCEEDED}
    dice = random.Random(4)

    async def cancelled(each: GenerationId, after: float) -> GenerationState:
        await asyncio.sleep(after)  # the interleaving itself
        try:
            return (await stopping.cancel(account.id, each, db=db, gate=room.gate)).state
        except stopping.Ended as ended:
            return GenerationState(ended.extra["state"])

    async def race(each: GenerationId, after: float) -> None:
        delivery = production.perform(creation.due(each, HOOK, request_id=None), room=room)
        answers[each], _ = await asyncio.gather(cancelled(each, after), delivery)

    for pair in zip(rest[0::2], rest[1::2], strict=False):
        await asyncio.gather(*(race(each, usual * dice.uniform(-0.2, 1.3)) for each in pair))
    await race(rest[-1], 0)

    async with db.begin() as tx:
        rows = await tx.execute(
            text(
                """
                SELECT g.id, g.state, h.state AS hold, coalesce(h.captured_micro, 0)::bigint AS captured,
                       g.units_returned_at IS NOT NULL AS returned,
                       (SELECT coalesce(sum(credits_micro), 0)::bigint FROM usage_ledger u
                         WHERE u.generation_id = g.id) AS metered,
                       (SELECT count(*) FROM usage_ledger u
                         WHERE u.generation_id = g.id AND u.outcome = 'succeeded') AS charges,
                       (SELECT count(*) FROM generation_events e WHERE e.generation_id = g.id
                           AND e.kind IN ('succeeded', 'cancelled', 'failed')) AS ends
                  FROM generations g JOIN credit_holds h ON h.generation_id = g.id
                """
            )
        )
        ended = {GenerationId(row.id): row for row in rows}
        assert await ledger.mismatches(tx) == []
    assert {each: row.state for each, row in ended.items()} == answers
    price = ended[first].captured
    assert 0 < price < hold
    whole = {"succeeded": ("captured", price, False, price, 1, 1), "cancelled": ("voided", 0, True, 0, 0, 1)}
    for row in ended.values():
        assert (row.hold, row.captured, row.returned, row.metered, row.charges, row.ends) == whole[row.state]
    cancels = [each for each, row in ended.items() if row.state == "cancelled"]
    assert Counter(each for each, *_ in await told(db)) == Counter(cancels)
    assert len(Counter(answers.values())) == 2, "the schedule met one end only"


@pytest.mark.parametrize("stages", [3, 9, 15])
async def test_cancelled_anywhere_each_finished_stage_is_charged_once(
    account: Account, generation: GenerationId, room: Workroom, studio: Studio, stages: int
) -> None:
    """With deliveries doubled and side by side; the cancel comes in the middle of the given stage's work."""
    asked: list[asyncio.Task[Generation]] = []

    async def behave(_task: Assignment) -> Made | None:
        if studio.calls.total() == stages:
            asked.append(asyncio.create_task(stopping.cancel(account.id, generation, db=room.db, gate=room.gate)))
        return None

    studio.behave = behave
    await deliver_all(room, times=2)
    assert (await asked[0]).state is GenerationState.CANCELLED
    seen = await books(room.db, account)
    assert (seen["captured"], seen["rows"], seen["held"]) == (seen["metered"], seen["runs"], 0)
    metered = await one(
        room.db,
        "SELECT count(*) AS runs FROM stage_runs WHERE state = 'succeeded' AND stage IN"
        " ('INGESTION', 'STORY_WRITING', 'VISUAL_GENERATION', 'VISUAL_VERIFICATION', 'TTS_GENERATION')",
    )
    assert seen["runs"] == metered["runs"] > 1

"""What goes wrong in a stage, and who looks after it: waited for, tried again, buried or swept."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from reelwright.admission import Gate
from reelwright.generations import Assignment, Made, Runs, StaleRun, Uploads
from reelwright.ground import tasks
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import credits as books
from reelwright.journeys import production, recovery
from reelwright.journeys.workroom import Workroom
from reelwright.providers import CIRCUIT_OPEN, ProviderAway
from tests.builders import Worked, an_account
from tests.journeys.conftest import TIMINGS, Studio, deliver_all, due_now, one, order, waiting
from tests.waiting import wait_until

Behaviour = Callable[[Assignment], Awaitable[Made | None]]


@pytest.fixture
async def generation(db: Database, gate: Gate) -> GenerationId:
    return (await order(await an_account(db), db, gate)).generation_id


def always(error: Exception) -> Behaviour:
    async def behave(_task: Assignment) -> Made | None:
        raise error

    return behave


async def delivered_once(room: Workroom) -> None:
    await due_now(room.db)
    for message in await waiting(room.db):
        await production.perform(message, room=room)


@pytest.mark.parametrize(
    ("error", "reason", "code"),
    [
        (Outage("Away.", code="web.away"), "exhausted", "web.away"),
        (ZeroDivisionError(), "bug", "stage.bug"),
        (Refusal("No page there.", code="page.missing"), None, "page.missing"),
    ],
)
async def test_what_dies_of_our_failure_leaves_one_letter_and_a_refusal_none(
    generation: GenerationId, room: Workroom, studio: Studio, error: Exception, reason: str | None, code: str
) -> None:
    studio.behave = always(error)
    await deliver_all(room)
    assert (await one(room.db, "SELECT failure_code FROM generations"))["failure_code"] == code
    letters = await one(
        room.db, "SELECT count(*) AS n, min(reason) AS reason, max(attempts) AS tries FROM dead_letters"
    )
    expected = (0, None, None) if reason is None else (1, reason, TIMINGS.most_attempts)
    assert (letters["n"], letters["reason"], letters["tries"]) == expected


async def lapsed(db: Database) -> None:
    """Let every lot have lapsed an hour ago."""
    async with db.begin() as tx:
        past = "effective_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'"
        await tx.execute(text(f"UPDATE credit_lots SET {past}"))  # noqa: S608 - a constant


@pytest.mark.parametrize(("error", "back"), [(Outage("Away.", code="web.away"), True), (Refusal("No."), False)])
async def test_credits_that_lapsed_while_we_failed_come_back_and_the_sweep_takes_the_others(
    generation: GenerationId, room: Workroom, studio: Studio, error: Exception, *, back: bool
) -> None:
    held = (await one(room.db, "SELECT hold_micro FROM generations"))["hold_micro"]
    await lapsed(room.db)
    studio.behave = always(error)
    await deliver_all(room)
    await recovery.rounds(db=room.db, gate=room.gate, storage=room.storage, resend_after=timedelta(minutes=1))
    left = await one(room.db, "SELECT available_micro, held_micro FROM credit_balances")
    assert (left["available_micro"], left["held_micro"]) == (held if back else 0, 0)
    assert await books.verify(db=room.db) == ()


async def test_a_resting_model_is_waited_for_without_an_attempt_and_no_longer_than_the_generation_lives(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    studio.behave = always(ProviderAway("It rests.", code=CIRCUIT_OPEN, wait=timedelta(days=1)))
    for _ in range(TIMINGS.most_attempts + 1):
        await delivered_once(room)
    run = await one(room.db, "SELECT state, attempt, error_code, next_attempt_at FROM stage_runs")
    assert (run["state"], run["attempt"], run["error_code"]) == ("queued", 0, CIRCUIT_OPEN)
    ends = (await one(room.db, "SELECT deadline_at AS at FROM generations"))["at"]
    assert run["next_attempt_at"] <= ends + timedelta(seconds=1)


async def test_a_stage_may_last_no_longer_than_its_generation_has_left(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    cut = asyncio.Event()

    async def behave(_task: Assignment) -> Made | None:
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()

    studio.behave = behave
    async with room.db.begin() as tx:
        await tx.execute(text("UPDATE generations SET deadline_at = clock_timestamp() + interval '0.3 s'"))
    deaf = replace(room, timings=replace(room.timings, heartbeat=timedelta(minutes=1)))
    await asyncio.wait_for(delivered_once(deaf), TIMINGS.stage_deadline.total_seconds() - 1)
    assert cut.is_set()
    assert (await recovery.sweep(db=room.db, gate=room.gate)).overdue == 1
    letter = await one(room.db, "SELECT reason, code, run_id FROM dead_letters")
    assert (letter["reason"], letter["code"], letter["run_id"]) == ("deadline", "generation.deadline", None)


async def test_a_worker_that_leaves_gives_its_work_back_uncounted(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    begun, cut = asyncio.Event(), asyncio.Event()

    async def behave(task: Assignment) -> Made | None:
        if task.attempt > 1 or studio.calls.total() > 1:
            return None
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()

    studio.behave = behave
    working = asyncio.create_task(delivered_once(room))
    await begun.wait()
    room.leaving.set()
    await asyncio.wait_for(working, 5)
    assert cut.is_set()
    run = await one(room.db, "SELECT state, attempt FROM stage_runs")
    assert (run["state"], run["attempt"]) == ("queued", 0)
    room.leaving.clear()
    await deliver_all(room)
    assert (await one(room.db, "SELECT state FROM generations"))["state"] == "succeeded"


async def test_uploads_are_known_before_they_begin_and_forgotten_with_the_result(
    generation: GenerationId, room: Workroom, studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies between the two leaves a name behind, by which the file is found and removed."""
    known: list[int] = []
    put = room.storage.put

    async def watched(key: str, path: Path) -> object:
        async with room.db.begin() as tx:
            known.append(await tx.scalar(text("SELECT count(*) FROM uploads WHERE key = :key"), {"key": key}) or 0)
        return await put(key, path)

    monkeypatch.setattr(room.storage, "put", watched)
    await deliver_all(room)
    assert known
    assert set(known) == {1}
    assert (await one(room.db, "SELECT count(*) AS n FROM uploads"))["n"] == 0
    kept = {row["key"] for row in [await one(room.db, "SELECT min(key) AS key FROM artefacts")]}
    async with room.db.begin() as tx:
        run = await tx.scalar(text("SELECT id FROM stage_runs LIMIT 1"))
        await Uploads(session=tx).begin([*kept, "a/orphan.png"], run, 99)
        await tx.execute(text("UPDATE uploads SET at = now() - interval '2 h'"))
    orphan = tmp_path / "artefacts" / "a" / "orphan.png"
    orphan.parent.mkdir()
    orphan.write_bytes(b"x")
    assert (await recovery.tidy(db=room.db, storage=room.storage)).files == 1
    assert not orphan.exists()
    assert (tmp_path / "artefacts" / kept.pop()).exists()


async def test_a_row_that_cannot_be_handled_hides_none_behind_it(
    room: Workroom, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweeper that dies of its first row leaves all others to die as well."""
    account = await an_account(room.db)
    for _ in range(2):
        await order(account, room.db, gate)
    await waiting(room.db)
    async with room.db.begin() as tx:
        await tx.execute(text("UPDATE stage_runs SET sent_at = now() - interval '1 h'"))
        first = await tx.scalar(text("SELECT id FROM stage_runs ORDER BY id LIMIT 1"))
    rescue = Runs.rescue

    async def broken(self: Runs, stale: StaleRun, resend_after: timedelta) -> bool:
        if stale.id == first:
            raise ZeroDivisionError
        return await rescue(self, stale, resend_after)

    monkeypatch.setattr(Runs, "rescue", broken)
    assert (await recovery.sweep(db=room.db, gate=room.gate)).rescued == 1
    assert len(await waiting(room.db)) == 1


async def test_a_call_whose_reply_never_came_is_settled_as_unknown(generation: GenerationId, room: Workroom) -> None:
    async with room.db.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO provider_calls (id, account_id, generation_id, run_id, fence, call_no, provider, model,"
                " craft, request_hash, began_at) SELECT gen_random_uuid(), g.account_id, g.id, r.id, 1, n, 'p', 'm',"
                " 'text', 'h', now() - n * interval '61 min' FROM generations g JOIN stage_runs r"
                " ON r.generation_id = g.id CROSS JOIN generate_series(0, 1) AS n"
            )
        )
    assert (await recovery.tidy(db=room.db, storage=room.storage)).calls == 1
    states = await one(room.db, "SELECT string_agg(state, ',' ORDER BY call_no) AS states FROM provider_calls")
    assert states["states"] == "intended,unknown"

    async with room.db.begin() as tx:
        await tx.execute(text("UPDATE provider_calls SET began_at = now() - (89 + 2 * call_no) * interval '1 day'"))
    await recovery.tidy(db=room.db, storage=room.storage)
    left = await one(room.db, "SELECT string_agg(call_no::text, ',') AS calls FROM provider_calls")
    assert left["calls"] == "0", "the bill of 91 days ago is paid"


async def test_a_sweep_comes_right_behind_a_lease_that_ends(generation: GenerationId, room: Workroom) -> None:
    """Else a dead worker's run would wait for its lease's end, and then for the next sweep's turn too."""
    (message,) = await waiting(room.db)
    async with room.db.begin() as tx:
        assert await Worked(session=tx).claim(message.run_id, lease=timedelta(seconds=1))
    hours = timedelta(hours=1)
    sweeping = asyncio.create_task(
        recovery.keep_sweeping(db=room.db, gate=room.gate, storage=room.storage, every=hours, resend_after=hours)
    )

    async def queued_anew() -> bool:
        row = await one(room.db, "SELECT state, lease_until IS NULL AS free FROM stage_runs")
        return row["state"] == "queued" and row["free"]

    await wait_until(queued_anew)
    await tasks.end(sweeping)
    assert await one(room.db, "SELECT generation_id FROM stage_runs WHERE fence = 2") == {"generation_id": generation}

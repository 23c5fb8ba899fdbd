"""What died of our own failure is kept once, told to operators, and set going again once, without a unit."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.accounts import Account
from reelwright.admission import NotAdmitted
from reelwright.billing import Plan
from reelwright.generations import DeadLetters, Drafts, GenerationKind, Part, Stage, Unit
from reelwright.ground import clock, telemetry
from reelwright.ground.errors import NotFound, Outage
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import dead_letters, resumption
from reelwright.journeys.dead_letters import CursorUnknown, EntryKind, Operator, RedrivenAlready, Refused
from reelwright.journeys.resumption import ResumedAlready, Wish
from reelwright.journeys.workroom import Workroom
from tests.builders import a_generation, an_account
from tests.journeys.conftest import Studio, deliver_all, one, order
from tests.journeys.test_creation import cutting
from tests.journeys.test_resumption import METERED, TERMS, UNITS, fail, rows_of, units_of

SPEECH = Unit(stage=Stage.TTS_GENERATION, scene=1)
ADMIN = Operator(account=AccountId(uuid4()), request_id="request-9")


@dataclass(frozen=True)
class Dead:
    """A reel that died with its letter."""

    generation: GenerationId
    letter: str


Die = Callable[..., Awaitable[Dead]]


async def buried(db: Database, generation: GenerationId, unit: Unit = SPEECH, code: str = "provider.away") -> str:
    async with db.begin() as tx:
        letters = DeadLetters(session=tx)
        run = unit.run_id(generation)
        await letters.add(generation_id=generation, run_id=run, unit=unit, reason="exhausted", code=code, attempts=5)
        (letter,) = [one for one in await letters.list(100, open_only=False) if one.generation_id == generation]
    return str(letter.id)


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db, Plan.BASIC)


@pytest.fixture
def die(room: Workroom, studio: Studio, account: Account) -> Die:
    async def dying(unit: Unit = SPEECH, **ordered: Any) -> Dead:
        generation = await fail(room, studio, account, unit, **ordered)
        return Dead(generation, await buried(room.db, generation, unit))

    return dying


async def redriven(dead: Dead, db: Database, *, key: str = "k", by: Operator = ADMIN) -> dead_letters.Redriven:
    return await dead_letters.redrive(dead.letter, key=key, by=by, db=db, terms=TERMS)


async def used(room: Workroom, account: Account) -> tuple[int, int]:
    """Units of the month and the hour, as Redis counts them."""
    rows = {row.policy.value: row.used for row in (await room.gate.peek(account.id, now=clock.now())).standings}
    return rows["generations_month"], rows["generations_hour"]


async def test_a_generation_dies_once_and_is_counted_once(db: Database) -> None:
    generation = await a_generation(db)
    before = telemetry.DEAD_LETTERS.labels("provider.away")._value.get()
    async with db.begin() as tx:
        letters = DeadLetters(session=tx)
        facts: dict[str, Any] = {"generation_id": generation, "reason": "exhausted", "code": "provider.away"}
        assert await letters.add(**facts, unit=SPEECH, run_id=SPEECH.run_id(generation), attempts=5)
        assert not await letters.add(**facts, attempts=1)
        (letter,) = await letters.list(10)
        assert await letters.get(letter.id) == letter
    assert (letter.stage, letter.scene, letter.attempts, letter.open) == (Stage.TTS_GENERATION, 1, 5, True)
    assert telemetry.DEAD_LETTERS.labels("provider.away")._value.get() == before + 1


async def test_pages_hold_generations_newest_first_and_then_messages(db: Database) -> None:
    owner = await an_account(db)
    letters = [await buried(db, await a_generation(db, account=owner), code=f"code.{n}") for n in range(3)]
    message = await parked(db)

    seen: list[str] = []
    cursor: str | None = None
    for _ in range(4):
        page = await dead_letters.page(1, after=cursor, db=db)
        seen += [entry.id for entry in page.entries]
        cursor = page.next_cursor
    assert seen == [*reversed(letters), message]
    assert cursor is None

    whole = await dead_letters.page(4, db=db)
    assert ([entry.id for entry in whole.entries], whole.next_cursor) == (seen, None)
    assert [entry.kind for entry in whole.entries] == [EntryKind.GENERATION] * 3 + [EntryKind.MESSAGE]
    oldest_first = [entry.id for entry in await dead_letters.every(code=None, db=db)]
    assert oldest_first == [*letters, message]
    assert [entry.id for entry in await dead_letters.every(code="code.1", db=db)] == [letters[1]]
    with pytest.raises(CursorUnknown):
        await dead_letters.page(1, after="behind", db=db)


async def test_it_is_shown_with_its_runs_and_what_to_do(die: Die, db: Database) -> None:
    dead = await die()
    case = await dead_letters.show(dead.letter, db=db)
    assert (case.generation.id, case.generation.state) == (dead.generation, "failed")
    assert (case.dead_letter.stage, case.dead_letter.scene) == (Stage.TTS_GENERATION, 1)
    (run,) = [run for run in case.runs if run.unit == SPEECH]
    assert (run.state, run.error_code) == ("failed", "stage.refused")
    assert "redrive" in case.next_step
    for unknown in (str(uuid4()), "12", "nonsense", "9" * 40, "-1"):
        with pytest.raises(NotFound):
            await dead_letters.show(unknown, db=db)


async def test_a_redrive_goes_on_where_it_died_and_takes_no_unit(
    die: Die, room: Workroom, studio: Studio, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    """E.g. with all places of a Basic account taken: only its credits are asked for."""
    dead = await die()
    done = units_of(await rows_of(room.db, dead.generation))
    await order(account, room.db, room.gate)
    with pytest.raises(NotAdmitted):
        await order(account, room.db, room.gate)
    before = await used(room, account)
    studio.calls.clear()

    with caplog.at_level("INFO", logger="journeys.dead_letters"):
        told = await redriven(dead, room.db)

    assert await used(room, account) == before
    reel = await one(room.db, "SELECT * FROM generations WHERE resumes IS NOT NULL")
    assert (reel["id"], reel["resumes"], reel["request_id"]) == (told.generation_id, dead.generation, "request-9")
    assert (reel["generation_units"], reel["full_units"], reel["units_returned_at"]) == (0, 0, None)
    old = await one(room.db, "SELECT admitted_at, plan FROM generations WHERE state = 'failed'")
    assert (reel["admitted_at"], reel["plan"]) == (old["admitted_at"], old["plan"])
    letter = (await dead_letters.show(dead.letter, db=room.db)).dead_letter
    assert (letter.open, letter.redriven_by, letter.successor) == (False, ADMIN.account, told.generation_id)
    lines: list[Any] = [record.msg for record in caplog.records]
    assert [line["by"] for line in lines if line["event"] == "dead_letter.redriven"] == [str(ADMIN.account)]

    await deliver_all(room)
    rows = await rows_of(room.db, told.generation_id)
    assert rows["generations"][0]["state"] == "succeeded"
    assert studio.calls == dict.fromkeys(done, 1) | dict.fromkeys(UNITS - done, 2)  # the other reel did all of them
    assert (len(rows["usage_ledger"]), rows["credit_holds"][0]["state"]) == (METERED, "captured")
    assert await used(room, account) == before
    async with room.db.begin() as tx:
        assert await ledger.mismatches(tx) == []


async def test_two_operators_at_once_start_one(die: Die, db: Database) -> None:
    dead = await die()
    people = [Operator(account=AccountId(uuid4())) for _ in range(4)]
    told = await asyncio.gather(*(redriven(dead, db, by=by) for by in people), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in told) == ["Redriven", *["RedrivenAlready"] * 3]
    assert (await one(db, "SELECT count(*) AS n FROM generations WHERE resumes IS NOT NULL"))["n"] == 1
    assert (await one(db, "SELECT count(*) AS n FROM credit_holds WHERE state = 'pending'"))["n"] == 1


async def test_a_repeat_is_told_the_same_and_another_key_is_refused(die: Die, db: Database) -> None:
    dead = await die()
    first = await redriven(dead, db)
    again = await redriven(dead, db)
    assert (again.generation_id, first.repeated, again.repeated) == (first.generation_id, False, True)
    with pytest.raises(RedrivenAlready) as refusal:
        await redriven(dead, db, key="other")
    assert refusal.value.extra == {"generation_id": str(first.generation_id)}
    shown = [entry.id for entry in (await dead_letters.page(10, open_only=False, db=db)).entries]
    assert (await dead_letters.page(10, db=db)).entries == []
    assert shown == [dead.letter]


async def test_an_owner_who_went_on_has_answered_the_letter(die: Die, room: Workroom, account: Account) -> None:
    dead = await die()
    wish = Wish(generation=dead.generation, key="mine")
    now = clock.now()
    await resumption.resume(wish, account=account, db=room.db, gate=room.gate, terms=TERMS, now=now)
    letter = (await dead_letters.show(dead.letter, db=room.db)).dead_letter
    assert (letter.open, letter.redriven_by) == (False, account.id)
    with pytest.raises(RedrivenAlready):
        await redriven(dead, room.db)


async def test_what_was_redriven_is_not_resumed_too(die: Die, room: Workroom, account: Account) -> None:
    dead = await die()
    await redriven(dead, room.db)
    wish = Wish(generation=dead.generation, key="mine")
    with pytest.raises(ResumedAlready):
        await resumption.resume(wish, account=account, db=room.db, gate=room.gate, terms=TERMS, now=clock.now())


async def test_without_credits_it_stays_dead_and_open(die: Die, db: Database) -> None:
    dead = await die()
    async with db.begin() as tx:
        await tx.execute(text("UPDATE credit_balances SET available_micro = 0"))
    with pytest.raises(ledger.CreditsInsufficient):
        await redriven(dead, db)
    assert (await dead_letters.show(dead.letter, db=db)).dead_letter.open
    assert (await one(db, "SELECT count(*) AS n FROM generations"))["n"] == 1


@pytest.mark.parametrize("committed", [True, False])
async def test_a_commit_that_nobody_answered_is_decided_by_the_rows(
    *, committed: bool, die: Die, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = await die()
    cutting(db, monkeypatch, committed=committed)
    if committed:
        assert not (await redriven(dead, db)).repeated
    else:
        with pytest.raises(Outage):
            await redriven(dead, db)
        assert not (await redriven(dead, db)).repeated
    assert (await one(db, "SELECT count(*) AS n FROM generations WHERE resumes IS NOT NULL"))["n"] == 1


async def test_a_redriven_regeneration_cools_nothing(die: Die, room: Workroom, account: Account, redis: Any) -> None:
    """Its row belongs to the admission of then, also where cooldowns are rebuilt from the rows."""
    first = await order(account, room.db, room.gate, kind=GenerationKind.SCRIPT)
    await deliver_all(room)
    hook: dict[str, Any] = {"kind": GenerationKind.REGENERATE_TARGETED, "draft": first.draft_id, "part": Part.HOOK}
    dead = await die(Unit(stage=Stage.STORY_WRITING), **hook, now=clock.now())
    async with room.db.begin() as tx:
        earlier = "UPDATE generations SET admitted_at = admitted_at - interval '1 minute' WHERE part IS NOT NULL"
        await tx.execute(text(earlier))
    await redis.flushdb()

    await redriven(dead, room.db)
    await deliver_all(room)

    again = await order(account, room.db, room.gate, **hook)
    assert again.admitted is not None


async def parked(db: Database) -> str:
    """Return the number of a message that the queue would not take."""
    generation = await a_generation(db)
    run = Unit(stage=Stage.INGESTION).run_id(generation)
    async with db.begin() as tx:
        park = (
            "INSERT INTO outbox (generation_id, run_id, body, attempts, parked_at, parked_reason)"
            " VALUES (:generation, :run, '', 5, clock_timestamp(), 'status: 400') RETURNING id"
        )
        return str(await tx.scalar(text(park), {"generation": generation, "run": run}))


async def test_a_parked_message_is_sent_anew(db: Database) -> None:
    message = await parked(db)
    case = await dead_letters.show(message, db=db)
    assert (case.dead_letter.kind, case.dead_letter.code) == (EntryKind.MESSAGE, dead_letters.PARKED)

    told = await dead_letters.redrive(message, key="k", by=ADMIN, db=db, terms=TERMS)

    assert told.generation_id == case.generation.id
    row = await one(db, "SELECT parked_at, attempts, published_at FROM outbox")
    assert dict(row) == {"parked_at": None, "attempts": 0, "published_at": None}
    with pytest.raises(NotFound):
        await dead_letters.show(message, db=db)


async def test_many_are_redriven_at_a_pace_and_each_is_told(
    die: Die, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = [await die() for _ in range(3)]
    async with db.begin() as tx:
        draft = (await Drafts(session=tx).of_generation(second.generation)).id
        await tx.execute(text("UPDATE drafts SET updated_at = clock_timestamp() WHERE id = :id"), {"id": draft})
    waits: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    told = [
        result async for result in dead_letters.redrive_all(code="provider.away", by=Operator(), db=db, terms=TERMS)
    ]

    assert [result.entry for result in told] == [first.letter, second.letter, third.letter]
    assert [result.why.code if isinstance(result, Refused) else "" for result in told] == [
        "",
        "generation.outdated",
        "",
    ]
    assert [seconds for seconds in waits if seconds == 1.0] == [1.0, 1.0]  # what lives beside us sleeps shorter
    assert [entry.id for entry in await dead_letters.every(code=None, db=db)] == [second.letter]

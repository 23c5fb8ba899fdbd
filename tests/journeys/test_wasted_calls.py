"""What an attempt cost us is in the usage ledger however the attempt ended, once, and nobody is charged for it."""

import asyncio
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import text

from reelwright import ledger, providers
from reelwright.billing import Plan
from reelwright.generations import Assignment, Made, Stage
from reelwright.ground import storage
from reelwright.ground.errors import Outage
from reelwright.ground.ids import GenerationId
from reelwright.ground.metering import Action, Use
from reelwright.journeys import production
from reelwright.journeys.workroom import Workroom
from reelwright.providers import ProviderAway, ProviderRefused
from tests.builders import an_account
from tests.journeys.conftest import Studio, deliver_all, order, waiting

PAID = Use(action=Action.STORY, provider="openai", model="m", quantity=1, prompt_tokens=9, cost_nano_usd=7_000)


@pytest.fixture
async def generation(room: Workroom) -> GenerationId:
    account = await an_account(room.db, Plan.PRO)
    return (await order(account, room.db, room.gate)).generation_id


async def rows(room: Workroom, outcome: str, *, of: Stage = Stage.STORY_WRITING) -> list[tuple[int, int]]:
    """The cost and the credits of a stage's calls that ended so."""
    asked = text(
        "SELECT cost_nano_usd, credits_micro FROM usage_ledger WHERE outcome = :outcome AND stage = :stage ORDER BY id"
    )
    async with room.db.begin() as tx:
        return [tuple(row) for row in await tx.execute(asked, {"outcome": outcome, "stage": of.value})]


def away() -> ProviderAway:
    error = ProviderAway("No.")
    error.uses = (PAID, PAID)
    return error


async def captured(room: Workroom, generation: GenerationId) -> tuple[int, int]:
    """What was charged, and what the calls that count are priced at."""
    async with room.db.begin() as tx:
        assert await ledger.verify(tx) == ()
        return await ledger.charged(tx, generation=generation), await ledger.metered(tx, generation=generation)


async def test_c36_three_tries_of_which_two_fail_are_paid_by_us_and_charged_once(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.STORY_WRITING and studio.calls[task.unit] < 3:
            raise away()
        return None

    studio.behave = behave
    await deliver_all(room)
    assert await rows(room, "failed") == [(7_000, 0)] * 4
    assert len(await rows(room, "succeeded")) == 1
    charged, metered = await captured(room, generation)
    assert charged == metered > 0
    assert (await ledger.roll_up(room.db)).done
    async with room.db.begin() as tx:
        lines = await ledger.report(tx, ledger.Grouping.USER, first=date.min, last=date.max)
    assert [(line.failed_calls, line.cost_nano_usd, line.credits_micro) for line in lines] == [(4, 28_000, charged)]


@pytest.mark.parametrize("last", ["refused", "untranslated", "exhausted"])
async def test_what_a_generation_cost_that_failed_is_known(
    generation: GenerationId, room: Workroom, studio: Studio, last: str
) -> None:
    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.STORY_WRITING:
            if last == "exhausted":
                raise away()
            refused = ProviderRefused("Never.", code="source.language")
            refused.uses, refused.ours = (PAID,), last == "untranslated"
            raise refused
        return None

    studio.behave = behave
    await deliver_all(room)
    assert await rows(room, "failed") == [(7_000, 0)] * (6 if last == "exhausted" else 1)
    assert (await captured(room, generation))[0] == 0


async def test_a_paid_call_whose_file_could_not_be_stored_is_known(
    generation: GenerationId, room: Workroom, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True

    async def put(*_: object) -> object:
        nonlocal full
        if full:
            full = False
            raise Outage("The store is full.", code="storage.unavailable")
        return await kept(*_)

    kept = room.storage.put
    monkeypatch.setattr(storage.Storage, "put", lambda _self, *given: put(*given))
    await deliver_all(room)
    assert not full
    assert len(await rows(room, "failed", of=Stage.VISUAL_GENERATION)) == 1
    assert len(await rows(room, "succeeded", of=Stage.VISUAL_GENERATION)) == 2


async def test_a_call_that_was_cut_off_behind_a_paid_one_leaves_the_paid_one_in_the_book(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    """A worker that leaves cuts its stage in the middle of a repair: the first answer has been paid for."""

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.STORY_WRITING:
            with providers.charged(PAID):
                room.leaving.set()
                await asyncio.Event().wait()
        return None

    studio.behave = behave
    ingestion = (await waiting(room.db))[0]
    await production.perform(ingestion, room=room)
    await production.perform((await waiting(room.db))[0], room=room)
    assert await rows(room, "failed") == [(7_000, 0)]


async def test_a_demos_failures_are_not_tracked(room: Workroom, studio: Studio) -> None:
    account = await an_account(room.db, Plan.PRO)
    async with room.db.begin() as tx:
        await tx.execute(text("UPDATE users SET demo = true"))
        demo = text("SELECT id FROM users WHERE id = :id AND demo")
        assert await tx.scalar(demo, {"id": account.id})

    async def behave(task: Assignment) -> Made | None:
        if studio.calls[task.unit] == 1:
            raise away()
        return None

    studio.behave = behave
    started = await order(replace(account, demo=True), room.db, room.gate)
    await deliver_all(room)
    assert await captured(room, started.generation_id) == (0, 0)
    assert await rows(room, "failed") == await rows(room, "succeeded") == []

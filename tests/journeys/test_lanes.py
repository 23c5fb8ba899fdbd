"""A worker's runs in their generations' lanes: what they take, when they come back, and what a 429 does to them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from reelwright import providers
from reelwright.accounts import Account
from reelwright.admission import Gate, Place
from reelwright.generations import Assignment, Made, Stage
from reelwright.ground.errors import Outage
from reelwright.ground.ids import GenerationId
from reelwright.journeys import production
from reelwright.journeys.workroom import Workroom, place_of
from reelwright.providers import MODELS, RATE_LIMITED, Lane, ProviderAway
from tests.builders import an_account
from tests.journeys.conftest import Studio, deliver_all, due_now, one, order, waiting

HOUR = timedelta(hours=1)
WRITING = place_of("openai", "gpt-4.1", Lane.INTERACTIVE)
WRITING_LATER = place_of("openai", "gpt-4.1", Lane.BATCH)


@pytest.fixture
async def account(db: Any) -> Account:
    return await an_account(db)


@pytest.fixture
def lanes(room: Workroom) -> Workroom:
    """The worker's room with a listed model behind the stories, so that both lanes have their real numbers."""
    return replace(room, places={**room.places, Stage.STORY_WRITING: WRITING})


@pytest.fixture
async def generation(account: Account, lanes: Workroom) -> GenerationId:
    """A generation whose article is in, and whose story is due."""
    started = await order(account, lanes.db, lanes.gate)
    for message in await waiting(lanes.db):
        await production.perform(message, room=lanes)
    return started.generation_id


async def perform(room: Workroom) -> dict[str, Any]:
    """Deliver what is promised once, whatever its delay, and return how the story's run stands then."""
    await due_now(room.db)
    for message in await waiting(room.db):
        await production.perform(message, room=room)
    return await one(
        room.db,
        "SELECT state, attempt, extract(epoch FROM next_attempt_at - clock_timestamp())::float AS away"
        " FROM stage_runs WHERE stage = 'STORY_WRITING'",
    )


async def fill(gate: Gate, place: Place, account: Account) -> list[str]:
    """Take every place that this account can get in a lane."""
    holders = [f"other {n}" for n in range(place.cap)]
    return [
        holder for holder in holders if (await gate.places.take(place, holder, account=account.id, ttl=HOUR)).granted
    ]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.provider}-{model.name}")
def test_each_lane_of_a_model_keeps_its_floor(model: Any) -> None:
    people, batch = (place_of(model.provider, model.name, lane) for lane in Lane)

    assert people.capacity == batch.capacity == model.lanes[Lane.INTERACTIVE] + model.lanes[Lane.BATCH]
    assert (people.rival, batch.rival) == ("batch", "interactive")
    assert (people.rival_floor, batch.rival_floor) == (1, model.lanes[Lane.INTERACTIVE])
    assert people.cap + people.rival_floor == people.capacity
    assert batch.cap + batch.rival_floor == batch.capacity


@pytest.mark.parametrize(("lane", "place"), [("interactive", WRITING), ("batch", WRITING_LATER)])
async def test_a_run_takes_its_place_in_its_generations_lane(
    generation: GenerationId, lanes: Workroom, studio: Studio, redis: Any, lane: str, place: Place
) -> None:
    """E70: one lane full is nothing to the other."""
    async with lanes.db.begin() as tx:
        await tx.execute(text("UPDATE generations SET lane = :lane"), {"lane": lane})
    stranger = await an_account(lanes.db)
    full = WRITING if place is WRITING_LATER else WRITING_LATER
    assert await fill(lanes.gate, full, stranger)
    held: list[int] = []

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is Stage.STORY_WRITING:
            held.append(await redis.zcard(f"app:conc:provider:openai:gpt-4.1:{lane}"))
        return None

    studio.behave = behave
    assert (await perform(lanes))["state"] == "succeeded"
    assert held == [1]
    assert await redis.zcard(f"app:conc:provider:openai:gpt-4.1:{lane}") == 0


async def test_a_run_without_a_place_comes_back_when_the_line_says(generation: GenerationId, lanes: Workroom) -> None:
    """Uncounted, jittered up to twice the wait; at the head of the line that is half a second."""
    stranger = await an_account(lanes.db)
    holders = await fill(lanes.gate, WRITING, stranger)

    run = await perform(lanes)

    assert (run["state"], run["attempt"]) == ("queued", 0)
    assert 0.2 < run["away"] <= 1.0
    for holder in holders:
        await lanes.gate.places.give_back(WRITING, holder)
    await deliver_all(lanes)
    assert (await one(lanes.db, "SELECT state FROM generations"))["state"] == "succeeded"


async def test_e72_a_429_narrows_the_lane_that_it_came_from(
    generation: GenerationId, lanes: Workroom, studio: Studio
) -> None:
    """E72: the run waits as the provider asks, and so does everybody else's in this lane."""

    async def behave(task: Assignment) -> Made | None:
        if studio.calls[task.unit] == 1:
            raise ProviderAway("The provider is busy.", code=RATE_LIMITED, wait=timedelta(seconds=30))
        return None

    studio.behave = behave
    run = await perform(lanes)
    assert (run["state"], run["attempt"]) == ("queued", 0), "a provider's 429 is no failure of ours: it is waited for"
    assert run["away"] > 25
    stranger = await an_account(lanes.db)
    assert await fill(lanes.gate, WRITING, stranger) == []
    assert len(await fill(lanes.gate, WRITING_LATER, stranger)) == WRITING_LATER.cap
    assert await lanes.gate.places.slow_down(WRITING, wait=timedelta(seconds=1)) == WRITING.cap // 2


async def test_e72_another_failure_leaves_the_lane_as_it_was(
    generation: GenerationId, lanes: Workroom, studio: Studio
) -> None:
    """A provider that answers nonsense to one prompt is not one that has too many calls from us."""

    async def behave(task: Assignment) -> Made | None:
        raise (ProviderAway("Nonsense.") if studio.calls[task.unit] == 1 else Outage("Away."))

    studio.behave = behave
    for _ in range(2):
        await perform(lanes)
    assert len(await fill(lanes.gate, WRITING, await an_account(lanes.db))) == WRITING.cap


async def test_a_run_whose_model_is_switched_off_waits_uncounted_and_goes_on_when_it_is_on(
    generation: GenerationId, lanes: Workroom, studio: Studio
) -> None:
    async def switched(*, on: bool) -> None:
        async with lanes.db.begin() as tx:
            assert await providers.switch(tx, WRITING.provider, WRITING.model, on=on)
        providers.forget_switches(lanes.db)

    await switched(on=False)
    run = await perform(lanes)
    assert (run["state"], run["attempt"]) == ("queued", 0)
    assert 25 < run["away"] <= 60

    await switched(on=True)
    assert (await perform(lanes))["state"] == "succeeded"

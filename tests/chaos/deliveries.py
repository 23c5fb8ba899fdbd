"""Cases F20 to F24: the queue repeats, forgets, reorders and mishears; the rows decide."""

import asyncio

import msgspec

from reelwright import outbox
from reelwright.generations import Stage, Unit
from reelwright.ground.ids import GenerationId
from reelwright.journeys import creation
from tests.chaos.cases import SEED, makes
from tests.chaos.fleet import PATIENCE_S, Fleet
from tests.chaos.kills import succeeded
from tests.chaos.stages import repeated
from tests.waiting import wait_until

_BODY = "SELECT body FROM outbox WHERE generation_id = :id AND published_at IS NOT NULL ORDER BY id DESC LIMIT 1"
_STARTED = "SELECT count(*) FROM generation_events WHERE generation_id = :id AND kind = 'stage_started'"
_RUNS = "SELECT count(*) FROM stage_runs WHERE generation_id = :id"
_HARMLESS = {200, 204}
_COMES_BACK = {503}


async def once_each(on: Fleet, generation: GenerationId) -> None:
    """It has succeeded, and every unit was worked on once."""
    await succeeded(on, generation)
    assert not repeated(on.calls(generation))
    assert await on.one(_STARTED, id=generation) == await on.one(_RUNS, id=generation)


async def published(on: Fleet, generation: GenerationId) -> bytes:
    """Return the newest message that the queue has accepted for a generation."""

    async def there() -> bool:
        return await on.one(_BODY, id=generation) is not None

    await wait_until(there, timeout=PATIENCE_S)
    return await on.one(_BODY, id=generation)


@makes("F20", quick=True)
async def each_five_times(on: Fleet) -> None:
    await on.misdeliver(duplicate=4, delay_ms=200, seed=SEED)
    await once_each(on, await on.order(duration_s=20))


@makes("F21", quick=True)
async def five_times_at_once(on: Fleet) -> None:
    """Of ten deliveries at one moment one starts the run, and the others are no error."""
    await on.misdeliver(stopped=True)
    generation = await on.order()
    body = await published(on, generation)
    for worker in on.workers:
        await worker.arm("stage.INGESTION.after_claim=sleep:300@always")
    answers = await asyncio.gather(*(on.deliver(body, to=turn % 2) for turn in range(10)))
    assert {answer.status_code for answer in answers} <= _HARMLESS | _COMES_BACK
    assert len(on.calls(generation)) == await on.one(_STARTED, id=generation) == 1
    await on.misdeliver()
    await once_each(on, generation)


@makes("F22", quick=True)
async def out_of_order(on: Fleet) -> None:
    """A message for a run that isn't planned yet, or is long over, changes nothing and is no error."""
    await on.misdeliver(stopped=True)
    generation = await on.order(duration_s=20)
    first = await published(on, generation)
    early = [
        Unit(stage=Stage.AUDIO_MIXING),
        Unit(stage=Stage.TTS_GENERATION, scene=1),
        Unit(stage=Stage.INGESTION, round=2),
    ]
    for unit in early:
        answer = await on.deliver(outbox.encoded(creation.due(generation, unit, request_id=None)))
        assert answer.status_code in _HARMLESS
    assert on.calls(generation) == []
    await on.misdeliver(reorder=0.5, delay_ms=300, seed=SEED)
    await once_each(on, generation)
    assert (await on.deliver(first)).status_code in _HARMLESS
    changed = msgspec.json.decode(first) | {"stage": "VIDEO_ASSEMBLY"}  # the row decides, not the words beside it
    assert (await on.deliver(msgspec.json.encode(changed))).status_code in _HARMLESS
    await once_each(on, generation)


@makes("F23", quick=True)
async def accepted_and_lost(on: Fleet) -> None:
    """The sweeper sends again what nobody heard of; each time later, and only what has no message waiting."""
    await on.misdeliver(drop=1.0)
    generation = await on.order()
    await published(on, generation)
    await on.misdeliver(drop=0.3, seed=SEED)
    await once_each(on, generation)


@makes("F24", quick=True)
async def answer_lost(on: Fleet) -> None:
    """What is delivered again for want of an answer finds its run finished."""
    await on.misdeliver(lose_reply=0.5, seed=SEED)
    await once_each(on, await on.order())

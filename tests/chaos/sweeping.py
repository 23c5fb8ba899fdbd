"""Cases F25 to F30: workers that only seem dead, sweepers that meet, sweepers that die, and a stage that kills."""

import signal

from sqlalchemy import text

from tests.chaos.cases import makes
from tests.chaos.deliveries import once_each, published
from tests.chaos.fleet import PATIENCE_S, Fleet
from tests.chaos.kills import succeeded
from tests.chaos.stages import repeated
from tests.waiting import wait_until

_FENCE = "SELECT fence FROM stage_runs WHERE generation_id = :id AND stage = 'TTS_GENERATION'"
_STATE_OF = "SELECT state FROM stage_runs WHERE generation_id = :id AND stage = 'TTS_GENERATION'"
_HELD = text("SELECT FROM generations WHERE id = :id FOR UPDATE")
_WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'reelwright-worker'
"""
_SENT = "SELECT count(*) FROM outbox WHERE generation_id = :id"
_END = "SELECT state, failure_code FROM generations WHERE id = :id"
_KEPT = "SELECT coalesce(sum(captured_micro), 0) FROM credit_holds WHERE generation_id = :id"
_LETTERS = "SELECT count(*) FROM dead_letters WHERE generation_id = :id"


async def _taken_over(on: Fleet, generation: object) -> None:
    async def newer() -> bool:
        return (await on.one(_FENCE, id=generation) or 0) > 1

    await wait_until(newer, timeout=PATIENCE_S, message="nobody took the run over")


@makes("F25")
async def frozen(on: Fleet) -> None:
    """Who wakes up after its lease finds another at its work, and writes nothing."""
    generation = await on.order()
    sleeper = await on.strike("stage.TTS_GENERATION.after_provider=sleep:400@1")
    sleeper.send(signal.SIGSTOP)
    (other,) = (worker for worker in on.workers if worker is not sleeper)
    await other.arm("stage.TTS_GENERATION.after_provider=hang@1")
    await wait_until(other.reached, timeout=PATIENCE_S, message="nobody took the run over")
    sleeper.send(signal.SIGCONT)
    await wait_until(lambda: sleeper.said("stage.lost"), timeout=PATIENCE_S, message="it did not notice")
    assert await on.one(_STATE_OF, id=generation) == "running"
    other.send(signal.SIGKILL)  # it would hang for ever; the sleeper, awake, does it in a third attempt
    await succeeded(on, generation)
    assert sleeper.program.alive
    assert repeated(on.calls(generation))["TTS_GENERATION"] == 2


@makes("F26")
async def blocked(on: Fleet) -> None:
    """A blocked loop sends no heartbeats: the same as a frozen process, though it wakes up by itself."""
    generation = await on.order()
    stalled = await on.strike("stage.TTS_GENERATION.after_provider=block:5000@1")
    await _taken_over(on, generation)
    await succeeded(on, generation)
    await wait_until(lambda: stalled.said("stage.lost"), timeout=PATIENCE_S, message="it did not notice")
    assert repeated(on.calls(generation)) == {"TTS_GENERATION": 1}


@makes("F27", quick=True)
async def two_sweepers(on: Fleet) -> None:
    """Both have read that the run is silent, and both wait to send it again; one of them does."""
    await on.misdeliver(drop=1.0)
    generation = await on.order()
    await published(on, generation)
    for worker in on.workers:
        await worker.arm("sweep.mid_batch=sleep:1@always")  # it comes there once it has handled a row
    async with on.db.begin() as tx:
        await tx.execute(_HELD, {"id": generation})

        async def both_wait() -> bool:
            return await on.one(_WAITING) >= len(on.workers)

        await wait_until(both_wait, timeout=PATIENCE_S, message="the sweepers never met")
        before = await on.one(_SENT, id=generation)
        for worker in on.workers:
            worker.listen()
    for worker in on.workers:
        await wait_until(lambda w=worker: w.reached("sweep.mid_batch"), timeout=PATIENCE_S, message="it handled no row")
    assert await on.one(_SENT, id=generation) == before + 1
    await on.misdeliver()
    await once_each(on, generation)


@makes("F28")
async def database_restarts_in_a_sweep(on: Fleet) -> None:
    """The loop survives what it could not finish, and the next sweep does it."""
    await on.misdeliver(drop=1.0)
    generations = [await on.order() for _ in range(3)]
    for generation in generations:
        await published(on, generation)
    await on.strike("sweep.mid_batch=sleep:1500@1")
    await on.restart_postgres()
    await on.misdeliver()
    for generation in generations:
        await once_each(on, generation)


@makes("F29")
async def sweeper_dies_in_a_sweep(on: Fleet) -> None:
    """What it had begun is whole, what it had not begun is the next one's."""
    await on.misdeliver(drop=1.0)
    generations = [await on.order() for _ in range(3)]
    for generation in generations:
        await published(on, generation)
    victim = await on.strike("sweep.mid_batch=kill9@1")
    await wait_until(lambda: not victim.program.alive, timeout=PATIENCE_S)
    await on.misdeliver()
    for generation in generations:
        await once_each(on, generation)


@makes("F30")
async def poison(on: Fleet) -> None:
    """After its last attempt it is over, told of, and free of charge; others go on meanwhile."""
    async with on.keeping_alive():
        bad = await on.order(topic="poison SCENE_GENERATION")
        good = await on.order()
        await on.ended(bad, good, within_s=2 * PATIENCE_S)
    (end,) = await on.rows(_END, id=bad)
    assert (end.state, end.failure_code) == ("failed", "stage.exhausted")
    assert await on.one(_KEPT, id=bad) == 0
    assert await on.one(_LETTERS, id=bad) == 1
    await succeeded(on, good)

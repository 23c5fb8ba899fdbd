"""Duels that only one guard decides: each is lost as soon as the guard it names is taken out (mutations.py does).

python -m tests.chaos.rivals late-winner hasty-sweep    plays them on a fleet; 1 where a promise was broken
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy import text

from reelwright import outbox
from reelwright.generations import Stage, Unit
from reelwright.ground.ids import GenerationId
from reelwright.journeys import creation
from tests.builders import Worked
from tests.chaos.deliveries import published
from tests.chaos.fleet import PATIENCE_S, Fleet, Member, sailing
from tests.chaos.kills import succeeded
from tests.chaos.nursery import nursing
from tests.waiting import wait_until

_STAGE = "VISUAL_VERIFICATION"
_RUN = "SELECT state, fence FROM stage_runs WHERE generation_id = :id AND stage = 'VISUAL_VERIFICATION'"
_TRIED = "SELECT bool_or(attempts > 1 OR published_at IS NOT NULL) FROM outbox WHERE generation_id = :id"
_MARKED = "SELECT count(*) FROM outbox WHERE generation_id = :id AND published_at IS NOT NULL"
_HELD = text("SELECT FROM generations WHERE id = :id FOR UPDATE")
_WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'reelwright-worker'
"""


async def _overtaken(on: Fleet, state: str) -> tuple[GenerationId, Member]:
    """Freeze a worker that has done its work; return when another has its run, which is then as far as asked."""
    generation = await on.order()
    frozen = await on.strike(f"stage.{_STAGE}.after_provider=sleep:400@1")
    frozen.send(signal.SIGSTOP)
    other = next(worker for worker in on.workers if worker is not frozen)
    slow = _STAGE if state == "running" else "*"
    await other.arm(f"stage.{slow}.before_provider=sleep:4000@always")

    async def overtaken() -> bool:
        rows = await on.rows(_RUN, id=generation)
        return any(row.state == state and row.fence > 1 for row in rows)

    await wait_until(overtaken, timeout=2 * PATIENCE_S, message="nobody took the run over")
    return generation, frozen


async def _woken(on: Fleet, generation: GenerationId, frozen: Member) -> None:
    frozen.send(signal.SIGCONT)
    heard = ("stage.lost", "stage.completed", "stage.will_retry")
    await wait_until(lambda: any(frozen.said(word, _STAGE) for word in heard), timeout=PATIENCE_S)
    for worker in on.workers:
        await worker.arm("")
    await succeeded(on, generation)


async def late_winner(on: Fleet) -> None:
    """Who wakes up while its successor still works may not win with the work of a fence that is over."""
    await _woken(on, *await _overtaken(on, "running"))


async def second_debit(on: Fleet) -> None:
    """Who wakes up when its successor has finished may not put the same step on the bill again."""
    await _woken(on, *await _overtaken(on, "succeeded"))


async def hasty_sweep(on: Fleet) -> None:
    """A sweep read that a run is silent; before it acts somebody starts the run: no business of the sweep any more.

    We are that somebody: we hold the generation's lock until a sweeper waits for it, and claim the run under it.
    """
    await on.misdeliver(drop=1.0)
    generation = await on.order()
    run = Unit(stage=Stage.INGESTION).run_id(generation)
    await published(on, generation)
    for worker in on.workers:
        await worker.arm("sweep.mid_batch=sleep:1@always")
    async with on.db.begin() as tx:
        await tx.execute(_HELD, {"id": generation})

        async def one_waits() -> bool:
            return await on.one(_WAITING) > 0

        await wait_until(one_waits, timeout=PATIENCE_S, message="no sweeper came")
        claim = await Worked(session=tx).claim(run, lease=timedelta(minutes=1))
        for worker in on.workers:
            worker.listen()
    assert claim is not None
    await wait_until(lambda: any(w.reached("sweep.mid_batch") for w in on.workers), timeout=PATIENCE_S)
    await on.misdeliver()
    async with on.db.begin() as tx:
        ours = await Worked(session=tx).give_back(run, claim.fence, timedelta(0))
        await outbox.enqueue(tx, creation.due(generation, Unit(stage=Stage.INGESTION), request_id=None))
    assert ours, "a run at work was taken from its worker"
    await succeeded(on, generation)


async def settled_late(on: Fleet) -> None:
    """Who dies right behind the last commit has settled the money already."""
    generation = await on.order(kind="script")
    victim = await on.strike("stage.SCENE_GENERATION.after_commit=kill9@1")
    await wait_until(lambda: not victim.program.alive, timeout=PATIENCE_S)
    await victim.revive()
    await succeeded(on, generation)


async def marked_early(on: Fleet) -> None:
    """What the queue hasn't accepted is never called sent."""
    await asyncio.to_thread(on.delivery.stop)
    generation = await on.order()

    async def tried() -> bool:
        return bool(await on.one(_TRIED, id=generation))

    await wait_until(tried, timeout=PATIENCE_S, message="no relay tried")
    marked = await on.one(_MARKED, id=generation)
    await asyncio.to_thread(on.delivery.start)
    await asyncio.to_thread(on.delivery.await_ready)
    assert marked == 0, "marked as sent, and nobody has it"
    await succeeded(on, generation)


RIVALS: dict[str, Callable[[Fleet], Awaitable[None]]] = {
    "late-winner": late_winner,
    "second-debit": second_debit,
    "hasty-sweep": hasty_sweep,
    "settled-late": settled_late,
    "marked-early": marked_early,
}


async def broken(on: Fleet, name: str) -> list[str]:
    """Play one and return every promise that it broke."""
    try:
        await RIVALS[name](on)
        await on.recover()
    except AssertionError as failed:
        return [str(failed).splitlines()[0] or "an assertion", *await on.faults()]
    return await on.faults()


async def _main(names: list[str]) -> int:
    worst = 0
    with nursing() as nursery:
        async with sailing(nursery) as on:
            for name in names or RIVALS:
                found = await broken(on, name)
                print(f"{name}: {' | '.join(found) or 'held'}", flush=True)  # noqa: T201 - its output
                worst |= bool(found)
    return worst


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(sys.argv[1:])))

"""A worker that needs no time: ends generations as succeeded as soon as they are there, by the rooms' own code.

Only those of accounts whose address begins with `ends`: where limits on running work are tested, nothing may end.
    python -m tests.load.finisher DATABASE_URL REDIS_URL
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator

from sqlalchemy import text

from reelwright import ledger, outbox
from reelwright.admission import Gate
from reelwright.generations import Generations, GenerationState
from reelwright.ground import log, notified, postgres, redis
from reelwright.ground.errors import Outage
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from tests.builders import a_gate, started

ENDS, STAYS = "ends", "stays"
_POLL_S = 0.2
_LIVE = text(
    "SELECT g.account_id, g.id, g.hold_micro FROM generations g JOIN users u ON u.id = g.account_id"
    " WHERE g.ended_at IS NULL AND u.email LIKE :whose ORDER BY g.admitted_at"
)
_PUBLISHED = text("DELETE FROM outbox WHERE run_id IN (SELECT id FROM stage_runs WHERE generation_id = :generation)")


async def finish_all(db: Database, gate: Gate, *, whose: str) -> int:
    """End every live generation of these accounts, and return how many there were. Raises Outage."""
    async with db.begin() as tx:
        found = (await tx.execute(_LIVE, {"whose": whose + "%"})).all()
    for row in found:
        await _finish(GenerationId(row.id), row.hold_micro, db=db)
        with contextlib.suppress(Outage):  # as a worker: where Redis is away, the comparison with the rows releases it
            await gate.release(AccountId(row.account_id), GenerationId(row.id))
    return len(found)


async def _finish(generation: GenerationId, micro: int, *, db: Database) -> None:
    """End one, with all that it held taken, and its message as good as published."""
    async with db.begin() as tx:
        generations = Generations(session=tx)
        await started(tx, generation)
        await generations.finish(generation, GenerationState.SUCCEEDED)
        await ledger.capture(tx, generation=generation, micro=micro)
        await tx.execute(_PUBLISHED, {"generation": generation})


@contextlib.asynccontextmanager
async def opened(database_url: str, redis_url: str) -> AsyncGenerator[tuple[Database, Gate]]:
    """Open what a worker has of PostgreSQL and Redis."""
    db = postgres.connect(database_url, name="hammer", pool_size=4)
    gate = a_gate(db, redis.connect(redis_url, timeout_ms=None))  # patient: only a Redis that is away is away
    try:
        yield db, gate
    finally:
        await gate.close()
        await db.close()


async def main(database_url: str, redis_url: str) -> None:
    """Finish for ever, woken by the outbox's own notifications."""
    log.configure(level="CRITICAL")
    wake = asyncio.Event()
    listening = asyncio.create_task(notified.listen(database_url, outbox.CHANNEL, lambda _: wake.set()))
    async with opened(database_url, redis_url) as (db, gate):
        while not listening.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), _POLL_S)
            wake.clear()
            await finish_all(db, gate, whose=ENDS)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""Orders whose process is killed at a named point of the way: one fork for each, of a process that has loaded all.

python -m tests.journeys.killing DATABASE_URL REDIS_URL FOLDER POINT=ACCOUNT…    prints POINT and the exit status
"""

import asyncio
import os
import sys
import traceback
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from reelwright import outbox
from reelwright.accounts import Account, Accounts
from reelwright.generations import GenerationKind, Stage
from reelwright.ground import failpoints, log, postgres, redis, storage
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import production, stopping
from reelwright.journeys.creation import Started
from reelwright.journeys.workroom import Workroom
from tests.builders import a_gate
from tests.journeys.conftest import PLACES, TIMINGS, Studio, order

# A script is ingested and written: its second stage is its last, and ends it.
POINTS = {
    "api.create.before_tx": "admitted, nothing held",
    "api.create.after_tx": "held, not answered",
    "stage.STORY_WRITING.after_claim": "taken up, nothing bought",
    "stage.STORY_WRITING.after_provider": "bought, nothing recorded",
    "stage.STORY_WRITING.in_complete_tx": "recorded and metered, not captured, not committed",
    "stage.STORY_WRITING.after_commit": "captured, the queue not answered",
    "cancel.after": "cancelled and captured, not given back",
}
TAKEN = text(
    "DELETE FROM outbox WHERE run_id IN (SELECT id FROM stage_runs WHERE generation_id = :generation) RETURNING body"
)


@asynccontextmanager
async def workroom(database_url: str, redis_url: str, folder: Path) -> AsyncGenerator[Workroom]:
    """A worker's room with stages that pretend, as the tests of the journeys have it."""
    db, client = postgres.connect(database_url), redis.connect(redis_url, timeout_ms=10_000)
    gate, studio, tools = a_gate(db, client), Studio(), None
    try:
        yield Workroom(
            db=db,
            gate=gate,
            storage=storage.connect(f"file://{folder}/artefacts"),
            tools=tools,  # pyright: ignore[reportArgumentType] - stages that pretend need none
            stages=dict.fromkeys(Stage, studio.perform),
            places=PLACES,
            workspace=folder / "work",
            timings=TIMINGS,
        )
    finally:
        await gate.close()
        await client.aclose()
        await db.close()


def key_of(point: str) -> str:
    return f"killed-at-{point}"


async def ordered(point: str, account: Account, room: Workroom) -> Started:
    """Order a script under the point's name; again and again it is the same order."""
    return await order(account, room.db, room.gate, key=key_of(point), kind=GenerationKind.SCRIPT)


async def delivered(generation: GenerationId, room: Workroom, *, most: int = 9) -> None:
    """Deliver the generation's messages one by one, so many of them, until none is promised."""
    for _ in range(most):
        async with room.db.begin() as tx:
            rows = (await tx.execute(TAKEN, {"generation": generation})).all()
        if not rows:
            return
        for row in rows:
            await production.perform(outbox.decoded(row.body), room=room)


async def finished(point: str, account: Account, room: Workroom) -> GenerationId:
    """Order, and go the whole way: to the last stage, or to where it is cancelled behind its first."""
    started = await ordered(point, account, room)
    await delivered(started.generation_id, room, most=1 if point.startswith("cancel") else 9)
    if point.startswith("cancel"):
        await stopping.cancel(account.id, started.generation_id, db=room.db, gate=room.gate)
    return started.generation_id


async def account_of(db: Database, account: str) -> Account:
    async with db.begin() as tx:
        found = await Accounts(session=tx).get(AccountId(UUID(account)))
    assert found is not None
    return found


async def _die(urls: tuple[str, str], folder: Path, point: str, account: str) -> None:
    async with workroom(*urls, folder) as room:
        owner = await account_of(room.db, account)
        failpoints.arm(f"{point}=kill9@1")
        await finished(point, owner, room)


def main(database_url: str, redis_url: str, folder: str, *deaths: str) -> None:
    log.configure(as_json=True)
    for point, _, account in (death.partition("=") for death in deaths):
        child = os.fork()
        if not child:
            try:
                asyncio.run(_die((database_url, redis_url), Path(folder), point, account))
            except BaseException:  # noqa: BLE001 - it goes to standard error, and 1 to the parent
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        status: Any = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(point, status, flush=True)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main(*sys.argv[1:])

"""S95 in the pipeline: what a person wrote is in his rows and files, and in no log line and no message."""

import json
from typing import Any

import httpx
from sqlalchemy import text

from reelwright import outbox
from reelwright.admission import Gate
from reelwright.generations import Assignment, Ingested, Made, Source, Stage
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database
from reelwright.journeys import production
from reelwright.journeys.workroom import Workroom
from tests.builders import an_account
from tests.ground.test_log import lines
from tests.journeys.conftest import Studio, due_now, one, order, waiting

CANARY = "canary-7f3a"
LEAKY = f"{CANARY} at postgresql://me:{CANARY}@db/x, https://x.example/y?signature={CANARY}, rw_live_{CANARY}"


async def test_s95_no_stage_that_works_or_fails_says_what_it_works_on(
    db: Database, gate: Gate, room: Workroom, studio: Studio
) -> None:
    """Every stage once fails by a bug, once by an outage that quotes everything, and then does its work."""
    owner = await an_account(db)
    await order(owner, db, gate)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE drafts SET topic = :said"), {"said": f"Cats {CANARY}"})
    failed: dict[str, int] = {}

    async def behave(task: Assignment) -> Made | None:
        tries = failed[task.unit.stage] = failed.get(task.unit.stage, 0) + 1
        if tries == 1:
            raise ValueError(LEAKY)
        if tries == 2:
            raise Outage(LEAKY, code="provider.away") from httpx.ConnectError(LEAKY)
        if task.unit.stage is Stage.INGESTION:
            return Made(outcome=Ingested(source=Source(kind="text", title=CANARY, body=f"Cats purr. {CANARY}")))
        return None

    studio.behave = behave
    sent: list[bytes] = []
    with lines(level="DEBUG") as told:
        while messages := await waiting(db):
            await due_now(db)
            sent += [outbox.encoded(message) for message in messages]
            for message in messages:
                await production.perform(message, room=room)
    ended: Any = await one(db, "SELECT state FROM generations")
    assert ended["state"] == "succeeded"
    assert len(failed) == len(Stage), "each has failed twice"
    assert len(told) > 2 * len(Stage)
    assert len(sent) > 2 * len(Stage)
    assert [line for line in told if CANARY in json.dumps(line)] == []
    assert [body for body in sent if CANARY.encode() in body] == []

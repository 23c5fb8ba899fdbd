"""A worker beside the API of the tests: it does whatever runs are queued, with stages that only pretend."""

from typing import Any

from sqlalchemy import text

from reelwright.generations import Stage, Unit
from reelwright.ground import storage
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, production
from reelwright.journeys.workroom import Workroom
from tests.builders import a_gate
from tests.journeys.conftest import PLACES, TIMINGS, Studio

QUEUED = text(
    """
    SELECT r.generation_id, r.stage, r.scene, r.chunk, r.round FROM stage_runs r
      JOIN generations g ON g.id = r.generation_id
     WHERE r.state = 'queued' AND g.paused_at IS NULL AND g.state IN ('queued', 'running') ORDER BY r.queued_at, r.id
    """
)


def a_workroom(db: Database, redis: Any, folder: Any, studio: Studio) -> Workroom:
    """Return a worker's surroundings; close its gate."""
    tools: Any = None
    return Workroom(
        db=db,
        gate=a_gate(db, redis),
        storage=storage.connect(f"file://{folder}/artefacts"),
        tools=tools,
        stages=dict.fromkeys(Stage, studio.perform),
        places=PLACES,
        workspace=folder / "work",
        timings=TIMINGS,
    )


async def work(room: Workroom, *, most: int = 100) -> int:
    """Do queued runs until none is left, or so many are done; return how many were."""
    done = 0
    while done < most:
        async with room.db.begin() as tx:
            await tx.execute(text("UPDATE stage_runs SET next_attempt_at = now() WHERE state = 'queued'"))
            row = (await tx.execute(QUEUED)).first()
        if row is None:
            break
        unit = Unit(stage=Stage(row.stage), scene=row.scene, chunk=row.chunk, round=row.round)
        await production.perform(creation.due(GenerationId(row.generation_id), unit, request_id=None), room=room)
        done += 1
    return done

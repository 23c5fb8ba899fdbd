"""What a stage has made is written down, whatever it takes, before anybody makes it anew."""

from collections.abc import Iterator

import pytest

from reelwright.admission import Gate
from reelwright.generations import Stage, Unit
from reelwright.ground import failpoints
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import production
from reelwright.journeys.workroom import Workroom
from tests.builders import an_account
from tests.journeys.conftest import Studio, one, order, waiting

FIRST = Unit(stage=Stage.INGESTION)


@pytest.fixture
async def generation(db: Database, gate: Gate) -> GenerationId:
    return (await order(await an_account(db), db, gate)).generation_id


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


async def first_run(room: Workroom) -> dict[str, object]:
    (message,) = await waiting(room.db)
    await production.perform(message, room=room)
    return await one(room.db, "SELECT state, attempt, error_code FROM stage_runs WHERE stage = 'INGESTION'")


async def test_what_was_paid_for_is_written_again_not_made_again(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    """Two transactions that failed, as by a deadlock or a restart, cost a moment, and no provider's call."""
    failpoints.arm("stage.INGESTION.in_complete_tx=raise:outage@1;stage.*.in_complete_tx=raise:outage@2")
    assert await first_run(room) == {"state": "succeeded", "attempt": 1, "error_code": None}
    assert studio.calls[FIRST] == 1


async def test_after_a_lease_of_trying_the_attempt_has_failed(
    generation: GenerationId, room: Workroom, studio: Studio
) -> None:
    """Whoever held on longer would only be overtaken by the worker that takes the run over."""
    failpoints.arm("stage.INGESTION.in_complete_tx=raise:outage@always")
    assert await first_run(room) == {"state": "queued", "attempt": 1, "error_code": "failpoint.outage"}
    assert studio.calls[FIRST] == 1

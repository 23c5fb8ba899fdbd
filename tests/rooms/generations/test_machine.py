"""Runs and generations against their model, compared after every step.

It walks the same way every time. REELWRIGHT_RUNS_EXAMPLES=500 walks that many others instead, and then
`--hypothesis-seed=N` chooses which.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from reelwright.ground import postgres
from reelwright.ground.postgres import Database
from tests.rooms.generations.machine import LIVES, Machine

OTHERS = os.environ.get("REELWRIGHT_RUNS_EXAMPLES")
WALK = settings(
    max_examples=int(OTHERS or "11"),
    stateful_step_count=32,
    derandomize=OTHERS is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
BOTH = ("claimed", "complete", "fail", "retry_later", "give_back", "stale", "rescue", "give up", "pause", "cancel")
THINGS = {f"{thing}: {answer}" for thing in BOTH for answer in (True, False)}
THINGS |= {f"heartbeat: {pulse}" for pulse in ("ok", "late", "ended", "lost")} | {"proceeded: True"}


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as own:
        yield own


@pytest.fixture
def near(db: Database, database_url: str, runner: asyncio.Runner) -> Iterator[Database]:
    """The same database for the machine's own loop; emptied by `db`."""
    own = postgres.connect(database_url)
    yield own
    runner.run(own.close())


def test_runs_do_as_their_model_does(near: Database, runner: asyncio.Runner) -> None:
    Machine.steps, Machine.seen = 0, Counter()

    for life in LIVES:  # each for certain, and then as chance has it
        walk = Machine(runner, near)
        walk.a_life(life)
        walk.the_rows_are_as_foretold()
        walk.teardown()
    run_state_machine_as_test(lambda: Machine(runner, near), settings=WALK)

    assert Machine.steps >= 300
    assert THINGS - set(Machine.seen) == set()

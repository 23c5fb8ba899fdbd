"""The ledger against its oracle, with every invariant after every step.

It walks the same way every time. REELWRIGHT_LEDGER_EXAMPLES=500 walks that many others instead, and then
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
from tests.rooms.ledger.machine import Machine

OTHERS = os.environ.get("REELWRIGHT_LEDGER_EXAMPLES")
WALK = settings(
    max_examples=int(OTHERS or "12"),
    stateful_step_count=32,
    derandomize=OTHERS is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
THINGS = {
    "grant", "wait", "expire", "hold", "capture", "void", "refund", "clawback", "adjust",
    "credits.insufficient", "credits.debt", "credits.refund_too_large", "credits.adjustment_too_large",
}  # fmt: skip


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


def test_the_ledger_does_as_its_oracle_does(near: Database, runner: asyncio.Runner) -> None:
    Machine.steps, Machine.seen = 0, Counter()

    run_state_machine_as_test(lambda: Machine(runner, near), settings=WALK)

    assert Machine.steps >= 300
    assert set(Machine.seen) >= THINGS

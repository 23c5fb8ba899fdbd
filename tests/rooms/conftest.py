"""What state machines walk on: a loop of their own, and the database as that loop sees it."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from reelwright.ground import postgres
from reelwright.ground.postgres import Database


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


def walk(variable: str, usual: int) -> settings:
    """Return how a machine walks: `usual` ways, always the same, or as many others as the environment asks for."""
    others = os.environ.get(variable)
    return settings(
        max_examples=int(others or usual),
        stateful_step_count=32,
        derandomize=others is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )

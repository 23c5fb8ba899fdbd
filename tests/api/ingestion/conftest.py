"""A worker for what is to be ingested."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from reelwright.ground.postgres import Database
from reelwright.journeys.workroom import Workroom
from tests.api.working import a_workroom
from tests.journeys.conftest import Studio


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
async def room(db: Database, redis: Any, tmp_path: Path, studio: Studio) -> AsyncGenerator[Workroom]:
    made = a_workroom(db, redis, tmp_path, studio)
    yield made
    await made.gate.close()

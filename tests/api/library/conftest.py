"""A finished reel of the user's: its draft, its story, and a video in storage."""

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import pytest
from litestar import Litestar

from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.api.reels import VIDEO, a_finished_reel

__all__ = ["VIDEO"]


@pytest.fixture
async def reel(app: Litestar, db: Database, user: Person, tmp_path: Path) -> Mapping[str, UUID]:
    """The ids of its draft, variant and generation."""
    return await a_finished_reel(db, app.state.storage, tmp_path, AccountId(UUID(user.account_id)))

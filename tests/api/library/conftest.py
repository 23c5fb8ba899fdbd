"""A finished reel of the user's: its draft, its story, and a video in storage."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.builders import a_written_draft

VIDEO = b"not really a video " * 100
_MADE = text(
    """
    WITH run AS (
        INSERT INTO stage_runs (id, generation_id, stage, round, state, attempt, max_attempts, fence, won_fence,
                                started_at, finished_at)
        VALUES (:run, :generation, 'VIDEO_ASSEMBLY', 0, 'succeeded', 1, 3, 1, 1, now(), now()))
    INSERT INTO artefacts (id, generation_id, run_id, kind, key, media_type, size_bytes, sha256, inputs_hash, round,
                           meta)
    VALUES (:id, :generation, :run, 'video', :key, 'video/mp4', :size, :sha256, :sha256, 0, '{"duration_ms": 30000}')
    """
)


@pytest.fixture
async def reel(app: Litestar, db: Database, user: Person, tmp_path: Path) -> Mapping[str, UUID]:
    """The ids of its draft, variant and generation."""
    written = await a_written_draft(db, AccountId(UUID(user.account_id)))
    (tmp_path / "video").write_bytes(VIDEO)
    key = f"artefacts/{uuid4()}.mp4"
    await app.state.storage.put(key, tmp_path / "video")
    async with db.begin() as tx:
        generation = await tx.scalar(text("SELECT generation_id FROM variants WHERE id = :id"), {"id": written.variant})
        values = {"id": uuid4(), "run": uuid4(), "generation": generation, "key": key, "size": len(VIDEO)}
        await tx.execute(_MADE, values | {"sha256": sha256(VIDEO).hexdigest()})
    return {"draft_id": written.draft, "variant_id": written.variant, "generation_id": generation}

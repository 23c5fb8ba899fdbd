"""Reels whose files are in storage: a finished one's, and an unfinished one's that nobody may fetch yet."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import text

from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage
from tests.builders import a_written_draft

VIDEO = b"not really a video " * 100
MEDIA_TYPES = {
    "video": "video/mp4",
    "thumbnail": "image/jpeg",
    "thumbnail_wide": "image/jpeg",
    "captions_srt": "application/x-subrip",
    "captions_vtt": "text/vtt",
    "inspection": "image/png",
    "manifest": "application/json",
}
"""Of every kind of file that a generation's routes serve."""
_RUN = text(
    """
    INSERT INTO stage_runs (id, generation_id, stage, round, state, attempt, max_attempts, fence, won_fence,
                            started_at, finished_at)
    VALUES (:run, :generation, 'VIDEO_ASSEMBLY', 0, 'succeeded', 1, 3, 1, 1, now(), now())
    """
)
_FILE = text(
    """
    INSERT INTO artefacts (id, generation_id, run_id, kind, key, media_type, size_bytes, sha256, inputs_hash, round,
                           meta)
    VALUES (:id, :generation, :run, :kind, :key, :type, :size, :sha, :sha, 0, '{"duration_ms": 30000}')
    """
)


async def a_finished_reel(
    db: Database, storage: Storage, folder: Path, owner: AccountId, *, kinds: tuple[str, ...] = ("video",)
) -> Mapping[str, UUID]:
    """Return the ids of its draft, variant and generation."""
    written = await a_written_draft(db, owner)
    async with db.begin() as tx:
        generation: UUID | None = await tx.scalar(
            text("SELECT generation_id FROM variants WHERE id = :id"), {"id": written.variant}
        )
    assert generation is not None
    await stored(db, storage, folder, generation, kinds=kinds)
    return {"draft_id": written.draft, "variant_id": written.variant, "generation_id": generation}


async def stored(db: Database, storage: Storage, folder: Path, generation: UUID, *, kinds: tuple[str, ...]) -> None:
    """Put files of these kinds into storage as what a generation's last run made."""
    known = {"generation": generation, "run": uuid4()}
    async with db.begin() as tx:
        await tx.execute(_RUN, known)
        for kind in kinds:
            key, content = f"artefacts/{uuid4()}", b"{}" if kind == "manifest" else VIDEO
            (folder / kind).write_bytes(content)
            await storage.put(key, folder / kind)
            file = {"id": uuid4(), "kind": kind, "key": key, "type": MEDIA_TYPES[kind], "size": len(content)}
            await tx.execute(_FILE, known | file | {"sha": sha256(content).hexdigest()})

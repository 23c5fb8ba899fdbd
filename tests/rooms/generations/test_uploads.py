"""Every object in storage is an artefact's, or one that the sweep will find."""

from datetime import timedelta

from reelwright.generations import (
    ArtefactKind,
    Artefacts,
    Claim,
    Drawn,
    Generations,
    GenerationState,
    StoredArtefact,
    Uploads,
)
from reelwright.ground.postgres import Database
from tests.builders import Worked
from tests.rooms.generations import made

AT_ONCE = timedelta(seconds=-1)
KEYS = ["a/1", "a/2", "a/3"]


async def begun(db: Database) -> Claim:
    claim = await made.claimed(db, await made.queued(db))
    async with db.begin() as tx:
        await Uploads(session=tx).begin(KEYS, claim.run_id, claim.fence)
        await Uploads(session=tx).begin(KEYS[:1], claim.run_id, claim.fence)
        await Uploads(session=tx).begin([], claim.run_id, claim.fence)
    return claim


async def abandoned(db: Database, older: timedelta = AT_ONCE, limit: int = 10, after: str = "") -> list[str]:
    async with db.begin() as tx:
        return await Uploads(session=tx).abandoned(older, limit, after=after)


async def test_what_a_live_claim_uploads_is_never_abandoned(db: Database) -> None:
    """However old: a paused generation's worker may have slept for hours, and its completion would still count."""
    await begun(db)
    assert await abandoned(db) == []


async def test_what_a_lost_claim_left_is_found_page_by_page_and_forgotten(db: Database) -> None:
    claim = await begun(db)
    async with db.begin() as tx:
        await Generations(session=tx).finish(claim.generation_id, GenerationState.CANCELLED)
    assert await abandoned(db, older=timedelta(hours=1)) == []
    assert await abandoned(db, limit=2) == KEYS[:2]
    assert await abandoned(db, after=KEYS[1]) == KEYS[2:]
    async with db.begin() as tx:
        await Uploads(session=tx).forget(KEYS[:2])
        await Uploads(session=tx).forget([])
    assert await abandoned(db) == KEYS[2:]


async def test_what_is_recorded_is_under_way_no_more(db: Database) -> None:
    claim = await begun(db)
    async with db.begin() as tx:
        assert await Worked(session=tx).complete(claim.run_id, claim.fence, Drawn())
        await Uploads(session=tx).recorded(KEYS[:2])
    assert await abandoned(db) == KEYS[2:]


async def test_what_an_artefact_names_is_never_abandoned(db: Database) -> None:
    claim = await begun(db)
    stored = StoredArtefact(
        kind=ArtefactKind.IMAGE,
        key=KEYS[0],
        media_type="image/png",
        size_bytes=1,
        sha256="0" * 64,
        inputs_hash="1" * 64,
    )
    async with db.begin() as tx:
        assert await Worked(session=tx).complete(claim.run_id, claim.fence, Drawn())
        await Artefacts(session=tx).record(claim, [stored])
    assert await abandoned(db) == KEYS[1:]

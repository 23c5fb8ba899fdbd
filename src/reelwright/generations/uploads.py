"""Uploads: which files are on their way into storage, so that what a dead worker leaves there can be found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.tables import UPLOADS
from reelwright.ground.ids import StageRunId

# While its run is still running under the fence that it was begun with, an upload may yet be recorded, whatever its
# age; later it can't be, since the completion that would record it is refused.
_ABANDONED = text(
    """
    SELECT u.key FROM uploads u
     WHERE u.key > :after AND u.at < clock_timestamp() - CAST(:older AS interval)
       AND NOT EXISTS (SELECT FROM artefacts a WHERE a.key = u.key)
       AND NOT EXISTS (SELECT FROM stage_runs r
                        WHERE r.id = u.run_id AND r.fence = u.fence AND r.state = 'running')
     ORDER BY u.key LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class Uploads:
    """Uploads, inside one transaction: begun and committed before the first byte, recorded with the run's completion.

    The table holds what is under way or was left behind, so it stays small.
    """

    session: AsyncConnection

    async def begin(self, keys: Sequence[str], run_id: StageRunId, fence: int) -> None:
        """Note that these files are about to be put into storage. Doing it again changes nothing."""
        rows = [{"key": key, "run_id": run_id, "fence": fence} for key in keys]
        if rows:
            await self.session.execute(insert(UPLOADS).on_conflict_do_nothing(), rows)

    async def recorded(self, keys: Sequence[str]) -> None:
        """Forget uploads whose artefacts are written in this transaction."""
        await self.forget(keys)

    async def abandoned(self, older: timedelta, limit: int, *, after: str = "") -> list[str]:
        """Return keys, in order, of uploads begun that long ago that no artefact names and no worker can record."""
        return list(await self.session.scalars(_ABANDONED, {"older": older, "limit": limit, "after": after}))

    async def forget(self, keys: Sequence[str]) -> None:
        """Forget uploads whose objects are gone from storage."""
        if keys:
            await self.session.execute(delete(UPLOADS).where(UPLOADS.c.key.in_(keys)))

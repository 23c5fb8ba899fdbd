"""Loose files: on their way into storage or out of it, so that neither a crash nor a deletion leaves any unfindable."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.errors import Outage
from reelwright.library.tables import LOOSE_FILES

_DUE = text(
    """
    SELECT key FROM loose_files WHERE key > :after AND at < clock_timestamp() - CAST(:older AS interval)
     ORDER BY key LIMIT :limit
    """
)
# Whatever may claim a file of this room stands here.
_CLAIMED = text(
    """
    SELECT key FROM unnest(CAST(:keys AS text[])) AS loose (key)
     WHERE EXISTS (SELECT FROM media m WHERE m.key = loose.key AND m.deleted_at IS NULL)
        OR EXISTS (SELECT FROM assets a WHERE a.storage_key = loose.key AND a.deleted_at IS NULL)
        OR EXISTS (SELECT FROM tracks t WHERE t.storage_key = loose.key)
        OR EXISTS (SELECT FROM sound_jobs j WHERE j.storage_key = loose.key)
    """
)
_DOOM = text("UPDATE loose_files SET doomed = true WHERE key = ANY (CAST(:keys AS text[])) RETURNING key")


@dataclass(frozen=True, slots=True)
class LooseFiles:
    """Loose files, inside one transaction."""

    session: AsyncConnection

    async def add(self, *keys: str) -> None:
        """Note files about to be put into storage (commit before the first byte), or let go of by a deletion."""
        if keys:
            await self.session.execute(insert(LOOSE_FILES).on_conflict_do_nothing(), [{"key": key} for key in keys])

    async def recorded(self, key: str) -> None:
        """A row written in this transaction names the file. Raises Outage where its removal has begun."""
        mine = delete(LOOSE_FILES).where(LOOSE_FILES.c.key == key, ~LOOSE_FILES.c.doomed).returning(LOOSE_FILES.c.key)
        if await self.session.scalar(mine) is None:
            raise Outage("Storing the file took too long: send it again.", code="media.too_late")

    async def due(self, older: timedelta, limit: int, *, after: str = "") -> list[str]:
        """Return files in order of their keys that have been loose for so long."""
        return list(await self.session.scalars(_DUE, {"older": older, "limit": limit, "after": after}))

    async def unclaimed(self, keys: Sequence[str]) -> list[str]:
        """Return those of these files that no row of this room names."""
        claimed = set(await self.session.scalars(_CLAIMED, {"keys": list(keys)}))
        return [key for key in keys if key not in claimed]

    async def doom(self, keys: Sequence[str]) -> list[str]:
        """Say that these are about to be removed: from now on none can be recorded. Return those that weren't before.

        Whoever records one at the same time is waited for.
        """
        return list(await self.session.scalars(_DOOM, {"keys": list(keys)}))

    async def forget(self, keys: Sequence[str]) -> None:
        """Forget files that are gone from storage, or that turned out to be claimed."""
        if keys:
            await self.session.execute(delete(LOOSE_FILES).where(LOOSE_FILES.c.key.in_(keys)))

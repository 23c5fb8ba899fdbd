"""Keeps what was published where, so that nothing is published twice: whoever uploads holds the row meanwhile."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import GenerationId

_HOLD = text(
    """
    INSERT INTO publications AS p (generation_id, platform, held_until)
    VALUES (:generation, :platform, clock_timestamp() + CAST(:held AS interval))
    ON CONFLICT (generation_id, platform) DO UPDATE SET held_until = excluded.held_until
     WHERE p.held_until < clock_timestamp() OR p.state <> 'begun'
    RETURNING state, session, whole, external_id
    """
)
_CHANGE = (
    "UPDATE publications SET {} WHERE generation_id = :generation AND platform = :platform AND state <> 'published'"
)
_SESSION = text(_CHANGE.format("session = :session, whole = false, state = 'begun'"))
_WHOLE = text(_CHANGE.format("whole = true"))
_KEEP = text(_CHANGE.format("held_until = clock_timestamp() + CAST(:held AS interval)"))
_PUBLISHED = text(
    _CHANGE.format("state = 'published', external_id = :external, session = NULL, published_at = clock_timestamp()")
)
_LOST = text(_CHANGE.format("state = 'unknown', session = NULL"))
_FORGET = text(
    "DELETE FROM publications WHERE generation_id = :generation AND platform = :platform AND state = 'unknown'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """How far it is: begun, published (`external_id` names it there) or unknown. `session` is sealed."""

    state: str
    session: bytes | None
    whole: bool
    external_id: str | None


@dataclass(frozen=True, slots=True)
class Publications:
    """One generation's publication on one platform; the caller commits."""

    session: AsyncConnection
    generation: GenerationId
    platform: str

    async def hold(self, held: timedelta) -> Publication | None:
        """Begin it, or take up what was begun, and hold it; None where somebody else is at it."""
        row = (await self.session.execute(_HOLD, self._named(held=held))).one_or_none()
        if row is None:
            return None
        return Publication(state=row.state, session=row.session, whole=row.whole, external_id=row.external_id)

    async def keep(self, held: timedelta) -> None:
        """Hold it for so long from now; a length of nothing lets go of it."""
        await self.session.execute(_KEEP, self._named(held=held))

    async def opened(self, session: bytes) -> None:
        """Remember the sealed address that takes the bytes; none was sent there yet."""
        await self.session.execute(_SESSION, self._named(session=session))

    async def completing(self) -> None:
        """Remember, before the last byte goes out, that it may be there whole from now on."""
        await self.session.execute(_WHOLE, self._named())

    async def published(self, external: str) -> None:
        """Remember that it is there, and by which name."""
        await self.session.execute(_PUBLISHED, self._named(external=external))

    async def lost(self) -> None:
        """Remember that it may be there or not, and that nobody can ask any more."""
        await self.session.execute(_LOST, self._named())

    async def forget(self) -> bool:
        """Let one that may be there or not be published anew: a person has looked. False where there is none."""
        gone = await self.session.execute(_FORGET, self._named())
        return gone.rowcount > 0

    def _named(self, **values: object) -> dict[str, object]:
        return {"generation": self.generation, "platform": self.platform, **values}

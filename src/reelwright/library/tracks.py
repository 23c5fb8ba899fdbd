"""Music that people have brought: told apart by mood, genre and tempo, ready once a worker has made its file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId
from reelwright.library.sound_tables import TRACKS

MOST_TRACKS = 200

_COLUMNS = [column for column in TRACKS.c if column.name != "account_id"]
_LOCKED = text("SELECT pg_advisory_xact_lock(hashtextextended('tracks ' || CAST(:account AS text), 0))")
_REMOVE = text("DELETE FROM tracks WHERE id = :id AND account_id = :account RETURNING storage_key")


class TooManyTracks(Refusal):
    kind = Kind.CONFLICT
    code = "music.too_many"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTrack:
    """A person's track. `status`: preparing, ready, unusable. What is known of the file is None until it is ready."""

    id: UUID
    media_id: UUID
    title: str
    mood: str
    genre: str
    licence: str
    attribution: str
    bpm: float | None
    first_beat_ms: int
    status: str
    duration_ms: int | None
    storage_key: str | None
    sha256: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which music is looked for; what is None doesn't matter. `q` is part of a title, in any case."""

    mood: str | None = None
    genre: str | None = None
    bpm_min: float | None = None
    bpm_max: float | None = None
    q: str | None = None

    def fits(self, *, title: str, mood: str, genre: str, bpm: float | None) -> bool:
        """Say whether music like this is looked for; one whose tempo nobody knows has none that is looked for."""
        return (
            self.mood in {None, mood}
            and self.genre in {None, genre}
            and (self.bpm_min is None or (bpm is not None and bpm >= self.bpm_min))
            and (self.bpm_max is None or (bpm is not None and bpm <= self.bpm_max))
            and (self.q is None or self.q.casefold() in title.casefold())
        )


@dataclass(frozen=True, slots=True)
class Tracks:
    """One account's tracks, inside one transaction."""

    session: AsyncConnection
    account: AccountId

    async def add(self, track_id: UUID, values: Mapping[str, object]) -> OwnTrack:
        """Keep a new one, which is still to be prepared. Raises TooManyTracks."""
        await self.session.execute(_LOCKED, {"account": str(self.account)})
        held = select(func.count()).select_from(TRACKS).where(TRACKS.c.account_id == self.account)
        if (await self.session.scalar(held) or 0) >= MOST_TRACKS:
            raise TooManyTracks(f"An account has at most {MOST_TRACKS} tracks of its own: delete one first.")
        added = insert(TRACKS).values(id=track_id, account_id=self.account, **values).returning(*_COLUMNS)
        return OwnTrack(**(await self.session.execute(added)).mappings().one())

    async def get(self, track_id: UUID) -> OwnTrack | None:
        """Return one, or None where there is none or it is another's."""
        query = select(*_COLUMNS).where(*self._own(track_id))
        row = (await self.session.execute(query)).mappings().one_or_none()
        return None if row is None else OwnTrack(**row)

    async def page(self, wanted: Filter, *, before: tuple[datetime, UUID] | None, limit: int) -> list[OwnTrack]:
        """Return so many that fit, newest first, from behind the one made then with that id."""
        query = select(*_COLUMNS).where(TRACKS.c.account_id == self.account, *_conditions(wanted))
        if before is not None:
            query = query.where(tuple_(TRACKS.c.created_at, TRACKS.c.id) < before)
        query = query.order_by(TRACKS.c.created_at.desc(), TRACKS.c.id.desc()).limit(limit)
        return [OwnTrack(**row) for row in (await self.session.execute(query)).mappings()]

    async def remove(self, track_id: UUID) -> str | None:
        """Delete one and return where its file lies, if it has one. Raises NotFound."""
        found = (await self.session.execute(_REMOVE, {"id": track_id, "account": self.account})).one_or_none()
        if found is None:
            raise unknown_track()
        return found.storage_key

    async def prepared(self, track_id: UUID, values: Mapping[str, object]) -> bool:
        """Write down what a worker made of it; False where it was deleted meanwhile. A tempo that was given stays."""
        known: dict[str, Any] = dict(values)
        if "bpm" in known:
            known["bpm"] = func.coalesce(TRACKS.c.bpm, known["bpm"])
        done = update(TRACKS).where(*self._own(track_id)).values(known).returning(TRACKS.c.id)
        return await self.session.scalar(done) is not None

    def _own(self, track_id: UUID) -> tuple[Any, ...]:
        return (TRACKS.c.id == track_id, TRACKS.c.account_id == self.account)


def _conditions(wanted: Filter) -> list[Any]:
    conditions: list[Any] = []
    for column, value in ((TRACKS.c.mood, wanted.mood), (TRACKS.c.genre, wanted.genre)):
        if value is not None:
            conditions.append(column == value)
    if wanted.bpm_min is not None:
        conditions.append(TRACKS.c.bpm >= wanted.bpm_min)
    if wanted.bpm_max is not None:
        conditions.append(TRACKS.c.bpm <= wanted.bpm_max)
    if wanted.q is not None:
        conditions.append(TRACKS.c.title.icontains(wanted.q, autoescape=True))
    return conditions


def unknown_track() -> NotFound:
    """Return the refusal for a track that isn't there, or is another's."""
    return NotFound("There is no such music.", code="music.not_found")

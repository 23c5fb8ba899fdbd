"""Voices as their owners have set them, and which one `default` means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select, text, true, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Statement, rows
from reelwright.ground.versions import Versions
from reelwright.library.sound_tables import PROFILES

MOST_PROFILES = 20
LONGEST_NAME = 80

_COLUMNS = [column for column in PROFILES.c if column.name != "account_id"]
_LOCKED = text("SELECT pg_advisory_xact_lock(hashtextextended('voices ' || CAST(:account AS text), 0))")
DEFAULT_VOICE = """
    (SELECT CAST(jsonb_strip_nulls(jsonb_build_object('voice', coalesce(d.voice, p.voice), 'id', p.id, 'speed', p.speed,
                                                      'pitch', p.pitch, 'gap_ms', p.gap_ms)) AS text)
       FROM voice_defaults d LEFT JOIN voice_profiles p ON p.id = d.profile_id WHERE d.account_id = :account)
"""
"""What `default` means, for a statement that reads more and `default_voice`; NULL where nobody has said so."""
_CHOSEN = Statement(f"SELECT {DEFAULT_VOICE} AS voice")
_SET = Statement(
    """
    SELECT voice, id, speed, pitch, gap_ms FROM voice_profiles WHERE id = :id AND account_id = :account
    """
)
_DEFAULT = text(
    """
    INSERT INTO voice_defaults (account_id, voice, profile_id) VALUES (:account, :voice, :profile)
    ON CONFLICT (account_id) DO UPDATE SET voice = excluded.voice, profile_id = excluded.profile_id
    """
)
_REMOVE = text("DELETE FROM voice_profiles WHERE id = :id AND account_id = :account")


class TooManyVoices(Refusal):
    kind = Kind.CONFLICT
    code = "voice.too_many"


class VoiceChanged(Refusal):
    """Somebody else has edited the profile since it was read; `extra` holds the version it has now."""

    kind = Kind.STALE
    code = "voice.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voiced:
    """How a narration is to sound: a voice of the provider's, its pace, pitch in semitones, and gap in milliseconds."""

    voice: str
    speed: float = 1.0
    pitch: int = 0
    gap_ms: int | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceProfile:
    """A voice as its owner has set it; `version` counts the edits."""

    id: UUID
    name: str
    voice: str
    speed: float
    pitch: int
    gap_ms: int | None
    version: int
    created_at: datetime
    updated_at: datetime


_decoder = msgspec.json.Decoder(Voiced)


@dataclass(frozen=True, slots=True)
class Voices:
    """One account's voices, inside one transaction."""

    session: AsyncConnection
    account: AccountId

    async def add(self, profile_id: UUID, values: Mapping[str, object]) -> VoiceProfile:
        """Keep a new profile. Raises TooManyVoices."""
        await self.session.execute(_LOCKED, {"account": str(self.account)})
        held = select(func.count()).select_from(PROFILES).where(PROFILES.c.account_id == self.account)
        if (await self.session.scalar(held) or 0) >= MOST_PROFILES:
            raise TooManyVoices(f"An account has at most {MOST_PROFILES} voices of its own: delete one first.")
        added = insert(PROFILES).values(id=profile_id, account_id=self.account, **values).returning(*_COLUMNS)
        return _profile((await self.session.execute(added)).mappings().one())

    async def get(self, profile_id: UUID) -> VoiceProfile | None:
        """Return one, or None where there is none or it is another's."""
        query = select(*_COLUMNS).where(*self._own(profile_id))
        row = (await self.session.execute(query)).mappings().one_or_none()
        return None if row is None else _profile(row)

    async def page(self, *, before: tuple[datetime, UUID] | None, limit: int) -> list[VoiceProfile]:
        """Return so many of them, newest first, from behind the one made then with that id."""
        query = select(*_COLUMNS).where(PROFILES.c.account_id == self.account)
        if before is not None:
            query = query.where(tuple_(PROFILES.c.created_at, PROFILES.c.id) < before)
        query = query.order_by(PROFILES.c.created_at.desc(), PROFILES.c.id.desc()).limit(limit)
        return [_profile(row) for row in (await self.session.execute(query)).mappings()]

    async def change(
        self, profile_id: UUID, changes: Mapping[str, object], *, expected_version: Versions
    ) -> VoiceProfile:
        """Change one and return it, one version on. Raises NotFound, VoiceChanged."""
        edit = (
            update(PROFILES)
            .where(*self._own(profile_id))
            .where(true() if expected_version is None else PROFILES.c.version.in_(expected_version))
            .values(**changes, version=PROFILES.c.version + 1, updated_at=func.clock_timestamp())
            .returning(*_COLUMNS)
        )
        row = (await self.session.execute(edit)).mappings().one_or_none()
        if row is not None:
            return _profile(row)
        present = await self.get(profile_id)
        if present is None:
            raise unknown_voice()
        raise VoiceChanged(
            "The voice was changed meanwhile: read it again and repeat your change.",
            extra={"version": present.version},
        )

    async def remove(self, profile_id: UUID) -> None:
        """Delete one; where it was the default, the provider's is it again. Raises NotFound."""
        if not (await self.session.execute(_REMOVE, {"id": profile_id, "account": self.account})).rowcount:
            raise unknown_voice()

    async def make_default(self, *, voice: str | None = None, profile: UUID | None = None) -> None:
        """Let `default` mean this voice of the provider's, or this profile."""
        await self.session.execute(_DEFAULT, {"account": self.account, "voice": voice, "profile": profile})

    async def default(self) -> Voiced | None:
        """Return what `default` means; None where nobody has said so."""
        [row] = await rows(self.session, _CHOSEN, {"account": self.account})
        return default_voice(row["voice"])

    async def voiced(self, profile_id: UUID) -> Voiced | None:
        """Return how a profile sounds; None where there is none or it is another's."""
        return _voiced(await rows(self.session, _SET, {"account": self.account, "id": profile_id}))

    def _own(self, profile_id: UUID) -> tuple[Any, ...]:
        return (PROFILES.c.id == profile_id, PROFILES.c.account_id == self.account)


def unknown_voice() -> NotFound:
    """Return the refusal for a voice that isn't there, or is another's."""
    return NotFound("There is no such voice.", code="voice.not_found")


def _profile(row: Mapping[Any, Any]) -> VoiceProfile:
    return VoiceProfile(**row)


def default_voice(found: str | None) -> Voiced | None:
    """Read what `DEFAULT_VOICE` has found."""
    return None if found is None else _decoder.decode(found)


def _voiced(found: Any) -> Voiced | None:
    if not found:
        return None
    row = found[0]
    if row["id"] is None:
        return Voiced(voice=row["voice"])
    return Voiced(voice=row["voice"], speed=row["speed"], pitch=row["pitch"], gap_ms=row["gap_ms"], id=row["id"])

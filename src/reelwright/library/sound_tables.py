"""Voices as people set them, the music they bring, and the short sounds that workers make of both."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row


class VoiceProfileRow(Row):
    """A voice as a person has set it: one that comes with the provider, at a pace, pitch and gap of their own."""

    __tablename__ = "voice_profiles"
    __table_args__ = (
        CheckConstraint("speed BETWEEN 0.8 AND 1.25", name="speed"),
        CheckConstraint("pitch BETWEEN -4 AND 4", name="pitch"),
        CheckConstraint("gap_ms BETWEEN 0 AND 2000", name="gap_ms"),
        Index("ix_voice_profiles_account_id", "account_id", text("created_at DESC"), text("id DESC")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    voice: Mapped[str] = mapped_column(Text)
    speed: Mapped[float] = mapped_column(Double)
    pitch: Mapped[int] = mapped_column(SmallInteger)
    gap_ms: Mapped[int | None] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class VoiceDefaultRow(Row):
    """The voice that `default` means for an account: a profile of its own, or one that comes with the provider."""

    __tablename__ = "voice_defaults"
    __table_args__ = (
        CheckConstraint("num_nonnulls(voice, profile_id) = 1", name="one_voice"),
        Index("ix_voice_defaults_profile_id", "profile_id", postgresql_where=text("profile_id IS NOT NULL")),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    voice: Mapped[str | None] = mapped_column(Text)
    profile_id: Mapped[UUID | None] = mapped_column(ForeignKey("voice_profiles.id", ondelete="CASCADE"))


class TrackRow(Row):
    """Music that a person has brought. A worker makes its file, and measures it, from the upload."""

    __tablename__ = "tracks"
    __table_args__ = (
        CheckConstraint("status IN ('preparing', 'ready', 'unusable')", name="status"),
        CheckConstraint("licence IN ('own', 'licensed', 'public_domain', 'cc0', 'cc_by')", name="licence"),
        CheckConstraint("licence <> 'cc_by' OR attribution <> ''", name="attribution"),
        CheckConstraint("bpm BETWEEN 30 AND 300", name="bpm"),
        CheckConstraint("status <> 'ready' OR num_nulls(storage_key, sha256, duration_ms) = 0", name="ready_has_file"),
        Index("ix_tracks_account_id", "account_id", text("created_at DESC"), text("id DESC")),
        Index("ix_tracks_storage_key", "storage_key", postgresql_where=text("storage_key IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    media_id: Mapped[UUID] = mapped_column()
    title: Mapped[str] = mapped_column(Text)
    mood: Mapped[str] = mapped_column(Text)
    genre: Mapped[str] = mapped_column(Text)
    licence: Mapped[str] = mapped_column(Text)
    attribution: Mapped[str] = mapped_column(Text, server_default="")
    bpm: Mapped[float | None] = mapped_column(Double)
    first_beat_ms: Mapped[int] = mapped_column(Integer, server_default="0")
    status: Mapped[str] = mapped_column(Text, server_default="preparing")
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    storage_key: Mapped[str | None] = mapped_column(Text)
    sha256: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class SoundJobRow(Row):
    """A short sound that a worker makes: what a voice or a piece of music sounds like, or an upload made a track.

    `wish` holds no more than is needed to make it. The id is made of what it is of, so that nothing is made twice.
    """

    __tablename__ = "sound_jobs"
    __table_args__ = (
        CheckConstraint("kind IN ('voice', 'excerpt', 'track')", name="kind"),
        CheckConstraint("state IN ('queued', 'ready', 'failed')", name="state"),
        CheckConstraint("(state = 'failed') = (failure_code IS NOT NULL)", name="failure_has_code"),
        CheckConstraint("attempt >= 0", name="attempt"),
        Index("ix_sound_jobs_due_at", "due_at", postgresql_where=text("state = 'queued'")),
        Index("ix_sound_jobs_account_id", "account_id", postgresql_where=text("account_id IS NOT NULL")),
        Index("ix_sound_jobs_asked_at", "asked_at"),
        Index("ix_sound_jobs_storage_key", "storage_key", postgresql_where=text("storage_key IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    wish: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(Text, server_default="queued")
    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    due_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    storage_key: Mapped[str | None] = mapped_column(Text)
    sha256: Mapped[str | None] = mapped_column(Text)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    failure_code: Mapped[str | None] = mapped_column(Text)
    failure_sentence: Mapped[str | None] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


PROFILES = cast("Table", VoiceProfileRow.__table__)
TRACKS = cast("Table", TrackRow.__table__)

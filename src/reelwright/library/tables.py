"""What users saved and brought: the library's assets, uploads, and files on their way into storage or out of it."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row


class AssetRow(Row):
    """One saved thing: a text, a finished video or an upload. It outlives what it was saved from.

    `terms` are what it is found by (`library/terms.py`). A file's claim on `storage_key` ends when the row is deleted.
    """

    __tablename__ = "assets"
    __table_args__ = (
        CheckConstraint("kind IN ('text', 'video', 'upload')", name="kind"),
        CheckConstraint("status IN ('draft', 'ready', 'published', 'archived')", name="status"),
        CheckConstraint("platform IN ('tiktok', 'reels', 'shorts')", name="platform"),
        CheckConstraint("(kind = 'text') = (storage_key IS NULL)", name="file"),
        CheckConstraint("num_nulls(storage_key, media_type, size_bytes, sha256) IN (0, 4)", name="file_known"),
        Index(
            "ix_assets_account_id", "account_id", text("created_at DESC"), text("id DESC"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_assets_terms", "terms", postgresql_using="gin", postgresql_with={"fastupdate": "off"},
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_assets_storage_key", "storage_key",
            postgresql_where=text("deleted_at IS NULL AND storage_key IS NOT NULL"),
        ),
        Index(
            "ix_assets_uploads", "account_id", postgresql_include=["storage_key", "size_bytes"],
            postgresql_where=text("deleted_at IS NULL AND kind = 'upload'"),
        ),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default="ready")
    title: Mapped[str] = mapped_column(Text)
    platform: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    words: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    terms: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    draft_id: Mapped[UUID | None] = mapped_column(ForeignKey("drafts.id", ondelete="SET NULL"), index=True)
    variant_id: Mapped[UUID | None] = mapped_column(ForeignKey("variants.id", ondelete="SET NULL"), index=True)
    generation_id: Mapped[UUID | None] = mapped_column(ForeignKey("generations.id", ondelete="SET NULL"), index=True)
    media_id: Mapped[UUID | None] = mapped_column(ForeignKey("media.id", ondelete="SET NULL"), index=True)
    storage_key: Mapped[str | None] = mapped_column(Text)
    media_type: Mapped[str | None] = mapped_column(Text)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(Text)
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class MediaRow(Row):
    """One upload as we have written it anew. `source_sha256` is of the bytes that were sent, `sha256` of those kept."""

    __tablename__ = "media"
    __table_args__ = (
        CheckConstraint("kind IN ('picture', 'audio', 'video')", name="kind"),
        CheckConstraint("size_bytes > 0", name="size_bytes"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$' AND source_sha256 ~ '^[0-9a-f]{64}$'", name="hashes"),
        UniqueConstraint("key"),
        Index(
            "ix_media_account_id", "account_id", text("created_at DESC"), text("id DESC"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_media_kind", "account_id", "kind", text("created_at DESC"), text("id DESC"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "uq_media_source", "account_id", "source_sha256", unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(Text)
    source_sha256: Mapped[str] = mapped_column(Text)
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class LooseFileRow(Row):
    """A stored file that no row may name: on its way in until it is recorded, or on its way out.

    A `doomed` one is about to be removed, and can't be recorded any more.
    """

    __tablename__ = "loose_files"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    doomed: Mapped[bool] = mapped_column(server_default=text("false"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


ASSETS = cast("Table", AssetRow.__table__)
MEDIA = cast("Table", MediaRow.__table__)
LOOSE_FILES = cast("Table", LooseFileRow.__table__)

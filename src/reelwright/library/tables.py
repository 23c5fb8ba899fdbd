"""What users saved: the library's assets."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, DateTime, ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row

_INSTANT = DateTime(timezone=True)


class AssetRow(Row):
    """One saved thing: a variant's text, a finished video or an upload."""

    __tablename__ = "assets"
    __table_args__ = (
        CheckConstraint("kind IN ('text', 'video', 'upload')", name="kind"),
        CheckConstraint("status IN ('draft', 'ready', 'published', 'archived')", name="status"),
        CheckConstraint("platform IN ('tiktok', 'reels', 'shorts')", name="platform"),
        Index(
            "ix_assets_account_id", "account_id", text("created_at DESC"), text("id DESC"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_assets_tags", "tags", postgresql_using="gin"),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default="ready")
    title: Mapped[str] = mapped_column(Text)
    platform: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    draft_id: Mapped[UUID | None] = mapped_column(ForeignKey("drafts.id"), index=True)
    variant_id: Mapped[UUID | None] = mapped_column(ForeignKey("variants.id"), index=True)
    generation_id: Mapped[UUID | None] = mapped_column(ForeignKey("generations.id"), index=True)
    artefact_id: Mapped[UUID | None] = mapped_column(ForeignKey("artefacts.id"), index=True)
    storage_key: Mapped[str | None] = mapped_column(Text)
    meta: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.now())
    deleted_at: Mapped[datetime | None] = mapped_column(_INSTANT)

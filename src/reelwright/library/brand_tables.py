"""Brand kits, as rows."""

from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, Integer, Table, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row


class BrandKitRow(Row):
    """How a person's reels look: font and colours of the captions, a logo, and what stands before and behind a reel.

    The upload that is its logo can't be deleted before the kit lets go of it.
    """

    __tablename__ = "brand_kits"
    __table_args__ = (
        CheckConstraint(
            "text_colour ~ '^#[0-9A-F]{6}$' AND highlight_colour ~ '^#[0-9A-F]{6}$' AND box_colour ~ '^#[0-9A-F]{6}$'",
            name="colours",
        ),
        CheckConstraint("logo_corner IN ('top_left', 'top_right', 'bottom_left', 'bottom_right')", name="logo_corner"),
        CheckConstraint("logo_share BETWEEN 0.05 AND 0.25", name="logo_share"),
        CheckConstraint(
            "char_length(intro_text) BETWEEN 1 AND 60 AND char_length(outro_text) BETWEEN 1 AND 60", name="titles"
        ),
        CheckConstraint("intro_ms BETWEEN 1000 AND 2000 AND outro_ms BETWEEN 1000 AND 2000", name="lengths"),
        Index("ix_brand_kits_account_id", "account_id", text("created_at DESC"), text("id DESC")),
        Index("ix_brand_kits_logo_media_id", "logo_media_id", postgresql_where=text("logo_media_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    font: Mapped[str] = mapped_column(Text)
    text_colour: Mapped[str] = mapped_column(Text)
    highlight_colour: Mapped[str] = mapped_column(Text)
    box_colour: Mapped[str | None] = mapped_column(Text)
    logo_media_id: Mapped[UUID | None] = mapped_column(ForeignKey("media.id"))
    logo_corner: Mapped[str] = mapped_column(Text, server_default="top_right")
    logo_share: Mapped[float] = mapped_column(Double, server_default="0.15")
    intro_text: Mapped[str | None] = mapped_column(Text)
    intro_ms: Mapped[int] = mapped_column(Integer, server_default="1500")
    outro_text: Mapped[str | None] = mapped_column(Text)
    outro_ms: Mapped[int] = mapped_column(Integer, server_default="1500")
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


BRAND_KITS = cast("Table", BrandKitRow.__table__)

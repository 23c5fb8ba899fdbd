"""Providers and their models as data: on or off, what they bill us, how many calls at once each lane may have."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row


class ProviderRow(Row):
    """Who does the work. A provider that is off gets no new calls."""

    __tablename__ = "providers"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ProviderModelRow(Row):
    """One model for one craft. Prices are what the provider bills us, in 1e-9 USD a unit."""

    __tablename__ = "provider_models"
    __table_args__ = (
        CheckConstraint("craft IN ('text', 'picture', 'vision', 'speech', 'music')", name="craft"),
        CheckConstraint("interactive_places > 0 AND batch_places > 0", name="places"),
        CheckConstraint(
            "prompt_token_nano_usd >= 0 AND completion_token_nano_usd >= 0 AND image_nano_usd >= 0"
            " AND character_nano_usd >= 0 AND audio_second_nano_usd >= 0",
            name="prices",
        ),
    )

    provider: Mapped[str] = mapped_column(ForeignKey("providers.name"), primary_key=True)
    model: Mapped[str] = mapped_column(Text, primary_key=True)
    craft: Mapped[str] = mapped_column(Text, primary_key=True)
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    interactive_places: Mapped[int] = mapped_column(Integer)
    batch_places: Mapped[int] = mapped_column(Integer)
    prompt_token_nano_usd: Mapped[int] = mapped_column(BigInteger, server_default="0")
    completion_token_nano_usd: Mapped[int] = mapped_column(BigInteger, server_default="0")
    image_nano_usd: Mapped[int] = mapped_column(BigInteger, server_default="0")
    character_nano_usd: Mapped[int] = mapped_column(BigInteger, server_default="0")
    audio_second_nano_usd: Mapped[int] = mapped_column(BigInteger, server_default="0")
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PublicationRow(Row):
    """One reel on one platform, once. `session`: the sealed address that takes its bytes; `whole`: all were sent."""

    __tablename__ = "publications"
    __table_args__ = (
        CheckConstraint("state IN ('begun', 'published', 'unknown')", name="state"),
        CheckConstraint("(state = 'published') = (external_id IS NOT NULL)", name="known"),
    )

    generation_id: Mapped[UUID] = mapped_column(ForeignKey("generations.id", ondelete="CASCADE"), primary_key=True)
    platform: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text, server_default="begun")
    session: Mapped[bytes | None] = mapped_column(LargeBinary)
    whole: Mapped[bool] = mapped_column(server_default=text("false"))
    external_id: Mapped[str | None] = mapped_column(Text)
    held_until: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    published_at: Mapped[datetime | None]


class ProviderCallRow(Row):
    """One paid call: written down before it is made, so that a lost reply is known of and counted."""

    __tablename__ = "provider_calls"
    __table_args__ = (
        CheckConstraint("state IN ('intended', 'answered', 'failed', 'unknown')", name="state"),
        UniqueConstraint("run_id", "fence", "call_no"),
        Index("ix_provider_calls_began_at", "began_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column()
    generation_id: Mapped[UUID] = mapped_column()
    run_id: Mapped[UUID] = mapped_column()
    fence: Mapped[int] = mapped_column(BigInteger)
    call_no: Mapped[int] = mapped_column(Integer)
    provider: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    craft: Mapped[str] = mapped_column(Text)
    request_hash: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default="intended")
    repeats: Mapped[bool] = mapped_column(server_default=text("false"))
    external_id: Mapped[str | None] = mapped_column(Text)
    began_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    ended_at: Mapped[datetime | None]

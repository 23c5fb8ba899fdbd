"""The outbox: messages that a committed transaction promised, waiting to be published."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row


class OutboxRow(Row):
    """One message. Published once marked; parked when no retry can ever publish it."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("published_at IS NULL OR parked_at IS NULL", name="published_or_parked"),
        CheckConstraint("(parked_at IS NULL) = (parked_reason IS NULL)", name="parked_has_reason"),
        Index("ix_outbox_waiting", "deliver_at", "id", postgresql_where="published_at IS NULL AND parked_at IS NULL"),
        Index("ix_outbox_run_id_unsent", "run_id", postgresql_where="published_at IS NULL AND parked_at IS NULL"),
        Index("ix_outbox_parked", "id", postgresql_where="parked_at IS NOT NULL"),
        Index("ix_outbox_published_at", "published_at", postgresql_where="published_at IS NOT NULL"),
        {"postgresql_with": {"fillfactor": 80}},  # a relay's claim updates in place
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    generation_id: Mapped[UUID]  # its run's, and gone with it
    run_id: Mapped[UUID] = mapped_column(ForeignKey("stage_runs.id", ondelete="CASCADE"))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    deliver_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    claimed_until: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    message_id: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    parked_at: Mapped[datetime | None]
    parked_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

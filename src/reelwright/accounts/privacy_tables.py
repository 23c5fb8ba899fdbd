"""What people take with them, who is leaving, and what administrators did."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row


class AdminActionRow(Row):
    """One thing that an administrator changed. Triggers refuse UPDATE and DELETE; `facts` hold no secret."""

    __tablename__ = "admin_actions"
    __table_args__ = (Index("ix_admin_actions_at", text("at DESC"), text("id DESC")),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    actor: Mapped[UUID] = mapped_column()
    action: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    request_id: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ExportRow(Row):
    """One archive of what we keep of an account: asked for, made by a chore, there for a week."""

    __tablename__ = "exports"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'ready', 'failed', 'expired')", name="state"),
        CheckConstraint(
            "(state = 'ready') = (num_nulls(storage_key, size_bytes, sha256, expires_at) = 0)", name="file"
        ),
        Index("ix_exports_account_id", "account_id", text("created_at DESC")),
        Index("uq_exports_waiting", "account_id", unique=True, postgresql_where=text("state = 'waiting'")),
        Index("ix_exports_due", "created_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_exports_expires_at", "expires_at", postgresql_where=text("state = 'ready'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(Text, server_default="waiting")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    claimed_until: Mapped[datetime | None]
    storage_key: Mapped[str | None] = mapped_column(Text)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class DepartureRow(Row):
    """An account that is leaving: `stopped_at` nothing runs or is paid any more, `erased_at` it is nobody's.

    The row outlives the erasure: it is what a crash is gone on from, and the proof that it was done.
    """

    __tablename__ = "departures"
    __table_args__ = (
        CheckConstraint("erased_at IS NULL OR stopped_at IS NOT NULL", name="stopped_first"),
        Index("ix_departures_open", "asked_at", postgresql_where=text("erased_at IS NULL")),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    by_admin: Mapped[bool] = mapped_column()
    asked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    erase_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]

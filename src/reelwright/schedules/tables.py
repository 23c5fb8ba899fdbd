"""Schedules, every due time that came, and the feed entries that were used, as rows."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row


class ScheduleRow(Row):
    """What is made again and again, when it is due next, and how it went so far. Deleting only marks it."""

    __tablename__ = "schedules"
    __table_args__ = (
        CheckConstraint("missed IN ('skip', 'catch_up_one')", name="missed"),
        CheckConstraint("state IN ('active', 'paused', 'ended')", name="state"),
        CheckConstraint("(state = 'active') = (next_due_at IS NOT NULL)", name="due"),
        CheckConstraint("runs_month > 0", name="runs_month"),
        CheckConstraint("micro_month > 0", name="micro_month"),
        CheckConstraint("deleted_at IS NULL OR state = 'ended'", name="deleted"),
        Index(
            "ix_schedules_account_id", "account_id", text("created_at DESC"), text("id DESC"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_schedules_due", "next_due_at", postgresql_where=text("state = 'active'")),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    name: Mapped[str] = mapped_column(Text)
    cron: Mapped[str] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text)
    source: Mapped[dict[str, Any]] = mapped_column(JSONB)
    making: Mapped[dict[str, Any]] = mapped_column(JSONB)
    missed: Mapped[str] = mapped_column(Text)
    runs_month: Mapped[int | None] = mapped_column(Integer)
    micro_month: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text, server_default="active")
    pause_code: Mapped[str | None] = mapped_column(Text)
    pause_sentence: Mapped[str | None] = mapped_column(Text)
    next_due_at: Mapped[datetime | None]
    position: Mapped[int] = mapped_column(Integer, server_default="0")
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    runs_started: Mapped[int] = mapped_column(Integer, server_default="0")
    runs_succeeded: Mapped[int] = mapped_column(Integer, server_default="0")
    runs_failed: Mapped[int] = mapped_column(Integer, server_default="0")
    runs_refused: Mapped[int] = mapped_column(Integer, server_default="0")
    runs_missed: Mapped[int] = mapped_column(Integer, server_default="0")
    spent_micro: Mapped[int] = mapped_column(BigInteger, server_default="0")
    last_run_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class ScheduleRunRow(Row):
    """One due time of a schedule and what came of it; `id` is the id of the generation that it starts."""

    __tablename__ = "schedule_runs"
    __table_args__ = (
        CheckConstraint(
            "state IN ('due', 'started', 'succeeded', 'failed', 'cancelled', 'refused', 'missed', 'skipped')",
            name="state",
        ),
        CheckConstraint("(state = 'due') = (retry_at IS NOT NULL)", name="retry_at"),
        Index("uq_schedule_runs_due_at", "schedule_id", "due_at", unique=True),
        Index("ix_schedule_runs_retry_at", "retry_at", postgresql_where=text("state = 'due'")),
        Index("ix_schedule_runs_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
        Index("ix_schedule_runs_started", "id", postgresql_where=text("state = 'started'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    schedule_id: Mapped[UUID] = mapped_column(ForeignKey("schedules.id", ondelete="CASCADE"))
    due_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(Text, server_default="due")
    code: Mapped[str | None] = mapped_column(Text)
    sentence: Mapped[str | None] = mapped_column(Text)
    topic: Mapped[str | None] = mapped_column(Text)
    price_micro: Mapped[int | None] = mapped_column(BigInteger)
    charged_micro: Mapped[int | None] = mapped_column(BigInteger)
    missed: Mapped[int] = mapped_column(Integer, server_default="0")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    retry_at: Mapped[datetime | None]
    give_up_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class ScheduleEntryRow(Row):
    """A feed's entry that a schedule has used, or found old when it first read the feed, by its SHA-256."""

    __tablename__ = "schedule_entries"
    __table_args__ = (CheckConstraint("octet_length(entry) = 32", name="entry"),)

    schedule_id: Mapped[UUID] = mapped_column(ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True)
    entry: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())

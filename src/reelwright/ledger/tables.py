"""Credits and usage: two append-only books, and the balances and holds that follow from the first.

The books carry no foreign keys to generations or runs: they outlive what they tell about.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row

_INSTANT = DateTime(timezone=True)
_TRANSFERS = """
    CASE kind
      WHEN 'grant'    THEN from_bucket IN ('granted', 'sold') AND to_bucket = 'available'
      WHEN 'hold'     THEN from_bucket = 'available' AND to_bucket = 'held'
      WHEN 'capture'  THEN from_bucket = 'held' AND to_bucket = 'spent'
      WHEN 'void'     THEN from_bucket = 'held' AND to_bucket = 'available'
      WHEN 'refund'   THEN from_bucket = 'spent' AND to_bucket = 'available'
      WHEN 'expire'   THEN from_bucket = 'available' AND to_bucket = 'expired'
      WHEN 'clawback' THEN from_bucket = 'available' AND to_bucket = 'clawed_back'
      WHEN 'adjust'   THEN (from_bucket, to_bucket) IN (('granted', 'available'), ('available', 'granted'))
      ELSE false
    END
"""


class BalanceRow(Row):
    """What an account has: a projection of the journal that can be recomputed at any time."""

    __tablename__ = "credit_balances"
    __table_args__ = (
        CheckConstraint("available_micro >= 0", name="available_micro"),
        CheckConstraint("held_micro >= 0", name="held_micro"),
        {"postgresql_with": {"fillfactor": 70}},  # room for updates in place: this is the hottest row of an account
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    available_micro: Mapped[int] = mapped_column(BigInteger, server_default="0")
    held_micro: Mapped[int] = mapped_column(BigInteger, server_default="0")
    updated_at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.now())


class JournalRow(Row):
    """One transfer between two buckets: double entry by construction. Triggers refuse UPDATE and DELETE."""

    __tablename__ = "credit_journal"
    __table_args__ = (
        CheckConstraint("amount_micro > 0", name="amount_micro"),
        CheckConstraint(_TRANSFERS, name="transfer"),
        Index("uq_credit_journal_source", "source", unique=True),
        Index("ix_credit_journal_account_id", "account_id", "id"),
        Index("ix_credit_journal_generation_id", "generation_id", postgresql_where=text("generation_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(Text)
    from_bucket: Mapped[str] = mapped_column(Text)
    to_bucket: Mapped[str] = mapped_column(Text)
    amount_micro: Mapped[int] = mapped_column(BigInteger)
    generation_id: Mapped[UUID | None] = mapped_column()
    source: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, server_default="")
    at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.clock_timestamp())


class HoldRow(Row):
    """Credits reserved for one attempt at a generation; settled once, by capture or by void."""

    __tablename__ = "credit_holds"
    __table_args__ = (
        CheckConstraint("amount_micro > 0", name="amount_micro"),
        CheckConstraint("state IN ('pending', 'captured', 'voided')", name="state"),
        CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name="settled_at"),
        CheckConstraint("(state = 'captured') = (captured_micro IS NOT NULL)", name="captured"),
        CheckConstraint("captured_micro BETWEEN 0 AND amount_micro", name="captured_micro"),
        Index("ix_credit_holds_account_id", "account_id", "state"),
        Index("uq_credit_holds_pending", "generation_id", unique=True, postgresql_where=text("state = 'pending'")),
    )

    generation_id: Mapped[UUID] = mapped_column(ForeignKey("generations.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    amount_micro: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text, server_default="pending")
    captured_micro: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.now())
    settled_at: Mapped[datetime | None] = mapped_column(_INSTANT)


class UsageRow(Row):
    """One provider call or compute step of one stage run. Triggers refuse UPDATE and DELETE."""

    __tablename__ = "usage_ledger"
    __table_args__ = (
        CheckConstraint("outcome IN ('succeeded', 'failed')", name="outcome"),
        CheckConstraint("quantity >= 0 AND credits_micro >= 0 AND cost_nano_usd >= 0", name="amounts"),
        CheckConstraint(
            "prompt_tokens >= 0 AND completion_tokens >= 0 AND images >= 0 AND characters >= 0 AND wall_ms >= 0",
            name="measures",
        ),
        CheckConstraint("outcome = 'succeeded' OR credits_micro = 0", name="failures_are_free"),
        Index("uq_usage_ledger_call", "run_id", "fence", "call_no", unique=True),
        Index(
            "uq_usage_ledger_success", "run_id", "call_no", unique=True, postgresql_where=text("outcome = 'succeeded'")
        ),
        Index("ix_usage_ledger_generation_id", "generation_id"),
        Index("ix_usage_ledger_account_id", "account_id", "at"),
        Index("ix_usage_ledger_at", "at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    generation_id: Mapped[UUID] = mapped_column()
    run_id: Mapped[UUID] = mapped_column()
    fence: Mapped[int] = mapped_column(BigInteger)
    call_no: Mapped[int] = mapped_column(Integer)
    stage: Mapped[str] = mapped_column(Text)
    scene: Mapped[int | None] = mapped_column(SmallInteger)
    action: Mapped[str] = mapped_column(Text)
    provider: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text, server_default="succeeded")
    quantity: Mapped[int] = mapped_column(BigInteger)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    completion_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    images: Mapped[int] = mapped_column(Integer, server_default="0")
    characters: Mapped[int] = mapped_column(BigInteger, server_default="0")
    wall_ms: Mapped[int] = mapped_column(BigInteger, server_default="0")
    cost_nano_usd: Mapped[int] = mapped_column(BigInteger, server_default="0")
    credits_micro: Mapped[int] = mapped_column(BigInteger)
    plan: Mapped[str] = mapped_column(Text)
    price_version: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(_INSTANT, server_default=func.clock_timestamp())

"""Price lists, which are only ever added to; and what was paid: purchases, payments, Stripe's events."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row


class PriceVersionRow(Row):
    """One price list. The newest that is in force prices new work; running work keeps the one it was quoted by."""

    __tablename__ = "price_versions"
    __table_args__ = (
        Index("uq_price_versions_source", "source", unique=True),
        Index("ix_price_versions_effective_from", "effective_from", "version"),
    )

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    effective_from: Mapped[datetime] = mapped_column(server_default=func.now())
    note: Mapped[str] = mapped_column(Text, server_default="")
    source: Mapped[str | None] = mapped_column(Text)
    actor: Mapped[UUID | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ActionCostRow(Row):
    """The price of one unit of one action, in micro-credits; `ground.metering.Use` says what a unit is."""

    __tablename__ = "action_costs"
    __table_args__ = (CheckConstraint("unit_micro >= 0", name="unit_micro"),)

    version: Mapped[int] = mapped_column(ForeignKey("price_versions.version"), primary_key=True)
    action: Mapped[str] = mapped_column(Text, primary_key=True)
    unit_micro: Mapped[int] = mapped_column(BigInteger)


class StripeEventRow(Row):
    """One event as Stripe sent it, stored before anything is done about it.

    `serial` orders the handling: no two events of one serial at once. While an event is processing, `next_attempt_at`
    is when its claim lapses; `attempts` is the claim's fence.
    """

    __tablename__ = "stripe_events"
    __table_args__ = (
        CheckConstraint("status IN ('received', 'processing', 'done', 'failed', 'ignored')", name="status"),
        CheckConstraint("(status IN ('done', 'ignored')) = (done_at IS NOT NULL)", name="done_at"),
        Index("ix_stripe_events_due", "next_attempt_at", postgresql_where=text("status IN ('received', 'processing')")),
        Index("ix_stripe_events_processing", "serial", postgresql_where=text("status = 'processing'")),
        Index("ix_stripe_events_status", "status", "received_at", "event_id"),
        Index("ix_stripe_events_received_at", "received_at", "event_id"),
    )

    event_id: Mapped[str] = mapped_column(Text, primary_key=True)
    type: Mapped[str] = mapped_column(Text)
    api_version: Mapped[str | None] = mapped_column(Text)
    created: Mapped[datetime]
    livemode: Mapped[bool] = mapped_column()
    object_type: Mapped[str] = mapped_column(Text)
    object_id: Mapped[str] = mapped_column(Text)
    serial: Mapped[str] = mapped_column(Text)
    payload: Mapped[Any] = mapped_column(JSON)  # not jsonb, which refuses the NULs that names may hold
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    status: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    error: Mapped[str] = mapped_column(Text, server_default="")
    done_at: Mapped[datetime | None]


class StripeReviewRow(Row):
    """One day's comparison of Stripe's events with ours: since when, and how many had never arrived."""

    __tablename__ = "stripe_reviews"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    tried_at: Mapped[datetime] = mapped_column(server_default=func.now())
    done_at: Mapped[datetime | None]
    missed: Mapped[int] = mapped_column(Integer, server_default="0")


class PurchaseRow(Row):
    """One try to buy: written before Stripe hears of it, so that its id makes every repeat harmless."""

    __tablename__ = "purchases"
    __table_args__ = (
        CheckConstraint("kind IN ('plan', 'pack', 'boost')", name="kind"),
        CheckConstraint("state IN ('open', 'pending', 'failed', 'expired', 'paid', 'refunded')", name="state"),
        Index("uq_purchases_session_id", "session_id", unique=True),
        Index("ix_purchases_account_id", "account_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(Text)
    item: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    catalogue_version: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str] = mapped_column(Text, server_default="open")
    session_id: Mapped[str | None] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None]


class PaymentRow(Row):
    """What a payment brought, and how much of it was taken back since.

    `source` is the checkout's or the invoice line's, `granted_by` the one that its credits or its boost were given by.
    `turns` numbers the takings and givings back.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("kind IN ('plan', 'pack', 'boost')", name="kind"),
        CheckConstraint("granted_micro >= 0 AND clawed_micro BETWEEN 0 AND granted_micro", name="amounts"),
        Index("ix_payments_payment_intent", "payment_intent"),
        Index("ix_payments_disputed", "account_id", postgresql_where=text("disputed")),
    )

    source: Mapped[str] = mapped_column(Text, primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(Text)
    payment_intent: Mapped[str | None] = mapped_column(Text)
    granted_micro: Mapped[int] = mapped_column(BigInteger, server_default="0")
    clawed_micro: Mapped[int] = mapped_column(BigInteger, server_default="0")
    boost_days: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    granted_by: Mapped[str | None] = mapped_column(Text)
    lapses_at: Mapped[datetime | None]
    disputed: Mapped[bool] = mapped_column(server_default=text("false"))
    turns: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

"""Credits and usage: two append-only books, and the balances, lots and holds that follow from the first.

The books carry no foreign keys to generations or runs: they outlive what they tell about.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Computed,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row

_TRANSFERS = (
    "kind || ' ' || from_bucket || ' ' || to_bucket = ANY ('{grant granted available,grant sold available,"
    "hold available held,capture held spent,void held available,refund spent available,expire available expired,"
    "repay available debt,clawback available clawed_back,clawback debt clawed_back,adjust available granted,"
    "adjust debt granted}'::text[])"
)
"""In one literal: PostgreSQL reads a CHECK anew for each statement, and as a CASE this one is five times as long."""


class BalanceRow(Row):
    """What an account has and owes: a projection of the journal that can be recomputed at any time.

    Whoever moves an account's credits locks this row first. `version` is the number of the account's last journal line.
    """

    __tablename__ = "credit_balances"
    __table_args__ = (
        CheckConstraint("available_micro >= 0", name="available_micro"),
        CheckConstraint("held_micro >= 0", name="held_micro"),
        CheckConstraint("debt_micro >= 0", name="debt_micro"),
        {"postgresql_with": {"fillfactor": 70}},  # room for updates in place: this is the hottest row of an account
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    available_micro: Mapped[int] = mapped_column(BigInteger, server_default="0")
    held_micro: Mapped[int] = mapped_column(BigInteger, server_default="0")
    debt_micro: Mapped[int] = mapped_column(BigInteger, server_default="0")
    version: Mapped[int] = mapped_column(BigInteger, server_default="0")
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class JournalRow(Row):
    """One transfer between two buckets: double entry by construction. Triggers refuse UPDATE and DELETE.

    `seq` numbers an account's lines from 1 without gaps; `…_after` is what the account had and owed after the line.
    `lot_id` is the lot that the line alone moved; a hold's lots stand in its row.
    """

    __tablename__ = "credit_journal"
    __table_args__ = (
        CheckConstraint("amount_micro > 0", name="amount_micro"),
        CheckConstraint(_TRANSFERS, name="transfer"),
        Index("uq_credit_journal_source", "source", unique=True),
        Index("uq_credit_journal_seq", "account_id", "seq", unique=True),
        Index("ix_credit_journal_generation_id", "generation_id", postgresql_where=text("generation_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    seq: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    from_bucket: Mapped[str] = mapped_column(Text)
    to_bucket: Mapped[str] = mapped_column(Text)
    amount_micro: Mapped[int] = mapped_column(BigInteger)
    available_after_micro: Mapped[int] = mapped_column(BigInteger)
    held_after_micro: Mapped[int] = mapped_column(BigInteger)
    debt_after_micro: Mapped[int] = mapped_column(BigInteger)
    generation_id: Mapped[UUID | None] = mapped_column()
    lot_id: Mapped[UUID | None] = mapped_column()
    source: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, server_default="")
    actor: Mapped[UUID | None] = mapped_column()
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class LotRow(Row):
    """Credits that came in together and lapse together, if ever. What is neither remaining nor held is gone.

    Lots are used by priority, soonest to lapse, oldest. `live`, not `remaining_micro`, is indexed: an update that
    leaves it as it was touches no index.
    """

    __tablename__ = "credit_lots"
    __table_args__ = (
        CheckConstraint("origin IN ('promo', 'monthly', 'boost', 'admin', 'purchase')", name="origin"),
        CheckConstraint("amount_micro > 0", name="amount_micro"),
        CheckConstraint("remaining_micro >= 0", name="remaining_micro"),
        CheckConstraint("held_micro >= 0", name="held_micro"),
        CheckConstraint("remaining_micro + held_micro <= amount_micro", name="parts"),
        CheckConstraint("effective_at < expires_at", name="period"),
        Index("uq_credit_lots_external_ref", "external_ref", unique=True),
        Index("ix_credit_lots_account_id", "account_id", "created_at"),
        Index("ix_credit_lots_live", "account_id", postgresql_where=text("live")),
        Index("ix_credit_lots_lapsing", "expires_at", postgresql_where=text("live AND expires_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": 70}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    origin: Mapped[str] = mapped_column(Text)
    amount_micro: Mapped[int] = mapped_column(BigInteger)
    remaining_micro: Mapped[int] = mapped_column(BigInteger)
    held_micro: Mapped[int] = mapped_column(BigInteger, server_default="0")
    live: Mapped[bool] = mapped_column(Computed("(remaining_micro + held_micro) > 0", persisted=True))
    priority: Mapped[int] = mapped_column(SmallInteger)
    effective_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    external_ref: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class HoldRow(Row):
    """Credits reserved for one attempt at a generation; settled once, by capture or by void.

    `lot_micro[i]` were taken from `lot_ids[i]`, the lots in the order of their use: a capture of less than the hold
    spends the first ones, a refund gives back the last ones.
    """

    __tablename__ = "credit_holds"
    __table_args__ = (
        CheckConstraint("amount_micro > 0", name="amount_micro"),
        CheckConstraint("state IN ('pending', 'captured', 'voided')", name="state"),
        CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name="settled_at"),
        CheckConstraint("(state = 'captured') = (captured_micro IS NOT NULL)", name="captured"),
        CheckConstraint("captured_micro BETWEEN 0 AND amount_micro", name="captured_micro"),
        CheckConstraint("refunded_micro BETWEEN 0 AND coalesce(captured_micro, 0)", name="refunded_micro"),
        CheckConstraint("cardinality(lot_ids) = cardinality(lot_micro)", name="lots"),
        Index("ix_credit_holds_account_id", "account_id", "state"),
        Index("uq_credit_holds_pending", "generation_id", unique=True, postgresql_where=text("state = 'pending'")),
    )

    generation_id: Mapped[UUID] = mapped_column(ForeignKey("generations.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    amount_micro: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text, server_default="pending")
    captured_micro: Mapped[int | None] = mapped_column(BigInteger)
    refunded_micro: Mapped[int] = mapped_column(BigInteger, server_default="0")
    lot_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    lot_micro: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None]


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
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class _Figures:
    """What a line of the daily figures adds up."""

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger, server_default="0")
    quantity: Mapped[int] = mapped_column(BigInteger, server_default="0")
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    completion_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    images: Mapped[int] = mapped_column(BigInteger, server_default="0")
    characters: Mapped[int] = mapped_column(BigInteger, server_default="0")
    wall_ms: Mapped[int] = mapped_column(BigInteger, server_default="0")
    cost_nano_usd: Mapped[int] = mapped_column(BigInteger, server_default="0")
    credits_micro: Mapped[int] = mapped_column(BigInteger, server_default="0")


class _Kind:
    """Which kind of work a line is of."""

    action: Mapped[str] = mapped_column(Text, primary_key=True)
    provider: Mapped[str] = mapped_column(Text, primary_key=True)
    model: Mapped[str] = mapped_column(Text, primary_key=True)
    plan: Mapped[str] = mapped_column(Text, primary_key=True)
    outcome: Mapped[str] = mapped_column(Text, primary_key=True)


class UsageDayRow(_Kind, _Figures, Row):
    """What an account used in a UTC day, of one kind: a projection of usage ledger and journal, made anew at will.

    Measures and cost are of the day of the call. Credits are of the day on which they were charged, and only what was
    charged: a capture is spread over the generation's calls, `other` is what had none, a `refund` is negative.
    """

    __tablename__ = "usage_daily"
    __table_args__ = ({"postgresql_with": {"fillfactor": 80}},)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True, sort_order=-1)


class UsageAccountRow(_Figures, Row):
    """The same of all kinds together: who used most is found in a row for each account and day."""

    __tablename__ = "usage_accounts"
    __table_args__ = (Index("ix_usage_accounts_day", "day"), {"postgresql_with": {"fillfactor": 80}})

    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True, sort_order=-1)
    failed_calls: Mapped[int] = mapped_column(BigInteger, server_default="0")


class UsageTotalRow(_Kind, _Figures, Row):
    """The same for all accounts together: a month is a few thousand rows, however many people there are."""

    __tablename__ = "usage_totals"
    __table_args__ = ({"postgresql_with": {"fillfactor": 80}},)


class RollupRow(Row):
    """How far a book is in the daily figures: every row up to this id is, and none behind it."""

    __tablename__ = "usage_rollups"

    book: Mapped[str] = mapped_column(Text, primary_key=True)
    upto: Mapped[int] = mapped_column(BigInteger, server_default="0")
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class RequestDayRow(Row):
    """How often an account asked something of the API in a UTC day: analytics, written late and in batches.

    No foreign key: one request of a vanished account must not hold up a batch.
    """

    __tablename__ = "requests_daily"
    __table_args__ = (Index("ix_requests_daily_day", "day"),)

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    route: Mapped[str] = mapped_column(Text, primary_key=True)
    outcome: Mapped[str] = mapped_column(Text, primary_key=True)
    requests: Mapped[int] = mapped_column(BigInteger)


class TrackingFailureRow(Row):
    """How much of one source could not be tracked on a UTC day, and why."""

    __tablename__ = "tracking_failures"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    reason: Mapped[str] = mapped_column(Text, primary_key=True)
    lost: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_at: Mapped[datetime] = mapped_column(server_default=func.now())

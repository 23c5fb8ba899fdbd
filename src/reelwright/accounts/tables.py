"""Users, how they sign in, their API keys, the plans they hold and pay for, and their boosts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row

_PLANS = "plan IN ('basic', 'standard', 'pro')"
_GIVEN = "deleted_at IS NULL AND NOT demo AND email_verified_at IS NOT NULL"
_UNVERIFIED = "deleted_at IS NULL AND email_verified_at IS NULL"


class UserRow(Row):
    """One account. `plan` is the plan it holds itself; a boost lifts it while it lasts; `plan_version` counts both.

    `given_plan` is the plan it holds when no subscription holds another: Basic, or what an administrator set.
    `allowance_due_at` is only when to look next whether a month's credits are due: the books know what was given.
    `order_fence` counts the orders that were found not to stand while they might still arrive.
    `version` counts changes of what its owner edits. No `password_hash`: nobody can sign in by password.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('user', 'admin')", name="role"),
        CheckConstraint(_PLANS, name="plan"),
        CheckConstraint(f"given_{_PLANS}", name="given_plan"),
        CheckConstraint("char_length(email) BETWEEN 3 AND 254", name="email_length"),
        CheckConstraint("char_length(password_hash) BETWEEN 20 AND 256", name="password_hash_length"),
        Index("uq_users_email_lower", text("lower(email)"), unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_users_external_customer_id", "external_customer_id", unique=True),
        Index("ix_users_allowance_due_at", "allowance_due_at", "id", postgresql_where=text(_GIVEN)),
        Index("ix_users_unverified", "created_at", postgresql_where=text(_UNVERIFIED)),
        Index("ix_users_plan", "plan", "id", postgresql_where=text("deleted_at IS NULL")),
        Index(
            "ix_users_email",
            func.lower(text("email")).label("letters"),
            postgresql_using="gin",
            postgresql_ops={"letters": "gin_trgm_ops"},
            postgresql_with={"fastupdate": "off"},
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text, server_default="user")
    plan: Mapped[str] = mapped_column(Text, server_default="basic")
    plan_version: Mapped[int] = mapped_column(BigInteger, server_default="1")
    given_plan: Mapped[str] = mapped_column(Text, server_default="basic")
    order_fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    external_customer_id: Mapped[str | None] = mapped_column(Text)
    allowance_due_at: Mapped[datetime] = mapped_column(server_default=text("'1970-01-01 00:00:00+00'"))
    demo: Mapped[bool] = mapped_column(server_default=text("false"))
    password_hash: Mapped[str | None] = mapped_column(Text)
    email_verified_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class ApiKeyRow(Row):
    """One API key: the secret's SHA-256, and the few first characters that a person knows it by."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("octet_length(secret_hash) = 32", name="secret_is_hashed"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name_length"),
        Index("uq_api_keys_secret_hash", "secret_hash", unique=True),
        Index("ix_api_keys_account_id", "account_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    live: Mapped[bool] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SessionRow(Row):
    """One signed-in browser: its token's SHA-256, and by which program its owner knows it.

    `authenticated_at` is when the password was given last. A session that has ended is no row.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("octet_length(token_hash) = 32", name="token_is_hashed"),
        CheckConstraint("char_length(agent) BETWEEN 1 AND 60", name="agent_length"),
        Index("uq_sessions_token_hash", "token_hash", unique=True),
        Index("ix_sessions_account_id", "account_id", "created_at", "id"),
        Index("ix_sessions_expires_at", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    agent: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    authenticated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class EmailProofRow(Row):
    """One letter that proves its reader's address, once. Its token is signed, not stored: the row can't be sent.

    A sign-up's proof carries the password that was chosen with it, so that no letter lets in another's password.
    """

    __tablename__ = "email_proofs"
    __table_args__ = (
        CheckConstraint("purpose IN ('verify', 'reset')", name="purpose"),
        CheckConstraint("(purpose = 'verify') = (password_hash IS NOT NULL)", name="password_hash"),
        Index("ix_email_proofs_account_id", "account_id"),
        Index("ix_email_proofs_expires_at", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ReplayRow(Row):
    """What one request of an account made, by where it was sent and its key's SHA-256."""

    __tablename__ = "replays"
    __table_args__ = (
        CheckConstraint("octet_length(key_hash) = 32 AND octet_length(fingerprint) = 32", name="hashes"),
        Index("ix_replays_created_at", "created_at"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    made: Mapped[UUID] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SubscriptionRow(Row):
    """A plan paid for through Stripe, as Stripe told it at `told_at`.

    `settle_at` is when time alone may change the plan that the account holds by it: grace over, period over.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint(_PLANS, name="plan"),
        CheckConstraint(f"next_{_PLANS}", name="next_plan"),
        CheckConstraint(
            "status IN ('incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'unpaid', 'canceled',"
            " 'paused')",
            name="status",
        ),
        CheckConstraint("period_start < period_end", name="period"),
        CheckConstraint("(status = 'past_due') = (past_due_since IS NOT NULL)", name="past_due_since"),
        Index("uq_subscriptions_external_id", "external_id", unique=True),
        Index("ix_subscriptions_account_id", "account_id", "status"),
        Index("ix_subscriptions_settle_at", "settle_at", "account_id", postgresql_where=text("settle_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    plan: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    external_id: Mapped[str] = mapped_column(Text)
    external_customer_id: Mapped[str] = mapped_column(Text, index=True)
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    anchor: Mapped[datetime | None]
    cancel_at_period_end: Mapped[bool] = mapped_column(server_default=text("false"))
    next_plan: Mapped[str | None] = mapped_column(Text)
    past_due_since: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    told_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settle_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class FormerCustomerRow(Row):
    """A customer of Stripe's that it has deleted, and whose it was."""

    __tablename__ = "former_customers"

    external_customer_id: Mapped[str] = mapped_column(Text, primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    left_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PaidPeriodRow(Row):
    """A period that an invoice's line paid for: a month, or a year whose months are given one after the other."""

    __tablename__ = "paid_periods"
    __table_args__ = (
        CheckConstraint(_PLANS, name="plan"),
        CheckConstraint("starts_at < ends_at", name="period"),
        Index("ix_paid_periods_account_id", "account_id", "ends_at"),
    )

    source: Mapped[str] = mapped_column(Text, primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    plan: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BoostRow(Row):
    """One bought or granted stretch of Pro. Boosts of one account follow one another without overlap.

    A revoked one lasted until `revoked_at`, if it had begun. `closed_at` says that its end has been told.
    """

    __tablename__ = "boosts"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="period"),
        Index("uq_boosts_source", "source", unique=True),
        Index("ix_boosts_account_id", "account_id", "ends_at"),
        Index("ix_boosts_ends_at", "ends_at", "id", postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    source: Mapped[str | None] = mapped_column(Text)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

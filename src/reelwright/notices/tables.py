"""What was told, to which addresses webhooks go, each delivery there, and who wants what how."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row

PASSING = (
    "kind IN ('generation_succeeded', 'generation_failed', 'generation_cancelled', 'webhook_test',"
    " 'verify_address', 'password_reset', 'address_known', 'password_changed')"
)
"""What nobody could tell again: their rows go after a while, those that keep others from being repeated stay."""


class NoticeRow(Row):
    """One thing that an account is told once, and how far its e-mail has come.

    `mail_doubts` counts the times that nobody knows whether the message went out.
    `mail_attempts` grows with each claim, and only the latest may settle it.
    """

    __tablename__ = "notices"
    __table_args__ = (
        CheckConstraint("char_length(key) BETWEEN 1 AND 200", name="key_length"),
        CheckConstraint("mail_state IN ('none', 'waiting', 'sent', 'unwanted', 'given_up')", name="mail_state"),
        CheckConstraint("(mail_state = 'waiting') = (mail_due_at IS NOT NULL)", name="mail_due_at"),
        Index("uq_notices_key", "account_id", "kind", "key", unique=True),
        Index("ix_notices_mail", "mail_due_at", postgresql_where=text("mail_state = 'waiting'")),
        Index("ix_notices_passing", "told_at", postgresql_where=text(PASSING)),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    told_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    mail_state: Mapped[str] = mapped_column(Text)
    mail_due_at: Mapped[datetime | None]
    mail_claimed_until: Mapped[datetime | None]
    mail_attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    mail_doubts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    mail_error: Mapped[str | None] = mapped_column(Text)
    mail_sent_at: Mapped[datetime | None]


class EndpointRow(Row):
    """Where an account's webhooks go. No `events` means all.

    `secret_before` holds those that sign too until their time is over: one behind the other, the newest first.

    `failing_since` is the first failure behind the last success; `paused_until` leaves a failing place in peace.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint("char_length(url) BETWEEN 8 AND 2048", name="url_length"),
        CheckConstraint("char_length(description) <= 200", name="description_length"),
        CheckConstraint("octet_length(secret) BETWEEN 24 AND 64", name="secret_length"),
        CheckConstraint("(secret_before IS NULL) = (secret_before_until IS NULL)", name="secret_before"),
        CheckConstraint("disabled_reason IN ('owner', 'gone', 'failing')", name="disabled_reason"),
        CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", name="disabled_at"),
        Index("ix_webhook_endpoints_account_id", "account_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default="")
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    secret_before: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret_before_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    failing_since: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class DeliveryRow(Row):
    """One notice on its way to one endpoint. `tries` has the newest ten: when, status or error, milliseconds.

    `claim` grows with each claim, and only the latest may settle it.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'delivered', 'given_up')", name="state"),
        CheckConstraint("(state = 'waiting') = (due_at IS NOT NULL)", name="due_at"),
        Index("uq_webhook_deliveries_notice", "endpoint_id", "notice_id", unique=True),
        Index("ix_webhook_deliveries_listed", "endpoint_id", "created_at", "id"),
        Index("ix_webhook_deliveries_notice_id", "notice_id"),
        Index("ix_webhook_deliveries_due", "endpoint_id", "due_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_webhook_deliveries_created_at", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    notice_id: Mapped[UUID] = mapped_column(ForeignKey("notices.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(Text, server_default="waiting")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    claim: Mapped[int] = mapped_column(BigInteger, server_default="0")
    due_at: Mapped[datetime | None] = mapped_column(server_default=func.clock_timestamp())
    claimed_until: Mapped[datetime | None]
    tries: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    delivered_at: Mapped[datetime | None]


class PreferenceRow(Row):
    """What an account has chosen otherwise than by default, for one kind of notice."""

    __tablename__ = "notification_preferences"
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    mail: Mapped[bool] = mapped_column()
    webhook: Mapped[bool] = mapped_column()
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

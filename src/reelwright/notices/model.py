"""What people can be told: every kind of notice with its name on the wire and how it goes out unless they choose."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from uuid import UUID

import msgspec

from reelwright.ground.ids import AccountId


class Kind(StrEnum):
    """One kind of notice. Its template has this name, too."""

    ALLOWANCE_80 = "allowance_80"
    ALLOWANCE_90 = "allowance_90"
    ALLOWANCE_100 = "allowance_100"
    LOW_BALANCE = "low_balance"
    CREDITS_EXHAUSTED = "credits_exhausted"
    APPROACHING_LIMIT = "approaching_limit"
    QUOTA_RESET = "quota_reset"
    MONTHLY_SUMMARY = "monthly_summary"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_ACTION_REQUIRED = "payment_action_required"
    PAYMENT_SUCCEEDED = "payment_succeeded"
    PAYMENT_REFUNDED = "payment_refunded"
    PAYMENT_DISPUTED = "payment_disputed"
    PURCHASE_COMPLETED = "purchase_completed"
    PURCHASE_FAILED = "purchase_failed"
    PURCHASE_EXPIRED = "purchase_expired"
    TRIAL_ENDING = "trial_ending"
    PLAN_CHANGED = "plan_changed"
    BOOST_STARTED = "boost_started"
    BOOST_ENDED = "boost_ended"
    SCHEDULE_PAUSED = "schedule_paused"
    GENERATION_SUCCEEDED = "generation_succeeded"
    GENERATION_FAILED = "generation_failed"
    GENERATION_CANCELLED = "generation_cancelled"
    WEBHOOK_DISABLED = "webhook_disabled"
    WEBHOOK_TEST = "webhook_test"
    VERIFY_ADDRESS = "verify_address"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a name
    ADDRESS_KNOWN = "address_known"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a name
    ACCOUNT_LEAVING = "account_leaving"

    @property
    def event(self) -> str:
        """The `type` that webhooks of this kind have."""
        return _EVENTS.get(self, "account.letter")

    @property
    def wanted(self) -> "Wanted":
        """How it goes out while the account has chosen nothing else."""
        return Wanted(mail=self not in _NO_MAIL, webhook=self is not Kind.WEBHOOK_DISABLED and self not in LETTERS)


LETTERS = frozenset(
    {Kind.VERIFY_ADDRESS, Kind.PASSWORD_RESET, Kind.ADDRESS_KNOWN, Kind.PASSWORD_CHANGED, Kind.ACCOUNT_LEAVING}
)
"""What is about signing in and leaving goes to the address alone, whatever the account has chosen, a demo's too."""

_THRESHOLD = "quota.threshold_reached"
_EVENTS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.ALLOWANCE_80: _THRESHOLD,
        Kind.ALLOWANCE_90: _THRESHOLD,
        Kind.ALLOWANCE_100: _THRESHOLD,
        Kind.APPROACHING_LIMIT: _THRESHOLD,
        Kind.LOW_BALANCE: "credits.low",
        Kind.CREDITS_EXHAUSTED: "credits.exhausted",
        Kind.QUOTA_RESET: "quota.reset",
        Kind.MONTHLY_SUMMARY: "usage.monthly_summary",
        Kind.PAYMENT_FAILED: "payment.failed",
        Kind.PAYMENT_ACTION_REQUIRED: "payment.action_required",
        Kind.PAYMENT_SUCCEEDED: "payment.succeeded",
        Kind.PAYMENT_REFUNDED: "payment.refunded",
        Kind.PAYMENT_DISPUTED: "payment.disputed",
        Kind.PURCHASE_COMPLETED: "purchase.completed",
        Kind.PURCHASE_FAILED: "purchase.failed",
        Kind.PURCHASE_EXPIRED: "purchase.expired",
        Kind.TRIAL_ENDING: "trial.ending",
        Kind.PLAN_CHANGED: "plan.changed",
        Kind.BOOST_STARTED: "boost.started",
        Kind.BOOST_ENDED: "boost.ended",
        Kind.SCHEDULE_PAUSED: "schedule.paused",
        Kind.GENERATION_SUCCEEDED: "generation.succeeded",
        Kind.GENERATION_FAILED: "generation.failed",
        Kind.GENERATION_CANCELLED: "generation.cancelled",
        Kind.WEBHOOK_DISABLED: "webhook.disabled",
        Kind.WEBHOOK_TEST: "webhook.test",
    }
)
EVENTS = tuple(sorted(set(_EVENTS.values()) - {Kind.WEBHOOK_DISABLED.event}))
"""Every type that a webhook can have."""

_NO_MAIL = frozenset(
    {
        Kind.GENERATION_SUCCEEDED,
        Kind.GENERATION_FAILED,
        Kind.GENERATION_CANCELLED,
        Kind.QUOTA_RESET,
        Kind.PURCHASE_EXPIRED,  # who left Stripe's page knows
        Kind.PURCHASE_COMPLETED,  # for money Stripe writes the letters: receipts, and the bank about a dispute
        Kind.PAYMENT_SUCCEEDED,
        Kind.PAYMENT_REFUNDED,
        Kind.PAYMENT_DISPUTED,
        Kind.WEBHOOK_TEST,
    }
)
CHOOSABLE = tuple(kind for kind in Kind if kind is not Kind.WEBHOOK_TEST and kind not in LETTERS)
"""What an account may choose about: a test goes where it was asked for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whether a kind goes out by e-mail, and whether by webhook."""

    mail: bool
    webhook: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where webhooks go. No `events`: all of them. Its secret is not here: it is shown where it is made, once."""

    id: UUID
    account_id: AccountId
    url: str
    description: str
    events: tuple[str, ...]
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime

    @property
    def version(self) -> int:
        """Name what its owner may change, as it stands: a number of at most nine digits."""
        return version_of([self.url, self.description, self.events, self.disabled_at is None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt at a delivery: a status, or why there was none."""

    at: datetime
    status: int | None
    error: str | None
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notice on its way to one endpoint, with its newest attempts. `due_at`: when it is tried next."""

    id: UUID
    endpoint_id: UUID
    notice_id: UUID
    event: str
    state: str
    attempts: int
    due_at: datetime | None
    created_at: datetime
    delivered_at: datetime | None
    tries: tuple[Try, ...]

    @property
    def message_id(self) -> str:
        """The `webhook-id` header: one a notice, however often it is sent."""
        return message_id(self.notice_id)


def version_of(said: object) -> int:
    """Return a number of at most nine digits that names what was said: what differs has another, but for chance."""
    return int.from_bytes(sha256(msgspec.json.encode(said)).digest()[:8], "big") % 1_000_000_000


def message_id(notice: UUID) -> str:
    """Return the name under which receivers know a notice's webhook."""
    return f"msg_{notice.hex}"

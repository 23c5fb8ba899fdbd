"""Accounts, their callers, API keys, sessions, subscriptions and boosts as plain values."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType
from uuid import UUID

from reelwright.ground.ids import AccountId, ApiKeyId

SessionId = NewType("SessionId", UUID)
ProofId = NewType("ProofId", UUID)

GRACE = timedelta(days=3)
"""How long a plan is kept whose payment has failed: decisions, 19."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who asks. `plan` is the plan it holds itself (basic, standard, pro); until `boost_until` it is served as Pro.

    `plan_version` grows by one with every change of plan or boost, so that of two memories the newer can be told.
    An order that knows an older `order_fence` than the row's no longer stands.
    """

    id: AccountId
    email: str
    role: str
    plan: str
    plan_version: int
    boost_until: datetime | None
    demo: bool
    order_fence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as its owner sees it later: by name and first characters, never whole."""

    id: ApiKeyId
    account_id: AccountId
    name: str
    prefix: str
    scopes: tuple[str, ...]
    live: bool
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sends a request: an account, and by which key or session of its own, which may do what `scopes` say.

    `recent`: a session whose person gave the password within the last ten minutes. `leaving`: its owner has closed the
    account, and may still take that back.
    """

    account: Account
    scopes: tuple[str, ...]
    key_id: ApiKeyId | None = None
    session_id: SessionId | None = None
    recent: bool = False
    leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in browser as its owner sees it: by its program, never by its token."""

    id: SessionId
    agent: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """How an account signs in. No `password_hash`: by no password. `version` counts what its owner has changed.

    `expelled`: an administrator has closed it; not so where it is False or None.
    """

    account: Account
    password_hash: str | None
    email_verified_at: datetime | None
    created_at: datetime
    version: int
    expelled: bool | None

    @property
    def let_in(self) -> bool:
        """Whether its owner may sign in: the address is proven, and no administrator has closed the account."""
        return self.email_verified_at is not None and not self.expelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A letter that proves an address: its token names this id, and is worth something until then."""

    id: ProofId
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionTold:
    """A subscription as Stripe showed it: its whole state, not what changed.

    `told_at` is the teller's time, from which grace counts; which of two states is the newer is for PostgreSQL to say.
    The period is its items' current one; `anchor` the instant whose day every period begins on. `next_plan` takes the
    place of `plan` at the period's end.
    """

    external_id: str
    external_customer_id: str
    plan: str
    status: str
    period_start: datetime
    period_end: datetime
    anchor: datetime | None
    cancel_at_period_end: bool
    next_plan: str | None
    ended_at: datetime | None
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription(SubscriptionTold):
    """What was told last, for whom, and since when its payment is due."""

    id: UUID
    account_id: AccountId
    past_due_since: datetime | None

    def live(self, now: datetime) -> bool:
        """Whether it gives its plan: paid for or on trial, or at most three days past due; and not run out."""
        if self.ended_at is not None or (self.cancel_at_period_end and now >= self.period_end):
            return False
        if self.past_due_since is not None:
            return now < self.past_due_since + GRACE
        return self.status in {"trialing", "active"}

    def plan_at(self, now: datetime) -> str:
        """Return the plan that it gives while it is live: the next one from the period's end on."""
        return self.next_plan if self.next_plan is not None and now >= self.period_end else self.plan

    def turns_at(self, now: datetime) -> datetime | None:
        """Return the next instant at which time alone changes what it gives, None where there is none."""
        if not self.live(now):
            return None
        instants = [self.past_due_since + GRACE] if self.past_due_since else []
        if self.cancel_at_period_end or self.next_plan is not None:
            instants.append(self.period_end)
        return min((at for at in instants if at > now), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidPeriod:
    """A period that an invoice's line paid for."""

    source: str
    plan: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Boost:
    """A stretch of Pro from `starts_at` until just before `ends_at`; a revoked one ended then, if it had begun."""

    id: UUID
    account_id: AccountId
    source: str | None
    starts_at: datetime
    ends_at: datetime
    revoked_at: datetime | None

"""Accounts and API keys as plain values."""

from dataclasses import dataclass
from datetime import datetime

from reelwright.ground.ids import AccountId, ApiKeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who asks. `plan` is the plan it holds itself (basic, standard, pro); until `boost_until` it is served as Pro.

    `plan_version` grows by one with every change of plan or boost, so that of two memories the newer can be told.
    """

    id: AccountId
    email: str
    role: str
    plan: str
    plan_version: int
    boost_until: datetime | None
    demo: bool


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
    revoked_at: datetime | None

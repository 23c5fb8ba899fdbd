"""Accounts that shoot, what they have used before, and the shots themselves."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from reelwright import ledger
from reelwright.accounts import Accounts
from reelwright.admission import Periods
from reelwright.billing import PLANS, Plan
from reelwright.generations import Draft, Drafts
from reelwright.ground.ids import AccountId, DraftId
from reelwright.ground.postgres import Database
from tests.load.client import Shot
from tests.load.finisher import ENDS, STAYS

BEFORE = b"before"
"""The fingerprint of rows that stand for earlier orders."""
_EARLIER = text(
    """
    INSERT INTO generations (id, account_id, draft_id, kind, state, fingerprint, plan, price_version, hold_micro, lane,
                             full_units, admitted_at, deadline_at, started_at, ended_at)
    SELECT gen_random_uuid(), :account, :draft, CASE WHEN :full THEN 'regenerate_full' ELSE 'script' END, 'succeeded',
           :fingerprint, :plan, 1, 0, 'interactive', CASE WHEN :full THEN 1 ELSE 0 END, at.instant, at.instant,
           at.instant, at.instant
      FROM generate_series(0, :count - 1) AS n,
           LATERAL (SELECT CAST(:since AS timestamptz) + n * (:until - CAST(:since AS timestamptz)) / :count
                        AS instant) AS at
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """An account with its key. `ends`: its generations end at once. `drafts` are what it may regenerate."""

    account: AccountId
    secret: str
    plan: Plan
    ends: bool
    drafts: list[DraftId] = field(default_factory=list)

    @property
    def terms(self) -> Any:
        """The plan's numbers."""
        return PLANS[self.plan]


async def customer(db: Database, plan: Plan, *, ends: bool, micro: int | None = None) -> Customer:
    """Open an account whose generations end at once, or stay. `micro`: credits, if not the plan's for a month."""
    async with db.begin() as tx:
        accounts = Accounts(session=tx)
        email = f"{ENDS if ends else STAYS}-{uuid4().hex}@example.com"
        account = await accounts.create(email=email, plan=plan.value)
        _, secret = await accounts.issue_key(account.id, name="hammer", live=True)
        granted = PLANS[plan].credits_month_micro if micro is None else micro
        await ledger.grant(tx, account=account.id, micro=granted, source=f"hammer:{account.id}")
    return Customer(account=account.id, secret=secret, plan=plan, ends=ends)


async def drafts(db: Database, owner: Customer, count: int) -> list[DraftId]:
    """Give the account so many drafts, and return them."""
    made = [Draft(id=DraftId(uuid4()), account_id=owner.account, topic="Cats") for _ in range(count)]
    async with db.begin() as tx:
        for one in made:
            await Drafts(session=tx).add(one)
    return [one.id for one in made]


async def used_before(
    db: Database, owner: Customer, count: int, *, since: datetime, until: datetime, full: bool = False
) -> None:
    """Let so many generations have been admitted, evenly, from `since` up to but not at `until`, and have ended."""
    if not count:
        return
    (one,) = await drafts(db, owner, 1)
    values = {"account": owner.account, "draft": one, "full": full, "fingerprint": BEFORE}
    values |= {"plan": owner.plan.value, "count": count, "since": since, "until": until}
    async with db.begin() as tx:
        await tx.execute(_EARLIER, values)


def has_earlier_hours(periods: Periods) -> bool:
    """Say whether the month has an hour before this one, for rows that must not count in this hour."""
    return periods.hour_start > periods.month_start


Aim = Callable[[Customer], tuple[str, dict[str, str | int]]]


def at_create(_owner: Customer) -> tuple[str, dict[str, str | int]]:
    """Order the cheapest reel there is: a script about a topic."""
    return "/v1/create", {"topic": "Why do cats purr?", "kind": "script"}


def shots(owners: Sequence[Customer], count: int, *, luck: random.Random, aim: Aim = at_create) -> list[Shot]:
    """Return so many orders, each with a key of its own, spread evenly over the accounts and then shuffled."""
    made: list[Shot] = []
    for number in range(count):
        owner = owners[number % len(owners)]
        path, body = aim(owner)
        key = f"{luck.getrandbits(96):024x}"
        made.append(Shot(account=str(owner.account), secret=owner.secret, key=key, path=path, body=body))
    luck.shuffle(made)
    return made

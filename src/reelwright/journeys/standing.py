"""Tell an account where each of its limits stands: from Redis, or from PostgreSQL while Redis is away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reelwright import billing
from reelwright.accounts import Account
from reelwright.admission import Gate, Held, Peek, Periods, Policy, Standing, Unavailable
from reelwright.billing import Plan
from reelwright.ground import log
from reelwright.ground.postgres import Database
from reelwright.journeys import facts

_log = log.logger("journeys.standing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Where an account stands at `at`: its own plan, the plan it is served by, and every policy but the drafts' own.

    `cooldown` is how long a draft rests between regenerations. `degraded` says that PostgreSQL had to answer.
    """

    at: datetime
    plan: Plan
    effective_plan: Plan
    boost_until: datetime | None
    cooldown: timedelta
    standings: Sequence[Standing]
    degraded: bool

    @property
    def binding(self) -> list[Policy]:
        """The policies that refuse something just now. What a plan never has doesn't bind: it can't free."""
        return [standing.policy for standing in self.standings if standing.limit and standing.remaining == 0]


async def of(account: Account, *, db: Database, gate: Gate, now: datetime) -> Overview:
    """Return where the account stands; take nothing. `now` counts only while Redis, whose clock decides, is away.

    Raises Outage.
    """
    try:
        return _weighed(await _peek(account, gate=gate, now=now))
    except Unavailable:
        _log.warning("standing.degraded", account_id=str(account.id))
    return await _counted(account, db=db, now=now)


def held(account: Account) -> Held:
    """Return an account's plan in admission's words."""
    return Held(plan=account.plan, version=account.plan_version, boost_until=account.boost_until)


async def _peek(account: Account, *, gate: Gate, now: datetime) -> Peek:
    """Ask Redis, and once more where it remembered an older plan than the one that the account was read with."""
    peek = await gate.peek(account.id, now=now)
    if peek.entitlement.version < account.plan_version:
        await gate.remember_plan(account.id, held(account))
        peek = await gate.peek(account.id, now=now)
    return peek


def _weighed(peek: Peek) -> Overview:
    own = Plan(peek.entitlement.plan)
    return Overview(
        at=peek.at,
        plan=own,
        effective_plan=Plan.PRO if peek.boosted else own,
        boost_until=peek.entitlement.boost_until,
        cooldown=timedelta(milliseconds=peek.entitlement.limits.cooldown_ms),
        standings=peek.standings,
        degraded=False,
    )


async def _counted(account: Account, *, db: Database, now: datetime) -> Overview:
    """Count rows, as admission does before it lets anybody in on a wiped Redis."""
    periods = Periods.at(now)
    used = await facts.reader(db)(account.id, periods)
    effective = billing.effective_plan(account.plan, account.boost_until, now)
    terms = billing.PLANS[effective]
    live = sum(expires_at > now for _, expires_at in used.leases)
    rows = (
        (Policy.GENERATIONS_MONTH, terms.generations_month, used.generations_month, periods.month_end),
        (Policy.GENERATIONS_HOUR, terms.generations_hour, used.generations_hour, periods.hour_end),
        (Policy.FULL_REGENERATIONS_MONTH, terms.full_regenerations_month, used.full_month, periods.month_end),
        (Policy.CONCURRENT, terms.concurrent, live, None),
    )
    return Overview(
        at=now,
        plan=Plan(account.plan),
        effective_plan=effective,
        boost_until=account.boost_until if account.boost_until and account.boost_until > now else None,
        cooldown=terms.cooldown,
        standings=[Standing(policy=p, limit=limit, used=n, frees_at=frees_at) for p, limit, n, frees_at in rows],
        degraded=True,
    )

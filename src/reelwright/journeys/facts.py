"""What PostgreSQL knows of an account's plan and use: asked when Redis has lost it, and for the last word."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from reelwright import accounts, billing, generations
from reelwright.admission import Facts, Held, Limits, Periods
from reelwright.generations import Regenerated
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database, Statement, rows

LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        plan.value: Limits(
            generations_month=terms.generations_month,
            generations_hour=terms.generations_hour,
            full_regenerations_month=terms.full_regenerations_month,
            concurrent=terms.concurrent,
            cooldown_ms=round(terms.cooldown.total_seconds() * 1000),
        )
        for plan, terms in billing.PLANS.items()
    }
)
"""Every plan's limits in admission's words, by the plan's name."""

_HELD = Statement(accounts.HELD)
_KNOWN = Statement(
    f"""
    SELECT facts.*, held.plan, held.plan_version, held.boost_until
      FROM ({generations.ADMISSION_FACTS}) AS facts LEFT JOIN ({accounts.HELD}) AS held ON true
    """  # noqa: S608 - put together from constants
)
_NOBODYS = Held(plan=billing.Plan.BASIC.value, version=0)
_PLAN_OF = {limits: plan for plan, limits in LIMITS.items()}


def plan_of(limits: Limits) -> str:
    """Return the plan in effect that these limits are of: the gate may have heard of a newer one than its caller."""
    return _PLAN_OF[limits]


LONGEST_COOLDOWN = max(terms.cooldown for terms in billing.PLANS.values())


def reader(db: Database) -> Callable[[AccountId, Periods], Awaitable[Facts]]:
    """Return the function by which the gate rebuilds counters, leases and cooldowns. It raises Outage."""

    async def facts(account: AccountId, periods: Periods) -> Facts:
        async with db.single() as tx:  # it tells what was so when it was asked: the last word counts once more
            # The periods may be a moment behind Redis's clock; what has ended since is left out by the script.
            cooled_since = periods.hour_start - LONGEST_COOLDOWN
            asked = generations.asked_facts(account, periods.month_start, periods.hour_start, cooled_since)
            [row] = await rows(tx, _KNOWN, asked)
        found = generations.told_facts(row)
        latest = {done.draft_id: done for done in found.regenerated}
        return Facts(
            generations_month=found.generations_month,
            generations_hour=found.generations_hour,
            full_month=found.full_month,
            leases=found.live,
            cooldowns=tuple((draft, done.generation_id, cooled_at(done)) for draft, done in latest.items()),
            held=_held(row),
        )

    return facts


def cooled_at(done: Regenerated) -> datetime:
    """Return when the draft may be regenerated again: by the plan that was in effect at the admission."""
    return done.admitted_at + billing.PLANS[billing.Plan(done.plan)].cooldown


def held(db: Database) -> Callable[[AccountId], Awaitable[Held]]:
    """Return the function by which the gate learns an account's plan. It raises Outage. Who is gone is on Basic."""

    async def plan_of(account: AccountId) -> Held:
        async with db.single() as tx:
            found = await rows(tx, _HELD, {"account": account})
        return _held(found[0]) if found else _NOBODYS

    return plan_of


def _held(row: Any) -> Held:
    if row["plan"] is None:
        return _NOBODYS
    return Held(plan=row["plan"], version=row["plan_version"], boost_until=row["boost_until"])

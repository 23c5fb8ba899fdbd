"""PostgreSQL's word on an account's limits: counted from the rows, whatever Redis says or doesn't say."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import billing
from reelwright.accounts import Account, Accounts
from reelwright.admission import Limits, NotAdmitted, Periods, Policy, Standing
from reelwright.generations import Generations
from reelwright.ground import log
from reelwright.ground.ids import AccountId
from reelwright.journeys.facts import LIMITS, LONGEST_COOLDOWN, cooled_at
from reelwright.journeys.ordering import Order

_log = log.logger("journeys.lastword")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When an order is weighed, and under which limits. `plan` is the plan in effect then."""

    at: datetime
    plan: str
    limits: Limits


def moment_of(account: Account, now: datetime) -> Moment:
    """Return the moment for an order that Redis says nothing of: the account's own plan or boost, at our own clock."""
    plan = billing.effective_plan(account.plan, account.boost_until, now).value
    return Moment(at=now, plan=plan, limits=LIMITS[plan])


async def spoken(tx: AsyncConnection, order: Order, account: AccountId, moment: Moment) -> None:
    """Count the account's use again, the order's own row included, with all its other orders waiting.

    The account's row is the lock: taken last, after the hold, it is held for two statements and the commit. Raises
    NotAdmitted, so that the transaction and with it the order is undone.
    """
    await Accounts(session=tx).lock(account)
    refusal = await weighed(tx, order, account, moment, written=True)
    if refusal is not None:
        policies = [violation.policy.value for violation in refusal.violations]
        _log.warning("admission.refused_by_rows", account_id=str(account), policies=policies)
        raise refusal


async def weighed(
    tx: AsyncConnection, order: Order, account: AccountId, moment: Moment, *, written: bool = False
) -> NotAdmitted | None:
    """Return the refusal that the order earns by the rows alone, or None. `written`: its own row is among them."""
    periods, limits, generations = Periods.at(moment.at), moment.limits, Generations(session=tx)
    used = await generations.counted(
        account, periods.month_start, periods.month_end, periods.hour_start, periods.hour_end
    )
    month_end, full_cap = periods.month_end, limits.full_regenerations_month
    rows = (
        (Policy.GENERATIONS_MONTH, limits.generations_month, used.month, 1, month_end),
        (Policy.GENERATIONS_HOUR, limits.generations_hour, used.hour, 1, periods.hour_end),
        (Policy.FULL_REGENERATIONS_MONTH, full_cap, used.full, order.full_units, month_end),
        (Policy.CONCURRENT, limits.concurrent, used.live, 1, None),
    )
    standings: list[Standing] = []
    over: list[Standing] = []
    cooling = await _cooling(generations, order, account, moment.at)
    if cooling is not None:
        standings, over = [cooling], [cooling]
    for policy, limit, count, needed, frees_at in rows:
        before = count - needed if written else count
        standings.append(Standing(policy=policy, limit=limit, used=before, frees_at=frees_at))
        if limit is not None and needed and before + needed > limit:
            over.append(standings[-1])
    return NotAdmitted(over, now=moment.at, standings=standings) if over else None


async def _cooling(generations: Generations, order: Order, account: AccountId, at: datetime) -> Standing | None:
    """Return the cooldown that another regeneration of the draft has left running, or None."""
    if order.cooled_draft is None:
        return None
    others = [
        cooled_at(done)
        for done in await generations.regenerated(account, at - LONGEST_COOLDOWN)
        if done.draft_id == order.cooled_draft and done.generation_id != order.id
    ]
    until = max(others, default=at)
    return Standing(policy=Policy.COOLDOWN, limit=1, used=1, frees_at=until) if until > at else None

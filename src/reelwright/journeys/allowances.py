"""The credits that come every month: with a paid period, or with the calendar month, never with both.

A paid period (an invoice's line) gives its plan's month once, and a paid year gives its months one after the other.
Whoever has no live subscription gets the own plan's calendar month once, unless a paid month began in it. A month's
credits lapse at its end. Where a better plan was given by hand than is paid for, the calendar's month is the difference
between the two. A boost carries none: it lifts the limits, not the allowance. Demo accounts get nothing.

Order of locks: an account's credits before its row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import billing, ledger
from reelwright.accounts import Account, Accounts, PaidPeriod, Subscriptions
from reelwright.billing import PLANS, Period, Plan
from reelwright.ground import log
from reelwright.ground.errors import Outage
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import plans, rounds

_log = log.logger("journeys.allowances")
_BATCH, _MOST = 100, 2_000
_AT_ONCE = datetime.fromtimestamp(0, UTC)
_LATER = timedelta(hours=1)
_MOMENT = timedelta(microseconds=1)
_FIRST = UUID(int=0)
_REASON = "monthly allowance"
# A period that is paid for before it begins can be used at once, one that is over lapses at once.
_EFFECTIVE = text("SELECT least(CAST(:start AS timestamptz), statement_timestamp())")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What an account gets, in micro-credits, and for which month; the next one comes at its end."""

    micro: int
    period: Period


def invoice_source(invoice: str, line: str) -> str:
    """Return the source that a paid period's credits are granted by; clawbacks name it as `granted_by`."""
    return f"invoice:{invoice}:{line}"


async def current(tx: AsyncConnection, account: Account, *, now: datetime) -> Allowance:
    """Return the account's allowance: its own plan's, for its subscription's month, else for the calendar's."""
    micro = PLANS[Plan(account.plan)].credits_month_micro
    told = plans.best(await Subscriptions(session=tx).of(account.id), now=now)
    if told is None:
        return Allowance(micro=micro, period=billing.calendar_period(now))
    month = billing.paid_month(Period(start=told.period_start, end=told.period_end), now)
    if month.end <= now:  # its renewal has not been told yet
        month = billing.anchored_period(told.anchor or told.period_start, now)
    return Allowance(micro=micro, period=month)


async def renewed(
    tx: AsyncConnection, account_id: AccountId, *, invoice: str, line: str, plan: str, period: Period
) -> int:
    """Give what an invoice's line has paid for, once; return how much, in micro-credits. Raises ValueError.

    The credits lapse at the period's end; a period of a year gives its first month now, the others in their turn.
    """
    account = await Accounts(session=tx).get(account_id)
    if account is None or account.demo:
        return 0
    source = invoice_source(invoice, line)
    if await ledger.granted(tx, account=account_id, source=source):
        return 0
    paid = PaidPeriod(source=source, plan=Plan(plan).value, starts_at=period.start, ends_at=period.end)
    await Subscriptions(session=tx).paid(account_id, paid)
    given = await _give_month(tx, account_id, paid, billing.paid_month(period, period.start))
    await Accounts(session=tx).allowance_next(_AT_ONCE, account_id)
    return given


async def upgraded(tx: AsyncConnection, account_id: AccountId, *, plan: str, period: Period, now: datetime) -> int:
    """Give what a better plan gives more for this month of a paid period, once; return how much, in micro-credits.

    `period` is the subscription's current one. Call it behind `renewed`, when the better plan has been paid for. A
    smaller plan takes nothing: it returns 0, as it does where the period wasn't paid for. Raises ValueError.
    """
    account = await Accounts(session=tx).get(account_id)
    if account is None or account.demo:
        return 0
    await ledger.granted(tx, account=account_id, source="invoice")  # locks the credits
    subscriptions = Subscriptions(session=tx)
    known = await subscriptions.paid_for(account_id, start=period.start, end=period.start + _MOMENT)
    worse = [paid for paid in known if plans.rank(paid.plan) < plans.rank(plan)]
    if not worse or len(worse) < len(known):
        return 0
    paid = await subscriptions.improve(worse[-1], plan)
    return await _give_month(tx, account_id, paid, _month(paid, now))


async def refill(account_id: AccountId, *, db: Database, now: datetime) -> int:
    """Give an account what its allowance is short of, if anything; return how much. Raises NotFound, Outage."""
    async with db.begin() as tx:
        return await give(tx, account_id, now=now)


async def refill_if_due(account_id: AccountId, *, db: Database, now: datetime) -> int:
    """Give an account its month where that has come and nobody has given it; return how much. Raises Outage."""
    async with db.begin() as tx:
        if not await Accounts(session=tx).claim_allowance(account_id, now=now):
            return 0
        return await give(tx, account_id, now=now)


async def refill_due(*, db: Database, now: datetime, most: int = _MOST) -> int:
    """Give accounts whose month has come their credits, once; return how many got some. Raises Outage.

    Any number of processes may do it at once: they share the accounts out among them. Each looks at so many at `most`,
    since other chores wait meanwhile: at a month's turn the rest follows with the next calls.
    """
    refilled, after = 0, (_AT_ONCE, _FIRST)
    for _ in range(max(1, most // _BATCH)):
        async with db.begin() as tx:
            batch = await Accounts(session=tx).allowances_due(now=now, limit=_BATCH, after=after)
        refilled += await _refill_batch([account_id for _, account_id in batch], db=db, now=now)
        if len(batch) < _BATCH:
            break
        after = batch[-1]
    return refilled


async def give(tx: AsyncConnection, account_id: AccountId, *, now: datetime, proven: bool = False) -> int:
    """Give an account what its allowance is short of, and note when to look again; return how much. Raises NotFound.

    After an upgrade that is the difference, once; after a downgrade nothing is taken. Nothing comes before its address
    is verified, except where this transaction has `proven` it.
    """
    month, accounts = billing.calendar_period(now), Accounts(session=tx)
    source = _calendar_source(account_id, month)
    got = await ledger.granted(tx, account=account_id, source=source)
    account = await accounts.locked(account_id)
    if account.demo or not (proven or await accounts.verified(account_id)):
        return 0
    known = await Subscriptions(session=tx).of(account_id)
    if known:  # time may have taken a plan that nobody has settled yet
        account = await plans.settle(tx, account_id, now=now)
    told = plans.best(known, now=now)
    given, look_at, due = 0, month.end, PLANS[Plan(account.plan)].credits_month_micro - got
    if told is not None:
        given, look_at = await _give_paid(tx, account_id, now=now)
        look_at = min(look_at, told.period_end if told.period_end > now else now + _LATER)
        due -= PLANS[Plan(told.plan_at(now))].credits_month_micro
        if account.plan != told.plan_at(now):  # a better one was given by hand
            look_at = min(look_at, month.end)
    elif await _paid_month_began(tx, account_id, month, now=now):
        due = 0
    named = f"{source}:{account.plan}" if got else source
    given += await _grant(tx, account_id, due, source=named, period=month)
    await accounts.allowance_next(look_at, account_id)
    return given


async def _refill_batch(account_ids: Sequence[AccountId], *, db: Database, now: datetime) -> int:
    """Give these their months: one by one whoever pays, and all the others in one transaction.

    Where that fails, each has one of its own, so that one account holds up none. Who is busy is left for the next call.
    """
    try:
        refilled, alone = await _give_together(account_ids, db=db, now=now)
    except Outage:
        raise
    except Exception:  # noqa: BLE001 - a bug with one account must not stop the others; it is logged with its traceback
        _log.exception("allowances.batch_failed", accounts=len(account_ids))
        refilled, alone = 0, account_ids
    for account_id in alone:
        do = partial(refill_if_due, account_id, db=db, now=now)
        refilled += bool(await rounds.attempt(do, chore="allowances", account_id=account_id))
    return refilled


async def _give_together(
    account_ids: Sequence[AccountId], *, db: Database, now: datetime
) -> tuple[int, Sequence[AccountId]]:
    """Give the calendar's month to those that pay for nothing, as `give` does; return how many got some, and who pays.

    It waits for nobody's lock, and holds those of its own for a dozen statements.
    """
    month = billing.calendar_period(now)
    async with db.begin() as tx:
        accounts, idle = Accounts(session=tx), await ledger.lock_idle(tx, account_ids)
        held = await accounts.claim_allowances(idle, now=now)
        paying = await Subscriptions(session=tx).paying(list(held), start=month.start, end=month.end)
        wanted = [
            ledger.TopUp(
                account=account_id,
                micro=PLANS[Plan(plan)].credits_month_micro,
                source=_calendar_source(account_id, month),
                more=plan,
            )
            for account_id, plan in held.items()
            if account_id not in paying
        ]
        if not wanted:
            return 0, sorted(paying)
        refilled = await ledger.top_up(
            tx,
            wanted,
            origin=ledger.Origin.MONTHLY,
            effective_at=await _effective(tx, month),
            expires_at=month.end,
            reason=_REASON,
        )
        await accounts.allowance_next(month.end, *(one.account for one in wanted))
    return refilled, sorted(paying)


async def _give_paid(tx: AsyncConnection, account_id: AccountId, *, now: datetime) -> tuple[int, datetime]:
    """Give the months of paid years that have come; return how much, and when the next one comes."""
    given, look_at = 0, now + timedelta(days=31)
    for paid in await Subscriptions(session=tx).paid_for(account_id, start=now, end=now + _MOMENT):
        month = _month(paid, now)
        given += await _give_month(tx, account_id, paid, month)
        look_at = min(look_at, month.end)
    return given, look_at


async def _paid_month_began(tx: AsyncConnection, account_id: AccountId, month: Period, *, now: datetime) -> bool:
    """Say whether a paid month that began in this calendar month has been given."""
    for paid in await Subscriptions(session=tx).paid_for(account_id, start=month.start, end=month.end):
        theirs = _month(paid, now)
        if theirs.label == month.label and await ledger.granted(tx, account=account_id, source=_named(paid, theirs)):
            return True
    return False


async def _give_month(tx: AsyncConnection, account_id: AccountId, paid: PaidPeriod, month: Period) -> int:
    source = _named(paid, month)
    got = await ledger.granted(tx, account=account_id, source=source)
    due = PLANS[Plan(paid.plan)].credits_month_micro - got
    return await _grant(tx, account_id, due, source=f"{source}:{paid.plan}" if got else source, period=month)


async def _grant(tx: AsyncConnection, account_id: AccountId, micro: int, *, source: str, period: Period) -> int:
    if micro <= 0:
        return 0
    given = await ledger.grant(
        tx,
        account=account_id,
        micro=micro,
        source=source,
        origin=ledger.Origin.MONTHLY,
        effective_at=await _effective(tx, period),
        expires_at=period.end,
        reason=_REASON,
    )
    return micro if given else 0


async def _effective(tx: AsyncConnection, period: Period) -> datetime:
    return cast("datetime", await tx.scalar(_EFFECTIVE, {"start": period.start}))


def _calendar_source(account_id: AccountId, month: Period) -> str:
    return f"plan:{account_id}:{month.label}"


def _month(paid: PaidPeriod, at: datetime) -> Period:
    return billing.paid_month(Period(start=paid.starts_at, end=paid.ends_at), at)


def _named(paid: PaidPeriod, month: Period) -> str:
    """Return a paid month's source; a period's first month carries the period's own."""
    return paid.source if month.start == paid.starts_at else f"{paid.source}@{month.label}"

"""Warn people before their month's credits or generations run out, and tell them how a month and a reel have ended.

A threshold is told in the transaction that crosses it, which has the account's credits locked: so it is told once,
however many cross it together. Used is what work was charged, less refunds: not what is held, was taken back or repaid.
A jump over several tells the highest and notes the others; what was told of a period and a limit isn't told again when
a refund brings it back below. Another limit (a better plan), and the next period, begin anew.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import billing, notices
from reelwright.accounts import Account, Accounts
from reelwright.billing import MICRO, PLANS, Plan
from reelwright.generations import Generation, Generations
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database, Statement, rows
from reelwright.notices import Kind

THRESHOLDS = (100, 90, 80)
_ALLOWANCE = {100: Kind.ALLOWANCE_100, 90: Kind.ALLOWANCE_90, 80: Kind.ALLOWANCE_80}
_LOW_PART = 20
"""The balance is low below a twentieth of the month's allowance; the allowance's own warnings come before."""
_LOW_WITHOUT_MICRO = PLANS[Plan.BASIC].credits_month_micro // _LOW_PART
_BATCH = 200
_SETTLING = timedelta(hours=2)
"""What was begun in a month has ended, and been charged, so long after it."""

_FRESH, _WORTH_TELLING = timedelta(days=1), timedelta(days=7)
"""A month is new, and the last one news, for so long."""

# The month's allowance is what was given for the period that ends last, but not what was taken back with a payment and
# given again. Used is what left its lots for work: other lines of the journal name the lot that they moved, and none is
# older than the lots. `filled` is the account's newest lot of any kind, and `left_micro` all that can be used or is
# held.
_CREDITS = Statement(
    """
    SELECT coalesce(month.given, 0)::bigint AS limit_micro,
           (coalesce(month.drawn, 0) - coalesce(otherwise.micro, 0))::bigint AS used_micro,
           month.expires_at AS ends_at, coalesce(purse.micro, 0)::bigint AS left_micro, newest.id AS filled
      FROM (SELECT) AS once
      LEFT JOIN LATERAL (
           SELECT expires_at,
                  sum(amount_micro) FILTER (WHERE NOT starts_with(external_ref, 'grant:returned:')) AS given,
                  sum(amount_micro - remaining_micro - held_micro) AS drawn,
                  array_agg(id) AS lots, array_agg(external_ref) AS sources
             FROM credit_lots WHERE account_id = :account AND origin = 'monthly' AND expires_at > :now
            GROUP BY expires_at ORDER BY expires_at DESC LIMIT 1) AS month ON true
      LEFT JOIN LATERAL (
           SELECT sum(amount_micro) AS micro FROM credit_journal
            WHERE account_id = :account AND lot_id = ANY(month.lots)
              AND kind IN ('adjust', 'clawback', 'repay', 'expire')
              AND seq > coalesce((SELECT min(seq) FROM credit_journal WHERE source = ANY(month.sources)), 0)
           ) AS otherwise ON true
      LEFT JOIN LATERAL (
           SELECT sum(remaining_micro + held_micro) AS micro FROM credit_lots
            WHERE account_id = :account AND live AND (expires_at IS NULL OR expires_at > :now)) AS purse ON true
      LEFT JOIN LATERAL (
           SELECT id FROM credit_lots WHERE account_id = :account ORDER BY created_at DESC, id DESC LIMIT 1
           ) AS newest ON true
    """
)
# Two rooms' rows in one statement, as it is asked of every account once a month.
_SUMMARIES = text(
    """
    SELECT g.account_id, count(*) AS generations, count(*) FILTER (WHERE g.state = 'succeeded') AS succeeded,
           count(*) FILTER (WHERE g.state = 'failed') AS failed,
           coalesce(sum(charged.micro), 0)::bigint AS credits_micro
      FROM generations g, LATERAL (
           SELECT sum(captured_micro - refunded_micro) AS micro FROM credit_holds h WHERE h.generation_id = g.id
           ) AS charged
     WHERE g.account_id = ANY(CAST(:accounts AS uuid[])) AND g.admitted_at >= :start AND g.admitted_at < :end
       AND NOT g.demo
     GROUP BY g.account_id ORDER BY g.account_id
    """
)


def crossed(used: int, limit: int | None) -> tuple[int, ...]:
    """Return the thresholds in per cent that are reached, highest first; none of no limit or of nothing.

    In integers (reference 4.3): `used * 100 >= threshold * limit`.
    """
    return tuple(t for t in THRESHOLDS if limit and limit > 0 and used * 100 >= t * limit)


async def measure(tx: AsyncConnection, account_id: AccountId, *, now: datetime) -> int:
    """Tell what an account has reached and wasn't told yet; return how much that was. Call it behind a capture."""
    account = await Accounts(session=tx).get(account_id)
    if account is None or account.demo:
        return 0
    return await _credits(tx, account_id, now=now) + await _generations(tx, account, now=now)


async def _credits(tx: AsyncConnection, account: AccountId, *, now: datetime) -> int:
    [found] = await rows(tx, _CREDITS, {"account": account, "now": now})
    used, limit, left = found["used_micro"], found["limit_micro"], found["left_micro"]
    reached = crossed(used, limit)
    facts: dict[str, object] = {
        "pool": "credits",
        "used_micro": used,
        "limit_micro": limit,
        "period_ends_at": found["ends_at"],
    }
    key = f"{found['ends_at']:%Y%m%d}:{limit}" if reached else ""
    told = await _tell_highest(tx, account, [(_ALLOWANCE[t], key, facts | {"threshold": t}) for t in reached])
    low = limit // _LOW_PART or _LOW_WITHOUT_MICRO
    if found["filled"] is None or left >= low:
        return told
    empty = left < MICRO
    levels = ([Kind.CREDITS_EXHAUSTED] if empty else []) + [Kind.LOW_BALANCE]
    balance: dict[str, object] = {"balance_micro": left, "low_micro": low}
    # Where the allowance's own 100 % goes out by e-mail just now, a second one would say the same.
    return told + await _tell_highest(
        tx, account, [(kind, str(found["filled"]), balance) for kind in levels], mail=not (empty and told)
    )


async def _generations(tx: AsyncConnection, account: Account, *, now: datetime) -> int:
    month = billing.calendar_period(now)
    plan = billing.effective_plan(account.plan, account.boost_until, now)
    limit = PLANS[plan].generations_month
    used = (await Generations(session=tx).counted(account.id, month.start, month.end, now, now)).month
    facts: dict[str, object] = {"pool": "generations", "used": used, "limit": limit, "plan": plan}
    facts["period_ends_at"] = month.end
    reached = [
        (Kind.APPROACHING_LIMIT, f"{month.label}:{limit}:{threshold}", facts | {"threshold": threshold})
        for threshold in crossed(used, limit)
    ]
    return await _tell_highest(tx, account.id, reached)


async def _tell_highest(
    tx: AsyncConnection,
    account: AccountId,
    levels: Sequence[tuple[Kind, str, dict[str, object]]],
    *,
    mail: bool = True,
) -> int:
    """Tell the first, and note the others so that they aren't told later; return 1, or 0 where it was told before."""
    for place, (kind, key, facts) in enumerate(levels):
        told = await notices.tell(tx, account_id=account, kind=kind, key=key, facts=facts, quiet=place > 0, mail=mail)
        if place == 0 and not told:
            return 0
    return min(1, len(levels))


async def succeeded(tx: AsyncConnection, generation: Generation, *, micro: int, now: datetime) -> None:
    """Tell that a generation has succeeded for so many credits, and measure: behind the capture that took them."""
    if generation.demo:
        return
    await _tell_end(tx, generation, Kind.GENERATION_SUCCEEDED, {"credits_micro": micro})
    await measure(tx, generation.account_id, now=now)


async def failed(tx: AsyncConnection, generation: Generation, *, code: str, detail: str) -> None:
    """Tell that a generation has failed, with its public code and sentence, in the transaction that ends it."""
    if not generation.demo:
        await _tell_end(tx, generation, Kind.GENERATION_FAILED, {"code": code, "detail": detail})


async def cancelled(tx: AsyncConnection, generation: Generation, *, micro: int, code: str | None) -> None:
    """Tell that a generation was cancelled, for so many credits: with a code by us, else by its owner."""
    if not generation.demo:
        await _tell_end(tx, generation, Kind.GENERATION_CANCELLED, {"credits_micro": micro, "code": code})


async def _tell_end(tx: AsyncConnection, generation: Generation, kind: Kind, facts: dict[str, object]) -> None:
    about = {"generation_id": generation.id, "draft_id": generation.draft_id, "kind": generation.kind.value}
    key = str(generation.id)
    await notices.tell(tx, account_id=generation.account_id, kind=kind, key=key, facts=about | facts)


class Months:
    """Goes round once a month: at its beginning, and when what was begun in the last one has settled.

    Which rounds this process has made it keeps in memory only; another's, or one made again, tells nobody twice.
    """

    def __init__(self) -> None:
        self._made: set[str] = set()

    async def sweep(self, *, db: Database, now: datetime) -> int:
        """Tell who was active that a month has begun, and how the last one was; return how many were told.

        Raises Outage.
        """
        month = billing.calendar_period(now)
        last = billing.calendar_period(month.start - timedelta(seconds=1))
        rounds = dict[str, Callable[[AsyncConnection, Sequence[AccountId]], Awaitable[int]]]()
        if now < month.start + _FRESH:
            rounds[f"reset {month.label}"] = lambda tx, batch: _reset(tx, batch, month, last, now=now)
        if month.start + _SETTLING <= now < month.start + _WORTH_TELLING:
            rounds[f"summary {last.label}"] = lambda tx, batch: _summaries(tx, batch, last)
        told = 0
        for name, tell in rounds.items():
            if name not in self._made:
                told += await _round(tell, since=last.start, db=db)
                self._made.add(name)
        return told


async def _round(
    tell: Callable[[AsyncConnection, Sequence[AccountId]], Awaitable[int]], *, since: datetime, db: Database
) -> int:
    """Go through the accounts with a generation since then, a batch a transaction."""
    told, after = 0, None
    while True:
        async with db.begin() as tx:
            batch = await Generations(session=tx).active_accounts(since, _BATCH, after=after)
            told += await tell(tx, batch) if batch else 0
        if len(batch) < _BATCH:
            return told
        after = batch[-1]


async def _reset(
    tx: AsyncConnection, batch: Sequence[AccountId], month: billing.Period, last: billing.Period, *, now: datetime
) -> int:
    told = 0
    for row in await _active(tx, batch, last):
        account = await Accounts(session=tx).get(AccountId(row.account_id))
        if account is None or account.demo:
            continue
        plan = billing.effective_plan(account.plan, account.boost_until, now)
        facts = {
            "period": month.label,
            "period_ends_at": month.end,
            "plan": plan,
            "generations": PLANS[plan].generations_month,
        }
        told += await notices.tell(tx, account_id=account.id, kind=Kind.QUOTA_RESET, key=month.label, facts=facts)
    return told


async def _summaries(tx: AsyncConnection, batch: Sequence[AccountId], month: billing.Period) -> int:
    told = 0
    for row in await _active(tx, batch, month):
        facts = {
            "period": month.label,
            "generations": row.generations,
            "succeeded": row.succeeded,
            "failed": row.failed,
            "credits_micro": row.credits_micro,
        }
        told += await notices.tell(
            tx, account_id=AccountId(row.account_id), kind=Kind.MONTHLY_SUMMARY, key=month.label, facts=facts
        )
    return told


async def _active(tx: AsyncConnection, batch: Sequence[AccountId], month: billing.Period) -> Sequence[Row[Any]]:
    """Return what those of the accounts that did something in a month did."""
    values = {"accounts": list(batch), "start": month.start, "end": month.end}
    return (await tx.execute(_SUMMARIES, values)).all()

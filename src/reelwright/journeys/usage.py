"""Usage as an account and its operator see it: by day, by action, to the month's end, as a file; what is missing."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import text

from reelwright import billing, ledger
from reelwright.accounts import Account
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.ledger import Figures, Grouping, Projection, Ranking

_DAY = timedelta(days=1)
MOST_DAYS = 366
_PAGE = 1_000
# Calls of which the journal of calls knows, and the usage ledger doesn't: an hour on, nobody will write them any more.
_UNBOOKED = text(
    """
    SELECT (c.began_at AT TIME ZONE 'UTC')::date AS day, 'calls' AS source,
           CASE c.state WHEN 'answered' THEN 'unbooked' ELSE 'reply_lost' END AS reason,
           count(*) AS lost, min(c.began_at) AS first_at, max(c.began_at) AS last_at
      FROM provider_calls c JOIN generations g ON g.id = c.generation_id
     WHERE c.began_at >= :start AND c.began_at < :end AND c.state <> 'failed' AND NOT g.demo
       AND NOT EXISTS (SELECT FROM usage_ledger u WHERE u.run_id = c.run_id AND u.fence = c.fence)
     GROUP BY 1, 2, 3 ORDER BY 1 DESC, 3
    """
)
_LATE = timedelta(hours=1)
_EMAILS = text("SELECT id::text, email FROM users WHERE id = ANY(CAST(:ids AS uuid[])) AND deleted_at IS NULL")


class RangeInvalid(Refusal):
    """The days asked for are in the wrong order, too many, or yet to come."""

    code = "request.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """UTC days, both included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        """The first day's first instant."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        """The first instant behind the last day."""
        return datetime.combine(self.last + _DAY, time(), UTC)

    def each(self) -> list[date]:
        """Return every day, oldest first."""
        return [self.first + at * _DAY for at in range((self.last - self.first).days + 1)]


def days(first: date | None, last: date | None, *, now: datetime) -> Days:
    """Return the days asked for: by default from the first of the month of the last one on, which is today.

    Raises RangeInvalid.
    """
    last = last or now.date()
    if last - now.date() > _DAY:  # tomorrow, as it is today already east of here
        raise RangeInvalid("to: nobody has used anything then yet; use a day up to tomorrow.", field="to")
    first = first or last.replace(day=1)
    if first > last:
        raise RangeInvalid("from: it is behind `to`; swap them.", field="from")
    if (last - first).days >= MOST_DAYS:
        raise RangeInvalid(f"from: ask for {MOST_DAYS} days at most.", field="from")
    return Days(first=first, last=last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Lines, and when the daily figures were last complete: what happened since is not in them yet."""

    lines: Sequence[Figures]
    as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the UTC month comes to, in micro-credits; `expected` None: too little is known.

    `exhausted_at`: when the credits that can be used now are gone at this rate, None where they last into next month.
    """

    period: billing.Period
    used_micro: int
    expected: Projection | None
    exhausted_at: datetime | None
    as_of: datetime | None


async def roll_up(*, db: Database) -> ledger.RolledUp:
    """Add what is new in both books to the daily figures: a chore, of every worker. Raises Outage."""
    return await ledger.roll_up(db)


async def daily(account: AccountId, asked: Days, *, db: Database) -> Report:
    """Return an account's usage day by day, oldest first; a day without any is not there. Raises Outage."""
    async with db.begin() as tx:
        lines = await ledger.by_day(tx, account=account, first=asked.first, last=asked.last)
        return Report(lines=lines, as_of=await ledger.as_of(tx))


async def by_action(account: AccountId, asked: Days, *, db: Database) -> Report:
    """Return an account's usage by action. Raises Outage."""
    async with db.begin() as tx:
        lines = await ledger.by_action(tx, account=account, first=asked.first, last=asked.last)
        return Report(lines=lines, as_of=await ledger.as_of(tx))


async def outlook(account: Account, *, db: Database, now: datetime) -> Outlook:
    """Project an account's credits to the end of the UTC month. Raises Outage."""
    period, today = billing.calendar_period(now), now.date()
    earliest = min(period.start.date(), today - ledger.HISTORY_DAYS * _DAY)
    async with db.begin() as tx:
        lines = await ledger.by_day(tx, account=account.id, first=earliest, last=today)
        first = await ledger.first_day(tx, account=account.id)
        balance = await ledger.balance(tx, account=account.id)
        complete = await ledger.as_of(tx)
    charged = {date.fromisoformat(line.key): line.credits_micro for line in lines}
    used = sum(micro for day, micro in charged.items() if day >= period.start.date())
    begun = max(first or today, today - ledger.HISTORY_DAYS * _DAY)
    history = [charged.get(begun + at * _DAY, 0) for at in range((today - begun).days)]
    expected = ledger.project(
        used,
        start=period.start,
        end=period.end,
        now=now,
        history=history,
        this_month=min(len(history), today.day - 1),
    )
    return Outlook(
        period=period,
        used_micro=used,
        expected=expected,
        exhausted_at=_exhausted(balance.available_micro, expected, now, period.end),
        as_of=complete,
    )


def _exhausted(available: int, expected: Projection | None, now: datetime, end: datetime) -> datetime | None:
    if expected is None or expected.a_day <= 0:
        return None
    at = now + min(available / expected.a_day, MOST_DAYS) * _DAY
    return at if at < end else None


async def export(account: AccountId, asked: Days, *, db: Database) -> AsyncGenerator[list[ledger.ExportedCall]]:
    """Yield an account's calls page by page, oldest first; no transaction is open between them. Raises Outage."""
    last: ledger.ExportedCall | None = None
    while True:
        async with db.begin() as tx:
            page = await ledger.exported(tx, account=account, start=asked.start, end=asked.end, after=last, limit=_PAGE)
        yield page
        if len(page) < _PAGE:
            return
        last = page[-1]


async def report(by: Grouping, asked: Days, *, after: str | None, limit: int, db: Database) -> Report:
    """Return everybody's usage, a line a user, plan, month, action or provider, from behind a key. Raises Outage."""
    async with db.begin() as tx:
        lines = await ledger.report(tx, by, first=asked.first, last=asked.last, after=after, limit=limit)
        return Report(lines=lines, as_of=await ledger.as_of(tx))


async def top_consumers(by: Ranking, asked: Days, *, limit: int, db: Database) -> Report:
    """Return who used most. Raises Outage."""
    async with db.begin() as tx:
        lines = await ledger.top_consumers(tx, by, first=asked.first, last=asked.last, limit=limit)
        return Report(lines=lines, as_of=await ledger.as_of(tx))


async def emails(accounts: Sequence[str], *, db: Database) -> dict[str, str]:
    """Return the addresses of those of these accounts that are still there, by id. Raises Outage."""
    async with db.begin() as tx:
        return {row.id: row.email for row in await tx.execute(_EMAILS, {"ids": [*accounts]})}


async def requests(asked: Days, *, db: Database) -> Sequence[ledger.RequestCount]:
    """Return what was asked of the API. Raises Outage."""
    async with db.begin() as tx:
        return await ledger.requests(tx, first=asked.first, last=asked.last)


async def tracking_failures(asked: Days, *, now: datetime, db: Database) -> Sequence[ledger.TrackingFailure]:
    """Return what is missing in the figures: requests that were not counted, and calls that are in no book.

    A call is missing once it has been for an hour. Raises Outage.
    """
    values = {"start": asked.start, "end": min(asked.end, now - _LATE)}
    async with db.begin() as tx:
        lost = await ledger.tracking_failures(tx, first=asked.first, last=asked.last)
        rows = (await tx.execute(_UNBOOKED, values)).mappings()
        return [*(ledger.TrackingFailure(**row) for row in rows), *lost]

"""Usage as its owner and the operator read it, from the daily figures alone: their size is days, not calls."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId

_FIGURES = (
    "calls",
    "quantity",
    "prompt_tokens",
    "completion_tokens",
    "images",
    "characters",
    "wall_ms",
    "cost_nano_usd",
    "credits_micro",
)
_ALL = ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in _FIGURES)
_SUMS = f"coalesce(sum(calls) FILTER (WHERE outcome = 'failed'), 0)::bigint AS failed_calls, {_ALL}"
_SUMS_OF_ACCOUNTS = f"coalesce(sum(failed_calls), 0)::bigint AS failed_calls, {_ALL}"


class Grouping(StrEnum):
    """What a report has a line for."""

    USER = "user"
    PLAN = "plan"
    MONTH = "month"
    ACTION = "action"
    PROVIDER = "provider"


class Ranking(StrEnum):
    """What makes a consumer a big one."""

    COST = "cost"
    CREDITS = "credits"
    CALLS = "calls"


_KEYS = {
    Grouping.PLAN: "plan",
    Grouping.MONTH: "to_char(day, 'YYYY-MM')",
    Grouping.ACTION: "action",
    Grouping.PROVIDER: "provider",
}
_REPORT = {
    by: text(
        f"""
        SELECT {key} AS key, {_SUMS} FROM usage_totals
         WHERE day BETWEEN :first AND :last AND coalesce({key} > CAST(:after AS text), true)
         GROUP BY 1 ORDER BY 1 LIMIT :limit
        """  # noqa: S608 - constants, above
    )
    for by, key in _KEYS.items()
}
# One row an account and day, whatever it did. Each page adds up all of the days that are asked for.
_REPORT[Grouping.USER] = text(
    f"""
    SELECT account_id::text AS key, {_SUMS_OF_ACCOUNTS} FROM usage_accounts
     WHERE day BETWEEN :first AND :last AND account_id > coalesce(CAST(:after AS uuid), CAST('{UUID(int=0)}' AS uuid))
     GROUP BY account_id ORDER BY account_id LIMIT :limit
    """  # noqa: S608 - constants, above
)
_ORDER = {Ranking.COST: "cost_nano_usd", Ranking.CREDITS: "credits_micro", Ranking.CALLS: "calls"}
# Everybody's figures are added up for the one that ranks; the others only of those that it has chosen.
_TOP = {
    by: text(
        f"""
        WITH first_ones AS MATERIALIZED (
            SELECT account_id, sum({name}) AS most FROM usage_accounts WHERE day BETWEEN :first AND :last
             GROUP BY account_id ORDER BY most DESC, account_id LIMIT :limit)
        SELECT account_id::text AS key, {_SUMS_OF_ACCOUNTS} FROM first_ones JOIN usage_accounts USING (account_id)
         WHERE day BETWEEN :first AND :last GROUP BY account_id, most ORDER BY most DESC, account_id
        """  # noqa: S608 - constants, above
    )
    for by, name in _ORDER.items()
}
_MINE = "FROM usage_daily WHERE account_id = :account AND day BETWEEN :first AND :last"
_BY_DAY = text(f"SELECT day::text AS key, {_SUMS} {_MINE} GROUP BY day ORDER BY day")
_BY_ACTION = text(f"SELECT action AS key, {_SUMS} {_MINE} GROUP BY action ORDER BY action")
_FIRST_DAY = text("SELECT min(day) FROM usage_daily WHERE account_id = :account")
_REQUESTS = text(
    """
    SELECT route, outcome, sum(requests)::bigint AS requests, count(DISTINCT account_id) AS accounts
      FROM requests_daily WHERE day BETWEEN :first AND :last GROUP BY route, outcome ORDER BY route, outcome
    """
)
_FAILURES = text(
    """
    SELECT day, source, reason, lost, first_at, last_at FROM tracking_failures
     WHERE day BETWEEN :first AND :last ORDER BY day DESC, source, reason
    """
)
_EXPORT = text(
    """
    SELECT id, at, generation_id, stage, scene, action, provider, model, outcome, quantity, prompt_tokens,
           completion_tokens, images, characters, wall_ms, credits_micro, price_version, plan
      FROM usage_ledger
     WHERE account_id = :account AND (at, id) > (:after_at, :after_id) AND at < :end AND fence > 0
     ORDER BY at, id LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One line of a report: all calls, those of which nothing came, measures, what they cost us, what was charged.

    `quantity` adds up only within one action, in the action's units.
    """

    key: str
    calls: int
    failed_calls: int
    quantity: int
    prompt_tokens: int
    completion_tokens: int
    images: int
    characters: int
    wall_ms: int
    cost_nano_usd: int
    credits_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCount:
    """How often a route was asked and answered so, and by how many accounts."""

    route: str
    outcome: str
    requests: int
    accounts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingFailure:
    """What of a source is missing in the figures of a UTC day, and why."""

    day: date
    source: str
    reason: str
    lost: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedCall:
    """One call of an account, as it is exported. `credits_micro` is its price; it is charged if its reel is."""

    id: int
    at: datetime
    generation_id: UUID
    stage: str
    scene: int | None
    action: str
    provider: str
    model: str
    outcome: str
    quantity: int
    prompt_tokens: int
    completion_tokens: int
    images: int
    characters: int
    wall_ms: int
    credits_micro: int
    price_version: int
    plan: str


async def report(
    tx: AsyncConnection, by: Grouping, *, first: date, last: date, after: str | None = None, limit: int = 100
) -> list[Figures]:
    """Return lines of everybody's usage on these days, both included, by key from behind `after`."""
    values = {"first": first, "last": last, "after": after, "limit": limit}
    return [Figures(**row) for row in (await tx.execute(_REPORT[by], values)).mappings()]


async def top_consumers(tx: AsyncConnection, by: Ranking, *, first: date, last: date, limit: int) -> list[Figures]:
    """Return the accounts that used most on these days, the biggest first; the key is an account's id."""
    values = {"first": first, "last": last, "limit": limit}
    return [Figures(**row) for row in (await tx.execute(_TOP[by], values)).mappings()]


async def by_day(tx: AsyncConnection, *, account: AccountId, first: date, last: date) -> list[Figures]:
    """Return an account's days on which there was something, oldest first; the key is the day."""
    values = {"account": account, "first": first, "last": last}
    return [Figures(**row) for row in (await tx.execute(_BY_DAY, values)).mappings()]


async def by_action(tx: AsyncConnection, *, account: AccountId, first: date, last: date) -> list[Figures]:
    """Return an account's usage on these days by action."""
    values = {"account": account, "first": first, "last": last}
    return [Figures(**row) for row in (await tx.execute(_BY_ACTION, values)).mappings()]


async def first_day(tx: AsyncConnection, *, account: AccountId) -> date | None:
    """Return the first UTC day on which the account used anything."""
    return await tx.scalar(_FIRST_DAY, {"account": account})


async def requests(tx: AsyncConnection, *, first: date, last: date) -> list[RequestCount]:
    """Return what was asked of the API on these days."""
    return [RequestCount(**row) for row in (await tx.execute(_REQUESTS, {"first": first, "last": last})).mappings()]


async def tracking_failures(tx: AsyncConnection, *, first: date, last: date) -> list[TrackingFailure]:
    """Return what the recorder lost on these days, the latest first."""
    rows = await tx.execute(_FAILURES, {"first": first, "last": last})
    return [TrackingFailure(**row) for row in rows.mappings()]


async def exported(
    tx: AsyncConnection, *, account: AccountId, start: datetime, end: datetime, after: ExportedCall | None, limit: int
) -> list[ExportedCall]:
    """Return so many of an account's calls in [start, end), oldest first, from behind one; none carried over."""
    values = {"account": account, "end": end, "limit": limit}
    place = {"after_at": after.at if after else start, "after_id": after.id if after else 0}
    return [ExportedCall(**row) for row in (await tx.execute(_EXPORT, values | place)).mappings()]

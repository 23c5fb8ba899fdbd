"""/v1/admin/usage: what users, plans and months cost, who uses most, and what is missing. For administrators."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from reelwright.api.caller import admin_only
from reelwright.api.cursors import Cursors
from reelwright.api.usage import From, To, UsageFigures, days_of, measured
from reelwright.ground import clock
from reelwright.ground.postgres import Database
from reelwright.journeys import usage as journey
from reelwright.ledger import Figures, Grouping, Ranking

_NANO = 1_000_000_000


class ReportLine(UsageFigures, frozen=True, kw_only=True):
    """What one user, plan, month, action or provider used, was charged in credits, and cost us in USD.

    `email` only for a user who is still there: of one who has gone, the id and the figures remain.
    """

    key: str
    email: str | None = None
    cost_usd: float


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """A page, by key. `as_of`: what happened since is not in it yet. `next_cursor` null: there is no more."""

    from_: date = msgspec.field(name="from")
    to: date
    group_by: Grouping
    as_of: datetime | None
    lines: list[ReportLine]
    next_cursor: str | None


class TopConsumers(msgspec.Struct, frozen=True, kw_only=True):
    """The users who used most, the biggest first."""

    from_: date = msgspec.field(name="from")
    to: date
    by: Ranking
    as_of: datetime | None
    lines: list[ReportLine]


class RequestLine(msgspec.Struct, frozen=True, kw_only=True):
    route: str
    outcome: str
    requests: int
    accounts: int


class RequestsView(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of the API by known accounts, a few seconds late."""

    from_: date = msgspec.field(name="from")
    to: date
    requests: list[RequestLine]


class TrackingFailureView(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a source is missing in a day's figures.

    `calls`: `unbooked` were answered and are in no book, `reply_lost` may have been charged to us. `requests`: not
    counted, because too many waited (`queue_full`), the process ended (`shutdown`), or by a `bug`.
    """

    day: date
    source: str
    reason: str
    lost: int
    first_at: datetime
    last_at: datetime


class TrackingFailuresView(msgspec.Struct, frozen=True, kw_only=True):
    """What is missing, and how much that is altogether: nothing, where all is well."""

    from_: date = msgspec.field(name="from")
    to: date
    lost: int
    failures: list[TrackingFailureView]


@get("/admin/usage", guards=[admin_only], summary="Report on everybody's usage", tags=["admin"])
async def usage_report(
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    group_by: FromQuery[Grouping] = Grouping.USER,
    first: From = None,
    last: To = None,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, QueryParameter(max_length=128)] = None,
) -> UsageReport:
    """Return a line for each user, plan, month, action or provider: calls, measures, cost and credits."""
    days = days_of(first, last, now=clock.now())
    after = None if cursor is None else cursors.place(cursor).decode()
    found = await journey.report(group_by, days, after=after, limit=limit + 1, db=db)
    shown = found.lines[:limit]
    return UsageReport(
        from_=days.first,
        to=days.last,
        group_by=group_by,
        as_of=found.as_of,
        lines=await _lines(shown, users=group_by is Grouping.USER, db=db),
        next_cursor=cursors.behind(shown[-1].key.encode()) if len(found.lines) > limit else None,
    )


@get("/admin/usage/top-consumers", guards=[admin_only], summary="List who uses most", tags=["admin"])
async def top_consumers(
    db: NamedDependency[Database],
    *,
    by: FromQuery[Ranking] = Ranking.COST,
    first: From = None,
    last: To = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
) -> TopConsumers:
    """Return the users who cost most, were charged most, or made most calls."""
    days = days_of(first, last, now=clock.now())
    found = await journey.top_consumers(by, days, limit=limit, db=db)
    lines = await _lines(found.lines, users=True, db=db)
    return TopConsumers(from_=days.first, to=days.last, by=by, as_of=found.as_of, lines=lines)


@get("/admin/usage/requests", guards=[admin_only], summary="Count what was asked of the API", tags=["admin"])
async def count_requests(db: NamedDependency[Database], *, first: From = None, last: To = None) -> RequestsView:
    """Return how often each route was asked and how it was answered: answered, refused or failed."""
    days = days_of(first, last, now=clock.now())
    found = await journey.requests(days, db=db)
    return RequestsView(
        from_=days.first,
        to=days.last,
        requests=[msgspec.convert(one, RequestLine, from_attributes=True) for one in found],
    )


@get("/admin/usage/tracking-failures", guards=[admin_only], summary="List what usage is missing", tags=["admin"])
async def tracking_failures(
    db: NamedDependency[Database], *, first: From = None, last: To = None
) -> TrackingFailuresView:
    """Return what could not be tracked, by day, source and reason."""
    now = clock.now()
    days = days_of(first, last, now=now)
    found = await journey.tracking_failures(days, now=now, db=db)
    return TrackingFailuresView(
        from_=days.first,
        to=days.last,
        lost=sum(one.lost for one in found),
        failures=[msgspec.convert(one, TrackingFailureView, from_attributes=True) for one in found],
    )


async def _lines(found: Sequence[Figures], *, users: bool, db: Database) -> list[ReportLine]:
    known = await journey.emails([line.key for line in found], db=db) if users and found else {}
    return [
        ReportLine(key=line.key, email=known.get(line.key), cost_usd=line.cost_nano_usd / _NANO, **measured(line))
        for line in found
    ]

"""/v1/usage: what an account used, by day and by action, what its month comes to, and all of it as a file."""

import csv
import io
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from reelwright.accounts import Account
from reelwright.api.creations import BadField
from reelwright.billing import MICRO
from reelwright.ground import clock
from reelwright.ground.postgres import Database
from reelwright.journeys import usage as journey
from reelwright.ledger import ExportedCall, Figures

# Texts, not dates: Litestar would name a wrong one by our argument, and `from` can't be one.
From = Annotated[
    str | None,
    QueryParameter(name="from", description="The first UTC day, as 2026-01-31; `to`'s month's first."),
]
To = Annotated[str | None, QueryParameter(name="to", description="The last UTC day, included; by default today.")]
_COLUMNS = (
    "at",
    "generation_id",
    "stage",
    "scene",
    "action",
    "provider",
    "model",
    "outcome",
    "quantity",
    "prompt_tokens",
    "completion_tokens",
    "images",
    "characters",
    "wall_ms",
    "price_version",
    "plan",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet takes for a formula's beginning (OWASP)


class UsageFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Calls and steps, those of which nothing came, their measures, and the credits that were charged, less refunds.

    Measures are of the day of the call, credits of the day on which they were charged.
    """

    calls: int = 0
    failed_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    images: int = 0
    characters: int = 0
    seconds: float = 0.0
    credits: float = 0.0


class DayView(UsageFigures, frozen=True, kw_only=True):
    day: date


class ActionView(UsageFigures, frozen=True, kw_only=True):
    """`quantity` is in the action's units, as in a quote. `refund` and `other` are no actions, but credits."""

    action: str
    quantity: int


class DailyView(msgspec.Struct, frozen=True, kw_only=True):
    """Every day from `from` to `to`. `as_of`: what happened since is not in it yet; null: nothing is."""

    from_: date = msgspec.field(name="from")
    to: date
    as_of: datetime | None
    days: list[DayView]


class ByActionView(msgspec.Struct, frozen=True, kw_only=True):
    from_: date = msgspec.field(name="from")
    to: date
    as_of: datetime | None
    actions: list[ActionView]


class ProjectionView(msgspec.Struct, frozen=True, kw_only=True):
    """Credits used in the UTC month, and what that comes to at its end, in eight cases of ten from `low` to `high`.

    Null, all three, where too little is known. `exhausted_at`: when today's balance is gone at this rate, if it is.
    """

    period_start: datetime
    period_end: datetime
    as_of: datetime | None
    used: float
    enough_data: bool
    projected: float | None
    low: float | None
    high: float | None
    exhausted_at: datetime | None


@get("/usage/daily", summary="Read your usage by day", tags=["usage"])
async def usage_daily(
    account: NamedDependency[Account], db: NamedDependency[Database], *, first: From = None, last: To = None
) -> DailyView:
    """Return every day, oldest first, those without usage too."""
    days = days_of(first, last, now=clock.now())
    found = await journey.daily(account.id, days, db=db)
    lines = {date.fromisoformat(line.key): line for line in found.lines}
    return DailyView(
        from_=days.first,
        to=days.last,
        as_of=found.as_of,
        days=[DayView(day=day, **measured(lines.get(day))) for day in days.each()],
    )


@get("/usage/by-action", summary="Read your usage by action", tags=["usage"])
async def usage_by_action(
    account: NamedDependency[Account], db: NamedDependency[Database], *, first: From = None, last: To = None
) -> ByActionView:
    """Return what was used of each action."""
    days = days_of(first, last, now=clock.now())
    found = await journey.by_action(account.id, days, db=db)
    return ByActionView(
        from_=days.first,
        to=days.last,
        as_of=found.as_of,
        actions=[ActionView(action=line.key, quantity=line.quantity, **measured(line)) for line in found.lines],
    )


@get("/usage/projection", summary="Project your usage to the month's end", tags=["usage"])
async def usage_projection(account: NamedDependency[Account], db: NamedDependency[Database]) -> ProjectionView:
    """Return what this month's usage comes to if it goes on as it did."""
    seen = await journey.outlook(account, db=db, now=clock.now())
    expected = seen.expected
    return ProjectionView(
        period_start=seen.period.start,
        period_end=seen.period.end,
        as_of=seen.as_of,
        used=seen.used_micro / MICRO,
        enough_data=expected is not None,
        projected=None if expected is None else expected.projected / MICRO,
        low=None if expected is None else expected.low / MICRO,
        high=None if expected is None else expected.high / MICRO,
        exhausted_at=seen.exhausted_at,
    )


@get("/usage/export.csv", media_type="text/csv", summary="Download your usage", tags=["usage"])
async def usage_export(
    account: NamedDependency[Account], db: NamedDependency[Database], *, first: From = None, last: To = None
) -> Stream:
    """Return every call and step as CSV. `credits` is its price, which is charged when its reel is delivered."""
    days = days_of(first, last, now=clock.now())
    pages = journey.export(account.id, days, db=db)
    begun = await anext(pages)  # so that PostgreSQL's absence is a 503 and not half a file
    name = f"usage-{days.first}-{days.last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Stream(_written(begun, pages), media_type="text/csv; charset=utf-8", headers=headers)


async def _written(first: Sequence[ExportedCall], more: AsyncGenerator[list[ExportedCall]]) -> AsyncGenerator[str]:
    yield _lines([[*_COLUMNS, "credits"]])
    yield _lines(_cells(call) for call in first)
    async for page in more:
        yield _lines(_cells(call) for call in page)


def _lines(rows: Iterable[Sequence[str]]) -> str:
    page = io.StringIO()
    csv.writer(page).writerows(rows)
    return page.getvalue()


def _cells(call: ExportedCall) -> list[str]:
    credits_ = f"{call.credits_micro / MICRO:.6f}"
    return [*(safe_cell(getattr(call, column)) for column in _COLUMNS), credits_]


def safe_cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    if isinstance(value, datetime):
        return value.isoformat()
    told = "" if value is None else str(value)
    return f"'{told}" if told.startswith(_FORMULA) else told


def days_of(first: str | None, last: str | None, *, now: datetime) -> journey.Days:
    """Return the days asked for. Raises BadField, RangeInvalid."""
    return journey.days(_day(first, "from"), _day(last, "to"), now=now)


def _day(given: str | None, field: str) -> date | None:
    try:
        return None if given is None else date.fromisoformat(given)
    except ValueError as wrong:
        raise BadField(f"{field}: use a day, as 2026-01-31.", field=field) from wrong


def measured(line: Figures | None) -> dict[str, Any]:
    """Return the figures that every report shows, none where there is no line."""
    if line is None:
        return {}
    return {
        "calls": line.calls,
        "failed_calls": line.failed_calls,
        "prompt_tokens": line.prompt_tokens,
        "completion_tokens": line.completion_tokens,
        "images": line.images,
        "characters": line.characters,
        "seconds": line.wall_ms / 1000,
        "credits": line.credits_micro / MICRO,
    }

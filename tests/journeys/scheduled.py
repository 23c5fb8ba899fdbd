"""Schedules for tests of journeys: made by the real room, due when a test says."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.generations import Stage
from reelwright.ground.ids import ScheduleId
from reelwright.ground.postgres import Database
from reelwright.journeys import scheduling
from reelwright.journeys.ordering import Terms
from reelwright.journeys.scheduling import Desk
from reelwright.journeys.workroom import place_of
from reelwright.providers import Lane
from reelwright.schedules import (
    Budget,
    Making,
    Missed,
    Schedule,
    ScheduleRun,
    ScheduleRuns,
    Schedules,
    Source,
    Template,
    Timing,
    Wanted,
)

NINE = datetime(2031, 5, 12, 9, tzinfo=UTC)
"""A Monday. Every schedule here is due at nine, unless a test says otherwise."""


async def no_feed(_url: str) -> bytes:
    raise AssertionError("nobody asked for a feed")


def a_desk(db: Database, gate: Gate, feed: Callable[[str], Awaitable[bytes]] = no_feed, **more: Any) -> Desk:
    places = {Stage.INGESTION: place_of("web", "pages", Lane.INTERACTIVE)}
    terms = Terms(places=places, most_attempts=3)
    return Desk(db=db, gate=gate, terms=terms, feed=feed, **more)


async def a_schedule(
    db: Database,
    account: Account,
    *,
    cron: str = "0 9 * * *",
    timezone: str = "UTC",
    source: Source | None = None,
    missed: Missed = Missed.SKIP,
    budget: Budget | None = None,
    after: datetime | None = None,
    making: Making | None = None,
) -> ScheduleId:
    """Return a schedule that was made at an instant: half an hour before nine."""
    wanted = Wanted(
        name="Daily",
        timing=Timing(cron, timezone),
        source=source or Template(template="Fact of {date}"),
        making=making or Making(duration_s=10),
        missed=missed,
        budget=budget or Budget(),
    )
    made = ScheduleId(uuid4())
    now = after or NINE.replace(hour=8, minute=30)
    async with db.begin() as tx:
        await Schedules(session=tx).add(made, account.id, wanted, fingerprint=b"f" * 32, now=now)
    return made


async def tick(desk: Desk, now: datetime) -> int:
    return await scheduling.run_due(desk=desk, now=now)


async def runs_of(db: Database, schedule: ScheduleId) -> list[ScheduleRun]:
    """Return a schedule's runs, the first due time first."""
    async with db.begin() as tx:
        return (await ScheduleRuns(session=tx).of(schedule, before=None, limit=1000))[::-1]


async def states(db: Database, schedule: ScheduleId) -> list[tuple[str, str | None]]:
    return [(run.state.value, run.code) for run in await runs_of(db, schedule)]


async def look(db: Database, schedule: ScheduleId) -> Schedule:
    async with db.begin() as tx:
        found = await Schedules(session=tx).find(schedule)
    assert found is not None
    return found


async def numbers(db: Database, query: str) -> tuple[Any, ...]:
    async with db.begin() as tx:
        return tuple((await tx.execute(text(query))).one())

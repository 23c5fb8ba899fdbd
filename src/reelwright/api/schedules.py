"""/v1/schedules: reels that make themselves at their times, and what came of each time."""

from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED
from msgspec import UNSET, Meta, UnsetType

from reelwright import schedules
from reelwright.accounts import Account
from reelwright.api.creations import BadField, OnceOnly, key_of, plain
from reelwright.api.credits import whole_micro
from reelwright.api.cursors import Cursors
from reelwright.api.idempotency import Repeatable
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.billing import MICRO
from reelwright.ground import clock
from reelwright.ground.ids import GenerationId, ScheduleId
from reelwright.ground.postgres import Database
from reelwright.journeys import planning
from reelwright.journeys.ordering import Terms
from reelwright.providers import checked_url
from reelwright.schedules import (
    Budget,
    Feed,
    Making,
    Missed,
    RunOutcome,
    Schedule,
    ScheduleRun,
    ScheduleState,
    Source,
    Template,
    TopicList,
    Wanted,
)

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Cron = Annotated[
    str,
    Meta(
        min_length=9,
        max_length=100,
        description="Minute, hour, day of month, month, day of week: `0 9 * * MON-FRI`. At least 15 minutes apart.",
    ),
]
Zone = Annotated[str, Meta(min_length=1, max_length=64, description="A name of the IANA list: `Europe/Berlin`.")]


class BudgetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The most runs and the most credits in a UTC calendar month; what is left out is not limited by the schedule."""

    runs_month: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    credits_month: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None

    def budget(self) -> Budget:
        """Return it in micro-credits. Raises BadField."""
        micro = None if self.credits_month is None else whole_micro(self.credits_month, field="budget")
        return Budget(runs_month=self.runs_month, micro_month=micro)


class ScheduleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to make (`source`, `make`), when (`cron` in `timezone`), and how much of it (`budget`).

    `missed`: what becomes of times at which nobody was there to run them, `skip` or `catch_up_one`.
    """

    name: Name
    cron: Cron
    source: Source
    timezone: Zone = "UTC"
    make: Making = Making()
    missed: Missed = Missed.SKIP
    budget: BudgetBody = BudgetBody()

    def wanted(self, *, allowlist: frozenset[str], now: datetime) -> Wanted:
        """Return what is wanted, checked. Raises BadField, NotDue, BadTopics, Refusal for the feed's address."""
        return Wanted(
            name=plain(self.name, field="name") or "",
            timing=schedules.timing(self.cron, self.timezone, now=now),
            source=_checked(self.source, allowlist),
            making=self.make,
            missed=self.missed,
            budget=self.budget.budget(),
        )


class ScheduleChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fields to change; those left out stay. `make` and `budget` are replaced as a whole."""

    name: Name | UnsetType = UNSET
    cron: Cron | UnsetType = UNSET
    source: Source | UnsetType = UNSET
    timezone: Zone | UnsetType = UNSET
    make: Making | UnsetType = UNSET
    missed: Missed | UnsetType = UNSET
    budget: BudgetBody | UnsetType = UNSET

    def changed(self, before: Wanted, *, allowlist: frozenset[str], now: datetime) -> Wanted:
        """Return what is wanted now. Raises as `ScheduleBody.wanted` does."""
        after = before
        if not isinstance(self.name, UnsetType):
            after = replace(after, name=plain(self.name, field="name") or "")
        cron = before.timing.cron if isinstance(self.cron, UnsetType) else self.cron
        zone = before.timing.timezone if isinstance(self.timezone, UnsetType) else self.timezone
        if (cron, zone) != (before.timing.cron, before.timing.timezone):
            after = replace(after, timing=schedules.timing(cron, zone, now=now))
        if not isinstance(self.source, UnsetType):
            after = replace(after, source=_checked(self.source, allowlist))
        if not isinstance(self.make, UnsetType):
            after = replace(after, making=self.make)
        if not isinstance(self.missed, UnsetType):
            after = replace(after, missed=self.missed)
        if not isinstance(self.budget, UnsetType):
            after = replace(after, budget=self.budget.budget())
        return after


class BudgetView(msgspec.Struct, frozen=True, kw_only=True):
    """Null is no limit."""

    runs_month: int | None
    credits_month: float | None


class PauseView(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    detail: str


class StatisticsView(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the schedule's times so far; `credits` is what its reels cost."""

    started: int
    succeeded: int
    failed: int
    refused: int
    missed: int
    failures_in_a_row: int
    credits: float
    last_run_at: datetime | None


class ScheduleView(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule. `next_due_at` is null unless it is active; `paused` says why it is paused."""

    id: ScheduleId
    name: str
    status: ScheduleState
    paused: PauseView | None
    cron: str
    timezone: str
    next_due_at: datetime | None
    source: Source
    make: Making
    missed: Missed
    budget: BudgetView
    statistics: StatisticsView
    created_at: datetime
    updated_at: datetime


class SchedulesView(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first; there are never more than 50. `next_cursor` is null where nothing is older."""

    schedules: list[ScheduleView]
    next_cursor: str | None


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """One due time. `generation_id` is the reel's, null where none was started; `code` and `detail` say why not.

    `price` is the most it can cost, `charged` what it cost. A missed run stands for `missed` due times.
    """

    id: GenerationId
    due_at: datetime
    status: RunOutcome
    generation_id: GenerationId | None
    topic: str | None
    code: str | None
    detail: str | None
    price: float | None
    charged: float | None
    missed: int
    started_at: datetime | None
    ended_at: datetime | None


class RunsView(msgspec.Struct, frozen=True, kw_only=True):
    """The latest due time first. `next_cursor` is null where nothing is older."""

    runs: list[RunView]
    next_cursor: str | None


@post("/schedules", status_code=HTTP_201_CREATED, summary="Create a schedule", tags=["schedules"])
async def create_schedule(
    request: Request[Any, Any, Any],
    data: JSONBody[ScheduleBody],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    terms: NamedDependency[Terms],
    allowlist: NamedDependency[frozenset[str]],
    *,
    key: OnceOnly,  # noqa: ARG001 - for OpenAPI: key_of reads them all
) -> Response[ScheduleView]:
    """Make reels by themselves, each time it is due: admitted, held and charged as any other, in the batch lane."""
    now = clock.now()
    made, repeated = await planning.create(
        data.wanted(allowlist=allowlist, now=now),
        key=key_of(request, dry_run=False),
        fingerprint=sha256(msgspec.json.encode(data, order="deterministic")).digest(),
        account=account,
        db=db,
        terms=terms,
        now=now,
    )
    headers = etag(made.version) | {"Location": f"/v1/schedules/{made.id}"}
    headers |= {"Idempotency-Replayed": "true"} if repeated else {}
    return Response(_view(made), status_code=HTTP_201_CREATED, headers=headers)


@get("/schedules", summary="List your schedules", tags=["schedules"])
async def list_schedules(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    cursor: Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
) -> SchedulesView:
    """Return a page of your schedules, newest first."""
    before = None if cursor is None else cursors.opened(cursor)
    found = await planning.listed(account.id, before=before, limit=limit + 1, db=db)
    more = found[limit - 1] if len(found) > limit else None
    return SchedulesView(
        schedules=[_view(one) for one in found[:limit]],
        next_cursor=more and cursors.after(more.created_at, more.id),
    )


@get("/schedules/{schedule_id:uuid}", summary="Read a schedule", tags=["schedules"])
async def read_schedule(
    schedule_id: FromPath[ScheduleId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> Response[ScheduleView]:
    """Return a schedule with its next due time and its statistics; the ETag names what its owner wants of it."""
    found = await planning.read(account.id, schedule_id, db=db)
    return Response(_view(found), headers=etag(found.version))


@patch("/schedules/{schedule_id:uuid}", summary="Change a schedule", tags=["schedules"])
async def change_schedule(
    schedule_id: FromPath[ScheduleId],
    data: JSONBody[ScheduleChange],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    terms: NamedDependency[Terms],
    allowlist: NamedDependency[frozenset[str]],
    if_match: IfMatch = None,
) -> Response[ScheduleView]:
    """Change a schedule; with `If-Match` only if nobody changed it since.

    With another source it begins from that one's start, and goes on where it had ended.
    """
    now = clock.now()
    if data == ScheduleChange():
        raise BadField("Send at least one field to change.")
    changed = await planning.change(
        account,
        schedule_id,
        lambda before: data.changed(before, allowlist=allowlist, now=now),
        expected_version=expected(if_match),
        db=db,
        terms=terms,
        now=now,
    )
    return Response(_view(changed), headers=etag(changed.version))


@delete("/schedules/{schedule_id:uuid}", summary="Delete a schedule", tags=["schedules"])
async def delete_schedule(
    schedule_id: FromPath[ScheduleId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> None:
    """Delete a schedule; reels that it has started go on."""
    await planning.delete(account.id, schedule_id, db=db)


@post("/schedules/{schedule_id:uuid}/pause", status_code=HTTP_200_OK, summary="Pause a schedule", tags=["schedules"])
async def pause_schedule(
    schedule_id: FromPath[ScheduleId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    again: NamedDependency[bool],
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> ScheduleView:
    """Start nothing more until it is resumed. Pausing again answers the same, with or without an Idempotency-Key."""
    if not again:
        await planning.pause(account.id, schedule_id, db=db)
    return _view(await planning.read(account.id, schedule_id, db=db))


@post("/schedules/{schedule_id:uuid}/resume", status_code=HTTP_200_OK, summary="Resume a schedule", tags=["schedules"])
async def resume_schedule(
    schedule_id: FromPath[ScheduleId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    again: NamedDependency[bool],
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> ScheduleView:
    """Run again from the next due time on; times that came while it was paused are not made up for."""
    if not again:
        await planning.resume(account.id, schedule_id, db=db, now=clock.now())
    return _view(await planning.read(account.id, schedule_id, db=db))


@get("/schedules/{schedule_id:uuid}/runs", summary="List a schedule's runs", tags=["schedules"])
async def list_schedule_runs(
    schedule_id: FromPath[ScheduleId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    cursor: Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
) -> RunsView:
    """Return a page of due times and what came of each, the latest first."""
    before = None if cursor is None else cursors.opened(cursor)
    found = await planning.runs(account.id, schedule_id, before=before, limit=limit + 1, db=db)
    more = found[limit - 1] if len(found) > limit else None
    return RunsView(
        runs=[_run(one) for one in found[:limit]],
        next_cursor=more and cursors.after(more.due_at, more.id),
    )


def _checked(source: Source, allowlist: frozenset[str]) -> Source:
    """Return the source with its texts trimmed and its address in one spelling. Raises BadField, BadTopics, Refusal."""
    match source:
        case TopicList():
            topics = tuple(plain(topic, field="source") or "" for topic in source.topics)
            return TopicList(topics=topics, repeat=source.repeat)
        case Template():
            schedules.check_template(source.template)
            return Template(template=plain(source.template, field="source") or "")
        case Feed():
            return Feed(url=checked_url(source.url, allowlist), only_new=source.only_new)


def _view(found: Schedule) -> ScheduleView:
    wanted, budget, counted = found.wanted, found.wanted.budget, found.statistics
    credits_month = None if budget.micro_month is None else budget.micro_month / MICRO
    return ScheduleView(
        id=found.id,
        name=wanted.name,
        status=found.state,
        paused=PauseView(code=found.pause_code, detail=found.pause_sentence or "") if found.pause_code else None,
        cron=wanted.timing.cron,
        timezone=wanted.timing.timezone,
        next_due_at=found.next_due_at,
        source=wanted.source,
        make=wanted.making,
        missed=wanted.missed,
        budget=BudgetView(runs_month=budget.runs_month, credits_month=credits_month),
        statistics=StatisticsView(
            started=counted.started,
            succeeded=counted.succeeded,
            failed=counted.failed,
            refused=counted.refused,
            missed=counted.missed,
            failures_in_a_row=counted.failures,
            credits=counted.spent_micro / MICRO,
            last_run_at=counted.last_run_at,
        ),
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def _run(run: ScheduleRun) -> RunView:
    return RunView(
        id=run.id,
        due_at=run.due_at,
        status=run.state,
        generation_id=run.id if run.started_at else None,
        topic=run.topic,
        code=run.code,
        detail=run.sentence,
        price=None if run.price_micro is None else run.price_micro / MICRO,
        charged=None if run.charged_micro is None else run.charged_micro / MICRO,
        missed=run.missed,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )

"""Run what is due: each due time once, however many processes look, in the batch lane, with its record beside it.

Three steps, each for many processes at once. A schedule that is due gets a row for its due time and its next one in
one transaction. A row that waits is claimed for a while, gets its subject and is ordered as any reel is; the order's
own transaction writes that it started. A reel that has ended is written to its row, and failures pause the schedule.
A crash between any two of them leaves a row that the next tick finds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import billing, ledger, schedules
from reelwright.accounts import Account, Accounts
from reelwright.admission import Gate
from reelwright.generations import GenerationKind, Profile, Unit
from reelwright.ground import failpoints, log
from reelwright.ground.errors import Kind, Outage, Refusal
from reelwright.ground.ids import DraftId, ScheduleId, derived
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, planning
from reelwright.journeys.brands import KitUnknown
from reelwright.journeys.ordering import BATCH, Order, Prepared, Terms
from reelwright.journeys.schedule_outcomes import BudgetSpent, not_started, settle
from reelwright.providers import checked_url
from reelwright.schedules import (
    Feed,
    Missed,
    RunOutcome,
    Schedule,
    ScheduleRun,
    ScheduleRuns,
    Schedules,
    Subject,
    Template,
    TopicList,
)

_log = log.logger("journeys.scheduling")
_LEASE = timedelta(minutes=2)
"""A claimed run is another's to try after this: longer than a feed, an admission and a transaction together take."""
_AT_ONCE = 3
_BACK_OFF, _LONGEST_BACK_OFF = timedelta(seconds=15), timedelta(minutes=5)
_MOST_BUGS = 5


class OwnerGone(Refusal):
    kind = Kind.NOT_FOUND
    code = "schedule.owner_gone"


class NothingToMake(Exception):  # noqa: N818 - neither our failure nor anybody else's
    """The source has nothing for this run."""


class _Elsewhere(Exception):  # noqa: N818 - not an error: another process was sooner, or the run was called off
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What running schedules needs around it. `feed` fetches a feed's bytes through the guard (Refusal, Outage).

    `allowlist` is the guard's, for the links in feeds.
    """

    db: Database
    gate: Gate
    terms: Terms
    feed: Callable[[str], Awaitable[bytes]]
    allowlist: frozenset[str] = frozenset()


async def run_due(*, desk: Desk, now: datetime | None = None) -> int:
    """Run every schedule that is due, write what has become of earlier runs; return how many reels were started.

    PostgreSQL's clock decides; tests pin it by `now`. Raises Outage.
    """
    await _open_due(desk, now)
    started = await asyncio.gather(*(_run_waiting(desk, now) for _ in range(_AT_ONCE)), return_exceptions=True)
    await settle(db=desk.db, now=await _time(desk.db, now))
    for failed in started:
        if isinstance(failed, BaseException):
            raise failed
    return sum(count for count in started if isinstance(count, int))


async def _time(db: Database, pinned: datetime | None) -> datetime:
    if pinned is not None:
        return pinned
    async with db.single() as tx:
        return (await tx.scalars(text("SELECT clock_timestamp()"))).one()


async def _open_due(desk: Desk, now: datetime | None) -> None:
    """Give every due schedule a row for its due time. One that can't be read holds up no other."""
    broken = set[ScheduleId]()
    while True:
        at, found = await _time(desk.db, now), None
        try:
            async with desk.db.begin() as tx:
                found = await Schedules(session=tx).claim_due(at, besides=broken)
                if found is None:
                    return
                await _open(tx, found, at)
        except Outage:
            raise
        except Exception:
            if found is None:
                raise
            _log.exception("schedule.broken", schedule_id=str(found))
            broken.add(found)
        await failpoints.reached("schedule.after_due")


async def _open(tx: AsyncConnection, found: ScheduleId, now: datetime) -> None:
    """Write a locked schedule's due time, the ones that were missed before it, and when it is due next."""
    schedule = await Schedules(session=tx).find(found)
    if schedule is None or schedule.next_due_at is None:
        return
    due_at, timing = schedule.next_due_at, schedule.wanted.timing
    passed, following = timing.passed(due_at, now), timing.after(now)
    runs = now - passed.latest <= schedules.LATE or schedule.wanted.missed is Missed.CATCH_UP_ONE
    missed = passed.before + (not runs)
    written = ScheduleRuns(session=tx)
    if runs:
        patience = schedules.PATIENCE if following is None else min(schedules.PATIENCE, following - now)
        await written.add(schedule, passed.latest, now=now, give_up_at=now + patience)
    if missed:
        await written.add_missed(schedule, due_at if runs else passed.latest, count=missed, now=now)
        await Schedules(session=tx).count(found, missed=missed)
    if following is None:
        await Schedules(session=tx).end(found)
    else:
        await Schedules(session=tx).advance(found, following)


async def _run_waiting(desk: Desk, now: datetime | None) -> int:
    """Try waiting runs one after the other until none waits; return how many reels were started. Raises Outage."""
    started = 0
    while True:
        at = await _time(desk.db, now)
        async with desk.db.begin() as tx:
            run = await ScheduleRuns(session=tx).claim(at, lease=_LEASE)
        if run is None:
            return started
        await failpoints.reached("schedule.after_claim")
        started += await _tried(run, desk, at)


async def _tried(run: ScheduleRun, desk: Desk, now: datetime) -> bool:
    """Start a claimed run's reel, or write why not; return whether this started it. Raises Outage for PostgreSQL's."""
    try:
        await _start(run, desk, now)
    except _Elsewhere:
        return False
    except NothingToMake:
        await not_started(run, RunOutcome.SKIPPED, desk.db, now, code="schedule.nothing_new", sentence=_NOTHING)
        return False
    except (Refusal, Outage) as why:
        wait = None if why.wait is None else max(why.wait, _BACK_OFF)  # a wait of nothing would be asked for at once
        if isinstance(why, Outage):
            wait = max(why.wait, min(_BACK_OFF * 2 ** min(run.attempts, 10), _LONGEST_BACK_OFF))
        if wait is not None and not isinstance(why, BudgetSpent) and now + wait < run.give_up_at:
            async with desk.db.begin() as tx:
                await ScheduleRuns(session=tx).postpone(run.id, until=now + wait, code=why.code, sentence=why.sentence)
        else:
            await not_started(run, RunOutcome.REFUSED, desk.db, now, code=why.code, sentence=why.sentence)
        return False
    except Exception:  # noqa: BLE001 - a bug in one run must not stop the others; it is logged with its traceback
        _log.exception("schedule.run_broken", schedule_id=str(run.schedule_id), generation_id=str(run.id))
        if run.attempts >= _MOST_BUGS:
            await not_started(run, RunOutcome.REFUSED, desk.db, now, code="service.bug", sentence=_BROKEN)
        return False
    return True


_NOTHING = "The source had nothing that wasn't made before."
_BROKEN = "Something broke on our side; nothing was charged."


async def _start(run: ScheduleRun, desk: Desk, now: datetime) -> None:
    """Order the run's reel as any other is ordered: admission, credits, generation and record, or nothing.

    Raises _Elsewhere, NothingToMake, BudgetSpent, OwnerGone, and what feeds and `creation.start` raise.
    """
    async with desk.db.begin() as tx:
        schedule = await Schedules(session=tx).find(run.schedule_id)
        if schedule is None or schedule.state is schedules.ScheduleState.PAUSED:
            raise _Elsewhere
        account = await Accounts(session=tx).get(schedule.account_id)
        if account is None:
            raise OwnerGone("The account is gone.")
        await _within_budget(tx, schedule, run, price_micro=0, now=now)
    subject = await _subject(schedule, run, desk)
    record = _Record(schedule=schedule, run=run, subject=subject, demo=account.demo, now=now)
    order = _order(run, schedule, subject, account)
    start = partial(creation.start, account=account, db=desk.db, gate=desk.gate, terms=desk.terms, now=now)
    try:
        await start(order=order, opening=record.written)
    except KitUnknown:  # deleted since the schedule was read: the day's reel is worth more than its colours
        bare = replace(order, draft=replace(order.draft, brand_kit_id=None))
        await start(order=bare, opening=record.written)
    _log.info("schedule.started", schedule_id=str(schedule.id), generation_id=str(run.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What is written of a run in the transaction of its reel's order."""

    schedule: Schedule
    run: ScheduleRun
    subject: Subject
    demo: bool
    now: datetime

    async def written(self, tx: AsyncConnection, order: Order, prepared: Prepared) -> tuple[Unit, ...]:
        """Write run and statistics, and return the reel's first runs. Raises _Elsewhere, BudgetSpent: all is undone."""
        found = await Schedules(session=tx).find(self.schedule.id, lock=True)
        # Another run of this schedule may have taken the same topic since it was chosen: this one chooses again.
        if found is None or found.position != self.schedule.position:
            raise _Elsewhere
        price_micro = 0 if self.demo else prepared.price.total_micro
        await _within_budget(tx, found, self.run, price_micro=price_micro, now=self.now)
        runs, kept = ScheduleRuns(session=tx), Schedules(session=tx)
        if not await runs.started(self.run.id, topic=self.subject.topic, price_micro=price_micro, now=self.now):
            raise _Elsewhere
        if self.subject.entry and not await kept.remember(found.id, [self.subject.entry]):
            raise _Elsewhere
        await kept.count(found.id, started=1, now=self.now)
        source = found.wanted.source
        if isinstance(source, TopicList) and schedules.from_list(source, found.position + 1) is None:
            await kept.end(found.id)
        await failpoints.reached("schedule.in_start_tx")
        return await creation.from_the_start(tx, order, prepared)


async def _within_budget(
    tx: AsyncConnection, schedule: Schedule, run: ScheduleRun, *, price_micro: int, now: datetime
) -> None:
    """Make sure that the month has room for one more run. Raises BudgetSpent."""
    budget, month = schedule.wanted.budget, billing.calendar_period(run.due_at)
    spent = await ScheduleRuns(session=tx).spent(schedule.id, month.start, month.end)
    if budget.runs_month is not None and spent.runs >= budget.runs_month:
        raise BudgetSpent(
            f"The schedule has made its {budget.runs_month} runs of this month: raise its budget, or wait.",
            field="budget",
            wait=month.end - now,
        )
    if budget.micro_month is not None and spent.micro + max(price_micro, 1) > budget.micro_month:
        raise BudgetSpent(
            f"The schedule's {ledger.in_credits(budget.micro_month)} credits of this month don't pay for another run:"
            " raise its budget, or wait.",
            field="budget",
            wait=month.end - now,
        )


async def _subject(schedule: Schedule, run: ScheduleRun, desk: Desk) -> Subject:
    """Return what this run is about. A feed is fetched with no transaction open. Raises NothingToMake, and as feeds."""
    found: Subject | None
    match schedule.wanted.source:
        case TopicList() as listed:
            found = schedules.from_list(listed, schedule.position)
        case Template() as template:
            zone, number = schedule.wanted.timing.timezone, schedule.position + 1
            found = schedules.from_template(template, run.due_at, timezone=zone, number=number)
        case Feed() as feed:
            found = await _newest(schedule.id, feed, desk)
    if found is None:
        raise NothingToMake
    return found


async def _newest(schedule: ScheduleId, feed: Feed, desk: Desk) -> Subject | None:
    """Return the newest entry of a feed that wasn't used; at the first reading the others count as old."""
    entries = await schedules.entries_of(await desk.feed(feed.url))
    entries = [entry for entry in entries if entry.url is None or _readable(entry.url, desk.allowlist)]
    async with desk.db.begin() as tx:
        kept = Schedules(session=tx)
        used = await kept.used(schedule, [entry.key for entry in entries])
        if used is None and feed.only_new:
            await kept.remember(schedule, [entry.key for entry in entries if entry.key != entries[0].key])
            entries = entries[:1]
    return schedules.from_feed(entries, used or set())


def _readable(url: str, allowlist: frozenset[str]) -> bool:
    try:
        checked_url(url, allowlist)
    except Refusal:
        return False
    return True


def _order(run: ScheduleRun, schedule: Schedule, subject: Subject, account: Account) -> Order:
    """Return the run's order; its id and fingerprint are the due time's, so that whoever asks again asks the same."""
    making, key = schedule.wanted.making, schedules.key_of(schedule.id, run.due_at)
    return Order(
        id=run.id,
        key=key,
        fingerprint=sha256(key.encode()).digest(),
        kind=GenerationKind(making.kind),
        draft=replace(
            planning.draft_of(making, DraftId(derived(run.id, "draft")), account.id),
            topic=None if subject.url else subject.topic,
            source_url=subject.url,
        ),
        variants=making.variants,
        profile=Profile(making.profile),
        request_id=key,
        lane=BATCH,
    )

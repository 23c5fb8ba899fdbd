"""One siege: customers under fire until all that is allowed has been admitted, some more fire, and then the checks."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from redis.asyncio import Redis

from reelwright.admission import Gate, Periods
from reelwright.billing import Plan
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import reconciliation
from tests.load import checks
from tests.load.client import NO_ANSWER, Answer, Shot
from tests.load.finisher import STAYS, finish_all
from tests.load.fleet import Fleet, Meanwhile, Report
from tests.load.people import Customer, customer, shots
from tests.load.rig import Rig
from tests.waiting import wait_until

_ROUNDS = 40
_LAST_SHARE = 20
_REST_S = 20
_FREED_S = 2
_WARMING = 64
_BUSY_SHARE = 0.05
_BY_ROWS = "admission.refused_by_rows"
ORDINARY = frozenset({202, 429})


@dataclass(frozen=True, kw_only=True)
class Field:
    """Where sieges are held: the servers, the clients, and our own view of PostgreSQL and Redis."""

    rig: Rig
    fleet: Fleet
    db: Database
    gate: Gate
    redis: Redis
    luck: random.Random
    say: Callable[[str], None]

    @property
    def api(self) -> str:
        """An API that is never killed."""
        return self.rig.addresses[-1]


@dataclass(kw_only=True)
class Outcome:
    """What a scenario came to. `faults` empty: every expectation was met."""

    name: str
    attempts: int = 0
    admitted: int = 0
    allowed: str = ""
    seconds: float = 0.0
    by_rows: int = 0
    withdrawn: int = 0
    drifted: int = 0
    released: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, report: Report) -> None:
        """Count a volley in."""
        self.attempts += len(report.answers)
        self.admitted += len(report.fresh)
        self.seconds += report.seconds
        self.statuses += report.statuses

    def expect(self, true: object, sentence: str) -> None:
        """Note the sentence as a fault, unless it holds."""
        if not true:
            self.faults.append(sentence)


@dataclass(frozen=True, kw_only=True)
class Plot:
    """How to besiege: whom, by which shots, what is allowed, and what else happens.

    `lossy`: Redis or an API is hurt, so that some answers are lost, counters may have to be repaired, and refusals by
    the rows are right. `statuses` are the answers that are in order.
    """

    name: str
    customers: Sequence[Customer]
    allowed: Mapping[AccountId, int]
    shots: Callable[[int], list[Shot]]
    attempts: int
    meanwhile: Meanwhile | None = None
    lossy: bool = False
    statuses: frozenset[int] = ORDINARY


async def besiege(plot: Plot, on: Field) -> Outcome:
    """Fire, go on until all that is allowed was admitted, fire some more, settle, and check everything."""
    outcome, before = Outcome(name=plot.name), on.rig.told()
    most = sum(plot.allowed.values())
    outcome.allowed = str(most)
    answers = await _fire(plot, on, outcome)
    await quiet(plot.customers, on)
    await _minutes_pass(plot, on, outcome)
    outcome.faults += await checks.faults(
        on.db, on.gate, on.redis, customers=plot.customers, allowed=plot.allowed, api=on.api
    )
    rows = {str(row) for ids in (await checks.made(on.db, plot.customers)).values() for row in ids}
    told = {answer.started for answer in answers if answer.status == 202}
    outcome.expect(told <= rows, f"{len(told - rows)} orders were accepted and never written")
    refused = {what: count for what, count in (on.rig.told() - before).items() if what.startswith(_BY_ROWS)}
    outcome.by_rows = sum(refused.values())
    if not plot.lossy:
        outcome.expect(told == rows, f"{len(rows - told)} generations were started and refused")
        outcome.expect(not outcome.by_rows, f"Redis let orders in that the rows had to refuse: {refused}")
    await clear(on, outcome)
    return outcome


async def _fire(plot: Plot, on: Field, outcome: Outcome) -> list[Answer]:
    report = await on.fleet.fire(plot.shots(plot.attempts), meanwhile=plot.meanwhile)
    outcome.add(report)
    answers = list(report.answers)
    lost = frozenset({NO_ANSWER, 503}) if plot.lossy else frozenset[int]()
    ordinary(report, plot.statuses | lost, outcome)
    for _ in range(_ROUNDS):
        rows = await checks.made(on.db, plot.customers)
        short = [owner for owner in plot.customers if len(rows[owner.account]) < plot.allowed[owner.account]]
        if not short:
            break
        await _minutes_pass(plot, on, outcome)
        report = await on.fleet.fire(plot.shots(plot.attempts // _LAST_SHARE + 32))
        outcome.add(report)
        answers += report.answers
        ordinary(report, plot.statuses, outcome)
    report = await on.fleet.fire(plot.shots(plot.attempts // _LAST_SHARE + 32))
    outcome.add(report)
    ordinary(report, plot.statuses - {202}, outcome)
    return [*answers, *report.answers]


def ordinary(report: Report, right: frozenset[int], outcome: Outcome) -> None:
    """Note answers that are out of order. A busy machine may say 503 now and then: it must not take anything then."""
    if report.statuses[503] <= _BUSY_SHARE * len(report.answers):
        right |= {503}
    wrong = Counter(f"{answer.status} {answer.code}".strip() for answer in report.answers if answer.status not in right)
    outcome.faults += [f"{count} × {what} was answered" for what, count in wrong.items()]
    silent = [answer for answer in report.answers if answer.status == 429 and not answer.retry_after.isdecimal()]
    outcome.expect(not silent, f"{len(silent)} refusals don't say when to come back")


async def quiet(customers: Sequence[Customer], on: Field) -> None:
    """Wait until the finisher has ended all that it ends, and released what it can."""
    enders = [owner for owner in customers if owner.ends]

    async def at_rest() -> bool:
        return not await checks.live(on.db, enders)

    async def freed() -> bool:
        return not any([await _alive(on.redis, f"app:conc:{owner.account}:leases") for owner in enders])

    await wait_until(at_rest, timeout=_REST_S, message=f"work doesn't end: {on.rig.finisher_words()}")
    with contextlib.suppress(AssertionError):  # what Redis has lost is released by the comparison with the rows
        await wait_until(freed, timeout=_FREED_S)


async def _minutes_pass(plot: Plot, on: Field, outcome: Outcome) -> None:
    """Let a worker's sweep run and, where something was hurt, its comparison of Redis with the rows."""
    outcome.withdrawn += await checks.settle(on.db, on.gate, on.redis)
    if plot.lossy:
        found = await reconciliation.reconcile(db=on.db, gate=on.gate, now=clock.now())
        outcome.drifted += found.drifted
        outcome.released += found.released


async def clear(on: Field, outcome: Outcome) -> None:
    """End all that is live, and see that nobody holds a place any more."""
    await finish_all(on.db, on.gate, whose=STAYS)
    left = [key.decode() async for key in on.redis.scan_iter("app:conc:*:leases") if await _alive(on.redis, key)]
    outcome.expect(not left, f"after the end of all work {len(left)} accounts still hold leases")


async def _alive(redis: Redis, key: bytes | str) -> int:
    return await redis.zcount(key, clock.now().timestamp() * 1000, "+inf")


async def warm_up(on: Field) -> None:
    """Let every API have done its first work: imports, connections and caches are nobody's to measure."""
    somebody = await customer(on.db, Plan.PRO, ends=False)
    await on.fleet.fire(shots([somebody], _WARMING, luck=on.luck))
    await checks.settle(on.db, on.gate, on.redis)
    await clear(on, Outcome(name="warming up"))


async def well_within_the_hour(on: Field, *, needed: timedelta) -> Periods:
    """Return the periods, after waiting for the next hour where less than `needed` is left of this one."""
    now = clock.now()
    left = Periods.at(now).hour_end - now
    if left < needed:
        on.say(f"{left.total_seconds():.0f} s are left of this clock hour: waiting for the next one")
        await asyncio.sleep(left.total_seconds() + 0.1)
    return Periods.at(clock.now())

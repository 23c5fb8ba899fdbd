"""However many ask at once, from however many processes, a limit is reached and never passed."""

import asyncio
import json
import random
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from reelwright.admission import Admitted, Facts, Limits, NotAdmitted, Order, Periods, Policy
from reelwright.ground.ids import DraftId, GenerationId
from tests.rooms.admission.desk import HOUR, PLACE, ROOMY, Desk, a_draft

ROOT = Path(__file__).parents[3]
PROCESSES, EACH = 4, 50


@pytest.mark.parametrize(
    ("policy", "plan", "cap"),
    [
        (Policy.GENERATIONS_MONTH, replace(ROOMY, generations_month=7), 999),
        (Policy.GENERATIONS_HOUR, replace(ROOMY, generations_hour=7), 999),
        (Policy.FULL_REGENERATIONS_MONTH, replace(ROOMY, full_regenerations_month=7), 999),
        (Policy.CONCURRENT, replace(ROOMY, concurrent=7), 999),
        (Policy.PROVIDER_PLACE, ROOMY, 7),
    ],
)
async def test_e04_a_hundred_at_once_never_pass_a_limit(desk: Desk, backend: str, policy, plan, cap) -> None:
    """And a cold start in the middle of the rush counts nobody twice. Over HTTP thirty are a rush."""
    rush = 30 if backend == "upstash" else 100
    orders = [desk.order(plan, full_units=1, place=replace(PLACE, cap=cap)) for _ in range(rush)]

    answers = await asyncio.gather(*(desk.admit(order) for order in orders), return_exceptions=True)

    assert sum(isinstance(answer, Admitted) for answer in answers) == 7
    refusal = "NoPlace" if policy is Policy.PROVIDER_PLACE else "NotAdmitted"
    assert Counter(type(answer).__name__ for answer in answers) == {"Admitted": 7, refusal: rush - 7}
    used = await desk.standings()
    assert (used["generations_month"], used["generations_hour"], used["concurrent"]) == (7, 7, 7)


@pytest.mark.parametrize("policy", ["generations_month", "concurrent"])
async def test_e05_four_processes_at_once_never_pass_a_limit(redis: Redis, valkey_url: str, policy: str) -> None:
    """Real processes, connections and Redis's own clock; PostgreSQL knows of none of their orders yet."""
    account = uuid4()
    said = [sys.executable, "-m", "tests.rooms.admission.rush", valkey_url, str(account), policy, str(EACH)]
    pipe = asyncio.subprocess.PIPE
    runners = [await asyncio.create_subprocess_exec(*said, cwd=ROOT, stdin=pipe, stdout=pipe) for _ in range(PROCESSES)]
    try:
        for runner in runners:
            assert runner.stdout is not None
            assert await runner.stdout.readline() == b"ready\n"
        told = await asyncio.gather(*(runner.communicate(b"go\n") for runner in runners))
    finally:
        for runner in runners:
            if runner.returncode is None:
                runner.kill()
                await runner.wait()

    total = sum((Counter(json.loads(out.splitlines()[-1])) for out, _ in told), Counter[str]())
    refusal = "NoPlace" if policy == "provider_place" else "NotAdmitted"
    assert total == {"Admitted": 7, refusal: PROCESSES * EACH - 7}
    assert await redis.zcard(f"app:conc:{account}:leases") == 7
    (month,) = await redis.keys(f"app:usage:{account}:gen_used:*")
    assert await redis.get(month) == b"7"


async def test_e45_two_that_hydrate_at_once_agree(desk: Desk) -> None:
    """Both have asked PostgreSQL before either tells Redis; one was admitted before the other comes to write."""
    live = (desk.order().lease, desk.now + HOUR)
    desk.facts = Facts(generations_month=3, generations_hour=2, full_month=1, leases=[live])
    plan = replace(ROOMY, generations_month=5)
    orders = [desk.holds(desk.order(plan)) for _ in range(2)]
    gates, both = [desk._gate() for _ in range(2)], asyncio.Barrier(2)
    for gate in gates:
        real = gate._rebuilding._facts

        async def slowly(account, periods, real=real) -> Facts:
            answer = await real(account, periods)
            await both.wait()
            return answer

        gate._rebuilding._facts = slowly

    answers = await asyncio.gather(*(gate.admit(it, now=desk.now) for gate, it in zip(gates, orders, strict=True)))

    assert sorted(answer.remaining[Policy.GENERATIONS_MONTH] for answer in answers) == [0, 1]
    used = await desk.standings()
    assert (used["generations_month"], used["generations_hour"], used["concurrent"]) == (5, 4, 3)
    await desk.refused(desk.order(plan))


async def test_e45_an_older_answer_undoes_no_admission(desk: Desk) -> None:
    """It was asked of PostgreSQL before an order was admitted, and comes to Redis after it."""
    await desk.started()
    stale = Facts(generations_month=0, generations_hour=0, full_month=0)
    await desk.redis.delete(f"app:usage:{desk.account}:full_regen_used:202612")
    desk.facts = stale

    await desk.gate.warm(desk.account, now=desk.now)

    used = await desk.standings()
    assert (used["generations_month"], used["generations_hour"], used["concurrent"]) == (1, 1, 1)


@dataclass
class Books:
    """What PostgreSQL would hold of one account, and what it would decide: the oracle."""

    limits: Limits
    rows: list[tuple[GenerationId, datetime, int]] = field(default_factory=list)
    live: dict[GenerationId, datetime] = field(default_factory=dict)
    refunded: set[GenerationId] = field(default_factory=set)
    cooled: dict[DraftId, tuple[GenerationId, datetime]] = field(default_factory=dict)

    def facts(self, now: datetime, periods: Periods) -> Facts:
        month = [row for row in self.rows if row[1] >= periods.month_start and row[0] not in self.refunded]
        return Facts(
            generations_month=len(month),
            generations_hour=sum(at >= periods.hour_start for _, at, _ in self.rows),
            full_month=sum(full for _, _, full in month),
            leases=list(self.live.items()),
            cooldowns=[(draft, lease, until) for draft, (lease, until) in self.cooled.items() if until > now],
        )

    def refusals(self, order: Order, now: datetime) -> set[Policy]:
        facts, limits, found = self.facts(now, Periods.at(now)), self.limits, set()
        if order.draft in self.cooled and self.cooled[order.draft][1] > now:
            found.add(Policy.COOLDOWN)
        if facts.generations_month >= limits.generations_month:
            found.add(Policy.GENERATIONS_MONTH)
        if facts.generations_hour >= limits.generations_hour:
            found.add(Policy.GENERATIONS_HOUR)
        if order.full_units and facts.full_month >= (limits.full_regenerations_month or 0):
            found.add(Policy.FULL_REGENERATIONS_MONTH)
        if sum(until > now for until in self.live.values()) >= limits.concurrent:
            found.add(Policy.CONCURRENT)
        return found

    def commit(self, order: Order, now: datetime, deadline: datetime) -> None:
        self.rows.append((order.lease, now, order.full_units))
        self.live[order.lease] = deadline
        if order.draft:
            cooling = timedelta(milliseconds=self.limits.cooldown_ms)
            self.cooled[order.draft] = (order.lease, now + cooling)

    def refund(self, lease: GenerationId) -> None:
        self.refunded.add(lease)
        self.live.pop(lease, None)
        self.cooled = {draft: held for draft, held in self.cooled.items() if held[0] != lease}


@pytest.mark.parametrize("seed", [1, 2])
async def test_e43_a_wipe_mid_load_changes_no_decision(desk: Desk, seed: int) -> None:
    """Months, hours, ends, refunds, and a wiped or half-wiped Redis in between: the decisions are the oracle's."""
    dice = random.Random(seed)
    limits = Limits(
        generations_month=25, generations_hour=6, full_regenerations_month=4, concurrent=4, cooldown_ms=400_000
    )
    books, drafts = Books(limits), [a_draft(), a_draft(), None]
    wiped = decided = 0
    for _ in range(90):
        desk.facts = books.facts(desk.now, Periods.at(desk.now))
        what = dice.choices(["order", "end", "refund", "later", "wipe", "lose"], [12, 4, 2, 3, 1, 1])[0]
        running = list(books.live)
        if what == "order":
            order = desk.order(limits, full_units=dice.randrange(2), draft=dice.choice(drafts))
            expected = books.refusals(order, desk.now)
            try:
                await desk.admit(order)
                told = set()
                books.commit(order, desk.now, desk.now + 3 * HOUR)
                await desk.gate.confirm(order, desk.now + 3 * HOUR)
            except NotAdmitted as refused:
                told = {violation.policy for violation in refused.violations}
            assert told == expected
            decided += 1
        elif what == "end" and running:
            books.live.pop(running[0])
            await desk.gate.release(desk.account, running[0])
        elif what == "refund" and running:
            books.refund(running[-1])
            await desk.gate.refund(desk.account, running[-1])
            await desk.gate.release(desk.account, running[-1])
        elif what == "later":
            desk.now += timedelta(minutes=dice.choice([1, 7, 40, 60 * 24 * 6]))
        elif what == "wipe":
            await desk.redis.flushdb()
            wiped += 1
        elif names := [name for name in await desk.redis.keys() if b":usage:" in name]:
            await desk.redis.delete(dice.choice(sorted(names)))
    assert wiped >= 2
    assert decided >= 30

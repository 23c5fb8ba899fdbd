"""Redis may lie: PostgreSQL counts again before an order exists, so no limit of any plan is ever exceeded."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.accounts import Account
from reelwright.admission import Admitted, Gate, NotAdmitted, Order, Policy, Replayed, Tcp
from reelwright.billing import PLANS, Plan
from reelwright.generations import Draft, Drafts, GenerationKind
from reelwright.ground.ids import DraftId
from reelwright.ground.postgres import Database
from reelwright.journeys import facts
from tests.builders import an_account
from tests.journeys.conftest import one, order

NOW = datetime(
    2026, 3, 15, 10, 20, 30, tzinfo=UTC
)  # Redis's clock here; before the rows' own, so that all deadlines are ahead
AT_ONCE = 8
MONTH, HOUR = Policy.GENERATIONS_MONTH, Policy.GENERATIONS_HOUR
FULL, CONCURRENT, COOLDOWN = Policy.FULL_REGENERATIONS_MONTH, Policy.CONCURRENT, Policy.COOLDOWN
SEED = text(
    """
    INSERT INTO generations (id, account_id, draft_id, kind, state, fingerprint, plan, price_version, hold_micro, lane,
                             full_units, admitted_at, deadline_at, started_at, ended_at)
    SELECT gen_random_uuid(), :account, :draft, 'video', 'succeeded', 'x', 'pro', 1, 0, 'interactive',
           :full, :at, now(), now(), now() FROM generate_series(1, :count)
    """
)


class Forgetful(Gate):
    """A gate whose Redis loses everything between an admission and its commit, and forgets all `parties` before one."""

    def lies_to(self, parties: int, redis: Any) -> Gate:
        self.redis, self.all_admitted, self.one_by_one = redis, asyncio.Barrier(parties), asyncio.Lock()
        return self

    async def admit(self, order: Order, *, now: datetime) -> Admitted | Replayed:
        async with self.one_by_one:
            answer = await super().admit(order, now=now)
            await self.redis.flushdb()
        await self.all_admitted.wait()
        return answer


Pinned = Callable[..., Gate]


@pytest.fixture
async def pinned(db: Database, redis: Any) -> AsyncGenerator[Pinned]:
    """Make gates whose clock stands at `NOW`, and close them."""
    made: list[Gate] = []

    def make(kind: type[Gate], parties: int = AT_ONCE) -> Gate:
        gate = kind(
            Tcp(redis),
            facts=facts.reader(db),
            held=facts.held(db),
            limits=facts.LIMITS,
            clock_ms=lambda: round(NOW.timestamp() * 1000),
            patience=timedelta(seconds=10),
        )
        made.append(gate)
        return gate.lies_to(parties, redis) if isinstance(gate, Forgetful) else gate

    yield make
    for gate in made:
        await gate.close()


async def a_draft(db: Database, account: Account) -> DraftId:
    draft = Draft(id=DraftId(uuid4()), account_id=account.id, topic="Cats")
    async with db.begin() as tx:
        await Drafts(session=tx).add(draft)
    return draft.id


async def used_before(db: Database, account: Account, plan: Plan, policy: Policy, left: int) -> None:
    """Let the rows say that all but so many of a policy's units are used."""
    terms, at, full = PLANS[plan], NOW - timedelta(days=3), 0
    count = {MONTH: terms.generations_month, HOUR: terms.generations_hour, FULL: terms.full_regenerations_month}[policy]
    if policy is HOUR:
        at = NOW
    if policy is FULL:
        full = 1
    draft = await a_draft(db, account)
    async with db.begin() as tx:
        values = {"account": account.id, "draft": draft, "full": full, "at": at, "count": (count or 0) - left}
        await tx.execute(SEED, values)


async def at_once(account: Account, db: Database, gate: Gate, *, full: bool, most: int = AT_ONCE) -> Counter[Any]:
    """Send orders at once; count what became of them: None for a start, else the policies that were said to bind."""

    async def send() -> Any:
        draft = await a_draft(db, account) if full else None
        kind = GenerationKind.REGENERATE_FULL if full else GenerationKind.VIDEO
        try:
            await order(account, db, gate, kind=kind, draft=draft, now=NOW)
        except NotAdmitted as refusal:
            return frozenset(violation.policy for violation in refusal.violations)
        return None

    return Counter(await asyncio.gather(*(send() for _ in range(most))))


async def existing(db: Database) -> int:
    return (await one(db, "SELECT count(*) AS n FROM generations WHERE state = 'queued'"))["n"]


CASES = [(plan, policy) for plan in Plan for policy in (MONTH, HOUR, CONCURRENT)] + [(Plan.STANDARD, FULL)]


@pytest.mark.parametrize(("plan", "policy"), CASES)
async def test_a_redis_wiped_between_admission_and_commit_over_admits_nobody(
    plan: Plan, policy: Policy, db: Database, pinned: Pinned
) -> None:
    account, concurrent = await an_account(db, plan), PLANS[plan].concurrent
    allowed = concurrent if policy is CONCURRENT else min(2, concurrent)
    if policy is not CONCURRENT:
        await used_before(db, account, plan, policy, left=allowed)

    told = await at_once(account, db, pinned(Forgetful), full=policy is FULL)

    assert told.pop(None) == allowed == await existing(db)
    assert told.total() == AT_ONCE - allowed
    assert all(policy in policies for policies in told), told
    holds = await one(db, "SELECT count(*) AS n FROM credit_holds WHERE state = 'pending'")
    assert holds["n"] == allowed
    honest = pinned(Gate)
    assert policy in next(iter(await at_once(account, db, honest, full=policy is FULL, most=1)))
    stands = {row.policy: row.used for row in (await honest.peek(account.id, now=NOW)).standings}
    rows = await one(db, "SELECT count(*) AS month, sum(full_units) AS full FROM generations")
    assert (stands[MONTH], stands[FULL]) == (rows["month"], rows["full"])


async def test_an_account_that_holds_no_credits_is_counted_one_order_at_a_time_too(
    db: Database, pinned: Pinned
) -> None:
    """No hold makes its orders wait for each other: the account's own row must."""
    account = await an_account(db, Plan.STANDARD)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET demo = true"))
    told = await at_once(replace(account, demo=True), db, pinned(Forgetful), full=False)
    assert told == {None: 2, frozenset({CONCURRENT}): AT_ONCE - 2}


async def test_full_regenerations_without_a_cap_are_bound_by_the_other_limits_only(
    db: Database, pinned: Pinned
) -> None:
    account = await an_account(db, Plan.PRO)
    told = await at_once(account, db, pinned(Forgetful), full=True)
    assert told == {None: 5, frozenset({CONCURRENT}): AT_ONCE - 5}


@pytest.mark.parametrize("policy", [MONTH, HOUR, FULL, CONCURRENT])
async def test_counters_set_by_hand_over_admit_nobody_and_are_mended(
    policy: Policy, db: Database, redis: Any, pinned: Pinned
) -> None:
    account, gate = await an_account(db, Plan.STANDARD), pinned(Gate)
    if policy is CONCURRENT:
        assert (await at_once(account, db, gate, full=False, most=2))[None] == 2
        await redis.delete(f"app:conc:{account.id}:leases")
    else:
        await used_before(db, account, Plan.STANDARD, policy, left=0)
        assert None not in await at_once(account, db, gate, full=True, most=1)
        name = {MONTH: "usage:{}:gen_used:202603", FULL: "usage:{}:full_regen_used:202603"}
        key = "app:" + name.get(policy, "burst:{}:gen_hour:2026031510").format(account.id)
        await redis.set(key, 0, px=3_600_000)

    before = await existing(db)
    told = await at_once(account, db, gate, full=policy is FULL)
    assert None not in told
    assert any(policy in policies for policies in told), told
    assert await existing(db) == before
    if policy is not HOUR:  # an hour's counter is not rebuilt while the month's is there; the rows go on refusing
        stands = {row.policy: row.used for row in (await gate.peek(account.id, now=NOW)).standings}
        assert stands[policy] == {MONTH: 300, FULL: 30, CONCURRENT: 2}[policy]


async def test_a_cooldown_that_redis_forgot_still_holds(db: Database, pinned: Pinned) -> None:
    account = await an_account(db, Plan.PRO)
    gate, draft = pinned(Forgetful, parties=4), await a_draft(db, account)

    async def send() -> object:
        try:
            await order(account, db, gate, kind=GenerationKind.REGENERATE_FULL, draft=draft, now=NOW)
        except NotAdmitted as refusal:
            return [violation.policy for violation in refusal.violations]
        return None

    told = await asyncio.gather(*(send() for _ in range(4)))
    assert sorted(map(str, told)) == sorted(["None", *[str([COOLDOWN])] * 3])


async def test_an_order_that_only_redis_remembers_is_written_and_counted(db: Database, pinned: Pinned) -> None:
    """PostgreSQL was restored from a back-up: the key's claim says done, and no row does."""
    account, gate = await an_account(db, Plan.BASIC), pinned(Gate)
    first = await order(account, db, gate, key="again", now=NOW)
    async with db.begin() as tx:
        await tx.execute(text("TRUNCATE generations, credit_journal, credit_balances CASCADE"))
        await ledger.grant(tx, account=account.id, micro=10**9, source="restored")
    again = await order(account, db, gate, key="again", now=NOW)
    assert again.generation_id == first.generation_id
    assert again.admitted is None
    assert await existing(db) == 1
    row = await one(db, "SELECT admitted_at, generation_units FROM generations")
    assert (row["admitted_at"], row["generation_units"]) == (NOW, 1)
    assert (await at_once(account, db, gate, full=False, most=1)) == {frozenset({CONCURRENT}): 1}

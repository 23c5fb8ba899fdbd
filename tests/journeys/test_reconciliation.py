"""What a dead process left between Redis and PostgreSQL is settled, and counters that drifted come back to the rows."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from reelwright import admission
from reelwright.accounts import Account
from reelwright.admission import Gate, Held, Periods
from reelwright.billing import Plan
from reelwright.generations import Generations, GenerationState
from reelwright.ground import clock
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import reconciliation
from tests.builders import an_account
from tests.journeys.conftest import order


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db, Plan.PRO)


async def standings(gate: Gate, account: Account) -> dict[str, int]:
    return {row.policy.value: row.used for row in (await gate.peek(account.id, now=clock.now())).standings}


def a_request(account: Account) -> admission.Order:
    return admission.Order(
        account=account.id,
        lease=GenerationId(uuid4()),
        scope="POST /v1/create",
        key=uuid4().hex,
        fingerprint="f" * 64,
        held=Held(plan=account.plan, version=account.plan_version),
    )


async def overdue(redis: Redis, account: Account, lease: GenerationId) -> None:
    """Let a minute have passed since this admission."""
    assert await redis.zadd("app:conc:pending", {f"{account.id}|{lease}": 1}, xx=True, ch=True) == 1


async def test_e35_an_admission_whose_process_died_is_given_back(
    db: Database, gate: Gate, redis: Redis, account: Account
) -> None:
    """Its lease lapses by itself; its units come back with the sweep, and not before it is overdue."""
    request = a_request(account)
    await gate.admit(request, now=clock.now())
    early = await reconciliation.settle_unconfirmed(db=db, gate=gate, now=clock.now())
    assert (early.confirmed, early.withdrawn) == (0, 0)
    await overdue(redis, account, request.lease)

    settled = await reconciliation.settle_unconfirmed(db=db, gate=gate, now=clock.now())

    assert (settled.confirmed, settled.withdrawn) == (0, 1)
    used = await standings(gate, account)
    assert (used["generations_month"], used["generations_hour"], used["concurrent"]) == (0, 0, 0)
    again = await reconciliation.settle_unconfirmed(db=db, gate=gate, now=clock.now())
    assert (again.confirmed, again.withdrawn) == (0, 0)


async def test_e36_a_commit_that_nobody_confirmed_keeps_its_unit_and_its_lease(
    db: Database, gate: Gate, redis: Redis, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def died(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(gate, "confirm", died)
        with pytest.raises(asyncio.CancelledError):
            await order(account, db, gate)
    ((_, lease),) = [member.decode().split("|") for member in await redis.zrange("app:conc:pending", 0, -1)]
    await overdue(redis, account, GenerationId(lease))

    settled = await reconciliation.settle_unconfirmed(db=db, gate=gate, now=clock.now())

    assert (settled.confirmed, settled.withdrawn) == (1, 0)
    used = await standings(gate, account)
    assert (used["generations_month"], used["concurrent"]) == (1, 1)
    ends_ms = await redis.zscore(f"app:conc:{account.id}:leases", lease)
    assert ends_ms / 1000 - clock.now().timestamp() > timedelta(minutes=50).total_seconds(), "until the deadline"


async def test_an_unconfirmed_generation_that_has_ended_holds_no_lease(
    db: Database, gate: Gate, redis: Redis, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object, **__: object) -> None: ...

    with monkeypatch.context() as patched:
        patched.setattr(gate, "confirm", lost)
        started = await order(account, db, gate)
    async with db.begin() as tx:
        await Generations(session=tx).finish(started.generation_id, GenerationState.CANCELLED)
    await overdue(redis, account, started.generation_id)

    settled = await reconciliation.settle_unconfirmed(db=db, gate=gate, now=clock.now())

    assert settled.confirmed == 1
    assert (await standings(gate, account))["concurrent"] == 0
    assert not await redis.exists("app:conc:pending")


@pytest.mark.parametrize("told", [b"40", b"0"])
async def test_drifted_counters_come_back_to_the_rows(
    db: Database, gate: Gate, redis: Redis, account: Account, told: bytes
) -> None:
    """Too high would refuse a paying user; too low is only the last word's work. Both are seen and said."""
    await order(account, db, gate)
    await order(account, db, gate)
    periods = Periods.at(clock.now())
    month = f"app:usage:{account.id}:gen_used:{periods.month}"
    await redis.set(month, told, keepttl=True)

    found = await reconciliation.reconcile(db=db, gate=gate, now=clock.now())

    assert (found.compared, found.drifted, found.repaired) == (1, 1, 1)
    assert await redis.get(month) == b"2"
    drift = REGISTRY.get_sample_value("reelwright_admission_drift_units", {"counter": "generations_month"})
    assert drift == abs(int(told) - 2)
    quiet = await reconciliation.reconcile(db=db, gate=gate, now=clock.now())
    assert (quiet.compared, quiet.drifted) == (1, 0)
    assert REGISTRY.get_sample_value("reelwright_admission_drift_units", {"counter": "generations_month"}) == 0


async def test_an_order_between_admission_and_commit_is_no_drift(
    db: Database, gate: Gate, redis: Redis, account: Account
) -> None:
    """Redis has counted it and PostgreSQL hasn't: setting the counter back would admit one too many."""
    await order(account, db, gate)
    await gate.admit(a_request(account), now=clock.now())

    found = await reconciliation.reconcile(db=db, gate=gate, now=clock.now())

    assert (found.drifted, found.repaired) == (1, 0)
    assert (await standings(gate, account))["generations_month"] == 2


async def test_an_order_that_commits_after_the_rows_were_read_is_no_drift(
    db: Database, gate: Gate, redis: Redis, account: Account
) -> None:
    """Its unit was counted before, and so has not moved; nobody is under way any more when the repair would begin."""
    request, periods = a_request(account), Periods.at(clock.now())
    await gate.admit(request, now=clock.now())
    seen = await gate.counted(account.id, periods)
    without_it = admission.Facts(generations_month=0, generations_hour=0, full_month=0)
    await gate.confirm(request, clock.now() + timedelta(hours=1))

    assert not await gate.repair(account.id, periods, seen=seen, facts=without_it)

    assert (await standings(gate, account))["generations_hour"] == 1


async def test_a_counter_that_moved_meanwhile_is_left_alone(
    db: Database, gate: Gate, redis: Redis, account: Account
) -> None:
    await order(account, db, gate)
    periods = Periods.at(clock.now())
    seen = await gate.counted(account.id, periods)
    await order(account, db, gate)
    stale = admission.Facts(generations_month=1, generations_hour=1, full_month=0)

    assert not await gate.repair(account.id, periods, seen=replace(seen), facts=stale)

    assert (await standings(gate, account))["generations_month"] == 2


async def test_a_cold_account_is_not_drifting(db: Database, gate: Gate, redis: Redis, account: Account) -> None:
    """What Redis doesn't know it will ask for; filling it here would be one more way to be wrong."""
    await order(account, db, gate)
    await redis.flushdb()

    found = await reconciliation.reconcile(db=db, gate=gate, now=clock.now())

    assert (found.compared, found.drifted) == (1, 0)
    assert not await redis.keys("app:usage:*")


async def test_a_lease_that_could_not_be_released_ends_with_the_next_comparison(
    db: Database, gate: Gate, redis: Redis, account: Account
) -> None:
    """Work that ends while Redis is away releases nothing; its place would stay taken until the deadline."""
    ended, running = await order(account, db, gate), await order(account, db, gate)
    request = a_request(account)
    await gate.admit(request, now=clock.now())
    async with db.begin() as tx:
        await Generations(session=tx).finish(ended.generation_id, GenerationState.CANCELLED)

    found = await reconciliation.reconcile(db=db, gate=gate, now=clock.now())

    assert found.released == 1
    assert await gate.leased(account.id) == {running.generation_id, request.lease}
    assert (await reconciliation.reconcile(db=db, gate=gate, now=clock.now())).released == 0

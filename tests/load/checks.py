"""What must be true when the guns are silent: PostgreSQL, Redis, GET /v1/limits and the ledger tell the same story."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from redis.asyncio import Redis
from sqlalchemy import text

from reelwright import ledger
from reelwright.admission import Facts, Gate, Periods
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import facts, reconciliation
from tests.load.people import BEFORE, Customer
from tests.waiting import wait_until

PENDING = "app:conc:pending"
_TRIES = 5
_MADE = text(
    "SELECT account_id, id FROM generations WHERE account_id = ANY(:accounts)"
    " AND fingerprint <> :before AND generation_units > 0"
)
_ADMITTED = text(
    "SELECT admitted_at FROM generations WHERE account_id = :account AND fingerprint <> :before"
    " AND generation_units > 0 ORDER BY 1"
)
_LIVE = text("SELECT account_id, id FROM generations WHERE ended_at IS NULL ORDER BY account_id")
_WITHOUT_HOLD = text(
    """
    SELECT g.id FROM generations g LEFT JOIN credit_holds h ON h.generation_id = g.id AND h.state = 'pending'
     WHERE g.ended_at IS NULL AND g.hold_micro IS DISTINCT FROM h.amount_micro
     UNION ALL
    SELECT h.generation_id FROM credit_holds h LEFT JOIN generations g ON g.id = h.generation_id
     WHERE g.id IS NULL OR (h.state = 'pending') <> (g.ended_at IS NULL)
    """
)
_WITHOUT_RUN = text(
    "SELECT id FROM generations g WHERE ended_at IS NULL AND NOT EXISTS"
    " (SELECT FROM stage_runs r JOIN outbox o ON o.run_id = r.id WHERE r.generation_id = g.id)"
)
_BUSY = text(
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'reelwright-api' AND state <> 'idle' AND pid <>"
    " pg_backend_pid() AND backend_type = 'client backend' AND query NOT LIKE '%outbox%'"
)
_TABLES = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
_COUNTERS = {
    "generations_month": "generations_month",
    "generations_hour": "generations_hour",
    "full_regenerations_month": "full_month",
}


async def made(db: Database, customers: Sequence[Customer]) -> dict[AccountId, set[UUID]]:
    """Return the generations that were started for each account, by the rows."""
    found: dict[AccountId, set[UUID]] = {owner.account: set() for owner in customers}
    async with db.begin() as tx:
        for row in await tx.execute(_MADE, {"accounts": list(found), "before": BEFORE}):
            found[row.account_id].add(row.id)
    return found


async def admitted_at(db: Database, owner: Customer) -> list[datetime]:
    """Return when the account's generations were admitted, in order."""
    async with db.begin() as tx:
        found = await tx.scalars(_ADMITTED, {"account": owner.account, "before": BEFORE})
        return list(found)


async def live(db: Database, customers: Sequence[Customer] | None = None) -> dict[AccountId, set[str]]:
    """Return the generations that have not ended, of these accounts or of all."""
    wanted = None if customers is None else {owner.account for owner in customers}
    found: dict[AccountId, set[str]] = {}
    async with db.begin() as tx:
        for row in await tx.execute(_LIVE):
            if wanted is None or row.account_id in wanted:
                found.setdefault(row.account_id, set()).add(str(row.id))
    return found


async def settle(db: Database, gate: Gate, redis: Redis) -> int:
    """Let a minute pass for every unconfirmed admission and sweep, as a worker does; return how many were withdrawn."""

    async def quiet() -> bool:
        async with db.begin() as tx:
            return not await tx.scalar(_BUSY)

    await wait_until(quiet, timeout=20, message="the APIs' transactions never end")
    withdrawn = 0
    while waiting := await redis.zrange(PENDING, 0, -1):
        await redis.zadd(PENDING, dict.fromkeys(waiting, 1), xx=True)
        withdrawn += (await reconciliation.settle_unconfirmed(db=db, gate=gate, now=clock.now())).withdrawn
    return withdrawn


async def faults(
    db: Database, gate: Gate, redis: Redis, *, customers: Sequence[Customer], allowed: Mapping[AccountId, int], api: str
) -> list[str]:
    """Return everything that isn't as it must be, one sentence each; nothing where all is exact."""
    rows = await made(db, customers)
    found = [
        f"{owner.plan} {owner.account}: {len(rows[owner.account])} generations, {allowed[owner.account]} allowed"
        for owner in customers
        if len(rows[owner.account]) != allowed[owner.account]
    ]
    async with db.begin() as tx:
        found += [f"the ledger of {account} doesn't add up" for account in await ledger.mismatches(tx)]
        found += [f"hold and generation {row} don't match" for row in await tx.scalars(_WITHOUT_HOLD)]
        found += [f"live generation {row} has no promised run" for row in await tx.scalars(_WITHOUT_RUN)]
    found += await _leaks(redis, await live(db))
    periods, read = Periods.at(clock.now()), facts.reader(db)
    async with httpx.AsyncClient(base_url=api, trust_env=False, timeout=20) as client:
        for owner in customers:
            truth = await read(owner.account, periods)
            found += await _differences(owner, truth, periods, gate=gate, client=client)
    return found


async def _leaks(redis: Redis, working: Mapping[AccountId, set[str]]) -> list[str]:
    """Return leases and places that nobody needs, live work that holds no lease, and keys that never expire."""
    found: list[str] = []
    if left := await redis.zcard(PENDING):
        found.append(f"{left} admissions are still unconfirmed")
    leased: dict[str, set[str]] = {}
    async for key in redis.scan_iter("app:conc:*:leases"):
        alive = await redis.zrangebyscore(key, clock.now().timestamp() * 1000, "+inf")
        leased[key.decode().split(":")[2]] = {member.decode() for member in alive}
    for account in leased.keys() | {str(account) for account in working}:
        held, running = leased.get(account, set()), working.get(AccountId(UUID(account)), set())
        if held != running:
            found.append(f"{account} holds {len(held - running)} leases too many, lacks {len(running - held)}")
    living = {f"{account}|{generation}" for account, ids in working.items() for generation in ids}
    async for key in redis.scan_iter("app:conc:provider:*"):
        if await redis.type(key) == b"zset" and not key.endswith((b":line", b":asked")):
            members = {member.decode() for member in await redis.zrange(key, 0, -1)}
            found += [f"{key.decode()}: {member} keeps a place" for member in members - living]
    found += [f"{key.decode()} never expires" async for key in redis.scan_iter() if await redis.pttl(key) == -1]
    return found


async def _differences(
    owner: Customer, truth: Facts, periods: Periods, *, gate: Gate, client: httpx.AsyncClient
) -> list[str]:
    """Compare Redis's counters, and what GET /v1/limits says, with the rows."""
    expected = {policy: getattr(truth, name) for policy, name in _COUNTERS.items()} | {"concurrent": len(truth.leases)}
    counted = await gate.counted(owner.account, periods)
    found: list[str] = []
    for policy, name in _COUNTERS.items():
        held: Any = getattr(counted, name)
        if held is not None and held != expected[policy]:
            found.append(f"{owner.account}: Redis counts {held} {policy}, PostgreSQL {expected[policy]}")
    said: dict[str, Any] = {"degraded": True}
    for _ in range(_TRIES):  # a busy API may have run out of patience with Redis, and says so
        answer = await client.get("/v1/limits", headers={"Authorization": f"Bearer {owner.secret}"})
        if answer.status_code != 200:
            return [*found, f"GET /v1/limits answers {answer.status_code}"]
        said = answer.json()
        if not said["degraded"]:
            break
    shown = {row["policy"]: row["used"] for row in said["policies"]}
    if shown != expected:
        found.append(f"{owner.account}: GET /v1/limits says {shown}, PostgreSQL {expected}")
    if said["degraded"]:
        found.append("GET /v1/limits is degraded")
    return found


async def everything_in(redis: Redis) -> dict[bytes, bytes | None]:
    """Return every key with its value as Redis would write it down."""
    return {key: await redis.dump(key) async for key in redis.scan_iter()}


async def row_counts(db: Database) -> dict[str, int]:
    """Return how many rows each table has."""
    async with db.begin() as tx:
        names = list(await tx.scalars(_TABLES))
        return {name: await tx.scalar(text(f'SELECT count(*) FROM "{name}"')) or 0 for name in names}  # noqa: S608 - the catalogue's own names

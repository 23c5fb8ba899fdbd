"""GET /v1/limits and what stands behind it: from Redis, from PostgreSQL without it, at every edge."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from reelwright.accounts import Account, Accounts
from reelwright.admission import Gate, Policy, Tcp
from reelwright.app import create_app
from reelwright.billing import Plan
from reelwright.ground import clock
from reelwright.ground import redis as ground_redis
from reelwright.ground.postgres import Database
from reelwright.journeys import facts, standing
from reelwright.settings import Settings
from tests.api.conftest import Person, living, person
from tests.builders import a_generation, an_account

TOPIC = {"topic": "Why do cats purr?"}
MS = timedelta(milliseconds=1)
EDGE = datetime(2026, 12, 1, tzinfo=UTC)


class Clocked:
    """Standings at an instant of the test's choice, from Redis (whose clock is pinned) or without one."""

    def __init__(self, db: Database, redis_url: str) -> None:
        self.db = db
        self.at = EDGE
        self.gate = Gate(
            Tcp(ground_redis.connect(redis_url, timeout_ms=2_000)),
            facts=facts.reader(db),
            held=facts.held(db),
            limits=facts.LIMITS,
            clock_ms=lambda: (self.at - datetime(1970, 1, 1, tzinfo=UTC)) // MS,
        )

    async def seen(self, account: Account, at: datetime, *, caller: datetime | None = None) -> standing.Overview:
        self.at = at
        return await standing.of(account, db=self.db, gate=self.gate, now=caller or at)


@pytest.fixture
async def with_redis(db: Database, redis: Redis, valkey_url: str) -> AsyncGenerator[Clocked]:
    clocked = Clocked(db, valkey_url)
    yield clocked
    await clocked.gate.close()


@pytest.fixture
async def without_redis(db: Database) -> AsyncGenerator[Clocked]:
    clocked = Clocked(db, "redis://127.0.0.1:9/0")
    yield clocked
    await clocked.gate.close()


@pytest.fixture(params=["with_redis", "without_redis"])
def clocked(request: pytest.FixtureRequest) -> Clocked:
    """Both ways to the same answer."""
    return request.getfixturevalue(request.param)


def used(seen: standing.Overview) -> dict[str, int]:
    return {row.policy.value: row.used for row in seen.standings}


async def admitted(db: Database, account: Account, at: datetime, *, live: bool = False) -> None:
    generation = await a_generation(db, account=account)
    over = "" if live else ", state = 'cancelled', ended_at = admitted_at"
    async with db.begin() as tx:
        await tx.execute(
            text(f"UPDATE generations SET admitted_at = :at, deadline_at = :end {over} WHERE id = :id"),  # noqa: S608
            {"at": at, "end": at + timedelta(hours=1), "id": generation},
        )


async def test_a_fresh_account_has_used_nothing(api: httpx.AsyncClient) -> None:
    seen = (await api.get("/v1/limits")).json()
    rows = {row["policy"]: row for row in seen["policies"]}
    assert list(rows) == ["generations_month", "generations_hour", "full_regenerations_month", "concurrent"]
    assert {name: (row["limit"], row["used"], row["remaining"]) for name, row in rows.items()} == {
        "generations_month": (300, 0, 300),
        "generations_hour": (40, 0, 40),
        "full_regenerations_month": (30, 0, 30),
        "concurrent": (2, 0, 2),
    }
    as_of = datetime.fromisoformat(seen["as_of"])
    hour = datetime.fromisoformat(rows["generations_hour"]["resets_at"])
    month = datetime.fromisoformat(rows["generations_month"]["resets_at"])
    assert timedelta(0) < hour - as_of <= timedelta(hours=1)
    assert (month.day, month.hour, rows["full_regenerations_month"]["resets_at"]) == (
        1,
        0,
        rows["generations_month"]["resets_at"],
    )
    assert rows["concurrent"]["resets_at"] is None
    kept = ("plan", "effective_plan", "boost_until", "regeneration_cooldown_s", "binding", "degraded")
    assert [seen[name] for name in kept] == ["standard", "standard", None, 15, [], False]


async def test_what_is_used_is_told_and_what_binds(api: httpx.AsyncClient) -> None:
    for key in ("a", "b"):
        answer = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": key})
        assert answer.status_code == 202
    first, second = [(await api.get("/v1/limits")).json() for _ in range(2)]
    assert first["binding"] == ["concurrent"]
    assert [row["used"] for row in first["policies"]] == [2, 2, 0, 2]
    assert first["policies"][3]["resets_at"] is not None
    assert [row["used"] for row in second["policies"]] == [2, 2, 0, 2]


async def test_reading_writes_nothing(api: httpx.AsyncClient, redis: Redis) -> None:
    await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "a"})

    async def everything() -> dict[bytes, bytes]:
        return {key: await redis.dump(key) for key in await redis.keys()}

    before = await everything()
    assert (await api.get("/v1/limits")).status_code == 200
    assert await everything() == before
    assert before


async def test_it_answers_without_redis(settings: Settings, db: Database, api: httpx.AsyncClient, user: Person) -> None:
    assert (await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "a"})).status_code == 202
    with_redis = (await api.get("/v1/limits")).json()
    broken = create_app(msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:9/0"))
    async with living(broken):
        transport = httpx.ASGITransport(app=broken, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=user.headers) as client:
            answer = await client.get("/v1/limits")
    without = answer.json()
    assert (answer.status_code, without["degraded"], with_redis["degraded"]) == (200, True, False)
    counted = [
        [(row["policy"], row["limit"], row["used"], row["remaining"]) for row in seen["policies"]]
        for seen in (with_redis, without)
    ]
    assert counted[0] == counted[1]
    assert without["policies"][3]["resets_at"] is None


async def test_pro_has_no_cap_on_full_regenerations(app: object, db: Database, api: httpx.AsyncClient) -> None:
    pro = await person(db, "pro@example.com", Plan.PRO)
    seen = (await api.get("/v1/limits", headers=pro.headers)).json()
    assert seen["policies"][2] | {"resets_at": ""} == {
        "policy": "full_regenerations_month", "limit": None, "used": 0, "remaining": None, "resets_at": "",
    }  # fmt: skip
    assert (seen["binding"], seen["regeneration_cooldown_s"]) == ([], 5)


async def test_what_basic_never_has_does_not_bind(app: object, db: Database, api: httpx.AsyncClient) -> None:
    basic = await person(db, "basic@example.com", Plan.BASIC)
    seen = (await api.get("/v1/limits", headers=basic.headers)).json()
    assert (seen["policies"][2]["limit"], seen["policies"][2]["remaining"], seen["binding"]) == (0, 0, [])


async def test_limits_are_for_those_who_say_who_they_are(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/limits", headers={"Authorization": ""})
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.required")


async def test_the_last_millisecond_belongs_to_the_old_month(clocked: Clocked, db: Database) -> None:
    account = await an_account(db)
    for _ in range(2):
        await admitted(db, account, EDGE - MS)

    last = await clocked.seen(account, EDGE - MS)

    assert used(last) == {"generations_month": 2, "generations_hour": 2, "full_regenerations_month": 0, "concurrent": 0}
    assert {row.frees_at for row in last.standings[:3]} == {EDGE}
    first = await clocked.seen(account, EDGE)
    assert used(first) == {
        "generations_month": 0,
        "generations_hour": 0,
        "full_regenerations_month": 0,
        "concurrent": 0,
    }
    assert [row.frees_at for row in first.standings] == [
        datetime(2027, 1, 1, tzinfo=UTC), EDGE + timedelta(hours=1), datetime(2027, 1, 1, tzinfo=UTC), None,
    ]  # fmt: skip


@pytest.mark.parametrize("behind", [timedelta(seconds=2), timedelta(seconds=-2)])
async def test_redis_decides_which_month_it_is(behind: timedelta, db: Database, with_redis: Clocked) -> None:
    """The caller's clock is two seconds off at midnight."""
    account = await an_account(db)
    await admitted(db, account, EDGE - MS)
    at = EDGE if behind > timedelta(0) else EDGE - MS
    seen = await with_redis.seen(account, at, caller=at - behind)
    assert (seen.at, used(seen)["generations_month"]) == (at, 0 if behind > timedelta(0) else 1)


async def test_e51_boost_and_plan_end_at_one_instant(clocked: Clocked, db: Database) -> None:
    """Until then it is Pro, from then on Basic: never the plan that ended, and never Pro a moment longer."""
    account = await an_account(db, Plan.STANDARD)
    async with db.begin() as tx:
        boosted = await Accounts(session=tx).grant_boost(account.id)
    ends = boosted.boost_until.replace(microsecond=boosted.boost_until.microsecond // 1000 * 1000)
    before = await clocked.seen(boosted, ends - MS)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE boosts SET ends_at = :ends"), {"ends": ends})
        ended = await Accounts(session=tx).set_plan(account.id, "basic")

    still, over = await clocked.seen(ended, ends - MS), await clocked.seen(ended, ends)

    def limits(seen: standing.Overview) -> list[int | None]:
        return [row.limit for row in seen.standings]

    assert (before.plan, before.effective_plan) == (Plan.STANDARD, Plan.PRO)
    assert (still.plan, still.effective_plan, still.boost_until) == (Plan.BASIC, Plan.PRO, ends)
    assert limits(before) == limits(still) == [900, 120, None, 5]
    assert (over.plan, over.effective_plan, over.boost_until) == (Plan.BASIC, Plan.BASIC, None)
    assert (limits(over), over.cooldown) == ([60, 10, 0, 1], timedelta(seconds=30))


async def test_what_runs_counts_until_its_deadline(clocked: Clocked, db: Database) -> None:
    account = await an_account(db)
    now = clock.now().replace(microsecond=0)
    for started in (now - timedelta(minutes=59), now - timedelta(minutes=60)):
        await admitted(db, account, started, live=True)
    seen = await clocked.seen(account, now)
    assert {row.policy: row.used for row in seen.standings}[Policy.CONCURRENT] == 1

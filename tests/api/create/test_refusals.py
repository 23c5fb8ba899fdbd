"""401, 402, 403, 404, 422, 429 and 503: each says why, costs nothing, and leaves nothing."""

from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import Litestar
from redis.asyncio import Redis
from sqlalchemy import text

from reelwright import ledger
from reelwright.app import create_app
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.outbox import depth
from reelwright.settings import Settings
from tests.api.conftest import Person, living, person

TOPIC = {"topic": "Why do cats purr?"}


async def total(db: Database, table: str) -> int:
    async with db.begin() as tx:
        return await tx.scalar(text(f"SELECT count(*) FROM {table}")) or 0  # noqa: S608


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic abc", "Bearer rw_test_aaaa"])
async def test_without_a_known_key_it_is_401_before_the_body_is_read(header: str | None, app: Litestar) -> None:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        headers = {"Authorization": header} if header else {}
        answer = await client.post("/v1/create", content=b"{", headers=headers | {"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.required")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_without_credits_it_is_402_and_the_units_come_back(
    app: Litestar, db: Database, user: Person, api: httpx.AsyncClient, redis: object
) -> None:
    async with db.begin() as tx:
        await tx.execute(text("UPDATE credit_balances SET available_micro = 1"))
    for attempt in range(12):
        answer = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": f"k{attempt}"})
        assert (answer.status_code, answer.json()["code"]) == (402, "credits.insufficient"), answer.text
    assert await total(db, "generations") == await total(db, "outbox") == await total(db, "drafts") == 0
    async with db.begin() as tx:
        await ledger.grant(tx, account=AccountId(UUID(user.account_id)), micro=10**9, source="test")
    answer = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "k0"})
    assert answer.status_code == 202, answer.text
    assert '"generations_month";r=299' in answer.headers["RateLimit"]


async def test_more_variants_than_the_plan_has_is_403(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/create", json=TOPIC | {"variants": 5}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["field"]) == (403, "variants")


async def test_another_accounts_draft_is_404(api: httpx.AsyncClient, stranger: Person) -> None:
    theirs = await api.post("/v1/create", json=TOPIC, headers=stranger.headers | {"Idempotency-Key": "k"})
    draft = theirs.json()["draft_id"]
    answer = await api.post("/v1/create", json={"draft_id": draft}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (404, "request.not_found")


async def test_the_same_key_with_another_body_is_422(api: httpx.AsyncClient, redis: object) -> None:
    await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "k"})
    answer = await api.post("/v1/create", json=TOPIC | {"duration_s": 31}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    await redis.flushdb()  # type: ignore[attr-defined]
    answer = await api.post("/v1/create", json=TOPIC | {"duration_s": 31}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422


async def test_a_changed_price_is_409(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/create", json=TOPIC | {"expected_price": 1}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["field"]) == (409, "expected_price")
    assert answer.json()["price"] > 1


async def test_the_third_at_once_is_429_and_costs_nothing(api: httpx.AsyncClient, db: Database) -> None:
    """Standard makes two reels at once."""
    first = [await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": f"k{n}"}) for n in range(2)]
    assert [answer.status_code for answer in first] == [202, 202]
    for _ in range(3):
        refused = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "k3"})
        assert (refused.status_code, refused.json()["code"]) == (429, "admission.limited"), refused.text
        assert int(refused.headers["Retry-After"]) >= 1
        assert [violated["policy"] for violated in refused.json()["violations"]] == ["concurrent"]
    assert await total(db, "generations") == 2


async def test_redis_away_is_503_quickly_and_charges_nothing(settings: Settings, db: Database) -> None:
    broken = create_app(msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:9/0"))
    somebody = await person(db, "redis@example.com")
    async with living(broken):
        transport = httpx.ASGITransport(app=broken, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=somebody.headers) as client:
            answer = await client.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "k"})
            ready = await client.get("/health/ready")
            balance = await client.get("/v1/credits/balance")
    assert (answer.status_code, answer.json()["code"]) == (503, "admission.unavailable"), answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    assert (ready.status_code, ready.json()["status"], balance.status_code) == (200, "degraded", 200)
    assert ready.json()["checks"] == {"postgresql": "ok", "redis": "unavailable"}
    assert await total(db, "generations") == await total(db, "credit_holds") == 0


async def test_while_too_much_waits_to_be_sent_it_is_503_and_takes_nothing(
    api: httpx.AsyncClient, db: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repeat of what was accepted is answered all the same."""
    first = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "first"})
    monkeypatch.setattr(depth, "_DEEPEST", 0)
    depth._known.clear()
    before = sorted([key async for key in redis.scan_iter()])
    refused = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "second"})
    again = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "first"})
    depth._known.clear()
    assert (refused.status_code, refused.json()["code"]) == (503, "outbox.too_deep")
    assert refused.headers["Retry-After"] == "30"
    assert (again.status_code, again.json()["generation_id"]) == (202, first.json()["generation_id"])
    assert await total(db, "generations") == 1
    assert sorted([key async for key in redis.scan_iter()]) == before

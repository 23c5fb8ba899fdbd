"""PUT /v1/admin/users/{id}/plan: administrators alone, at once, whatever Redis does."""

from uuid import uuid4

import httpx
import msgspec
import pytest
from litestar import Litestar
from redis.asyncio import Redis
from sqlalchemy import text

from reelwright.app import create_app
from reelwright.ground.postgres import Database
from reelwright.settings import Settings
from tests.api.conftest import Person, living

TOPIC = {"topic": "Why do cats purr?"}


async def plan_of(db: Database, user: Person) -> tuple[str, int]:
    async with db.begin() as tx:
        row = (
            await tx.execute(text("SELECT plan, plan_version FROM users WHERE id = :id"), {"id": user.account_id})
        ).one()
    return row.plan, row.plan_version


async def test_an_administrator_sets_a_plan_and_it_holds_for_the_next_call(
    office: httpx.AsyncClient, api: httpx.AsyncClient, user: Person
) -> None:
    """E48, E55: the third reel at once is one too many for Standard, and not for Pro."""

    async def third() -> int:
        return (await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "third"})).status_code

    for key in ("first", "second"):
        assert (await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": key})).status_code == 202
    assert await third() == 429

    answer = await office.put(f"/v1/admin/users/{user.account_id}/plan", json={"plan": "pro"})

    assert (answer.status_code, answer.json()) == (
        200,
        {"user_id": user.account_id, "plan": "pro", "effective_plan": "pro", "boost_until": None},
    )
    assert await third() == 202


async def test_e49_a_smaller_plan_leaves_nothing_and_never_less(
    office: httpx.AsyncClient, api: httpx.AsyncClient, user: Person
) -> None:
    for key in ("first", "second"):
        assert (await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": key})).status_code == 202
    await office.put(f"/v1/admin/users/{user.account_id}/plan", json={"plan": "basic"})

    seen = (await api.get("/v1/limits")).json()

    rows = {row["policy"]: row for row in seen["policies"]}
    assert (rows["concurrent"]["limit"], rows["concurrent"]["used"], rows["concurrent"]["remaining"]) == (1, 2, 0)
    assert (rows["generations_month"]["limit"], rows["generations_month"]["used"]) == (60, 2)
    assert seen["binding"] == ["concurrent"]


@pytest.mark.parametrize(("method", "path", "key"), [("PUT", "plan", {}), ("POST", "boosts", {"Idempotency-Key": "k"})])
async def test_nobody_else_gets_in_and_it_is_told_before_the_body_is_read(
    method: str, path: str, key: dict[str, str], api: httpx.AsyncClient, user: Person, app: Litestar, db: Database
) -> None:
    url, body = (
        f"/v1/admin/users/{user.account_id}/{path}",
        {"content": b"{", "headers": key | {"Content-Type": "application/json"}},
    )
    answer = await api.request(method, url, **body)
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.admin_only"), answer.text
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as nobody:
        answer = await nobody.request(method, url, **body)
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.required")
    assert await plan_of(db, user) == ("standard", 1)


async def test_who_is_not_there_is_404(office: httpx.AsyncClient) -> None:
    for method, path, key in (("PUT", "plan", {}), ("POST", "boosts", {"Idempotency-Key": "k"})):
        body = {"plan": "pro"} if path == "plan" else {}
        answer = await office.request(method, f"/v1/admin/users/{uuid4()}/{path}", json=body, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (404, "accounts.not_found")
        assert (await office.request(method, f"/v1/admin/users/somebody/{path}", json=body)).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"), [({"plan": "gold"}, "plan"), ({}, "plan"), ({"plan": "pro", "days": 3}, "days")]
)
async def test_a_plan_that_is_none_is_400(
    body: dict[str, object], field: str, office: httpx.AsyncClient, user: Person, db: Database
) -> None:
    answer = await office.put(f"/v1/admin/users/{user.account_id}/plan", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
    assert await plan_of(db, user) == ("standard", 1)


async def test_it_holds_without_redis_too(
    settings: Settings, db: Database, admin: Person, user: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """Admission compares versions, so that what it had no chance to hear of costs one more look at PostgreSQL."""
    broken = create_app(msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:9/0"))
    async with living(broken):
        transport = httpx.ASGITransport(app=broken, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=admin.headers) as client:
            answer = await client.put(f"/v1/admin/users/{user.account_id}/plan", json={"plan": "pro"})
    assert (answer.status_code, await plan_of(db, user)) == (200, ("pro", 2))
    assert "plans.not_remembered" in caplog.text


async def test_a_stale_memory_of_the_plan_changes_no_decision(
    api: httpx.AsyncClient, user: Person, db: Database, redis: Redis
) -> None:
    """E53: the commit was heard of by PostgreSQL alone."""
    seen = (await api.get("/v1/limits")).json()
    assert (seen["plan"], seen["effective_plan"]) == ("standard", "standard")
    for key in ("first", "second"):
        assert (await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": key})).status_code == 202
    assert await redis.keys(f"app:user:{user.account_id}:*")
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET plan = 'pro', plan_version = plan_version + 1"))

    seen = (await api.get("/v1/limits")).json()
    answer = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "third"})

    assert (seen["plan"], seen["effective_plan"], seen["degraded"]) == ("pro", "pro", False)
    assert (answer.status_code, answer.headers["RateLimit-Policy"].count("q=900")) == (202, 1)


async def test_who_did_what_to_whom_is_in_the_log_and_no_secret(
    office: httpx.AsyncClient, admin: Person, user: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="journeys.administration"):
        await office.put(f"/v1/admin/users/{user.account_id}/plan", json={"plan": "basic"})
        await office.post(
            f"/v1/admin/users/{user.account_id}/boosts", json={"days": 7}, headers={"Idempotency-Key": "my-own-key"}
        )
    plan, boost = [record.msg for record in caplog.records if record.name == "journeys.administration"]
    assert {"event": "administration.plan_set", "plan": "basic", "plan_version": 2}.items() <= plan.items()
    assert {"event": "administration.boost_granted", "days": 7, "repeated": False}.items() <= boost.items()
    for line in (plan, boost):
        assert (line["by"], line["account_id"]) == (admin.account_id, user.account_id)
    assert "my-own-key" not in caplog.text
    assert admin.secret not in caplog.text

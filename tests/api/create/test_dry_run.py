"""E67, E68: a dry run writes nothing, works when nothing is left, and says what the real request then meets."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from reelwright.app import create_app
from reelwright.billing import PLANS, Plan
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.providers.offline import voice_world
from reelwright.settings import Settings
from tests.api.conftest import Person, living, person
from tests.builders import a_written_draft

TOPIC = {"topic": "Why do cats purr?"}
DRY = {"dry_run": "true"}
USED = text(
    """
    INSERT INTO generations (id, account_id, draft_id, kind, state, fingerprint, plan, price_version, hold_micro, lane,
                             full_units, admitted_at, deadline_at, started_at, ended_at)
    SELECT gen_random_uuid(), d.account_id, d.id, CASE WHEN :cooling THEN 'regenerate_full' ELSE 'video' END,
           CASE WHEN :live THEN 'running' ELSE 'succeeded' END, 'x', :plan, 1, 0, 'interactive', :full,
           CAST(:at AS timestamptz), now() + interval '1 hour', now(), CASE WHEN :live THEN NULL ELSE now() END
      FROM drafts d, generate_series(1, :count) WHERE d.id = :draft
    """
)


async def everything(db: Database, redis: Any) -> tuple[dict[str, int], dict[bytes, bytes]]:
    """How many rows each table has, and every key's own bytes."""
    async with db.begin() as tx:
        names = list(
            await tx.scalars(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'requests_daily'")
            )
        )
        counts = {name: await tx.scalar(text(f'SELECT count(*) FROM "{name}"')) or 0 for name in names}  # noqa: S608
    return counts, {key: await redis.dump(key) for key in await redis.keys()}


async def test_a_dry_run_tells_price_limits_and_credits_and_writes_nothing(
    api: httpx.AsyncClient, db: Database, redis: Any
) -> None:
    first = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "k"})
    before = await everything(db, redis)

    for _ in range(3):
        answer = await api.post("/v1/create", json=TOPIC, params=DRY)

    body = answer.json()
    assert (answer.status_code, body["would_admit"], body["violations"]) == (200, True, []), answer.text
    assert body["price"]["total"] == first.json()["price"] == body["credits"]["required"]
    assert sum(line["credits"] for line in body["price"]["lines"]) == pytest.approx(body["price"]["total"])
    assert body["price"]["version"] == 1
    assert (body["credits"]["enough"], body["available_after"], body["degraded"]) == (True, None, False)
    assert "Location" not in answer.headers
    assert await everything(db, redis) == before


@pytest.mark.parametrize("language", ["xx", "de", "de-AT"])
async def test_what_nobody_speaks_here_is_refused_before_anything_is_taken(
    language: str, api: httpx.AsyncClient, db: Database, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dry or not. A script is not spoken, and German is where its packages are."""
    before = await everything(db, redis)
    with monkeypatch.context() as bare:
        bare.setattr(voice_world, "languages", lambda: ())
        for more in ({"params": DRY}, {"headers": {"Idempotency-Key": "k"}}):
            answer = await api.post("/v1/create", json=TOPIC | {"language": language}, **more)
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (400, "voice.language_unsupported"), answer.text
            assert (problem["field"], "use one of en" in problem["detail"]) == ("language", True)
        assert await everything(db, redis) == before
        script = await api.post("/v1/create", json=TOPIC | {"language": language, "kind": "script"}, params=DRY)
        assert script.json()["would_admit"]
    spoken = await api.post("/v1/create", json=TOPIC | {"language": language}, params=DRY)
    assert spoken.status_code == (400 if language == "xx" else 200)


async def test_e67_a_dry_run_tells_redis_nothing_of_an_account_it_does_not_know(
    api: httpx.AsyncClient, db: Database, redis: Any
) -> None:
    """Not even what PostgreSQL knows: the rows answer, and the next real order fills Redis."""
    for key in ("a", "b"):
        await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": key})
    await redis.flushdb()

    full = (await api.post("/v1/create", json=TOPIC, params=DRY)).json()

    assert [(row["policy"], row["limit"], row["used"]) for row in full["violations"]] == [("concurrent", 2, 2)]
    assert (full["would_admit"], full["degraded"]) == (False, False)
    assert await redis.keys() == []
    real = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "c"})
    assert real.status_code == 429


async def test_a_dry_run_works_with_nothing_left(api: httpx.AsyncClient, db: Database, redis: Any) -> None:
    """Standard makes two reels at once; then there is no room, and then there is no money either."""
    for key in ("a", "b"):
        await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": key})
    before = await everything(db, redis)
    full = (await api.post("/v1/create", json=TOPIC, params=DRY)).json()
    assert (full["would_admit"], full["credits"]["enough"]) == (False, True)
    assert [(row["policy"], row["limit"], row["used"]) for row in full["violations"]] == [("concurrent", 2, 2)]
    assert full["available_after"] is not None
    assert await everything(db, redis) == before
    async with db.begin() as tx:
        await tx.execute(text("UPDATE credit_balances SET available_micro = 0"))
    poor = (await api.post("/v1/create", json=TOPIC, params=DRY)).json()
    assert (poor["would_admit"], poor["credits"]["available"], poor["credits"]["enough"]) == (False, 0, False)


async def test_credits_alone_may_be_missing(api: httpx.AsyncClient, db: Database) -> None:
    async with db.begin() as tx:
        await tx.execute(text("UPDATE credit_balances SET available_micro = 1000000"))
    body = (await api.post("/v1/create", json=TOPIC, params=DRY)).json()
    assert (body["would_admit"], body["violations"], body["credits"]["available"]) == (False, [], 1)


@pytest.fixture
async def without_redis(settings: Settings, db: Database) -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:9/0"))
    somebody = await person(db, "redis@example.com", Plan.BASIC)
    async with living(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=somebody.headers) as client:
            yield client


async def test_with_redis_away_the_rows_answer_alone(without_redis: httpx.AsyncClient, db: Database) -> None:
    body = (await without_redis.post("/v1/create", json=TOPIC, params=DRY)).json()
    assert (body["degraded"], body["would_admit"], body["violations"]) == (True, True, [])
    async with db.begin() as tx:
        owner = AccountId(await tx.scalar(text("SELECT id FROM users")))
    draft = (await a_written_draft(db, owner)).draft
    async with db.begin() as tx:
        values = {"plan": "basic", "full": 0, "at": clock.now(), "draft": draft, "cooling": False}
        await tx.execute(USED, values | {"count": 1, "live": True})
        await tx.execute(USED, values | {"count": 9, "live": False})
    body = (await without_redis.post("/v1/create", json=TOPIC, params=DRY)).json()
    assert (body["degraded"], body["would_admit"]) == (True, False)
    assert [row["policy"] for row in body["violations"]] == ["generations_hour", "concurrent"]
    bad = await without_redis.post("/v1/create", json=TOPIC | {"variants": 3}, params=DRY)
    assert (bad.status_code, bad.json()["field"]) == (403, "variants")


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=st.sampled_from(Plan),
    month=st.sampled_from([0, -1, -2]),
    hour=st.sampled_from([None, 0, -1]),
    full=st.sampled_from([None, 0, -1]),
    live=st.integers(0, 5),
    cooling=st.booleans(),
    poor=st.booleans(),
    what=st.sampled_from(["create", "hook", "full"]),
)
async def test_e68_what_a_dry_run_says_is_what_the_real_request_meets(
    api: httpx.AsyncClient, db: Database, **state: Any
) -> None:
    """For any state of an account: the same refusal with the same policies, or an acceptance at the same price."""
    someone = await person(db, f"{uuid4().hex}@example.com", state["plan"])
    draft = (await a_written_draft(db, AccountId(UUID(someone.account_id)))).draft
    await lived(db, draft, someone, state)
    path, body = "/v1/regenerate", {"draft_id": str(draft), "part": state["what"]}
    if state["what"] == "create":
        path, body = "/v1/create", TOPIC

    dry = await api.post(path, json=body, headers=someone.headers, params=DRY)
    real = await api.post(path, json=body, headers=someone.headers | {"Idempotency-Key": uuid4().hex})

    if dry.status_code != 200:
        assert (real.status_code, real.json()["code"]) == (dry.status_code, dry.json()["code"])
        return
    said = dry.json()
    if real.status_code == 202:
        assert said["would_admit"], (state, said)
        assert said["price"]["total"] == real.json()["price"]
    elif real.status_code == 402:
        assert (said["would_admit"], said["violations"], said["credits"]["enough"]) == (False, [], False), (state, said)
    else:
        assert (real.status_code, said["would_admit"]) == (429, False), real.text
        refused = [(row["policy"], row["used"]) for row in real.json()["violations"]]
        assert refused == [(row["policy"], row["used"]) for row in said["violations"]], (state, said, real.text)


async def lived(db: Database, draft: UUID, someone: Person, state: dict[str, Any]) -> None:
    """Write the rows of an account that has used what the state says; limits are counted back from the plan's own."""
    terms, now = PLANS[state["plan"]], clock.now()
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    fulls = 0 if state["full"] is None else (terms.full_regenerations_month or 0) + state["full"]
    hours = 0 if state["hour"] is None else terms.generations_hour + state["hour"] - state["live"]
    months = terms.generations_month + state["month"] - max(fulls, 0) - max(hours, 0) - state["live"]
    values = {"plan": state["plan"].value, "full": 0, "at": start, "draft": draft, "cooling": False, "live": False}
    async with db.begin() as tx:
        await tx.execute(USED, values | {"count": months - state["cooling"]})
        await tx.execute(USED, values | {"count": fulls, "full": 1})
        await tx.execute(USED, values | {"count": hours, "at": now})
        await tx.execute(USED, values | {"count": state["live"], "at": now, "live": True})
        await tx.execute(USED, values | {"count": int(state["cooling"]), "at": now, "cooling": True})
        if state["poor"]:
            poor = text("UPDATE credit_balances SET available_micro = 100 WHERE account_id = :account")
            await tx.execute(poor, {"account": someone.account_id})

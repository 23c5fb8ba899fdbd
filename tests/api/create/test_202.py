"""An accepted order: everything that follows from it exists, once."""

import asyncio
from uuid import UUID

import httpx
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.conftest import Person

TOPIC = {"topic": "Why do cats purr?", "duration_s": 30}


async def rows(db: Database) -> dict[str, int]:
    tables = ("drafts", "generations", "stage_runs", "outbox", "credit_holds", "generation_events")
    async with db.begin() as tx:
        return {table: await tx.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in tables}  # noqa: S608


async def test_an_order_writes_draft_generation_hold_first_run_and_message_together(
    api: httpx.AsyncClient, db: Database
) -> None:
    answer = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "one"})

    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert answer.headers["Location"] == f"/v1/generations/{body['generation_id']}"
    assert answer.headers["X-Request-Id"]
    assert UUID(body["draft_id"])
    assert 15 <= body["price"] <= 25
    counts = await rows(db)
    assert set(counts.values()) == {1}, counts


async def test_a_topic_in_a_script_without_spaces_is_a_topic(api: httpx.AsyncClient) -> None:
    topic = "猫はなぜ喉を鳴らすのでしょうか" * 6
    answer = await api.post("/v1/create", json={"topic": topic}, headers={"Idempotency-Key": "neko"})
    assert answer.status_code == 202, answer.text


async def test_limits_are_told_in_structured_headers(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "one"})
    assert '"generations_month";q=300' in answer.headers["RateLimit-Policy"]
    assert '"generations_month";r=299' in answer.headers["RateLimit"]


async def test_the_same_key_starts_one_generation_however_often_it_is_sent(
    api: httpx.AsyncClient, db: Database
) -> None:
    async def send() -> httpx.Response:
        return await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "again"})

    answers = [await send(), *await asyncio.gather(*(send() for _ in range(20)))]

    assert {answer.status_code for answer in answers} <= {202, 409}
    accepted = [answer for answer in answers if answer.status_code == 202]
    assert len({answer.json()["generation_id"] for answer in accepted}) == 1
    assert len({answer.json()["price"] for answer in accepted}) == 1
    later = await send()
    assert (later.status_code, later.headers["Idempotency-Replayed"]) == (202, "true")
    assert later.json() == answers[0].json()
    assert set((await rows(db)).values()) == {1}


async def test_a_repeat_is_free_with_redis_empty_too(api: httpx.AsyncClient, db: Database, redis: object) -> None:
    """The id is made from account and key, so PostgreSQL alone knows that the order was started."""
    first = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "again"})
    await redis.flushdb()  # type: ignore[attr-defined]

    again = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "again"})

    assert (again.status_code, again.json()) == (202, first.json())
    assert set((await rows(db)).values()) == {1}


async def test_one_key_of_two_accounts_is_two_orders(api: httpx.AsyncClient, stranger: Person, db: Database) -> None:
    mine = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "same"})
    theirs = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "same"} | stranger.headers)
    assert mine.json()["generation_id"] != theirs.json()["generation_id"]
    assert set((await rows(db)).values()) == {2}

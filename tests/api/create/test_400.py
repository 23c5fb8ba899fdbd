"""Bad input names its field and the remedy; nothing is written, held or counted."""

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.postgres import Database

KEY = {"Idempotency-Key": "one"}
CASES = [
    pytest.param({"topic": "Cats", "colour": "red"}, "colour", id="unknown field"),
    pytest.param({"topic": 7}, "topic", id="wrong type"),
    pytest.param({"topic": ""}, "topic", id="empty topic"),
    pytest.param({"topic": "   "}, "topic", id="blank topic"),
    pytest.param({"topic": "?!"}, "topic", id="no word"),
    pytest.param({"topic": "a" * 5000}, "topic", id="5,000 characters"),
    pytest.param({"topic": "cats\x00purr"}, "topic", id="NUL"),
    pytest.param({"text": "cats\x1bpurr"}, "text", id="control character"),
    pytest.param({"topic": "Cats", "url": "https://example.com/"}, "url", id="two sources"),
    pytest.param({}, "topic", id="no source"),
    pytest.param({"url": "http://127.0.0.1/"}, "url", id="loopback"),
    pytest.param({"url": "http://169.254.169.254/latest"}, "url", id="metadata address"),
    pytest.param({"url": "file:///etc/passwd"}, "url", id="file"),
    pytest.param({"url": "http://user:pw@example.com/"}, "url", id="credentials"),
    pytest.param({"topic": "Cats", "duration_s": 3}, "duration_s", id="too short"),
    pytest.param({"topic": "Cats", "duration_s": 10**30}, "duration_s", id="beyond 64 bits"),
    pytest.param({"topic": "Cats", "aspect": "4:3"}, "aspect", id="unknown aspect"),
    pytest.param({"topic": "Cats", "language": "english"}, "language", id="language"),
    pytest.param({"topic": "Cats", "kind": "regenerate_full"}, "kind", id="kind of another endpoint"),
    pytest.param({"topic": "Cats", "kind": "render"}, "draft_id", id="render without a draft"),
]


async def untouched(db: Database, redis: object) -> bool:
    async with db.begin() as tx:
        tables = "SELECT 1 FROM drafts UNION ALL SELECT 1 FROM generations UNION ALL SELECT 1 FROM outbox"
        rows = await tx.scalar(text(f"SELECT count(*) FROM ({tables}) AS rows"))  # noqa: S608 - our own words
    return rows == 0 and await redis.dbsize() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(("body", "field"), CASES)
async def test_a_bad_field_is_named_and_nothing_is_left_behind(
    body: dict[str, object], field: str, api: httpx.AsyncClient, db: Database, redis: object
) -> None:
    answer = await api.post("/v1/create", json=body, headers=KEY)

    problem = answer.json()
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["field"] == field, problem
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= set(problem)
    assert await untouched(db, redis)


RAW = [
    pytest.param(b"", id="empty"),
    pytest.param(b"{", id="broken"),
    pytest.param(b"[]", id="a list"),
    pytest.param(b'{"topic": "\xff"}', id="not UTF-8"),
    pytest.param(b'{"topic": "\\ud800"}', id="lone surrogate"),
    pytest.param(b"[" * 100_000, id="nested without end"),
    pytest.param(b'{"topic":' + b'{"a":' * 50_000, id="nested objects"),
]


@pytest.mark.parametrize("body", RAW)
async def test_a_body_that_is_no_order_is_refused(body: bytes, api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/create", content=body, headers=KEY | {"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), answer.text


@pytest.mark.parametrize("key", [None, "", "a" * 300, "two words", "käse"])
async def test_the_idempotency_key_is_asked_for(key: str | None, api: httpx.AsyncClient) -> None:
    headers = {} if key is None else {"Idempotency-Key": key.encode()}
    answer = await api.post("/v1/create", json={"topic": "Cats"}, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key"), answer.text


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_json_must_say_that_it_is_json(content_type: str, api: httpx.AsyncClient) -> None:
    """A cross-site form can send text/plain with cookies: 415."""
    answer = await api.post("/v1/create", content=b'{"topic":"Cats"}', headers=KEY | {"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "request.content_type")


async def test_a_body_beyond_the_cap_is_413(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/create", json={"text": "a " * 200_000}, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")

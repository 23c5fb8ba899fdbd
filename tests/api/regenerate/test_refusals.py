"""400, 402, 403, 404, 422 and 429: each names its field or limit, costs nothing and leaves nothing."""

from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from reelwright.billing import Plan
from reelwright.ground.postgres import Database
from tests.api.conftest import Person, person
from tests.api.regenerate.conftest import Ask
from tests.builders import WrittenDraft

BOTH = [{}, {"dry_run": "true"}]  # a dry run refuses what the real one does
BAD = [
    pytest.param({"part": "everything"}, "part", id="unknown part"),
    pytest.param({"part": None}, "part", id="no part"),
    pytest.param({"part": "scene_text"}, "scene", id="a scene's text without scene"),
    pytest.param({"part": "scene_picture"}, "scene", id="a scene's picture without scene"),
    pytest.param({"part": "hook", "scene": 0}, "scene", id="a hook of a scene"),
    pytest.param({"part": "full", "scene": 0}, "scene", id="all of a scene"),
    pytest.param({"part": "scene_text", "scene": -1}, "scene", id="negative scene"),
    pytest.param({"part": "scene_text", "scene": 10**30}, "scene", id="beyond 64 bits"),
    pytest.param({"part": "scene_text", "scene": "first"}, "scene", id="a scene in words"),
    pytest.param({"part": "hook", "variants": 1}, "variants", id="variants of a part"),
    pytest.param({"part": "full", "variants": 6}, "variants", id="six variants"),
    pytest.param({"part": "full", "variant_id": str(uuid4())}, "variant_id", id="all of one variant"),
    pytest.param({"part": "hook", "variant_id": "first"}, "variant_id", id="no UUID"),
    pytest.param({"part": "hook", "draft_id": 7}, "draft_id", id="a number for a draft"),
    pytest.param({"part": "hook", "tone": "calm"}, "tone", id="unknown field"),
    pytest.param({"part": "hook", "expected_price": -1}, "expected_price", id="negative price"),
]


async def rows(db: Database) -> int:
    async with db.begin() as tx:
        return await tx.scalar(text("SELECT count(*) FROM generations WHERE kind LIKE 'regenerate%'")) or 0


@pytest.mark.parametrize("query", BOTH)
@pytest.mark.parametrize(("body", "field"), BAD)
async def test_400_names_the_field(
    body: dict[str, object], field: str, query: dict[str, str], ask: Ask, db: Database
) -> None:
    fields = dict(body)
    answer = await ask(fields.pop("part"), query=query, **fields)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json().get("field")) == (400, field), answer.text
    assert await rows(db) == 0


@pytest.mark.parametrize("query", BOTH)
async def test_404_for_what_is_not_there_or_not_yours(
    query: dict[str, str], ask: Ask, api: httpx.AsyncClient, stranger: Person, written: WrittenDraft, db: Database
) -> None:
    for fields, field in (
        ({"draft_id": str(uuid4())}, "draft_id"),
        ({"variant_id": str(uuid4())}, "variant_id"),
    ):
        answer = await ask("hook", query=query, **fields)
        assert (answer.status_code, answer.json()["field"]) == (404, field), answer.text
    beyond = await ask("scene_text", query=query, scene=2)
    assert (beyond.status_code, beyond.json()["field"]) == (404, "scene"), beyond.text
    headers = stranger.headers | {"Idempotency-Key": "k"}
    theirs = {"draft_id": str(written.draft), "part": "hook"}
    answer = await api.post("/v1/regenerate", json=theirs, headers=headers, params=query)
    assert (answer.status_code, answer.json()["field"]) == (404, "draft_id")
    assert await rows(db) == 0


async def test_404_before_anything_was_written(db: Database, api: httpx.AsyncClient) -> None:
    created = await api.post("/v1/create", json={"topic": "Cats"}, headers={"Idempotency-Key": "new"})
    body = {"draft_id": created.json()["draft_id"], "part": "hook"}
    answer = await api.post("/v1/regenerate", json=body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["field"]) == (404, "variant_id")
    assert await rows(db) == 0


@pytest.mark.parametrize("query", BOTH)
async def test_403_for_all_of_it_on_basic(query: dict[str, str], db: Database, api: httpx.AsyncClient) -> None:
    basic = await person(db, "basic@example.com", Plan.BASIC)
    created = await api.post("/v1/create", json={"topic": "Cats"}, headers=basic.headers | {"Idempotency-Key": "new"})
    body = {"draft_id": created.json()["draft_id"], "part": "full"}
    headers = basic.headers | {"Idempotency-Key": "k"}
    answer = await api.post("/v1/regenerate", json=body, headers=headers, params=query)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (403, "plan.required", "part")


async def test_402_without_credits_and_the_draft_stays_cool(ask: Ask, db: Database) -> None:
    async with db.begin() as tx:
        await tx.execute(text("UPDATE credit_balances SET available_micro = 0"))
    for _ in range(3):
        answer = await ask("hook")
        assert (answer.status_code, answer.json()["code"]) == (402, "credits.insufficient"), answer.text
    assert await rows(db) == 0


async def test_409_for_a_price_that_is_no_longer_so(ask: Ask) -> None:
    answer = await ask("hook", expected_price=999)
    assert (answer.status_code, answer.json()["field"]) == (409, "expected_price")
    assert (await ask("hook", expected_price=answer.json()["price"])).status_code == 202


async def test_422_for_a_key_with_another_body(ask: Ask, redis: object) -> None:
    assert (await ask("hook", key="k")).status_code == 202
    assert (await ask("caption", key="k")).status_code == 422
    await redis.flushdb()  # type: ignore[attr-defined]
    assert (await ask("caption", key="k")).status_code == 422


async def test_429_while_the_draft_cools_also_for_another_part(ask: Ask, db: Database) -> None:
    assert (await ask("hook")).status_code == 202
    for part in ("hook", "caption", "full"):
        answer = await ask(part)
        assert answer.status_code == 429, answer.text
        assert [row["policy"] for row in answer.json()["violations"]] == ["cooldown"]
        assert 1 <= int(answer.headers["Retry-After"]) <= 15
    assert await rows(db) == 1


@pytest.mark.parametrize("dry_run", ["perhaps", "2", ""])
async def test_a_dry_run_is_yes_or_no(dry_run: str, api: httpx.AsyncClient, written: WrittenDraft) -> None:
    body = {"draft_id": str(written.draft), "part": "hook"}
    answer = await api.post("/v1/regenerate", json=body, params={"dry_run": dry_run})
    assert answer.status_code == 400, answer.text

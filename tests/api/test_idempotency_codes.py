"""One key, one public code: whether Redis or PostgreSQL remembers the first request, its repeats are told the same."""

import asyncio
import re
from uuid import uuid4

import httpx
from litestar import Litestar
from redis.asyncio import Redis

from reelwright.accounts import Accounts
from reelwright.api.operations import operations
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.waiting import wait_until

TOPIC = {"topic": "Why do cats purr?"}
OTHER = TOPIC | {"duration_s": 31}


async def test_while_the_first_request_is_decided_and_after_it(
    api: httpx.AsyncClient, user: Person, db: Database, redis: Redis
) -> None:
    """The first is held between admission and commit, so that only Redis knows of it."""

    async def send(body: dict[str, object]) -> tuple[int, str | None, httpx.Headers]:
        answer = await api.post("/v1/create", json=body, headers={"Idempotency-Key": "k"})
        return answer.status_code, answer.json().get("code"), answer.headers

    async def claimed() -> bool:
        return bool(await redis.keys("app:idem:*"))

    async with db.begin() as tx:
        await Accounts(session=tx).lock(AccountId(user.account_id))
        first = asyncio.create_task(send(TOPIC))
        await wait_until(claimed)
        again, other = await send(TOPIC), await send(OTHER)
        assert not first.done()
    status, _, _ = await first

    assert status == 202
    assert again[:2] == (409, "idempotency.in_progress")
    assert int(again[2]["Retry-After"]) >= 1
    assert other[:2] == (422, "idempotency.key_reused")
    assert (await send(OTHER))[:2] == (422, "idempotency.key_reused")
    await redis.flushdb()
    assert (await send(OTHER))[:2] == (422, "idempotency.key_reused")


async def test_every_post_takes_a_key_and_none_takes_a_malformed_one(app: Litestar, api: httpx.AsyncClient) -> None:
    """Who sends one with all that it posts learns of a mistyped one everywhere, whether it is needed there or not."""
    posts = [one for one in operations(app) if one.method == "POST" and one.path.startswith("/v1/")]
    assert len(posts) > 50
    assert [one.path for one in posts if "Idempotency-Key" not in one.headers] == []
    for one in posts:
        path = re.sub(r"\{\w+\}", str(uuid4()), one.path.replace("{position}", "1"))
        kind = "image/png" if one.handler.opt.get("takes_files") else "application/json"
        for sent in ([("Idempotency-Key", "two words")], [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]):
            answer = await api.post(path, content=b"{}", headers=[*sent, ("Content-Type", kind)])
            assert (answer.status_code, answer.json().get("field")) == (400, "Idempotency-Key"), path

"""POST /v1/generations/{id}/resume: 202 for what failed, and a problem document that helps for all else."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from reelwright.generations import Generations, GenerationState
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.builders import started

TOPIC = {"topic": "Why do cats purr?"}
EVERYTHING = text(
    """
    SELECT (SELECT to_jsonb(g) FROM generations g), (SELECT jsonb_agg(r) FROM stage_runs r),
           (SELECT count(*) FROM generation_events)
    """
)


async def ended(db: Database, generation: str, state: GenerationState, redis: Redis) -> None:
    """End a generation as a worker would: its hold voided, its unit and place given back."""
    code = "provider.away" if state is GenerationState.FAILED else None
    async with db.begin() as tx:
        await started(tx, GenerationId(UUID(generation)))
        await Generations(session=tx).finish(
            GenerationId(UUID(generation)),
            state,
            failure_code=code,
            failure_sentence="It broke." if code else None,
            units_back=True,
        )
    await redis.flushdb()


async def created(api: httpx.AsyncClient) -> httpx.Response:
    answer = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": uuid4().hex})
    assert answer.status_code == 202, answer.text
    return answer


@pytest.fixture
async def failed(api: httpx.AsyncClient, db: Database, redis: Redis) -> str:
    generation: str = (await created(api)).json()["generation_id"]
    await ended(db, generation, GenerationState.FAILED, redis)
    return generation


async def resume(
    api: httpx.AsyncClient, generation: str, *, key: str | None = "k", query: str = "", **body: object
) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await api.post(f"/v1/generations/{generation}/resume{query}", json=body, headers=headers)


async def count(db: Database) -> int:
    async with db.begin() as tx:
        return await tx.scalar(text("SELECT count(*) FROM generations WHERE resumes IS NOT NULL")) or 0


async def test_202_starts_a_new_one_that_names_the_failed(api: httpx.AsyncClient, failed: str) -> None:
    answer = await resume(api, failed)

    body = answer.json()
    assert answer.status_code == 202, answer.text
    assert (body["resumes"], body["status"]) == (failed, "queued")
    assert body["generation_id"] != failed
    assert answer.headers["Location"] == f"/v1/generations/{body['generation_id']}"
    assert '"generations_month";r=299' in answer.headers["RateLimit"]
    shown = (await api.get(answer.headers["Location"])).json()
    assert (shown["kind"], shown["draft_id"], shown["credits"]["held"]) == ("video", body["draft_id"], body["price"])
    old = (await api.get(f"/v1/generations/{failed}")).json()
    assert (old["status"], old["failure"]["code"]) == ("failed", "provider.away")


async def test_a_repeat_of_the_key_is_the_same_answer(api: httpx.AsyncClient, failed: str, db: Database) -> None:
    first, again = await resume(api, failed), await resume(api, failed)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert again.json() == first.json()
    assert (await api.post(f"{first.headers['Location']}/cancel")).status_code == 202
    assert (await resume(api, failed)).json() == first.json() | {"status": "cancelled"}
    assert await count(db) == 1


async def test_409_with_another_key_says_where_it_went_on(api: httpx.AsyncClient, failed: str, db: Database) -> None:
    first = await resume(api, failed)
    answer = await resume(api, failed, key="other")
    assert (answer.status_code, answer.json()["code"]) == (409, "generation.resumed_already")
    assert answer.json()["url"] == first.headers["Location"]
    assert await count(db) == 1


@pytest.mark.parametrize("state", [None, GenerationState.SUCCEEDED, GenerationState.CANCELLED])
async def test_409_for_what_has_not_failed(
    state: GenerationState | None, api: httpx.AsyncClient, db: Database, redis: Redis
) -> None:
    generation: str = (await created(api)).json()["generation_id"]
    if state:
        await ended(db, generation, state, redis)
    for query in ("", "?dry_run=true"):
        answer = await resume(api, generation, query=query)
        assert (answer.status_code, answer.json()["code"]) == (409, "generation.not_resumable"), answer.text
        assert answer.json()["status"] == 409
    assert await count(db) == 0


async def test_404_for_anothers_and_for_none(api: httpx.AsyncClient, failed: str, stranger: Person) -> None:
    theirs = {**stranger.headers, "Idempotency-Key": "k"}
    for headers, generation in ((theirs, failed), ({"Idempotency-Key": "k"}, str(uuid4()))):
        answer = await api.post(f"/v1/generations/{generation}/resume", json={}, headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such generation.")


@pytest.mark.parametrize(("body", "field"), [({"expected_price": -1}, "expected_price"), ({"stage": "X"}, "stage")])
async def test_400_names_the_field(body: dict[str, Any], field: str, api: httpx.AsyncClient, failed: str) -> None:
    answer = await resume(api, failed, **body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert (await resume(api, failed, key=None)).json()["field"] == "Idempotency-Key"


async def test_402_and_429_take_nothing(api: httpx.AsyncClient, failed: str, db: Database, redis: Redis) -> None:
    for _ in range(2):
        await created(api)
    busy = await resume(api, failed)
    assert (busy.status_code, busy.json()["binding"]) == (429, "concurrent")
    async with db.begin() as tx:
        await tx.execute(text("UPDATE generations SET deadline_at = now() WHERE ended_at IS NULL"))
        await tx.execute(text("UPDATE credit_balances SET available_micro = 0"))
    await redis.flushdb()
    poor = await resume(api, failed)
    assert (poor.status_code, poor.json()["code"]) == (402, "credits.insufficient"), poor.text
    assert await count(db) == 0


async def test_a_dry_run_says_what_it_would_cost_and_writes_nothing(
    api: httpx.AsyncClient, failed: str, db: Database
) -> None:
    seen = await resume(api, failed, key=None, query="?dry_run=true")
    assert (seen.status_code, seen.json()["would_admit"]) == (200, True), seen.text
    assert await count(db) == 0
    price = seen.json()["price"]["total"]
    wrong = await resume(api, failed, expected_price=price + 1)
    assert (wrong.status_code, wrong.json()["field"]) == (409, "expected_price")
    assert (await resume(api, failed, expected_price=price)).json()["price"] == price


async def test_a_dry_run_of_a_paused_one_says_what_resuming_it_meets_and_changes_nothing(
    api: httpx.AsyncClient, db: Database
) -> None:
    body = TOPIC | {"kind": "script"}
    first = (await api.post("/v1/create", json=body, headers={"Idempotency-Key": "one"})).json()
    generation = first["generation_id"]
    await api.post(f"/v1/generations/{generation}/pause", json={})

    async def rows() -> object:
        async with db.begin() as tx:
            return (await tx.execute(EVERYTHING)).one()

    before = await rows()
    seen = await resume(api, generation, key=None, query="?dry_run=true")
    told = seen.json()
    assert (seen.status_code, told["would_admit"], told["violations"]) == (200, True, []), seen.text
    assert (told["price"]["total"], told["price"]["lines"], told["credits"]["required"]) == (0, [], 0)
    for query in ("?dry_run=true", ""):
        never = await resume(api, generation, query=query, pause_after="AUDIO_MIXING")
        assert (never.status_code, never.json()["field"]) == (400, "pause_after"), query
    assert await rows() == before
    gone_on = await resume(api, generation)
    assert (gone_on.status_code, gone_on.json()["price"]) == (202, first["price"])

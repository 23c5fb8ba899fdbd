"""POST …/cancel and …/pause: 202 with the generation as it stands then, the same again, or a 409 that says why."""

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.conftest import Person

TOPIC = {"topic": "Why do cats purr?", "duration_s": 20, "aspect": "1:1"}


@pytest.fixture
async def generation(api: httpx.AsyncClient) -> str:
    answer = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 202, answer.text
    return answer.json()["generation_id"]


async def test_a_cancelled_generation_says_so_and_holds_nothing(api: httpx.AsyncClient, generation: str) -> None:
    answer = await api.post(f"/v1/generations/{generation}/cancel", json={}, headers={"Idempotency-Key": "two"})
    body = answer.json()
    assert (answer.status_code, body["id"], body["status"]) == (202, generation, "cancelled")
    assert (body["credits"], body["failure"]) == ({"held": 0.0, "charged": 0.0}, None)
    assert [stage["status"] for stage in body["stages"]] == ["cancelled"]
    again = await api.post(f"/v1/generations/{generation}/cancel")  # as `curl -X POST` sends it: no body, no type
    assert (again.status_code, again.json()) == (202, body)
    assert (await api.get(f"/v1/generations/{generation}")).json() == body
    limits = {row["policy"]: row["used"] for row in (await api.get("/v1/limits")).json()["policies"]}
    assert (limits["generations_month"], limits["concurrent"]) == (0, 0)


async def test_a_paused_generation_says_since_when_and_stays_one_of_the_concurrent(
    api: httpx.AsyncClient, generation: str
) -> None:
    answer = await api.post(f"/v1/generations/{generation}/pause", json={})
    body = answer.json()
    assert (answer.status_code, body["status"]) == (202, "queued")
    assert body["paused_at"] is not None
    assert (await api.post(f"/v1/generations/{generation}/pause", json={})).json() == body
    limits = {row["policy"]: row["used"] for row in (await api.get("/v1/limits")).json()["policies"]}
    assert limits["concurrent"] == 1
    cancelled = (await api.post(f"/v1/generations/{generation}/cancel", json={})).json()
    assert (cancelled["status"], cancelled["paused_at"]) == ("cancelled", None)


async def test_what_has_ended_otherwise_is_409(api: httpx.AsyncClient, generation: str, db: Database) -> None:
    async with db.begin() as tx:
        failed = "state = 'failed', failure_code = 'a.b', failure_sentence = 'No.', ended_at = now()"
        await tx.execute(text(f"UPDATE generations SET {failed}"))  # noqa: S608 - a constant of this test
    for verb in ("cancel", "pause"):
        answer = await api.post(f"/v1/generations/{generation}/{verb}", json={})
        body = answer.json()
        assert (answer.status_code, body["code"], body["state"]) == (409, "generation.ended", "failed")
        assert "failed" in body["detail"]


async def test_another_accounts_generation_is_404(api: httpx.AsyncClient, generation: str, stranger: Person) -> None:
    for verb in ("cancel", "pause"):
        answer = await api.post(f"/v1/generations/{generation}/{verb}", json={}, headers=stranger.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "request.not_found")
    assert (await api.get(f"/v1/generations/{generation}")).json()["status"] == "queued"

"""POST /v1/create with a profile: the order keeps it, and nobody else's does."""

from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import text

from reelwright.generations import Brand, Profile
from reelwright.ground.postgres import Database

KEPT = text("SELECT brand FROM generations WHERE id = :id")


@pytest.mark.parametrize("said", [{}, {"profile": "normal"}, {"profile": "fast"}])
async def test_an_order_keeps_the_profile_that_it_was_placed_with(
    api: httpx.AsyncClient, db: Database, said: dict[str, str]
) -> None:
    body = {"topic": "Why do cats purr?", "duration_s": 10, **said}
    answer = await api.post("/v1/create", json=body, headers={"Idempotency-Key": "profile"})
    assert answer.status_code == 202, answer.text
    async with db.begin() as tx:
        kept = await tx.scalar(KEPT, {"id": UUID(answer.json()["generation_id"])})
    assert msgspec.convert(kept or {}, Brand).profile is Profile(said.get("profile", "normal"))


async def test_a_profile_that_there_is_not_is_refused_by_name(api: httpx.AsyncClient) -> None:
    body = {"topic": "Why do cats purr?", "profile": "slow"}
    answer = await api.post("/v1/create", json=body, headers={"Idempotency-Key": "slow"})
    assert (answer.status_code, answer.json()["field"]) == (400, "profile")

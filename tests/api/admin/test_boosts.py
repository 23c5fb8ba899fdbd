"""POST /v1/admin/users/{id}/boosts: Pro for a while, once a key, one after the other."""

import asyncio
from datetime import datetime, timedelta

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.conftest import Person


async def boost(office: httpx.AsyncClient, user: Person, *, key: str = "k", **body: object) -> httpx.Response:
    return await office.post(f"/v1/admin/users/{user.account_id}/boosts", json=body, headers={"Idempotency-Key": key})


async def boosts(db: Database) -> int:
    async with db.begin() as tx:
        return await tx.scalar(text("SELECT count(*) FROM boosts")) or 0


def until(answer: httpx.Response) -> datetime:
    assert answer.status_code == 201, answer.text
    return datetime.fromisoformat(answer.json()["boost_until"])


async def test_a_boost_lifts_to_pro_at_once_and_keeps_the_own_plan(
    office: httpx.AsyncClient, api: httpx.AsyncClient, user: Person
) -> None:
    before = (await api.get("/v1/limits")).json()
    answer = await boost(office, user)
    after = (await api.get("/v1/limits")).json()

    told = {"user_id": user.account_id, "plan": "standard", "effective_plan": "pro"}
    assert {name: value for name, value in answer.json().items() if name != "boost_until"} == told
    assert (before["effective_plan"], before["boost_until"]) == ("standard", None)
    assert (after["plan"], after["effective_plan"]) == ("standard", "pro")
    seen = datetime.fromisoformat(after["boost_until"])
    assert timedelta(0) <= until(answer) - seen < timedelta(milliseconds=1)
    assert [row["limit"] for row in before["policies"]] == [300, 40, 30, 2]
    assert [row["limit"] for row in after["policies"]] == [900, 120, None, 5]


async def test_the_same_key_never_boosts_twice(office: httpx.AsyncClient, user: Person, db: Database) -> None:
    answers = await asyncio.gather(*(boost(office, user) for _ in range(8)), boost(office, user, days=30))
    assert len({until(answer) for answer in answers}) == 1
    assert sorted(answer.headers.get("Idempotency-Replayed", "") for answer in answers) == [""] + ["true"] * 8
    assert await boosts(db) == 1


async def test_e52_two_keys_are_sixty_days_exactly(office: httpx.AsyncClient, user: Person, db: Database) -> None:
    first, second = await boost(office, user, key="a"), await boost(office, user, key="b")
    assert until(second) - until(first) == timedelta(days=30)
    async with db.begin() as tx:
        length = await tx.scalar(text("SELECT max(ends_at) - min(starts_at) FROM boosts"))
    assert length == timedelta(days=60)


async def test_a_key_of_another_boost_is_422(
    office: httpx.AsyncClient, user: Person, stranger: Person, db: Database
) -> None:
    first = await boost(office, user)
    for answer in (await boost(office, user, days=31), await boost(office, stranger)):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency.key_reused")
        assert answer.json()["field"] == "Idempotency-Key"
    assert until(await boost(office, user)) == until(first)
    assert await boosts(db) == 1


async def test_pro_needs_no_boost(office: httpx.AsyncClient, admin: Person, db: Database) -> None:
    answer = await boost(office, admin)
    assert (answer.status_code, answer.json()["code"]) == (409, "accounts.boost_not_needed")
    assert await boosts(db) == 0


@pytest.mark.parametrize(
    ("body", "field"), [({"days": 0}, "days"), ({"days": 367}, "days"), ({"days": "x"}, "days"), ({"d": 1}, "d")]
)
async def test_a_length_that_is_none_is_400(
    body: dict[str, object], field: str, office: httpx.AsyncClient, user: Person, db: Database
) -> None:
    answer = await boost(office, user, **body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert await boosts(db) == 0


async def test_a_boost_asks_for_a_key(office: httpx.AsyncClient, user: Person, db: Database) -> None:
    answer = await office.post(f"/v1/admin/users/{user.account_id}/boosts", json={})
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")
    assert await boosts(db) == 0

"""/v1/admin/usage: what everybody cost, who costs most, what was asked, and what is missing."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.ground import clock
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.api.usage.conftest import worked


async def read(office: httpx.AsyncClient, path: str = "", **params: object) -> Any:
    answer = await office.get(f"/v1/admin/usage{path}", params={key: str(value) for key, value in params.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def three(api: httpx.AsyncClient, user: Person, stranger: Person, db: Database) -> None:
    await worked(api, user, db)
    await worked(api, stranger, db, times=2)


@pytest.mark.parametrize(
    ("by", "key"),
    [("plan", "standard"), ("month", f"{clock.now():%Y-%m}"), ("action", "story"), ("provider", "openai")],
)
async def test_everybodys_usage_by_plan_month_action_or_provider(
    three: None, office: httpx.AsyncClient, by: str, key: str
) -> None:
    (line,) = (await read(office, group_by=by))["lines"]
    assert (line["key"], line["calls"], line["failed_calls"], line["credits"]) == (key, 6, 3, 15)
    assert line["cost_usd"] == pytest.approx(0.018)
    assert line["email"] is None


async def test_users_come_page_by_page_each_once(
    three: None, office: httpx.AsyncClient, user: Person, stranger: Person, db: Database
) -> None:
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET deleted_at = now() WHERE id = :id"), {"id": stranger.account_id})
    first = await read(office, group_by="user", limit=1)
    second = await read(office, group_by="user", limit=1, cursor=first["next_cursor"])
    assert second["next_cursor"] is None
    lines = {line["key"]: (line["email"], line["calls"]) for line in first["lines"] + second["lines"]}
    assert lines == {user.account_id: ("someone@example.com", 2), stranger.account_id: (None, 4)}


@pytest.mark.parametrize("cursor", ["x", "dXNlcjox", "cGxhbjpwcm8", "w7", "a" * 128])
async def test_a_cursor_of_something_else_is_refused(office: httpx.AsyncClient, cursor: str) -> None:
    answer = await office.get("/v1/admin/usage", params={"group_by": "user", "cursor": cursor})
    assert (answer.status_code, answer.json()["field"]) == (400, "cursor")


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"group_by": "colour"}, "group_by"),
        ({"limit": 0}, "limit"),
        ({"from": "2027-01-01", "to": "2026-01-01"}, "from"),
        ({"from": "9999-12-01", "to": "9999-12-31"}, "to"),
    ],
)
async def test_what_cannot_be_asked_names_its_field(
    office: httpx.AsyncClient, params: dict[str, Any], field: str
) -> None:
    answer = await office.get("/v1/admin/usage", params=params)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_what_is_missing_of_days_to_come_cannot_be_asked(office: httpx.AsyncClient) -> None:
    days = {"from": "9999-12-01", "to": "9999-12-31"}
    answer = await office.get("/v1/admin/usage/tracking-failures", params=days)
    assert (answer.status_code, answer.json()["field"]) == (400, "to")


@pytest.mark.parametrize("by", ["cost", "credits", "calls"])
async def test_the_biggest_come_first(
    three: None, office: httpx.AsyncClient, user: Person, stranger: Person, by: str
) -> None:
    told = await read(office, "/top-consumers", by=by)
    assert [line["key"] for line in told["lines"]] == [stranger.account_id, user.account_id]
    assert len((await read(office, "/top-consumers", limit=1))["lines"]) == 1


async def test_requests_are_counted_and_a_demos_are_not(
    app: Litestar, api: httpx.AsyncClient, office: httpx.AsyncClient, user: Person, stranger: Person, db: Database
) -> None:
    await app.state.recorder.write()
    async with db.begin() as tx:
        await tx.execute(text("DELETE FROM requests_daily"))
        await tx.execute(text("UPDATE users SET demo = true WHERE id = :id"), {"id": stranger.account_id})
    for _ in range(2):
        assert (await api.post("/v1/calculate-cost", json={})).status_code == 200
        assert (await api.post("/v1/calculate-cost", json={}, headers=stranger.headers)).status_code == 200
    assert (await api.get(f"/v1/generations/{uuid4()}")).status_code == 404
    assert (await api.get("/v1/limits", headers={"Authorization": "Bearer no"})).status_code == 401
    await app.state.recorder.write()
    told = (await read(office, "/requests"))["requests"]
    assert told == [
        {"route": "GET /v1/generations/{generation_id}", "outcome": "refused", "requests": 1, "accounts": 1},
        {"route": "POST /v1/calculate-cost", "outcome": "answered", "requests": 2, "accounts": 1},
    ]


async def test_what_is_missing_is_listed(
    three: None, api: httpx.AsyncClient, office: httpx.AsyncClient, user: Person, db: Database
) -> None:
    """Requests that were dropped, and paid calls that are in no book, an hour on; a call in the book isn't missing."""
    assert (await read(office, "/tracking-failures"))["lost"] == 0
    async with db.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO tracking_failures (day, source, reason, lost) VALUES (:day, 'requests', 'queue_full', 7)"
            ),
            {"day": clock.now().date()},
        )
        await tx.execute(
            text(
                "INSERT INTO provider_calls (id, account_id, generation_id, run_id, fence, call_no, provider, model,"
                " craft, request_hash, state, began_at)"
                " SELECT gen_random_uuid(), u.account_id, u.generation_id,"
                "        CASE WHEN kind.booked THEN u.run_id ELSE gen_random_uuid() END, u.fence, 0, 'p', 'm', 'text',"
                "        'h', kind.state, now() - kind.age"
                "   FROM (SELECT * FROM usage_ledger LIMIT 1) AS u,"
                "        (VALUES (true, 'answered', interval '2 h'), (false, 'answered', interval '2 h'),"
                "                (false, 'unknown', interval '2 h'), (false, 'intended', interval '2 h'),"
                "                (false, 'failed', interval '2 h'), (false, 'answered', interval '2 min'))"
                "        AS kind (booked, state, age)"
            )
        )
    told = await read(office, "/tracking-failures", **{"from": "2026-01-01", "to": clock.now().date()})
    found = {(one["source"], one["reason"]): one["lost"] for one in told["failures"]}
    assert found == {("requests", "queue_full"): 7, ("calls", "unbooked"): 1, ("calls", "reply_lost"): 2}
    assert told["lost"] == 10


@pytest.mark.parametrize("path", ["", "/top-consumers", "/requests", "/tracking-failures"])
async def test_only_administrators_see_it(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(f"/v1/admin/usage{path}")
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.admin_only")

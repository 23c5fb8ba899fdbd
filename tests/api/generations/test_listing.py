"""GET /v1/generations: an account's own, newest first, page by page, each once."""

from base64 import urlsafe_b64encode
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.conftest import Person

MADE = 7
INSERT = text(
    """
    WITH draft AS (
        INSERT INTO drafts (id, account_id, topic, platform, tone, language, duration_s, aspect, voice, music)
        VALUES (gen_random_uuid(), :account, 'Cats', 'tiktok', 'calm', 'en', 30, '9:16', 'default', 'auto')
        RETURNING id)
    INSERT INTO generations (id, account_id, draft_id, kind, state, fingerprint, plan, price_version, hold_micro, lane,
                             admitted_at, deadline_at, ended_at, created_at)
    SELECT gen_random_uuid(), :account, draft.id, 'script', CASE n % 2 WHEN 0 THEN 'queued' ELSE 'cancelled' END, '',
           'standard', 1, 0, 'interactive', now(), now() + interval '1 h', CASE n % 2 WHEN 1 THEN now() END,
           now() - (n / 2) * interval '1 s'
      FROM draft, generate_series(1, :made) AS n
    """
)


@pytest.fixture
async def made(user: Person, stranger: Person, db: Database) -> list[str]:
    """Ids newest first: pairs of them were made in the same instant, and another account has some too."""
    async with db.begin() as tx:
        for who in (user, stranger):
            await tx.execute(INSERT, {"account": UUID(who.account_id), "made": MADE})
        newest = text("SELECT id FROM generations WHERE account_id = :account ORDER BY created_at DESC, id DESC")
        return [str(one) for one in await tx.scalars(newest, {"account": UUID(user.account_id)})]


async def walked(api: httpx.AsyncClient, **params: object) -> list[str]:
    """Follow the cursors to the end."""
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await api.get("/v1/generations", params={**params, **cursor})
        assert answer.status_code == 200, answer.text
        seen += [one["id"] for one in answer.json()["generations"]]
        if answer.json()["next_cursor"] is None:
            return seen
        cursor = {"cursor": answer.json()["next_cursor"]}


async def test_the_pages_together_are_all_of_it_once(api: httpx.AsyncClient, made: list[str]) -> None:
    for limit in (1, 2, 3, MADE, 100):
        assert await walked(api, limit=limit) == made


async def test_one_state_can_be_asked_for(api: httpx.AsyncClient, made: list[str]) -> None:
    queued = await walked(api, status="queued", limit=2)
    cancelled = await walked(api, status="cancelled", limit=2)
    assert len(queued) == MADE // 2
    assert sorted(queued + cancelled) == sorted(made)
    assert await walked(api, status="failed") == []


async def test_a_line_shows_what_it_is(api: httpx.AsyncClient, made: list[str]) -> None:
    (line,) = (await api.get("/v1/generations", params={"limit": 1})).json()["generations"]
    read = (await api.get(f"/v1/generations/{made[0]}")).json()
    assert line == {name: read[name] for name in line}
    assert {"id", "draft_id", "kind", "status", "failure", "resumes", "paused_at", "created_at"} < line.keys()


async def test_a_cursor_is_of_use_to_its_account_alone(
    api: httpx.AsyncClient, made: list[str], stranger: Person
) -> None:
    cursor = (await api.get("/v1/generations", params={"limit": 2})).json()["next_cursor"]
    assert made[1] not in cursor
    answer = await api.get("/v1/generations", params={"cursor": cursor}, headers=stranger.headers)
    assert (answer.status_code, answer.json()["field"]) == (400, "cursor")


async def test_what_makes_no_sense_is_400_and_names_the_field(api: httpx.AsyncClient) -> None:
    strange = ("", "x", "é", "A" * 43, "A" * 5000, "====", "\x00", urlsafe_b64encode(b"\xff" * 32).decode())
    others = [("limit", "0"), ("limit", "101"), ("limit", "many"), ("status", "lost")]
    for name, value in [*(("cursor", bad) for bad in strange), *others]:
        answer = await api.get("/v1/generations", params={name: value})
        assert (answer.status_code, answer.json()["field"]) == (400, name), answer.text

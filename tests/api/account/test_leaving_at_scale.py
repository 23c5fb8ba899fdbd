"""An account that an administrator closes is shut at once, for good; an archive of ten thousand rows is whole."""

import zipfile
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage
from reelwright.journeys import exporting
from tests.api.callers import a_browser, a_key, an_account

ROWS = 10_000
_DRAFTS = text(
    """
    INSERT INTO drafts (id, account_id, topic, platform, tone, language, duration_s, aspect, voice, music)
    SELECT gen_random_uuid(), CAST(:account AS uuid), 'Topic ' || n || ' — naïve \u732b', 'tiktok', 'calm', 'en', 30,
           '9:16', 'default', 'auto' FROM generate_series(1, :rows) AS n
    """
)


@pytest.fixture
async def web(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody without a key."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


async def expel(web: httpx.AsyncClient, app: Litestar, db: Database, person: Account) -> None:
    """Let an administrator close an account by a browser."""
    admin = await a_browser(app, db, await an_account(db, "root", "admin"))
    body = {"confirm_email": person.email, "reason": "Abuse."}
    answer = await web.post(f"/v1/admin/users/{person.id}/delete", json=body, headers=admin.headers)
    assert answer.status_code == 202, answer.text


async def test_who_is_expelled_is_out_of_every_browser_and_key_at_once_and_stays_out(
    web: httpx.AsyncClient, app: Litestar, db: Database
) -> None:
    person = await an_account(db, "eve")
    browsers = [await a_browser(app, db, person) for _ in range(2)]
    doors = [*(one.headers for one in browsers), await a_key(db, person)]
    assert [(await web.get("/v1/me", headers=door)).status_code for door in doors] == [200] * 3

    await expel(web, app, db, person)

    assert [(await web.get("/v1/me", headers=door)).status_code for door in doors] == [401] * 3
    late = await a_browser(app, db, person)  # as of a log-in that was under way
    back = await web.post("/v1/account/restore", headers=late.headers)
    assert (back.status_code, back.json()["code"]) == (401, "auth.required")


async def test_who_is_expelled_follows_nothing_by_a_ticket(web: httpx.AsyncClient, app: Litestar, db: Database) -> None:
    person = await an_account(db, "eve")
    key = {**await a_key(db, person), "Idempotency-Key": "k"}
    generation = (await web.post("/v1/create", json={"topic": "Cats"}, headers=key)).json()["generation_id"]
    ticket = (await web.post(f"/v1/generations/{generation}/events/ticket", headers=key)).json()["url"]

    await expel(web, app, db, person)

    refused = await web.get("/v1/" + ticket.partition("/v1/")[2])
    assert (refused.status_code, refused.json()["code"]) == (401, "events.ticket_refused")


async def test_an_archive_of_ten_thousand_rows_has_each_of_them_once_page_by_page(
    web: httpx.AsyncClient, db: Database, app: Litestar, tmp_path: Path
) -> None:
    person, storage = await an_account(db, "many"), app.state.storage
    assert isinstance(storage, Storage)
    async with db.begin() as tx:
        await tx.execute(_DRAFTS, {"account": str(person.id), "rows": ROWS})
    await web.post("/v1/account/export", headers=await a_key(db, person))

    assert await exporting.make(db=db, storage=storage) == 1

    async with db.begin() as tx:
        key = await tx.scalar(text("SELECT storage_key FROM exports"))
    await storage.fetch(key, tmp_path / "a.zip")
    await storage.delete(key)
    lines = zipfile.ZipFile(tmp_path / "a.zip").read("drafts.jsonl").decode().splitlines()
    assert (len(lines), len(set(lines))) == (ROWS, ROWS)
    assert sum("naïve \u732b" in line for line in lines) == ROWS
    pages = [len(page.splitlines()) async for page in exporting._pages(exporting.KINDS["drafts"], person.id, db=db)]
    assert (max(pages), sum(pages)) == (500, ROWS)

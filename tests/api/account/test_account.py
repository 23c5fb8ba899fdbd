"""/v1/account: everything comes along in an archive, and nothing of it is left behind where the account goes."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright import ledger
from reelwright.accounts import SignIns
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database, Row
from reelwright.ground.storage import Storage
from reelwright.journeys import erasing, exporting, leaving, media, retention
from tests.api.callers import PASSWORD, PASSWORDS, a_browser, a_key, an_account
from tests.api.conftest import Person
from tests.api.security.objects import SCHEDULE
from tests.builders import a_written_draft

CANARY = "xylophone7f3a"
EMAIL = f"{CANARY}@example.com"


@pytest.fixture
def storage(running_app: Litestar) -> Storage:
    return running_app.state.storage


@pytest.fixture
async def owner(user: Person, db: Database) -> Person:
    async with db.begin() as tx:
        values = {"id": user.account_id, "email": EMAIL}
        await tx.execute(text("UPDATE users SET email = :email WHERE id = CAST(:id AS uuid)"), values)
        known = await PASSWORDS.hashed(PASSWORD, email=EMAIL)
        await SignIns(tx).set_password(AccountId(UUID(user.account_id)), known)
    return user


@pytest.fixture
async def full(
    api: httpx.AsyncClient, owner: Person, db: Database, storage: Storage, tmp_path: Path
) -> AsyncGenerator[str]:
    """A file in storage of an account that has something of every kind, and the canary in each of it."""
    account = UUID(owner.account_id)
    source = {"kind": "template", "template": f"{CANARY} {{date}}"}
    keyed = {"Idempotency-Key": "one"}
    assert (await api.post("/v1/create", json={"topic": f"Why {CANARY}?"}, headers=keyed)).status_code == 202
    written = await a_written_draft(db, AccountId(account))
    bodies = {
        "/v1/library/assets": {"variant_id": str(written.variant), "tags": [CANARY]},
        "/v1/webhooks": {"url": f"https://{CANARY}.example.com/x", "description": CANARY},
        "/v1/voices": {"name": CANARY},
        "/v1/brand-kits": {"name": CANARY, "intro": {"text": CANARY}},
        "/v1/schedules": SCHEDULE | {"name": CANARY, "source": source},
        "/v1/api-keys": {"name": CANARY, "scopes": ["drafts:read"]},
        "/v1/drafts": {"text": f"{CANARY} was here, and stayed for a while."},
    }
    for path, body in bodies.items():
        answer = await api.post(path, json=body, headers={"Idempotency-Key": path.replace("/", "-")})
        assert answer.status_code == 201, (path, answer.text)
    key, path = f"media/{account}/{uuid4()}.png", tmp_path / "file"
    path.write_bytes(b"a picture of " + CANARY.encode())
    stored = await storage.put(key, path)
    async with db.begin() as tx:
        values = {"id": uuid4(), "account": account, "key": key, "sha": stored.sha256, "name": f"{CANARY}.png"}
        await tx.execute(
            text(
                "INSERT INTO media (id, account_id, kind, name, key, media_type, size_bytes, sha256, source_sha256)"
                " VALUES (:id, :account, 'picture', :name, :key, 'image/png', 26, :sha, :sha)"
            ),
            values,
        )
        for words in _PLANTED:
            await tx.execute(text(words.replace("CANARY", CANARY)), {"account": account} if ":account" in words else {})
        await tx.execute(text("UPDATE tracks SET media_id = :media"), {"media": values["id"]})
    yield key
    await storage.delete(key)


_PLANTED = (
    "UPDATE variants SET title = 'CANARY', caption = 'CANARY', beats = '[{\"x\": \"CANARY\"}]'",
    "UPDATE scenes SET narration = 'CANARY', image_prompt = 'CANARY'",
    'UPDATE stage_runs SET result = \'{"x": "CANARY"}\'',
    'UPDATE generation_events SET data = \'{"x": "CANARY"}\'',
    (
        "INSERT INTO sources (generation_id, draft_id, kind, title, body, summary, language)"
        " SELECT id, draft_id, 'text', 'CANARY', 'CANARY', 'CANARY', 'en' FROM generations"
    ),
    (
        "INSERT INTO notices (id, account_id, kind, key, facts, mail_state) VALUES"
        " (gen_random_uuid(), :account, 'generation_failed', 'CANARY', '{\"x\": \"CANARY\"}', 'none')"
    ),
    (
        "INSERT INTO tracks (id, account_id, media_id, title, mood, genre, licence, attribution) VALUES"
        " (gen_random_uuid(), :account, gen_random_uuid(), 'CANARY', 'calm', 'ambient', 'cc0', 'CANARY')"
    ),
    (
        "INSERT INTO sound_jobs (id, account_id, kind, wish) VALUES"
        " (gen_random_uuid(), :account, 'voice', '{\"text\": \"CANARY\"}')"
    ),
    (
        "INSERT INTO stripe_events (event_id, type, created, livemode, object_type, object_id, serial, payload, status,"
        " done_at) SELECT 'evt_c', 'x', now(), false, 'customer', 'cus_c', 'cus_c',"
        " json_build_object('email', email, 'account', id), 'done', now() FROM users WHERE id = :account"
    ),
    (
        "INSERT INTO purchases (id, account_id, kind, item, fingerprint, catalogue_version, url) VALUES"
        " (gen_random_uuid(), :account, 'pack', 'starter', 'f', 1, 'https://pay.example.com/CANARY')"
    ),
)


async def canaries(db: Database) -> list[str]:
    """Return each column of a row, in any table, that has the canary in it."""
    found: list[str] = []
    async with db.begin() as tx:
        for table in Row.metadata.sorted_tables:
            rows = await tx.scalars(text(f"SELECT t::text FROM {table.name} t"))  # noqa: S608 - our tables' names
            found += [f"{table.name}: {row}" for row in rows if CANARY in row]
    return found


async def leave(api: httpx.AsyncClient, **more: object) -> httpx.Response:
    return await api.post("/v1/account/delete", json={"confirm_email": EMAIL, "password": PASSWORD, **more})


async def carry_on(app: Litestar, db: Database) -> int:
    return await leaving.depart(db=db, gate=app.state.gate, stripe=None, now=clock.now())


async def in_a_week(db: Database) -> None:
    async with db.begin() as tx:
        await tx.execute(text("UPDATE departures SET erase_at = clock_timestamp() - interval '1 second'"))


@pytest.mark.usefixtures("full")
async def test_the_archive_has_everything_and_no_secret(
    api: httpx.AsyncClient, owner: Person, stranger: Person, db: Database, storage: Storage
) -> None:
    assert (await api.get("/v1/account/export")).status_code == 404
    keyed = {"Idempotency-Key": "mine"}
    asked = await api.post("/v1/account/export", headers=keyed)
    again = await api.post("/v1/account/export", headers=keyed)
    assert (asked.status_code, asked.json()["status"], asked.json()["file"]) == (202, "waiting", None)
    assert (again.json()["id"], again.headers["Idempotency-Replayed"]) == (asked.json()["id"], "true")
    soon = await api.post("/v1/account/export")
    assert (soon.status_code, soon.json()["code"]) == (429, "account.export_too_soon")
    assert int(soon.headers["Retry-After"]) > 86_000
    assert await exporting.make(db=db, storage=storage) == 1

    ready = (await api.get("/v1/account/export")).json()
    assert (await api.get("/v1/account/export", headers=stranger.headers)).status_code == 404
    path = "/files/" + ready["file"]["url"].rpartition("/files/")[2]
    answer = await api.get(path, headers={"Authorization": ""})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    assert len(answer.content) == ready["size_bytes"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", "nobody's page has a use for it"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    kinds = {name: archive.read(f"{name}.jsonl").decode().splitlines() for name in exporting.KINDS}
    empty = {
        "boosts",
        "brand_kits",
        "subscriptions",
        "payments",
        "sessions",
        "usage",
        "requests_daily",
        "schedule_runs",
    }
    assert {name for name, lines in kinds.items() if not lines} <= empty | {"notification_preferences"}
    assert json.loads(kinds["account"][0])["email"] == EMAIL
    (upload,) = [name for name in archive.namelist() if name.startswith("files/uploads/")]
    assert CANARY.encode() in archive.read(upload)
    assert not any(word in line for lines in kinds.values() for line in lines for word in ("secret", "password"))
    async with db.begin() as tx:
        await tx.execute(text("UPDATE exports SET expires_at = now() - interval '1 second'"))
    assert await exporting.make(db=db, storage=storage) == 0
    assert await media.sweep(db=db, storage=storage, older=timedelta(0)) == 1
    assert (await api.get(path)).status_code == 404
    assert (await api.get("/v1/account/export")).json()["status"] == "expired"


async def test_files_beyond_the_size_are_named_not_copied(
    api: httpx.AsyncClient, full: str, db: Database, storage: Storage, tmp_path: Path
) -> None:
    await api.post("/v1/account/export")
    await exporting.make(db=db, storage=storage, most_bytes=10)
    async with db.begin() as tx:
        key = await tx.scalar(text("SELECT storage_key FROM exports"))
        await tx.execute(text("DELETE FROM exports"))
    await storage.fetch(key, tmp_path / "a.zip")
    await storage.delete(key)
    archive = zipfile.ZipFile(tmp_path / "a.zip")
    assert not [name for name in archive.namelist() if name.startswith("files/")]
    assert full.rpartition(".")[2] in archive.read("README.txt").decode()


async def test_of_an_account_that_is_gone_no_canary_is_left(
    api: httpx.AsyncClient, full: str, app: Litestar, db: Database, storage: Storage, tmp_path: Path
) -> None:
    """In no column of any table, and in no file; the books are there, and right."""
    kinds = {line.partition(":")[0] for line in await canaries(db)}
    assert len(kinds) >= 16, kinds
    await api.post("/v1/account/export")
    await exporting.make(db=db, storage=storage)
    async with db.begin() as tx:
        archive = await tx.scalar(text("SELECT storage_key FROM exports"))
        lines = await tx.scalar(text("SELECT count(*) FROM credit_journal"))

    told = await leave(api)
    assert told.status_code == 202, told.text
    assert (await api.get("/v1/me")).status_code == 401
    async with db.begin() as tx:
        states = list(await tx.scalars(text("SELECT DISTINCT state FROM generations")))
        waiting = await tx.scalar(text("SELECT count(*) FROM notices WHERE kind = 'account_leaving'"))
        held = await tx.scalar(text("SELECT sum(held_micro) FROM credit_balances"))
        active = await tx.scalar(text("SELECT count(*) FROM schedules WHERE state = 'active'"))
    assert (sorted(states), waiting, held, active) == (["cancelled", "succeeded"], 1, 0, 0)

    async with db.begin() as tx:
        await tx.execute(text("UPDATE departures SET stopped_at = NULL"))  # as if somebody had been away
    assert [await carry_on(app, db) for _ in range(2)] == [1, 0]
    assert any(EMAIL in line for line in await canaries(db)), "stopped, but not due yet"
    await in_a_week(db)
    assert await carry_on(app, db) == 1
    assert await carry_on(app, db) == 0
    await media.sweep(db=db, storage=storage, older=timedelta(0))
    assert await canaries(db) == []
    for key in (full, archive):
        with pytest.raises(Exception, match="no longer stored"):
            await storage.fetch(key, tmp_path / "gone")
    async with db.begin() as tx:
        assert await ledger.verify(tx) == ()
        assert lines <= (await tx.scalar(text("SELECT count(*) FROM credit_journal")) or 0)
        assert await tx.scalar(text("SELECT count(*) FROM users WHERE email LIKE 'deleted-%@invalid'")) == 1


async def test_every_table_is_erased_or_kept_for_a_reason() -> None:
    """A new table has to say which: what tells of an account, or of a thing of one, is in one of the two lists."""
    erased = " ".join(str(one) for one in (*erasing._EMPTIED, *erasing._WITH_FILES, *erasing._OF_GENERATIONS))
    erased += " ".join(str(one) for one in (*erasing._LAST, erasing._FILES))
    cascading = {"scenes", "schedule_runs", "schedule_entries", "webhook_deliveries"}
    nobodys = {
        *("action_costs", "price_versions", "providers", "provider_models", "stripe_reviews"),
        *("usage_totals", "usage_rollups", "tracking_failures"),
    }
    unsaid = [
        table.name
        for table in Row.metadata.sorted_tables
        if f"DELETE FROM {table.name} " not in erased and table.name not in {*erasing.KEPT, *cascading, *nobodys}  # noqa: S608 - not SQL
    ]
    assert unsaid == []


async def test_it_asks_twice_before_it_closes_anything(api: httpx.AsyncClient, owner: Person, db: Database) -> None:
    wrong = await leave(api, confirm_email="else@example.com")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "account.confirmation_wrong")
    for password in ("not mine at all", None):
        refused = await leave(api, password=password)
        assert (refused.status_code, refused.json()["code"]) == (403, "auth.wrong_password")
    assert (await api.post("/v1/account/restore")).json()["code"] == "account.not_leaving"
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM departures")) == 0
    assert (await api.get("/v1/me")).json()["account"]["id"] == owner.account_id


async def test_it_can_be_taken_back_within_the_week(
    api: httpx.AsyncClient, owner: Person, app: Litestar, db: Database
) -> None:
    await leave(api)
    async with db.begin() as tx:
        known = await SignIns(tx).of(AccountId(UUID(owner.account_id)))
    assert known is not None
    browser = await a_browser(app, db, known.account)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    guest = httpx.AsyncClient(transport=transport, base_url="http://api")
    back = await guest.post("/v1/account/restore", headers=browser.headers)
    assert back.status_code == 200, back.text
    await in_a_week(db)
    assert await carry_on(app, db) == 0
    assert (await guest.get("/v1/me", headers=browser.headers)).status_code == 200


async def test_s23_who_leaves_logs_in_to_nothing_but_the_way_back(
    api: httpx.AsyncClient, owner: Person, app: Litestar
) -> None:
    await leave(api)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://api") as web:
        begun = await web.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
        headers = {"X-CSRF-Token": begun.json()["csrf_token"], "Idempotency-Key": "again"}
        order = {"json": {"topic": "Why do cats purr?"}, "headers": headers}
        refused = await web.post("/v1/create", **order)
        assert (refused.status_code, refused.json()["code"]) == (403, "account.leaving")
        assert "/v1/account/restore" in refused.json()["detail"]
        assert (await web.get("/v1/me")).json()["account"]["id"] == owner.account_id
        assert (await web.post("/v1/account/restore", headers=headers)).status_code == 200
        assert (await web.post("/v1/create", **order)).status_code == 202


async def test_s23_whom_an_administrator_expels_logs_in_no_more(
    api: httpx.AsyncClient, owner: Person, app: Litestar, db: Database
) -> None:
    admin = await an_account(db, "admin", "admin")
    body = {"confirm_email": EMAIL, "reason": "It was asked for."}
    path = f"/v1/admin/users/{owner.account_id}/delete"
    assert (await api.post(path, json=body, headers=await a_key(db, admin))).status_code == 202
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://api") as web:
        refused = await web.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
        assert (refused.status_code, refused.json()["code"]) == (401, "auth.wrong_credentials")
        assert (await web.post("/v1/auth/password-reset", json={"email": EMAIL})).status_code == 202
    async with db.begin() as tx:
        told = list(await tx.scalars(text("SELECT kind FROM notices")))
    assert told == ["account_leaving"]


async def test_two_that_leave_at_once_are_one(api: httpx.AsyncClient, owner: Person, db: Database) -> None:
    answers = await asyncio.gather(leave(api), leave(api))
    assert {answer.status_code for answer in answers} <= {202, 401}
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM departures")) == 1
        assert await tx.scalar(text("SELECT count(*) FROM notices WHERE kind = 'account_leaving'")) == 1


async def test_what_is_old_goes_and_what_is_not_stays(owner: Person, db: Database) -> None:
    async with db.begin() as tx:
        for days in (401, 399):
            values = {"account": owner.account_id, "days": days}
            await tx.execute(
                text(
                    "INSERT INTO requests_daily (account_id, day, route, outcome, requests) VALUES"
                    " (CAST(:account AS uuid), current_date - CAST(:days AS integer), 'x', 'ok', 1)"
                ),
                values,
            )
            await tx.execute(
                text(
                    "INSERT INTO notices (id, account_id, kind, key, facts, mail_state, told_at)"
                    " VALUES (gen_random_uuid(), CAST(:account AS uuid), 'low_balance',"
                    " to_char(CAST(:days AS integer), '999'), '{}', 'none',"
                    " now() - make_interval(days => CAST(:days AS integer)))"
                ),
                values,
            )
    assert await retention.forget(db=db) == 2
    assert await retention.forget(db=db) == 0

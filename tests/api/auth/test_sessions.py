"""Sessions: a cookie that scripts can't read and nobody can choose, from log-in until it is over."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.accounts import Account, Passwords
from reelwright.api.caller import Entrance
from reelwright.ground.postgres import Database
from reelwright.journeys import attempts
from tests.api.auth.conftest import Letters, told
from tests.api.callers import PASSWORD, a_browser, an_account

NAME = "__Host-reelwright"
LOGIN = {"email": "ada@example.com", "password": PASSWORD}
UNTOLD = {"email": "nobody@example.com", "password": PASSWORD}


@pytest.fixture
async def ada(db: Database) -> Account:
    return await an_account(db, "ada")


@pytest.fixture
async def other(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    """Another browser."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://api") as client:
        yield client


async def log_in(web: httpx.AsyncClient, **more: Any) -> str:
    """Log in; return the CSRF token, and let the client send it."""
    answer = await web.post("/v1/auth/login", json=LOGIN | more)
    assert answer.status_code == 200, answer.text
    web.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return answer.json()["csrf_token"]


async def changed(db: Database, what: str) -> None:
    async with db.begin() as tx:
        await tx.execute(text(f"UPDATE sessions SET {what}"))  # noqa: S608 - constants


async def test_s24_the_cookie_is_this_hosts_alone_and_no_scripts(web: httpx.AsyncClient, ada: Account) -> None:
    answer = await web.post("/v1/auth/login", json=LOGIN)
    for sent in answer.headers.get_list("set-cookie"):
        ((name, morsel),) = SimpleCookie(sent).items()
        assert name.startswith("__Host-")
        assert morsel["secure"]
        assert morsel["httponly"]
        assert (morsel["path"], morsel["samesite"].lower(), morsel["domain"]) == ("/", "lax", "")
    assert set(web.cookies) == {NAME, f"{NAME}-device"}


async def test_s22_a_cookie_that_the_browser_brings_is_never_adopted(
    web: httpx.AsyncClient, app: Litestar, db: Database, ada: Account
) -> None:
    chosen = "attackerchosen" + "x" * 29
    for brought in (chosen, (await a_browser(app, db, ada)).token):
        answer = await web.post("/v1/auth/login", json=LOGIN, headers={"Cookie": f"{NAME}={brought}"})
        assert answer.status_code == 200
        assert answer.cookies[NAME] != brought
        web.cookies.clear()
        assert (await web.get("/v1/me", headers={"Cookie": f"{NAME}={brought}"})).status_code == 401


async def test_s23_a_session_ends_with_log_out_another_password_and_the_account(
    web: httpx.AsyncClient, other: httpx.AsyncClient, db: Database, ada: Account, letters: Letters
) -> None:
    await log_in(web)
    kept = {"Cookie": f"{NAME}={web.cookies[NAME]}"}
    assert (await web.post("/v1/auth/logout")).status_code == 204
    assert NAME not in web.cookies
    assert (await web.get("/v1/me", headers=kept)).status_code == 401

    await log_in(web)
    await log_in(other)
    before = web.cookies[NAME]
    change = {"current_password": PASSWORD, "password": "another long pass phrase"}
    changing = await web.patch("/v1/me", json=change)
    assert changing.status_code == 200
    assert (await web.get("/v1/me")).status_code == 200
    assert (await web.post("/v1/auth/logout")).status_code == 204, "the CSRF token goes on"
    assert (await web.get("/v1/me", headers={"Cookie": f"{NAME}={before}"})).status_code == 401
    assert (await other.get("/v1/me")).status_code == 401
    assert told(await web.post("/v1/auth/login", json=LOGIN)) == (401, "auth.wrong_credentials")
    assert [letter["Subject"] for letter in await letters()] == ["Your password was changed"]

    await log_in(web, password=change["password"])
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET deleted_at = now()"))
    assert (await web.get("/v1/me")).status_code == 401


@pytest.mark.parametrize(
    ("since", "alive"),
    [
        ("last_seen_at = now() - interval '11 hours 59 minutes'", True),
        ("last_seen_at = now() - interval '12 hours 1 minute'", False),
        ("expires_at = now() + interval '1 minute'", True),
        ("expires_at = now() - interval '1 second'", False),
    ],
)
async def test_s25_a_session_ends_after_twelve_idle_hours_and_after_seven_days(
    web: httpx.AsyncClient, db: Database, ada: Account, *, since: str, alive: bool
) -> None:
    await log_in(web)
    await changed(db, since)
    assert ((await web.get("/v1/me")).status_code == 200) is alive


async def test_being_seen_is_written_once_a_minute(web: httpx.AsyncClient, db: Database, ada: Account) -> None:
    await log_in(web)

    async def seen() -> tuple[object, object]:
        await web.get("/v1/me")
        async with db.begin() as tx:
            row = (await tx.execute(text("SELECT last_seen_at, expires_at - created_at FROM sessions"))).one()
            return tuple(row)

    first = await seen()
    assert str(first[1]) == "7 days, 0:00:00"
    assert await seen() == first
    await changed(db, "last_seen_at = last_seen_at - interval '61 seconds'")
    assert (await seen())[0] >= first[0]


async def test_s17_unknown_and_wrong_are_told_apart_by_nothing(web: httpx.AsyncClient, ada: Account) -> None:
    answers = [await web.post("/v1/auth/login", json=body) for body in (LOGIN | {"password": "wrong password"}, UNTOLD)]
    bodies = [{k: v for k, v in answer.json().items() if k != "request_id"} for answer in answers]
    assert bodies[0] == bodies[1]
    assert {answer.status_code for answer in answers} == {401}


async def test_s18_guessing_is_bound_by_account_and_the_owners_browser_still_gets_in(
    web: httpx.AsyncClient, other: httpx.AsyncClient, app: Litestar, ada: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log_in(web)
    trusting = Entrance.of(app.state.entrance.seal, production=False, base_url="http://api", proxies=["127.0.0.1"])
    monkeypatch.setattr(app.state, "entrance", trusting, raising=False)
    answers = [
        await other.post(
            "/v1/auth/login",
            json=LOGIN | {"email": "ADA@example.com " if n % 2 else LOGIN["email"], "password": "wrong"},
            headers={"X-Forwarded-For": f"198.51.100.{n}"},
        )
        for n in range(20)
    ]
    codes = [answer.status_code for answer in answers]
    assert codes == [401] * codes.count(401) + [429] * codes.count(429)
    assert codes.count(401) == 9, "the owner's own log-in was the tenth"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 900
    assert (await other.post("/v1/auth/login", json=LOGIN)).status_code == 429
    assert (await web.post("/v1/auth/login", json=LOGIN)).status_code == 200, "a browser that has been in before"
    theirs = {"Cookie": f"{NAME}-device={web.cookies[f'{NAME}-device']}"}
    assert (await other.post("/v1/auth/login", json=UNTOLD, headers=theirs)).status_code == 401


async def test_s18_s19_guessing_is_bound_by_client_however_it_names_itself(
    web: httpx.AsyncClient, ada: Account, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "LOG_IN_CLIENT", replace(attempts.LOG_IN_CLIENT, limit=4))
    codes = []
    for n in range(6):
        body = {"email": f"n{n}@example.com", "password": "wrong"}
        answer = await web.post("/v1/auth/login", json=body, headers={"X-Forwarded-For": f"1.2.3.{n}"})
        codes.append(answer.status_code)
    assert codes == [401] * 4 + [429] * 2


async def test_s28_administrators_give_their_password_again(web: httpx.AsyncClient, db: Database, ada: Account) -> None:
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET role = 'admin'"))
    await log_in(web)
    assert (await web.get("/v1/admin/users")).status_code == 200
    await changed(db, "authenticated_at = now() - interval '10 minutes 1 second'")
    assert told(await web.get("/v1/admin/users")) == (401, "auth.step_up_required")
    assert (await web.get("/v1/me")).status_code == 200
    for scopes in (["*"], ["billing:read", "admin"]):  # a key would go on administering for as long as it lives
        made = await web.post("/v1/api-keys", json={"name": "round the step", "scopes": scopes})
        assert told(made) == (401, "auth.step_up_required"), scopes
    assert (await web.post("/v1/api-keys", json={"name": "no", "scopes": ["billing:write"]})).status_code == 201
    before = web.cookies[NAME]
    assert told(await web.post("/v1/auth/step-up", json={"password": "wrong"})) == (403, "auth.wrong_password")
    assert (await web.post("/v1/auth/step-up", json={"password": PASSWORD})).status_code == 200
    assert web.cookies[NAME] != before
    assert (await web.get("/v1/admin/users")).status_code == 200
    assert (await web.post("/v1/api-keys", json={"name": "office", "scopes": ["*"]})).status_code == 201


async def test_a_key_has_no_session(api: httpx.AsyncClient) -> None:
    assert told(await api.post("/v1/auth/logout")) == (403, "auth.session_only")
    assert told(await api.post("/v1/auth/step-up", json={"password": PASSWORD})) == (403, "auth.session_only")
    me = (await api.get("/v1/me")).json()
    assert (me["csrf_token"], me["has_password"], me["scopes"]) == (None, False, ["*"])


async def test_sessions_are_listed_and_ended_by_their_owner_alone(
    web: httpx.AsyncClient, other: httpx.AsyncClient, api: httpx.AsyncClient, ada: Account
) -> None:
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    other.headers["User-Agent"] = firefox
    await log_in(other)
    await log_in(web)
    page = (await web.get("/v1/me/sessions", params={"limit": 1})).json()
    rest = (await web.get("/v1/me/sessions", params={"limit": 1, "cursor": page["next_cursor"]})).json()
    (mine,), (theirs,) = page["sessions"], rest["sessions"]
    assert (mine["current"], mine["agent"], theirs["agent"]) == (True, "another program", "Firefox on Linux")
    assert rest["next_cursor"] is None
    assert firefox not in str(rest)
    assert told(await api.delete(f"/v1/me/sessions/{theirs['id']}")) == (404, "accounts.session_not_found")
    assert (await web.delete(f"/v1/me/sessions/{theirs['id']}")).status_code == 204
    assert (await other.get("/v1/me")).status_code == 401
    assert told(await web.delete(f"/v1/me/sessions/{theirs['id']}")) == (404, "accounts.session_not_found")


async def test_a_password_changes_by_the_present_one_and_at_its_version(web: httpx.AsyncClient, ada: Account) -> None:
    await log_in(web)
    change = {"current_password": "wrong", "password": "another long pass phrase"}
    assert told(await web.patch("/v1/me", json=change)) == (403, "auth.wrong_password")
    tag = (await web.get("/v1/me")).headers["etag"]
    change["current_password"] = PASSWORD
    weak = await web.patch("/v1/me", json=change | {"password": "short"})
    assert told(weak) == (400, "accounts.password_refused")
    stale = await web.patch("/v1/me", json=change, headers={"If-Match": '"99"'})
    assert told(stale) == (412, "accounts.changed")
    done = await web.patch("/v1/me", json=change, headers={"If-Match": tag})
    assert done.status_code == 200
    assert done.headers["etag"] != tag


@pytest.mark.parametrize("path", ["register", "login", "verify", "password-reset", "password-reset/confirm"])
async def test_another_sites_page_signs_nobody_in_or_up(web: httpx.AsyncClient, path: str) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert told(await web.post(f"/v1/auth/{path}", json={}, headers=headers)) == (403, "auth.cross_site")
    form = await web.post(f"/v1/auth/{path}", data={"email": "a@example.com"})
    assert form.status_code == 415
    assert (await web.post(f"/v1/auth/{path}", json={}, headers={"Origin": "https://api"})).status_code == 400


async def test_s48_a_flood_of_log_ins_is_bounded_and_told_to_wait(
    web: httpx.AsyncClient, ada: Account, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hash at a time, sixteen wait, and the loop goes on turning; here nothing is hashed until it is let."""
    let, at_work, most = asyncio.Event(), 0, 0
    real = asyncio.to_thread

    async def slow(do: Any, *given: Any) -> Any:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await let.wait()
        at_work -= 1
        return await real(do, *given)

    monkeypatch.setattr("reelwright.accounts.passwords.asyncio.to_thread", slow)
    monkeypatch.setattr(attempts, "LOG_IN_ACCOUNT", replace(attempts.LOG_IN_ACCOUNT, limit=100))
    flood = [asyncio.create_task(web.post("/v1/auth/login", json=UNTOLD)) for _ in range(50)]
    done, waiting = await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 32:
        more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    assert (await web.get("/health/live")).status_code == 200
    let.set()
    answers = await asyncio.gather(*flood)
    codes = [answer.status_code for answer in answers]
    assert (codes.count(503), codes.count(401), most) == (32, 18, 2)
    busy = next(answer for answer in answers if answer.status_code == 503)
    assert busy.json()["code"] == "auth.busy"
    assert busy.headers["retry-after"] == "2"


async def test_a_hash_of_old_parameters_is_made_anew_at_log_in(
    web: httpx.AsyncClient, db: Database, ada: Account
) -> None:
    old = await Passwords(memory_kib=16).hashed(PASSWORD, email=ada.email)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET password_hash = :old"), {"old": old})
    await log_in(web)
    async with db.begin() as tx:
        kept = await tx.scalar(text("SELECT password_hash FROM users"))
    assert "$m=8," in kept
    await log_in(web)


async def test_nothing_that_lets_anybody_in_is_stored_or_logged(
    web: httpx.AsyncClient, db: Database, ada: Account, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        await log_in(web)
        await web.post("/v1/auth/login", json=LOGIN | {"password": "canary wrong password"})
    secrets = (PASSWORD, "canary wrong", web.cookies[NAME], web.headers["X-CSRF-Token"])
    async with db.begin() as tx:
        rows = str((await tx.execute(text("SELECT sessions::text FROM sessions"))).all())
        rows += str((await tx.execute(text("SELECT users::text FROM users"))).all())
    said = rows + "\n".join(str(record.msg) for record in caplog.records)
    assert not [secret for secret in secrets if secret in said]
    assert "sessions.refused" in said
    assert "ada@example.com" not in "\n".join(str(record.msg) for record in caplog.records)

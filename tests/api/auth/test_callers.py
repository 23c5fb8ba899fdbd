"""Who gets through the door: every kind of caller, on routes that read, change and administer."""

import tomllib
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from litestar import Litestar
from litestar.connection import ASGIConnection

from reelwright.accounts import Scope
from reelwright.api import caller, v1
from reelwright.api.caller import Entrance, client_address
from reelwright.api.scopes import SCOPES, checked, scope_of
from reelwright.app import entrance_by
from reelwright.ground.postgres import Database
from reelwright.settings import load
from tests.api.callers import Callers, a_key, everybody
from tests.test_settings import NEEDED

ROOT = Path(__file__).resolve().parents[3]
HOOK = {"url": "https://example.com/hook"}
ADMIN = "/v1/admin/users"


@pytest.fixture
async def callers(app: Litestar, db: Database) -> Callers:
    return await everybody(app, db)


@pytest.fixture
async def web(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody without any credential."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_every_caller_gets_what_is_theirs(web: httpx.AsyncClient, callers: Callers) -> None:
    for name in ("user", "other", "admin", "user_session", "admin_session", "old_admin"):
        answer = await web.get("/v1/webhooks", headers=getattr(callers, name))
        assert answer.status_code == 200, name
    for name in ("none", "revoked", "expired_key", "expired_session"):
        answer = await web.get("/v1/webhooks", headers=getattr(callers, name))
        assert told(answer) == (401, "auth.required"), name
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_s51_only_administrators_administer_and_by_session_with_a_fresh_password_s28(
    web: httpx.AsyncClient, callers: Callers
) -> None:
    for name in ("admin", "admin_session"):
        assert (await web.get(ADMIN, headers=getattr(callers, name))).status_code == 200
    for name in ("user", "user_session"):
        assert told(await web.get(ADMIN, headers=getattr(callers, name))) == (403, "auth.admin_only")
    reader = await a_key(callers.db, callers.admin_account, scopes=[Scope.GENERATIONS_READ])
    assert told(await web.get(ADMIN, headers=reader)) == (403, "auth.insufficient_scope")
    assert told(await web.get(ADMIN, headers=callers.old_admin)) == (401, "auth.step_up_required")


async def test_s55_a_key_does_what_its_scopes_say_and_writing_is_reading_too(
    web: httpx.AsyncClient, callers: Callers
) -> None:
    reads = await a_key(callers.db, callers.user_account, scopes=[Scope.WEBHOOKS_READ])
    writes = await a_key(callers.db, callers.user_account, scopes=[Scope.WEBHOOKS_WRITE])
    assert (await web.get("/v1/webhooks", headers=reads)).status_code == 200
    assert (await web.get("/v1/webhooks", headers=writes)).status_code == 200
    refused = await web.post("/v1/webhooks", headers=reads, json=HOOK)
    assert told(refused) == (403, "auth.insufficient_scope")
    assert refused.json()["scope"] == "webhooks:write"
    assert (await web.post("/v1/webhooks", headers=writes, json=HOOK)).status_code == 201
    wrong = await callers.wrong_scope(Scope.WEBHOOKS_READ)
    assert told(await web.get("/v1/webhooks", headers=wrong)) == (403, "auth.insufficient_scope")


async def test_s13_a_key_goes_into_one_authorization_header_and_nowhere_else(
    web: httpx.AsyncClient, callers: Callers
) -> None:
    secret = callers.user["Authorization"].removeprefix("Bearer ")
    twice = [("Authorization", f"Bearer {secret}")] * 2
    for headers in ({}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "}, twice):
        assert told(await web.get("/v1/webhooks", headers=headers)) == (401, "auth.required"), headers
    for query in (f"api_key={secret}", f"x=1&access_token={secret}", f"q={secret}"):
        assert told(await web.get(f"/v1/webhooks?{query}")) == (401, "auth.required")
        assert told(await web.get(f"/v1/webhooks?{query}", headers=callers.user)) == (401, "auth.required")


async def test_s14_what_is_no_key_or_token_costs_no_query(
    web: httpx.AsyncClient, callers: Callers, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no database to ask: asking it would be a crash."""
    secret, cookie = callers.user["Authorization"], callers.user_session["Cookie"]
    monkeypatch.setattr(app.state, "db", None, raising=False)
    swapped = secret[:-7] + ("x" if secret[-7] != "x" else "y") + secret[-6:]
    for headers in ({"Authorization": swapped}, {"Authorization": secret + "0"}, {"Cookie": cookie + "0"}):
        assert told(await web.get("/v1/webhooks", headers=headers)) == (401, "auth.required")
    assert told(await web.get("/v1/webhooks", headers={"Authorization": secret})) == (500, "service.bug")


async def test_s15_a_test_key_opens_nothing_in_production(
    web: httpx.AsyncClient, callers: Callers, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = await a_key(callers.db, callers.user_account, live=True)
    monkeypatch.setattr(app.state, "entrance", replace(app.state.entrance, production=True), raising=False)
    as_test = await web.get("/v1/webhooks", headers=callers.user)
    as_nothing = await web.get("/v1/webhooks", headers=callers.revoked)
    assert as_test.status_code == 401
    assert as_test.json()["detail"] == as_nothing.json()["detail"]
    assert (await web.get("/v1/webhooks", headers=live)).status_code == 200


async def test_s71_a_browsers_change_needs_its_own_token_and_our_own_pages(
    web: httpx.AsyncClient, callers: Callers
) -> None:
    mine = dict(callers.user_session)
    theirs = callers.admin_session["X-CSRF-Token"]
    for token in ("", "nonsense", theirs, mine["X-CSRF-Token"][:-1]):
        answer = await web.post("/v1/webhooks", headers=mine | {"X-CSRF-Token": token}, json=HOOK)
        assert told(answer) == (403, "auth.csrf"), token
    for wrong in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://api.evil.example"},
        {"Origin": "http://api:81"},
        {"Sec-Fetch-Site": "cross-site", "Origin": ""},
    ):
        headers = {name: value for name, value in (mine | wrong).items() if value}
        assert told(await web.post("/v1/webhooks", headers=headers, json=HOOK)) == (403, "auth.cross_site"), wrong
    assert (await web.get("/v1/webhooks", headers=mine | {"X-CSRF-Token": ""})).status_code == 200
    assert (await web.post("/v1/webhooks", headers=mine, json=HOOK)).status_code == 201
    as_text = await web.post("/v1/webhooks", headers=mine | {"Content-Type": "text/plain"}, content=b"{}")
    assert as_text.status_code == 415


def test_every_route_below_v1_has_a_scope_and_one_without_is_told() -> None:
    assert checked(v1) is v1
    assert {scope_of(route.path, "GET", {}) for route in v1.routes} <= set(Scope)
    missing = dict(SCOPES)
    del missing["webhooks"]
    with pytest.MonkeyPatch.context() as patched, pytest.raises(LookupError, match="webhooks"):
        patched.setattr("reelwright.api.scopes.SCOPES", missing)
        checked(v1)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.7", "", "10.0.0.7"),
        ("10.0.0.7", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.7", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.7", "6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4"),
        ("10.0.0.7", "nonsense", "10.0.0.7"),
        ("::ffff:10.0.0.7", "1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        ("testserver", "1.2.3.4", "unknown"),
    ],
)
def test_s19_forwarded_addresses_are_believed_from_trusted_proxies_alone(
    app: Litestar, monkeypatch: pytest.MonkeyPatch, peer: str, forwarded: str, found: str
) -> None:
    seal = app.state.entrance.seal
    entrance = Entrance.of(seal, production=False, base_url="http://api", proxies=["10.0.0.0/8"])
    monkeypatch.setattr(app.state, "entrance", entrance, raising=False)
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    scope = {"type": "http", "client": (peer, 1), "headers": headers, "litestar_app": app}
    assert client_address(ASGIConnection(scope)) == found


def test_s19_as_fly_deploys_it_people_are_told_apart(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the last of X-Forwarded-For is the app's own address: by it, ten resets would shut out everybody."""
    fly = tomllib.loads((ROOT / "fly.toml").read_text(encoding="utf-8"))["env"]
    monkeypatch.setattr(app.state, "entrance", entrance_by(load(NEEDED | fly), app.state.entrance.seal), raising=False)
    for peer, said, found in (
        ("172.16.5.2", ["203.0.113.7"], "203.0.113.7"),
        ("fdaa:0:1::3", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ("172.16.5.2", [], "172.16.5.2"),
        ("172.16.5.2", ["203.0.113.7", "203.0.113.8"], "172.16.5.2"),
        ("172.16.5.2", ["203.0.113.7, 203.0.113.8"], "172.16.5.2"),
        ("198.51.100.1", ["203.0.113.7"], "198.51.100.1"),
    ):
        listed = (b"x-forwarded-for", b"6.6.6.6, 198.51.100.9")
        headers = [listed, *((b"fly-client-ip", each.encode()) for each in said)]
        scope = {"type": "http", "client": (peer, 1), "headers": headers, "litestar_app": app}
        assert client_address(ASGIConnection(scope)) == found, (peer, said)


def test_a_proxy_that_nobody_named_is_told_of_once(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(caller, "_log", SimpleNamespace(warning=lambda event, **_: told.append(event)))
    entrance = Entrance.of(app.state.entrance.seal, production=True, base_url="http://api")
    monkeypatch.setattr(app.state, "entrance", entrance, raising=False)
    for peer in ("10.9.9.9", "10.9.9.9", "9.9.9.9"):
        scope = {
            "type": "http",
            "client": (peer, 1),
            "headers": [(b"x-forwarded-for", b"1.2.3.4")],
            "litestar_app": app,
        }
        assert client_address(ASGIConnection(scope)) == peer
    assert told == ["proxy.not_trusted"]

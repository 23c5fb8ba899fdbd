"""API keys: shown once, for what their scopes say, revoked at once, and never for more than their maker may do."""

import asyncio
import re
from dataclasses import replace

import httpx
import pytest
from litestar import Litestar

from reelwright.accounts import Scope
from reelwright.ground.postgres import Database
from reelwright.journeys import keys
from tests.api.auth.conftest import told
from tests.api.callers import a_browser, a_key, an_account
from tests.api.conftest import Person

KEY = {"name": "laptop", "scopes": ["generations:write", "billing:read"]}


async def test_a_key_is_shown_once_and_works_for_its_scopes(api: httpx.AsyncClient, web: httpx.AsyncClient) -> None:
    made = await api.post("/v1/api-keys", json=KEY)
    assert made.status_code == 201
    key, secret = made.json()["key"], made.json()["secret"]
    assert re.fullmatch(r"rw_test_[0-9A-Za-z]{38}", secret)
    assert (key["name"], key["scopes"], key["prefix"]) == ("laptop", KEY["scopes"], secret[:12])
    bearer = {"Authorization": f"Bearer {secret}"}
    assert (await web.get("/v1/credits/balance", headers=bearer)).status_code == 200
    assert (await web.get("/v1/generations", headers=bearer)).status_code == 200
    assert told(await web.get("/v1/api-keys", headers=bearer)) == (403, "auth.insufficient_scope")
    read = await api.get(f"/v1/api-keys/{key['id']}")
    assert secret not in read.text + (await api.get("/v1/api-keys")).text
    assert read.json()["last_used_at"] is not None


async def test_a_revoked_key_opens_nothing_from_then_on(api: httpx.AsyncClient, web: httpx.AsyncClient) -> None:
    made = (await api.post("/v1/api-keys", json=KEY)).json()
    bearer = {"Authorization": f"Bearer {made['secret']}"}
    for _ in range(2):
        assert (await api.delete(f"/v1/api-keys/{made['key']['id']}")).status_code == 204
        assert (await web.get("/v1/credits/balance", headers=bearer)).status_code == 401
    assert (await api.get(f"/v1/api-keys/{made['key']['id']}")).json()["revoked_at"] is not None


async def test_s09_anothers_key_is_no_key(api: httpx.AsyncClient, stranger: Person) -> None:
    made = (await api.post("/v1/api-keys", json=KEY)).json()["key"]["id"]
    for method in ("GET", "DELETE"):
        answer = await api.request(method, f"/v1/api-keys/{made}", headers=stranger.headers)
        assert told(answer) == (404, "accounts.key_not_found")
    assert (await api.get(f"/v1/api-keys/{made}")).json()["revoked_at"] is None


async def test_a_repeat_makes_no_second_key_and_shows_no_secret(api: httpx.AsyncClient) -> None:
    named = {"Idempotency-Key": "one"}
    first = await api.post("/v1/api-keys", json=KEY, headers=named)
    again = await api.post("/v1/api-keys", json=KEY, headers=named)
    assert (again.status_code, again.json()["secret"], again.headers["idempotency-replayed"]) == (201, None, "true")
    assert again.json()["key"]["id"] == first.json()["key"]["id"]
    other = await api.post("/v1/api-keys", json=KEY | {"name": "other"}, headers=named)
    assert told(other) == (422, "idempotency.key_reused")
    assert len((await api.get("/v1/api-keys")).json()["keys"]) == 2, "the first one came with the account"


async def test_a_key_gives_no_scope_that_it_has_not(web: httpx.AsyncClient, app: Litestar, db: Database) -> None:
    owner = await an_account(db, "owner")
    limited = await a_key(db, owner, scopes=[Scope.ACCOUNT_WRITE, Scope.DRAFTS_WRITE])
    for scopes in (["*"], ["generations:read"], ["drafts:read", "admin"]):
        answer = await web.post("/v1/api-keys", json=KEY | {"scopes": scopes}, headers=limited)
        assert told(answer) == (403, "accounts.scope_not_held"), scopes
    for scopes in (["drafts:read"], ["drafts:write", "account:read"]):
        assert (await web.post("/v1/api-keys", json=KEY | {"scopes": scopes}, headers=limited)).status_code == 201
    browser = await a_browser(app, db, owner)
    assert (await web.post("/v1/api-keys", json=KEY | {"scopes": ["*"]}, headers=browser.headers)).status_code == 201


async def test_fifty_live_keys_are_the_most_however_many_are_asked_for_at_once(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MOST_LIVE", 4)
    answers = await asyncio.gather(*(api.post("/v1/api-keys", json=KEY) for _ in range(6)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [201] * 3 + [409] * 3
    made = next(answer for answer in answers if answer.status_code == 201)
    await api.delete(f"/v1/api-keys/{made.json()['key']['id']}")
    assert (await api.post("/v1/api-keys", json=KEY)).status_code == 201


async def test_keys_are_listed_newest_first_in_pages(api: httpx.AsyncClient, stranger: Person) -> None:
    for n in range(3):
        await api.post("/v1/api-keys", json=KEY | {"name": f"key {n}"})
    first = (await api.get("/v1/api-keys", params={"limit": 2})).json()
    cursor = {"limit": 2, "cursor": first["next_cursor"]}
    rest = (await api.get("/v1/api-keys", params=cursor)).json()
    assert [key["name"] for key in first["keys"] + rest["keys"]] == ["key 2", "key 1", "key 0", "first key"]
    assert rest["next_cursor"] is None
    assert told(await api.get("/v1/api-keys", params=cursor, headers=stranger.headers)) == (400, "request.invalid")


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"name": ""},
        {"name": "\u0000"},
        {"name": "x" * 101},
        {"expires_in_days": 0},
        {"secret": "rw_live_mine"},
        {"account_id": "01a1ff12-3cfd-719d-a20a-05f0d7b3e3bc"},
    ],
)
async def test_s30_what_is_no_key_is_refused(api: httpx.AsyncClient, wrong: dict[str, object]) -> None:
    assert told(await api.post("/v1/api-keys", json=KEY | wrong)) == (400, "request.invalid")


async def test_s15_production_makes_live_keys_only(
    web: httpx.AsyncClient, app: Litestar, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = await a_key(db, await an_account(db, "owner"), live=True)
    production = replace(app.state.entrance, production=True)
    monkeypatch.setattr(app.state, "entrance", production, raising=False)
    made = await web.post("/v1/api-keys", json=KEY | {"live": True}, headers=live)
    assert made.json()["secret"].startswith("rw_live_")
    assert (
        await web.get("/v1/credits/balance", headers={"Authorization": f"Bearer {made.json()['secret']}"})
    ).is_success

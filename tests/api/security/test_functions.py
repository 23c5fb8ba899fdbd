"""S52 to S57: no method, spelling or hidden address opens what a role closes."""

from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.api import health
from reelwright.app import create_app
from reelwright.ground.postgres import Database
from reelwright.settings import Settings
from tests.api.conftest import Person

OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
TRICKS = (
    "/v1/admin/../admin/users",
    "/v1/../v1/admin/users",
    "/v1//admin//users",
    "//v1/admin/users",
    "/v1/admin/users/",
    "/v1/admin/users//",
    "/v1/ADMIN/users",
    "/V1/admin/users",
    "/v1/admin;x/users",
    "/v1/admin/users;x=1",
    "/v1/admin%2fusers",
    "/v1/%61dmin/users",
    "/v1/admin/./users",
    "/v1/admin/users/.",
    "/v1/admin/users%00",
    "/v1/admin/users%20",
    "/v1/admin/users.json",
    "/v1/limits/../admin/users",
    "/v1/limits%2f..%2fadmin%2fusers",
    "/health/live/../../v1/admin/users",
    "/schema/../v1/admin/users",
)


async def test_s52_no_header_or_field_changes_the_method(
    api: httpx.AsyncClient, order: dict[str, str], office: httpx.AsyncClient
) -> None:
    place = f"/v1/drafts/{order['draft_id']}"
    for name in OVERRIDES:
        for wish in ("DELETE", "PATCH", "PUT"):
            assert (await api.get(place, headers={name: wish})).status_code == 200
            assert (await api.post(place, json={"tone": "calm"}, headers={name: wish})).status_code == 405
    assert (await api.post(place, params={"_method": "DELETE"}, json={"_method": "DELETE"})).status_code == 405
    assert (await api.get(place)).json()["version"] == 1
    for method in ("TRACE", "HEAD", "PROPFIND", "DEBUG"):
        answer = await office.request(method, "/v1/admin/users")
        assert answer.status_code in {404, 405}, method
        assert "someone@example.com" not in answer.text


async def test_s52_asking_what_is_allowed_opens_nothing(anyone: httpx.AsyncClient, user: Person) -> None:
    assert (await anyone.options("/v1/admin/users")).status_code == 401
    answer = await anyone.options("/v1/admin/users", headers=user.headers)
    assert "@" not in answer.text


async def test_s53_no_spelling_goes_round_a_guard(
    api: httpx.AsyncClient, anyone: httpx.AsyncClient, user: Person
) -> None:
    """The same guard, or no such page: for nobody and for somebody who is no administrator."""
    for path in TRICKS:
        raw = httpx.URL("http://api").copy_with(raw_path=path.encode("ascii"))
        assert (await anyone.send(anyone.build_request("GET", raw))).status_code in {401, 404}, path
        answer = await anyone.send(anyone.build_request("GET", raw, headers=user.headers))
        assert answer.status_code in {403, 404}, (path, answer.status_code)
        assert user.account_id not in answer.text


async def test_s54_the_api_has_no_door_of_the_workers(
    anyone: httpx.AsyncClient, office: httpx.AsyncClient, db: Database
) -> None:
    """A worker's own doors open by signature alone: tests/worker/test_doors.py."""
    for client in (anyone, office):
        for path in ("/worker/generate", "/worker/failed", "/worker/tick"):
            assert (await client.post(path, json={})).status_code == 404


CLOSED = (
    "/docs",
    "/redoc",
    "/debug",
    "/.git/config",
    "/.env",
    "/admin",
    "/admin/config",
    "/v1/admin/config",
    "/static/../pyproject.toml",
    "/schema/../pyproject.toml",
    "/schema/..%2f..%2fetc%2fpasswd",
    "/v0/limits",
    "/v2/limits",
    "/server-status",
    "/actuator/env",
)


async def test_s57_what_is_not_a_page_of_ours_is_404(anyone: httpx.AsyncClient, office: httpx.AsyncClient) -> None:
    for path in CLOSED:
        raw = httpx.URL("http://api").copy_with(raw_path=path.encode("ascii"))
        for client in (anyone, office):
            assert (await client.send(client.build_request("GET", raw))).status_code == 404, path
    verbose = await anyone.get("/health/ready", params={"verbose": "1"})
    assert set(verbose.json()) == {"status", "checks"}
    assert {str(said) for said in verbose.json()["checks"].values()} <= {"ok", "unavailable"}


@pytest.mark.parametrize("proxied", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "Fly-Client-IP"])
async def test_s57_metrics_are_for_this_machine_alone(proxied: str, app: Litestar) -> None:
    here, elsewhere = ("127.0.0.1", "::1"), ("10.0.0.7", "203.0.113.9", "::ffff:203.0.113.9")
    assert [await counted(app, client=peer) for peer in here] == [200, 200]
    assert [await counted(app, client=peer) for peer in elsewhere] == [404, 404, 404]
    assert await counted(app, client="127.0.0.1", headers={proxied: "127.0.0.1"}) == 404, "a proxy asks for another"


async def test_s57_metrics_by_token_are_for_whoever_has_it(settings: Settings) -> None:
    app = create_app(msgspec.structs.replace(settings, metrics_token="letmein"))
    assert await counted(app, client="203.0.113.9", headers={"Authorization": "Bearer letmein"}) == 200
    for said in ("", "Bearer", "Bearer ", "Bearer letmei", "Bearer letmeinn", "letmein", "Basic letmein"):
        assert await counted(app, client="127.0.0.1", headers={"Authorization": said}) == 404, said
    assert await counted(app, client="127.0.0.1") == 404


async def counted(app: Litestar, *, client: str, headers: dict[str, str] | None = None) -> int:
    transport = httpx.ASGITransport(app=app, client=(client, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as asking:
        return (await asking.get("/metrics", headers=headers)).status_code


async def test_a_peer_without_an_address_is_nobody() -> None:
    """A Unix socket's peer has none, and who can reach it is not for us to say."""
    connection: Any = SimpleNamespace(client=SimpleNamespace(host=""))
    assert health._is_loopback(connection) is False


async def test_s10_a_key_of_anothers_order_is_a_key_of_ones_own(
    api: httpx.AsyncClient, order: dict[str, str], stranger: Person, db: Database
) -> None:
    said = {"Idempotency-Key": "one", **stranger.headers}
    theirs = await api.post("/v1/create", json={"topic": "Why do cats purr?"}, headers=said)
    assert theirs.status_code == 202
    assert "Idempotency-Replayed" not in theirs.headers
    assert theirs.json()["generation_id"] != order["generation_id"]
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM generations")) == 2

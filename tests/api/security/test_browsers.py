"""S69 to S80: what a browser, a proxy or a page of somebody else's can make of our answers."""

from collections.abc import AsyncGenerator

import httpx
import msgspec
import pytest
from litestar import Litestar, MediaType, get

from reelwright.app import create_app
from reelwright.ground.errors import Refusal
from reelwright.serving import guarded
from reelwright.settings import Settings
from tests.api.conftest import Person, living
from tests.api.snapshot import present
from worker import app as worker_app

OURS = "https://app.example.com"
EVIL = (
    "https://evil.example",
    "null",
    "https://app.example.com.evil.example",
    "https://evil-app.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://appXexample.com",
    "https://APP.example.com.",
    "https://app.example.com/",
    "",
)
HIDDEN = ("traceback", "litestar", "asyncpg", "sqlalchemy", "site-packages", "postgresql://", "/work", 'file "')


@get("/page", media_type=MediaType.HTML)
async def page() -> str:
    return "<!doctype html><title>A page</title>"


@get("/own", media_type=MediaType.HTML, cache_control=None)
async def broken() -> str:
    raise ValueError("postgresql://me:secret@db/x")


def dressed(settings: Settings, **changed: object) -> Litestar:
    """The API with two pages, which it doesn't have itself yet, under other settings."""
    app = create_app(msgspec.structs.replace(settings, **changed))
    app.register(page)
    app.register(broken)
    return app


@pytest.fixture(scope="module")
async def production(settings: Settings) -> AsyncGenerator[httpx.AsyncClient]:
    """As production has it, but for servers: names and origins are listed, people come by https."""
    app = dressed(
        settings,
        environment="production",
        secret_key="x" * 32,
        ingestion_allowlist=(),
        base_url="https://api.example.com",
        allowed_hosts=("reels.example.org",),
        cors_origins=(OURS,),
    )
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    address = "https://api.example.com"
    async with living(app), httpx.AsyncClient(transport=transport, base_url=address) as client:
        yield client


async def test_s69_another_origin_reads_nothing(production: httpx.AsyncClient) -> None:
    """No answer names an origin that isn't listed letter by letter, and none names everybody."""
    for origin in EVIL:
        for asked in (
            await production.get("/health/live", headers={"Origin": origin}),
            await production.get("/v1/limits", headers={"Origin": origin, "Cookie": "session=x"}),
            await production.options("/v1/create", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}),
        ):
            assert not [name for name in asked.headers if name.startswith("access-control-")], (origin, asked.headers)
            assert "Origin" in asked.headers["Vary"], "a cache must not hand this answer to another origin"


async def test_s69_a_listed_origin_may_ask_and_read(production: httpx.AsyncClient) -> None:
    wish = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
    asked = await production.options("/v1/create", headers={"Origin": OURS, **wish})
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, OURS)
    assert {"authorization", "idempotency-key", "content-type", "if-match"} <= {
        name.strip().lower() for name in asked.headers["Access-Control-Allow-Headers"].split(",")
    }
    refused = await production.get("/v1/limits", headers={"Origin": OURS})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, OURS)
    assert refused.headers["Access-Control-Allow-Credentials"] == "true"
    assert "RateLimit" in refused.headers["Access-Control-Expose-Headers"]


async def test_s69_a_listed_origin_may_send_and_read_every_header_of_the_contract(
    production: httpx.AsyncClient,
) -> None:
    """A page that can't send a session's token, or read where the reel is, can do nothing with the answer."""
    contract = present()
    told = [one for item in contract["paths"].values() for one in item.values()]
    schemes = contract["components"]["securitySchemes"].values()
    sent = {each["name"] for one in told for each in one.get("parameters", ()) if each["in"] == "header"}
    sent |= {scheme["name"] for scheme in schemes if scheme.get("in") == "header"}
    answers = [each for one in told for each in one["responses"].values()] + [
        *contract["components"]["responses"].values()
    ]
    read = {name for each in answers for name in each.get("headers", ())} - {"Set-Cookie"}  # which no script may read

    asked = await production.options("/v1/me", headers={"Origin": OURS, "Access-Control-Request-Method": "PATCH"})
    got = await production.get("/v1/limits", headers={"Origin": OURS})
    assert {*sent, "Authorization", "Content-Type", "X-Request-Id"} == listed(asked, "Access-Control-Allow-Headers")
    assert {*read, "Content-Disposition"} == listed(got, "Access-Control-Expose-Headers")
    methods = {method.upper() for item in contract["paths"].values() for method in item}
    assert methods == listed(asked, "Access-Control-Allow-Methods")


def listed(answer: httpx.Response, name: str) -> set[str]:
    return set(answer.headers[name].split(", "))


def test_s69_an_origin_that_means_many_cannot_be_listed(settings: Settings) -> None:
    for origin in ("*", "null", "https://*.example.com", "https://app.example.com/path", "app", "https://[evil"):
        with pytest.raises(Refusal) as refusal:
            guarded(Litestar(openapi_config=None), msgspec.structs.replace(settings, cors_origins=(origin,)))
        assert refusal.value.field == "REELWRIGHT_CORS_ORIGINS"


HOSTS = {
    "api.example.com": 200,
    "API.example.com:443": 200,
    "reels.example.org": 200,
    "127.0.0.1:8000": 200,
    "evil.example": 400,
    "api.example.com.": 400,
    "apiXexample.com": 400,
    "api.example.com.evil.example": 400,
    "sub.api.example.com": 400,
    "api.example.com:x": 400,
    "api.example.com@evil.example": 400,
    "evil.example/api.example.com": 400,
    "10.0.0.7": 400,
    "": 400,
}


async def test_s70_only_our_own_names_are_answered(production: httpx.AsyncClient) -> None:
    for host, status in HOSTS.items():
        answer = await production.get("/page", headers={"Host": host})
        assert answer.status_code == status, host
        if status == 400:
            assert (answer.json()["code"], answer.json()["field"]) == ("request.host", "Host")
    poisoned = await production.get("/page", headers={"Host": "evil.example", "X-Forwarded-Host": "api.example.com"})
    both = await production.get("/page", headers=[("Host", "api.example.com"), ("Host", "evil.example")])
    assert (poisoned.status_code, both.status_code) == (400, 400)
    assert (await production.get("/health/live", headers={"Host": "10.0.0.7:8000"})).status_code == 200


async def test_s70_a_forwarded_host_names_no_link_of_ours(api: httpx.AsyncClient, order: dict[str, str]) -> None:
    said = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "X-Host": "evil.example"}
    for path in (f"/v1/generations/{order['generation_id']}", "/v1/webhooks", "/schema/openapi.json"):
        answer = await api.get(path, headers=said)
        assert "evil.example" not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"topic=Cats"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="topic"\r\n\r\nC\r\n--x--'),
        ("text/plain", b'{"topic":"Cats","x":"="}'),
        ("text/plain;application/json", b'{"topic":"Cats"}'),
        ("application/jsonx", b'{"topic":"Cats"}'),
        ("", b'{"topic":"Cats"}'),
    ],
)
async def test_s71_no_form_of_another_site_is_taken(content_type: str, body: bytes, api: httpx.AsyncClient) -> None:
    """These are the types that a page may send elsewhere without asking first. There is no cookie to send with them."""
    told = {"Content-Type": content_type, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for path in ("/v1/create", "/v1/webhooks", "/v1/calculate-cost"):
        answer = await api.post(path, content=body, headers={"Idempotency-Key": "k", **told})
        assert (answer.status_code, answer.json()["code"]) == (415, "request.content_type")
    assert (await api.get("/v1/generations")).json()["generations"] == []


async def test_s73_every_page_and_every_refusal_says_what_a_browser_may_do(production: httpx.AsyncClient) -> None:
    for path, status in (("/page", 200), ("/own", 500), ("/nothing", 404), ("/v1/limits", 401), ("/v1/%00", 404)):
        answer = await production.get(path)
        assert answer.status_code == status, path
        policy = answer.headers["Content-Security-Policy"]
        wanted = "default-src 'self'" if path == "/page" else "default-src 'none'"
        assert policy.startswith(wanted), (path, policy)
        assert {"base-uri 'none'", "frame-ancestors 'none'"} <= set(policy.split("; "))
        assert "unsafe" not in policy
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == ("same-origin" if path == "/page" else "no-referrer")
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in answer.headers["Permissions-Policy"]
        assert "server" not in answer.headers


async def test_s73_plain_http_on_this_machine_is_not_forbidden_for_a_year(anyone: httpx.AsyncClient) -> None:
    assert "Strict-Transport-Security" not in (await anyone.get("/health/live")).headers


async def test_s78_no_error_tells_how_we_are_made(production: httpx.AsyncClient, settings: Settings) -> None:
    """Also not where somebody sets LITESTAR_DEBUG: the apps say debug=False themselves."""
    answers = [
        await production.get("/own"),
        await production.get("/nothing"),
        await production.post("/v1/create", content=b"{"),
        await production.get("/page", headers={"Host": "evil"}),
    ]
    for answer in answers:
        assert answer.headers["Content-Type"] == "application/problem+json"
        said = (answer.text + str(answer.headers)).lower()
        assert not [word for word in HIDDEN if word in said], answer.text
    assert "secret" not in answers[0].text


def test_s78_debug_cannot_be_switched_on(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITESTAR_DEBUG", "1")
    assert create_app(settings).debug is False
    assert worker_app.create_app(settings).debug is False


async def test_s79_nobody_keeps_an_answer_that_belongs_to_somebody(
    api: httpx.AsyncClient, order: dict[str, str], user: Person
) -> None:
    poison = {"X-Forwarded-Proto": "gopher", "X-Original-URL": "/v1/admin/users", "X-Rewrite-URL": "/v1/admin/users"}
    plain = await api.get(f"/v1/generations/{order['generation_id']}")
    asked = await api.get(f"/v1/generations/{order['generation_id']}", headers=poison)
    assert asked.json() == plain.json()
    for answer in (plain, await api.get("/v1/limits"), await api.get("/v1/nothing"), await api.get("/v1/generations")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert {"Authorization", "Cookie"} <= {name.strip() for name in answer.headers["Vary"].split(",")}


async def test_s80_no_answer_may_stand_in_a_frame(production: httpx.AsyncClient) -> None:
    for path in ("/page", "/own", "/v1/limits", "/health/live", "/schema/openapi.json"):
        assert "frame-ancestors 'none'" in (await production.get(path)).headers["Content-Security-Policy"]


async def test_what_a_handler_says_itself_stays(settings: Settings) -> None:
    """A file that may be kept says so; everything else of ours is still added."""

    @get("/file", media_type="video/mp4", sync_to_thread=False)
    def file() -> bytes:
        return b"x"

    @get("/kept", response_headers={"Cache-Control": "public, max-age=60", "Vary": "Range"}, sync_to_thread=False)
    def kept() -> str:
        return "x"

    app = guarded(Litestar([file, kept], openapi_config=None), settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as client:
        shown, own = await client.get("/file"), await client.get("/kept")
    assert "media-src 'self'" in shown.headers["Content-Security-Policy"]
    assert (own.headers["Cache-Control"], own.headers["Vary"]) == ("public, max-age=60", "Range, Authorization, Cookie")

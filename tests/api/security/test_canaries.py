"""S74, S76, S95, S96: what people write, and what opens doors, comes back to nobody else: no log, error or message."""

import json
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.app import create_app
from reelwright.billing import Plan
from reelwright.dev.stripe import pages
from reelwright.dev.stripe.wire import Refused
from reelwright.ground import log
from reelwright.ground.postgres import Database
from reelwright.journeys import reading
from reelwright.settings import Settings
from tests.api.conftest import Person, living, person
from tests.ground.test_log import lines

TOPIC, PAGE, LINK, WORD = (f"canary-{name}-7f3a" for name in ("topic", "page", "link", "word"))
SECRETS = {
    "secret_key": "canary-secret-7f3a-of-more-than-32-characters",
    "stripe_secret_key": "sk_test_canary7f3astripe",
    "stripe_webhook_secret": "whsec_canary7f3awebhook",
    "qstash_token": "canary-qstash-7f3a",
    "openai_api_key": "sk-canary-openai-7f3a",
    "metrics_token": "canary-metrics-7f3a",
    "smtp_url": "smtp://me:canary-smtp-7f3a@127.0.0.1:9",
}
KEY = {"Idempotency-Key": "one"}


def found(said: str) -> list[str]:
    """Which canaries sing in a text."""
    return [word for word in ("canary", "7f3a") if word in said.lower()]


async def provoke(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> list[httpx.Response]:
    """Send canaries by every way in, right, wrong, and into a bug of ours."""
    ask, answers = client.post, list[httpx.Response]()
    url = f"https://example.com/{PAGE}?signature={LINK}"
    answers += [
        await ask("/v1/create", json={"text": f"Cats. {TOPIC} {PAGE}"}, headers=KEY),
        await ask("/v1/create", json={"url": url}, headers={"Idempotency-Key": "two"}),
        await ask("/v1/create", json={"topic": TOPIC, "tone": "no tone"}, headers=KEY),
        await ask("/v1/create", json={"topic": f"{TOPIC}\x00"}, headers=KEY),
        await ask("/v1/create", content=f'{{"topic":"{TOPIC}", {WORD}'.encode(), headers=KEY | JSON),
        await ask("/v1/create", json={"url": f"http://me:{WORD}@127.0.0.1/{LINK}"}, headers=KEY),
        await ask("/v1/webhooks", json={"url": f"https://127.0.0.1/{LINK}?token={LINK}"}),
        await ask("/v1/auth/login", json={"email": f"{WORD}@example.com", "password": WORD}),
        await ask("/v1/auth/register", json={"email": "new@example.com", "password": WORD}),
        await client.get("/v1/generations", params={"token": LINK, "q": TOPIC}),
        await client.get(f"/v1/nothing/{LINK}?token={LINK}"),
        await client.get("/v1/limits", headers={"Authorization": f"Bearer rw_live_{WORD}"}),
        await client.get("/v1/limits", headers={"Cookie": f"__Host-reelwright={WORD}", "X-Request-Id": f"{WORD}\n"}),
        await client.get(f"/files/{LINK}.{LINK}"),
        await client.get(f"/v1/generations?cursor={LINK}"),
    ]

    async def broken(*_: object, **__: object) -> None:
        raise ValueError(f"{TOPIC} at postgresql://me:{WORD}@db/x and https://x.example/y?signature={LINK}")

    monkeypatch.setattr(reading, "generations", broken)
    answers.append(await client.get("/v1/generations"))
    return answers


JSON = {"Content-Type": "application/json"}


async def test_s95_s96_no_canary_sings_in_a_log_an_error_or_a_message(
    settings: Settings, db: Database, redis: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every secret set to one, and every line logged that there is."""
    with lines(level="DEBUG") as told:
        app = create_app(msgspec.structs.replace(settings, **SECRETS))
        log.logger("test").info("started", settings=app.state.dict(), detail=repr(app))
        somebody = await person(db, "canary@example.com", Plan.STANDARD)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with living(app), httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            client.headers.update(somebody.headers)
            answers = await provoke(client, monkeypatch)
    statuses = [answer.status_code for answer in answers]
    assert (statuses[0], statuses[1], statuses[-1]) == (202, 202, 500), "the pipeline began, and the bug was met"
    refused = [answer for answer in answers if answer.status_code >= 400]
    assert len(refused) >= 10
    singing = [line for line in told if found(json.dumps(line)) and "canary@" not in json.dumps(line)]
    assert singing == []
    assert len([line for line in told if line.get("event") == "request"]) == len(answers)
    for answer in refused:
        body = answer.json() | {"instance": ""}  # a path that was sent comes back to who sent it, and to no one else
        assert not found(json.dumps(body)), body
        assert not found(str(answer.headers))
    async with db.begin() as tx:
        sent = await tx.scalars(text("SELECT row_to_json(o)::text FROM outbox o"))
        assert not found(" ".join(sent))
    assert somebody.secret not in json.dumps(told)


def test_s95_no_process_of_ours_carries_a_secret_in_its_arguments(settings: Settings) -> None:
    """Everybody on a machine reads them: those of this run's PostgreSQL, Valkey and Python."""
    password = settings.database_url.partition("://")[2].partition("@")[0].partition(":")[2]
    assert password
    told = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert told
    assert not [said for said in told if password.encode() in said]


async def test_a_request_leaves_one_line_that_says_who_what_and_how_long(
    api: httpx.AsyncClient, user: Person, order: dict[str, str]
) -> None:
    with lines(level="DEBUG") as told:
        await api.get(f"/v1/generations/{order['generation_id']}", headers={"X-Request-Id": "request-77"})
        await api.get("/v1/nothing")
        await api.get("/health/live")
    first, unknown, probe = [line for line in told if line["event"] == "request"]
    assert first | {"ms": 0, "timestamp": ""} == {
        "event": "request",
        "method": "GET",
        "route": "/v1/generations/{generation_id}",
        "status": 200,
        "ms": 0,
        "account_id": user.account_id,
        "generation_id": order["generation_id"],
        "request_id": "request-77",
        "level": "info",
        "timestamp": "",
    }
    assert isinstance(first["ms"], float)
    assert (unknown["route"], unknown["status"], unknown["account_id"]) == ("unknown", 404, None)
    assert (probe["level"], probe["status"]) == ("debug", 200)


async def test_s76_a_line_break_begins_no_header_and_no_log_line(app: Litestar, api: httpx.AsyncClient) -> None:
    forged = 'x\r\nSet-Cookie: a=b\r\n{"level":"info","event":"forged"}'
    with lines(level="DEBUG") as told:
        made = await api.post("/v1/create", json={"topic": "Cats\n" + forged}, headers=KEY)
        answer = await api.get("/v1/generations", headers={"X-Request-Id": "abcdefgh injected"})
        log.logger("test").info("said", detail=forged)
        log.logger("test").info(forged)
    assert made.status_code in {202, 400}
    assert [line for line in told if line["event"] == "forged"] == [], "each is one line of JSON"
    assert " " not in answer.headers["X-Request-Id"]
    for each in (made, answer):
        assert "set-cookie" not in each.headers


MARKUP = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{7*7}} {% raise %} ${7*7}",
    "'\" onmouseover=alert(1) x='",
)


async def test_s74_markup_comes_back_as_data_that_no_browser_renders(api: httpx.AsyncClient) -> None:
    for number, markup in enumerate(MARKUP):
        wish = {"topic": markup, "kind": "script"}
        made = await api.post("/v1/create", json=wish, headers={"Idempotency-Key": str(number)})
        assert made.status_code == 202, made.text
        answer = await api.get(f"/v1/drafts/{made.json()['draft_id']}")
        assert answer.json()["topic"] == markup
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        await api.post(f"/v1/generations/{made.json()['generation_id']}/cancel")


async def test_s74_pages_escape_what_they_are_asked_for(anyone: httpx.AsyncClient) -> None:
    for markup in MARKUP:
        answer = await anyone.get("/problems/" + quote(markup, safe=""), headers={"Accept": "text/html"})
        told = answer.text if answer.headers["Content-Type"].startswith("text/html") else ""
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for page in (told, pages.refusal(Refused(markup, status=400)).html):
            assert "<img src=x" not in page
            assert "<script>alert" not in page
            assert "49" not in page


async def test_s75_no_parameter_sends_a_browser_elsewhere(api: httpx.AsyncClient) -> None:
    """No route takes an address to go to afterwards: what leads back from Stripe is built of the configured one."""
    schema = (await api.get("/schema/openapi.json")).json()
    named = {
        each["name"].lower()
        for path in schema["paths"].values()
        for operation in path.values()
        for each in operation.get("parameters", ())
        if each["in"] == "query"
    }
    assert named & {"next", "return", "return_to", "return_url", "redirect", "redirect_uri", "goto", "url"} == set()
    answer = await api.post("/v1/payments/portal", json={"return_url": "https://evil.example"}, headers=KEY)
    assert answer.status_code in {400, 404, 503}

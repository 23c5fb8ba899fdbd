"""GET /files/{token}, S91: a link is of use to whoever has it, for its file alone and its minutes alone."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from litestar import Litestar

from reelwright.api import links
from reelwright.api.files import disposition
from reelwright.ground import clock
from reelwright.ground.sealing import Seal
from reelwright.settings import Settings
from tests.api.media.made import picture


@pytest.fixture
async def upload(api: httpx.AsyncClient) -> dict:
    sent = {"content": picture("PNG"), "headers": {"Content-Type": "image/png"}}
    return (await api.post("/v1/media", params={"name": "Über “uns”.gif"}, **sent)).json()


@pytest.fixture
async def nobody(app: Litestar) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api")


async def link_to(api: httpx.AsyncClient, upload: dict, **params) -> tuple[str, dict]:
    view = (await api.get(f"/v1/media/{upload['id']}/url", params=params)).json()
    return view["url"].removeprefix("http://127.0.0.1:8000"), view


async def test_a_link_needs_no_key_and_says_how_long(
    api: httpx.AsyncClient, nobody: httpx.AsyncClient, upload: dict
) -> None:
    link, view = await link_to(api, upload)
    left = datetime.fromisoformat(view["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    whole = await nobody.get(link)
    assert (whole.status_code, len(whole.content)) == (200, upload["size_bytes"])
    age = re.fullmatch(r"private, max-age=(\d+)", whole.headers["cache-control"])
    assert age is not None
    assert 540 < int(age[1]) <= 600
    for name, value in {
        "content-type": "image/png",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "cross-origin",
        "content-disposition": 'inline; filename="_ber _uns_.png"; '
        "filename*=UTF-8''%C3%9Cber%20%E2%80%9Cuns%E2%80%9D.png",
    }.items():
        assert whole.headers[name] == value
    assert whole.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    part = await nobody.get(link, headers={"Range": "bytes=4-7"})
    assert part.headers["cross-origin-resource-policy"] == "cross-origin", "a page anywhere may play it"
    assert (await nobody.get(f"{link}x")).headers["cross-origin-resource-policy"] == "same-origin"


async def test_a_link_answers_ranges_conditions_and_heads(
    api: httpx.AsyncClient, nobody: httpx.AsyncClient, upload: dict
) -> None:
    link, _ = await link_to(api, upload)
    whole = await nobody.get(link)
    part = await nobody.get(link, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, whole.content[4:8])
    tag = whole.headers["etag"]
    for condition in (tag, f"W/{tag}", "*", f'"of,another", W/{tag}'):
        same = await nobody.get(link, headers={"If-None-Match": condition})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag), condition
    head = await nobody.head(link)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(upload["size_bytes"]))
    beyond = await nobody.get(link, headers={"Range": "bytes=9999999-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "request.range")


async def test_s91_a_link_is_over_when_it_says(
    api: httpx.AsyncClient, nobody: httpx.AsyncClient, upload: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, view = await link_to(api, upload, lasting_s=60)
    end = datetime.fromisoformat(view["expires_at"])
    for instant, status in ((end - timedelta(seconds=1), 200), (end, 403), (end + timedelta(days=1), 403)):
        monkeypatch.setattr(clock, "now", lambda instant=instant: instant)
        answer = await nobody.get(link)
        assert answer.status_code == status
    assert answer.json()["code"] == "file.link_refused"
    monkeypatch.undo()
    for lasting_s in (0, 901, -1):
        refused = await api.get(f"/v1/media/{upload['id']}/url", params={"lasting_s": lasting_s})
        assert (refused.status_code, refused.json()["field"]) == (400, "lasting_s")


async def test_s91_no_other_letter_opens_anything(
    api: httpx.AsyncClient, nobody: httpx.AsyncClient, upload: dict, settings: Settings
) -> None:
    link, _ = await link_to(api, upload)
    token = link.removeprefix("/files/")
    body, _, mac = token.partition(".")
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(0, len(token), 3)]
    until = clock.now() + timedelta(minutes=5)
    payload = b"m" + int(until.timestamp()).to_bytes(8, "big") + bytes(16)
    others = [
        Seal(settings.secret_key).signed("verify-address", payload, until=until),
        Seal("another secret of thirty-two letters").signed("media", payload, until=until),
        Seal(settings.secret_key).signed("media", b"x" + payload[1:], until=until),
    ]
    for wrong in [
        *changed,
        *others,
        body,
        f"{body}.",
        f".{mac}",
        f"{mac}.{body}",
        f"{token}=",
        "%2e%2e",
        "%00",
        "a" * 5000,
    ]:
        answer = await nobody.get(f"/files/{wrong}")
        assert answer.status_code in {403, 404}, wrong
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await nobody.get(link)).status_code == 200


async def test_s91_a_link_is_for_reading_its_one_file_as_it_is(
    api: httpx.AsyncClient, nobody: httpx.AsyncClient, upload: dict
) -> None:
    link, _ = await link_to(api, upload)
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert (await nobody.request(method, link)).status_code == 405
    for more in ("?response-content-type=text/html", "?content_type=text/html&download=evil.html"):
        assert (await nobody.get(link + more)).headers["content-type"] == "image/png"
    for elsewhere in (f"{link}/../../v1/me", f"{link}%2f..%2f..", "/files/../v1/media", "/files/"):
        assert (await nobody.get(elsewhere)).status_code in {401, 403, 404}
    token = link.removeprefix("/files/")
    assert (await nobody.get("/v1/media", headers={"Authorization": f"Bearer {token}"})).status_code == 401


def test_nothing_in_a_name_ends_its_header() -> None:
    told = disposition('a"; filename="b\r\nSet-Cookie: x=1; .png')
    assert "\r" not in told
    assert "\n" not in told
    assert told.count('"') == 2
    assert disposition("plain.png") == 'inline; filename="plain.png"'


def test_a_link_names_no_place_in_storage_and_nobody(settings: Settings) -> None:
    """All that can be read of it is which thing, and until when."""
    seal, wanted = Seal(settings.secret_key), clock.now()
    view = links.link(seal, "http://api/", "artefact", links.UUID(int=7), lasting_s=60)
    payload = seal.opened("media", view.url.removeprefix("http://api/files/"), now=wanted)
    assert payload == b"v" + int(view.expires_at.timestamp()).to_bytes(8, "big") + links.UUID(int=7).bytes

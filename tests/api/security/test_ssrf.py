"""S62 to S67 on the running app: no packet to an inward address, however it is written, resolved or redirected to.

Single pages' guard is tried case by case in tests/rooms/providers; here are the ways in, and what an answer tells.
"""

import asyncio
import socket
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from reelwright.generations import Stage
from reelwright.ground.postgres import Database
from reelwright.journeys.workroom import Workroom
from reelwright.providers import PageFetcher, checked_url
from reelwright.providers.web import Budget
from reelwright.settings import Settings
from tests.api.working import a_workroom, work
from tests.feeds import an_entry, rss
from tests.journeys.conftest import Studio
from tests.simulators import inward
from tests.simulators.canary import connections
from tests.simulators.pages import Pages, answer, redirect, serving
from tests.simulators.videos import VIDEO, a_track, shown
from worker.stages import ingestion

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
PUBLIC = ("/v1/create", "url"), ("/v1/ingestions", "url"), ("/v1/ingestions", "feed_url")
SENDABLE = [url for url in inward.EVERY if 8 <= len(url) <= 2048 and "\ud800" not in url]
QUICK = Budget(total_s=2.0, lookup_s=0.05, connect_s=0.3, wire_bytes=200_000, html_bytes=400_000)


@pytest.fixture
async def pages() -> AsyncGenerator[Pages]:
    async with serving() as server:
        yield server


class Names:
    """A name server of our own: what each name leads to, asked in turn; and who was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Sequence[str] | OSError | float]] = {}
        self.asked: list[str] = []

    async def resolve(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        said = self.answers[host].pop(0)
        if isinstance(said, OSError):
            raise said
        if isinstance(said, float):
            await asyncio.sleep(said)  # longer than a lookup may take
            return ["127.0.0.1"]
        return said


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
async def room(db: Database, redis: Any, tmp_path: Path, names: Names, pages: Pages) -> AsyncGenerator[Workroom]:
    """A worker with the real first stage. Our own pages' port may be read under two names; nothing else inward."""
    made = a_workroom(db, redis, tmp_path, Studio())
    site = f"127.0.0.1:{pages.port}"
    reader = PageFetcher(frozenset({site}), resolve=names.resolve, budget=QUICK, video_site=f"http://{site}")
    tools: Any = _Tools(pages=reader)
    yield replace(made, tools=tools, stages={**made.stages, Stage.INGESTION: ingestion.perform})
    await made.gate.close()


class _Tools:
    def __init__(self, pages: PageFetcher) -> None:
        self.pages = pages


@pytest.fixture
def ours(settings: Settings, pages: Pages) -> set[str]:
    """Where this program may connect to in these tests: its own servers and our pages."""
    own = [urlsplit(url) for url in (settings.database_url, settings.redis_url or "", settings.qstash_url or "")]
    return {f"{one.hostname}:{one.port}" for one in own} | {f"127.0.0.1:{pages.port}"}


@contextmanager
def nothing_else(ours: set[str]):
    """Fail for any connection to anywhere else."""
    with connections() as seen:
        yield
    assert set(seen) <= ours


async def ordered(api: httpx.AsyncClient, path: str, **body: object) -> httpx.Response:
    return await api.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})


async def ingested(api: httpx.AsyncClient, room: Workroom, **body: object) -> str | None:
    """Order it, do it, and return the code that it failed with."""
    accepted = await ordered(api, "/v1/ingestions", **body)
    assert accepted.status_code == 202, accepted.text
    await work(room)
    seen = (await api.get(f"/v1/drafts/{accepted.json()['draft_id']}/ingestion")).json()
    return seen["failure"] and seen["failure"]["code"]


@pytest.mark.parametrize(("path", "field"), PUBLIC)
async def test_s62_no_inward_address_is_taken_and_no_answer_tells_them_apart(
    path: str, field: str, api: httpx.AsyncClient, db: Database, ours: set[str]
) -> None:
    """S67, too: code and sentence are the same for all of them, whatever is behind."""
    told = set[tuple[int, str, str, str]]()
    with nothing_else(ours):
        for url in SENDABLE:
            refused = (await ordered(api, path, **{field: url})).json()
            told.add((refused["status"], refused["code"], refused["detail"], refused["field"]))
    (only,) = told
    assert (only[0], only[1], only[3]) == (400, "source.not_allowed", field)
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM drafts")) == 0


async def test_s62_a_video_is_at_youtube_or_nowhere(api: httpx.AsyncClient, ours: set[str]) -> None:
    with nothing_else(ours):
        for url in SENDABLE[::4]:
            refused = await ordered(api, "/v1/ingestions", youtube_url=url)
            assert refused.status_code == 400, url
            assert refused.json()["code"] in {"source.not_allowed", "ingestion.not_youtube"}


GONE, AGAIN = socket.gaierror(socket.EAI_NONAME, "no"), socket.gaierror(socket.EAI_AGAIN, "later")
NAMED: dict[str, tuple[list[Sequence[str] | OSError | float], str]] = {
    "127.0.0.1.nip.io": ([["127.0.0.1"]], "source.not_allowed"),
    "a-public-aaaa-loopback.rebind.test": ([["1.1.1.1", "::1"]], "source.not_allowed"),
    "mixed-public-private.rebind.test": ([["1.1.1.1", "10.0.0.1"]], "source.not_allowed"),
    "v4mapped-aaaa.rebind.test": ([["::ffff:127.0.0.1"]], "source.not_allowed"),
    "cname-loop.rebind.test": ([GONE], "source.not_allowed"),
    "many.rebind.test": ([[f"1.1.1.{n}" for n in range(20)]], "source.not_allowed"),
    "servfail.rebind.test": ([AGAIN] * 3, "source.unreachable"),
    "slow-dns-30s.rebind.test": ([30.0] * 3, "source.unreachable"),
}


@pytest.mark.parametrize("form", ["url", "feed_url"])
async def test_s63_a_name_that_leads_inward_sends_no_packet(
    form: str, api: httpx.AsyncClient, room: Workroom, names: Names, ours: set[str]
) -> None:
    for name, (answers, code) in NAMED.items():
        names.answers[name], names.asked = list(answers), []
        with nothing_else(ours):
            assert await ingested(api, room, **{form: f"http://{name}/"}) == code, name
        assert names.asked == [name] * len(answers)


async def test_s63_a_feeds_link_and_a_redirect_are_looked_up_like_any_other(
    api: httpx.AsyncClient, room: Workroom, names: Names, pages: Pages, ours: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is public at the order may lead inward by now: each hop is resolved once, and pinned."""
    names.answers["flip.rebind.test"] = [["127.0.0.1"], ["192.168.0.1"]]
    feed = rss(an_entry("a", "A", link="http://flip.rebind.test/"))
    pages.routes["/feed"] = answer(feed, headers={"Content-Type": "application/rss+xml"})
    pages.routes["/r"] = redirect("http://flip.rebind.test/")
    allow(monkeypatch, pages)
    with nothing_else(ours):
        assert await ingested(api, room, feed_url=pages.url("/feed")) == "source.not_allowed"
        assert await ingested(api, room, url=pages.url("/r")) == "source.not_allowed"
    assert names.asked == ["flip.rebind.test"] * 2


def allow(monkeypatch: pytest.MonkeyPatch, pages: Pages) -> None:
    """Let the API take our own pages' address, too: its settings name another port."""
    sites = frozenset({f"127.0.0.1:{pages.port}"})
    monkeypatch.setattr("reelwright.api.ingestion.checked_url", lambda url, _allowlist: checked_url(url, sites))


LEADING_INWARD = (
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/",
    "//127.0.0.1/",
    "file:///etc/passwd",
    "http://user@127.0.0.1/",
    "http://example.com:22/",
    "gopher://127.0.0.1:6379/_x",
    "http://127.0.0.1/" + "a" * 100_000,
    "",
)


async def test_s64_feeds_and_captions_are_redirected_no_further_than_pages(
    api: httpx.AsyncClient, room: Workroom, pages: Pages, ours: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, pages)
    shown(pages, a_track("en", url="/captions?lang=en"))
    refused = {"source.not_allowed", "source.too_large"}  # the latter: its headers
    with nothing_else(ours):
        for to in LEADING_INWARD:
            pages.routes["/feed"] = pages.routes["/captions"] = redirect(to)
            assert await ingested(api, room, feed_url=pages.url("/feed")) in refused, to
            assert await ingested(api, room, youtube_url=f"https://youtu.be/{VIDEO}") in refused, to
        pages.routes["/feed"] = redirect("/feed")
        assert await ingested(api, room, feed_url=pages.url("/feed")) == "source.redirects"
    sent = "".join(pages.requests).lower()
    assert not any(name in sent for name in ("cookie:", "authorization:", "referer:"))


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<rss>")
    while True:
        writer.write(b"<item>more</item>" * 1000)
        await writer.drain()


def _bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(b"<rss>" + b"A" * (8 << 20)) + packer.flush()


LIES: dict[str, tuple[Any, str]] = {
    "endless": (_endless, "source.too_large"),
    "a bomb": (answer(_bomb(), headers={"Content-Encoding": "gzip"}), "source.too_large"),
    "an unknown packing": (answer(b"x", headers={"Content-Encoding": "br"}), "source.unreadable"),
    "a length that lies": (answer(b"<rss>", headers={"Content-Length": "9000000"}), "source.too_large"),
    "a video": (answer(b"\x1a\x45\xdf\xa3", headers={"Content-Type": "video/webm"}), "source.not_a_feed"),
}


async def test_s65_a_feed_that_lies_is_refused(
    api: httpx.AsyncClient, room: Workroom, pages: Pages, ours: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, pages)
    with nothing_else(ours):
        for case, (route, code) in LIES.items():
            pages.routes["/feed"] = route
            assert await ingested(api, room, feed_url=pages.url("/feed")) == code, case


async def test_s67_what_is_closed_and_what_is_silent_answer_alike(
    api: httpx.AsyncClient, room: Workroom, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as gone:
        closed = gone.url()
    sites = frozenset({f"127.0.0.1:{gone.port}", f"127.0.0.1:{pages.port}"})
    monkeypatch.setattr("reelwright.api.ingestion.checked_url", lambda url, _allowlist: checked_url(url, sites))
    tools: Any = _Tools(pages=PageFetcher(sites, budget=replace(QUICK, total_s=0.2)))
    pages.routes["/silent"] = _silent
    said = {await ingested(api, replace(room, tools=tools), url=url) for url in (closed, pages.url("/silent"))}
    assert said == {"source.unreachable"}


async def _silent(_writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()

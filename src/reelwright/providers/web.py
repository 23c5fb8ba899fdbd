"""Reads web pages through the guard: every hop checked, resolved once, pinned to the checked address, on a budget."""

import asyncio
import contextlib
import re
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Generic, TypeVar

import ada_url
import httpx
import msgspec

from reelwright.ground import clock, pinned
from reelwright.ground.cleaning import words_in
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.log import logger
from reelwright.ground.surroundings import surroundings
from reelwright.providers import web_body, youtube
from reelwright.providers.calls import retry_after_s, time_left
from reelwright.providers.guard import Target, blocked, blocking, inspected
from reelwright.providers.model import Page, Transcript

_log = logger(__name__)

FEWEST_WORDS = 50
_EXTRACTOR = Path(__file__).with_name("article.py")
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_ADDRESSES_TRIED = 3
_HEADERS = {
    "User-Agent": "Reelwright/1 (article reader)",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Form(Generic[T]):
    """What is asked for: the header that says so, a check of the answer's headers, and what its body becomes."""

    accept: str
    check: Callable[[Mapping[str, str]], None]
    body: Callable[[bytes, Mapping[str, str], int], T]


@dataclass(frozen=True, slots=True)
class _Got(Generic[T]):
    """What the last hop answered."""

    body: T


_PAGE = _Form("text/html,application/xhtml+xml;q=0.9", web_body.check_type, web_body.html_text)
_FEED = _Form(
    "application/rss+xml,application/atom+xml,application/xml;q=0.9,text/xml;q=0.9,*/*;q=0.1",
    web_body.check_feed_type,
    web_body.feed_bytes,
)

_CAPTIONS = _Form("application/json", web_body.check_nothing, web_body.plain_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one page may cost. The deadline covers lookup, every hop and the whole body; extraction has its own.

    Neither lasts beyond what the run has left (`providers.deadline`).
    """

    total_s: float = 10.0
    lookup_s: float = 5.0
    connect_s: float = 3.0
    extract_s: float = 30.0  # by the clock; of the processor it may have five seconds
    wire_bytes: int = 1_000_000
    html_bytes: int = 2_000_000
    header_bytes: int = 64_000
    redirects: int = 3


class PageFetcher:
    """The one way to a user's URL. `allowlist` (host:port) exempts development pages from the address rules.

    Nothing is kept between pages: no cookie, no connection, no proxy or credential from the environment. `video_site`
    is where videos' pages are: another one than YouTube's is for tests.
    """

    def __init__(
        self,
        allowlist: frozenset[str] = frozenset(),
        *,
        resolve: pinned.Resolve = pinned.lookup,
        budget: Budget | None = None,
        tls: ssl.SSLContext | None = None,
        video_site: str = youtube.SITE,
    ) -> None:
        self._allowlist = allowlist
        self._resolve = resolve
        self._budget = budget or Budget()
        self._tls = tls
        self._video_site = video_site

    async def read(self, url: str) -> Page:
        """Fetch the page and keep its article: title, paragraphs apart by a blank line, language, site.

        Raises Refusal (source.not_allowed, not_html, too_large, unreadable, not_found, empty), Outage (unreachable).
        """
        final, html = await self._fetched(url, _PAGE)
        article = await _article(html, final, most_s=self._budget.extract_s)
        body = "\n\n".join(article.paragraphs) if article else ""
        if article is None or words_in(body) < FEWEST_WORDS:
            raise Refusal(
                "No article was found on this page: give the address of one article, or paste its text instead.",
                field="url",
                code="source.empty",
            )
        return Page(url=final, title=article.title, body=body, language=article.language, site=article.site)

    async def feed(self, url: str) -> bytes:
        """Fetch a feed's bytes, whatever they hold: parse them where they can do no harm.

        Raises Refusal (source.not_allowed, not_a_feed, too_large, unreadable, not_found), Outage (unreachable).
        """
        _, raw = await self._fetched(url, _FEED)
        return raw

    async def transcript(self, url: str, *, language: str) -> Transcript:
        """Read the captions that a YouTube video's page offers to everybody.

        Raises Refusal (`ingestion.*`, `source.*`), Outage (`source.unreachable`).
        """
        known = youtube.checked_video(url)
        page, html = await self._fetched(f"{known.replace(youtube.SITE, self._video_site)}&hl=en", _PAGE)
        title, author, track = youtube.offered(html, page, language=language)
        _, raw = await self._fetched(youtube.captions_url(track, page), _CAPTIONS)
        return youtube.transcript(raw, url=known, title=title, author=author, track=track)

    async def _fetched(self, url: str, form: _Form[T]) -> tuple[str, T]:
        try:
            async with asyncio.timeout(time_left(self._budget.total_s)):
                target = inspected(url, self._allowlist)
                for _ in range(self._budget.redirects + 1):
                    answer = await self._visit(target, form)
                    if isinstance(answer, _Got):
                        return target.url, answer.body
                    target = answer
        except TimeoutError:
            raise _unreachable("deadline") from None
        except pinned.NoAnswer:
            raise _unreachable("lookup") from None
        except httpx.HTTPError as error:
            raise _unreachable(type(error).__name__) from None
        raise Refusal(
            "This address redirects too often: open it in a browser and give the address it ends at.",
            field="url",
            code="source.redirects",
        )

    async def _visit(self, target: Target, form: _Form[T]) -> _Got[T] | Target:
        """Fetch one hop: return what it answers, or where it redirects to."""
        with blocking():
            found = await pinned.addresses_of(target, resolve=self._resolve, within_s=self._budget.lookup_s)
            for address in found[:_ADDRESSES_TRIED]:
                with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                    return await self._ask(target, address, form)
        raise _unreachable("connection")

    async def _ask(self, target: Target, address: str, form: _Form[T]) -> _Got[T] | Target:
        patience = pinned.Patience(connect_s=self._budget.connect_s, total_s=self._budget.total_s)
        headers = {"Accept": form.accept, **_HEADERS}
        async with pinned.answered(target, address, headers=headers, patience=patience, tls=self._tls) as response:
            return await self._answer(target, response, form)

    async def _answer(self, target: Target, response: httpx.Response, form: _Form[T]) -> _Got[T] | Target:
        if sum(len(name) + len(value) for name, value in response.headers.raw) > self._budget.header_bytes:
            raise web_body.too_large(self._budget.wire_bytes)
        if response.status_code in _REDIRECTS:
            return self._next(target, response.headers.get("location", ""))
        _check_status(response)
        form.check(response.headers)
        raw = await self._raw(response)
        return _Got(form.body(raw, response.headers, self._budget.html_bytes))

    def _next(self, target: Target, location: str) -> Target:
        """Return the next hop, checked as the first was. Never from https to http."""
        if not location or any(c.isspace() or c in "\\\x00" for c in location):
            raise blocked("location")
        try:
            joined = location if _SCHEME.match(location) else ada_url.join_url(target.url, location)
        except ValueError:
            raise blocked("location") from None
        following = inspected(joined, self._allowlist)
        if target.scheme == "https" and following.scheme == "http":
            raise blocked("downgrade")
        return following

    async def _raw(self, response: httpx.Response) -> bytes:
        """Return the body as it came over the wire: nothing is inflated here, so the cap holds."""
        limit = self._budget.wire_bytes
        declared = response.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            raise web_body.too_large(limit)
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > limit:
                raise web_body.too_large(limit)
        return bytes(body)


class _Article(msgspec.Struct, frozen=True):
    """What the extracting process answers; `article.py` writes it."""

    title: str
    paragraphs: tuple[str, ...]
    language: str
    site: str | None


async def _article(html: str, url: str, *, most_s: float) -> _Article | None:
    """Extract in a process of its own, under limits: a page built to exhaust a parser ends that process alone.

    Raises Refusal for such a page, Outage where our machine had no time for it.
    """
    seconds = time_left(most_s)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", _EXTRACTOR),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=surroundings(),
    )
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await child.communicate(msgspec.json.encode({"html": html, "url": url}))
    except TimeoutError:  # a page that is too much for its parser ends by its own limits: it is we who are slow
        raise _unreachable("deadline") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        _log.warning("extraction_failed", status=child.returncode)
        raise web_body.unreadable()
    return msgspec.json.decode(answer, type=_Article | None)


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status in _PASSING or status >= 520:  # noqa: PLR2004 - 520 and above: a content network's own failures
        asked_s = retry_after_s(response.headers.get("retry-after", ""), now=clock.now())
        raise _unreachable("status", wait_s=5 if asked_s is None else asked_s)
    if status != httpx.codes.OK.value:
        raise Refusal(
            f"The page answered with status {status}: give the address of a page that opens without logging in.",
            field="url",
            code="source.not_found",
        )


def _unreachable(reason: str, *, wait_s: float = 5) -> Outage:
    _log.info("source_unreachable", reason=reason)
    return Outage(
        "The page can't be reached just now: check that it opens in a browser, or paste its text instead.",
        code="source.unreachable",
        wait=timedelta(seconds=min(wait_s, 300)),
    )

"""Uploads to YouTube by its resumable protocol: a session, then pieces; after a cut it says what it has.

By developers.google.com/youtube/v3/guides/using_resumable_upload_protocol, /docs/videos, /docs/videos/insert and
/docs/errors, read on 2026-11-21. Pieces but the last are multiples of 256 KiB; 308 with `Range` is what has arrived; a
video exists once its last byte has. `status.containsSyntheticMedia` since 2024-10-30. Titles: 100 characters,
descriptions: 5,000 bytes, neither with angle brackets. Uploads from projects that weren't audited stay private.
"""

import asyncio
import random
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from reelwright.ground import clock
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.log import logger
from reelwright.providers.calls import retry_after_s
from reelwright.providers.youtube_access import Grant, UploadRefused

__all__ = ["PRIVACIES", "Arrived", "Notice", "SessionGone", "UploadRefused", "YouTube"]

_log = logger(__name__)

PIECE = 8 * 1024 * 1024
PRIVACIES = ("private", "unlisted", "public")

_RESUME = 308
_GONE = {404, 410}
_DONE = {200, 201}
_PASSING = {408, 429, 500, 502, 503, 504}
_FULL = {"quotaExceeded", "uploadLimitExceeded", "rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded"}
_TITLE, _DESCRIPTION_BYTES, _TAGS = 100, 4_900, 400
_ARRIVED = re.compile(r"bytes=0-(\d+)")
_TRIES = 5
_LONGEST_PAUSE_S = 20.0
_LONGEST_S = 300.0  # for one piece: less than a publication is held for
_EDUCATION = "27"


class SessionGone(Exception):  # noqa: N818 - not an error: sessions end
    """The session is known no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What stands beside a video. It is always marked as made by machines."""

    title: str
    description: str
    tags: tuple[str, ...]
    language: str
    privacy: str

    def resource(self) -> dict[str, Any]:
        """Return the video resource, cut to what is taken."""
        tags: list[str] = []
        for tag in self.tags:
            if sum(len(each) + 3 for each in (*tags, tag)) <= _TAGS:
                tags.append(tag)
        description = _plain(self.description).encode()[:_DESCRIPTION_BYTES].decode(errors="ignore")
        return {
            "snippet": {
                "title": _plain(self.title)[:_TITLE],
                "description": description,
                "tags": tags,
                "categoryId": _EDUCATION,
                "defaultLanguage": self.language,
            },
            "status": {
                "privacyStatus": self.privacy,
                "containsSyntheticMedia": True,
                "selfDeclaredMadeForKids": False,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What YouTube has: so many bytes, and the video's id once it has all."""

    size: int
    video: str | None = None


class _Video(msgspec.Struct, frozen=True):
    id: str = ""


class _Reason(msgspec.Struct, frozen=True):
    reason: str = ""


class _Error(msgspec.Struct, frozen=True):
    errors: tuple[_Reason, ...] = ()


class _Failed(msgspec.Struct, frozen=True):
    error: _Error = _Error()


@dataclass(frozen=True, slots=True)
class YouTube:
    """A channel, by an OAuth access token with the scope youtube.upload or by a grant. `url` is where uploads begin."""

    token: str
    url: str
    grant: Grant | None = None
    pause_s: float = 1.0
    piece: int = PIECE

    def __repr__(self) -> str:
        return f"YouTube(url={self.url!r})"

    @classmethod
    def granted(cls, *, client_id: str, client_secret: str, refresh_token: str, token_url: str, url: str) -> "YouTube":
        """Return a channel whose access tokens are renewed by a refresh token, however long an upload takes."""
        grant = Grant(client_id=client_id, client_secret=client_secret, refresh_token=refresh_token, url=token_url)
        return cls(token="", url=url, grant=grant)

    async def begin(self, notice: Notice, size: int) -> str:
        """Open a session for so many bytes and return its address. Raises UploadRefused, Outage."""
        headers = {"X-Upload-Content-Length": str(size), "X-Upload-Content-Type": "video/mp4"}
        query = {"uploadType": "resumable", "part": "snippet,status"}
        async with self._client() as client:
            answer = await _sent(client.post(self.url, params=query, json=notice.resource(), headers=headers))
        if answer.status_code != httpx.codes.OK.value or not answer.headers.get("location"):
            raise _failure(answer)
        address = str(httpx.URL(self.url).join(answer.headers["location"]))
        if httpx.URL(address).host != httpx.URL(self.url).host:
            raise Outage("YouTube's answer can't be used.", code="publication.unavailable")  # our token stays with it
        return address

    async def ask(self, session: str, size: int) -> Arrived:
        """Return what has arrived. Raises SessionGone, UploadRefused, Outage."""
        headers = {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
        async with self._client() as client:
            return _arrived(await _sent(client.put(session, headers=headers)), size)

    async def send(self, session: str, path: Path, start: int, end: int, size: int) -> Arrived:
        """Send a file's bytes from `start` to before `end` and return what has arrived.

        Raises SessionGone, UploadRefused, Outage; then `ask` knows what came through.
        """
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{size}", "Content-Type": "video/mp4"}
        piece = await asyncio.to_thread(_read, path, start, end)
        async with self._client() as client:
            return _arrived(await _sent(client.put(session, content=piece, headers=headers)), size)

    async def rest(self, tries: int, wait: timedelta) -> bool:
        """Wait before another try, with jitter or as long as YouTube asks; False where it was tried often enough."""
        if tries >= _TRIES or wait.total_seconds() > _LONGEST_PAUSE_S:
            return False
        await asyncio.sleep(max(wait.total_seconds(), random.uniform(0, self.pause_s * 2**tries)))  # noqa: S311 - jitter
        return True

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[httpx.AsyncClient]:
        headers = {"Accept-Encoding": "identity"}
        if self.grant is None:
            headers["Authorization"] = f"Bearer {self.token}"
        timeout = httpx.Timeout(120, connect=10)
        async with httpx.AsyncClient(
            headers=headers, auth=self.grant, timeout=timeout, follow_redirects=False, trust_env=False
        ) as client:
            yield client


async def _sent(request: Any) -> httpx.Response:
    try:
        async with asyncio.timeout(_LONGEST_S):
            return await request
    except (httpx.HTTPError, TimeoutError) as away:
        _log.warning("publication.cut", error=type(away).__name__)
        raise Outage("YouTube isn't answering just now.", code="publication.unavailable", wait=timedelta(0)) from None


def _arrived(answer: httpx.Response, size: int) -> Arrived:
    if answer.status_code == _RESUME:
        found = _ARRIVED.fullmatch(answer.headers.get("range", ""))
        return Arrived(size=min(size, int(found[1]) + 1) if found else 0)
    if answer.status_code in _DONE:
        video = _decoded(answer, _Video()).id
        if not video:
            raise Outage("YouTube's answer can't be used.", code="publication.unavailable")
        return Arrived(size=size, video=video)
    if answer.status_code in _GONE:
        raise SessionGone
    raise _failure(answer)


def _failure(answer: httpx.Response) -> Refusal | Outage:
    """Return what a status means for the operator; YouTube's own words stay here."""
    status, reasons = answer.status_code, {each.reason for each in _decoded(answer, _Failed()).error.errors}
    _log.warning("publication.failed", status=status, reasons=sorted(reasons)[:3])
    if reasons & _FULL:
        return Outage(
            "YouTube takes no more uploads from this project or channel today: try again tomorrow.",
            code="publication.quota",
            wait=timedelta(hours=1),
        )
    if status in {401, 403}:
        return UploadRefused(
            "YouTube doesn't accept our token: get a new one with the scope youtube.upload.",
            field="REELWRIGHT_YOUTUBE_TOKEN",
        )
    if status in _PASSING:
        asked = retry_after_s(answer.headers.get("retry-after", ""), now=clock.now())
        return Outage(
            "YouTube isn't answering just now.", code="publication.unavailable", wait=timedelta(seconds=asked or 0)
        )
    return UploadRefused(f"YouTube won't take this video (status {status}).")


def _decoded(answer: httpx.Response, default: Any) -> Any:
    try:
        return msgspec.json.decode(answer.content[:100_000], type=type(default))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return default


def _read(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def _plain(text: str) -> str:
    return text.replace("<", "").replace(">", "").strip()

"""A server on loopback that takes videos as YouTube does: sessions, pieces, 308 with what has arrived, and faults.

`cuts`: after so many bytes of each next piece the line is cut; what came before that has arrived. `says`: played
first, one a request, as (status, reason). `loses`: the next answer that would name a video is never sent.

At `token_url` a refresh token is exchanged for an access token, each time a new one, that lasts for `lasts_s`.
"""

import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.simulators.openai import Receive, Send, SimulatedOpenAI, give, hangs, served

TOKEN = "ya29.token-of-tests"
GRANT = {"client_id": "client", "client_secret": "client-secret", "refresh_token": "1//refresh-token-of-tests"}
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")


@dataclass
class Session:
    size: int
    notice: dict[str, Any]
    got: bytearray = field(default_factory=bytearray)
    video: str = ""


@dataclass
class SimulatedYouTube(SimulatedOpenAI):
    """The server. `videos` are those that exist: by id, their bytes."""

    sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    videos: dict[str, bytes] = field(default_factory=dict[str, bytes])
    says: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    cuts: list[int] = field(default_factory=list[int])
    requests: list[str] = field(default_factory=list[str])
    loses: bool = False
    tokens: list[str] = field(default_factory=lambda: [TOKEN])
    exchanges: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    lasts_s: int = 3600

    def begin_anew(self) -> None:
        self.sessions, self.videos, self.says, self.cuts, self.requests, self.loses = {}, {}, [], [], [], False
        self.tokens, self.exchanges, self.lasts_s = [TOKEN], [], 3600

    @property
    def token_url(self) -> str:
        return self.base_url.removesuffix("/v1") + "/token"

    @property
    def url(self) -> str:
        return self.base_url.removesuffix("/v1") + "/upload/youtube/v3/videos"

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        query = parse_qs(scope["query_string"].decode())
        if scope["path"] == "/token":
            await self._exchanges(headers, receive, send)
            return
        self.requests.append(f"{scope['method']} {headers.get('content-range', '')}".strip())
        if self.says:
            status, reason = self.says.pop(0)
            await _body(receive)
            await give(send, _error(reason), status=status)
        elif headers.get("authorization") != f"Bearer {self.tokens[-1]}":
            await _body(receive)
            await give(send, _error("authError"), status=401)
        elif scope["method"] == "POST":
            await self._begins(headers, query, json.loads(await _body(receive)), send)
        else:
            await self._takes(headers, query["upload_id"][0], receive, send)

    async def _exchanges(self, headers: dict[str, str], receive: Receive, send: Send) -> None:
        form = {name: value for name, (value,) in parse_qs((await _body(receive)).decode()).items()}
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        assert "authorization" not in headers
        assert form.pop("grant_type") == "refresh_token"
        if self.exchanges:
            status, reason = self.exchanges.pop(0)
            await give(send, json.dumps({"error": reason}).encode(), status=status)
        elif form != GRANT:
            await give(send, b'{"error": "invalid_grant", "error_description": "Bad Request"}', status=400)
        else:
            self.tokens.append(f"ya29.renewed-{len(self.tokens)}")
            given = {"access_token": self.tokens[-1], "expires_in": self.lasts_s, "token_type": "Bearer"}
            await give(send, json.dumps(given).encode())

    async def _begins(
        self, headers: dict[str, str], query: dict[str, list[str]], notice: dict[str, Any], send: Send
    ) -> None:
        assert query == {"uploadType": ["resumable"], "part": ["snippet,status"]}
        assert headers["x-upload-content-type"] == "video/mp4"
        name = f"s{len(self.sessions) + 1}"
        self.sessions[name] = Session(size=int(headers["x-upload-content-length"]), notice=notice)
        await give(send, b"", headers={"location": f"{self.url}?uploadType=resumable&upload_id={name}"})

    async def _takes(self, headers: dict[str, str], name: str, receive: Receive, send: Send) -> None:
        session, found = self.sessions.get(name), _RANGE.fullmatch(headers["content-range"])
        assert found is not None
        if session is None:
            await _body(receive)
            await give(send, _error("notFound"), status=404)
            return
        assert int(found[3]) == session.size
        if found[1] is None:
            assert await _body(receive) == b""
        else:
            assert int(found[1]) == len(session.got), "sent what was there already, or left something out"
            cut = self.cuts.pop(0) if self.cuts else None
            piece = await _body(receive, most=cut)
            session.got += piece
            if cut is not None:
                send.__self__.transport.abort()  # type: ignore[attr-defined] - uvicorn's own cycle behind the callable
                await hangs(send, receive)
                return
            last = int(found[2]) + 1 == session.size
            assert last or len(piece) % (256 * 1024) == 0
        await self._answers(session, send, receive)

    async def _answers(self, session: Session, send: Send, receive: Receive) -> None:
        if len(session.got) < session.size:
            got = {"range": f"bytes=0-{len(session.got) - 1}"} if session.got else {}
            await give(send, b"", status=308, headers=got)
            return
        if not session.video:
            session.video = f"video-{len(self.videos) + 1}"
            self.videos[session.video] = bytes(session.got)
        if self.loses:
            self.loses = False
            send.__self__.transport.abort()  # type: ignore[attr-defined] - as above
            await hangs(send, receive)
            return
        await give(send, json.dumps({"kind": "youtube#video", "id": session.video}).encode(), status=201)


async def _body(receive: Receive, most: int | None = None) -> bytes:
    """Read a request's body, or no more than so many bytes of it."""
    body = b""
    while most is None or len(body) < most:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    return body if most is None else body[:most]


def _error(reason: str) -> bytes:
    return json.dumps({"error": {"code": 0, "message": "no", "errors": [{"reason": reason}]}}).encode()


@asynccontextmanager
async def simulated_youtube() -> AsyncGenerator[SimulatedYouTube]:
    """Run the server on a free loopback port until the block ends."""
    async with served(SimulatedYouTube()) as state:
        yield state

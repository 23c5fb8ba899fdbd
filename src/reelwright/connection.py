"""Bounds what one connection may send, and how slowly: uvicorn's httptools protocol has no limits of its own."""

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from reelwright import api

HEAD_BYTES = 32 * 1024
HEAD_LINES = 100
HEAD_S = 10.0
"""A request's line and headers are here within this, from its first byte, or on a new connection from the start."""
BODY_S = 20.0
BODY_RATE = 1000
"""The body may take BODY_S, and a second more for each BODY_RATE bytes of it that came: uploads take their time."""
UNREAD_BYTES = 1024 * 1024
"""This much of a body may still come after its answer, which its sender may not have seen yet."""
AT_ONCE = 1000
"""Requests that a process answers at a time, open streams among them; more are told to come back."""
_WATCHED = b"/health/"  # who is asked whether he lives must not seem dead for being busy

_SHOWN_BYTES = 1024  # of an address that may be without end


@dataclass(frozen=True, slots=True)
class _Said:
    status: int
    code: str
    detail: str


_MALFORMED = _Said(400, code="request.malformed", detail="This is no HTTP/1.1 request.")
_SLOW = _Said(408, code="request.too_slow", detail="The request took too long to arrive.")
_LARGE = _Said(
    431, code="request.head_too_large", detail=f"Send at most {HEAD_LINES} headers and {HEAD_BYTES} bytes of them."
)
_BUSY = _Said(503, code="service.busy", detail="Too many requests at once: send it again in a moment.")


class _Turned(Exception):  # noqa: N818 - it turns somebody away
    pass


class Bounded(HttpToolsProtocol):
    """One connection: too large a head is 431, too slow a request 408, one too many 503; nothing of it is passed on.

    Also left out: trailers, which uvicorn would append to the headers of a request that is already being answered.
    """

    _late_at: float | None = None
    _watch: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    _unread_bytes = 0
    _refusal = _MALFORMED
    url = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] - as uvicorn itself has it
        super().connection_made(transport)
        self._expect(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._refusal = _LARGE
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect(HEAD_S)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_BYTES or len(self.headers) > HEAD_LINES:
            self._refusal = _LARGE
            raise _Turned
        if len(self.tasks) >= AT_ONCE and not self.url.startswith(_WATCHED):
            self._refusal = _BUSY
            raise _Turned
        self._in_head = False
        self._unread_bytes = 0
        self._expect(BODY_S)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self._late_at is not None:
            self._late_at += len(body) / BODY_RATE
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > UNREAD_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head, self._head_bytes, self._late_at = True, 0, None
        self.url, self.headers = b"", []  # they are not the next one's

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's one sentence for everything
        said = self._refusal
        known = None if self._in_head else self.scope.get("request_id")  # by then the gatehouse has chosen it
        request_id = str(known or api.request_id_of(self.headers or []))
        path = self.url.partition(b"?")[0][:_SHOWN_BYTES].decode("latin-1")
        problem = api.problem(said.status, said.code, detail=said.detail, instance=path, request_id=request_id)
        content = json.dumps(problem).encode()
        head = b"content-type: application/problem+json\r\nx-content-type-options: nosniff\r\nconnection: close\r\n"
        head += b"retry-after: 1\r\n" if said.status == HTTPStatus.SERVICE_UNAVAILABLE else b""
        head += f"x-request-id: {request_id}\r\ncontent-length: {len(content)}\r\n\r\n".encode()
        if self._may_answer():
            self.transport.write(STATUS_LINE[said.status] + head + content)
        self.transport.close()

    def _may_answer(self) -> bool:
        """Say whether our words would be taken for the answer to this request, and not for another one's."""
        if not self.cycle:  # there is none before the first request
            return bool(self._head_bytes)
        return self.cycle.response_complete if self._in_head else not self.cycle.response_started

    def _expect(self, within_s: float) -> None:
        """Let the next step be due; the timer is only moved when it fires."""
        self._late_at = self.loop.time() + within_s
        if self._watch is None:
            self._watch = self.loop.call_at(self._late_at, self._look)

    def _look(self) -> None:
        self._watch = None
        if self._late_at is None or self.transport.is_closing():
            return
        if self.flow.read_paused:  # we don't read: it is we who are slow
            self._late_at = self.loop.time() + BODY_S
        if self.loop.time() < self._late_at:
            self._watch = self.loop.call_at(self._late_at, self._look)
            return
        self._refusal = _SLOW
        self.send_400_response("")

"""Around every request: whose name it used, what browsers may do with its answer, one count and one log line."""

import logging
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import structlog
from litestar import Litestar, Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from reelwright.api.arriving import whole_bodies
from reelwright.api.contract_text import HEADERS
from reelwright.api.problems import document
from reelwright.api.tracking import track_request
from reelwright.ground import clock, log
from reelwright.ground.errors import Kind, Refusal

_log = logging.getLogger("api.requests")

_GIVEN = re.compile(rb"[A-Za-z0-9_\-]{8,64}")
_HOST = re.compile(rb"([a-z0-9.\-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_LOOPBACK = frozenset({b"127.0.0.1", b"localhost", b"[::1]"})
_MACHINES = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Load balancers and Prometheus ask every few seconds, by a process's address. The answers depend on no name."""

_PAGE = b"default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
_DATA = b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
_FILE = b"default-src 'none'; img-src 'self'; media-src 'self'; base-uri 'none'; frame-ancestors 'none'"
_NEVER = (
    b"accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), "
    b"midi=(), payment=(), usb=()"
)
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", _NEVER),
    (b"cache-control", b"no-store"),
)
_HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_VARY = b"Authorization, Cookie"

_MAY_SEND = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Range, Last-Event-ID, Range, "
    b"X-CSRF-Token, X-Request-Id"
)
_MAY_ASK = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_MAY_READ = ", ".join(sorted({*HEADERS, "Content-Disposition"} - {"Set-Cookie"})).encode()
_PREFLIGHT_S = b"600"

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Gatehouse:
    """What is let in and what is said about answers.

    `hosts` are the names we answer to besides loopback, without ports; None: any, for tests. `origins` are the web
    pages' origins whose scripts may call us with credentials. `https`: people reach us by https alone.
    """

    hosts: frozenset[bytes] | None
    origins: frozenset[bytes]
    https: bool

    @classmethod
    def of(cls, hosts: Iterable[str] | None, origins: Iterable[str], *, https: bool) -> "Gatehouse":
        """Return it for names and origins as an operator writes them."""
        names = None if hosts is None else frozenset(name.strip().lower().encode() for name in hosts) | _LOOPBACK
        return cls(names, frozenset(origin.rstrip("/").lower().encode() for origin in origins), https)


class _Turned(Refusal):
    """A request that no handler sees."""


def guard(app: Litestar, house: Gatehouse) -> None:
    """Put the gatehouse around all of an app: unknown paths, refusals and crashes get its headers and log line too."""
    app.asgi_handler = _guarded(app.asgi_handler, house)


def request_id_of(headers: Headers) -> str:
    """Return the caller's id, where it is a plain token, else a new one."""
    given = next((value for name, value in headers if name == b"x-request-id"), b"")
    return given.decode() if _GIVEN.fullmatch(given) else secrets.token_hex(16)


def _guarded(inner: ASGIApp, house: Gatehouse) -> ASGIApp:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await inner(scope, receive, send)
            return
        began = time.perf_counter()
        headers: Headers = list(scope["headers"])
        chosen = request_id_of(headers)
        scope["request_id"] = chosen  # type: ignore[typeddict-unknown-key]  # ASGI scopes carry extensions
        origin = _listed_origin(headers, house)
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _dressed(list(message["headers"]), chosen, origin, house)
                await track_request(message, scope)
            await send(message)

        before = structlog.contextvars.bind_contextvars(request_id=chosen)
        try:
            await _let_in(inner, scope, receive, answer, headers=headers, origin=origin, house=house)
        finally:
            _tell(scope, status, began)
            structlog.contextvars.reset_contextvars(**before)
            structlog.contextvars.unbind_contextvars("generation_id")

    return handler


async def _let_in(
    inner: ASGIApp,
    scope: HTTPScope,
    receive: Receive,
    send: Send,
    *,
    headers: Headers,
    origin: bytes | None,
    house: Gatehouse,
) -> None:
    try:
        _check(scope, headers, house)
    except _Turned as turned:
        renamed: Any = {**scope, "headers": [(b"host", b"localhost")]}  # no URL can be made of some names
        request: Request[Any, Any, Any] = Request(renamed, receive, send)
        status = 415 if turned.field == "Content-Encoding" else 400
        problem = document(request, status=status, code=turned.code, detail=turned.sentence, field=turned.field)
        await problem.to_asgi_response(app=None, request=request)(scope, receive, send)
        return
    if origin and scope["method"] == "OPTIONS" and any(name == b"access-control-request-method" for name, _ in headers):
        allowed = [
            (b"access-control-allow-methods", _MAY_ASK),
            (b"access-control-allow-headers", _MAY_SEND),
            (b"access-control-max-age", _PREFLIGHT_S),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": allowed})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    await inner(scope, whole_bodies(receive), send)


def _check(scope: HTTPScope, headers: Headers, house: Gatehouse) -> None:
    """Raises _Turned for a name that isn't ours (a poisoned link, a rebound DNS name), and for packed bodies."""
    named = [value for name, value in headers if name == b"host"]
    found = _HOST.fullmatch(named[0].lower()) if len(named) == 1 else None
    ours = found is not None and (house.hosts is None or found[1] in house.hosts)
    if not ours and scope["path"] not in _MACHINES:
        raise _Turned("Host: we don't answer to this name.", field="Host", code="request.host", kind=Kind.INVALID)
    if any(name == b"content-encoding" and value.lower() != b"identity" for name, value in headers):
        raise _Turned(
            "Send the body as it is, without a Content-Encoding.", field="Content-Encoding", code="request.content_type"
        )


def _listed_origin(headers: Headers, house: Gatehouse) -> bytes | None:
    """Return the request's origin where it is one of ours, letter by letter."""
    said = [value for name, value in headers if name == b"origin"]
    return said[0] if len(said) == 1 and said[0] in house.origins else None


def _dressed(sent: Headers, chosen: str, origin: bytes | None, house: Gatehouse) -> Headers:
    """Return the answer's headers with ours, which stand back behind what the handler said itself."""
    named = dict(sent)
    sent.append((b"x-request-id", chosen.encode()))
    kind = named.get(b"content-type", b"")
    page = kind.startswith(b"text/html")
    policy = _PAGE if page else _FILE if kind.startswith((b"video/", b"audio/", b"image/")) else _DATA
    sent += [header for header in _ALWAYS if header[0] not in named]
    if b"content-security-policy" not in named:
        sent.append((b"content-security-policy", policy))
    if b"referrer-policy" not in named:  # a page's forms need their own origin, which no-referrer would make null
        sent.append((b"referrer-policy", b"same-origin" if page else b"no-referrer"))
    if house.https:
        sent.append(_HTTPS_ONLY)
    varies = _VARY + b", Origin" if house.origins else _VARY
    sent = [header for header in sent if header[0] != b"vary"]
    sent.append((b"vary", named[b"vary"] + b", " + varies if b"vary" in named else varies))
    if origin is not None:
        sent += [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", _MAY_READ),
        ]
    return sent


def _tell(scope: HTTPScope, status: int, began: float) -> None:
    """Log who asked which route and how it was answered; nothing that was in the request. Status 0: nobody waited."""
    level = logging.DEBUG if scope["path"] in _MACHINES else logging.INFO
    if not _log.isEnabledFor(level):
        return
    account = scope["state"].get("account")
    line = {name: log.shown(name, said) for name, said in structlog.contextvars.get_contextvars().items()} | {
        "method": scope["method"],
        "route": scope.get("path_template") or "unknown",
        "status": status,
        "ms": round((time.perf_counter() - began) * 1000, 1),
        "account_id": None if account is None else str(account.id),
        "event": "request",
        "level": logging.getLevelName(level).lower(),
        "timestamp": clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    # As structlog hands it to the standard library: its own way there takes twice as long, and finds who calls.
    record: Any = logging.LogRecord(_log.name, level, __file__, 0, line, None, None)
    record._logger, record._name = _log, line["level"]  # noqa: SLF001 - what marks a line of structlog's
    _log.handle(record)

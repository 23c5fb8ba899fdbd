"""What every request passes first: a request id, a body that is JSON and says so, and a size cap."""

import re
from typing import Any
from uuid import uuid4

import structlog
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.handlers.base import BaseRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send

_GIVEN = re.compile(r"[A-Za-z0-9_\-]{8,64}")
_WITH_BODY = {"POST", "PUT", "PATCH"}
BODY_LIMIT = 256 * 1024  # decisions.md 23


def request_id(app: ASGIApp) -> ASGIApp:
    """Give each request an id (the caller's, where it is a plain token), put it in the log and on the answer."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        chosen = given if _GIVEN.fullmatch(given) else uuid4().hex
        scope["request_id"] = chosen  # type: ignore[typeddict-unknown-key]  # ASGI scopes carry extensions

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableScopeHeaders.from_message(message)
                sent["X-Request-Id"] = chosen
                sent["X-Content-Type-Options"] = "nosniff"
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=chosen):
            await app(scope, receive, answer)
        structlog.contextvars.unbind_contextvars("generation_id")

    return middleware


async def generation_named(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Let all that this request logs name the generation of its path."""
    if (generation := connection.path_params.get("generation_id")) is not None:
        structlog.contextvars.bind_contextvars(generation_id=str(generation))


async def json_only(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Let a body in only as application/json: a cross-site form can send text/plain with cookies. Raises 415.

    A request without body and type passes, as `curl -X POST` sends it; no browser's form can leave its type out.
    """
    if connection.scope.get("method") not in _WITH_BODY:
        return
    headers = connection.headers
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    empty = "transfer-encoding" not in headers and headers.get("content-length", "0") == "0"
    if content_type != "application/json" and (content_type or not empty):
        raise HTTPException(status_code=415, detail="Send the body as JSON, with `Content-Type: application/json`.")

"""A request's Idempotency-Key, for what isn't an order: what to know a repeat by, and how one is answered."""

import contextlib
import functools
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.params import HeaderParameter
from litestar.status_codes import HTTP_300_MULTIPLE_CHOICES
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from reelwright.accounts import RequestKey
from reelwright.api.creations import key_of
from reelwright.api.operations import definition_of, parameters_of
from reelwright.journeys import identity

_AGAIN = "Not needed. A repeat with the same key does nothing and tells what is so; its answer is marked."
_DONE_ONCE = "any new text. A repeat does nothing again, and its answer is marked."
_NEEDED = f"Needed: {_DONE_ONCE}"
_NEEDED_OR_DRY = f"Needed unless dry_run: {_DONE_ONCE}"
_UNKEPT = "Taken and not kept: a repeat is answered anew."

Repeatable = Annotated[str | None, HeaderParameter(name="Idempotency-Key", description=_AGAIN)]
"""The header of those POSTs that say what shall be, and may be sent twice: `let_in` knows repeats, and marks them."""
Needed = Annotated[str, HeaderParameter(name="Idempotency-Key", description=_NEEDED)]
"""The same, where the journey asks for a key and knows what it made, but not whether it had made it before."""
NeededOrDry = Annotated[str | None, HeaderParameter(name="Idempotency-Key", description=_NEEDED_OR_DRY)]
Unkept = Annotated[str | None, HeaderParameter(name="Idempotency-Key", description=_UNKEPT)]
"""The header of those POSTs that change nothing, or whose caller isn't known before or after: its form is checked."""
REPLAYED: Mapping[str, str] = {"Idempotency-Replayed": "true"}
_REPLAYED = (b"idempotency-replayed", b"true")


def key_understood(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Let a POST in whose Idempotency-Key, if it has one, is one, whoever needs it. Raises BadField."""
    if connection.scope.get("method") == "POST" and "idempotency-key" in connection.headers:
        key_of(connection, dry_run=False)


@functools.cache
def marked(handler: BaseRouteHandler) -> bool:
    """Return whether `let_in` marks the answers to a route's repeats."""
    return _described(handler) in {_AGAIN, _NEEDED, _NEEDED_OR_DRY}


@functools.cache
def unkept(handler: BaseRouteHandler) -> bool:
    """Return whether a route's repeats are answered anew."""
    return _described(handler) == _UNKEPT


def _described(handler: BaseRouteHandler) -> str | None:
    told = (definition_of(field) for field in parameters_of(handler).values())
    return next((one.description for one in told if one.name == "Idempotency-Key"), None)


async def marking(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Hand a request with an Idempotency-Key on, and mark its answer where the same request was done before.

    It is done once it is answered well: what was refused may be sent again. Raises KeyReused, Outage.
    """
    request = Request[Any, Any, Any](scope, receive, send)
    known = await request_key(request)
    account, db = scope["state"]["account"].id, request.app.state.db
    again = known is not None and await identity.done_before(account, known, db=db)
    scope["state"]["again"] = again

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] < HTTP_300_MULTIPLE_CHOICES:
            if again:
                message["headers"] = [*(one for one in message["headers"] if one != _REPLAYED), _REPLAYED]
            elif known is not None:
                await identity.done(account, known, db=db)
        await send(message)

    await app(scope, receive, answer)


async def again_of(request: Request[Any, Any, Any]) -> bool:
    """Return whether this very request was done before, and nothing is to be done. False where none is marked."""
    return request.scope["state"].get("again", False)


async def request_key(request: Request[Any, Any, Any]) -> RequestKey | None:
    """Return what this request's repeats are known by; None where it has no Idempotency-Key. Raises BadField.

    Its scope is method and path; bodies that say the same in JSON are the same.
    """
    if "idempotency-key" not in request.headers:
        return None
    key = key_of(request, dry_run=False)
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        with contextlib.suppress(ValueError, RecursionError):  # what isn't JSON is refused where it is decoded
            body = msgspec.json.encode(msgspec.json.decode(body), order="deterministic")
    return RequestKey(
        scope=f"{request.method} {request.url.path}"[:200],
        key_hash=sha256(key.encode()).digest(),
        fingerprint=sha256(body).digest(),
    )

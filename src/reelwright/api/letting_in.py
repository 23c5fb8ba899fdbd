"""What stands before every route of /v1: what comes in is JSON, from somebody known, asks plainly, and names its work.

A middleware and no guard: Litestar copies the route's handler for each guard of each request.
"""

from typing import Any

import msgspec
from litestar.connection import ASGIConnection
from litestar.types import ASGIApp, Receive, Scope, Send

from reelwright.api.arriving import generation_named, json_only
from reelwright.api.caller import known
from reelwright.api.idempotency import key_understood, marked, marking
from reelwright.api.unambiguous import query_understood


def let_in(app: ASGIApp) -> ASGIApp:
    """Return the app for those who may ask it. The others are raised to: 415, 401, 403, 400, 422, Outage."""

    async def entered(scope: Scope, receive: Receive, send: Send) -> None:
        handler = scope["route_handler"]
        connection = ASGIConnection[Any, Any, Any, Any](scope, receive, send)
        json_only(connection, handler)
        await known(connection, handler)
        if scope["query_string"]:
            query_understood(connection, handler)
        key_understood(connection)
        generation_named(connection)
        if marked(handler) and "idempotency-key" in connection.headers and not _dry(connection):
            await marking(app, scope, receive, send)
        else:
            await app(scope, receive, send)

    return entered


def _dry(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Return whether nothing is to be done, as the handler will read it; what it can't read it refuses."""
    if not connection.scope["query_string"]:
        return False
    said = connection.query_params.get("dry_run", "false")
    try:
        return msgspec.convert(said, bool, strict=False)
    except msgspec.ValidationError:
        return True

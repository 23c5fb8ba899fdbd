"""A request's Idempotency-Key, for what isn't an order: what to know a repeat by, and how one is answered."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.params import HeaderParameter

from reelwright.accounts import RequestKey
from reelwright.api.creations import key_of

Repeatable = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", description="Taken and not needed: a repeat does no harm.")
]
"""The header of those POSTs that say what shall be, and may be sent twice: its form is checked, nothing is kept."""
REPLAYED: Mapping[str, str] = {"Idempotency-Replayed": "true"}


def key_understood(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Let a POST in whose Idempotency-Key, if it has one, is one, whoever needs it. Raises BadField."""
    if connection.scope.get("method") == "POST" and "idempotency-key" in connection.headers:
        key_of(connection, dry_run=False)


async def request_key(request: Request[Any, Any, Any]) -> RequestKey | None:
    """Return what this request's repeats are known by; None where it has no Idempotency-Key. Raises BadField.

    Its scope is method and path; bodies that say the same in JSON are the same.
    """
    if "idempotency-key" not in request.headers:
        return None
    key = key_of(request, dry_run=False)
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        body = msgspec.json.encode(msgspec.json.decode(body), order="deterministic")
    return RequestKey(
        scope=f"{request.method} {request.url.path}"[:200],
        key_hash=sha256(key.encode()).digest(),
        fingerprint=sha256(body).digest(),
    )

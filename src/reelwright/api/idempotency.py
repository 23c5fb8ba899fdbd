"""A request's Idempotency-Key, for what isn't an order: what to know a repeat by, and how one is answered."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
from litestar import Request

from reelwright.accounts import RequestKey
from reelwright.api.creations import key_of

REPLAYED: Mapping[str, str] = {"Idempotency-Replayed": "true"}


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

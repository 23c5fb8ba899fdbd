"""QStash: a client that fails fast, and our own check of a delivery's signature."""

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import httpx
import jwt
from qstash import AsyncQStash

_LEEWAY_S = 60


def connect(*, token: str, base_url: str, timeout_s: float = 10.0) -> AsyncQStash:
    """Make the official client without its retries (they hide our bugs for 32 s), and with a time-out."""
    client = AsyncQStash(token, retry=False, base_url=base_url)
    client.http._client = httpx.AsyncClient(  # noqa: SLF001 - the SDK has no other way to set a time-out
        timeout=timeout_s, trust_env=False
    )
    return client


async def close(client: AsyncQStash) -> None:
    """Close the client's connections."""
    await client.http._client.aclose()  # noqa: SLF001 - the SDK has no close


def verified(*, signature: str | None, body: bytes, url: str, keys: Sequence[str]) -> bool:
    """Say whether one of the keys (current first, then next) signed exactly this body for exactly this URL.

    A QStash signature is an HS256 JWT: `iss` Upstash, `sub` the destination, `body` the base64url SHA-256 of the raw
    bytes. The SDK's receiver ignores its clock tolerance, so we decode with a leeway of 60 s ourselves.
    """
    if not signature:
        return False
    return any(_claims_hold(signature, body=body, url=url, key=key) for key in keys if key)


def _claims_hold(signature: str, *, body: bytes, url: str, key: str) -> bool:
    try:
        claims: dict[str, Any] = jwt.decode(
            signature,
            key,
            algorithms=["HS256"],
            issuer="Upstash",
            leeway=_LEEWAY_S,
            options={
                "require": ["iss", "sub", "exp", "nbf"],
                "verify_aud": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except jwt.InvalidTokenError:
        return False
    said = str(claims.get("body", "")).rstrip("=")
    digest = base64.urlsafe_b64encode(sha256(body).digest()).decode().rstrip("=")
    return hmac.compare_digest(said.encode(), digest.encode()) and hmac.compare_digest(
        str(claims["sub"]).encode(), url.encode()
    )

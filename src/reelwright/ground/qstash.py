"""QStash: a client that fails fast, and our own check of a delivery's signature."""

import base64
import hmac
import time
from collections.abc import Sequence
from hashlib import sha256

import httpx
import msgspec
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


class _Claims(msgspec.Struct):
    """What a signature says: who signed, for which URL, how long it holds (seconds since 1970), and the body's hash."""

    iss: str
    sub: str
    exp: float
    nbf: float
    body: str


_claims = msgspec.json.Decoder(_Claims)


def verified(*, signature: str | None, body: bytes, url: str, keys: Sequence[str]) -> bool:
    """Say whether one of the keys (current first, then next) signed exactly this body for exactly this URL.

    A QStash signature is an HS256 JWT (RFC 7515, RFC 7519): `iss` Upstash, `sub` the destination, `body` the base64url
    SHA-256 of the raw bytes. The SDK's receiver ignores its clock tolerance, and PyJWT takes ten times as long as this,
    which every delivery waits for. Nothing is read before the MAC is right, and no other algorithm exists here.
    """
    signed, _, mac = (signature or "").rpartition(".")
    if not signed.isascii() or not mac.isascii():
        return False
    if not any(
        hmac.compare_digest(_base64url(hmac.digest(key.encode(), signed.encode(), "sha256")), mac.rstrip("="))
        for key in keys
        if key
    ):
        return False
    try:
        claims = _claims.decode(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
    except ValueError:
        return False
    now = time.time()
    return (
        claims.iss == "Upstash"
        and claims.nbf - _LEEWAY_S <= now < claims.exp + _LEEWAY_S
        and hmac.compare_digest(claims.body.rstrip("=").encode(), _base64url(sha256(body).digest()).encode())
        and hmac.compare_digest(claims.sub.encode(), url.encode())
    )


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")

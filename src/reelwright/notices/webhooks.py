"""Webhooks: a notice as a signed request (Standard Webhooks 1.0.0), sent through the guard, once an attempt."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import msgspec
from standardwebhooks import Webhook

from reelwright.ground import clock, pinned
from reelwright.ground.addresses import Blocked, Target
from reelwright.ground.log import logger
from reelwright.notices.deliveries import Parcel, Receipt
from reelwright.notices.endpoints import Reach
from reelwright.notices.model import message_id

_log = logger(__name__)

_LOOKUP_S, _CONNECT_S, _TOTAL_S = 5.0, 5.0, 15.0
_ADDRESSES_TRIED = 2


class WebhookCaller:
    """Sends webhooks: no redirect followed, nothing kept between two, 15 seconds for everything."""

    def __init__(
        self,
        reach: Reach,
        *,
        resolve: pinned.Resolve = pinned.lookup,
        tls: ssl.SSLContext | None = None,
        total_s: float = _TOTAL_S,
    ) -> None:
        self._reach = reach
        self._resolve = resolve
        self._tls = tls
        self._patience = pinned.Patience(connect_s=_CONNECT_S, total_s=total_s)

    async def call(self, parcel: Parcel) -> Receipt:
        """Make one attempt. Whatever goes wrong stands in the receipt, in a word that tells nothing of our network."""
        at, began = clock.now(), time.monotonic()
        status, error, wait = None, None, None
        try:
            async with asyncio.timeout(self._patience.total_s):
                status, wait = await self._post(parcel, at)
        except TimeoutError:
            error = "timeout"
        except Blocked as block:
            _log.info("webhook_blocked", reason=block.reason, delivery=str(parcel.id))
            error = "address_not_allowed"
        except (pinned.NoAnswer, httpx.HTTPError) as failure:
            _log.info("webhook_unreachable", reason=type(failure).__name__, delivery=str(parcel.id))
            error = "timeout" if isinstance(failure, httpx.TimeoutException) else "unreachable"
        ms = round((time.monotonic() - began) * 1000)
        return Receipt(at=at, status=status, error=error, ms=ms, wait=wait)

    async def _post(self, parcel: Parcel, at: datetime) -> tuple[int, timedelta | None]:
        target = self._reach.target(parcel.url)
        found = await pinned.addresses_of(target, resolve=self._resolve, within_s=_LOOKUP_S)
        for address in found[:_ADDRESSES_TRIED]:
            with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._ask(target, address, parcel, at)
        raise pinned.NoAnswer

    async def _ask(self, target: Target, address: str, parcel: Parcel, at: datetime) -> tuple[int, timedelta | None]:
        body = body_of(parcel)
        headers = signed(parcel, body, at=at)
        async with pinned.answered(
            target, address, method="POST", headers=headers, content=body, patience=self._patience, tls=self._tls
        ) as response:
            return response.status_code, _asked_wait(response.headers.get("retry-after", ""), now=at)


def body_of(parcel: Parcel) -> bytes:
    """Return the payload: type, the event's own time, data; the same bytes at every attempt."""
    told_at = parcel.told_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    payload = {"type": parcel.kind.event, "timestamp": told_at, "data": parcel.facts}
    return msgspec.json.encode(payload, order="deterministic")


def signed(parcel: Parcel, body: bytes, *, at: datetime) -> Mapping[str, str]:
    """Return the headers of an attempt. While a secret is being replaced those before sign too, the new one first."""
    name = message_id(parcel.notice_id)
    secrets = (parcel.secret, *parcel.secrets_before)
    signatures = [Webhook(secret).sign(name, at, body.decode()) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Reelwright-Webhooks/1",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _asked_wait(header: str, *, now: datetime) -> timedelta | None:
    """Return what a Retry-After asks for: seconds or an HTTP-date (RFC 9110, 10.2.3); None for none."""
    said = header.strip()
    if said.isascii() and said.isdigit() and len(said) < 10:  # noqa: PLR2004 - more is no wait, but for ever
        return timedelta(seconds=int(said))
    try:
        return max(timedelta(0), parsedate_to_datetime(said) - now)
    except (ValueError, TypeError, OverflowError):  # TypeError: a date that names no zone
        return None

"""Webhooks: every event is signed and sent until it is taken, and goes wrong on the way as told."""

import asyncio
import contextlib
import hashlib
import hmac
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import aiohttp
import msgspec

from reelwright.dev.stripe.book import Book
from reelwright.dev.stripe.wire import Json, written
from reelwright.ground import log, tasks

Count = Annotated[int, msgspec.Meta(ge=0)]
_FIRST_WAIT_S, _LONGEST_WAIT_S, _MOST_TRIES = 0.2, 60.0, 14
_TIMEOUT = aiohttp.ClientTimeout(total=20)
_KEEP_ALIVE_S = 2  # less than a receiver keeps a silent connection

logger = log.logger("stripe")


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong on purpose: with events on their way out, and with the API's own answers."""

    duplicate: Count = 0  # each event is sent so many times more
    delay_ms: Count = 0  # and waits a random time up to this
    reorder: bool = False  # what waits is sent in a random order
    stopped: bool = False  # nothing is sent until this is false again
    answers: tuple[int, ...] = ()  # the next requests to the API are answered with these statuses, and not done
    lose_replies: Count = 0  # so many requests are done, and the connection is cut instead of an answer
    seed: int = 0


class Webhooks:
    """Sends a book's events to one URL, "" for nowhere. Each of the secrets signs: two while one is replaced."""

    def __init__(self, book: Book, *, url: str, secrets: Sequence[str]) -> None:
        self.url = url
        self.secrets = list(secrets)
        self._book = book
        self._waiting: list[tuple[float, int, Json]] = []  # not before, tries made, event
        self._news = asyncio.Event()
        self._under_way = 0
        book.tell = self._take
        self.set_faults(Faults())

    def set_faults(self, faults: Faults) -> None:
        """Let this go wrong from now on, and nothing else."""
        self.faults, self._dice = faults, random.Random(faults.seed)  # noqa: S311 - repeatable, not secret
        self._news.set()

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        return not self._waiting and not self._under_way

    def signed(self, event: Json) -> tuple[bytes, str]:
        """Return the body and the `Stripe-Signature` header (docs.stripe.com/webhooks/signature)."""
        body, now = written(event), int(time.time())
        macs = [hmac.new(each.encode(), b"%d." % now + body, hashlib.sha256).hexdigest() for each in self.secrets]
        return body, ",".join([f"t={now}", *(f"v1={mac}" for mac in macs)])

    def resend(self, event: Json) -> None:
        """Send an event once more."""
        self._take(event)

    @asynccontextmanager
    async def sending(self) -> AsyncGenerator[None]:
        """Send inside the block; leaving it drops what waits."""
        connector = aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_S)
        async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as client:
            sender = asyncio.create_task(self._send_due(client))
            try:
                yield
            finally:
                await tasks.end(sender)

    def _take(self, event: Json) -> None:
        if not self.url:
            event["pending_webhooks"] = 0
            return
        for _ in range(1 + self.faults.duplicate):
            wait_s = self._dice.uniform(0, self.faults.delay_ms) / 1000
            self._waiting.append((time.monotonic() + wait_s, 0, event))
        self._news.set()

    async def _send_due(self, client: aiohttp.ClientSession) -> None:
        while True:
            self._news.clear()
            now = time.monotonic()
            due = [] if self.faults.stopped else [each for each in self._waiting if each[0] <= now]
            if not due:
                later = [0.01 + each[0] - now for each in self._waiting] if not self.faults.stopped else []
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(later, default=None)):
                        await self._news.wait()
                continue
            chosen = self._dice.choice(due) if self.faults.reorder else due[0]
            self._waiting.remove(chosen)
            self._under_way = 1
            try:
                await self._send(client, chosen)
            finally:
                self._under_way = 0

    async def _send(self, client: aiohttp.ClientSession, chosen: tuple[float, int, Json]) -> None:
        _, tries, event = chosen
        body, signature = self.signed(event)
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}
        headers["User-Agent"] = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"
        try:
            async with client.post(self.url, data=body, headers=headers, allow_redirects=False) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            status = 0
        if 200 <= status < 300:  # noqa: PLR2004 - every 2xx, and nothing else, is success
            event["pending_webhooks"] = 0
        elif tries + 1 < _MOST_TRIES:
            wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**tries)
            self._waiting.append((time.monotonic() + wait_s, tries + 1, event))
        else:
            logger.warning("webhook given up", event_id=event["id"], type=event["type"], status=status)

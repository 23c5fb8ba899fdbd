"""Takes messages and sees each of them delivered, tried again or given up, side by side up to a cap."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from types import TracebackType
from typing import Self

import httpx

from reelwright.dev.delivery.credentials import Credentials
from reelwright.dev.delivery.message import Message, Refused, State
from reelwright.ground import log

DEFAULT_TIMEOUT_S = 900.0
_REMEMBER_FINISHED_S = 30
_DEDUPLICATION_WINDOW_S = 600
_ANSWER_CAP_BYTES = 64 * 1024
_NEVER_AGAIN = 489  # together with Upstash-NonRetryable-Error

logger = log.logger("delivery")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said; status 0 means that it never did."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - every 2xx, and nothing else, is success

    @property
    def final(self) -> bool:
        return self.status == _NEVER_AGAIN and self.headers.get("upstash-nonretryable-error", "").lower() == "true"


class Engine:
    """Lives inside `async with`; leaving it drops what waits and cuts what is under way.

    `allow` are the URL prefixes that may be delivered to. What is addressed to the first of `spread` goes to each of
    them in turn: one worker URL, as production has it, before several local processes.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        allow: Sequence[str],
        spread: Sequence[str] = (),
        parallel: int = 16,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self.credentials = credentials
        self._allow = tuple(prefix.rstrip("/") for prefix in allow)
        self._public, self._turns = (spread[0], cycle(spread)) if spread else ("", cycle([""]))
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(parallel)
        self._messages: dict[str, Message] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._taken_ids: dict[str, str] = {}
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=parallel)
        self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, limits=limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def publish(self, message: Message) -> tuple[str, bool]:
        """Accept a message; return its id and whether it is an earlier one's repeat. Raises Refused."""
        if not any(
            message.url == prefix or message.url.startswith((f"{prefix}/", f"{prefix}?")) for prefix in self._allow
        ):
            raise Refused(400, f"invalid destination url: {message.url} is not on this server's allow-list")
        key = message.deduplication_id
        if key is not None:
            if key in self._taken_ids:
                return self._taken_ids[key], True
            self._taken_ids[key] = message.id
            asyncio.get_running_loop().call_later(_DEDUPLICATION_WINDOW_S, self._taken_ids.pop, key, None)
        self._messages[message.id] = message
        task = asyncio.create_task(self._see_through(message), name=message.id)
        self._tasks[message.id] = task
        task.add_done_callback(lambda _: self._finished(message.id))
        return message.id, False

    def find(self, message_id: str) -> Message:
        """Return a message that waits, is under way or ended a moment ago. Raises Refused."""
        if message_id not in self._messages:
            raise Refused(404, f"message {message_id} not found")
        return self._messages[message_id]

    def cancel(self, message_id: str) -> bool:
        """Give up a message; one that is under way may still arrive, once. Returns False for one that has ended."""
        message = self.find(message_id)
        under_way, task = message.state is State.ACTIVE, self._tasks.get(message_id)
        if task is None:
            return False
        message.state = State.CANCELLED
        if not under_way:
            task.cancel()
        return True

    def pending(self) -> list[str]:
        """Return the ids of all messages that have not ended."""
        return list(self._tasks)

    def _finished(self, message_id: str) -> None:
        del self._tasks[message_id]
        asyncio.get_running_loop().call_later(_REMEMBER_FINISHED_S, self._messages.pop, message_id, None)

    async def _see_through(self, message: Message) -> None:
        wait_s = message.wait_s
        while True:
            await asyncio.sleep(wait_s)
            async with self._places:
                message.state = State.ACTIVE
                answer = await self._deliver(message)
            if message.state is not State.ACTIVE:  # cancelled while it was under way
                return
            if answer.good:
                message.state = State.DELIVERED
                return
            if answer.final or message.retried >= message.retries:
                message.state = State.FAILED
                logger.warning("delivery given up", message_id=message.id, status=answer.status, url=message.url)
                return
            wait_s = message.retry_wait_s(answer.headers)
            message.retried += 1
            message.state = State.WAITING
            logger.info("delivery failed", message_id=message.id, status=answer.status, again_in_s=round(wait_s, 3))

    async def _deliver(self, message: Message) -> Answer:
        signature = self.credentials.signature(url=message.url, body=message.body)
        try:
            async with (
                asyncio.timeout(min(message.timeout_s or self._timeout_s, self._timeout_s)),
                self._client.stream(
                    message.method,
                    next(self._turns) + message.url.removeprefix(self._public),
                    content=message.body,
                    headers=message.delivery_headers(signature),
                    timeout=None,
                ) as response,
            ):
                body = b""
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > _ANSWER_CAP_BYTES:
                        break
                return Answer(response.status_code, dict(response.headers), body[:_ANSWER_CAP_BYTES])
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return Answer(0, {}, repr(error).encode())

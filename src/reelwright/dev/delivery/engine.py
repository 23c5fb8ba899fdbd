"""Takes messages and sees each of them delivered, tried again or given up, side by side up to a cap."""

import asyncio
import copy
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import count, cycle
from typing import Any

import aiohttp
import yarl

from reelwright.dev.credentials import Credentials
from reelwright.dev.delivery.faults import Faults
from reelwright.dev.delivery.message import Answer, Message, Refused, listed, shown
from reelwright.dev.delivery.schedule import Schedule, next_tick
from reelwright.ground import log, tasks

_REMEMBER_ENDED_S, _DEDUPLICATION_S, _MOST_DEAD, _ANSWER_CAP_BYTES = 30, 600, 10_000, 64 * 1024
_KEEP_ALIVE_S = 2  # less than a receiver keeps a silent connection (uvicorn: 5 s)
_OUR_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_NEVER_AGAIN = 489  # together with Upstash-NonRetryable-Error

logger = log.logger("delivery")


class Engine:
    """Lives inside `delivering`; leaving that drops what waits and cuts what is under way.

    `allow` are the URL prefixes that may be delivered to. What is addressed to the first of `spread` goes to each of
    them in turn: one worker URL, as production has it, before several local processes.
    """

    def __init__(
        self, credentials: Credentials, *, allow: Sequence[str], spread: Sequence[str] = (), timeout_s: float = 900
    ) -> None:
        self.credentials = credentials
        self.messages: dict[str, Message] = {}  # with those that ended a moment ago
        self.schedules: dict[str, Schedule] = {}
        self.dead: dict[str, tuple[Message, dict[str, Any]]] = {}  # each with how it is shown
        self._allow = tuple(prefix.rstrip("/") for prefix in allow)
        self._public, self._turns = (spread[0], cycle(spread)) if spread else ("", cycle([""]))
        self._timeout_s = timeout_s
        self._taken_ids: dict[str, str] = {}
        self._numbers = count(1)
        self._due = asyncio.Queue[Message]()  # what isn't due yet waits in the loop's own heap of timers
        self._going = asyncio.Event()
        self.set_faults(Faults())

    @asynccontextmanager
    async def delivering(self, *, parallel: int = 16) -> AsyncGenerator[None]:
        """Deliver so many side by side."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_OUR_OWN_HEADERS,
            auto_decompress=False,
        ) as client:
            deliverers = [asyncio.create_task(self._deliver_due(client)) for _ in range(parallel)]
            try:
                yield
            finally:
                self.schedules.clear()
                await tasks.end(*deliverers)

    def set_faults(self, faults: Faults) -> None:
        """Let this go wrong from now on, and nothing else."""
        self.faults, self._dice = faults, random.Random(faults.seed)  # noqa: S311 - repeatable, not secret
        (self._going.clear if faults.stopped else self._going.set)()

    def publish(self, message: Message) -> tuple[str, bool]:
        """Accept a message; return its id and whether it is an earlier one's repeat. Raises Refused."""
        self._check(message)
        if key := message.deduplication_id:
            if key in self._taken_ids:
                return self._taken_ids[key], True
            self._taken_ids[key] = message.id
            self._in(_DEDUPLICATION_S, self._taken_ids.pop, key, None)
        self.messages[message.id] = message
        if self._dice.random() < self.faults.drop:
            self.end(message, "delivered")
            return message.id, False
        for each in (message, *(copy.copy(message) for _ in range(self.faults.duplicate))):
            self._deliver_in(message.wait_s, each)
        return message.id, False

    def schedule(self, sample: Message) -> str:
        """Publish such a message at each tick of its cron, instead of an earlier schedule's of that id; return the id.

        Raises Refused.
        """
        self._check(sample)
        made = Schedule(sample=sample)
        made.created = self.schedules.get(made.id, made).created
        self.schedules[made.id] = made
        self._in(made.due - time.time(), self._tick, made)
        return made.id

    def end(self, message: Message, state: str) -> bool:
        """Be done with a message, which may arrive still where it is under way; return False if it was over before."""
        alive = message.state in {"waiting", "active"}
        if alive:
            message.state = state
            self._in(_REMEMBER_ENDED_S, self.messages.pop, message.id, None)
        return alive

    def _check(self, message: Message) -> None:
        """Refuse destinations and callbacks outside of the allow-list, and callbacks that can't be sent."""
        for each in (message, message.callback("callback"), message.callback("failure-callback")):
            if each and not any(
                each.url == home or each.url.startswith((f"{home}/", f"{home}?")) for home in self._allow
            ):
                raise Refused(400, f"invalid destination url: {each.url} is not on this server's allow-list")

    def _in(self, wait_s: float, do: Any, *what: Any) -> None:
        asyncio.get_running_loop().call_later(wait_s, do, *what)

    def _tick(self, schedule: Schedule) -> None:
        if self.schedules.get(schedule.id) is schedule:  # neither deleted nor replaced
            schedule.due = next_tick(schedule.cron, after=max(time.time(), schedule.due))
            self._in(schedule.due - time.time(), self._tick, schedule)
            if not schedule.paused:
                self.publish(schedule.sample.anew())

    def _deliver_in(self, wait_s: float, message: Message) -> None:
        wait_s += self._dice.uniform(0, self.faults.delay_ms) / 1000
        self._in(wait_s, self._due.put_nowait, message) if wait_s > 0 else self._due.put_nowait(message)

    async def _deliver_due(self, client: aiohttp.ClientSession) -> None:
        while True:
            message = await self._due.get()
            if not self._due.empty() and self._dice.random() < self.faults.reorder:
                self._due.put_nowait(message)
                message = self._due.get_nowait()
            await self._going.wait()
            if message.state == "waiting":  # not cancelled
                message.state = "active"
                answer = await self._deliver(message, client)
                if self._dice.random() < self.faults.lose_reply:
                    answer = Answer(0, {}, b"the reply was lost")
                if message.state == "active" and self.messages.get(message.id) is message:  # not a fault's duplicate
                    self._conclude(message, answer)

    async def _deliver(self, message: Message, client: aiohttp.ClientSession) -> Answer:
        headers = message.forwarded | {
            "user-agent": "Upstash-QStash",
            "upstash-signature": self.credentials.signature(url=message.url, body=message.body),
            "upstash-message-id": message.id,
            "upstash-retried": str(message.retried),
            "upstash-region": "EU-CENTRAL-1",
        }
        url = yarl.URL(next(self._turns) + message.url.removeprefix(self._public), encoded=True)
        within = asyncio.timeout(min(message.timeout_s, self._timeout_s))
        try:
            async with (
                within,
                client.request(
                    message.method, url, data=message.body, headers=headers, allow_redirects=False
                ) as response,
            ):
                body = bytearray()
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > _ANSWER_CAP_BYTES:
                        break
                heard = {name.lower(): text for name, text in response.headers.items()}
                return Answer(response.status, heard, bytes(body[:_ANSWER_CAP_BYTES]))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Answer(0, {}, repr(error).encode())

    def _conclude(self, message: Message, answer: Answer) -> None:
        """Take the answer to an attempt: the message has arrived, has failed for good, or waits for another try."""
        final = answer.status == _NEVER_AGAIN and answer.headers.get("upstash-nonretryable-error") == "true"
        kinds, dead = ["callback"], dict[str, str]()
        if 200 <= answer.status < 300:  # noqa: PLR2004 - every 2xx, and nothing else, is success
            self.end(message, "delivered")
        elif final or message.retried >= message.retries:
            self.end(message, "failed")
            kinds, dead = ["callback", "failure-callback"], {"dlqId": self._bury(message, answer)}
            logger.warning("delivery given up", message_id=message.id, status=answer.status, url=message.url)
        for told in (message.callback(kind, message.outcome(answer) | dead) for kind in kinds if message.option(kind)):
            if told:
                self.publish(told)
        if message.state == "active":
            wait_s = message.retry_wait_s(answer)
            message.retried, message.state = message.retried + 1, "waiting"
            self._deliver_in(wait_s, message)
            logger.info("delivery failed", message_id=message.id, status=answer.status, again_in_s=round(wait_s, 3))

    def _bury(self, message: Message, answer: Answer) -> str:
        dead_id = f"{int(time.time() * 1000)}-{next(self._numbers)}"
        said = {"dlqId": dead_id, "responseStatus": answer.status, "responseHeader": listed(answer.headers)}
        self.dead[dead_id] = message, message.public() | said | shown("responseBody", answer.body)
        if len(self.dead) > _MOST_DEAD:
            del self.dead[next(iter(self.dead))]
        return dead_id

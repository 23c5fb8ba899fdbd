"""Takes messages and sees each of them delivered, tried again or given up, side by side up to a cap."""

import asyncio
import copy
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Annotated, Any

import aiohttp
import msgspec
import yarl

from reelwright.dev.credentials import Credentials
from reelwright.dev.delivery.message import Answer, Message, Refused, Schedule, listed, next_tick
from reelwright.ground import log, tasks

_REMEMBER_ENDED_S, _DEDUPLICATION_S, _MOST_DEAD = 30, 600, 10_000
_KEEP_ALIVE_S = 2  # less than a receiver keeps a silent connection (uvicorn: 5 s)
_OURS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_NEVER_AGAIN = 489  # together with Upstash-NonRetryable-Error

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]

logger = log.logger("delivery")


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong on purpose, once `PUT /v2/local/faults` says so; shares are probabilities."""

    drop: Share = 0.0  # accepted, and never delivered
    duplicate: Count = 0  # delivered so many times more
    delay_ms: Count = 0  # each attempt waits a random time up to this
    reorder: Share = 0.0  # sent behind all that are due
    lose_reply: Share = 0.0  # delivered, taken for unanswered, and so tried again
    stopped: bool = False  # accepted, and delivered when this is false again
    seed: int = 0


class Engine:
    """Lives inside `delivering`, and delivers to URLs that begin with one of `allow` and no others.

    What is addressed to the first of `spread` goes to each of them in turn: one worker URL, as production has it.
    """

    def __init__(self, credentials: Credentials, *, allow: Sequence[str], spread: Sequence[str] = ()) -> None:
        self.credentials = credentials
        self.messages: dict[str, Message] = {}  # with those that ended a moment ago
        self.schedules: dict[str, Schedule] = {}
        self.dead: dict[str, tuple[Message, dict[str, Any]]] = {}  # each with how it is shown
        self._allow = tuple(prefix.rstrip("/") for prefix in allow)
        self._public, self._turns = (spread[0], cycle(spread)) if spread else ("", cycle([""]))
        self._taken_ids: dict[str, str] = {}
        self._due = asyncio.Queue[Message]()  # what isn't due yet waits in the loop's own heap of timers
        self._going = asyncio.Event()
        self.set_faults(Faults())

    @asynccontextmanager
    async def delivering(self, *, parallel: int = 16) -> AsyncGenerator[None]:
        """Deliver so many side by side."""
        connections = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S)
        none = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connections, cookie_jar=none, skip_auto_headers=_OURS) as client:
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
        if key := message.option("deduplication-id"):
            if key in self._taken_ids:
                return self._taken_ids[key], True
            self._taken_ids[key] = message.id
            self._in(_DEDUPLICATION_S, self._taken_ids.pop, key, None)
        self.messages[message.id] = message
        if self._dice.random() < self.faults.drop:
            self.end(message, "delivered")
        else:
            for each in (message, *(copy.copy(message) for _ in range(self.faults.duplicate))):
                self._deliver_in(message.wait_s, each)
        return message.id, False

    def schedule(self, sample: Message) -> str:
        """Publish such a message at each tick of its cron, instead of one of the same id; return that id."""
        self._check(sample)
        made = Schedule(sample)
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
        """Refuse what would go, or tell of its failure, outside of the allow-list."""
        for url in filter(None, (message.url, message.option("failure-callback"))):
            if not any(url == home or url.startswith((f"{home}/", f"{home}?")) for home in self._allow):
                raise Refused(400, f"invalid destination url: {url} is not on this server's allow-list")

    def _in(self, wait_s: float, do: Any, *what: Any) -> None:
        asyncio.get_running_loop().call_later(wait_s, do, *what)

    def _tick(self, schedule: Schedule) -> None:
        if self.schedules.get(schedule.id) is schedule:  # neither deleted nor replaced
            schedule.due = next_tick(schedule.cron, after=max(time.time(), schedule.due))
            self._in(schedule.due - time.time(), self._tick, schedule)
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
        }
        url = yarl.URL(next(self._turns) + message.url.removeprefix(self._public), encoded=True)
        verb, body = message.option("method", "POST"), message.body
        sent = client.request(verb, url, data=body, headers=headers, allow_redirects=False)
        try:
            async with asyncio.timeout(message.timeout_s), sent as response:
                return Answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Answer(0, {}, repr(error).encode())

    def _conclude(self, message: Message, answer: Answer) -> None:
        """Take the answer to an attempt: the message has arrived, has failed for good, or waits for another try."""
        final = answer.status == _NEVER_AGAIN and answer.headers.get("upstash-nonretryable-error") == "true"
        if 200 <= answer.status < 300:  # noqa: PLR2004 - every 2xx, and nothing else, is success
            self.end(message, "delivered")
        elif final or message.retried >= message.retries:
            self.end(message, "failed")
            self._bury(message, answer)
            logger.warning("delivery given up", message_id=message.id, status=answer.status, url=message.url)
        else:
            wait_s = message.retry_wait_s(answer)
            message.retried, message.state = message.retried + 1, "waiting"
            self._deliver_in(wait_s, message)
            logger.info("delivery failed", message_id=message.id, status=answer.status, again_in_s=round(wait_s, 3))

    def _bury(self, message: Message, answer: Answer) -> None:
        dead_id = f"dead_{message.id}"
        said = {"dlqId": dead_id, "responseStatus": answer.status, "responseHeader": listed(answer.headers)}
        self.dead[dead_id] = message, message.public() | said | {"responseBody": answer.body.decode(errors="replace")}
        if len(self.dead) > _MOST_DEAD:
            del self.dead[next(iter(self.dead))]
        if message.option("failure-callback"):
            self.publish(message.failure(answer, dead_id))

"""Redis over TCP: redis-py connects, and then one line carries every call, each written as soon as it is asked.

Measured with redis-py 8.1, the median of an INCR when one is asked at a time: by the client's own method 142 µs, by its
connection within `asyncio.timeout` 108 µs, by this line with its time-out 45 µs. What admission doesn't need goes:
stream buffers, a task's time-outs, a pool, packing in Python.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis
from redis.asyncio import Redis
from redis.exceptions import RedisError

from reelwright.admission.scripts import Unreachable, refused

_pack: Callable[[tuple[str, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]  # its stub wants one word
_MORE: Final = object()


class Tcp:
    """A redis-py client as a transport: its address and credentials, one connection, opened again after it is lost."""

    first_line = ""
    in_order = True

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._line: _Line | None = None
        self._connecting = asyncio.Lock()

    async def call(self, words: Sequence[str], within_s: float | None = None) -> Any:
        """Send one command and return its reply. A call that is cancelled leaves the line in step for the others."""
        loop = asyncio.get_running_loop()
        line = self._line
        if line is None or not line.open:
            began = loop.time()
            line = await self._opened(within_s)
            within_s = within_s and within_s - (loop.time() - began)
        answer = line.ask(words)
        timer = None if within_s is None else loop.call_later(within_s, line.give_up, answer)
        try:
            reply = await answer
        finally:
            if timer is not None:
                timer.cancel()
            if not line.open:
                line.end_unless_asked()
        if isinstance(reply, hiredis.ReplyError):
            raise refused(str(reply))
        return reply

    async def close(self) -> None:
        """Give the connection back."""
        if self._line is not None:
            self._line.end()
            await self._line.ended
        await self._redis.aclose()

    async def _opened(self, within_s: float | None) -> "_Line":
        """Return the open line; whoever finds none opens it for all. Raises Unreachable, TimeoutError."""
        async with asyncio.timeout(within_s), self._connecting:
            if self._line is None or not self._line.open:
                connection: Any = self._redis.connection_pool.make_connection()
                try:
                    await connection.connect()
                except (RedisError, OSError) as away:
                    raise Unreachable(type(away).__name__) from away  # its kind: its words may hold a password
                self._line = _Line(connection)
            return self._line


class _Line(asyncio.Protocol):
    """One connection that redis-py opened: replies come in the order of what was asked, whoever still waits."""

    def __init__(self, connection: Any) -> None:
        self.open = True
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection = connection
        self._transport: Any = connection._writer.transport  # noqa: SLF001 - redis-py has no public way to it
        self._reader = hiredis.Reader(encoding="utf-8", errors="replace", notEnoughData=_MORE)
        self._asked: deque[asyncio.Future[Any]] = deque()
        self._transport.set_protocol(self)

    def ask(self, words: Sequence[str]) -> asyncio.Future[Any]:
        """Write a command and return its answer to come."""
        answer = self.ended.get_loop().create_future()
        self._asked.append(answer)
        self._transport.write(_pack(tuple(words)))
        return answer

    def give_up(self, answer: asyncio.Future[Any]) -> None:
        """Nothing came in time. Who asked since waits for its own time; nobody asks here again."""
        self.open = False
        if not answer.done():
            answer.set_exception(Unreachable("timed out"))

    def end_unless_asked(self) -> None:
        """Close a line that was given up once nobody waits for it."""
        if all(answer.done() for answer in self._asked):
            self.end()

    def end(self) -> None:
        """Close the connection, whatever it owes."""
        self.open = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand each reply to who asked for it."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _MORE:
                if not isinstance(reply, hiredis.PushNotification):
                    answer = self._asked.popleft()
                    if not answer.done():
                        answer.set_result(reply)
        except (hiredis.ProtocolError, IndexError):  # not Redis, or out of step
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who still waits; the next call opens another line."""
        self.open = False
        for answer in self._asked:
            if not answer.done():
                answer.set_exception(Unreachable(type(exc).__name__ if exc else "closed"))
        self._connection._writer = None  # noqa: SLF001 - or redis-py would warn of it, and close what is closed
        if not self.ended.done():
            self.ended.set_result(None)

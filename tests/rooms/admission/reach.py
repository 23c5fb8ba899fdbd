"""How a test's gate reaches its server: a real one as production does, a fakeredis by fakeredis's own connection."""

from collections.abc import Sequence
from typing import Any

from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from reelwright.admission import NoScript, Tcp, Transport, Unreachable


class Faked:
    """A transport to a server that listens nowhere."""

    first_line = ""
    in_order = False

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def call(self, words: Sequence[str], within_s: float | None = None) -> Any:
        """Send one command past redis-py's client, which would make other types of some replies."""
        del within_s  # it answers at once
        pool: Any = self._redis.connection_pool
        connection = await pool.get_connection()
        try:
            await connection.send_command(*words)
            return _text(await connection.read_response())
        except NoScriptError as unknown:
            raise NoScript from unknown
        except RedisError as error:
            raise Unreachable(type(error).__name__) from error
        finally:
            await pool.release(connection)

    async def close(self) -> None:
        """Leave the client open for the test."""


def _text(reply: Any) -> Any:
    if isinstance(reply, list):
        return [_text(cell) for cell in reply]
    return reply.decode() if isinstance(reply, bytes) else reply


def reach(redis: Redis) -> Transport:
    """Return the way to a server."""
    return Faked(redis) if isinstance(redis, FakeAsyncRedis) else Tcp(redis)

"""Runs the Lua scripts of this room: one round trip each, and an Outage for whatever Redis does wrong."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha1
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from reelwright.admission.model import Unavailable
from reelwright.ground.log import logger
from reelwright.ground.packaged import packaged

_log = logger(__name__)
PATIENCE: Final = timedelta(milliseconds=800)
"""The whole of one call, a reload of the script included; the client's own time-out ends a single command sooner."""


class Scripts:
    """Every script of `lua/admission`, by its file's name."""

    def __init__(self, redis: Redis, *, patience: timedelta = PATIENCE) -> None:
        self._redis = redis
        self._patience_s = patience.total_seconds()
        self._texts = {path.stem: path.read_text() for path in (packaged("lua") / "admission").glob("*.lua")}
        self._digests = {
            name: sha1(text.encode()).hexdigest()  # noqa: S324 - Redis names scripts by SHA-1
            for name, text in self._texts.items()
        }

    async def run(self, name: str, *, keys: Sequence[str], args: Sequence[str]) -> list[str]:
        """Run a script and return its reply as text. EVAL where the server has forgotten it. Raises Unavailable."""
        tail = (len(keys), *keys, *args)
        try:
            async with asyncio.timeout(self._patience_s):
                try:
                    reply: Any = await self._redis.execute_command("EVALSHA", self._digests[name], *tail)
                except NoScriptError:
                    reply = await self._redis.execute_command("EVAL", self._texts[name], *tail)
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error, doing=name) from error
        return [_text(cell) for cell in reply]

    async def command(self, *words: str) -> list[str]:
        """Run one plain command and return its reply, missing values as "". Raises Unavailable."""
        try:
            async with asyncio.timeout(self._patience_s):
                reply: Any = await self._redis.execute_command(*words)
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error, doing=words[0]) from error
        return [_text(cell) for cell in (reply if isinstance(reply, list) else [reply])]


def _text(cell: Any) -> str:
    return "" if cell is None else cell.decode() if isinstance(cell, bytes) else str(cell)


def _unavailable(error: Exception, *, doing: str) -> Unavailable:
    detail = str(error)[:200] if isinstance(error, ResponseError) else ""
    _log.error("admission.unavailable", doing=doing, error=type(error).__name__, detail=detail)
    return Unavailable("Admission is not available just now: try again soon.", wait=timedelta(seconds=2))

"""The second transport: Upstash's Redis over HTTPS, for places where no TCP connection to Redis can live."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import httpx
import msgspec
from upstash_redis.asyncio import Redis
from upstash_redis.errors import UpstashError

from reelwright.admission.scripts import PATIENCE, NoScript, Unreachable, refused

_ANSWERED: Final = {200, 400}
"""What comes with a JSON answer: 400 says that the command itself failed."""
_IDLE_S: Final = 30
_CONNECTIONS: Final = 64


class Rest:
    """Commands to Upstash, each within `timeout`, connecting included, and never sent twice.

    Upstash locks the whole database for a script, unless its first line says that it touches its KEYS alone.
    """

    first_line = "#!lua flags=allow-key-locking\n"
    in_order = False

    def __init__(self, url: str, token: str, *, timeout: timedelta = PATIENCE) -> None:
        self._timeout_s = timeout.total_seconds()
        self._redis = Redis(url.rstrip("/"), token, rest_retries=0, allow_telemetry=False)
        self._redis._http._client = httpx.AsyncClient(  # noqa: SLF001 - the SDK's own never gives up
            timeout=httpx.Timeout(None),  # each call has its own, over all that it does
            trust_env=False,
            limits=httpx.Limits(
                max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_IDLE_S
            ),
            event_hooks={"response": [_is_answer]},
        )

    async def call(self, words: Sequence[str], within_s: float | None = None) -> Any:
        """Return a command's reply: a string, an integer, None, or a list of these. Raises NoScript, Unreachable."""
        verb, *rest = words
        try:
            async with asyncio.timeout(self._timeout_s if within_s is None else within_s):
                # In lower case, or the SDK would make tuples, dictionaries and booleans of the replies that it knows.
                return await self._redis.execute([verb.lower(), *rest])
        except (UpstashError, httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError) as error:
            raise _failure(error) from None  # its own words and causes may hold what was sent

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.close()


async def _is_answer(response: httpx.Response) -> None:
    """Stop at what is no answer to a command; the SDK would read any status, and trip over any other JSON."""
    if response.status_code not in _ANSWERED:
        raise httpx.HTTPStatusError("", request=response.request, response=response)
    answer = msgspec.json.decode(await response.aread(), type=dict[str, Any])
    if not answer.keys() & {"result", "error"}:
        raise ValueError


def _failure(error: Exception) -> NoScript | Unreachable:
    match error:
        case UpstashError() if "NOSCRIPT" in str(error):
            return NoScript()
        case UpstashError():
            return refused(str(error))
        case httpx.HTTPStatusError():
            return Unreachable(f"HTTP {error.response.status_code}")
        case TimeoutError() | httpx.TimeoutException():
            return Unreachable("timed out")
        case ValueError():
            return Unreachable("an answer that can't be read")
        case _:
            return Unreachable(type(error).__name__)

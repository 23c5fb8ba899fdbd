"""Speaks to an OpenAI-compatible server through the official SDK: deadlines, bounded retries, caps, our own errors."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import import_module
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import httpx
import msgspec
import stamina

from reelwright.ground.log import logger
from reelwright.providers.model import RATE_LIMITED, ProviderAway, ProviderRefused

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI
    from openai._legacy_response import LegacyAPIResponse

_log = logger(__name__)
_T = TypeVar("_T")

_PASSING = {408, 409, 425, 429, 500, 502, 503, 504}
_POLICY_CODES = {"content_policy_violation", "moderation_blocked", "content_filter"}
_EMPTY_ACCOUNT_CODES = {"insufficient_quota", "billing_hard_limit_reached", "credits_exhausted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBudget:
    """What one call may take. `total_s` covers every attempt and the waits between them."""

    total_s: float = 150.0
    attempt_s: float = 90.0
    connect_s: float = 5.0
    attempts: int = 3
    first_wait_s: float = 0.5
    longest_wait_s: float = 15.0
    response_bytes: int = 2_000_000


class _Passing(ProviderAway):
    """A failure worth another attempt within this call. `pause_s`: what the server asked for, or None."""

    pause_s: float | None = None


class _BrokenAnswer(httpx.TransportError):
    """The answer breaks our bounds: asking again would only pay again."""


@dataclass(frozen=True, slots=True)
class OpenAIConnection:
    """A base URL and its key. Every call opens and closes its own client, so nothing is tied to an event loop."""

    api_key: str
    base_url: str
    budget: CallBudget = CallBudget()

    def __repr__(self) -> str:
        return f"OpenAIConnection(base_url={self.base_url!r})"

    async def ask(self, call: "Callable[[AsyncOpenAI], Awaitable[LegacyAPIResponse[Any]]]") -> bytes:
        """Return the raw body of a successful answer.

        Raises ProviderRefused (policy, key, model), ProviderAway (time, load, nonsense) after at most three attempts.
        """
        budget = self.budget
        try:
            async with asyncio.timeout(budget.total_s):
                async for attempt in stamina.retry_context(
                    on=self._again,
                    attempts=budget.attempts,
                    timeout=None,
                    wait_initial=budget.first_wait_s,
                    wait_max=budget.longest_wait_s,
                    wait_jitter=budget.first_wait_s,
                ):
                    with attempt:
                        return await self._once(call)
        except TimeoutError:
            raise away("deadline") from None
        raise AssertionError  # stamina either returns or raises

    def _again(self, error: Exception) -> bool | float:
        """Say whether to try again, or after how many seconds."""
        if not isinstance(error, _Passing):
            return False
        return True if error.pause_s is None else error.pause_s

    async def _once(self, call: "Callable[[AsyncOpenAI], Awaitable[LegacyAPIResponse[Any]]]") -> bytes:
        await asyncio.to_thread(import_module, "openai.resources")  # a second's work, once: not on the event loop
        import openai  # noqa: PLC0415 - only those who chose this provider pay for it

        logging.getLogger("openai").setLevel(logging.WARNING)  # its debug lines hold prompts
        transport = _Capped(longest=self.budget.response_bytes, connect_s=self.budget.connect_s)
        legacy: Any = httpx.AsyncClient(transport=transport, follow_redirects=False, trust_env=False)
        try:
            async with (
                asyncio.timeout(self.budget.attempt_s),
                openai.AsyncOpenAI(
                    api_key=self.api_key,
                    base_url=self.base_url,
                    http_client=legacy,
                    max_retries=0,
                    timeout=self.budget.attempt_s,
                    default_headers={"Accept-Encoding": "identity"},
                ) as client,
            ):
                answer = await call(client)
                return answer.content
        except (TimeoutError, openai.APITimeoutError):
            raise _passing("timeout") from None
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, _BrokenAnswer):
                raise away("broken answer") from None
            raise _passing("connection") from None
        except openai.APIStatusError as error:
            self._explain(error)

    def _explain(self, error: "APIStatusError") -> NoReturn:
        """Turn a status into our own words; the server's stay here, since they may repeat the prompt."""
        status, code = error.status_code, str(error.code or "")
        if code in _EMPTY_ACCOUNT_CODES:
            raise away("account empty", wait_s=300)
        if status in _PASSING or status >= 500:  # noqa: PLR2004 - the server's own failures
            pause = error.response.headers.get("retry-after", "")
            pause_s = float(pause) if pause.replace(".", "", 1).isdigit() else None
            limited = RATE_LIMITED if status == 429 else None  # noqa: PLR2004 - too many requests
            if pause_s is not None and pause_s > self.budget.longest_wait_s:
                raise away("busy", wait_s=pause_s, code=limited)
            raise _passing(f"status {status}", pause_s=pause_s, code=limited)
        _log.warning("provider_refused", status=status, code=code[:60])
        if code in _POLICY_CODES:
            raise ProviderRefused(
                "The provider's content rules forbid this: change the topic or the wording and try again.",
                code="provider.policy",
            )
        raise ProviderRefused(_sentence(status))


def _sentence(status: int) -> str:
    if status in {401, 403}:
        return "The provider doesn't accept our key: check OPENAI_API_KEY and what it may do."
    if status == httpx.codes.NOT_FOUND.value:
        return "The provider doesn't know this model or address: check OPENAI_BASE_URL and the model's name."
    return f"The provider won't do this (status {status}): choose another model or other options."


def away(reason: str, *, wait_s: float = 5, code: str | None = None) -> ProviderAway:
    """Return the outage that ends a call; its reason goes to the log."""
    _log.warning("provider_away", reason=reason)
    sentence = "The provider isn't answering properly just now."
    return ProviderAway(sentence, wait=timedelta(seconds=min(wait_s, 900)), code=code)


def _passing(reason: str, *, pause_s: float | None = None, code: str | None = None) -> _Passing:
    _log.info("provider_attempt_failed", reason=reason)
    passing = _Passing("The provider isn't answering just now.", wait=timedelta(seconds=pause_s or 5), code=code)
    passing.pause_s = pause_s
    return passing


def decoded(body: bytes, shape: type[_T]) -> _T:
    """Read an answer's JSON into its shape. Raises ProviderAway on anything else."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise away("not the agreed JSON") from None


class _Capped(httpx.AsyncBaseTransport):
    """A transport that hands over no more bytes than agreed, and nothing packed: inflation would defeat the cap."""

    def __init__(self, *, longest: int, connect_s: float) -> None:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(verify=_trust(), trust_env=False, limits=limits)
        self._longest = longest
        self._connect_s = connect_s

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["timeout"] = {**request.extensions.get("timeout", {}), "connect": self._connect_s}
        response = await self._inner.handle_async_request(request)
        declared = response.headers.get("content-length", "0")
        packed = response.headers.get("content-encoding", "identity").lower() != "identity"
        if packed or not declared.isdigit() or int(declared) > self._longest:
            await response.aclose()
            raise _BrokenAnswer("too long, or packed")
        body = _CappedBody(response, self._longest)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=body, extensions=response.extensions
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class _CappedBody(httpx.AsyncByteStream):
    def __init__(self, response: httpx.Response, longest: int) -> None:
        self._response = response
        self._longest = longest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._response.aiter_raw():
            seen += len(chunk)
            if seen > self._longest:
                raise _BrokenAnswer("too long")
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


@cache
def _trust() -> SSLContext:
    return httpx.create_ssl_context(trust_env=False)

"""Speaks to an OpenAI-compatible server through the official SDK: deadlines, bounded retries, every paid call noted."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

import httpx
import msgspec
import stamina

from reelwright.ground import telemetry, tracing
from reelwright.ground.errors import Outage
from reelwright.ground.log import logger
from reelwright.providers import calls, openai_failures
from reelwright.providers.catalogue import Craft, Model
from reelwright.providers.fuses import Fuse, Fuses
from reelwright.providers.model import ProviderAway, ProviderRefused
from reelwright.providers.openai_failures import Ending, Failure, away
from reelwright.providers.openai_transport import BrokenAnswer, CappedTransport
from reelwright.providers.services import OPENAI, Service

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._legacy_response import LegacyAPIResponse

_log = logger(__name__)
_T = TypeVar("_T")
Method = Callable[["AsyncOpenAI"], Callable[..., Awaitable["LegacyAPIResponse[Any]"]]]
"""Which of the SDK's methods makes a call and hands over its raw answer."""

_LEAST_S = 0.05  # a call with less time than this isn't begun
_LONGEST_ID = 200  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBudget:
    """What one call may take. `total_s` covers every attempt and the waits between them.

    A provider that asks for a longer wait than `longest_wait_s` is left to the stage's own retry: a worker's place is
    worth more than sleep.
    """

    total_s: float = 150.0
    attempt_s: float = 90.0
    connect_s: float = 5.0
    retries: int = 2
    first_wait_s: float = 0.5
    longest_wait_s: float = 3.0
    response_bytes: int = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Generic[_T]):
    """One paid request: the SDK's method, its arguments, and how its answer's raw body is read.

    `read` raises ProviderRefused where the model declined, ProviderAway on nonsense. `identity` is what of the request
    says whether it was made before, where not all of it does.
    """

    craft: Craft
    model: Model
    method: Method
    request: Mapping[str, Any]
    read: Callable[[bytes], Awaitable[_T]]
    identity: object = None

    @property
    def hash(self) -> str:
        """Return what the request is known by."""
        return calls.request_hash(self.model.name, self.request if self.identity is None else self.identity)


@dataclass(frozen=True, slots=True)
class OpenAIConnection:
    """A service's base URL and our key. Every call opens and closes its own client: none is tied to an event loop."""

    api_key: str
    base_url: str
    budget: CallBudget = CallBudget()
    fuses: Fuses = field(default_factory=Fuses)
    service: Service = OPENAI

    def __repr__(self) -> str:
        return f"OpenAIConnection(base_url={self.base_url!r})"

    async def ask(self, order: Order[_T]) -> _T:
        """Return what the answer says. At most two quick retries, and only of calls that surely weren't charged.

        Raises ProviderRefused (policy, key, model), ProviderAway (time, load, nonsense, an open circuit), Outage where
        the journal can't be written: then nothing was sent.
        """
        await asyncio.to_thread(import_module, "openai.resources")  # a second's work, once: not on the event loop
        fuse = self.fuses.of(order.model.provider, order.model.name)
        ends = time.monotonic() + calls.time_left(self.budget.total_s)
        patience = _Patience(self.budget, fuse, ends)
        try:
            async for attempt in stamina.retry_context(on=patience, attempts=None, timeout=None):
                with attempt:
                    return await self._attempt(order, fuse, ends)
        except Failure as failure:
            raise failure.error from None
        raise AssertionError  # stamina either returns or raises

    async def _attempt(self, order: Order[_T], fuse: Fuse, ends: float) -> _T:
        """Make the call once: through the circuit, written down before and after, within the time that is left."""
        seconds = min(self.budget.attempt_s, ends - time.monotonic())
        if seconds < _LEAST_S:
            raise openai_failures.too_late()
        ticket = fuse.admit()
        noted = _Noted(order)
        try:
            with tracing.span("provider.call", provider=order.model.provider, model=order.model.name):
                await noted.begin()
                return await order.read(await self._sent(order, noted, seconds))
        except Failure as failure:
            noted.ending, noted.reason = failure.ending, failure.reason
            raise
        except ProviderRefused:
            noted.ending = Ending.DECLINED
            raise
        except ProviderAway as useless:
            noted.ending = Ending.USELESS if useless.uses else Ending.BROKEN
            raise
        except BaseException:
            noted.ending = Ending.ABANDONED if noted.sent else Ending.UNSENT
            raise
        finally:
            fuse.settle(ticket, noted.ending.value.verdict)
            await noted.end()

    async def _sent(self, order: Order[Any], noted: "_Noted", seconds: float) -> bytes:
        """Send the request and return the raw body. Raises Failure."""
        import openai  # noqa: PLC0415 - only those who chose this provider pay for it

        logging.getLogger("openai").setLevel(logging.WARNING)  # its debug lines hold prompts
        wire = CappedTransport(longest=self.budget.response_bytes, connect_s=self.budget.connect_s)
        legacy: Any = httpx.AsyncClient(transport=wire, follow_redirects=False, trust_env=False)
        try:
            async with (
                asyncio.timeout(seconds),
                openai.AsyncOpenAI(
                    api_key=self.api_key,
                    base_url=self.base_url,
                    http_client=legacy,
                    max_retries=0,
                    timeout=seconds,
                    default_headers={"Accept-Encoding": "identity", **self._own_headers(), **noted.headers},
                ) as client,
            ):
                answer = await order.method(client)(**order.request)
                noted.external_id = answer.headers.get("x-request-id", "")[:_LONGEST_ID] or None
                return answer.content
        except (TimeoutError, openai.APITimeoutError):
            raise (openai_failures.lost if wire.sent else openai_failures.unreached)("timeout") from None
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, BrokenAnswer):
                raise openai_failures.broken("too long, or packed") from None
            raise (openai_failures.lost if wire.sent else openai_failures.unreached)("connection") from None
        except openai.APIStatusError as error:
            raise openai_failures.explained(error, self.service) from None
        finally:
            noted.sent = wire.sent

    def _own_headers(self) -> dict[str, Any]:
        """Return what the service wants to hear, and keep from it what the SDK would tell it of our OpenAI account."""
        import openai  # noqa: PLC0415 - only those who chose this provider pay for it

        if self.service is OPENAI:
            return {}
        kept: dict[str, Any] = {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
        if self.service.key_header:
            kept[self.service.key_header] = self.api_key
        return kept | dict(self.service.headers)


class _Patience:
    """Decides for stamina whether and when to try again: full jitter, or as long as the provider asks, if that's soon.

    Jitter by "Exponential Backoff And Jitter" (AWS Architecture Blog): uniform between 0 and the exponential wait.
    """

    def __init__(self, budget: CallBudget, fuse: Fuse, ends: float) -> None:
        self._budget = budget
        self._fuse = fuse
        self._ends = ends
        self._retries = 0

    def __call__(self, error: Exception) -> bool | float:
        if not isinstance(error, Failure) or not error.passing or self._retries >= self._budget.retries:
            return False
        pause_s = self._pause_s(error.pause_s)
        if pause_s > min(self._budget.longest_wait_s, self._ends - time.monotonic() - _LEAST_S):
            return False
        if not self._fuse.may_retry():
            return False
        self._retries += 1
        return pause_s

    def _pause_s(self, asked_s: float | None) -> float:
        if asked_s is not None:
            return asked_s
        longest = min(self._budget.longest_wait_s, self._budget.first_wait_s * 2**self._retries)
        return random.uniform(0, longest)  # noqa: S311 - jitter


class _Noted:
    """One attempt as journal, metrics and log know it."""

    def __init__(self, order: Order[Any]) -> None:
        self._order = order
        self._journal = calls.journal()
        self._call: UUID | None = None
        self._began = time.monotonic()
        self.headers: dict[str, str] = {}
        self.external_id: str | None = None
        self.sent = False
        self.ending = Ending.ANSWERED
        self.reason = ""

    async def begin(self) -> None:
        """Write the intent down before anything goes out. Raises Outage."""
        if self._journal is None:
            return
        order = self._order
        self._call = await self._journal.begin(
            provider=order.model.provider, model=order.model.name, craft=order.craft.value, request_hash=order.hash
        )
        self.headers["Idempotency-Key"] = self._journal.key(self._call)
        self._began = time.monotonic()

    async def end(self) -> None:
        """Count how it ended and write that down; an intent that can't be ended counts as a lost reply later."""
        kind, model = self.ending.value, self._order.model
        seconds = time.monotonic() - self._began
        if kind.outcome:
            telemetry.PROVIDER_CALLS.labels(model.provider, model.name, kind.outcome).inc()
            telemetry.PROVIDER_SECONDS.labels(model.provider, model.name).observe(seconds)
        _log.info(
            "provider.called",
            provider=model.provider,
            model=model.name,
            craft=self._order.craft.value,
            ending=self.ending.name.lower(),
            reason=self.reason,
            seconds=round(seconds, 3),
        )
        if self._journal is None or self._call is None:
            return
        try:
            await self._journal.end(self._call, kind.state, external_id=self.external_id)
        except Outage:
            _log.warning("provider.call_left_open", call=str(self._call))


def posting(path: str, *, bearer: bool = True, **query: str) -> Method:
    """Return a method that posts its arguments as JSON to a path that the SDK has no method for.

    `bearer` is False for a service that knows our key by a header of its own.
    """

    def method(client: "AsyncOpenAI") -> Callable[..., Awaitable["LegacyAPIResponse[Any]"]]:
        async def post(**body: Any) -> "LegacyAPIResponse[Any]":
            import openai  # noqa: PLC0415 - only those who chose this provider pay for it

            headers: dict[str, Any] = {"X-Stainless-Raw-Response": "true"}
            if not bearer:
                headers["Authorization"] = openai.Omit()
            options: Any = {"headers": headers, "params": query}
            answer: Any = await client.post(path, cast_to=object, body=body, options=options)
            return answer

        return post

    return method


def decoded(body: bytes, shape: type[_T]) -> _T:
    """Read an answer's JSON into its shape. Raises ProviderAway on anything else."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise away("not the agreed JSON") from None

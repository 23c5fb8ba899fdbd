"""Every way a call can end, in our own words: what is counted, what is written down, and whether to ask again."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

import httpx

from reelwright.ground import clock
from reelwright.ground.log import logger
from reelwright.providers.calls import CallState, retry_after_s
from reelwright.providers.circuit import Verdict
from reelwright.providers.model import RATE_LIMITED, ProviderAway, ProviderRefused
from reelwright.providers.services import Service

if TYPE_CHECKING:
    from openai import APIStatusError

_log = logger(__name__)

_LIMITED = httpx.codes.TOO_MANY_REQUESTS.value
_BUSY = {408, 409, 425}
_SERVERS_FAULT = 500
_POLICY_CODES = {"content_policy_violation", "moderation_blocked", "content_filter"}
_EMPTY_ACCOUNT_CODES = {
    *("insufficient_quota", "billing_hard_limit_reached", "credits_exhausted", "billing_error", "quota_exceeded"),
}
_UNPAID = httpx.codes.PAYMENT_REQUIRED.value
_OURS = {401, 403, 404}  # our key, our rights, a model that isn't theirs: no matter what was asked
_LONGEST_AWAY_S = 900  # a provider that fails is asked again within a quarter of an hour, whatever it says
_LONGEST_LIMIT_S = 3_600  # one that wants fewer calls is obeyed for as long as any reel may take


@dataclass(frozen=True, slots=True)
class _Kind:
    outcome: str  # the label of PROVIDER_CALLS; "" for none
    verdict: Verdict
    state: CallState


class Ending(Enum):
    """How one attempt ended."""

    ANSWERED = _Kind("answered", Verdict.ANSWERED, CallState.ANSWERED)
    DECLINED = _Kind("refused", Verdict.ANSWERED, CallState.ANSWERED)  # the model itself said no, and was paid for it
    REFUSED = _Kind("refused", Verdict.DECLINED, CallState.FAILED)
    LIMITED = _Kind("rate_limited", Verdict.DECLINED, CallState.FAILED)
    BUSY = _Kind("away", Verdict.DECLINED, CallState.FAILED)
    DOWN = _Kind("away", Verdict.FAILED, CallState.FAILED)
    UNREACHED = _Kind("away", Verdict.UNREACHED, CallState.FAILED)
    LOST = _Kind("away", Verdict.FAILED, CallState.UNKNOWN)
    BROKEN = _Kind("broken", Verdict.FAILED, CallState.FAILED)
    USELESS = _Kind("broken", Verdict.ANSWERED, CallState.FAILED)  # as agreed and charged, but no good
    ABANDONED = _Kind("", Verdict.ABANDONED, CallState.UNKNOWN)
    UNSENT = _Kind("", Verdict.ABANDONED, CallState.FAILED)


OUTCOMES = {ending.value.outcome for ending in Ending} - {""} | {"circuit_open"}
"""Every label of PROVIDER_CALLS."""


class Failure(Exception):  # noqa: N818 - how an attempt ended, before anybody decides what the caller hears
    """An attempt that failed: how, what the caller will hear, and for `passing` ones after how many seconds to retry.

    A lost reply is never passing: asking again at once might pay twice, and nobody would have written it down.
    """

    def __init__(
        self,
        ending: Ending,
        error: ProviderAway | ProviderRefused,
        *,
        reason: str,
        passing: bool = False,
        pause_s: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.ending = ending
        self.error = error
        self.reason = reason
        self.passing = passing
        self.pause_s = pause_s


def away(reason: str, *, wait_s: float = 5, code: str | None = None) -> ProviderAway:
    """Return the outage that ends a call; its reason goes to the log."""
    _log.warning("provider.unusable", reason=reason)
    return away_later(wait_s=wait_s, code=code)


def away_later(*, wait_s: float = 5, code: str | None = None) -> ProviderAway:
    """Return the outage that a caller hears of; whoever ends the call logs its reason."""
    longest = _LONGEST_LIMIT_S if code == RATE_LIMITED else _LONGEST_AWAY_S
    wait = timedelta(seconds=min(wait_s, longest))
    return ProviderAway("The provider isn't answering properly just now.", wait=wait, code=code)


def unreached(reason: str) -> Failure:
    """Return the end of a call of which no byte went out: it is safe to make it again at once."""
    return Failure(Ending.UNREACHED, away_later(), reason=reason, passing=True)


def lost(reason: str) -> Failure:
    """Return the end of a call that went out and brought no whole answer: it may have been charged."""
    return Failure(Ending.LOST, away_later(), reason=reason)


def broken(reason: str) -> Failure:
    """Return the end of a call whose answer breaks our bounds."""
    return Failure(Ending.BROKEN, away_later(), reason=reason)


def account_empty() -> Failure:
    """Return the end of a call that nobody has paid for: its owner has to see to that."""
    told = away_later(wait_s=300)
    told.ours = True
    return Failure(Ending.BUSY, told, reason="account empty")


def too_late() -> Failure:
    """Return the end of a call that there is no time for."""
    return Failure(Ending.UNSENT, away_later(), reason="deadline")


def explained(error: "APIStatusError", service: Service) -> Failure:
    """Turn a status into our own words; the server's stay here, since they may repeat the prompt."""
    status, code = error.status_code, _code(error)
    reason = f"status {status}"
    if code in _EMPTY_ACCOUNT_CODES or status == _UNPAID:
        return account_empty()
    if status in _BUSY or status == _LIMITED or status >= _SERVERS_FAULT:
        pause_s = retry_after_s(error.response.headers.get("retry-after", ""), now=clock.now())
        ending = Ending.LIMITED if status == _LIMITED else Ending.BUSY if status in _BUSY else Ending.DOWN
        limited = RATE_LIMITED if status == _LIMITED else None
        told = away_later(wait_s=5 if pause_s is None else pause_s, code=limited)
        return Failure(ending, told, reason=reason, passing=True, pause_s=pause_s)
    if code in _POLICY_CODES:
        policy = "The provider's content rules forbid this: change the topic or the wording and try again."
        return Failure(Ending.REFUSED, ProviderRefused(policy, code="provider.policy"), reason=reason)
    refused = ProviderRefused(_sentence(status, service))
    refused.ours = status in _OURS
    return Failure(Ending.REFUSED, refused, reason=reason)


def _code(error: "APIStatusError") -> str:
    """Return what the service calls the error: OpenAI's `code`, Anthropic's `type`, ElevenLabs' `detail.status`."""
    body: Any = error.body
    detail: Any = body.get("detail") if isinstance(body, dict) else None
    return str(error.code or (detail.get("status") if isinstance(detail, dict) else error.type) or "")


def _sentence(status: int, service: Service) -> str:
    if status in {401, 403}:
        return f"The provider doesn't accept our key: check {service.key_variable} and what it may do."
    if status == httpx.codes.NOT_FOUND.value:
        return f"The provider doesn't know this model or address: check {service.url_variable} and the model's name."
    return f"The provider won't do this (status {status}): choose another model or other options."

"""How MiniMax says no: a code in an answer whose status says yes (platform.minimax.io, "Error Codes", 2026-11)."""

import msgspec

from reelwright.providers.model import RATE_LIMITED, ProviderRefused
from reelwright.providers.openai_connection import decoded
from reelwright.providers.openai_failures import Ending, Failure, account_empty, away_later
from reelwright.providers.services import SERVICES

_LIMITED = {1002, 1039, 1041}
_TIMED_OUT = 1001
_DOWN = {1000, 1013, 1024, 1033}
_EMPTY_ACCOUNT = {1008, 1028, 1030, 2056}
_OUR_KEY = {1004, 2049}
_POLICY = {1026, 1027}


class _Status(msgspec.Struct, frozen=True):
    status_code: int = 0


class _Answer(msgspec.Struct, frozen=True):
    base_resp: _Status | None = None


def check(body: bytes) -> None:
    """Raise Failure where the answer is an error, ProviderAway where it isn't JSON. Its own words stay here."""
    answer = decoded(body, _Answer)
    code = answer.base_resp.status_code if answer.base_resp else 0
    if code:
        raise _failure(code)


def _failure(code: int) -> Failure:
    reason = f"code {code}"
    if code in _LIMITED | _DOWN:
        limited = code in _LIMITED
        told = away_later(code=RATE_LIMITED if limited else None)
        return Failure(Ending.LIMITED if limited else Ending.DOWN, told, reason=reason, passing=True)
    if code == _TIMED_OUT:
        return Failure(Ending.LOST, away_later(), reason=reason)  # the work may have been done and charged
    if code in _EMPTY_ACCOUNT:
        return account_empty()
    return Failure(Ending.REFUSED, _refused(code), reason=reason)


def _refused(code: int) -> ProviderRefused:
    if code in _POLICY:
        policy = "The provider's content rules forbid this: change the topic or the wording and try again."
        return ProviderRefused(policy, code="provider.policy")
    if code in _OUR_KEY:
        key = SERVICES["minimax"].key_variable
        refused = ProviderRefused(f"The provider doesn't accept our key: check {key} and what it may do.")
        refused.ours = True
        return refused
    return ProviderRefused(f"The provider won't do this (code {code}): choose another model or other options.")

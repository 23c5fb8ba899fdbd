"""How often doors may be knocked at: by address of the network, and by account, whoever knocks."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reelwright.admission import Gate, count_attempt
from reelwright.ground.errors import Kind, Refusal

_QUARTER, _HOUR = timedelta(minutes=15), timedelta(hours=1)


class TooManyAttempts(Refusal):
    """Somebody has tried too often: the account's owner, or anybody else, from anywhere."""

    kind = Kind.LIMITED
    code = "auth.too_many_attempts"


@dataclass(frozen=True, slots=True)
class Bound:
    """So many attempts in so long."""

    what: str
    limit: int
    window: timedelta


LOG_IN_CLIENT = Bound("log-in-client", 60, _QUARTER)
LOG_IN_ACCOUNT = Bound("log-in-account", 10, _QUARTER)
LOG_IN_DEVICE = Bound("log-in-device", 10, _QUARTER)
"""A browser that has logged in to the account before has tries of its own, so that others can't lock its owner out."""
SIGN_UP_CLIENT = Bound("sign-up-client", 10, _HOUR)
RESET_CLIENT = Bound("reset-client", 10, _HOUR)
"""Of its own, so that whoever has forgotten passwords keeps no colleague behind the same address from signing up."""
LETTERS_ACCOUNT = Bound("letters-account", 5, _HOUR)
PROOF_CLIENT = Bound("proof-client", 60, _QUARTER)
PASSWORD_ACCOUNT = Bound("password-account", 10, _QUARTER)


async def count(gate: Gate, bound: Bound, who: str, *, now: datetime) -> None:
    """Count an attempt. Raises TooManyAttempts with the wait, and Unavailable where nobody could count."""
    wait = await count_attempt(gate, bound.what, who, limit=bound.limit, window=bound.window, now=now)
    if wait is not None:
        raise TooManyAttempts("Too many attempts: wait, then try again.", wait=wait)

"""Attempts: how often somebody may try something in a while, whoever they are. For doors that strangers knock at."""

from datetime import UTC, datetime, timedelta

from reelwright.admission import keys, wire
from reelwright.admission.gate import Gate

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT = timedelta(hours=1)


async def count_attempt(
    gate: Gate, what: str, who: str, *, limit: int, window: timedelta, now: datetime
) -> timedelta | None:
    """Count one attempt; None where it was among the first `limit` of its window, else how long until the next one.

    Windows begin at multiples of their length since 1970, in UTC, as the other counters' hours do: across the turn of
    two windows twice the limit may pass, and nobody waits longer than one. A refusal counts nothing.
    Raises Unavailable.
    """
    number = (now - _EPOCH) // window
    ends = _EPOCH + (number + 1) * window
    args = ["1", str(limit), wire.span(ends - now + _KEPT), "zero"]
    verdict, _ = await gate.scripts.run("counter_with_limit", keys=[keys.attempts(what, who, number)], args=args)
    return None if verdict == "counted" else ends - now

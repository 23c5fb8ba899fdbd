"""How orders and answers are spelt on the way to Redis and back: everything is text, instants and spans in ms."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from reelwright.admission import keys
from reelwright.admission.model import USUAL_RUN, Admitted, NoPlace, NotAdmitted, Order, Place, Standing
from reelwright.admission.policy import Limits, Periods, Policy
from reelwright.ground.ids import AccountId

UNCONFIRMED: Final = timedelta(seconds=30)
"""How long an admitted order holds its lease before its commit is confirmed."""
CLAIM: Final = timedelta(seconds=60)
"""How long a repeat of an Idempotency-Key waits for a first request that may have died."""
_PLACES: Final = {Policy.CONCURRENT, Policy.PROVIDER_PLACE}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def ms(moment: datetime) -> str:
    """Spell an aware instant as milliseconds since 1970, rounded down."""
    return str((moment - _EPOCH) // timedelta(milliseconds=1))


def span(length: timedelta) -> str:
    """Spell a length of time in whole milliseconds."""
    return str(length // timedelta(milliseconds=1))


def instant(text: str) -> datetime:
    """Read milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=int(text))


def counters(account: AccountId, periods: Periods) -> list[str]:
    """Return the keys of an account's month, hour and full counters, in every script's order."""
    return [
        keys.month(account, periods.month),
        keys.hour(account, periods.hour),
        keys.full(account, periods.month),
    ]


def place_key(place: Place | None) -> str:
    """Return a place's key, or one that scripts are given and never fill."""
    return keys.place(place.provider, place.model, place.lane) if place else keys.place("none", "none", "none")


def admit_keys(order: Order, periods: Periods) -> list[str]:
    """Return KEYS of `admit.lua`."""
    return [
        keys.claim(order.account, order.scope, order.key),
        keys.boost(order.account),
        *counters(order.account, periods),
        keys.cooldown(order.account, order.draft),
        keys.leases(order.account),
        keys.receipt(order.lease),
        place_key(order.place),
    ]


def admit_args(order: Order, periods: Periods, *, clock: str, dry: bool) -> list[str]:
    """Return ARGV of `admit.lua`. `clock` is "" for the server's own."""
    edges = (periods.month_start, periods.month_end, periods.hour_start, periods.hour_end)
    return [
        clock,
        "1" if dry else "",
        str(order.lease),
        order.fingerprint,
        *map(ms, edges),
        str(order.generation_units),
        str(order.full_units),
        ms(order.boost_until) if order.boost_until else "",
        str(order.place.cap) if order.place else "",
        span(UNCONFIRMED),
        span(CLAIM),
        "1" if order.draft else "",
        *_limits(order.limits),
        *_limits(order.boosted),
    ]


def admission(verdict: str, cells: Sequence[str]) -> Admitted:
    """Read an answer about limits: now, whether boosted, then rows. Raises NotAdmitted, NoPlace."""
    now = instant(cells[0])
    rows = standings(cells[2:], now=now)
    if verdict == "admitted":
        return Admitted(lease_until=now + UNCONFIRMED, boosted=cells[1] == "1", standings=rows)
    if all(row.policy is Policy.PROVIDER_PLACE for row in rows):
        raise NoPlace(rows, now=now)
    raise NotAdmitted(rows, now=now)


def standings(cells: Sequence[str], *, now: datetime) -> list[Standing]:
    """Read rows of policy, limit, used and the instant it frees ("" = unknown)."""
    return [
        Standing(policy=Policy(policy), limit=int(limit), used=int(used), frees_at=_frees(policy, frees_at, now=now))
        for policy, limit, used, frees_at in zip(cells[0::4], cells[1::4], cells[2::4], cells[3::4], strict=True)
    ]


def _frees(policy: str, frees_at: str, *, now: datetime) -> datetime | None:
    if frees_at and policy in _PLACES:
        return min(instant(frees_at), now + USUAL_RUN)
    return instant(frees_at) if frees_at else None


def _limits(limits: Limits) -> list[str]:
    full = "" if limits.full_regenerations_month is None else str(limits.full_regenerations_month)
    month, hour = str(limits.generations_month), str(limits.generations_hour)
    return [month, hour, full, str(limits.concurrent), str(limits.cooldown_ms)]

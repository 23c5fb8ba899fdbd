"""How orders and answers are spelt on the way to Redis and back: everything is text, instants and spans in ms."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Final
from uuid import UUID

import msgspec

from reelwright.admission import keys
from reelwright.admission.model import USUAL_RUN, Admitted, Entitlement, Held, NoPlace, NotAdmitted, Order, Place
from reelwright.admission.model import Standing as Row
from reelwright.admission.policy import Limits, Periods, Policy
from reelwright.ground.ids import AccountId

UNCONFIRMED: Final = timedelta(seconds=30)
"""How long an admitted order holds its lease before its commit is confirmed."""
CLAIM: Final = timedelta(seconds=60)
"""How long a repeat of an Idempotency-Key waits for a first request that may have died."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


_spelt: Callable[[UUID], str] = msgspec.to_builtins
"""As `str` spells it, in a quarter of the time."""


def ms(moment: datetime) -> str:
    """Spell an aware instant as milliseconds since 1970, rounded down."""
    return str((moment - _EPOCH) // _MS)


def span(length: timedelta) -> str:
    """Spell a length of time in whole milliseconds."""
    return str(length // _MS)


def instant(text: str) -> datetime:
    """Read milliseconds since 1970."""
    return datetime.fromtimestamp(int(text) / 1000, UTC)  # exact: a float's error is far below half a microsecond


def counters(account: AccountId | str, periods: Periods) -> list[str]:
    """Return the keys of an account's month, hour and full counters, in every script's order."""
    return [
        keys.month(account, periods.month),
        keys.hour(account, periods.hour),
        keys.full(account, periods.month),
    ]


def place_key(place: Place | None) -> str:
    """Return a place's key, or one that scripts are given and never fill."""
    return keys.place(place.provider, place.model, place.lane) if place else keys.place("none", "none", "none")


def member(account: AccountId, holder: object) -> str:
    """Return who holds a place, or waits to be confirmed."""
    return f"{account}|{holder}"


class Tariff:
    """Every plan's limits as this release knows them, and how a plan is named to Redis."""

    def __init__(self, limits: Mapping[str, Limits], *, boosted: str) -> None:
        self.limits = limits
        self.boosted = limits[boosted]
        spelt = {plan: _limits(rows) for plan, rows in limits.items()}
        self._args = {plan: (rows, spelt[boosted]) for plan, rows in spelt.items()}

    def token(self, held: Held) -> str:
        """Name what an account holds. Its numbers are the caller's, so two releases may disagree on them in peace."""
        return f"{held.version}|{held.plan}"

    def read(self, token: str, boost_until: str) -> Held | None:
        """Return what a token names, or None where it names nothing of this tariff."""
        version, _, plan = token.partition("|")
        if plan not in self.limits or not boost_until:
            return None
        until = None if boost_until == "0" else instant(boost_until)
        return Held(plan=plan, version=int(version), boost_until=until)

    def entitlement(self, held: Held, now: datetime) -> Entitlement:
        """Return what somebody who holds this may do now. A boost ends at its end."""
        boosted = held.boost_until is not None and held.boost_until > now
        return Entitlement(
            plan=held.plan,
            version=held.version,
            boost_until=held.boost_until if boosted else None,
            limits=self.boosted if boosted else self.limits[held.plan],
        )

    def args(self, held: Held) -> tuple[str, str]:
        """Return the limits as `admit.lua` reads them: the plan's, then the boost's."""
        return self._args[held.plan]


def _limits(limits: Limits) -> str:
    full = "" if limits.full_regenerations_month is None else limits.full_regenerations_month
    cells = (limits.generations_month, limits.generations_hour, full, limits.concurrent, limits.cooldown_ms)
    return "|".join(map(str, cells))


@lru_cache(maxsize=8192)
def _names(account: AccountId, hour_start: datetime) -> tuple[str, str, str, tuple[str, ...], str, str]:
    """Return what an account's orders of one hour share: spelling a UUID nine times took longer than the decision.

    Its name, and as a member begins; hours since 1970; the keys from boost to full; its leases; a receipt's start.
    """
    spelt, at = str(account), Periods.at(hour_start)
    read = (keys.boost(spelt), keys.plan(spelt), *counters(spelt, at))
    hours = str((hour_start - _EPOCH) // timedelta(hours=1))
    return spelt, f"{spelt}|", hours, read, keys.leases(spelt), f"{at.month}|{at.hour}|"


def admit_call(
    order: Order, periods: Periods, tariff: Tariff, *, clock: str, dry: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return KEYS and ARGV of `admit.lua`. `clock` is "" for the server's own."""
    account, owner, hours, read, leases, labels = _names(order.account, periods.hour_start)
    place, rival, line, where, *room = _place(order.place)
    lease, digest = _spelt(order.lease), keys.digest(order.key)
    draft = "" if order.draft is None else _spelt(order.draft)
    return (
        keys.claim_of(account, order.scope, digest),
        *read,
        keys.cooldown(account, draft),
        *(keys.receipt(lease), leases, keys.pending(), place, rival, line),
    ), (
        *(clock, "1" if dry else "", owner + lease, order.fingerprint, tariff.token(order.held), hours),
        *(str(order.generation_units), str(order.full_units), "1" if draft else ""),
        f"{labels}{draft}|{where}|{order.scope}|{digest}",
        *tariff.args(order.held),
        *room,
    )


def receipt_names(account: AccountId, receipt: str) -> list[str]:
    """Return the month, hour, full, cooldown, place and claim keys that a receipt names, or names nobody uses."""
    month, hour, draft, where, scope, digest = receipt.split("|")[5:] if receipt else [""] * 6
    return [
        keys.month(account, month or "none"),
        keys.hour(account, hour or "none"),
        keys.full(account, month or "none"),
        keys.cooldown(account, draft or None),
        keys.place_at(where) if where else place_key(None),
        keys.claim_of(account, scope, digest),
    ]


@cache
def _place(place: Place | None) -> tuple[str, ...]:
    """Return the keys of a lane, its rival and its line, the lane's name in a receipt, and what they hold at most."""
    if place is None:
        nowhere = place_key(None)
        return nowhere, nowhere, f"{nowhere}:line", "", "", "", ""
    own, of = place_key(place), (place.provider, place.model)
    rival = keys.place(*of, place.rival) if place.rival else place_key(None)
    capacity = place.cap if place.capacity is None else place.capacity
    room = (str(place.cap), str(capacity), str(place.rival_floor))
    return own, rival, keys.line(*of, place.lane), keys.where(*of, place.lane), *room


def admission(verdict: str, cells: Sequence[str], order: Order, periods: Periods, tariff: Tariff) -> Admitted:
    """Read an answer about limits. Raises NotAdmitted, NoPlace."""
    now, boosted = instant(cells[0]), bool(cells[1])
    limits = tariff.boosted if boosted else tariff.limits[order.held.plan]
    rows = _Rows(cells, order, limits, periods, now, verdict == "admitted")
    if verdict == "admitted":
        return Admitted(at=now, lease_until=now + UNCONFIRMED, boosted=boosted, limits=limits, weighed=rows)
    standings, binding = rows(), cells[3].split(",")
    violations = [row for row in standings if row.policy in binding]
    if binding == [Policy.PROVIDER_PLACE]:
        raise NoPlace(violations, now=now)
    raise NotAdmitted(violations, now=now, standings=standings)


class _Rows(msgspec.Struct, frozen=True):
    """Each policy's standing as one answer told it, worked out when asked for. `counted`: it counts the order in."""

    cells: Sequence[str]
    order: Order
    limits: Limits
    periods: Periods
    now: datetime
    counted: bool

    def __call__(self) -> list[Row]:
        """Return a row for each policy that was weighed, in their order.

        The third cell says that a first try took its units before: in this `month`, or in this `hour` too.
        """
        cells, order, limits, now, counted = self.cells, self.order, self.limits, self.now, self.counted
        held, cooled_until, end = cells[2], cells[5], self.periods.month_end
        units, full = (0, 0) if held or not counted else (order.generation_units, order.full_units)
        hourly = 0 if held == "hour" or not counted else order.generation_units
        rows = [
            counter(Policy.GENERATIONS_MONTH, limits.generations_month, int(cells[6]) + units, end),
            counter(Policy.GENERATIONS_HOUR, limits.generations_hour, int(cells[7]) + hourly, self.periods.hour_end),
            counter(Policy.FULL_REGENERATIONS_MONTH, limits.full_regenerations_month, int(cells[8]) + full, end),
            _places(Policy.CONCURRENT, limits.concurrent, cells[9:12], now=now, counted=counted),
        ]
        if cooled_until and instant(cooled_until) > now:
            rows.insert(0, Row(policy=Policy.COOLDOWN, limit=1, used=1, frees_at=instant(cooled_until)))
        if order.place is not None:
            rows.append(_places(Policy.PROVIDER_PLACE, order.place.cap, cells[12:15], now=now, counted=counted))
        return rows


def counter(policy: Policy, limit: int | None, used: int, frees_at: datetime | None) -> Row:
    """Return a policy's standing."""
    return Row(policy=policy, limit=limit, used=used, frees_at=frees_at)


def _places(policy: Policy, limit: int, cells: Sequence[str], *, now: datetime, counted: bool) -> Row:
    used, mine, frees_at = cells
    more = 1 if counted and not mine else 0
    return Row(policy=policy, limit=limit, used=int(used) + more, frees_at=lapse(frees_at, now=now))


def lapse(frees_at: str, *, now: datetime) -> datetime | None:
    """Read when a place is free again ("" = unknown); no later than a usual run from now, which leases outlive."""
    return min(instant(frees_at), now + USUAL_RUN) if frees_at else None

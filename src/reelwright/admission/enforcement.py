"""Each limit under the field's own name, and the one call that API and worker share. Thin over the gate's scripts.

`Gate.admit` weighs all limits at once; the single ones are for where one limit alone is meant. Each is one script: it
counts or takes whole, or refuses and takes nothing (a refused place enters its lane's line). Periods are those of
`now`, in UTC; leases and cooldowns go by Redis's clock.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, overload
from uuid import UUID

from reelwright.admission import keys, wire
from reelwright.admission.gate import Gate
from reelwright.admission.model import (
    USUAL_RUN,
    Admitted,
    InProgress,
    KeyReused,
    NoPlace,
    NotAdmitted,
    Order,
    Place,
    Replayed,
    Standing,
    Unavailable,
)
from reelwright.admission.places import Taken
from reelwright.admission.policy import Periods, Policy
from reelwright.ground.ids import AccountId, DraftId, GenerationId

_MONTH_KEPT: Final = timedelta(days=35)
_HOUR_KEPT: Final = timedelta(hours=2)
_NO_CAP: Final = 2**53 - 1
"""Lua counts in doubles: the largest integer that they hold exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """A stage run that a worker is about to perform, or performs still: its generation's lease and its own place.

    `inherits` names the generation whose place, taken at admission, this run takes over. Both are held for `ttl`.
    """

    account: AccountId
    lease: GenerationId
    holder: str
    ttl: timedelta
    place: Place | None = None
    inherits: GenerationId | None = None


@overload
async def enforce_or_raise(gate: Gate, request: Order, *, now: datetime) -> Admitted | Replayed: ...
@overload
async def enforce_or_raise(gate: Gate, request: Dispatch, *, now: datetime) -> Taken | None: ...
async def enforce_or_raise(
    gate: Gate, request: Order | Dispatch, *, now: datetime
) -> Admitted | Replayed | Taken | None:
    """Let an order start or a stage run spend, or raise why not.

    An order takes everything or nothing, in one script. A dispatch renews its generation's lease, entering it again
    where it lapsed (the row is live: a worker has claimed it), then takes its provider's place; None without one.
    Raises NotAdmitted, NoPlace (with the wait), InProgress, KeyReused, Unavailable, and what the gate's readers raise.
    """
    if isinstance(request, Order):
        return await gate.admit(request, now=now)
    await gate.renew(request.account, request.lease, ttl=request.ttl, adopt=True)
    if request.place is None:
        return None
    return await acquire_provider_concurrency(
        gate,
        request.place,
        request.holder,
        account=request.account,
        ttl=request.ttl,
        inherits=request.inherits,
        now=now,
    )


async def enforce_monthly_pool(gate: Gate, account: AccountId, *, now: datetime, units: int = 1) -> Standing:
    """Count generation units in the month's pool and return where it stands. Raises NotAdmitted, Unavailable.

    A month that Redis doesn't know is asked of PostgreSQL first.
    """
    periods, limits = Periods.at(now), (await gate.entitled(account)).limits
    standing = _Counter(Policy.GENERATIONS_MONTH, limits.generations_month, keys.month(account, periods.month))
    return await standing.count(gate, account, units, now=now, ends=periods.month_end)


async def full_regen_cap(gate: Gate, account: AccountId, *, now: datetime, units: int = 1) -> Standing:
    """Count full regenerations in the month and return where they stand. Raises NotAdmitted, Unavailable.

    A plan without a cap counts too, so that a smaller plan finds what was used.
    """
    periods, limits = Periods.at(now), (await gate.entitled(account)).limits
    cap, key = limits.full_regenerations_month, keys.full(account, periods.month)
    return await _Counter(Policy.FULL_REGENERATIONS_MONTH, cap, key).count(
        gate, account, units, now=now, ends=periods.month_end
    )


async def enforce_hourly_burst(gate: Gate, account: AccountId, *, now: datetime, units: int = 1) -> Standing:
    """Count generation units in the UTC clock hour and return where it stands. Raises NotAdmitted, Unavailable.

    An hour that Redis doesn't know starts at nothing: the burst guards against load, not money.
    """
    periods, limits = Periods.at(now), (await gate.entitled(account)).limits
    counter = _Counter(Policy.GENERATIONS_HOUR, limits.generations_hour, keys.hour(account, periods.hour), hourly=True)
    return await counter.count(gate, account, units, now=now, ends=periods.hour_end)


async def acquire_user_concurrency(
    gate: Gate, account: AccountId, lease: GenerationId, *, ttl: timedelta, now: datetime
) -> Standing:
    """Hold one of the account's leases for `ttl`; a live one is renewed, and nobody need give it back.

    Raises NotAdmitted, Unavailable.
    """
    limit = (await gate.entitled(account)).limits.concurrent
    nowhere = ("none", "none", "none")
    unused = [keys.place(*nowhere), keys.line(*nowhere), keys.brake(*nowhere), keys.asked(*nowhere)]
    verdict, used, _, wait_ms = await gate.scripts.run(
        "semaphore_acquire",
        keys=[keys.leases(account), *unused],
        args=[gate.now_text(), "", str(lease), wire.span(ttl), str(limit), "", "0", "", ""],
    )
    frees_at = now + min(timedelta(milliseconds=int(wait_ms)), USUAL_RUN) if verdict == "full" else None
    standing = Standing(policy=Policy.CONCURRENT, limit=limit, used=int(used), frees_at=frees_at)
    if verdict == "full":
        raise NotAdmitted([standing], now=now)
    return standing


async def acquire_provider_concurrency(
    gate: Gate,
    place: Place,
    holder: str,
    *,
    account: AccountId,
    ttl: timedelta,
    now: datetime,
    inherits: GenerationId | None = None,
) -> Taken:
    """Hold a provider's place for `ttl`, or raise NoPlace with the wait after which to ask again; or Unavailable.

    A refusal keeps the account's turn in the lane's line; a live holder is renewed.
    """
    taken = await gate.places.take(place, holder, account=account, ttl=ttl, inherits=inherits)
    if not taken.granted:
        full = Standing(policy=Policy.PROVIDER_PLACE, limit=place.cap, used=place.cap, frees_at=now + taken.wait)
        raise NoPlace([full], now=now)
    return taken


async def release_concurrency(gate: Gate, of: AccountId | Place, holder: str | GenerationId) -> bool:
    """Give back what an `acquire_…` holds: an account's lease or a provider's place; return whether it was held.

    Safe to repeat. `Gate.release` is the end of a whole generation, which no renewal brings back. Raises Unavailable.
    """
    if isinstance(of, Place):
        return await gate.places.give_back(of, str(holder))
    (verdict,) = await gate.scripts.run("semaphore_release", keys=[keys.leases(of)], args=[str(holder)])
    return verdict == "released"


async def check_and_set_regen_cooldown(gate: Gate, account: AccountId, draft: DraftId, lease: GenerationId) -> datetime:
    """Start the draft's cooldown, as long as the plan says, and return its end. Raises NotAdmitted, Unavailable.

    The lease that started it may ask again and prolongs nothing.
    """
    length_ms = (await gate.entitled(account)).limits.cooldown_ms
    verdict, now_ms, until_ms = await gate.scripts.run(
        "cooldown", keys=[keys.cooldown(account, draft)], args=[gate.now_text(), str(lease), str(length_ms)]
    )
    until = wire.instant(until_ms)
    if verdict == "cooling":
        running = Standing(policy=Policy.COOLDOWN, limit=1, used=1, frees_at=until)
        raise NotAdmitted([running], now=wire.instant(now_ms))
    return until


async def get_or_set_idempotency(
    gate: Gate, account: AccountId, *, scope: str, key: str, fingerprint: str, lease: GenerationId
) -> GenerationId | None:
    """Claim an Idempotency-Key for a minute and return None, or return the generation that it has started.

    Raises InProgress (with the wait), KeyReused, Unavailable. A claim whose request died is taken over.
    """
    verdict, known, wait_ms = await gate.scripts.run(
        "claim",
        keys=[keys.claim(account, scope, key)],
        args=[gate.now_text(), fingerprint, str(lease), wire.span(wire.CLAIM)],
    )
    match verdict:
        case "claimed":
            return None
        case "replay":
            return GenerationId(UUID(known))
        case "busy":
            wait = timedelta(milliseconds=int(wait_ms))
            raise InProgress("The first request with this Idempotency-Key is still running: ask again.", wait=wait)
        case _:
            raise KeyReused(
                "This Idempotency-Key was used for another request: send a new key.", field="Idempotency-Key"
            )


@dataclass(frozen=True, slots=True)
class _Counter:
    """One counter with its limit (None: no cap)."""

    policy: Policy
    limit: int | None
    key: str
    hourly: bool = False

    async def count(self, gate: Gate, account: AccountId, units: int, *, now: datetime, ends: datetime) -> Standing:
        """Count the units, or raise NotAdmitted and count nothing."""
        kept = ends - now + (_HOUR_KEPT if self.hourly else _MONTH_KEPT)
        limit = str(_NO_CAP if self.limit is None else self.limit)
        args = [str(units), limit, wire.span(kept), "zero" if self.hourly else "ask"]
        for _ in range(2):
            verdict, used = await gate.scripts.run("counter_with_limit", keys=[self.key], args=args)
            standing = Standing(policy=self.policy, limit=self.limit, used=int(used), frees_at=ends)
            if verdict == "counted":
                return standing
            if verdict == "refused":
                raise NotAdmitted([standing], now=now)
            await gate.warm(account, now=now)
        raise Unavailable("The month's use could not be read just now: try again soon.")

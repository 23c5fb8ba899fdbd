"""The gate: the one owner of the admission scripts. It spells their keys, reads their verdicts, raises the refusals."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from redis.asyncio import Redis

from reelwright.admission import keys, wire
from reelwright.admission.model import (
    Admitted,
    Facts,
    InProgress,
    KeyReused,
    Order,
    Place,
    Replayed,
    Standing,
    Unavailable,
)
from reelwright.admission.policy import Limits, Periods
from reelwright.admission.scripts import PATIENCE, Scripts
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.log import logger

_log = logger(__name__)
_REPLAYED_FOR: Final = timedelta(hours=24)
_BOOST_FORGOTTEN: Final = timedelta(minutes=20)
"""Longer than any cached plan lives, so that a boost taken away outlasts every copy of the plan that still has it."""
_ROUNDS: Final = 4
"""One decision may meet, at most, a cold month, a month's end, a cold new month, and then an answer."""


class Gate:
    """Admission's one door. `facts` asks PostgreSQL when Redis has lost an account; tests pin Redis's clock.

    `patience` bounds one call, however many packets and connections it takes.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        facts: Callable[[AccountId, Periods], Awaitable[Facts]],
        clock_ms: Callable[[], int] | None = None,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._scripts = Scripts(redis, patience=patience)
        self._facts = facts
        self._clock_ms = clock_ms

    async def ping(self) -> None:
        """Ask Redis for an answer. Raises Unavailable."""
        await self._scripts.command("PING")

    async def admit(self, order: Order, *, now: datetime) -> Admitted | Replayed:
        """Take everything that an order needs, or nothing, in one round trip. `now` only proposes the periods.

        Raises NotAdmitted, NoPlace, InProgress, KeyReused, Unavailable, and whatever `facts` raises.
        """
        verdict, cells = await self._decide(order, now=now, dry=False)
        match verdict:
            case "replay":
                return Replayed(generation=order.lease)
            case "busy":
                wait = timedelta(milliseconds=int(cells[0]))
                raise InProgress("The first request with this Idempotency-Key is still running: ask again.", wait=wait)
            case "reused":
                raise KeyReused("This Idempotency-Key was used for another request: take a new one.")
            case _:
                return wire.admission(verdict, cells)

    async def would_admit(self, order: Order, *, now: datetime) -> Admitted:
        """Answer as `admit` would for a new key, and take nothing. Raises NotAdmitted, NoPlace, Unavailable."""
        return wire.admission(*await self._decide(order, now=now, dry=True))

    async def withdraw(self, order: Order) -> bool:
        """Give back all that an unconfirmed admission took, once; return whether it had taken anything.

        Only where the database says that no such generation was committed. What was confirmed stays.
        Raises Unavailable.
        """
        spent = await self._spent_from(order.account, order.lease)
        (verdict,) = await self._scripts.run(
            "withdraw",
            keys=[
                keys.claim(order.account, order.scope, order.key),
                keys.receipt(order.lease),
                *spent[:4],
                keys.leases(order.account),
                spent[4],
            ],
            args=[str(order.lease)],
        )
        return verdict == "withdrawn"

    async def confirm(self, order: Order, deadline: datetime) -> None:
        """After the commit: hold lease and place until the queue's deadline and finish the claim. Raises Unavailable.

        May be lost or repeated: a worker's first renewal confirms the lease too.
        """
        verdict, now_ms = await self._scripts.run(
            "confirm",
            keys=[
                keys.claim(order.account, order.scope, order.key),
                keys.receipt(order.lease),
                keys.leases(order.account),
                wire.place_key(order.place),
            ],
            args=[
                self._now(),
                str(order.lease),
                order.fingerprint,
                wire.ms(deadline),
                wire.span(_REPLAYED_FOR),
                "1" if order.place else "",
            ],
        )
        if verdict == "rebuilt":
            await self._forget_counters(order.account, wire.instant(now_ms))

    async def renew(self, account: AccountId, lease: GenerationId, *, ttl: timedelta, adopt: bool = False) -> bool:
        """Hold a generation's lease for at least `ttl` from now; False where it lapsed or ended. Raises Unavailable.

        `adopt` says that the generation's row is live, so that a lapsed or lost lease is held again.
        """
        verdict, _ = await self._scripts.run(
            "renew",
            keys=[keys.leases(account), keys.receipt(lease)],
            args=[self._now(), str(lease), wire.span(ttl), "1" if adopt else ""],
        )
        return verdict in {"renewed", "adopted"}

    async def release(self, account: AccountId, lease: GenerationId) -> bool:
        """End a generation's lease; return whether it was still held. Safe to repeat. Raises Unavailable."""
        spent = await self._spent_from(account, lease)
        (verdict,) = await self._scripts.run(
            "release", keys=[keys.leases(account), keys.receipt(lease), spent[4]], args=[str(lease)]
        )
        return verdict == "released"

    async def refund(self, account: AccountId, lease: GenerationId) -> bool:
        """Give a generation's units back to the month of its admission, once; its hour stays used. Raises Unavailable.

        Call it after the row says so: where Redis has lost the receipt, the counters are asked of PostgreSQL again.
        """
        month, _, full, cooldown, _ = await self._spent_from(account, lease)
        (verdict,) = await self._scripts.run(
            "refund", keys=[keys.receipt(lease), month, full, cooldown], args=[str(lease)]
        )
        if verdict == "unknown":
            await self._forget_counters(account, await self._redis_now())
        return verdict == "refunded"

    async def take_place(
        self, place: Place, holder: str, *, ttl: timedelta, inherits: GenerationId | None = None
    ) -> bool:
        """Take or renew a provider's place at dispatch; False when all are taken. Raises Unavailable.

        `inherits` names the generation whose place, taken at admission, this holder takes over.
        """
        verdict, _, _ = await self._scripts.run(
            "semaphore_acquire",
            keys=[wire.place_key(place)],
            args=[self._now(), holder, wire.span(ttl), str(place.cap), str(inherits or "")],
        )
        return verdict != "full"

    async def renew_place(self, place: Place, holder: str, *, ttl: timedelta) -> bool:
        """Keep a place that is still held for `ttl` from now; False where it lapsed. Raises Unavailable."""
        verdict, _, _ = await self._scripts.run(
            "semaphore_acquire", keys=[wire.place_key(place)], args=[self._now(), holder, wire.span(ttl), "0", ""]
        )
        return verdict == "renewed"

    async def give_back_place(self, place: Place, holder: str) -> None:
        """Give a place back. Safe to repeat, and never another holder's. Raises Unavailable."""
        await self._scripts.run("semaphore_release", keys=[wire.place_key(place)], args=[holder])

    async def set_boost(self, account: AccountId, until: datetime | None) -> None:
        """Say when a boost ends, or that there is none, over what cached plans still say. Raises Unavailable."""
        stay = _BOOST_FORGOTTEN if until is None else max(until - await self._redis_now(), _BOOST_FORGOTTEN)
        end = "0" if until is None else wire.ms(until)
        await self._scripts.command("SET", keys.boost(account), end, "PX", wire.span(stay))

    async def peek(
        self,
        account: AccountId,
        periods: Periods,
        *,
        limits: Limits,
        boosted: Limits | None = None,
        boost_until: datetime | None = None,
    ) -> Sequence[Standing]:
        """Return where each of an account's policies stands; write nothing.

        Raises Unavailable, and whatever `facts` raises.
        """
        at = [keys.boost(account), *wire.counters(account, periods), keys.leases(account)]
        now_ms, boost, month, hour, full, live, next_ms = await self._scripts.run("peek", keys=at, args=[self._now()])
        now = wire.instant(now_ms)
        ends = wire.instant(boost) if boost else boost_until
        plan = boosted if boosted and ends and ends > now else limits
        if not (month and full):
            facts = await self._facts(account, periods)
            month, hour, full = str(facts.generations_month), str(facts.generations_hour), str(facts.full_month)
            live = str(max(int(live), sum(expires_at > now for _, expires_at in facts.leases)))
        cells = ["generations_month", str(plan.generations_month), month, wire.ms(periods.month_end)]
        cells += ["generations_hour", str(plan.generations_hour), hour or "0", wire.ms(periods.hour_end)]
        if plan.full_regenerations_month is not None:
            cells += ["full_regenerations_month", str(plan.full_regenerations_month), full, wire.ms(periods.month_end)]
        cells += ["concurrent", str(plan.concurrent), live, next_ms]
        return wire.standings(cells, now=now)

    async def _decide(self, order: Order, *, now: datetime, dry: bool) -> tuple[str, list[str]]:
        periods = Periods.at(now)
        for _ in range(_ROUNDS):
            at, args = wire.admit_keys(order, periods), wire.admit_args(order, periods, clock=self._now(), dry=dry)
            verdict, *cells = await self._scripts.run("admit", keys=at, args=args)
            if verdict == "skew":
                _log.warning("admission.clock_skew", ours=now.isoformat(), redis=wire.instant(cells[0]).isoformat())
                periods = Periods.at(wire.instant(cells[0]))
            elif verdict == "hydrate":
                await self._hydrate(order.account, periods)
            else:
                return verdict, cells
        raise Unavailable("Admission could not settle on a period: try again soon.")

    async def _hydrate(self, account: AccountId, periods: Periods) -> None:
        facts = await self._facts(account, periods)
        receipts = [keys.receipt(lease) for lease, _ in facts.leases]
        leases = [cell for lease, expires_at in facts.leases for cell in (str(lease), wire.ms(expires_at))]
        used = [str(facts.generations_month), str(facts.generations_hour), str(facts.full_month)]
        await self._scripts.run(
            "hydrate",
            keys=[*wire.counters(account, periods), keys.leases(account), *receipts],
            args=[self._now(), wire.ms(periods.month_end), wire.ms(periods.hour_end), *used, *leases],
        )

    async def _spent_from(self, account: AccountId, lease: GenerationId) -> list[str]:
        """Return the month, hour, full, cooldown and place keys that a receipt names, or names nobody uses."""
        fields = ("month", "hour", "full", "cooldown", "place")
        named = await self._scripts.command("HMGET", keys.receipt(lease), *fields)
        nobody = [keys.month(account, "none"), keys.hour(account, "none"), keys.full(account, "none")]
        return [
            name or other
            for name, other in zip(named, [*nobody, keys.cooldown(account, None), wire.place_key(None)], strict=True)
        ]

    async def _forget_counters(self, account: AccountId, now: datetime) -> None:
        month, _, full = wire.counters(account, Periods.at(now))
        await self._scripts.command("DEL", month, full)

    async def _redis_now(self) -> datetime:
        if self._clock_ms is not None:
            return wire.instant(self._now())
        seconds, micros = await self._scripts.command("TIME")
        return wire.instant(str(int(seconds) * 1000 + int(micros) // 1000))

    def _now(self) -> str:
        return "" if self._clock_ms is None else str(self._clock_ms())

"""The gate: the one owner of the admission scripts. It spells their keys, reads their verdicts, raises the refusals."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from reelwright.admission import keys, wire
from reelwright.admission.model import (
    Admitted,
    Counted,
    Entitlement,
    Facts,
    Held,
    InProgress,
    KeyReused,
    NotAdmitted,
    Order,
    Peek,
    Replayed,
    Unavailable,
)
from reelwright.admission.places import Places
from reelwright.admission.policy import Limits, Periods
from reelwright.admission.rebuilding import Rebuilding
from reelwright.admission.scripts import PATIENCE, Call, Scripts, Transport
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.log import logger

_log = logger(__name__)
_REPLAYED_FOR: Final = timedelta(hours=24)
_ROUNDS: Final = 5
"""One decision may meet, at most, a cold account, a period's end, a plan that changes twice, and then an answer."""
_CHANGED_ROUNDS: Final = 5


class Gate:
    """Admission's one door.

    `facts` and `held` ask PostgreSQL when Redis has lost an account or its plan; `limits` are every plan's, `boosted`
    the plan that a boost lifts to. `patience` bounds one call, connecting included; tests pin Redis's clock.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        facts: Callable[[AccountId, Periods], Awaitable[Facts]],
        held: Callable[[AccountId], Awaitable[Held]],
        limits: Mapping[str, Limits],
        boosted: str = "pro",
        clock_ms: Callable[[], int] | None = None,
        patience: timedelta = PATIENCE,
    ) -> None:
        self.scripts = Scripts(transport, patience=patience)
        self.tariff = wire.Tariff(limits, boosted=boosted)
        self._clock_ms = clock_ms
        self.places = Places(self.scripts, self.now_text)
        self._rebuilding = Rebuilding(self.scripts, self.tariff, facts=facts, held=held, now=self.now_text)
        self._transport = transport
        self._periods: Periods | None = None

    @property
    def limits(self) -> Mapping[str, Limits]:
        """Every plan's limits, by its name."""
        return self.tariff.limits

    async def ping(self) -> None:
        """Ask Redis for an answer. Raises Unavailable."""
        await self.scripts.command("PING")

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def admit(self, order: Order, *, now: datetime) -> Admitted | Replayed:
        """Take everything that an order needs, or nothing, in one round trip. `now` only proposes the periods.

        Raises NotAdmitted, NoPlace, InProgress, KeyReused, Unavailable, and whatever `facts` and `held` raise.
        """
        try:
            answer = await self._decide(order, now=now, dry=False)
        except NotAdmitted as refused:
            if not await self._rebuilding.doubted(order.account, refused, self._periods_at(refused.now)):
                raise
            answer = await self._decide(order, now=now, dry=False)
        if answer is None:
            raise TypeError("an order that may ask is always answered")
        return answer

    async def would_admit(self, order: Order, *, now: datetime, ask: bool = True) -> Admitted | None:
        """Answer as `admit` would for a new key, and take nothing. Raises NotAdmitted, NoPlace, Unavailable.

        Where Redis doesn't know the account, it is told what PostgreSQL knows; without `ask` the answer is None then,
        and nothing at all was written.
        """
        answer = await self._decide(order, now=now, dry=True, ask=ask)
        if isinstance(answer, Replayed):
            raise TypeError("a dry run has no key to replay")
        return answer

    async def withdraw(self, account: AccountId, lease: GenerationId) -> bool:
        """Give back all that an unconfirmed admission took, once; return whether it had taken anything.

        Only where the database says that no such generation was committed. What was confirmed stays.
        Raises Unavailable.
        """
        for _ in range(_CHANGED_ROUNDS):
            receipt, names = await self._receipt(account, lease)
            month, hour, full, cooldown, place, claim = names
            (verdict,) = await self.scripts.run(
                "withdraw",
                keys=[
                    keys.receipt(lease),
                    keys.leases(account),
                    keys.pending(),
                    *(month, hour, full, cooldown, place, claim),
                ],
                args=[str(lease), str(account), receipt],
            )
            if verdict != "changed":
                return verdict == "withdrawn"
        raise Unavailable("An admission could not be withdrawn just now: try again soon.")

    async def confirm(self, order: Order, deadline: datetime) -> None:
        """After the commit: hold lease and place until the queue's deadline and finish the claim. Raises Unavailable.

        May be lost or repeated: a worker's first renewal and the sweep confirm the lease too.
        """
        verdict, now_ms = await self.scripts.run(
            "confirm",
            keys=[
                keys.claim(order.account, order.scope, order.key),
                keys.receipt(order.lease),
                keys.leases(order.account),
                wire.place_key(order.place),
                keys.pending(),
            ],
            args=[
                self.now_text(),
                str(order.lease),
                str(order.account),
                order.fingerprint,
                wire.ms(deadline),
                wire.span(_REPLAYED_FOR),
                "1" if order.place else "",
            ],
        )
        if verdict == "rebuilt":
            await self.forget(order.account, now=wire.instant(now_ms))

    async def renew(self, account: AccountId, lease: GenerationId, *, ttl: timedelta, adopt: bool = False) -> bool:
        """Hold a generation's lease for at least `ttl` from now; False where it lapsed or ended. Raises Unavailable.

        `adopt` says that the generation's row is live, so that a lapsed or lost lease is held again.
        """
        verdict, _ = await self.scripts.run(
            "renew",
            keys=[keys.leases(account), keys.receipt(lease), keys.pending()],
            args=[self.now_text(), str(lease), str(account), wire.span(ttl), "1" if adopt else ""],
        )
        return verdict in {"renewed", "adopted"}

    async def release(self, account: AccountId, lease: GenerationId) -> bool:
        """End a generation's lease; return whether it was still held. Safe to repeat. Raises Unavailable."""
        _, names = await self._receipt(account, lease)
        (verdict,) = await self.scripts.run(
            "release",
            keys=[keys.leases(account), keys.receipt(lease), names[4], keys.pending()],
            args=[str(lease), str(account)],
        )
        return verdict == "released"

    async def refund(self, account: AccountId, lease: GenerationId) -> bool:
        """Give a generation's units back to the month of its admission, once; its hour stays used. Raises Unavailable.

        Call it after the row says so: where Redis has lost the receipt, the counters are asked of PostgreSQL again.
        """
        for _ in range(_CHANGED_ROUNDS):
            receipt, (month, _, full, cooldown, _, _) = await self._receipt(account, lease)
            (verdict,) = await self.scripts.run(
                "refund", keys=[keys.receipt(lease), month, full, cooldown], args=[str(lease), receipt]
            )
            if verdict == "unknown":
                await self.forget(account, now=await self._redis_now())
            if verdict != "changed":
                return verdict == "refunded"
        raise Unavailable("A unit could not be given back just now: try again soon.")

    async def remember_plan(self, account: AccountId, held: Held) -> None:
        """After the commit of a change: replace the plan and the boost's end that are cached, unless newer ones are.

        Raises Unavailable; the cache then lasts ten minutes at most, and whoever read the new version mends it sooner.
        """
        await self._rebuilding.remember(account, held)

    async def entitled(self, account: AccountId) -> Entitlement:
        """Return what an account may do now: from the cache, else from PostgreSQL; with Redis away, too.

        Raises whatever `held` raises.
        """
        return await self._rebuilding.entitled(account)

    async def peek(self, account: AccountId, *, now: datetime) -> Peek:
        """Return where each of an account's policies stands; take nothing, write nothing.

        `now` only proposes the periods. Raises Unavailable, and whatever `facts` and `held` raise.
        """
        return await self._rebuilding.peek(account, self._periods_at(now))

    async def warm(self, account: AccountId, *, now: datetime) -> Periods:
        """Make sure that Redis knows the account's counters, leases and cooldowns, and return the periods at `now`.

        Raises Unavailable, and whatever `facts` raises.
        """
        periods = self._periods_at(now)
        await self._rebuilding.hydrate(account, periods)
        return periods

    async def forget(self, account: AccountId, *, now: datetime) -> None:
        """Drop the counters of month and hour, so that the next decision asks PostgreSQL. Raises Unavailable."""
        await self.scripts.command("DEL", *wire.counters(account, self._periods_at(now)))

    async def unconfirmed(self, limit: int) -> list[tuple[AccountId, GenerationId]]:
        """Return admissions whose confirmation is overdue, oldest first. Raises Unavailable."""
        return await self._rebuilding.unconfirmed(limit)

    async def leased(self, account: AccountId) -> set[GenerationId]:
        """Return the generations that hold a lease, lapsed and unconfirmed ones too. Raises Unavailable."""
        return {
            GenerationId(UUID(lease)) for lease in await self.scripts.command("ZRANGE", keys.leases(account), "0", "-1")
        }

    async def counted(self, account: AccountId, periods: Periods) -> Counted:
        """Return an account's counters as Redis holds them. Raises Unavailable."""
        return await self._rebuilding.counted(account, periods)

    async def repair(self, account: AccountId, periods: Periods, *, seen: Counted, facts: Facts) -> bool:
        """Set the counters to the facts, unless they moved since `seen` or an order is between admission and commit.

        Raises Unavailable.
        """
        return await self._rebuilding.repair(account, periods, seen=seen, facts=facts)

    def now_text(self) -> str:
        """Return what scripts are told of the time: "" for the server's own clock."""
        return "" if self._clock_ms is None else str(self._clock_ms())

    async def _decide(self, order: Order, *, now: datetime, dry: bool, ask: bool = True) -> Admitted | Replayed | None:
        periods, told = self._periods_at(now), list[Call]()
        for _ in range(_ROUNDS):
            at, args = wire.admit_call(order, periods, self.tariff, clock=self.now_text(), dry=dry)
            if told:
                verdict, *cells = await self.scripts.run_after(told, Call(name="admit", keys=at, args=args))
            else:
                verdict, *cells = await self.scripts.run("admit", keys=at, args=args)
            told = []
            match verdict:
                case "admitted" | "refused":
                    return wire.admission(verdict, cells, order, periods, self.tariff)
                case "replay":
                    return Replayed(generation=order.lease)
                case "busy":
                    wait = timedelta(milliseconds=int(cells[0]))
                    raise InProgress("The first request with this Idempotency-Key is still running.", wait=wait)
                case "reused":
                    raise KeyReused(
                        "This Idempotency-Key was used for another request: send a new key.", field="Idempotency-Key"
                    )
                case "skew":
                    theirs = wire.instant(cells[0])
                    _log.warning("admission.clock_skew", ours=now.isoformat(), redis=theirs.isoformat())
                    periods = self._periods_at(theirs)
                case _ if ask:
                    order, told = await self._rebuilding.rebuilt(order, periods, counters=not cells[0])
                case _:
                    return None
        raise Unavailable("Admission could not settle on a plan and a period: try again soon.")

    async def _receipt(self, account: AccountId, lease: GenerationId) -> tuple[str, list[str]]:
        """Return a receipt and the month, hour, full, cooldown, place and claim keys it names, or names nobody uses."""
        (receipt,) = await self.scripts.command("GET", keys.receipt(lease))
        return receipt, wire.receipt_names(account, receipt)

    def _periods_at(self, now: datetime) -> Periods:
        if self._periods is None or not self._periods.hour_start <= now < self._periods.hour_end:
            self._periods = Periods.at(now)
        return self._periods

    async def _redis_now(self) -> datetime:
        if self._clock_ms is not None:
            return wire.instant(self.now_text())
        seconds, micros = await self.scripts.command("TIME")
        return wire.instant(str(int(seconds) * 1000 + int(micros) // 1000))

"""Puts back into Redis what PostgreSQL knows (plans, counters, leases, cooldowns), and doubts refusals by drift."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Final
from uuid import UUID

from reelwright.admission import keys, wire
from reelwright.admission.model import (
    Counted,
    Entitlement,
    Facts,
    Held,
    NotAdmitted,
    Order,
    Peek,
    Standing,
    Unavailable,
)
from reelwright.admission.policy import Periods, Policy
from reelwright.admission.scripts import Call, Scripts
from reelwright.ground import clock
from reelwright.ground.errors import Outage
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.log import logger

_log = logger(__name__)
_PLAN_KNOWN_FOR: Final = timedelta(minutes=10)
_DOUBTED_EVERY_S: Final = 60.0
_DOUBTS_KEPT: Final = 10_000
_COUNTED: Final = {Policy.GENERATIONS_MONTH, Policy.GENERATIONS_HOUR, Policy.FULL_REGENERATIONS_MONTH}


class Rebuilding:
    """What the gate does when Redis doesn't know, or may be wrong."""

    def __init__(
        self,
        scripts: Scripts,
        tariff: wire.Tariff,
        *,
        facts: Callable[[AccountId, Periods], Awaitable[Facts]],
        held: Callable[[AccountId], Awaitable[Held]],
        now: Callable[[], str],
    ) -> None:
        self._scripts = scripts
        self._tariff = tariff
        self._facts = facts
        self._held = held
        self._now = now
        self._doubts: OrderedDict[AccountId, float] = OrderedDict()

    async def rebuilt(self, order: Order, periods: Periods, *, counters: bool) -> tuple[Order, list[Call]]:
        """Ask PostgreSQL for the plan, and for the `counters`; return the order with the plan held, and what tells it.

        The calls are to be run before Redis is asked again.
        """
        if not counters:
            held = await self._held(order.account)
            return replace(order, held=held), [self._planned(order.account, held)]
        facts = await self._facts(order.account, periods)
        held = facts.held or await self._held(order.account)
        told = [self._planned(order.account, held), self._hydrated(order.account, periods, facts)]
        return replace(order, held=held), told

    async def remember(self, account: AccountId, held: Held) -> None:
        """Cache the plan and the boost's end, unless newer ones are cached. Raises Unavailable."""
        call = self._planned(account, held)
        await self._scripts.run(call.name, keys=call.keys, args=call.args)

    def _planned(self, account: AccountId, held: Held) -> Call:
        return Call(
            name="plan",
            keys=[keys.plan(account), keys.boost(account)],
            args=[
                self._now(),
                str(held.version),
                self._tariff.token(held),
                wire.span(_PLAN_KNOWN_FOR),
                wire.ms(held.boost_until) if held.boost_until else "",
            ],
        )

    async def entitled(self, account: AccountId) -> Entitlement:
        """Return what an account may do now, from the cache, else from PostgreSQL."""
        try:
            token, boost_until = await self._scripts.command("MGET", keys.plan(account), keys.boost(account))
            known = self._tariff.read(token, boost_until)
            if known is None:
                known = await self._held(account)
                await self.remember(account, known)
        except Unavailable:
            known = await self._held(account)
        return self._tariff.entitlement(known, clock.now())

    async def peek(self, account: AccountId, periods: Periods) -> Peek:
        """Return where each policy stands; write nothing."""
        at = [keys.boost(account), keys.plan(account), *wire.counters(account, periods), keys.leases(account)]
        cells = await self._scripts.run("peek", keys=at, args=[self._now()])
        now, held = wire.instant(cells[0]), self._tariff.read(cells[1], cells[2])
        if not periods.hour_start <= now < periods.hour_end:
            return await self.peek(account, Periods.at(now))
        entitlement = self._tariff.entitlement(held or await self._held(account), now)
        used = Counted(generations_month=0, generations_hour=int(cells[4] or 0), full_month=0)
        live = int(cells[6])
        if cells[3] and cells[5]:
            used = replace(used, generations_month=int(cells[3]), full_month=int(cells[5]))
        else:
            facts = await self._facts(account, periods)
            used = _counted(facts)
            live = max(live, sum(expires_at > now for _, expires_at in facts.leases))
        return Peek(
            at=now,
            entitlement=entitlement,
            boosted=entitlement.boost_until is not None,
            standings=_standings(entitlement, used, periods, live, wire.lapse(cells[7], now=now)),
        )

    async def doubted(self, account: AccountId, refused: NotAdmitted, periods: Periods) -> bool:
        """Ask PostgreSQL, at most once a minute an account, whether a counter that refuses has drifted.

        Where it has, the counters are dropped and the decision may be made again: the order's own transaction counts
        once more, so that doubting can't admit too many.
        """
        counted = {row.policy: row.used for row in refused.violations if row.policy in _COUNTED}
        if not counted or not self._may_doubt(account):
            return False
        try:
            seen = await self.counted(account, periods)  # first, or a commit in between would be set back
            facts = await self._facts(account, periods)
            truth = {Policy.GENERATIONS_MONTH: facts.generations_month, Policy.GENERATIONS_HOUR: facts.generations_hour}
            truth[Policy.FULL_REGENERATIONS_MONTH] = facts.full_month
            if all(truth[policy] >= used for policy, used in counted.items()):
                return False
            return await self.repair(account, periods, seen=seen, facts=facts)
        except Outage:
            return False

    def _may_doubt(self, account: AccountId) -> bool:
        at = monotonic()
        if at - self._doubts.get(account, -_DOUBTED_EVERY_S) < _DOUBTED_EVERY_S:
            return False
        self._doubts[account] = at
        self._doubts.move_to_end(account)
        if len(self._doubts) > _DOUBTS_KEPT:
            self._doubts.popitem(last=False)
        return True

    async def unconfirmed(self, limit: int) -> list[tuple[AccountId, GenerationId]]:
        """Return admissions whose confirmation is overdue, oldest first."""
        now = self._now() or await self._server_ms()
        found = await self._scripts.command("ZRANGEBYSCORE", keys.pending(), "-inf", now, "LIMIT", "0", str(limit))
        pairs = (member.partition("|") for member in found if member)
        return [(AccountId(UUID(account)), GenerationId(UUID(lease))) for account, _, lease in pairs]

    async def counted(self, account: AccountId, periods: Periods) -> Counted:
        """Return the counters as Redis holds them, and whether rows that are read later may lack a counted order."""
        month, hour, full = await self._scripts.command("MGET", *wire.counters(account, periods))
        waiting = await self._scripts.command("ZRANGE", keys.pending(), "0", "-1")  # second: who is counted is in it
        return Counted(
            generations_month=int(month) if month else None,
            generations_hour=int(hour) if hour else None,
            full_month=int(full) if full else None,
            busy=any(member.startswith(f"{account}|") for member in waiting),
        )

    async def repair(self, account: AccountId, periods: Periods, *, seen: Counted, facts: Facts) -> bool:
        """Set the counters to the facts, unless they moved or an order was, or is, under way."""
        if seen.busy:
            return False
        read = (seen.generations_month, seen.generations_hour, seen.full_month)
        truth = (facts.generations_month, facts.generations_hour, facts.full_month)
        (verdict,) = await self._scripts.run(
            "reconcile",
            keys=[*wire.counters(account, periods), keys.pending()],
            args=[str(account), *("" if cell is None else str(cell) for cell in read), *map(str, truth)],
        )
        if verdict == "repaired":
            _log.warning("admission.repaired", account=str(account), seen=read, truth=truth)
        return verdict == "repaired"

    async def hydrate(self, account: AccountId, periods: Periods) -> None:
        """Put the counters, leases and cooldowns back where a month's counter is missing."""
        month, _, full = wire.counters(account, periods)
        if all(await self._scripts.command("MGET", month, full)):
            return
        call = self._hydrated(account, periods, await self._facts(account, periods))
        await self._scripts.run(call.name, keys=call.keys, args=call.args)

    def _hydrated(self, account: AccountId, periods: Periods, facts: Facts) -> Call:
        names = [keys.receipt(lease) for lease, _ in facts.leases]
        names += [keys.cooldown(account, draft) for draft, _, _ in facts.cooldowns]
        pairs = [*facts.leases, *((lease, until) for _, lease, until in facts.cooldowns)]
        return Call(
            name="hydrate",
            keys=[*wire.counters(account, periods), keys.leases(account), *names],
            args=[
                self._now(),
                wire.ms(periods.month_end),
                wire.ms(periods.hour_end),
                *map(str, (facts.generations_month, facts.generations_hour, facts.full_month)),
                str(len(facts.leases)),
                *(cell for lease, ends in pairs for cell in (str(lease), wire.ms(ends))),
            ],
        )

    async def _server_ms(self) -> str:
        seconds, micros = await self._scripts.command("TIME")
        return str(int(seconds) * 1000 + int(micros) // 1000)


def _counted(facts: Facts) -> Counted:
    return Counted(
        generations_month=facts.generations_month,
        generations_hour=facts.generations_hour,
        full_month=facts.full_month,
    )


def _standings(
    entitlement: Entitlement, used: Counted, periods: Periods, live: int, frees_at: datetime | None
) -> list[Standing]:
    limits, end = entitlement.limits, periods.month_end
    month, hour, full = used.generations_month or 0, used.generations_hour or 0, used.full_month or 0
    return [
        wire.counter(Policy.GENERATIONS_MONTH, limits.generations_month, month, end),
        wire.counter(Policy.GENERATIONS_HOUR, limits.generations_hour, hour, periods.hour_end),
        wire.counter(Policy.FULL_REGENERATIONS_MONTH, limits.full_regenerations_month, full, end),
        wire.counter(Policy.CONCURRENT, limits.concurrent, live, frees_at),
    ]

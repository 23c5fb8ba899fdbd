"""A gate whose clock, plans and facts a test holds in its hands."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zlib import crc32

import pytest
from redis.asyncio import Redis

from reelwright.admission import (
    Admitted,
    Facts,
    Gate,
    Held,
    Limits,
    NotAdmitted,
    Order,
    Periods,
    Place,
    Replayed,
    Transport,
)
from reelwright.ground.ids import AccountId, DraftId, GenerationId
from tests.rooms.admission.reach import reach

PLAN = Limits(generations_month=7, generations_hour=5, full_regenerations_month=3, concurrent=4, cooldown_ms=30_000)
ROOMY = Limits(
    generations_month=10_000, generations_hour=10_000, full_regenerations_month=None, concurrent=10_000, cooldown_ms=0
)
PLACE = Place(provider="offline", model="drawn:v1", lane="interactive", cap=2)
MOMENT = datetime(2026, 12, 15, 10, 20, 30, tzinfo=UTC)
MS = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)


class Desk:
    """One account before one gate. `now` is Redis's clock and the caller's, unless Redis's own is asked for.

    `facts` is what PostgreSQL would count, or how it fails; None: the same as Redis does. `held` is the plan it would
    name: that of the last order that was brought, as if the account had changed its plan before.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        transport: Transport | None = None,
        patience: timedelta = timedelta(seconds=30),
        clocked: bool = True,
    ) -> None:
        self.redis = redis
        self.now = MOMENT
        self.account = AccountId(uuid4())
        self.facts: Facts | Exception | None = None
        self.held = Held(plan="pro", version=1)
        self.asked: list[tuple[AccountId, str, str]] = []
        self.asked_plan = 0
        self._transport = transport or reach(redis)
        self._patience = patience
        self._clocked = clocked
        self._plans = {"pro": ROOMY}
        self.gate = self._gate()

    def another(self) -> "Desk":
        """Another account before the same server."""
        return Desk(self.redis, transport=self._transport, patience=self._patience)

    def _gate(self) -> Gate:
        return Gate(
            self._transport,
            facts=self._read,
            held=self._read_plan,
            limits=dict(self._plans),
            clock_ms=(lambda: self.ms) if self._clocked else None,
            patience=self._patience,
        )

    @property
    def ms(self) -> int:
        """`now` in milliseconds since 1970."""
        return (self.now - datetime(1970, 1, 1, tzinfo=UTC)) // MS

    async def _read(self, account: AccountId, periods: Periods) -> Facts:
        self.asked.append((account, periods.month, periods.hour))
        if isinstance(self.facts, Exception):
            raise self.facts
        if self.facts is not None:
            return self.facts
        names = (
            f"app:usage:{account}:gen_used:{periods.month}",
            f"app:burst:{account}:gen_hour:{periods.hour}",
            f"app:usage:{account}:full_regen_used:{periods.month}",
        )
        month, hour, full = (int(cell or 0) for cell in await self.redis.mget(names))
        return Facts(generations_month=month, generations_hour=hour, full_month=full)

    async def _read_plan(self, _account: AccountId) -> Held:
        self.asked_plan += 1
        return self.held

    def order(
        self, limits: Limits = ROOMY, *, boosted: Limits = ROOMY, boost_until: datetime | None = None, **changes
    ) -> Order:
        plan = f"plan{crc32(repr(limits).encode())}"
        if self._plans.get(plan) is None or self._plans["pro"] != boosted:
            self._plans |= {plan: limits, "pro": boosted}
            self.gate = self._gate()
        order = Order(
            account=self.account,
            lease=GenerationId(uuid4()),
            scope="POST /v1/create",
            key=f"key-{uuid4()}",
            fingerprint="a digest",
            held=Held(plan=plan, version=1, boost_until=boost_until),
        )
        return replace(order, **changes)

    def holds(self, order: Order) -> Order:
        """Let PostgreSQL say that the account holds the order's plan and boost, and return the order that knows it."""
        if (order.held.plan, order.held.boost_until) != (self.held.plan, self.held.boost_until):
            self.held = replace(order.held, version=self.held.version + 1)
        return replace(order, held=self.held)

    async def admit(self, order: Order) -> Admitted | Replayed:
        return await self.gate.admit(self.holds(order), now=self.now)

    async def started(self, limits: Limits = ROOMY, *, until: timedelta = HOUR, **changes) -> Order:
        """Admit and confirm a new order, as a request whose transaction was committed does."""
        order = self.order(limits, **changes)
        await self.admit(order)
        await self.gate.confirm(order, self.now + until)
        return order

    async def refused(self, order: Order) -> NotAdmitted:
        """Be refused, and prove that nothing was written by it."""
        await self.gate.warm(self.account, now=self.now)
        before = await self.everything()
        with pytest.raises(NotAdmitted) as refused:
            await self.admit(order)
        assert await self.everything() == before
        return refused.value

    async def warm(self, order: Order | None = None) -> None:
        """Ask facts and plan into Redis, as an account's first request in a month does."""
        probe = replace(self.holds(order or self.order()), generation_units=0, full_units=0, draft=None, place=None)
        await self.gate.would_admit(probe, now=self.now)

    async def standings(self) -> dict[str, int]:
        """What is used of each policy, read and not reckoned."""
        return {row.policy.value: row.used for row in (await self.gate.peek(self.account, now=self.now)).standings}

    async def everything(self, *, plan: bool = False) -> dict[bytes, tuple[bytes, int]]:
        """Every key's own bytes and the instant it goes; the cached plan and boost only when asked for."""
        cached = () if plan else (b":plan_effective", b":pro_until")
        names = sorted(name for name in await self.redis.keys() if not name.endswith(cached))
        return {name: (await self.redis.dump(name), await self.redis.pexpiretime(name)) for name in names}


def a_draft() -> DraftId:
    return DraftId(uuid4())

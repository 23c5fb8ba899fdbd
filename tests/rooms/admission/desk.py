"""A gate whose clock and facts a test holds in its hands."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from redis.asyncio import Redis

from reelwright.admission import Admitted, Facts, Gate, Limits, Order, Periods, Place, Replayed
from reelwright.ground.ids import AccountId, DraftId, GenerationId

PLAN = Limits(generations_month=7, generations_hour=5, full_regenerations_month=3, concurrent=4, cooldown_ms=30_000)
ROOMY = Limits(
    generations_month=10_000, generations_hour=10_000, full_regenerations_month=None, concurrent=10_000, cooldown_ms=0
)
PLACE = Place(provider="offline", model="drawn:v1", lane="interactive", cap=2)
MOMENT = datetime(2026, 12, 15, 10, 20, 30, tzinfo=UTC)
MS = timedelta(milliseconds=1)


class Desk:
    """One account before one gate. `now` is Redis's clock and the caller's; `facts` what PostgreSQL would say."""

    def __init__(self, redis: Redis, *, patience: timedelta = timedelta(seconds=10)) -> None:
        self.redis = redis
        self.now = MOMENT
        self.account = AccountId(uuid4())
        self.facts = Facts(generations_month=0, generations_hour=0, full_month=0)
        self.asked: list[tuple[AccountId, str, str]] = []
        self.gate = Gate(redis, facts=self._read, clock_ms=self._clock_ms, patience=patience)

    def _clock_ms(self) -> int:
        return (self.now - datetime(1970, 1, 1, tzinfo=UTC)) // MS

    async def _read(self, account: AccountId, periods: Periods) -> Facts:
        self.asked.append((account, periods.month, periods.hour))
        return self.facts

    def order(self, limits: Limits = ROOMY, **changes) -> Order:
        order = Order(
            account=self.account,
            lease=GenerationId(uuid4()),
            scope="POST /v1/create",
            key=f"key-{uuid4()}",
            fingerprint="a digest",
            limits=limits,
            boosted=limits,
        )
        return replace(order, **changes)

    async def admit(self, order: Order) -> Admitted | Replayed:
        return await self.gate.admit(order, now=self.now)

    async def warm(self) -> None:
        """Ask the facts into Redis, as an account's first request in a month does."""
        await self.gate.would_admit(self.order(), now=self.now)

    async def standings(self, limits: Limits = ROOMY) -> dict[str, int]:
        """What is used of each policy, read and not reckoned."""
        rows = await self.gate.peek(
            self.account, Periods.at(self.now), limits=replace(limits, full_regenerations_month=9)
        )
        return {row.policy.value: row.used for row in rows}

    async def everything(self) -> dict[bytes, tuple[bytes, int]]:
        """Every key's own bytes and the instant it goes."""
        names = sorted(await self.redis.keys())
        return {name: (await self.redis.dump(name), await self.redis.pexpiretime(name)) for name in names}


def a_draft() -> DraftId:
    return DraftId(uuid4())

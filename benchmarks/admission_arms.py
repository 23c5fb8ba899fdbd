"""Who is compared in `admission.py`: our gate, one bare INCR, and three libraries set to the same six limits.

Each library is used as its documentation shows: one limit after another, at its cheapest exact setting, ending at the
first that refuses. One arm asks all six at once instead, which no documentation shows but a hurried caller might write.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from typing import Any, ClassVar, Protocol, cast
from uuid import UUID, uuid4

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMonth, RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from pyrate_limiter import Rate, RateItem, RedisBucket
from redis.asyncio import Redis
from throttled.asyncio import RedisStore, Throttled, per_duration

from reelwright.admission import Admitted, Facts, Gate, Held, Limits, NotAdmitted, Order, Periods, Place, Tcp
from reelwright.ground import redis as ground_redis
from reelwright.ground.ids import AccountId, DraftId, GenerationId

ROOMY = 10**9
MODELS = 10
PATIENCE = timedelta(seconds=10)
"""No arm gives up on a busy machine."""
CONNECTIONS = 1000
"""redis-py stops at 100 unless told otherwise; 32 callers with six connections each need more."""
LEASE_S = 30
"""How long an unconfirmed lease of ours lives, and the window of the peers' nearest substitute for concurrency."""
MONTH_S, HOUR_S = 30 * 86_400, 3_600
WITHOUT_LEASES = "concurrency and places only as a rate; no all-or-nothing; no idempotency; a month is 30 days"


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """The six limits of a plan, as numbers that every arm understands."""

    month: int = ROOMY
    hour: int = ROOMY // 2
    full: int = ROOMY
    concurrent: int = ROOMY
    places: int = ROOMY
    cooldown_s: int = 5


ALLOWANCES = {
    "roomy": Allowance(),
    "spent": Allowance(month=1),
    "contended": Allowance(month=25),
    "busy": Allowance(concurrent=5),
}


@dataclass(frozen=True)
class Ask:
    """One full regeneration that somebody wants: all six limits are weighed for it."""

    account: UUID
    plan: str
    model: str
    draft: UUID
    lease: UUID


def asks(count: int, accounts: Sequence[UUID], *, refused_pct: int, plan: str = "roomy") -> list[Ask]:
    """Return requests of the accounts in turn, each for a draft of its own; of so many per cent the month is used.

    Nobody is both: an even number of accounts goes with 50 %.
    """
    found: list[Ask] = []
    for n in range(count):
        spent, k = (n + 1) * refused_pct // 100 > n * refused_pct // 100, n % len(accounts)
        found.append(Ask(accounts[k], "spent" if spent else plan, f"model-{k % MODELS}", uuid4(), uuid4()))
    return found


class Arm(Protocol):
    """One contestant. `prepared` makes what a caller would have in hand anyway, outside the measured time."""

    name: ClassVar[str]
    lacks: ClassVar[str]

    async def open(self, url: str) -> None: ...
    def prepared(self, ask: Ask) -> Any: ...
    async def decide(self, prepared: Any) -> bool: ...
    async def close(self) -> None: ...


class Ours:
    name: ClassVar = "Gate.admit"
    lacks: ClassVar = "nothing: all six, idempotency, a receipt, two leases and both lanes' places, all or nothing"

    async def open(self, url: str) -> None:
        self._used: Counter[AccountId] = Counter()
        tcp = Tcp(ground_redis.connect(url, timeout_ms=None))
        limits = {plan: _limits(allowance) for plan, allowance in ALLOWANCES.items()}
        self._gate = Gate(tcp, facts=self._facts, held=self._held, limits=limits, boosted="roomy", patience=PATIENCE)
        self._plans: dict[AccountId, str] = {}

    def prepared(self, ask: Ask) -> Order:
        account, most = AccountId(ask.account), ALLOWANCES[ask.plan].places
        self._plans[account] = ask.plan
        place = Place(provider="openai", model=ask.model, lane="interactive", cap=most, capacity=most, rival="batch")
        return Order(
            account=account,
            lease=GenerationId(ask.lease),
            scope="POST /v1/regenerate",
            key=f"key-{ask.lease}",
            fingerprint="0" * 64,
            held=Held(plan=ask.plan, version=1),
            full_units=1,
            draft=DraftId(ask.draft),
            place=place,
        )

    async def decide(self, prepared: Order) -> bool:
        try:
            admitted = isinstance(await self._gate.admit(prepared, now=datetime.now(UTC)), Admitted)
        except NotAdmitted:
            return False
        self._used[prepared.account] += admitted
        return admitted

    async def close(self) -> None:
        await self._gate.close()

    async def _facts(self, account: AccountId, _periods: Periods) -> Facts:
        """Stand in for PostgreSQL, which is asked for a cold account, and whether a refusal is drift."""
        used = self._used[account]
        return Facts(generations_month=used, generations_hour=used, full_month=used)

    async def _held(self, account: AccountId) -> Held:
        return Held(plan=self._plans[account], version=1)


def _limits(allowance: Allowance) -> Limits:
    return Limits(
        generations_month=allowance.month,
        generations_hour=allowance.hour,
        full_regenerations_month=allowance.full,
        concurrent=allowance.concurrent,
        cooldown_ms=allowance.cooldown_s * 1000,
    )


class Incr:
    name: ClassVar = "one bare INCR"
    lacks: ClassVar = "everything: the floor, what one round trip of redis-py's own method costs"

    async def open(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(url, max_connections=CONNECTIONS)

    def prepared(self, ask: Ask) -> str:
        return f"used:{ask.account}"

    async def decide(self, prepared: str) -> bool:
        await self._redis.incr(prepared)
        return True

    async def close(self) -> None:
        await self._redis.aclose()


class LeanIncr:
    name: ClassVar = "INCR over our line"
    lacks: ClassVar = "everything: one round trip of the gate's own transport"

    async def open(self, url: str) -> None:
        self._tcp = Tcp(ground_redis.connect(url, timeout_ms=None))

    def prepared(self, ask: Ask) -> tuple[str, str]:
        return "INCR", f"used:{ask.account}"

    async def decide(self, prepared: tuple[str, str]) -> bool:
        await self._tcp.call(prepared)
        return True

    async def close(self) -> None:
        await self._tcp.close()


BARE = """
local now, member, until_ms = redis.call("TIME")[1] * 1000, ARGV[3], nil
local got = redis.call("MGET", KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8])
if not (got[2] and got[3] and got[4] and got[6]) then return { "ask" } end
local live = "(" .. string.format("%d", now)
redis.call("ZCOUNT", KEYS[9], live, "+inf")
redis.call("ZCOUNT", KEYS[12], live, "+inf")
redis.call("EXISTS", KEYS[10], KEYS[13], KEYS[13])
redis.call("ZCOUNT", KEYS[11], live, "+inf")
redis.call("INCRBY", KEYS[4], 1)
redis.call("INCRBY", KEYS[6], 1)
redis.call("INCRBY", KEYS[5], 1)
redis.call("SET", KEYS[7], "1", "PX", "60000")
redis.call("ZADD", KEYS[9], "1", member)
redis.call("ZADD", KEYS[10], "1", member)
redis.call("ZADD", KEYS[11], "1", member)
redis.call("SET", KEYS[1], member, "PX", "60000")
redis.call("SET", KEYS[8], member, "PX", "60000")
return { "admitted", string.sub(live, 2), "", "", "", "0", "", "1", "1", "1", 1, "", "", 1, "", "" }
"""
"""The commands that any decision over the six limits needs, which takes all or nothing and can be given back: one read
of everything, three counts, and a write for each counter, lease, place, claim and receipt. It decides nothing."""


class BareScript(Ours):
    name: ClassVar = "its commands, bare"
    lacks: ClassVar = "every decision: our keys, arguments and answer, and the commands of one that is admitted, alone"

    async def open(self, url: str) -> None:
        await super().open(url)
        scripts: Any = self._gate.scripts
        scripts._texts["admit"] = BARE  # noqa: SLF001 - another text behind the same call
        scripts._digests["admit"] = sha1(BARE.encode()).hexdigest()  # noqa: S324, SLF001 - as Redis names scripts


class LimitsInTurn:
    """`limits`: fixed windows, one script a limit; the redis-py back end, for its default one fails on this server."""

    name: ClassVar = "limits"
    lacks: ClassVar = WITHOUT_LEASES + "; a refusal is charged; another plan's amount is another counter"

    async def open(self, url: str) -> None:
        self._storage = RedisStorage(f"async+{url}", implementation="redispy", max_connections=CONNECTIONS)
        self._limiter = FixedWindowRateLimiter(self._storage)
        self._items: dict[str, list[RateLimitItem]] = {
            plan: [
                RateLimitItemPerMonth(allowance.month, namespace="month"),
                RateLimitItemPerHour(allowance.hour, namespace="hour"),
                RateLimitItemPerMonth(allowance.full, namespace="full"),
                RateLimitItemPerSecond(1, allowance.cooldown_s, namespace="cooldown"),
                RateLimitItemPerSecond(allowance.concurrent, LEASE_S, namespace="concurrent"),
                RateLimitItemPerSecond(allowance.places, LEASE_S, namespace="place"),
            ]
            for plan, allowance in ALLOWANCES.items()
        }

    def prepared(self, ask: Ask) -> list[tuple[RateLimitItem, str]]:
        return list(zip(self._items[ask.plan], subjects(ask), strict=True))

    async def decide(self, prepared: list[tuple[RateLimitItem, str]]) -> bool:
        for item, subject in prepared:
            if not await self._limiter.hit(item, subject):
                return False
        return True

    async def close(self) -> None:
        await cast("Any", self._storage.bridge).get_connection().aclose()


class LimitsAtOnce(LimitsInTurn):
    name: ClassVar = "limits, six at once"
    lacks: ClassVar = LimitsInTurn.lacks + "; a refusal is charged to all six; six connections a decision"

    async def decide(self, prepared: list[tuple[RateLimitItem, str]]) -> bool:
        return all(await asyncio.gather(*(self._limiter.hit(item, subject) for item, subject in prepared)))


class ThrottledPy:
    """`throttled-py`: fixed windows, its cheapest; a new key takes a second round trip for its expiry."""

    name: ClassVar = "throttled-py"
    lacks: ClassVar = WITHOUT_LEASES + "; a refusal is charged; a crash between its two commands leaves a key for ever"

    async def open(self, url: str) -> None:
        self._store = RedisStore(server=url, options={"CONNECTION_POOL_KWARGS": {"max_connections": CONNECTIONS}})
        self._limits = {plan: self._six(allowance) for plan, allowance in ALLOWANCES.items()}

    def _six(self, allowance: Allowance) -> list[tuple[str, Throttled]]:
        quotas = {
            "month": (MONTH_S, allowance.month),
            "hour": (HOUR_S, allowance.hour),
            "full": (MONTH_S, allowance.full),
            "cooldown": (allowance.cooldown_s, 1),
            "concurrent": (LEASE_S, allowance.concurrent),
            "place": (LEASE_S, allowance.places),
        }
        return [
            (name, Throttled(using="fixed_window", quota=per_duration(timedelta(seconds=s), most), store=self._store))
            for name, (s, most) in quotas.items()
        ]

    def prepared(self, ask: Ask) -> list[tuple[Throttled, str]]:
        pairs = zip(self._limits[ask.plan], subjects(ask), strict=True)
        return [(throttle, f"{name}:{subject}") for (name, throttle), subject in pairs]

    async def decide(self, prepared: list[tuple[Throttled, str]]) -> bool:
        for throttle, key in prepared:
            if (await throttle.limit(key)).limited:
                return False
        return True

    async def close(self) -> None:
        await cast("Any", self._store)._backend.get_client().aclose()  # noqa: SLF001 - it has no close of its own


class PyrateLimiter:
    """`pyrate-limiter`: its Redis bucket, put to directly, without the locks of its Limiter; hour and month in one."""

    name: ClassVar = "pyrate-limiter"
    lacks: ClassVar = WITHOUT_LEASES + "; one row for each unit; keys never expire; a flushed script is an error"

    async def open(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(url, max_connections=CONNECTIONS, socket_timeout=None)
        blank = RedisBucket.init([Rate(1, 1000)], self._redis, "blank")
        self._digest = (await cast("Awaitable[RedisBucket]", blank)).script_hash

    def prepared(self, ask: Ask) -> list[RedisBucket]:
        allowance, (account, _, _, draft, _, model) = ALLOWANCES[ask.plan], subjects(ask)
        month, hour = Rate(allowance.month, MONTH_S * 1000), Rate(allowance.hour, HOUR_S * 1000)
        rates = {
            # an hour that allows no less than its month never binds, and this library refuses to be told of it
            f"units:{account}": [hour, month] if allowance.hour < allowance.month else [month],
            f"full:{account}": [Rate(allowance.full, MONTH_S * 1000)],
            f"cooldown:{draft}": [Rate(1, allowance.cooldown_s * 1000)],
            f"concurrent:{account}": [Rate(allowance.concurrent, LEASE_S * 1000)],
            f"place:{model}": [Rate(allowance.places, LEASE_S * 1000)],
        }
        return [RedisBucket(each, self._redis, key, self._digest) for key, each in rates.items()]

    async def decide(self, prepared: list[RedisBucket]) -> bool:
        for bucket in prepared:
            now_ms = bucket.now()
            if not await cast("Awaitable[bool]", bucket.put(RateItem("unit", now_ms))):
                return False
        return True

    async def close(self) -> None:
        await self._redis.aclose()


def subjects(ask: Ask) -> tuple[str, str, str, str, str, str]:
    """Whom each limit counts: month, hour, full, cooldown, concurrent, place."""
    account = str(ask.account)
    return account, account, account, f"{account}:{ask.draft}", account, ask.model


FLOORS: Sequence[type[Arm]] = (Incr, LeanIncr, BareScript)
ARMS: Sequence[type[Arm]] = (Ours, *FLOORS, LimitsInTurn, LimitsAtOnce, ThrottledPy, PyrateLimiter)

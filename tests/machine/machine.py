"""A state machine that does to the gate whatever may happen to it, and compares each answer with the oracle's."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from redis.asyncio import Redis

from reelwright.admission import (
    Gate,
    Held,
    Place,
    keys,
)
from reelwright.ground.ids import AccountId, DraftId
from tests.machine.history import History
from tests.machine.postgres import PLANS, Job, Postgres, millis, periods
from tests.rooms.admission.reach import reach

T = TypeVar("T")

START = millis(datetime(2026, 12, 16, 10, 20, 30, tzinfo=UTC))
QUEUE = 3_600_000
HEARTBEAT = 45_000
MONTH = 30 * 24 * 3_600_000
ACCOUNTS = [AccountId(UUID(int=number)) for number in (1, 2)]
DRAFTS = [DraftId(UUID(int=number)) for number in (11, 12)]
TALK = Place(provider="offline", model="m", lane="interactive", cap=4, capacity=4, rival="batch", rival_floor=1)
BATCH = Place(provider="offline", model="m", lane="batch", cap=3, capacity=4, rival="interactive", rival_floor=2)
ALONE = Place(provider="offline", model="m", lane="alone", cap=2)
PLACES = [TALK, BATCH, ALONE]
JUMPS = {
    "a moment": 1, "a second": 1_000, "five seconds": 5_000, "almost a cooldown": 14_999, "a cooldown": 15_000,
    "almost a lease": 29_999, "a lease": 30_000, "almost a claim": 59_999, "a claim": 60_000, "a plan's cache": 700_000,
}  # fmt: skip
LAGS = [0, 0, 0, -2_000, 3_000, -7_200_000, -40 * 24 * 3_600_000]

accounts = st.sampled_from([ACCOUNTS[0], *ACCOUNTS])
drafts = st.sampled_from(DRAFTS)
places = st.sampled_from(PLACES)
picks = st.integers(0, 40)
lags = st.sampled_from(LAGS)


@dataclass
class Clock:
    """Redis's clock, in the test's hands."""

    ms: int = START

    def seconds(self) -> float:
        return self.ms / 1000


@dataclass
class Server:
    """Where the machine runs: a loop, a clock that the whole room reads, and a way to an empty Redis."""

    runner: asyncio.Runner
    clock: Clock
    connect: Callable[[], Redis]


class Machine(RuleBasedStateMachine):
    """Accounts, orders and workers before one gate. Every rule is one thing that happens in production."""

    steps: ClassVar[int] = 0
    exact: ClassVar[Counter[str]] = Counter()
    """How often each answer was compared, by its kind or by each limit it named."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server, self.clock = server, server.clock
        self.clock.ms = START
        self.redis = server.connect()
        self.run(self.redis.flushdb())
        self.database = Postgres({account: [Held(plan="standard", version=1)] for account in ACCOUNTS})
        self.oracle = History(self.database)
        self.gate = Gate(
            reach(self.redis), facts=self._facts, held=self._held, limits=PLANS, clock_ms=lambda: self.clock.ms,
            patience=timedelta(seconds=20),
        )  # fmt: skip
        self.alive: list[Job] = []
        self.lossy: set[AccountId] = set()
        self.orders = 0
        self.named: tuple[str, ...] = ()

    def run(self, asked: Awaitable[T]) -> T:
        async def ask() -> T:
            return await asked

        return self._server.runner.run(ask())

    def teardown(self) -> None:
        self.run(self.gate.close())

    async def _facts(self, account: AccountId, at):
        return self.database.facts(account, at)

    async def _held(self, account: AccountId) -> Held:
        return self.database.held(account)

    @property
    def now(self) -> int:
        return self.clock.ms

    def sure(self, account: AccountId) -> bool:
        """Say whether nothing was lost that the account's next answer depends on."""
        return account not in self.oracle.murky

    @rule(account=accounts, plan=st.sampled_from(sorted(PLANS)), told=st.booleans())
    def change_plan(self, account: AccountId, plan: str, *, told: bool) -> None:
        until = self.database.held(account).boost_until
        self._change(account, plan, None if until is None else millis(until), told=told)

    @rule(account=accounts, length=st.sampled_from([None, 1, 30_000, 90_000, MONTH]), told=st.booleans())
    def boost(self, account: AccountId, length: int | None, *, told: bool) -> None:
        """Grant it, for a moment or a month, or take it back."""
        self._change(account, self.database.held(account).plan, length and self.now + length, told=told)

    def _change(self, account: AccountId, plan: str, until: int | None, *, told: bool) -> None:
        held = self.database.change(account, plan=plan, boost_until=until)
        if told:
            self.run(self.gate.remember_plan(account, held))
            self.oracle.remembered(account, self.now)

    @rule(account=accounts)
    def tell_an_old_plan(self, account: AccountId) -> None:
        """A message that was overtaken: what is known and newer stays."""
        known = self.oracle.plan(account, self.now)
        if known is not None and known.version > 1:
            self.run(self.gate.remember_plan(account, self.database.plans[account][0]))

    @rule(jump=st.sampled_from(sorted(JUMPS)))
    def wait(self, jump: str) -> None:
        self._wait_until(self.now + JUMPS[jump])

    @rule(month=st.sampled_from([False, False, True]), short=st.booleans())
    def wait_for_the_next(self, *, month: bool, short: bool) -> None:
        """Hour or month, or the last millisecond before it."""
        at = periods(self.now)
        self._wait_until(millis(at.month_end if month else at.hour_end) - int(short))

    def _wait_until(self, moment: int) -> None:
        """Let time pass, and collect the keys whose own end decides: cached plans and lines."""
        self.clock.ms = max(self.now, moment)
        for account in ACCOUNTS:
            if self.oracle.plan(account, self.now) is None:
                self.run(self.redis.delete(keys.plan(account)))
        for place in PLACES:
            if not self.oracle.lane(place).waited_for(self.now):
                self._lose(keys.line(place.provider, place.model, place.lane))

    def _lose(self, name: str) -> None:
        self.run(self.redis.delete(name))

    def _everything(self) -> dict[bytes, tuple[bytes, int]]:
        """Every key's bytes and the instant at which it goes."""
        return self.run(self._read_everything())

    async def _read_everything(self) -> dict[bytes, tuple[bytes, int]]:
        names = sorted(await self.redis.keys())
        pipe = self.redis.pipeline(transaction=False)
        for name in names:
            pipe.dump(name)
            pipe.pexpiretime(name)
        cells = await pipe.execute()
        return {name: (cells[2 * at], cells[2 * at + 1]) for at, name in enumerate(names)}

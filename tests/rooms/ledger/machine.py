"""A state machine that does to the ledger whatever may happen to it, on real PostgreSQL, beside its oracle."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.ledger import Origin
from tests.rooms.generations import made
from tests.rooms.ledger.oracle import Oracle

T = TypeVar("T")
Command = Callable[[AsyncConnection], Awaitable[Any]]

LOTS = text(
    "SELECT external_ref, remaining_micro, held_micro FROM credit_lots WHERE account_id = ANY(:accounts) AND live"
)
BALANCES = text(
    "SELECT account_id, available_micro, held_micro, debt_micro, coalesce((SELECT sum(remaining_micro)"
    " FROM credit_lots l WHERE l.account_id = b.account_id AND effective_at <= now()"
    " AND coalesce(expires_at > now(), true)), 0) FROM credit_balances b WHERE account_id = ANY(:accounts)"
)
LATER = text(
    "UPDATE credit_lots SET effective_at = effective_at - CAST(:time AS interval),"
    " expires_at = expires_at - CAST(:time AS interval) WHERE account_id = ANY(:accounts)"
)

who = st.integers(0, 1)
amounts = st.integers(1, 40)
small = st.integers(1, 12)
picks = st.integers(0, 30)


class Machine(RuleBasedStateMachine):
    """Two accounts. Every rule is one thing that happens in production, in a transaction of its own."""

    steps: ClassVar[int] = 0
    seen: ClassVar[Counter[str]] = Counter()
    """How often each thing happened, and each refusal."""

    def __init__(self, runner: asyncio.Runner, db: Database) -> None:
        super().__init__()
        self.runner, self.db = runner, db
        self.accounts: list[AccountId] = [self.run(lambda tx: made.account(tx)) for _ in range(2)]  # noqa: PLW0108 - typed
        self.oracles = [Oracle(), Oracle()]
        self.owner: dict[GenerationId, int] = {}
        self.done: list[tuple[str, Command]] = []
        self.number = 0

    def run(self, command: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async def once() -> T:
            async with self.db.begin() as tx:
                return await command(tx)

        return self.runner.run(once())

    def accepted(self, name: str, command: Command) -> Any:
        """Do it, remember it and return its answer. Raises Refusal."""
        type(self).steps += 1
        try:
            answer = self.run(command)
        except Refusal as refusal:
            self.seen[refusal.code] += 1
            raise
        self.seen[name] += 1
        self.done.append((name, command))
        return answer

    def refused(self, name: str, command: Command, code: str) -> None:
        try:
            self.accepted(name, command)
        except Refusal as refusal:
            assert refusal.code == code  # noqa: PT017 - one of several
        else:
            raise AssertionError(f"{name} should have been refused: {code}")

    def fresh(self, name: str) -> str:
        self.number += 1
        return f"{name}:{self.accounts[0]}:{self.number}"

    def works(self, state: str) -> list[GenerationId]:
        return [work for at, oracle in enumerate(self.oracles) for work, hold in oracle.holds.items()
                if hold.state == state and self.owner[work] == at]  # fmt: skip

    @initialize(micro=st.integers(20, 40), lapses=st.sampled_from([1, 2, 30]))
    def begin(self, micro: int, lapses: int) -> None:
        """Whatever the walk leaves out, there is something to settle and something to refund."""
        for at in (0, 1):
            self._grant(at, 3, Origin.PROMO, None, begins=0)
            self._grant(at, micro, Origin.MONTHLY, lapses, begins=0)
            for small_part in (6, 10, 4):
                self.hold(at, small_part)
            self.capture(0, 5)
        self.refund(0, 2)
        self.refund(0, 10_000)
        self.hold(0, 10_000)
        self.adjust(0, -10_000, force=False)
        self.clawback(1, micro, 0)
        self.hold(1, 1)
        self.void(-1, ours=False)
        self.run(self._compare)
        self._grant(1, micro, Origin.PURCHASE, None, begins=0)
        self.void(1, ours=True)
        for name, command in list(self.done):
            answer = self.run(command)
            assert answer is None or answer is False or answer.now is False, name

    @rule(at=who, micro=amounts, origin=st.sampled_from(Origin), lapses=st.sampled_from([None, None, 1, 2, 30]))
    def grant(self, at: int, micro: int, origin: Origin, lapses: int | None) -> None:
        self._grant(at, micro, origin, lapses, begins=0)

    @rule(at=who, micro=amounts, begins=st.sampled_from([1, 5]))
    def grant_ahead(self, at: int, micro: int, begins: int) -> None:
        self._grant(at, micro, Origin.BOOST, begins + 30, begins=begins)

    def _grant(self, at: int, micro: int, origin: Origin, lapses: int | None, *, begins: int) -> None:
        source, now = self.fresh("g"), datetime.now(UTC)
        self.oracles[at].grant(f"grant:{source}", micro, origin.value, begins, lapses or float("inf"))
        values = {
            "effective_at": now + timedelta(days=begins) if begins else None,
            "expires_at": now + timedelta(days=lapses) if lapses else None,
        }
        assert self.accepted(
            "grant",
            lambda tx: ledger.grant(tx, account=self.accounts[at], micro=micro, source=source, origin=origin, **values),
        )

    @rule(days=st.sampled_from([1, 1, 2, 5]), at=who, micro=small | amounts, then=st.booleans())
    def wait(self, days: int, at: int, micro: int, *, then: bool) -> None:
        """Time passes: every lot is so many days older. Perhaps work is the first to find that out."""
        self.run(lambda tx: tx.execute(LATER, {"time": timedelta(days=days), "accounts": self.accounts}))
        for oracle in self.oracles:
            oracle.wait(days)
        self.seen["wait"] += 1
        if then:
            self.hold(at, micro)

    @rule(at=who)
    def expire(self, at: int) -> None:
        before = self.oracles[at].available
        self.oracles[at].tidy()
        gone = self.accepted("expire", lambda tx: ledger.expire(tx, account=self.accounts[at]))
        assert gone == before - self.oracles[at].available

    @rule(at=who, micro=small | small | amounts)
    def hold(self, at: int, micro: int) -> None:
        work = self.run(lambda tx: made.generation(tx, self.accounts[at]))
        self.owner[work] = at
        command: Command = lambda tx: ledger.hold(tx, account=self.accounts[at], generation=work, micro=micro)  # noqa: E731
        owes = self.oracles[at].debt > 0
        if self.oracles[at].hold(work, micro):
            self.accepted("hold", command)
        else:
            self.refused("hold", command, "credits.debt" if owes else "credits.insufficient")

    @precondition(lambda self: self.works("pending"))
    @rule(pick=picks, micro=st.integers(0, 14), how=st.sampled_from(["captured", "voided", "voided by our fault"]))
    def settle(self, pick: int, micro: int, how: str) -> None:
        if how == "captured":
            self.capture(pick, micro)
        else:
            self.void(pick, ours=how != "voided")

    def capture(self, pick: int, micro: int) -> None:
        work = self.works("pending")[pick % len(self.works("pending"))]
        self.oracles[self.owner[work]].settle(work, "captured", micro)
        hold = self.oracles[self.owner[work]].holds[work]
        answer = self.accepted("capture", lambda tx: ledger.capture(tx, generation=work, micro=micro))
        assert (answer.captured_micro, answer.voided_micro) == (hold.captured, hold.amount - hold.captured)

    def void(self, pick: int, *, ours: bool) -> None:
        work = self.works("pending")[pick % len(self.works("pending"))]
        source = f"grant:regrant:{work}:1"
        self.oracles[self.owner[work]].settle(work, "voided", 0, regrant=source if ours else None)
        self.accepted("void", lambda tx: ledger.void(tx, generation=work, ours=ours))

    @precondition(lambda self: self.works("captured"))
    @rule(pick=picks, micro=st.integers(1, 8))
    def refund(self, pick: int, micro: int) -> None:
        work = self.works("captured")[pick % len(self.works("captured"))]
        oracle, reference = self.oracles[self.owner[work]], self.fresh("r")
        hold = oracle.holds[work]
        command: Command = lambda tx: ledger.refund(  # noqa: E731
            tx, generation=work, micro=micro, reference=reference, reason="machine"
        )
        if micro > hold.captured - hold.refunded:
            self.refused("refund", command, "credits.refund_too_large")
            return
        oracle.refund(work, micro, f"grant:regrant:refund:{work}:{reference}")
        assert self.accepted("refund", command).now

    @rule(at=who, micro=amounts, pick=picks)
    def clawback(self, at: int, micro: int, pick: int) -> None:
        oracle, reference = self.oracles[at], self.fresh("c")
        names = [name for name in oracle.lots if name.startswith("grant:g:")]
        first = names[pick % len(names)] if names else None
        owed = oracle.debt
        oracle.take(micro, first)
        answer = self.accepted(
            "clawback",
            lambda tx: ledger.clawback(
                tx, account=self.accounts[at], micro=micro, reference=reference, reason="machine",
                granted_by=first and first.removeprefix("grant:"),
            ),
        )  # fmt: skip
        assert answer.debt_micro == oracle.debt - owed

    @rule(at=who, micro=st.integers(-40, 40).filter(bool), force=st.sampled_from([False, False, False, True]))
    def adjust(self, at: int, micro: int, *, force: bool) -> None:
        oracle, reference, admin = self.oracles[at], self.fresh("a"), uuid4()
        command: Command = lambda tx: ledger.adjust(  # noqa: E731
            tx, account=self.accounts[at], micro=micro, reference=reference, reason="machine", actor=admin, force=force
        )
        held_on = sum(int(lot["remaining"]) for lot in oracle.lots.values() if lot["lapses"] > 0)
        if micro < 0 and -micro > held_on and not force:
            self.refused("adjust", command, "credits.adjustment_too_large")
            return
        if micro > 0:
            oracle.grant(f"adjust:{self.accounts[at]}:{reference}", micro, "admin")
        else:
            oracle.take(-micro)
        self.accepted("adjust", command)

    @rule(name=st.sampled_from(["hold", "capture", "void", "refund", "clawback", "adjust", "grant"]), pick=picks)
    def again(self, name: str, pick: int) -> None:
        """A command is delivered a second time, however late."""
        commands = [command for done, command in self.done if done == name]
        if commands:
            answer = self.run(commands[-1 - pick % len(commands)])
            assert answer is None or answer is False or answer.now is False
            type(self).steps += 1
            self.seen[f"{name} again"] += 1

    @invariant()
    def the_books_say_what_the_oracle_says(self) -> None:
        self.run(self._compare)

    async def _compare(self, tx: AsyncConnection) -> None:
        rows = {row[0]: tuple(row[1:]) for row in await tx.execute(BALANCES, {"accounts": self.accounts})}
        lots = {row[0]: tuple(row[1:]) for row in await tx.execute(LOTS, {"accounts": self.accounts})}
        for account, oracle in zip(self.accounts, self.oracles, strict=True):
            told = rows.get(account, (0, 0, 0, 0))
            assert told == (oracle.available, oracle.held, oracle.debt, oracle.usable)
        assert lots == {
            name: (lot["remaining"], lot["held"])
            for oracle in self.oracles
            for name, lot in oracle.lots.items()
            if lot["remaining"] + lot["held"]
        }
        assert await ledger.verify(tx) == ()

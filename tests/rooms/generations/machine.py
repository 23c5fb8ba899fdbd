"""A state machine that does to two runs and their generation whatever may happen to them, beside a model of both.

Time is in minutes and passes by moving the stored instants back. All jumps are multiples of ten and no span is, so that
the moments that the test itself takes never decide anything.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations import Drawn, Generations, GenerationState, Pulse, Run, RunState, Stage, StaleRun, Unit
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from tests.builders import Worked
from tests.rooms.generations import made

T = TypeVar("T")
LEASE, LONGEST, DEADLINE, RESEND, DELAY = 45, 105, 1005, 33, 25
MOST = 3
UNITS = [Unit(stage=Stage.VISUAL_GENERATION, scene=scene) for scene in range(2)]
LIVE = {RunState.QUEUED, RunState.RUNNING}
_BACK = "{0} = {0} - CAST(:time AS interval)"
LIVES = ("lost and done", "swept late", "worn out", "out of time")
PASSING = [
    text(f"UPDATE {table} SET {', '.join(map(_BACK.format, columns))} WHERE {key} = :generation")  # noqa: S608 - constants
    for table, key, columns in (
        ("stage_runs", "generation_id", ("lease_until", "next_attempt_at", "sent_at", "attempt_deadline")),
        ("generations", "id", ("deadline_at", "paused_at")),
    )
]

which = st.integers(0, len(UNITS) - 1)
ago = st.sampled_from([0, 0, 0, 0, 1, 2])  # how many claims or rescues back the token is from
jumps = st.sampled_from([10, 10, 40, 50, 110, 300])


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


@dataclass
class Model:
    """One run as it should be."""

    unit: Unit
    state: RunState = RunState.QUEUED
    attempt: int = 0
    fence: int = 0
    won: int | None = None
    lease: float = 0
    until: float = 0
    next_at: float = 0
    sent: float = 0
    resends: int = 0

    def queue(self, at: float) -> None:
        self.state, self.next_at, self.sent, self.resends = RunState.QUEUED, at, at, 0


class Machine(RuleBasedStateMachine):
    """Every rule is one statement of the room, in a transaction of its own; its answer is foretold by the model."""

    steps: ClassVar[int] = 0
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self, runner: asyncio.Runner, db: Database) -> None:
        super().__init__()
        self.runner, self.db = runner, db
        self.generation = self.run(lambda tx: made.generation(tx, deadline=minutes(DEADLINE)))
        self.run(lambda tx: Worked(session=tx).plan(self.generation, UNITS, max_attempts=MOST))
        self.models = [Model(unit) for unit in UNITS]
        self.now, self.deadline = 0.0, float(DEADLINE)
        self.state, self.paused = GenerationState.QUEUED, None
        self.listed: list[StaleRun] = []
        self.rules = 0

    def run(self, command: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async def once() -> T:
            async with self.db.begin() as tx:
                return await command(tx)

        return self.runner.run(once())

    def does(self, name: str, command: Callable[[Worked], Awaitable[object]], *, foretold: object) -> None:
        """Do it; the answer must be the one foretold."""
        type(self).steps += 1
        self.rules += 1
        assert self.run(lambda tx: command(Worked(session=tx))) == foretold, name
        self.seen[f"{name}: {foretold}"] += 1

    @property
    def live(self) -> bool:
        return self.state is GenerationState.QUEUED

    def lease(self, model: Model) -> float:
        return min(self.now + LEASE, model.until, self.deadline if self.paused is None else model.until)

    def mine(self, model: Model, fence: int) -> bool:
        return self.live and model.state is RunState.RUNNING and model.fence == fence

    def stale(self, model: Model) -> bool:
        if model.state is RunState.RUNNING:
            return model.lease < self.now
        silent = model.sent < self.now - RESEND * 2 ** min(model.resends, 6)
        return model.state is RunState.QUEUED and model.next_at <= self.now and silent

    @initialize(life=st.sampled_from(LIVES))
    def a_life(self, life: str) -> None:
        """Begin with what chance alone would seldom meet."""
        match life:
            case "lost and done":
                self.claim(0)
                self.heartbeat(0, 0)
                self.time_passes(110)
                self.heartbeat(0, 0)
                self.pause()
                self.look()
                self.proceed()
                self.look()
                self.sweep(again=True)
                self.sweep(again=False)
                self.claim(0)
                self.conclude(0, 1, "complete")
                self.conclude(0, 0, "complete")
            case "swept late":
                self.claim(0)
                self.time_passes(50)
                self.look()
                self.claim(0)
                self.time_passes(50)
                self.sweep(again=True)
            case "worn out":
                for _ in range(MOST - 1):
                    self.claim(0)
                    self.conclude(0, 0, "retry_later")
                    self.time_passes(40)
                self.claim(0)
                self.time_passes(50)
                self.look()
                self.sweep(again=True)
                self.sweep(again=False)
            case _:
                self.claim(0)
                self.conclude(0, 0, "give_back")
                self.time_passes(40)
                self.claim(0)
                self.conclude(0, 0, "fail")
                self.time_passes(300)
                self.time_passes(300)
                self.time_passes(300)
                self.claim(1)
                self.time_passes(110)
                self.heartbeat(1, 0)
                self.cancel()
                self.cancel()

    @rule(time=jumps)
    def time_passes(self, time: int) -> None:
        self.now += time

        async def move(tx: AsyncConnection) -> None:
            for statement in PASSING:
                await tx.execute(statement, {"time": minutes(time), "generation": self.generation})

        self.run(move)

    @rule(number=which)
    def claim(self, number: int) -> None:
        model = self.models[number]
        free = (model.state is RunState.QUEUED and model.next_at <= self.now) or (
            model.state is RunState.RUNNING and model.lease < self.now
        )
        mine = free and self.live and self.paused is None and self.now < self.deadline and model.attempt < MOST

        async def claimed(runs: Worked) -> tuple[int, int] | None:
            run = model.unit.run_id(self.generation)
            claim = await runs.claim(run, minutes(LEASE), longest=minutes(LONGEST))
            return claim and (claim.attempt, claim.fence)

        self.does("claim", claimed, foretold=(model.attempt + 1, model.fence + 1) if mine else None)
        self.seen[f"claimed: {mine}"] += 1
        if mine:
            model.state, model.until, model.resends = RunState.RUNNING, self.now + LONGEST, 0
            model.attempt, model.fence = model.attempt + 1, model.fence + 1
            model.lease = self.lease(model)

    @rule(number=which, back=ago)
    def heartbeat(self, number: int, back: int) -> None:
        model = self.models[number]
        foretold = Pulse.LOST
        fence = model.fence - back
        if self.mine(model, fence):
            foretold = Pulse.LATE if model.until <= self.now else Pulse.OK
            if self.paused is None and self.deadline <= self.now:
                foretold = Pulse.ENDED
            model.lease = self.lease(model)
        run = model.unit.run_id(self.generation)
        self.does("heartbeat", lambda runs: runs.heartbeat(run, fence, minutes(LEASE), 0.5), foretold=foretold)

    @rule(number=which, back=ago, how=st.sampled_from(["complete", "fail", "retry_later", "give_back", "give_back"]))
    def conclude(self, number: int, back: int, how: str) -> None:
        """A worker says how its attempt ended: once, late, twice, or for another's claim."""
        model = self.models[number]
        fence, run = model.fence - back, model.unit.run_id(self.generation)
        says: dict[str, Callable[[Worked], Awaitable[bool]]] = {
            "complete": lambda runs: runs.complete(run, fence, Drawn()),
            "fail": lambda runs: runs.fail(run, fence, "a.b"),
            "retry_later": lambda runs: runs.retry_later(run, fence, minutes(DELAY), "a.b"),
            "give_back": lambda runs: runs.give_back(run, fence, minutes(DELAY), reason="a.b"),
        }
        mine = self.mine(model, fence)
        self.does(how, says[how], foretold=mine)
        if not mine:
            return
        match how:
            case "complete":
                model.state, model.won = RunState.SUCCEEDED, fence
            case "fail":
                model.state = RunState.FAILED
            case _:
                model.attempt -= how == "give_back"
                model.queue(self.now + DELAY)

    @rule()
    def look(self) -> None:
        """A sweeper lists what is stale; it may act on the list much later."""
        foretold = {model.unit for model in self.models if self.live and self.paused is None and self.stale(model)}
        self.listed = self.run(lambda tx: Worked(session=tx).stale(10, minutes(RESEND)))
        type(self).steps += 1
        assert {run.unit for run in self.listed} == foretold
        self.seen[f"stale: {bool(foretold)}"] += 1

    @precondition(lambda self: self.listed)
    @rule(again=st.booleans())
    def sweep(self, *, again: bool) -> None:
        """It rescues or gives up each, if it is still as it was."""
        for found in self.listed:
            (model,) = [model for model in self.models if model.unit == found.unit]
            same = (model.state, model.fence) == (found.state, found.fence) and self.stale(model)
            still = same and self.live and self.paused is None
            if found.exhausted:
                gone = still and model.attempt >= MOST
                self.does("give up", lambda runs, f=found: runs.give_up(f, minutes(RESEND), "a.b"), foretold=gone)
                if gone:
                    model.state, model.fence = RunState.FAILED, model.fence + 1
                continue
            saved = still and model.attempt < MOST
            self.does("rescue", lambda runs, f=found: runs.rescue(f, minutes(RESEND)), foretold=saved)
            if saved:
                resends = model.resends + 1 if model.state is RunState.QUEUED else 0
                model.queue(self.now)
                model.resends, model.fence = resends, model.fence + 1
        self.listed = self.listed if again else []

    @rule()
    def pause(self) -> None:
        foretold = self.live and self.paused is None
        self.does("pause", lambda runs: Generations(session=runs.session).pause(self.generation), foretold=foretold)
        self.paused = self.now if foretold else self.paused

    @rule()
    def proceed(self) -> None:
        foretold = self.paused is not None

        async def going_on(runs: Worked) -> tuple[bool, set[Unit]]:
            proceeded = await Generations(session=runs.session).proceed(self.generation)
            return proceeded, {unit for unit, _ in await runs.wake(self.generation)} if proceeded else set()

        woken = [model for model in self.models if foretold and model.state is RunState.QUEUED]
        self.does("proceed", going_on, foretold=(foretold, {model.unit for model in woken}))
        self.seen[f"proceeded: {foretold}"] += 1
        for model in woken:
            model.sent, model.resends = max(model.next_at, self.now), 0
        if self.paused is not None:
            self.deadline += self.now - self.paused
            self.paused = None

    @precondition(lambda self: self.rules > 25)
    @rule()
    def cancel(self) -> None:
        generations = lambda runs: Generations(session=runs.session)  # noqa: E731 - a name for a long word
        cancelled = GenerationState.CANCELLED
        self.does("cancel", lambda runs: generations(runs).finish(self.generation, cancelled), foretold=self.live)
        self.state, self.paused = cancelled, None
        for model in self.models:
            if model.state in LIVE:
                model.state, model.fence = RunState.CANCELLED, model.fence + 1

    @invariant()
    def the_rows_are_as_foretold(self) -> None:
        async def seen(tx: AsyncConnection) -> tuple[list[Run], list[GenerationId]]:
            return await Worked(session=tx).of(self.generation), await Generations(session=tx).unfinished_past_deadline(
                9
            )

        runs, late = self.run(seen)
        rows = {run.unit: run for run in runs}
        for model in self.models:
            row = rows[model.unit]
            assert model == replace(model, state=row.state, attempt=row.attempt, fence=row.fence, won=row.won_fence)
        assert (self.generation in late) is (self.live and self.paused is None and self.deadline <= self.now)

    def teardown(self) -> None:
        """Let no later walk meet this one's rows."""
        self.run(lambda tx: tx.execute(text("DELETE FROM generations")))

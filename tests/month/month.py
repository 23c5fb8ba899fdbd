"""Lives a month: people come, buy, order, fail and pay back, while every chore is done twice at once, several times."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from reelwright import chores, wiring
from reelwright.accounts import Account, Accounts
from reelwright.admission import Gate, Tcp
from reelwright.generations import Assignment, Draft, GenerationKind, Stage
from reelwright.ground import storage
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.ids import DraftId, derived
from reelwright.ground.metering import Action
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, facts, inbox, onboarding, pricing, production, recovery, stopping
from reelwright.journeys import credits as books
from reelwright.journeys.ordering import Order, Terms, order_id
from reelwright.journeys.workroom import Workroom
from reelwright.settings import Settings
from tests.journeys.conftest import TIMINGS, due_now, waiting
from tests.journeys.scheduled import a_schedule
from tests.month.buying import Buying
from tests.month.clock import Clock
from tests.month.people import Habit, Person, person, plan_at_first
from tests.month.stages import CostlyStages
from tests.simulators.stripe import SimulatedStripe

DAYS = 36
HOURS = (12, 20)
DUE = "50 11 * * *"
_DEARER_ON, _DEARER_MICRO = 9, 1_400
_AT_ONCE = 6
_LATER, _TWICE, _LOST = 0.05, 0.15, 0.01


def first_day() -> datetime:
    """Return a 25 January to come: 36 days from it begin two months, and have a 31st that February lacks."""
    return datetime(datetime.now(UTC).year + 1, 1, 25, tzinfo=UTC)


@dataclass
class Month:
    """Everything that one month needs, and what was seen of it."""

    db: Database
    gate: Gate
    stripe: SimulatedStripe
    clock: Clock
    buying: Buying
    room: Workroom
    stages: CostlyStages
    workers: tuple[Any, Any]
    chance: Random
    people: list[Person] = field(default_factory=list[Person])
    admin: Account | None = None
    told: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    done: Counter[str] = field(default_factory=Counter[str])
    mails: Path = field(default_factory=Path)
    lived: set[date] = field(default_factory=set[date])
    schedules_since: dict[str, datetime] = field(default_factory=dict[str, datetime])

    async def come(self, count: int, *, seed: int, steps: float) -> None:
        """Let so many people sign up, and whoever wants a schedule make one."""
        self.admin = self.buying.admin = await self._signed_up("admin@example.com", Habit.GIVEN, role="admin")
        for number in range(count):
            account = await self._signed_up(f"p{number}@example.com", one := list(Habit)[number % len(Habit)])
            self.people.append(found := person(number, account, seed=seed, steps=steps))
            if one is Habit.DEMO:
                self.stages.demos.add(account.id)
            if found.scheduled:
                made = await a_schedule(self.db, account, cron=DUE, after=self.clock.now())
                self.schedules_since[str(made)] = self.clock.now()

    async def _signed_up(self, email: str, habit: Habit, *, role: str = "user") -> Account:
        plan, demo = plan_at_first(habit), habit is Habit.DEMO
        now = self.clock.now()
        welcome = await onboarding.create_user(
            email=email, plan=plan, role=role, live=False, db=self.db, now=now, demo=demo
        )
        return welcome.account

    async def day(self, number: int, *, hours: Sequence[int] = HOURS) -> None:
        """Live one day, so many hours of it."""
        self.lived.add((first_day() + timedelta(days=number)).date())
        for hour in hours:
            await self.clock.jump(first_day() + timedelta(days=number, hours=hour))
            await self.chores()
            if hour == hours[0]:
                await self._prices(number)
                await self._money(number)
            await self.hear()
            await self._heard()
            await self._orders()
            await self._deliver()
            await self.chores()
        await self._tidied()

    async def end(self) -> None:
        """Hear the last of Stripe, let its comparison find what was lost, and do what is left to do."""
        for _ in range(2):
            await self.clock.jump(self.clock.now() + timedelta(days=1))
            await self.hear(all_of_it=True)
            await self.chores()
            await self._deliver()
            await self.chores()
            await self._tidied()

    async def _tidied(self) -> None:
        """Sweep as workers do between chores."""
        await recovery.sweep(db=self.db, gate=self.gate)
        await recovery.tidy(db=self.db, storage=self.room.storage)
        await books.sweep_lapsed(db=self.db)
        await self.workers[0]["usage"]()  # what has lapsed just now is a line, too

    async def chores(self) -> None:
        """Do every chore, each in two workers at once. A bug in one is not hushed up."""
        ours, theirs = self.workers
        for name in ours:
            for ended in await asyncio.gather(ours[name](), theirs[name](), return_exceptions=True):
                if isinstance(ended, Outage):  # the workers met: one of them tries again the next time
                    self.done[f"chore {name}: {ended.code}"] += 1
                elif isinstance(ended, BaseException):
                    raise ended

    async def hear(self, *, all_of_it: bool = False) -> None:
        """Take Stripe's events: in any order, some twice, some later, and a few never, until they are looked for."""
        waiting_ones, now = [*self.told], list[dict[str, Any]]()
        self.told.clear()  # not another list: Stripe goes on telling this one
        for event in waiting_ones:
            luck = self.chance.random()
            if all_of_it or luck >= _LATER + _LOST:
                now += [event, event] if luck > 1 - _TWICE else [event]
            elif luck < _LATER:
                self.told.append(event)
            else:
                self.done["events lost"] += 1
        self.chance.shuffle(now)
        for event in now:
            self.done["events taken"] += 1
            body, headers = self.stripe.signed(event)
            stamp = int(headers["Stripe-Signature"].split(",")[0].removeprefix("t="))
            at = datetime.fromtimestamp(stamp, UTC)
            header, door = headers["Stripe-Signature"], self.buying.door
            await inbox.receive(body, header, stripe=door, db=self.db, now=at)

    async def _prices(self, day: int) -> None:
        """Let a rendered millisecond become dearer on its day, in the middle of everybody's months."""
        if day == _DEARER_ON and self.admin is not None:
            common: dict[str, Any] = {"by": self.admin, "db": self.db, "now": self.clock.now()}
            costs = {Action.RENDER: _DEARER_MICRO}
            await pricing.publish(costs, key="dearer", note="dearer", effective_from=None, **common)

    async def _money(self, day: int) -> None:
        for one in self.people:
            for wish in one.wishes(day):
                try:
                    await self.buying.fulfil(one, wish)
                    self.done[wish] += 1
                except Refusal as why:
                    self.done[f"{wish}: {why.code}"] += 1
            if one.wishes(day):
                await self.hear()
                await self._heard()

    async def _heard(self) -> None:
        """Handle what Stripe told, as a worker would a moment later."""
        if "stripe_events" in self.workers[0]:
            await self.workers[0]["stripe_events"]()

    async def _orders(self) -> None:
        wanted = [[*one.wants()] for one in self.people]
        while any(wanted):
            turn = [(one, wants.pop()) for one, wants in zip(self.people, wanted, strict=True) if wants]
            await _few(self._order(one, video=video) for one, video in turn)
            await self._deliver()

    async def _order(self, one: Person, *, video: bool) -> None:
        one.orders += 1
        kind, key = GenerationKind.VIDEO if video else GenerationKind.SCRIPT, f"{one.number}-{one.orders}"
        async with self.db.begin() as tx:
            account = await Accounts(session=tx).get(one.account.id)
        assert account is not None
        made = order_id(account.id, kind, key)
        draft = Draft(id=DraftId(derived(made, "draft")), account_id=account.id, topic="Cats", duration_s=one.reel_s)
        wanted = Order(id=made, key=key, fingerprint=b"f" * 32, kind=kind, draft=draft)
        self.stages.names[made] = key
        try:
            await creation.start(
                order=wanted,
                account=account,
                db=self.db,
                gate=self.gate,
                terms=Terms(places=dict(self.room.places), most_attempts=TIMINGS.most_attempts),
                now=self.clock.now(),
            )
            self.done[kind.value] += 1
        except Refusal as why:
            self.done[f"order: {why.code}"] += 1

    async def _deliver(self) -> None:
        while messages := await waiting(self.db):
            await due_now(self.db)
            await _few(production.perform(message, room=self.room) for message in messages)
            self.done["stages"] += len(messages)


async def _few(doing: Any) -> None:
    """Await all of them, a few at a time; raises the first failure."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(work: Awaitable[object]) -> None:
        async with turns:
            await work

    async with asyncio.TaskGroup() as group:
        for work in list(doing):
            group.create_task(one(work))


def settle_in(
    *,
    db: Database,
    redis: Any,
    stripe: SimulatedStripe,
    folder: Path,
    urls: tuple[str, str],
    seed: int,
    door: Any,
) -> Month:
    """Put a month together around servers whose time can be moved."""
    clock = Clock(db, stripe)
    patient = timedelta(seconds=10)
    gate = Gate(
        Tcp(redis),
        facts=facts.reader(db),
        held=facts.held(db),
        limits=facts.LIMITS,
        patience=patient,
        clock_ms=clock.now_ms,
    )
    settings = Settings(
        environment="test",
        database_url=urls[0],
        redis_url=urls[1],
        storage_url=f"file://{folder}/artefacts",
        worker_url="http://127.0.0.1:9",
        qstash_token="t",
        qstash_current_signing_key="k",
        mail_dir=str(folder / "mail"),
    )
    nothing: Any = None
    joined = wiring.Wiring(
        settings=settings, stripe=door, db=db, gate=gate, storage=nothing, relay=nothing, recorder=nothing
    )
    stages = CostlyStages(seed=seed, cancel=_cancelling(db, gate))
    room = Workroom(
        db=db,
        gate=gate,
        storage=storage.connect(settings.storage_url),
        tools=nothing,
        stages=dict.fromkeys(Stage, stages.perform),
        places=wiring.stage_places(settings),
        workspace=folder / "work",
        timings=_patient(),
    )
    return Month(
        db=db,
        gate=gate,
        stripe=stripe,
        clock=clock,
        buying=Buying(db, gate, stripe, door, clock),
        room=room,
        stages=stages,
        workers=(chores.chores(joined), chores.chores(joined)),
        chance=Random(seed),
        mails=folder / "mail",
    )


def _patient() -> Any:
    return type(TIMINGS)(
        retry_delay=timedelta(milliseconds=1), busy_delay=timedelta(milliseconds=1), most_attempts=TIMINGS.most_attempts
    )


def _cancelling(db: Database, gate: Gate) -> Callable[[Assignment], Awaitable[object]]:
    async def cancel(task: Assignment) -> object:
        return await stopping.cancel(task.account_id, task.generation_id, db=db, gate=gate)

    return cancel

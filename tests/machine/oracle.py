"""The oracle: what admission must answer to each order, written from its semantics and not from its scripts.

It knows what Redis ought to hold. What a loss leaves in doubt is `murky`: there PostgreSQL's last word decides, and an
account is clear again once nothing of it is under way and its counters were dropped.
"""

from dataclasses import dataclass, field
from math import ceil

from reelwright.admission import Held, Limits, Order, Periods, Place, Policy
from reelwright.ground.ids import AccountId, DraftId, GenerationId
from tests.machine.postgres import PLANS, Job, Postgres, millis, periods

UNCONFIRMED = 30_000
CLAIM = 60_000
PLAN_KNOWN = 600_000
LINE = 30_000
USUAL_RUN = 60_000

Row = tuple[str, int | None, int, int | None]  # policy, limit, used, when it frees


@dataclass(frozen=True, slots=True)
class Answer:
    """One decision, and everything that it says: `kind` is admitted, refused, no place, busy, reused or replay."""

    kind: str
    wait: int = 0
    binding: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass(slots=True)
class Trace:
    """What Redis ought to know of one lease. `detailed`: its receipt says what was taken, so it can be given back."""

    receipt: str | None = None
    detailed: bool = False
    claim: str | None = None
    claim_until: int = 0
    until: int = 0
    confirm_by: int | None = None
    month: str = ""
    hour: str = ""
    in_month: bool = False
    in_hour: bool = False
    refunded: bool = False

    @property
    def known(self) -> bool:
        return self.claim == "done" or self.receipt in {"confirmed", "released"}


@dataclass(slots=True)
class Lane:
    """A lane's holders with the ends of their places, and the accounts that wait: since when, until when."""

    holders: dict[tuple[AccountId, str], int] = field(default_factory=dict)
    line: dict[AccountId, tuple[int, int]] = field(default_factory=dict)
    line_until: int = 0

    def live(self, now: int) -> dict[tuple[AccountId, str], int]:
        return {who: until for who, until in self.holders.items() if until > now}

    def waited_for(self, now: int) -> bool:
        return bool(self.line) and self.line_until > now


class Oracle:
    """Every account's standing, as one honest server would keep it."""

    def __init__(self, database: Postgres) -> None:
        self.database = database
        self.traces: dict[GenerationId, Trace] = {}
        self.cooldowns: dict[tuple[AccountId, DraftId], tuple[int, GenerationId]] = {}
        self.lanes: dict[str, Lane] = {}
        self.plans: dict[AccountId, tuple[Held, int]] = {}
        self.warm: set[tuple[AccountId, str]] = set()
        self.hourless: set[AccountId] = set()
        self.murky: set[AccountId] = set()

    # What is used

    def jobs(self, account: AccountId) -> list[Job]:
        return [job for job in self.database.jobs.values() if job.account == account]

    def trace(self, job: Job) -> Trace:
        return self.traces.setdefault(job.order.lease, Trace())

    def under_way(self, account: AccountId) -> list[Job]:
        """Return the account's admissions that nobody has confirmed or withdrawn."""
        return [job for job in self.jobs(account) if self.trace(job).receipt == "pending"]

    def used(self, account: AccountId, at: Periods) -> tuple[int, int, int]:
        traced = [(job, self.trace(job)) for job in self.jobs(account)]
        month = [job for job, trace in traced if trace.in_month and trace.month == at.month]
        hour = [job for job, trace in traced if trace.in_hour and trace.hour == at.hour]
        return sum(job.units for job in month), sum(job.units for job in hour), sum(job.full_units for job in month)

    def leases(self, account: AccountId, now: int) -> dict[GenerationId, int]:
        traced = {job.order.lease: self.trace(job).until for job in self.jobs(account)}
        return {lease: until for lease, until in traced.items() if until > now}

    def plan(self, account: AccountId, now: int) -> Held | None:
        held, until = self.plans.get(account, (None, 0))
        return held if until > now else None

    def overdue(self, now: int) -> set[tuple[AccountId, GenerationId]]:
        return {
            (job.account, job.order.lease)
            for job in self.database.jobs.values()
            if (by := self.trace(job).confirm_by) is not None and by <= now
        }

    # Deciding

    def decide(self, order: Order, now: int, *, dry: bool) -> Answer:
        """Answer an order and take nothing; what PostgreSQL is asked for on the way is known afterwards."""
        job = self.database.jobs.get(order.lease)
        trace = self.traces.get(order.lease, Trace())
        if not dry and job is not None and (trace.claim or trace.receipt):
            if job.order.fingerprint != order.fingerprint:
                return Answer("reused")
            if trace.known:
                return Answer("replay")
            if trace.claim and trace.claim_until > now:
                return Answer("busy", wait=trace.claim_until - now)
        held, at = self.ask(order, now), periods(now)
        rows, binding, waits = self._weigh(order, held, at, now)
        if not binding:
            return Answer("admitted", rows=tuple(rows))
        wait = max((waits[policy] or now + USUAL_RUN) - now for policy in binding)
        if binding == ["provider_place"]:
            return Answer("no place", wait=wait, binding=tuple(binding))
        return Answer("refused", wait=wait, binding=tuple(binding), rows=tuple(rows))

    def settled(self, order: Order, now: int) -> bool:
        """Say whether the order can be decided without asking PostgreSQL, and so without a write."""
        return self.plan(order.account, now) == order.held and (order.account, periods(now).month) in self.warm

    def ask(self, order: Order, now: int) -> Held:
        """Return the plan that decides; ask PostgreSQL for plan and counters where they are unknown or differ."""
        if self.settled(order, now):
            return order.held
        held = self.database.held(order.account)
        self.plans[order.account] = held, now + PLAN_KNOWN
        self.rebuild(order.account, now)
        return held

    def limits(self, held: Held, now: int) -> Limits:
        boosted = held.boost_until is not None and millis(held.boost_until) > now
        return PLANS["pro" if boosted else held.plan]

    def _weigh(
        self, order: Order, held: Held, at: Periods, now: int
    ) -> tuple[list[Row], list[str], dict[str, int | None]]:
        limits, trace = self.limits(held, now), self.traces.get(order.lease, Trace())
        month_end, hour_end = millis(at.month_end), millis(at.hour_end)
        month, hour, full = self.used(order.account, at)
        monthly = 0 if trace.receipt == "pending" and trace.month == at.month else 1
        hourly = 0 if not monthly and trace.hour == at.hour else 1
        need = (order.generation_units * monthly, order.generation_units * hourly, order.full_units * monthly)
        cap = limits.full_regenerations_month
        counters = [
            (Policy.GENERATIONS_MONTH.value, limits.generations_month, month, need[0], month_end),
            (Policy.GENERATIONS_HOUR.value, limits.generations_hour, hour, need[1], hour_end),
            (Policy.FULL_REGENERATIONS_MONTH.value, cap, full, need[2], month_end),
        ]
        rows: list[Row] = []
        binding: list[str] = []
        cooled_until, cooled_by = (
            self.cooldowns.get((order.account, order.draft), (0, None)) if order.draft else (0, None)
        )
        if cooled_until > now and cooled_by != order.lease:
            rows.append(("cooldown", 1, 1, cooled_until))
            binding.append("cooldown")
        binding += [
            name for name, limit, used, more, _ in counters if limit is not None and more and used + more > limit
        ]
        leases = self.leases(order.account, now)
        known = trace.receipt is not None
        spans = [("concurrent", limits.concurrent, limits.concurrent, leases, known and order.lease in leases)]
        if order.place is not None:
            lane = self.lane(order.place).live(now)
            mine = known and (order.account, str(order.lease)) in lane
            spans.append(("provider_place", order.place.cap, self.room(order.place, now), lane, mine))
        full_spans = [name for name, _, most, held_now, mine in spans if not mine and len(held_now) + 1 > most]
        binding += full_spans
        counted = not binding
        rows += [(name, limit, used + more * counted, frees) for name, limit, used, more, frees in counters]
        for name, limit, most, held_now, mine in spans:
            ends, nth = sorted(held_now.values()), max(len(held_now) - most, 0)
            frees = min(ends[nth], now + USUAL_RUN) if name in full_spans and nth < len(ends) else None
            rows.append((name, limit, len(held_now) + (counted and not mine), frees))
        return rows, binding, {name: frees for name, _, _, frees in rows}

    # Places

    def lane(self, place: Place) -> Lane:
        return self.lanes.setdefault(place.lane, Lane())

    def free(self, place: Place, now: int) -> int:
        """Return how many places the lane has: its cap, or what the rival and its floor leave of both."""
        rivals = len(self.lanes.setdefault(place.rival, Lane()).live(now)) if place.rival else 0
        capacity = place.cap if place.capacity is None else place.capacity
        return min(place.cap, capacity - max(rivals, place.rival_floor))

    def room(self, place: Place, now: int) -> int:
        """Return what an admission may fill of a lane: nothing while somebody waits in its line."""
        return 0 if self.lane(place).waited_for(now) else self.free(place, now)

    def take_place(self, place: Place, account: AccountId, holder: str, heir_of: str, *, ttl: int, now: int) -> bool:
        """Grant or refuse a place: who has waited longest is first, and has half of a lane while others wait."""
        lane = self.lane(place)
        live = lane.live(now)
        mine = next((who for who in live if who[1] == holder), None)
        heir = next((who for who in live if heir_of and who[1] == heir_of), None)
        waiting = {who: since for who, (since, until) in lane.line.items() if until > now}
        last = max([since for since, _ in lane.line.values()], default=0)
        lane.line = {who: spell for who, spell in lane.line.items() if spell[1] > now}
        held = {who: sum(owner == who for owner, _ in live) for who in [account, *waiting]}
        since, share = waiting.pop(account, None), max(1, ceil(place.cap / 2))
        ahead = sum((since is None or other < since) and held[who] < share for who, other in waiting.items())
        fair = ahead < self.free(place, now) - len(live) and (not waiting or held[account] < share)
        if mine or heir or fair:
            if heir:
                del lane.holders[heir]
            if fair and not (mine or heir):
                lane.line.pop(account, None)
            lane.holders[mine or (account, holder)] = now + ttl
            return True
        lane.line[account] = (max(now, last + 1) if since is None else since, now + LINE)
        lane.line_until = now + LINE
        return False

    # Asking PostgreSQL, and losing what was known

    def rebuild(self, account: AccountId, now: int) -> None:
        """Know again what PostgreSQL knows of the account in this month."""
        at = periods(now)
        if (account, at.month) in self.warm:
            return
        self.warm.add((account, at.month))
        for job in self.database.rows(account):
            trace = self.trace(job)
            if job.in_month(at.month):
                trace.month, trace.in_month = at.month, not job.refunded
            if account in self.hourless and job.in_hour(at.hour):
                trace.hour, trace.in_hour = at.hour, True
            if job.live(now) and trace.receipt != "released":
                trace.until = max(trace.until, job.deadline)
                trace.receipt = trace.receipt or "confirmed"
        self.hourless.discard(account)
        for draft, (job, until) in self.database.cooled(account).items():
            if until > now:
                self.cooldowns.setdefault((account, draft), (until, job.order.lease))

    def forget(self, account: AccountId, now: int) -> None:
        """Drop what is counted of the account now. What is under way has lost its unit until it is committed."""
        at = periods(now)
        self.warm.discard((account, at.month))
        self.hourless.add(account)
        for job in self.jobs(account):
            trace = self.trace(job)
            trace.in_month = trace.in_month and trace.month != at.month
            trace.in_hour = trace.in_hour and trace.hour != at.hour
        if any(not job.committed for job in self.under_way(account)):
            self.murky.add(account)

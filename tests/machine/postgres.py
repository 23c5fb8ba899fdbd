"""PostgreSQL as a dict: what was committed, refunded and ended, and what the gate is told when it asks."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from reelwright.admission import Facts, Held, Limits, Order, Periods
from reelwright.ground.ids import AccountId, DraftId, GenerationId

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

BASIC = Limits(generations_month=5, generations_hour=3, full_regenerations_month=0, concurrent=1, cooldown_ms=30_000)
STANDARD = Limits(generations_month=7, generations_hour=5, full_regenerations_month=2, concurrent=2, cooldown_ms=15_000)
PRO = Limits(generations_month=11, generations_hour=8, full_regenerations_month=None, concurrent=4, cooldown_ms=5_000)
PLANS = {"basic": BASIC, "standard": STANDARD, "pro": PRO}


def instant(ms: int) -> datetime:
    return _EPOCH + ms * _MS


def millis(moment: datetime) -> int:
    return (moment - _EPOCH) // _MS


def periods(ms: int) -> Periods:
    return Periods.at(instant(ms))


@dataclass(slots=True)
class Job:
    """One order's whole life. `at` and `limits` are those of its admission; the rest is what the rows say."""

    order: Order
    at: int
    limits: Limits
    turn: int
    committed: bool = False
    deadline: int = 0
    ended: bool = False
    refunded: bool = False

    @property
    def account(self) -> AccountId:
        return self.order.account

    @property
    def units(self) -> int:
        return self.order.generation_units

    @property
    def full_units(self) -> int:
        return self.order.full_units

    def live(self, now: int) -> bool:
        return self.committed and not self.ended and self.deadline > now

    def in_month(self, month: str) -> bool:
        return periods(self.at).month == month

    def in_hour(self, hour: str) -> bool:
        return periods(self.at).hour == hour


@dataclass(slots=True)
class Postgres:
    """Rows. `jobs` holds orders that were never committed, too: they are their processes' memory, and count nowhere."""

    plans: dict[AccountId, list[Held]]
    jobs: dict[GenerationId, Job] = field(default_factory=dict)
    written: list[Job] = field(default_factory=list)
    """What was committed, in that order."""

    def held(self, account: AccountId) -> Held:
        return self.plans[account][-1]

    def change(self, account: AccountId, *, plan: str, boost_until: int | None) -> Held:
        """Commit another plan or boost; its version is one higher."""
        until = None if boost_until is None else instant(boost_until)
        self.plans[account].append(Held(plan=plan, version=self.held(account).version + 1, boost_until=until))
        return self.held(account)

    def rows(self, account: AccountId) -> list[Job]:
        return [job for job in self.jobs.values() if job.account == account and job.committed]

    def used(self, account: AccountId, at: Periods) -> tuple[int, int, int]:
        """Count generation units of the month, of the hour, and full regenerations of the month."""
        rows = self.rows(account)
        charged = [job for job in rows if job.in_month(at.month) and not job.refunded]
        hourly = sum(job.units for job in rows if job.in_hour(at.hour))
        return sum(job.units for job in charged), hourly, sum(job.full_units for job in charged)

    def facts(self, account: AccountId, at: Periods) -> Facts:
        """Answer as `journeys/facts` does."""
        month, hour, full = self.used(account, at)
        alive = [job for job in self.rows(account) if not job.ended]
        return Facts(
            generations_month=month,
            generations_hour=hour,
            full_month=full,
            leases=[(job.order.lease, instant(job.deadline)) for job in alive],
            cooldowns=[
                (draft, job.order.lease, instant(until)) for draft, (job, until) in self.cooled(account).items()
            ],
        )

    def cooled(self, account: AccountId) -> dict[DraftId, tuple[Job, int]]:
        """Return each draft's last regeneration and when its cooldown ends, or ended."""
        found: dict[DraftId, tuple[Job, int]] = {}
        for job in sorted(self.rows(account), key=lambda job: (job.at, job.turn)):
            if job.order.draft is not None and not job.refunded:
                found[job.order.draft] = job, job.at + job.limits.cooldown_ms
        return found

    def last_word(self, job: Job, now: int) -> list[str]:
        """Name the limits that the account would pass with this order, in the period of its admission."""
        month, hour, full = self.used(job.account, periods(job.at))
        live = sum(row.live(now) for row in self.rows(job.account))
        limits, cap = job.limits, job.limits.full_regenerations_month
        over = {
            "generations_month": month + job.units > limits.generations_month,
            "generations_hour": hour + job.units > limits.generations_hour,
            "full_regenerations_month": cap is not None and job.full_units > 0 and full + job.full_units > cap,
            "concurrent": live + 1 > limits.concurrent,
        }
        return [policy for policy, passed in over.items() if passed]

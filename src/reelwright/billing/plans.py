"""Every number of every plan. They stand here and nowhere else."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

MICRO = 1_000_000  # micro-credits a credit


class Plan(StrEnum):
    BASIC = "basic"
    STANDARD = "standard"
    PRO = "pro"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTerms:
    """What a plan gives. `full_regenerations_month`: None is no cap, 0 is targeted regeneration only."""

    title: str
    price_cents: int
    generations_month: int
    generations_hour: int
    variants: int
    full_regenerations_month: int | None
    concurrent: int
    cooldown: timedelta
    credits_month_micro: int

    @property
    def full_regeneration(self) -> bool:
        """Whether the plan may regenerate a whole draft at all."""
        return self.full_regenerations_month != 0


PLANS = MappingProxyType(
    {
        Plan.BASIC: PlanTerms(
            title="Basic",
            price_cents=595,
            generations_month=60,
            generations_hour=10,
            variants=1,
            full_regenerations_month=0,
            concurrent=1,
            cooldown=timedelta(seconds=30),
            credits_month_micro=1_500 * MICRO,
        ),
        Plan.STANDARD: PlanTerms(
            title="Standard",
            price_cents=1_995,
            generations_month=300,
            generations_hour=40,
            variants=3,
            full_regenerations_month=30,
            concurrent=2,
            cooldown=timedelta(seconds=15),
            credits_month_micro=7_500 * MICRO,
        ),
        Plan.PRO: PlanTerms(
            title="Pro",
            price_cents=3_995,
            generations_month=900,
            generations_hour=120,
            variants=5,
            full_regenerations_month=None,
            concurrent=5,
            cooldown=timedelta(seconds=5),
            credits_month_micro=25_000 * MICRO,
        ),
    }
)
BOOST_PRICE_CENTS = 1_995
BOOST_DAYS = 30
PACKS = MappingProxyType({"starter": 500 * MICRO, "creator": 2_500 * MICRO, "studio": 10_000 * MICRO})
PACK_PRICES_CENTS = MappingProxyType(  # a credit of them is dearer than in any plan
    {"starter": 295, "creator": 1_195, "studio": 3_995}
)


def effective_plan(plan: str, boost_until: datetime | None, now: datetime) -> Plan:
    """Return the plan that an account is served by: Pro while its boost lasts, else its own. Raises ValueError."""
    own = Plan(plan)
    return Plan.PRO if boost_until is not None and now < boost_until else own


def checked(terms: PlanTerms) -> None:
    """Make sure that a plan's numbers make sense together. Raises ValueError."""
    sound = {
        "the hour's generations are 1 to the month's": 1 <= terms.generations_hour <= terms.generations_month,
        "full regenerations are 0 to the month's generations, or without a cap": terms.full_regenerations_month is None
        or 0 <= terms.full_regenerations_month <= terms.generations_month,
        "concurrent generations are 1 to the hour's": 1 <= terms.concurrent <= terms.generations_hour,
        "there is at least one variant": terms.variants >= 1,
        "the cooldown is not negative": terms.cooldown >= timedelta(0),
        "price and credits are positive": terms.price_cents > 0 and terms.credits_month_micro > 0,
    }
    broken = [rule for rule, kept in sound.items() if not kept]
    if broken:
        raise ValueError(f"plan {terms.title}: broken rule: {'; '.join(broken)}")


for _terms in PLANS.values():
    checked(_terms)

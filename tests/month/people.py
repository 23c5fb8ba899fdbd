"""Who is in the month, and what each of them does on a day: seeded, so that a month can be had again."""

from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from reelwright.accounts import Account
from reelwright.billing import Plan


class Habit(StrEnum):
    """What somebody does about plans and money."""

    UPGRADES = "upgrades"
    BOOSTS = "boosts"
    DECLINED = "declined"
    DOWNGRADES = "downgrades"
    DEMO = "demo"
    HEAVY = "heavy"
    PLAIN = "plain"
    GIVEN = "given"
    DISPUTES = "disputes"
    CANCELS = "cancels"


_LENGTH_S = {Habit.HEAVY: 180}
_HUNGRY = {5: 0.8, 6: 4.0, 15: 4.0}
"""Orders a day: enough for some to reach their month's credits, and for others its generations."""
_FIRST_PLAN = {Habit.DOWNGRADES: "plan_pro", Habit.CANCELS: "plan_basic"}
SUBSCRIBERS = frozenset({Habit.UPGRADES, Habit.DECLINED, Habit.DOWNGRADES, Habit.CANCELS})
LAST_OF_JANUARY = 6


@dataclass
class Person:
    """One account and how its owner lives. `scheduled`: a reel every day by itself."""

    number: int
    habit: Habit
    account: Account
    chance: Random
    appetite: float
    scheduled: bool
    subscribes_on: int = 0
    orders: int = 0
    sessions: list[str] = field(default_factory=list[str])

    @property
    def reel_s(self) -> int:
        """How long a reel of this person's is, in seconds."""
        return _LENGTH_S.get(self.habit, 20)

    @property
    def first_plan(self) -> str:
        """The plan that a subscriber begins with."""
        return _FIRST_PLAN.get(self.habit, "plan_standard")

    def wishes(self, day: int) -> list[str]:
        """Return what this person does about money on a day, in order."""
        wished: list[str] = []
        if self.habit in SUBSCRIBERS and day == self.subscribes_on:
            wished.append(self.first_plan)
        plans: dict[tuple[Habit, int], str] = {
            (Habit.UPGRADES, 16): "upgrade",
            (Habit.DOWNGRADES, 18): "downgrade",
            (Habit.CANCELS, 14): "cancel",
            (Habit.DECLINED, 30): "decline",
            (Habit.BOOSTS, 3): "boost_30d",
            (Habit.BOOSTS, 9): "pack_creator",
            (Habit.BOOSTS, 12): "refund",
            (Habit.DISPUTES, 5): "pack_starter",
            (Habit.DISPUTES, 11): "dispute",
            (Habit.DISPUTES, 19): "decide",
            (Habit.DISPUTES, 23): "pack_studio",
            (Habit.GIVEN, 2): "given",
            (Habit.HEAVY, 1): "taken",
            (Habit.HEAVY, 8): "taken",
            (Habit.HEAVY, 20): "pack_starter",
            (Habit.PLAIN, 21): "given_boost",
        }
        if (self.habit, day) in plans and not self._left_alone(plans[self.habit, day]):
            wished.append(plans[self.habit, day])
        if self.habit is Habit.CANCELS and day == 15 and self.number % 20 < 10:
            wished.append("resume")
        return wished

    def _left_alone(self, wish: str) -> bool:
        """Whether a hand keeps off: some of the hungry are to come to their own limits."""
        return wish in {"taken", "given_boost"} and self.number % 200 in _HUNGRY

    def wants(self) -> list[bool]:
        """Return this step's orders: True for a video, False for a script."""
        whole = int(self.appetite)
        count = whole + (self.chance.random() < self.appetite - whole)
        videos = 0.8 if self.habit is Habit.HEAVY else 0.15
        return [self.chance.random() < videos for _ in range(count)]


def person(number: int, account: Account, *, seed: int, steps: float) -> Person:
    """Return the n-th person of a seed's month, with so many steps a day, fewer than one where days are left out."""
    chance = Random(f"{seed} {number}")
    habit = habit_of(number)
    appetite = _HUNGRY.get(number % 100, chance.uniform(0.02, 0.12))
    anchored = habit in SUBSCRIBERS and (number // 10) % 2 == 0
    day = 0 if habit is Habit.DECLINED else LAST_OF_JANUARY if anchored else chance.randint(0, 5)
    return Person(
        number=number,
        habit=habit,
        account=account,
        chance=chance,
        appetite=appetite / steps,
        scheduled=number % 50 in {0, 26},
        subscribes_on=day,
    )


def habit_of(number: int) -> Habit:
    """Return what the n-th person does."""
    return list(Habit)[number % len(Habit)]


def plan_at_first(habit: Habit) -> Plan:
    """Return the plan that the account is made with."""
    return Plan.PRO if habit is Habit.DEMO else Plan.BASIC

"""What the ledger should do, on plain dicts: one account's lots, holds and debt. Time is counted in days from now."""

from dataclasses import dataclass, field

PRIORITY = {"promo": 10, "monthly": 20, "boost": 30, "admin": 30, "purchase": 40}


@dataclass
class Held:
    """A hold: what it took from which lots, in the order of their use."""

    pins: list[tuple[str, int]]
    state: str = "pending"
    captured: int = 0
    refunded: int = 0

    @property
    def amount(self) -> int:
        return sum(micro for _, micro in self.pins)


@dataclass
class Oracle:
    lots: dict[str, dict[str, float]] = field(default_factory=dict)
    holds: dict[object, Held] = field(default_factory=dict)
    debt: int = 0

    @property
    def available(self) -> int:
        return sum(int(lot["remaining"]) for lot in self.lots.values())

    @property
    def held(self) -> int:
        return sum(int(lot["held"]) for lot in self.lots.values())

    @property
    def usable(self) -> int:
        return sum(int(lot["remaining"]) for lot in self.lots.values() if lot["begins"] <= 0 < lot["lapses"])

    def ordered(self) -> list[str]:
        return sorted(self.lots, key=lambda name: (self.lots[name]["priority"], self.lots[name]["lapses"]))

    def grant(self, source: str, micro: int, origin: str, begins: float = 0, lapses: float = float("inf")) -> None:
        self.lots[source] = {
            "priority": PRIORITY[origin], "begins": begins, "lapses": lapses, "remaining": micro, "held": 0,
        }  # fmt: skip
        self.tidy()

    def tidy(self) -> None:
        """What has lapsed goes, and what is owed is paid from what is there."""
        for name in self.ordered():
            lot = self.lots[name]
            if lot["lapses"] <= 0:
                lot["remaining"] = 0
        for name in self.ordered():
            paid = min(self.lots[name]["remaining"], self.debt)
            self.lots[name]["remaining"] -= paid
            self.debt -= int(paid)

    def hold(self, work: object, micro: int) -> bool:
        if self.debt or self.usable < micro:
            return False
        pins = []
        for name in self.ordered():
            lot = self.lots[name]
            part = int(min(lot["remaining"], micro - sum(taken for _, taken in pins)))
            if part and lot["begins"] <= 0 < lot["lapses"]:
                lot["remaining"] -= part
                lot["held"] += part
                pins.append((name, part))
        self.holds[work] = Held(pins)
        return True

    def settle(self, work: object, state: str, micro: int, regrant: str | None = None) -> None:
        hold = self.holds[work]
        hold.state, hold.captured = state, min(micro, hold.amount)
        back = self._slices(hold, hold.captured, hold.amount)
        for name, part in hold.pins:
            self.lots[name]["held"] -= part
        self._give_back(back, regrant, always=False)

    def refund(self, work: object, micro: int, regrant: str) -> None:
        hold = self.holds[work]
        end = hold.captured - hold.refunded
        hold.refunded += micro
        self._give_back(self._slices(hold, end - micro, end), regrant, always=True)

    def _give_back(self, slices: list[tuple[str, int]], regrant: str | None, *, always: bool) -> None:
        lately = sum(part for name, part in slices if -3 < self.lots[name]["lapses"] <= 0)
        lapsed = any(part for name, part in slices if self.lots[name]["lapses"] <= 0)
        for name, part in slices:
            self.lots[name]["remaining"] += part
        if always or lapsed or (slices and self.debt):
            self.tidy()
        if regrant and lately:
            self.grant(regrant, lately, "promo", lapses=7)

    @staticmethod
    def _slices(hold: Held, begin: int, end: int) -> list[tuple[str, int]]:
        found, upto = [], 0
        for name, size in hold.pins:
            part = min(upto + size, end) - max(upto, begin)
            upto += size
            if part > 0:
                found.append((name, part))
        return found

    def take(self, micro: int, first: str | None = None) -> None:
        self.tidy()
        for name in sorted(self.ordered(), key=lambda name: name != first):
            part = min(self.lots[name]["remaining"], micro)
            self.lots[name]["remaining"] -= part
            micro -= int(part)
        self.debt += micro

    def wait(self, days: int) -> None:
        for lot in self.lots.values():
            lot["lapses"] -= days
            lot["begins"] -= days

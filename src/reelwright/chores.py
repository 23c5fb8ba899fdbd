"""The roof's list of chores: what workers do over and over, and once more for every tick."""

from collections.abc import Mapping

from reelwright.ground import clock
from reelwright.journeys import allowances, plans, usage
from reelwright.journeys.chores import Chore
from reelwright.wiring import Wiring


def chores(wiring: Wiring) -> Mapping[str, Chore]:
    """Return every chore by name."""
    db, gate = wiring.db, wiring.gate
    return {
        "plans": lambda: plans.sweep(db=db, gate=gate, now=clock.now()),
        "allowances": lambda: allowances.refill_due(db=db, now=clock.now()),
        "usage": lambda: usage.roll_up(db=db),
    }

"""The roof's list of chores: what workers do over and over, and once more for every tick."""

from collections.abc import Mapping

from reelwright.journeys.chores import Chore
from reelwright.wiring import Wiring


def chores(wiring: Wiring) -> Mapping[str, Chore]:  # noqa: ARG001 - each part adds its own
    """Return every chore by name."""
    return {}

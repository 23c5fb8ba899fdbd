"""Provider places: a lane's cap, the rival lane's floor, a fair line before them, and a brake for a provider's 429."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from reelwright.admission import keys, wire
from reelwright.admission.model import Place
from reelwright.admission.scripts import Scripts
from reelwright.ground.ids import AccountId, GenerationId

LINE: Final = timedelta(seconds=30)
"""How long an account that stopped asking keeps its turn: six times the longest wait that the line hands out (5 s)."""
SHORTEST_CLOSURE: Final = timedelta(seconds=1)
"""A lane closes for this long at least: calls that were under way say 429 too, and halve nothing while it is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Whether a place is held now; if not, how many accounts are ahead in the line, and when it pays to ask again."""

    granted: bool
    ahead: int = 0
    wait: timedelta = timedelta(0)


class Places:
    """Takes places from Redis and gives them back; each call is one script, so it happens whole or not at all.

    `now` spells the clock for the scripts: "" means Redis's own.
    """

    def __init__(self, scripts: Scripts, now: Callable[[], str]) -> None:
        self._scripts = scripts
        self._now = now

    async def take(
        self, place: Place, holder: str, *, account: AccountId, ttl: timedelta, inherits: GenerationId | None = None
    ) -> Taken:
        """Hold one place for `ttl`, or enter the account into the lane's line; ask again after `wait`.

        A holder that asks again is renewed. `inherits` names the generation whose place, taken at admission, this
        holder takes over. Raises Unavailable.
        """
        verdict, _, ahead, wait_ms = await self._scripts.run(
            "semaphore_acquire",
            keys=_keys(place),
            args=[
                self._now(),
                str(account),
                holder,
                wire.span(ttl),
                str(place.cap),
                "" if place.capacity is None else str(place.capacity),
                str(place.rival_floor),
                wire.span(LINE),
                str(inherits or ""),
            ],
        )
        return Taken(granted=verdict != "full", ahead=int(ahead), wait=timedelta(milliseconds=int(wait_ms)))

    async def renew(self, place: Place, holder: str, *, ttl: timedelta) -> bool:
        """Keep a place that is still held for `ttl` from now; False where it lapsed. Raises Unavailable."""
        verdict, *_ = await self._scripts.run(
            "semaphore_acquire",
            keys=_keys(place),
            args=[self._now(), "", holder, wire.span(ttl), "0", "", "0", "", ""],
        )
        return verdict == "renewed"

    async def give_back(self, place: Place, holder: str) -> bool:
        """Give a place back and return whether it was held. Safe to repeat. Raises Unavailable."""
        (verdict,) = await self._scripts.run("semaphore_release", keys=_keys(place)[:1], args=[holder])
        return verdict == "released"

    async def slow_down(self, place: Place, *, wait: timedelta) -> int:
        """Close the lane for `wait` after a provider's 429 and halve its cap; return the cap that is left.

        The cap grows again by one for each minute after the closure, up to `place.cap`. Raises Unavailable.
        """
        _, cap, _ = await self._scripts.run(
            "semaphore_slow",
            keys=_keys(place)[3:4],
            args=[self._now(), wire.span(max(wait, SHORTEST_CLOSURE)), str(place.cap)],
        )
        return int(cap)


def _keys(place: Place) -> list[str]:
    """Return KEYS of `semaphore_acquire.lua`."""
    of, lane = (place.provider, place.model), place.lane
    rival = keys.place(*of, place.rival) if place.rival else wire.place_key(None)
    return [keys.place(*of, lane), rival, keys.line(*of, lane), keys.brake(*of, lane), keys.asked(*of, lane)]

"""Provider places at dispatch: taken, renewed and given back by whoever performs a stage run."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from reelwright.admission import wire
from reelwright.admission.model import Place
from reelwright.admission.scripts import Scripts
from reelwright.ground.ids import AccountId, GenerationId


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Whether a place was granted; where not, how many accounts are ahead and when to ask again."""

    granted: bool
    ahead: int = 0
    wait: timedelta = timedelta(0)


class Places:
    """Who works with a provider's model just now."""

    def __init__(self, scripts: Scripts, now: Callable[[], str]) -> None:
        self._scripts = scripts
        self._now = now

    async def take(
        self, place: Place, holder: str, *, account: AccountId, ttl: timedelta, inherits: GenerationId | None = None
    ) -> Taken:
        """Take or renew a place. `inherits`: the generation whose place, taken at admission, is taken over."""
        heir = wire.member(account, inherits) if inherits else ""
        verdict, _, _ = await self._scripts.run(
            "semaphore_acquire",
            keys=[wire.place_key(place)],
            args=[self._now(), wire.member(account, holder), wire.span(ttl), str(place.cap), heir],
        )
        return Taken(granted=verdict != "full")

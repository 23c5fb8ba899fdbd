"""Which providers and models there are, which are switched off, and how those that were called lately do."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from weakref import WeakKeyDictionary

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.postgres import Database
from reelwright.providers.catalogue import Craft, Model, model_of
from reelwright.providers.circuit import Rules, State
from reelwright.providers.fuses import Health

_RULES = Rules()
_OFFERS = text(
    """
    SELECT p.name AS provider, p.title, p.enabled AND m.enabled AS enabled, m.model,
           array_agg(m.craft ORDER BY m.craft) AS crafts, max(c.calls) AS calls, max(c.failed) AS failed
      FROM providers p JOIN provider_models m ON m.provider = p.name
     CROSS JOIN LATERAL (
        SELECT count(*) AS calls, count(*) FILTER (WHERE state IN ('failed', 'unknown')) AS failed FROM provider_calls
         WHERE provider = m.provider AND model = m.model AND state <> 'intended'
           AND began_at > now() - interval '5 minutes') c
     GROUP BY p.name, p.title, p.enabled, m.enabled, m.model ORDER BY p.name, m.model
    """
)


_OFF = text(
    "SELECT m.provider, m.model FROM provider_models m JOIN providers p ON p.name = m.provider"
    " WHERE NOT (p.enabled AND m.enabled)"
)
_SWITCH_ALL = text("UPDATE providers SET enabled = :on, updated_at = now() WHERE name = :provider RETURNING name")
_SWITCH = text(
    "UPDATE provider_models SET enabled = :on, updated_at = now() WHERE provider = :provider AND model = :model"
    " RETURNING model"
)
_LOCK = text("SELECT FROM providers WHERE name = :provider FOR UPDATE")
_KNOWN_FOR_S = 2.0
_known = WeakKeyDictionary[Database, tuple[float, frozenset[tuple[str, str]]]]()


class Doing(StrEnum):
    """How a model does: `failing` in every process, `resting` until this process asks it again, or switched off."""

    OK = "ok"
    FAILING = "failing"
    RESTING = "resting"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One model. `calls` and `failed` are those of all processes in the last five minutes."""

    provider: str
    title: str
    model: str
    crafts: tuple[Craft, ...]
    enabled: bool
    calls: int
    failed: int

    @property
    def known(self) -> Model:
        """What the catalogue tells of it."""
        return model_of(self.provider, self.crafts[0], self.model)

    def doing(self, health: Mapping[tuple[str, str], Health]) -> Doing:
        """Return how the model does; failing: of ten calls or more at least half failed, as for the circuit."""
        here = health.get((self.provider, self.model))
        if not self.enabled:
            return Doing.OFF
        if here is not None and here.state is State.OPEN:
            return Doing.RESTING
        failing = self.calls >= _RULES.fewest_calls and self.failed >= _RULES.failed_share * self.calls
        return Doing.FAILING if failing else Doing.OK


async def offers(tx: AsyncConnection) -> list[Offer]:
    """Return every model, by provider and name."""
    return [
        Offer(
            provider=row.provider,
            title=row.title,
            model=row.model,
            crafts=tuple(Craft(craft) for craft in row.crafts),
            enabled=row.enabled,
            calls=row.calls,
            failed=row.failed,
        )
        for row in await tx.execute(_OFFERS)
    ]


async def lock(tx: AsyncConnection, provider: str) -> None:
    """Let whoever switches this provider, or a model of it, wait until the transaction ends."""
    await tx.execute(_LOCK, {"provider": provider})


async def switch(tx: AsyncConnection, provider: str, model: str | None, *, on: bool) -> bool:
    """Switch a provider's model, or with None the provider, on or off; False where there is no such one."""
    values = {"provider": provider, "model": model, "on": on}
    switched = await tx.execute(_SWITCH, values) if model else await tx.execute(_SWITCH_ALL, values)
    return switched.first() is not None


async def switched_off(db: Database) -> frozenset[tuple[str, str]]:
    """Return the providers and models that get no new calls, as they were two seconds ago at most. Raises Outage."""
    asked, off = _known.get(db, (0.0, frozenset[tuple[str, str]]()))
    if (now := time.monotonic()) - asked > _KNOWN_FOR_S:
        _known[db] = now, off  # those who come meanwhile go by what was known
        async with db.single() as tx:
            off = frozenset((row.provider, row.model) for row in await tx.execute(_OFF))
        _known[db] = now, off
    return off


def forget_switches(db: Database) -> None:
    """Let the next who asks see what was switched just now."""
    _known.pop(db, None)

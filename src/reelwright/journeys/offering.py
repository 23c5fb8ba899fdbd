"""Read which providers and models there are, which of them new work uses, and how they do."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from reelwright import providers
from reelwright.ground.postgres import Database
from reelwright.journeys.ordering import Terms
from reelwright.providers import Doing, Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A model, how it does, and whether this installation's new work uses it."""

    offer: Offer
    doing: Doing
    in_use: bool


async def offered(*, db: Database, terms: Terms) -> list[Offered]:
    """Return every model, by provider and name. Raises Outage."""
    async with db.begin() as tx:
        known = await providers.offers(tx)
    health = providers.health()
    used: AbstractSet[tuple[str, str]] = {(place.provider, place.model) for place in terms.places.values()}
    return [
        Offered(offer=offer, doing=offer.doing(health), in_use=(offer.provider, offer.model) in used) for offer in known
    ]

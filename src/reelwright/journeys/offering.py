"""Which providers and models there are, which of them new work uses, how they do, and which are switched off."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta

from reelwright import providers
from reelwright.accounts import Account
from reelwright.admission import Place
from reelwright.ground.errors import Kind, NotFound, Outage, Refusal
from reelwright.ground.postgres import Database
from reelwright.ground.versions import Versions, meant_for
from reelwright.journeys.auditing import audited
from reelwright.journeys.ordering import Terms
from reelwright.providers import Doing, Offer

_WAIT = timedelta(seconds=30)


class SwitchedOff(Outage):
    """An operator has switched off who would do the work."""

    code = "provider.off"


class ProviderChanged(Refusal):
    """Somebody switched it since it was read."""

    kind = Kind.STALE
    code = "provider.changed"


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
    used: AbstractSet[tuple[str, str]] = {
        (who.provider, who.model) for place in terms.places.values() for who in (place, *place.instead)
    }
    return [
        Offered(offer=offer, doing=offer.doing(health), in_use=(offer.provider, offer.model) in used) for offer in known
    ]


async def check_on(places: Iterable[Place], *, db: Database) -> None:
    """Let work in that needs these places, or those in their stead. Raises SwitchedOff, Outage."""
    off = await providers.switched_off(db)
    if any(all((who.provider, who.model) in off for who in (place, *place.instead)) for place in places):
        raise SwitchedOff("A service that this needs is switched off for the moment: ask again soon.", wait=_WAIT)


async def switch(
    provider: str,
    model: str | None,
    *,
    on: bool,
    by: Account,
    db: Database,
    terms: Terms,
    expected_version: Versions = None,
) -> list[Offered]:
    """Switch a provider, or one model of it, on or off for new calls, and return the provider's models as they are now.

    Calls under way go on; accepted work that needs it waits, and new work is refused. Other processes know it within
    two seconds. Raises NotFound, ProviderChanged, Outage.
    """
    async with db.begin() as tx:
        await providers.lock(tx, provider)
        _as_expected(await providers.offers(tx), provider, model, expected_version)
        if not await providers.switch(tx, provider, model, on=on):
            raise NotFound(
                "There is no such provider or model: see GET /v1/providers/models.", code="provider.not_found"
            )
        await audited(tx, "provider.switched", by=by, target=f"{provider}:{model or '*'}", enabled=on)
    providers.forget_switches(db)
    return [each for each in await offered(db=db, terms=terms) if each.offer.provider == provider]


def version_of(models: Iterable[Offer]) -> int:
    """Return 1 where one of these models gets new calls, else 0: whoever switches knows all that there is to change."""
    return int(any(offer.enabled for offer in models))


def _as_expected(offers: Iterable[Offer], provider: str, model: str | None, expected: Versions) -> None:
    its = [offer for offer in offers if offer.provider == provider and model in {None, offer.model}]
    if its and not meant_for(version_of(its), expected):
        raise ProviderChanged("Somebody switched it since you read it: read it again.")

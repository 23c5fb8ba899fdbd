"""What is for sale, by the names that Stripe's prices carry as lookup keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from reelwright.billing.plans import BOOST_PRICE_CENTS, PACK_PRICES_CENTS, PACKS, PLANS

CURRENCY = "usd"
CATALOGUE_VERSION = 1  # grows when an item's meaning changes; a checkout remembers the one that it was made with


class ItemKind(StrEnum):
    """What a bought item does: opens a subscription, adds credits, or lifts to Pro for a while."""

    PLAN = "plan"
    PACK = "pack"
    BOOST = "boost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing for sale. `name` is the plan's or the pack's; `micro` are the credits of a pack."""

    key: str
    kind: ItemKind
    name: str
    price_cents: int
    micro: int = 0


def _all() -> Mapping[str, Item]:
    plans = [
        Item(key=f"plan_{plan}", kind=ItemKind.PLAN, name=plan.value, price_cents=terms.price_cents)
        for plan, terms in PLANS.items()
    ]
    packs = [
        Item(key=f"pack_{name}", kind=ItemKind.PACK, name=name, price_cents=PACK_PRICES_CENTS[name], micro=micro)
        for name, micro in PACKS.items()
    ]
    boost = Item(key="boost_30d", kind=ItemKind.BOOST, name="boost", price_cents=BOOST_PRICE_CENTS)
    return MappingProxyType({item.key: item for item in [*plans, *packs, boost]})


ITEMS = _all()

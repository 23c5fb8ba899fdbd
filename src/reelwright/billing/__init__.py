"""The billing room: plans, price lists, quotes."""

from reelwright.billing.catalogue import (
    Catalogue,
    Line,
    OrderKind,
    PricedOrder,
    PriceList,
    PublishedList,
    Quote,
    priced,
    quote,
)
from reelwright.billing.periods import Period, anchored_period, calendar_period
from reelwright.billing.plans import (
    BOOST_DAYS,
    BOOST_PRICE_CENTS,
    MICRO,
    PACK_PRICES_CENTS,
    PACKS,
    PLANS,
    Plan,
    PlanTerms,
    effective_plan,
)

__all__ = [
    "BOOST_DAYS",
    "BOOST_PRICE_CENTS",
    "MICRO",
    "PACKS",
    "PACK_PRICES_CENTS",
    "PLANS",
    "Catalogue",
    "Line",
    "OrderKind",
    "Period",
    "Plan",
    "PlanTerms",
    "PriceList",
    "PricedOrder",
    "PublishedList",
    "Quote",
    "anchored_period",
    "calendar_period",
    "effective_plan",
    "priced",
    "quote",
]

"""The billing room: plans, price lists, quotes."""

from reelwright.billing.catalogue import Catalogue, Line, OrderKind, PricedOrder, PriceList, Quote, priced, quote
from reelwright.billing.plans import BOOST_DAYS, BOOST_PRICE_CENTS, MICRO, PACKS, PLANS, Plan, PlanTerms, effective_plan

__all__ = [
    "BOOST_DAYS",
    "BOOST_PRICE_CENTS",
    "MICRO",
    "PACKS",
    "PLANS",
    "Catalogue",
    "Line",
    "OrderKind",
    "Plan",
    "PlanTerms",
    "PriceList",
    "PricedOrder",
    "Quote",
    "effective_plan",
    "priced",
    "quote",
]

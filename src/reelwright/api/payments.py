"""/v1/payments: what is for sale, Stripe's pages to pay on, and changes of a subscription."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED
from msgspec import Meta

from reelwright.accounts import Account, Subscription
from reelwright.admission import Gate
from reelwright.api.creations import BadField, OnceOnly, key_of
from reelwright.api.idempotency import Repeatable, Unkept
from reelwright.billing import BOOST_DAYS, CURRENCY, ITEMS, MICRO, PLANS, ItemKind, Plan, StripeDoor, effective_plan
from reelwright.ground import clock
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database
from reelwright.journeys import purchase
from reelwright.journeys.purchase import Checkout, Wish

_URL = Annotated[str, Meta(min_length=8, max_length=2048)]
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class PackOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A credit pack. The addresses are where Stripe's page leads afterwards; `{CHECKOUT_SESSION_ID}` is filled in."""

    pack: str
    success_url: _URL | None = None
    cancel_url: _URL | None = None


class PlanOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The plan to subscribe to."""

    plan: Plan
    success_url: _URL | None = None
    cancel_url: _URL | None = None


class BoostOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """30 days of Pro."""

    success_url: _URL | None = None
    cancel_url: _URL | None = None


class PlanChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The plan that the subscription is to change to."""

    plan: Plan


class PageView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of Stripe's to send the person to."""

    url: str


class SubscriptionView(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription. `next_plan` takes the place of `plan` at the period's end, unless it ends then."""

    plan: str
    status: str
    period_start: datetime
    period_end: datetime
    cancel_at_period_end: bool
    next_plan: str | None


class ItemView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing for sale, at its list price without taxes: a plan by the month, the others once."""

    name: str
    price: float
    credits: float


class PlansView(msgspec.Struct, frozen=True, kw_only=True):
    """What is for sale, and what the account holds. `available` is false where payments are not configured."""

    available: bool
    currency: str
    plans: list[ItemView]
    packs: list[ItemView]
    boost: ItemView
    boost_days: int
    plan: Plan
    effective_plan: Plan
    boost_until: datetime | None
    subscription: SubscriptionView | None
    disputed: bool


Door = NamedDependency[StripeDoor | None]


@get("/payments/plans", summary="List what is for sale", tags=["payments"])
async def list_plans(account: NamedDependency[Account], db: NamedDependency[Database], stripe: Door) -> PlansView:
    """Return plans, packs and the boost with their prices, and what the account holds of them."""
    now = clock.now()
    held = await purchase.holdings(account.id, db=db, now=now)
    items = {kind: [item for item in ITEMS.values() if item.kind is kind] for kind in ItemKind}
    return PlansView(
        available=stripe is not None,
        currency=CURRENCY,
        plans=[
            _item(one.name, one.price_cents, PLANS[Plan(one.name)].credits_month_micro) for one in items[ItemKind.PLAN]
        ],
        packs=[_item(one.name, one.price_cents, one.micro) for one in items[ItemKind.PACK]],
        boost=_item("boost", items[ItemKind.BOOST][0].price_cents, 0),
        boost_days=BOOST_DAYS,
        plan=Plan(account.plan),
        effective_plan=effective_plan(account.plan, account.boost_until, now),
        boost_until=account.boost_until,
        subscription=_subscription(held.subscription) if held.subscription else None,
        disputed=held.disputed,
    )


@post("/payments/buy-credits", status_code=HTTP_201_CREATED, summary="Buy a credit pack", tags=["payments"])
async def buy_credits(
    request: Request[Any, Any, Any],
    data: JSONBody[PackOrder],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    stripe: Door,
    *,
    key: OnceOnly,  # noqa: ARG001 - for OpenAPI: key_of reads them all
) -> Response[PageView]:
    """Open a page to pay a pack on. The credits come once Stripe tells that it was paid; bought credits never lapse."""
    item = f"pack_{data.pack}"
    if item not in ITEMS:
        names = ", ".join(one.name for one in ITEMS.values() if one.kind is ItemKind.PACK)
        raise BadField(f"pack: use one of {names}.", field="pack")
    door = _configured(stripe)
    wish = _wish(request, item, data, door)
    return _page(await purchase.buy_credits(account, wish, db=db, stripe=door))


@post("/payments/subscribe", status_code=HTTP_201_CREATED, summary="Subscribe to a plan", tags=["payments"])
async def subscribe(
    request: Request[Any, Any, Any],
    data: JSONBody[PlanOrder],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    stripe: Door,
    *,
    key: OnceOnly,  # noqa: ARG001 - for OpenAPI: key_of reads them all
) -> Response[PageView]:
    """Open a page to pay a plan's first month on. Who has a subscription changes its plan instead."""
    door = _configured(stripe)
    wish = _wish(request, f"plan_{data.plan}", data, door)
    return _page(await purchase.subscribe(account, wish, db=db, stripe=door, now=clock.now()))


@post("/payments/boost", status_code=HTTP_201_CREATED, summary="Buy a Pro Boost", tags=["payments"])
async def buy_boost(
    request: Request[Any, Any, Any],
    data: JSONBody[BoostOrder],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    stripe: Door,
    *,
    key: OnceOnly,  # noqa: ARG001 - for OpenAPI: key_of reads them all
) -> Response[PageView]:
    """Open a page to pay 30 days of Pro on; they begin behind any boost that the account has."""
    door = _configured(stripe)
    wish = _wish(request, "boost_30d", data, door)
    return _page(await purchase.buy_boost(account, wish, db=db, stripe=door))


@post("/payments/portal", status_code=HTTP_201_CREATED, summary="Open the customer portal", tags=["payments"])
async def open_portal(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    stripe: Door,
    key: Unkept = None,  # noqa: ARG001 - for OpenAPI
) -> PageView:
    """Open Stripe's page for cards, invoices and the subscription."""
    door = _configured(stripe)
    url = await purchase.portal(account, return_url=f"{door.return_url}/billing", db=db, stripe=door)
    return PageView(url=url)


@post("/payments/change-plan", status_code=HTTP_200_OK, summary="Change the subscription's plan", tags=["payments"])
async def change_plan(
    data: JSONBody[PlanChange],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    stripe: Door,
    again: NamedDependency[bool],
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> SubscriptionView:
    """Change to a better plan at once, paying the difference; to a smaller one at the end of the period."""
    door, now = _configured(stripe), clock.now()
    if again:
        return _subscription(await purchase.held(account, db=db, gate=gate, stripe=door, now=now))
    return _subscription(await purchase.change_plan(account, data.plan, db=db, gate=gate, stripe=door, now=now))


@post("/payments/cancel", status_code=HTTP_200_OK, summary="Cancel the subscription", tags=["payments"])
async def cancel_subscription(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    stripe: Door,
    again: NamedDependency[bool],
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> SubscriptionView:
    """Let the subscription end with the period that is paid for. A repeat changes nothing."""
    door, now = _configured(stripe), clock.now()
    if again:
        return _subscription(await purchase.held(account, db=db, gate=gate, stripe=door, now=now))
    return _subscription(await purchase.cancel(account, db=db, gate=gate, stripe=door, now=now))


@post("/payments/resume", status_code=HTTP_200_OK, summary="Resume the subscription", tags=["payments"])
async def resume_subscription(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    stripe: Door,
    again: NamedDependency[bool],
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> SubscriptionView:
    """Let a cancelled subscription go on, while its period lasts. A repeat changes nothing."""
    door, now = _configured(stripe), clock.now()
    if again:
        return _subscription(await purchase.held(account, db=db, gate=gate, stripe=door, now=now))
    return _subscription(await purchase.resume(account, db=db, gate=gate, stripe=door, now=now))


def _configured(stripe: StripeDoor | None) -> StripeDoor:
    if stripe is None:
        raise Outage(
            "Payments are not configured here: its operator sets STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET.",
            code="payments.not_configured",
        )
    return stripe


def _wish(
    request: Request[Any, Any, Any], item: str, data: PackOrder | PlanOrder | BoostOrder, door: StripeDoor
) -> Wish:
    """Return what is wished for. Raises BadField for a missing key and for addresses that aren't web pages."""
    back = f"{door.return_url}/billing"
    return Wish(
        item=item,
        key=key_of(request, dry_run=False),
        success_url=_web(data.success_url, "success_url") or f"{back}?checkout={{CHECKOUT_SESSION_ID}}",
        cancel_url=_web(data.cancel_url, "cancel_url") or back,
    )


def _web(url: str | None, field: str) -> str | None:
    """Return an address as it is. Raises BadField unless it is https, or http on this very machine."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        sound = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    except ValueError:
        sound = False
    if not sound or not url.isascii() or not url.isprintable() or " " in url:
        raise BadField(f"{field}: use an https address.", field=field)
    return url


def _page(opened_page: Checkout) -> Response[PageView]:
    headers = {"Idempotency-Replayed": "true"} if opened_page.repeated else {}
    return Response(PageView(url=opened_page.url), status_code=HTTP_201_CREATED, headers=headers)


def _item(name: str, cents: int, micro: int) -> ItemView:
    return ItemView(name=name, price=cents / 100, credits=micro / MICRO)


def _subscription(held: Subscription) -> SubscriptionView:
    return msgspec.convert(held, SubscriptionView, from_attributes=True)

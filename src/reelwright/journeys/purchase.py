"""Buy and change what is paid for through Stripe: each start is written down first, so that a repeat buys nothing.

What was bought is handed over when Stripe tells that it was paid (`settlement`), never when somebody comes back.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from reelwright.accounts import Account, Subscription, Subscriptions
from reelwright.admission import Gate, KeyReused
from reelwright.billing import (
    CATALOGUE_VERSION,
    ITEMS,
    CheckoutSession,
    Item,
    ItemKind,
    NewCheckout,
    PaymentRefused,
    Plan,
    Purchase,
    Purchases,
    StripeDoor,
    Subscribed,
    Unknown,
)
from reelwright.ground import log
from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId, derived
from reelwright.ground.postgres import Database
from reelwright.journeys import plans, settlement

_OPEN_FOR = timedelta(hours=23)
"""Counted from the purchase's own beginning, so that a repeat asks Stripe for the same. Stripe's most is 24 hours."""
_UNPAID = (
    "The month under way has not been paid, and an upgrade would bill only what it adds: pay the open invoice in"
    " the portal (POST /v1/payments/portal), or wait until the next month is paid. Then change the plan."
)
_log = log.logger("journeys.purchase")


class NotForDemo(Refusal):
    kind = Kind.FORBIDDEN
    code = "payments.demo_account"


class BoostNotNeeded(Refusal):
    kind = Kind.CONFLICT
    code = "accounts.boost_not_needed"


class SubscriptionExists(Refusal):
    kind = Kind.CONFLICT
    code = "payments.subscription_exists"


class NoSubscription(Refusal):
    kind = Kind.CONFLICT
    code = "payments.no_subscription"


class NoCustomer(Refusal):
    kind = Kind.CONFLICT
    code = "payments.no_customer"


class PaymentDisputed(Refusal):
    kind = Kind.CONFLICT
    code = "payments.disputed"


class PlanHeld(Refusal):
    kind = Kind.CONFLICT
    code = "payments.plan_held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to buy, the Idempotency-Key they ask with, and where Stripe's page sends them afterwards."""

    item: str
    key: str
    success_url: str
    cancel_url: str

    @property
    def fingerprint(self) -> bytes:
        """What must be the same when the key is."""
        return sha256(f"{self.item}\x1f{self.success_url}\x1f{self.cancel_url}".encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """Stripe's page to pay on, and whether this key had asked for it before."""

    url: str
    repeated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """The subscription that an account holds now, and whether payments are on hold over a dispute."""

    subscription: Subscription | None
    disputed: bool


async def buy_credits(account: Account, wish: Wish, *, db: Database, stripe: StripeDoor) -> Checkout:
    """Open a checkout of a credit pack. Raises NotForDemo, PaymentDisputed, KeyReused, Outage."""
    return await _open(account, wish, ItemKind.PACK, db=db, stripe=stripe)


async def buy_boost(account: Account, wish: Wish, *, db: Database, stripe: StripeDoor) -> Checkout:
    """Open a checkout of 30 days of Pro. Raises BoostNotNeeded too."""
    if account.plan == Plan.PRO:
        raise BoostNotNeeded("This account is on Pro already, and a boost would change nothing.")
    return await _open(account, wish, ItemKind.BOOST, db=db, stripe=stripe)


async def subscribe(account: Account, wish: Wish, *, db: Database, stripe: StripeDoor, now: datetime) -> Checkout:
    """Open a checkout of a plan, for who has none. Raises SubscriptionExists too."""
    if (await holdings(account.id, db=db, now=now)).subscription is not None:
        raise SubscriptionExists(
            "This account has a subscription: change its plan with /v1/payments/change-plan, or in the portal.",
            field="plan",
        )
    return await _open(account, wish, ItemKind.PLAN, db=db, stripe=stripe)


async def portal(account: Account, *, return_url: str, db: Database, stripe: StripeDoor) -> str:
    """Return Stripe's page on which the account manages its cards, invoices and subscription. Raises NoCustomer."""
    async with db.begin() as tx:
        customer = await Subscriptions(session=tx).customer(account.id)
    if customer is None:
        raise NoCustomer("This account has paid for nothing yet: buy something first.")
    try:
        return await stripe.portal(customer, return_url=return_url)
    except Unknown as gone:
        await _forget(customer, db=db)
        raise NoCustomer("Stripe has no customer of this account any more: buy something first.") from gone


async def change_plan(
    account: Account, plan: Plan, *, db: Database, gate: Gate, stripe: StripeDoor, now: datetime
) -> Subscription:
    """Upgrade the subscription at once, or let it change to a smaller plan with its next period.

    To the plan that it has at Stripe, where it may have been changed just now: a change that was to come is called off.
    Raises NoSubscription, PlanHeld, PaymentRefused, EventUnusable.
    """
    asked_at, found = await _held(account, db=db, stripe=stripe, now=now)
    item, has = _plan_item(plan), settlement.plan_of(found.item)
    if item == has:
        if found.scheduled is None and not found.cancel_at_period_end:
            raise PlanHeld(f"This account's subscription is on {item.name} already.", field="plan")
        changed = await stripe.cancel_at_end(found, cancel=False)
    elif plans.rank(plan) > plans.rank(has.name):
        if found.given_up or found.status == "past_due":
            raise PaymentRefused(_UNPAID, field="plan")
        changed = await stripe.upgrade(found, item.key)
    else:
        changed = await stripe.downgrade(found, item.key)
    return await _keep(account, changed, asked_at=asked_at, db=db, gate=gate, stripe=stripe, now=now)


async def held(account: Account, *, db: Database, gate: Gate, stripe: StripeDoor, now: datetime) -> Subscription:
    """Return the subscription as it is at Stripe, and change nothing there. Raises NoSubscription."""
    asked_at, found = await _held(account, db=db, stripe=stripe, now=now)
    return await _keep(account, found, asked_at=asked_at, db=db, gate=gate, stripe=stripe, now=now)


async def cancel(account: Account, *, db: Database, gate: Gate, stripe: StripeDoor, now: datetime) -> Subscription:
    """Let the subscription end with the period that is paid for. Raises NoSubscription."""
    asked_at, found = await _held(account, db=db, stripe=stripe, now=now)
    changed = found if found.cancel_at_period_end else await stripe.cancel_at_end(found, cancel=True)
    return await _keep(account, changed, asked_at=asked_at, db=db, gate=gate, stripe=stripe, now=now)


async def resume(account: Account, *, db: Database, gate: Gate, stripe: StripeDoor, now: datetime) -> Subscription:
    """Let a cancelled subscription go on, while its period lasts. Raises NoSubscription."""
    asked_at, found = await _held(account, db=db, stripe=stripe, now=now)
    changed = await stripe.cancel_at_end(found, cancel=False) if found.cancel_at_period_end else found
    return await _keep(account, changed, asked_at=asked_at, db=db, gate=gate, stripe=stripe, now=now)


async def holdings(account: AccountId, *, db: Database, now: datetime) -> Holdings:
    """Return what an account pays for. Raises Outage."""
    async with db.begin() as tx:
        known = await Subscriptions(session=tx).of(account)
        disputed = await Purchases(session=tx).disputed(account)
    live = [one for one in known if one.live(now) or (one.status == "past_due" and one.ended_at is None)]
    return Holdings(subscription=live[0] if live else None, disputed=disputed)


async def _open(account: Account, wish: Wish, kind: ItemKind, *, db: Database, stripe: StripeDoor) -> Checkout:
    """Write the purchase down, then have Stripe make its page. The purchase's id makes both once."""
    if account.demo:
        raise NotForDemo("A demo account can't buy: sign up for an account of your own.")
    item = ITEMS[wish.item]
    if item.kind is not kind:
        raise ValueError(wish.item)
    purchase = await _begin(account, wish, item, db=db)
    if purchase.url is not None:
        return Checkout(url=purchase.url, repeated=True)
    session = await _session(account, wish, purchase, db=db, stripe=stripe)
    url = session.url or ""
    async with db.begin() as tx:
        first = await Purchases(session=tx).opened(purchase.id, session=session.id, url=url)
    if first:  # of those that were sent at once
        _log.info("purchase.opened", account_id=str(account.id), item=item.key, purchase_id=str(purchase.id))
    return Checkout(url=url, repeated=not first)


async def _session(
    account: Account, wish: Wish, purchase: Purchase, *, db: Database, stripe: StripeDoor
) -> CheckoutSession:
    """Have Stripe make the purchase's page. A customer that Stripe has deleted gives way to a new one, once."""
    customer = await _customer(account, db=db, stripe=stripe)
    new = NewCheckout(
        attempt=str(purchase.id),
        account=str(account.id),
        customer=customer,
        item=purchase.item,
        subscription=purchase.kind is ItemKind.PLAN,
        success_url=wish.success_url,
        cancel_url=wish.cancel_url,
        expires_at=purchase.created_at + _OPEN_FOR,
        catalogue_version=CATALOGUE_VERSION,
    )
    try:
        return await stripe.create_checkout(new)
    except Unknown as gone:
        if gone.param != "customer":
            raise
        _log.warning("purchase.customer_gone", account_id=str(account.id))
        await _forget(customer, db=db)
        another = await _customer(account, db=db, stripe=stripe)
        return await stripe.create_checkout(replace(new, customer=another))


async def _forget(customer: str, *, db: Database) -> None:
    async with db.begin() as tx:
        await Subscriptions(session=tx).forget_customer(customer)


async def _begin(account: Account, wish: Wish, item: Item, *, db: Database) -> Purchase:
    chosen = derived("purchase", account.id, wish.key)
    async with db.begin() as tx:
        purchases = Purchases(session=tx)
        if await purchases.disputed(account.id):
            raise PaymentDisputed("A payment of this account is disputed: wait until its bank has decided.")
        purchase = await purchases.begin(chosen, account.id, item, wish.fingerprint)
    if purchase.fingerprint != wish.fingerprint:
        raise KeyReused("This Idempotency-Key was used for another purchase: send a new key.", field="Idempotency-Key")
    return purchase


async def _customer(account: Account, *, db: Database, stripe: StripeDoor) -> str:
    """Return the account's customer at Stripe. Two at once are given the same one, by the call's idempotency key."""
    async with db.begin() as tx:
        known = await Subscriptions(session=tx).customer(account.id)
        former = await Subscriptions(session=tx).former_customers(account.id)
    if known is not None:
        return known
    made = await stripe.create_customer(account=str(account.id), email=account.email, former=former)
    async with db.begin() as tx:
        await Subscriptions(session=tx).set_customer(account.id, made)
    return made


async def _held(account: Account, *, db: Database, stripe: StripeDoor, now: datetime) -> tuple[datetime, Subscribed]:
    """Return PostgreSQL's time and, asked for after it, the account's subscription as Stripe has it.

    Raises NoSubscription.
    """
    none = NoSubscription("This account has no subscription: start one with /v1/payments/subscribe.")
    asked_at = await settlement.instant(db)
    held = (await holdings(account.id, db=db, now=now)).subscription
    if held is None:
        raise none
    try:
        found = await stripe.subscription(held.external_id)
    except Unknown as gone:
        raise none from gone
    if not found.live:
        raise none
    return asked_at, found


async def _keep(
    account: Account,
    found: Subscribed,
    *,
    asked_at: datetime,
    db: Database,
    gate: Gate,
    stripe: StripeDoor,
    now: datetime,
) -> Subscription:
    """Write what Stripe answered at once; its event will find nothing left to do."""
    changed = await settlement.keep(found, asked_at=asked_at, db=db, stripe=stripe, now=now)
    if changed is not None:
        await plans.announce(changed, gate=gate)
    async with db.begin() as tx:
        known = await Subscriptions(session=tx).of(account.id)
    return next(one for one in known if one.external_id == found.id)


def _plan_item(plan: Plan) -> Item:
    return next(item for item in ITEMS.values() if item.kind is ItemKind.PLAN and item.name == plan)

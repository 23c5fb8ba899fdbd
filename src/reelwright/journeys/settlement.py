"""Settle what Stripe tells: fetch the object again, then write its state as it is now. Any order, any number of times.

Each family has one function that asks Stripe and returns what is to be written; the inbox writes it in the transaction
that ends the event. What is bought is known by our names of its prices, never by amounts or by what a checkout's
metadata says.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger, notices
from reelwright.accounts import Account, Accounts, Boosts, Subscriptions, SubscriptionTold
from reelwright.billing import (
    BOOST_DAYS,
    CURRENCY,
    ITEMS,
    CheckoutSession,
    EventUnusable,
    Invoiced,
    InvoiceLine,
    Item,
    ItemKind,
    NewPayment,
    Period,
    Plan,
    Purchases,
    StripeDoor,
    Subscribed,
)
from reelwright.ground import log
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import allowances, plans

Written = tuple[Account, ...]
"""The accounts whose plan may be another now: admission hears of them after the commit."""
Settle = Callable[[AsyncConnection], Awaitable[Written]]
"""What is to be written, in the caller's transaction."""

_UPGRADE = "subscription_update"
_RENEWALS = {"subscription_create", "subscription_cycle", _UPGRADE}
_WARNED = {"invoice.payment_failed": "payment_failed", "invoice.payment_action_required": "payment_action_required"}
_ENDED = {"checkout.session.async_payment_failed": "failed", "checkout.session.expired": "expired"}
_MOMENT = timedelta(microseconds=1)
_log = log.logger("journeys.settlement")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An event's type and the object that it is about, with what is needed to settle it."""

    type: str
    object_id: str
    db: Database
    stripe: StripeDoor
    now: datetime


async def checkout(heard: Heard) -> Settle:
    """Hand over what a checkout sold, once it is paid; or note that it never will be. Raises EventUnusable."""
    session = await heard.stripe.checkout(heard.object_id)
    if session.mode == "subscription":
        return await _subscribed(session, heard)
    if session.mode != "payment":
        return nothing
    return await bought(session, heard)


async def bought(session: CheckoutSession, heard: Heard) -> Settle:
    """Return how a checkout of packs or boosts is handed over. A boost that Pro doesn't need is paid back.

    Raises EventUnusable.
    """
    check(session.livemode, session.currency, heard.stripe)
    async with heard.db.begin() as tx:
        buyer = await _buyer(tx, session)
        handed_over = any(boost.source == source_of(session) for boost in await Boosts(session=tx).of(buyer))
        account = await Accounts(session=tx).get(buyer)
    sold = _sold(session)
    in_vain = not handed_over and account is not None and account.plan == Plan.PRO and sold.days > 0 and session.paid
    if in_vain and session.payment_intent is not None:
        await heard.stripe.refund(session.payment_intent, why="boost-not-needed")
        _log.warning("settlement.boost_refunded", account_id=str(buyer))

    async def settle(tx: AsyncConnection) -> Written:
        purchases, attempt = Purchases(session=tx), _uuid(session.metadata.get("attempt_id"))
        state = "paid" if session.paid else _ENDED.get(heard.type, "pending")
        if session.status == "expired":
            state = "expired"
        await purchases.settle(buyer, session=session.id, attempt=attempt, state="refunded" if in_vain else state)
        if not session.paid or in_vain:
            return ()
        return await _hand_over(tx, buyer, session, sold)

    return settle


async def subscription(heard: Heard) -> Settle:
    """Hold what a subscription gives just now. Raises EventUnusable."""
    found = await heard.stripe.subscription(heard.object_id)
    check(found.livemode, found.currency, heard.stripe)

    async def settle(tx: AsyncConnection) -> Written:
        return (await hold(tx, found, now=heard.now),)

    return settle


async def invoice(heard: Heard) -> Settle:
    """Give a paid invoice's months, and tell who didn't pay. Raises EventUnusable."""
    found = await heard.stripe.invoice(heard.object_id)
    return await invoiced(found, heard)


async def invoiced(found: Invoiced, heard: Heard) -> Settle:
    """Return how an invoice is settled, with the subscription that it is of."""
    if found.subscription is None or found.customer is None:
        return nothing
    check(found.livemode, found.currency, heard.stripe)
    held = await heard.stripe.subscription(found.subscription)
    customer = found.customer

    paid = [found] if found.status == "paid" and found.reason in _RENEWALS else []
    if paid and found.reason == _UPGRADE:  # counts from the period that an earlier invoice has paid for
        paid = [one for one in await heard.stripe.paid_invoices_of(held.id) if one.reason in _RENEWALS]

    async def settle(tx: AsyncConnection) -> Written:
        owner = await _owner(tx, customer)
        if paid:
            for line_of, line in sorted(_lines(paid), key=lambda pair: pair[1].proration):
                await _give(tx, owner, line_of, line)
        account = await hold(tx, held, now=heard.now)  # behind the credits, whose lock comes first
        if found.status == "open" and heard.type in _WARNED and not account.demo:
            await notices.tell(
                tx,
                account_id=owner,
                kind=_WARNED[heard.type],
                key=f"{found.id}:{found.attempts}",
                facts={"amount_cents": found.amount_due, "currency": found.currency, "url": found.hosted_url},
            )
        return (account,)

    return settle


async def customer(heard: Heard) -> Settle:
    """Let a deleted customer go; what the account has stays."""

    async def settle(tx: AsyncConnection) -> Written:
        await Subscriptions(session=tx).forget_customer(heard.object_id)
        return ()

    return settle


async def review(heard: Heard) -> Settle:
    """Say that a payment looks stolen; a person decides."""
    _log.error("settlement.early_fraud_warning", warning=heard.object_id)
    return nothing


async def nothing(_tx: AsyncConnection) -> Written:
    """Write nothing."""
    return ()


async def hold(tx: AsyncConnection, found: Subscribed, *, now: datetime) -> Account:
    """Write a subscription's state as it was just fetched; return its account as it is then. Raises EventUnusable."""
    owner = await _owner(tx, found.customer)
    item = _plan_of(found.item)
    following = ITEMS.get(found.scheduled or "")
    told = SubscriptionTold(
        external_id=found.id,
        external_customer_id=found.customer,
        plan=item.name,
        status=found.status,
        period_start=found.period_start,
        period_end=found.period_end,
        anchor=found.anchor,
        cancel_at_period_end=found.cancel_at_period_end,
        next_plan=following.name if following is not None and following != item else None,
        ended_at=found.ended_at,
        told_at=now,
    )
    await Subscriptions(session=tx).told(owner, told)
    return await plans.settle(tx, owner, now=now)


def source_of(session: CheckoutSession) -> str:
    """Return the name of what a checkout brings, in the ledger and among payments."""
    return f"purchase:checkout:{session.id}"


async def _subscribed(session: CheckoutSession, heard: Heard) -> Settle:
    """Hold a new subscription. Its first month's credits come with its invoice.

    A checkout can finish after another one, so that somebody would pay for two: the newer is paid back and ended.
    """
    if session.subscription is None or session.customer is None:
        return await _unsubscribed(session, heard)
    found = await heard.stripe.subscription(session.subscription)
    check(found.livemode, found.currency, heard.stripe)
    live = [one for one in await heard.stripe.subscriptions_of(session.customer) if one.live]
    if found.live and live and live[0].id != found.id:
        found = await _undo(found, heard.stripe)

    async def settle(tx: AsyncConnection) -> Written:
        buyer = await _buyer(tx, session)
        attempt = _uuid(session.metadata.get("attempt_id"))
        await Purchases(session=tx).settle(buyer, session=session.id, attempt=attempt, state="paid")
        return (await hold(tx, found, now=heard.now),)

    return settle


async def _unsubscribed(session: CheckoutSession, heard: Heard) -> Settle:
    state = _ENDED.get(heard.type, "expired" if session.status == "expired" else "pending")

    async def settle(tx: AsyncConnection) -> Written:
        buyer, attempt = await _buyer(tx, session), _uuid(session.metadata.get("attempt_id"))
        await Purchases(session=tx).settle(buyer, session=session.id, attempt=attempt, state=state)
        return ()

    return settle


async def _undo(newer: Subscribed, stripe: StripeDoor) -> Subscribed:
    """Pay a second subscription back, then end it: in this order, a crash between them is made good by the repeat."""
    _log.error("settlement.second_subscription", subscription=newer.id)
    if newer.latest_invoice is not None:
        paid = await stripe.invoice(newer.latest_invoice)
        if paid.payment_intent is not None and paid.status == "paid":
            await stripe.refund(paid.payment_intent, why="second-subscription")
    return await stripe.cancel_now(newer.id)


def _lines(paid: Sequence[Invoiced]) -> Iterator[tuple[Invoiced, InvoiceLine]]:
    """Yield what gives something. What is credited, as the rest of a smaller plan is, gives nothing."""
    return ((one, line) for one in paid for line in one.lines if line.amount > 0 or not line.proration)


async def _give(tx: AsyncConnection, owner: AccountId, found: Invoiced, line: InvoiceLine) -> None:
    """Give a paid line's month: a whole one, or after an upgrade the difference, once."""
    item, period = _plan_of(line.item), Period(start=line.start, end=line.end)
    source = allowances.invoice_source(found.id, line.id)
    if line.proration:
        granted_by = await _improved(tx, owner, item.name, line)
        micro = await allowances.upgraded(tx, owner, plan=item.name, period=period, now=line.start)
    else:
        granted_by = source
        micro = await allowances.renewed(tx, owner, invoice=found.id, line=line.id, plan=item.name, period=period)
    paid = NewPayment(
        source=source,
        account=owner,
        kind=ItemKind.PLAN,
        payment_intent=found.payment_intent,
        granted_micro=micro,
        granted_by=granted_by,
        lapses_at=line.end,
    )
    await Purchases(session=tx).add(paid)


async def _improved(tx: AsyncConnection, owner: AccountId, plan: str, line: InvoiceLine) -> str | None:
    """Return the source that an upgrade's credits are given by: the period's own with the better plan."""
    known = await Subscriptions(session=tx).paid_for(owner, start=line.start, end=line.start + _MOMENT)
    return f"{known[-1].source}:{plan}" if known else None


@dataclass(frozen=True, slots=True)
class _Sold:
    micro: int
    days: int


def _sold(session: CheckoutSession) -> _Sold:
    """Add up what a checkout sold. Raises EventUnusable for what isn't ours to sell so."""
    micro = days = 0
    for line in session.bought:
        item = ITEMS.get(line.item or "")
        if item is None or item.kind is ItemKind.PLAN or line.quantity < 1:
            raise EventUnusable(
                f"The checkout {session.id} sold what our catalogue hasn't: give its price a lookup key."
            )
        micro += item.micro * line.quantity
        days += BOOST_DAYS * line.quantity if item.kind is ItemKind.BOOST else 0
    return _Sold(micro, days)


async def _hand_over(tx: AsyncConnection, buyer: AccountId, session: CheckoutSession, sold: _Sold) -> Written:
    source, purchases = source_of(session), Purchases(session=tx)
    paid = NewPayment(source=source, account=buyer, kind=ItemKind.PACK, payment_intent=session.payment_intent)
    if sold.micro:
        now = await ledger.grant(
            tx, account=buyer, micro=sold.micro, source=source, origin=ledger.Origin.PURCHASE, reason="credit pack"
        )
        await purchases.add(replace(paid, granted_micro=sold.micro if now else 0, granted_by=source))
    if not sold.days:
        return ()
    account = await plans.boost(tx, buyer, source=source, days=sold.days)
    await purchases.add(
        replace(paid, source=f"{source}:boost", kind=ItemKind.BOOST, boost_days=sold.days, granted_by=source)
    )
    return (account,)


async def _buyer(tx: AsyncConnection, session: CheckoutSession) -> AccountId:
    """Return who bought: the reference, the metadata and the customer must name the same account."""
    claimed, reference = session.metadata.get("user_id"), session.reference
    owner = await Subscriptions(session=tx).owner(session.customer) if session.customer else None
    if owner is None or str(owner) != claimed or str(owner) != reference:
        raise EventUnusable(f"The checkout {session.id} names different accounts: find out whose it is.")
    return owner


async def _owner(tx: AsyncConnection, customer: str) -> AccountId:
    owner = await Subscriptions(session=tx).owner(customer)
    if owner is None:
        raise EventUnusable(f"The customer {customer} is no account's: find out whose it is.")
    return owner


def _plan_of(item: str | None) -> Item:
    found = ITEMS.get(item or "")
    if found is None or found.kind is not ItemKind.PLAN:
        raise EventUnusable("This is a price that no plan of ours has: give it the plan's lookup key.")
    return found


def check(livemode: bool, currency: str | None, stripe: StripeDoor) -> None:  # noqa: FBT001 - Stripe's own word
    """Make sure that an object is of our mode and our currency. Raises EventUnusable."""
    if livemode != stripe.livemode:
        raise EventUnusable("This is of Stripe's other mode, test or live: send it to its own service.")
    if currency is not None and currency != CURRENCY:
        raise EventUnusable(f"This was paid in {currency}, but we sell in {CURRENCY}: decide what it is worth.")


def _uuid(value: str | None) -> UUID | None:
    try:
        return UUID(value) if value else None
    except ValueError:
        return None

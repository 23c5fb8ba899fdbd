"""Settle what Stripe tells: fetch the object again, then write its state as it is now. Any order, any number of times.

Each family has one function that asks Stripe and returns what is to be written; the inbox writes it in the transaction
that ends the event. What is bought is known by our names of its prices, never by amounts or by what a checkout's
metadata says.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import notices
from reelwright.accounts import Account, Subscriptions, SubscriptionTold
from reelwright.billing import (
    CURRENCY,
    ITEMS,
    EventUnusable,
    Invoiced,
    InvoiceLine,
    Item,
    ItemKind,
    NewPayment,
    Period,
    Purchases,
    StripeDoor,
    Subscribed,
)
from reelwright.ground import log, telemetry
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import allowances, plans

Written = tuple[Account, ...]
"""The accounts whose plan may be another now: admission hears of them after the commit."""
Settle = Callable[[AsyncConnection], Awaitable[Written]]
"""What is to be written, in the caller's transaction."""

_UPGRADE = "subscription_update"
_RENEWALS = {"subscription_create", "subscription_cycle", _UPGRADE}
_TRIAL_ENDS = "customer.subscription.trial_will_end"
_WARNED = {"invoice.payment_failed": "payment_failed", "invoice.payment_action_required": "payment_action_required"}
_MOMENT = timedelta(microseconds=1)
_TRIES = 3
_log = log.logger("journeys.settlement")


class Overtaken(Exception):  # noqa: N818 - an answer, which no caller may overlook
    """While Stripe was asked, somebody else has written: what was fetched may be older, and must be fetched again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An event's type and the object that it is about, with what is needed to settle it.

    `asked_at` is PostgreSQL's time from before anything is fetched.
    """

    type: str
    object_id: str
    db: Database
    stripe: StripeDoor
    now: datetime
    asked_at: datetime


async def subscription(heard: Heard) -> Settle:
    """Hold what a subscription gives just now, and tell that a trial ends. Raises EventUnusable."""
    found = await heard.stripe.subscription(heard.object_id)
    check(found.livemode, found.currency, heard.stripe)

    async def settle(tx: AsyncConnection) -> Written:
        account = await hold(tx, found, now=heard.now, asked_at=heard.asked_at)
        if found.status == "trialing" and heard.type == _TRIAL_ENDS and not account.demo:
            plan = plan_of(found.item)
            facts = {"plan": plan.name, "amount_cents": plan.price_cents, "currency": found.currency}
            await notices.tell(
                tx,
                account_id=account.id,
                kind=notices.Kind.TRIAL_ENDING,
                key=f"{found.id}:{found.period_end.isoformat()}",
                facts={**facts, "until": found.period_end, "goes_on": not found.cancel_at_period_end},
            )
        return (account,)

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
        # Behind the credits, whose lock comes first.
        account = await hold(tx, held, now=heard.now, asked_at=heard.asked_at)
        if found.status == "paid":
            await _tell_paid(tx, account, found)
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


async def _tell_paid(tx: AsyncConnection, account: Account, found: Invoiced) -> None:
    """Tell once that an invoice was paid, by money: what was owed to its customer may have covered it."""
    if found.amount_paid <= 0 or account.demo:
        return
    latest = max((line for line in found.lines if line.amount > 0), key=lambda line: line.end, default=None)
    item = ITEMS.get(latest.item or "") if latest else None
    await notices.tell(
        tx,
        account_id=account.id,
        kind=notices.Kind.PAYMENT_SUCCEEDED,
        key=found.id,
        facts={
            "amount_cents": found.amount_paid,
            "currency": found.currency,
            "plan": item.name if item else None,
            "reason": found.reason,
            "period_ends_at": latest.end if latest else None,
            "payment_intent": found.payment_intent,
            "url": found.hosted_url,
        },
    )


async def customer(heard: Heard) -> Settle:
    """Let a deleted customer go; what the account has stays."""

    async def settle(tx: AsyncConnection) -> Written:
        await Subscriptions(session=tx).forget_customer(heard.object_id)
        return ()

    return settle


async def review(heard: Heard) -> Settle:
    """Flag a payment that a bank calls stolen for review: a person decides, and nothing is taken by the warning alone.

    Raises EventUnusable.
    """
    name = await heard.stripe.warned(heard.object_id)
    found = await heard.stripe.charge(name)
    check(found.livemode, found.currency, heard.stripe)

    async def settle(tx: AsyncConnection) -> Written:
        brought = await Purchases(session=tx).paid_by(found.payment_intent) if found.payment_intent else []
        owner = await Subscriptions(session=tx).owner(found.customer) if found.customer else None
        telemetry.STRIPE_REVIEWS.inc()
        _log.error(
            "settlement.payment_flagged",
            warning=heard.object_id,
            charge=name,
            account_id=str(owner),
            payments=[payment.source for payment in brought],
            returned_cents=found.returned,
        )
        return ()

    return settle


async def nothing(_tx: AsyncConnection) -> Written:
    """Write nothing."""
    return ()


async def hold(tx: AsyncConnection, found: Subscribed, *, now: datetime, asked_at: datetime) -> Account:
    """Write a subscription's state that was fetched after `asked_at`; return its account as it is then.

    Where the invoice of its period will not be paid any more, the payment stays due, but grace is over. Raises
    EventUnusable, Overtaken.
    """
    owner = await _owner(tx, found.customer)
    item = plan_of(found.item)
    following = ITEMS.get(found.scheduled or "")
    given_up = found.given_up and found.status in {"active", "past_due"}
    told = SubscriptionTold(
        external_id=found.id,
        external_customer_id=found.customer,
        plan=item.name,
        status="past_due" if given_up else found.status,
        period_start=found.period_start,
        period_end=found.period_end,
        anchor=found.anchor,
        cancel_at_period_end=found.cancel_at_period_end,
        next_plan=following.name if following is not None and following != item else None,
        ended_at=found.ended_at,
        told_at=now,
    )
    if not await Subscriptions(session=tx).told(owner, told, asked_at=asked_at, grace=not given_up):
        raise Overtaken
    return await plans.settle(tx, owner, now=now)


async def keep(
    found: Subscribed, *, asked_at: datetime, db: Database, stripe: StripeDoor, now: datetime
) -> Account | None:
    """Write what Stripe answered to a change, asked for after `asked_at`; return its account as it is then.

    Who is overtaken asks again. None, overtaken for the third time: the last to write has asked after the one before,
    who wrote after this change was made, so that it is written already. Raises EventUnusable.
    """
    for tried in range(_TRIES):
        if tried:
            asked_at = await instant(db)
            found = await stripe.subscription(found.id)
        with suppress(Overtaken):
            async with db.begin() as tx:
                return await hold(tx, found, now=now, asked_at=asked_at)
    return None


async def instant(db: Database) -> datetime:
    """Return PostgreSQL's time, to be taken before Stripe is asked."""
    async with db.begin() as tx:
        return await Subscriptions(session=tx).instant()


def _lines(paid: Sequence[Invoiced]) -> Iterator[tuple[Invoiced, InvoiceLine]]:
    """Yield what gives something. What is credited, as the rest of a smaller plan is, gives nothing."""
    return ((one, line) for one in paid for line in one.lines if line.amount > 0 or not line.proration)


async def _give(tx: AsyncConnection, owner: AccountId, found: Invoiced, line: InvoiceLine) -> None:
    """Give a paid line's month: a whole one, or after an upgrade the difference, once."""
    item, period = plan_of(line.item), Period(start=line.start, end=line.end)
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


async def _owner(tx: AsyncConnection, customer: str) -> AccountId:
    owner = await Subscriptions(session=tx).owner(customer)
    if owner is None:
        raise EventUnusable(f"The customer {customer} is no account's: find out whose it is.")
    return owner


def plan_of(item: str | None) -> Item:
    """Return the plan that a price of Stripe's is of. Raises EventUnusable."""
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

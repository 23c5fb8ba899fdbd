"""Hand over what a checkout sold, once it is paid: packs, boosts, a subscription. In any order, and once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger, notices
from reelwright.accounts import Accounts, Boosts, Subscriptions
from reelwright.billing import (
    BOOST_DAYS,
    CURRENCY,
    ITEMS,
    CheckoutSession,
    EventUnusable,
    ItemKind,
    NewPayment,
    Plan,
    Purchases,
    StripeDoor,
    Subscribed,
)
from reelwright.ground import log
from reelwright.ground.ids import AccountId
from reelwright.journeys import plans
from reelwright.journeys.settlement import Heard, Overtaken, Settle, Written, check, hold, nothing

_ENDED = {"checkout.session.async_payment_failed": "failed", "checkout.session.expired": "expired"}
_CLOSED = {"failed": notices.Kind.PURCHASE_FAILED, "expired": notices.Kind.PURCHASE_EXPIRED}
_log = log.logger("journeys.checkouts")


async def checkout(heard: Heard) -> Settle:
    """Hand over what a checkout sold, once it is paid; or note that it never will be. Raises EventUnusable."""
    session = await heard.stripe.checkout(heard.object_id)
    if session.mode == "subscription":
        return await _subscribed(session, heard)
    if session.mode != "payment":
        return nothing
    return await bought(session, heard)


async def bought(session: CheckoutSession, heard: Heard) -> Settle:
    """Return how a checkout of packs or boosts is handed over. A boost that Pro doesn't need is paid back for good.

    Raises EventUnusable.
    """
    check(session.livemode, session.currency, heard.stripe)
    sold, attempt = _sold(session), _uuid(session.metadata.get("attempt_id"))
    async with heard.db.begin() as tx:
        buyer = await _buyer(tx, session)
        in_vain = await _in_vain(tx, buyer, session, sold)
        if in_vain:  # before the money goes: what is being paid back is never handed over, whatever plan comes
            await Purchases(session=tx).settle(buyer, session=session.id, attempt=attempt, state="refunded")
    if in_vain and session.payment_intent is not None:
        await heard.stripe.refund(session.payment_intent, why="boost-not-needed")
        _log.warning("checkouts.boost_refunded", account_id=str(buyer))

    async def settle(tx: AsyncConnection) -> Written:
        state = "paid" if session.paid else _ENDED.get(heard.type, "pending")
        if session.status == "expired":
            state = "expired"
        known = await Purchases(session=tx).settle(buyer, session=session.id, attempt=attempt, state=state)
        if known == "refunded" and not in_vain:
            raise Overtaken
        await _tell_closed(tx, buyer, session, known)
        if not session.paid or in_vain:
            return ()
        await _tell_completed(tx, buyer, session, sold)
        return await _hand_over(tx, buyer, session, sold)

    return settle


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
        return (await hold(tx, found, now=heard.now, asked_at=heard.asked_at),)

    return settle


async def _unsubscribed(session: CheckoutSession, heard: Heard) -> Settle:
    state = _ENDED.get(heard.type, "expired" if session.status == "expired" else "pending")

    async def settle(tx: AsyncConnection) -> Written:
        buyer, attempt = await _buyer(tx, session), _uuid(session.metadata.get("attempt_id"))
        known = await Purchases(session=tx).settle(buyer, session=session.id, attempt=attempt, state=state)
        await _tell_closed(tx, buyer, session, known)
        return ()

    return settle


async def _tell_closed(tx: AsyncConnection, buyer: AccountId, session: CheckoutSession, state: str | None) -> None:
    """Tell a buyer once that nothing came of a checkout."""
    kind = _CLOSED.get(state or "")
    if kind is not None:
        await _tell(tx, buyer, session, kind, {})


async def _tell_completed(tx: AsyncConnection, buyer: AccountId, session: CheckoutSession, sold: "_Sold") -> None:
    """Tell a buyer once what a paid checkout brings."""
    facts = {"credits_micro": sold.micro, "boost_days": sold.days, "payment_intent": session.payment_intent}
    if session.amount is not None:
        facts["amount_cents"] = session.amount
    await _tell(tx, buyer, session, notices.Kind.PURCHASE_COMPLETED, facts)


async def _tell(
    tx: AsyncConnection, buyer: AccountId, session: CheckoutSession, kind: notices.Kind, more: Mapping[str, object]
) -> None:
    account = await Accounts(session=tx).get(buyer)
    items = [item for line in session.bought if (item := ITEMS.get(line.item or ""))]
    if account is None or account.demo or not items:
        return
    facts = {"what": items[0].kind.value, "name": items[0].name, "amount_cents": items[0].price_cents}
    facts |= {"currency": session.currency or CURRENCY}
    await notices.tell(tx, account_id=buyer, kind=kind, key=session.id, facts={**facts, **more})


async def _undo(newer: Subscribed, stripe: StripeDoor) -> Subscribed:
    """Pay a second subscription back, then end it: in this order, a crash between them is made good by the repeat."""
    _log.error("checkouts.second_subscription", subscription=newer.id)
    if newer.latest_invoice is not None:
        paid = await stripe.invoice(newer.latest_invoice)
        if paid.payment_intent is not None and paid.status == "paid":
            await stripe.refund(paid.payment_intent, why="second-subscription")
    return await stripe.cancel_now(newer.id)


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


async def _in_vain(tx: AsyncConnection, buyer: AccountId, session: CheckoutSession, sold: _Sold) -> bool:
    """Say whether a paid boost gives nothing: it was paid back, or is, because the buyer's own plan is Pro."""
    if not session.paid or not sold.days:
        return False
    if await Purchases(session=tx).state(buyer, session=session.id) == "refunded":
        return True
    if any(boost.source == source_of(session) for boost in await Boosts(session=tx).of(buyer)):
        return False
    account = await Accounts(session=tx).get(buyer)
    return account is not None and account.plan == Plan.PRO


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


def _uuid(value: str | None) -> UUID | None:
    try:
        return UUID(value) if value else None
    except ValueError:
        return None

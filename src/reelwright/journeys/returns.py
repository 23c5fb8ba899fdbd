"""Payments that go back: what a refund or a dispute leaves of them is computed anew each time, from all of them.

What a charge brought shrinks with the part of it that was refunded or lost. While a dispute is open, what nobody has
used of it is taken back as well, and nothing more can be bought; a dispute that is won gives back what it took. Of a
plan's month only what is unused is ever taken. A boost ends when all of its price has gone back.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger, notices
from reelwright.accounts import Account, Accounts, BoostNotNeeded, Subscriptions
from reelwright.billing import Charged, ItemKind, Payment, Purchases
from reelwright.ground import log
from reelwright.journeys import plans
from reelwright.journeys.checkouts import bought
from reelwright.journeys.settlement import Heard, Settle, Written, check, invoiced, nothing

_log = log.logger("journeys.returns")


async def charge(heard: Heard) -> Settle:
    """Take back, or give back, what a charge's refunds and disputes come to. Raises EventUnusable.

    What the charge paid for is handed over first, where that hasn't been heard of yet.
    """
    found = await heard.stripe.charge(heard.object_id)
    if found.payment_intent is None:
        return nothing
    check(found.livemode, found.currency, heard.stripe)
    hand_over, intent = await _origin(found.payment_intent, heard), found.payment_intent

    async def settle(tx: AsyncConnection) -> Written:
        accounts = {account.id: account for account in await hand_over(tx)}
        for payment in await Purchases(session=tx).paid_by(intent):
            account = await _return(tx, payment, found, heard)
            accounts |= {account.id: account} if account else {}
        await _tell(tx, found)
        return tuple(accounts.values())

    return settle


async def _tell(tx: AsyncConnection, found: Charged) -> None:
    """Tell its payer once of each sum that has gone back of a charge in all, and once of each of its disputes."""
    owner = await Subscriptions(session=tx).owner(found.customer) if found.customer else None
    account = await Accounts(session=tx).get(owner) if owner else None
    if account is None or account.demo:
        return
    about = {"amount_cents": found.captured, "currency": found.currency, "payment_intent": found.payment_intent}
    news = [(notices.Kind.PAYMENT_DISPUTED, name, {"disputed_cents": part}) for name, part in found.disputes.items()]
    if found.returned > 0:
        key = f"{found.id}:{found.returned}"
        news.append((notices.Kind.PAYMENT_REFUNDED, key, {"refunded_cents": found.returned}))
    for kind, key, facts in news:
        await notices.tell(tx, account_id=account.id, kind=kind, key=key, facts=about | facts)


async def _origin(payment_intent: str, heard: Heard) -> Settle:
    paid = await heard.stripe.invoice_of(payment_intent)
    if paid is not None:
        return await invoiced(paid, heard)
    session = await heard.stripe.checkout_of(payment_intent)
    return nothing if session is None or session.mode != "payment" else await bought(session, heard)


async def _return(tx: AsyncConnection, payment: Payment, found: Charged, heard: Heard) -> Account | None:
    """Bring one payment to what the charge leaves of it. Returns the account where its plan may be another now."""
    boosted, account, granted_by = payment.kind is ItemKind.BOOST, None, payment.granted_by
    target = payment.clawed_micro
    if boosted:
        account, granted_by = await _boost(tx, payment, whole=0 < found.captured <= found.returned + found.lost)
    else:
        target = await _target(tx, payment, found)
        await _move(tx, payment, target, heard)
    disputed = found.disputed > 0
    if (target, disputed, granted_by) != (payment.clawed_micro, payment.disputed, payment.granted_by):
        await Purchases(session=tx).turn(payment, clawed_micro=target, disputed=disputed, granted_by=granted_by)
        _log.warning(
            "returns.turned",
            account_id=str(payment.account_id),
            payment=payment.source,
            granted_micro=payment.granted_micro,
            clawed_micro=target,
            disputed=disputed,
        )
    return account


async def _target(tx: AsyncConnection, payment: Payment, found: Charged) -> int:
    """Return how many of the granted micro-credits are to be taken back in all, half up."""
    firm = _share(payment.granted_micro, found.returned + found.lost, found.captured)
    most = _share(payment.granted_micro, found.returned + found.lost + found.disputed, found.captured)
    if most == firm and payment.kind is ItemKind.PACK:
        return firm
    unspent = 0
    for source in (payment.granted_by, _given_back(payment)):
        unspent += await ledger.unspent(tx, account=payment.account_id, source=source) if source else 0
    reachable = min(most, payment.clawed_micro + unspent)
    return reachable if payment.kind is ItemKind.PLAN else max(firm, reachable)


async def _move(tx: AsyncConnection, payment: Payment, target: int, heard: Heard) -> None:
    delta, turn = target - payment.clawed_micro, payment.turns + 1
    if delta > 0:
        await ledger.clawback(
            tx,
            account=payment.account_id,
            micro=delta,
            reference=f"{payment.source}:{turn}",
            reason="payment returned",
            granted_by=payment.granted_by,
        )
    elif delta < 0 and (payment.lapses_at is None or payment.lapses_at > heard.now):
        await ledger.grant(
            tx,
            account=payment.account_id,
            micro=-delta,
            source=f"{_given_back(payment)}:{turn}",
            origin=ledger.Origin.MONTHLY if payment.kind is ItemKind.PLAN else ledger.Origin.PURCHASE,
            expires_at=payment.lapses_at,
            reason="payment came back",
        )


async def _boost(tx: AsyncConnection, payment: Payment, *, whole: bool) -> tuple[Account | None, str | None]:
    """End a boost whose price went back whole, or give it anew where it came back after all; return its source."""
    if whole and payment.granted_by is not None:
        return (await plans.revoke(tx, payment.account_id, source=payment.granted_by)).account, None
    if whole or payment.granted_by is not None:
        return None, payment.granted_by
    source = f"{_given_back(payment)}:{payment.turns + 1}"
    try:
        return await plans.boost(tx, payment.account_id, days=payment.boost_days, source=source), source
    except BoostNotNeeded:  # on Pro by now: a person decides what that is worth
        _log.error("returns.boost_not_given_again", account_id=str(payment.account_id), payment=payment.source)
        return None, None


def _share(whole: int, part: int, of: int) -> int:
    return 0 if of <= 0 else (2 * whole * min(part, of) + of) // (2 * of)


def _given_back(payment: Payment) -> str:
    return f"returned:{payment.source}"

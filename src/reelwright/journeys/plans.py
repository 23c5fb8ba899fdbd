"""Which plan an account holds: what its subscriptions give now, what was given by hand, and boosts that end.

Time changes plans too: grace runs out, a cancelled period ends, a smaller plan's turn comes. `sweep` sees to that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import notices
from reelwright.accounts import Account, Accounts, Boost, Boosts, Subscription, Subscriptions
from reelwright.admission import Gate
from reelwright.billing import BOOST_DAYS, Plan
from reelwright.ground import log
from reelwright.ground.errors import NotFound, Outage
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import rounds
from reelwright.journeys.auditing import audited
from reelwright.journeys.standing import held

_log = log.logger("journeys.plans")
_BATCH = 200
_FIRST = UUID(int=0)
_RANKS = tuple(Plan)


def best(subscriptions: Sequence[Subscription], *, now: datetime) -> Subscription | None:
    """Return the live subscription with the best plan, of equals the newest; None where none is live."""
    live = [told for told in reversed(subscriptions) if told.live(now)]
    return max(live, key=lambda told: rank(told.plan_at(now)), default=None)


def rank(plan: str) -> int:
    """Return the place of a plan in the order of what they give, 0 for the smallest. Raises ValueError."""
    return _RANKS.index(Plan(plan))


async def settle(tx: AsyncConnection, account_id: AccountId, *, now: datetime) -> Account:
    """Let the account hold its best live subscription's plan or what was given by hand, the better; return it then.

    Call it after whatever was told of a subscription, behind anything that moves credits, and `announce` the account
    after the commit. A repeat changes nothing. Raises NotFound.
    """
    accounts, subscriptions = Accounts(session=tx), Subscriptions(session=tx)
    before = await accounts.locked(account_id)
    known = await subscriptions.of(account_id)
    for told in known:
        await subscriptions.turns(told, now=now)
    paid, by_hand = best(known, now=now), await accounts.given_plan(account_id)
    account = await accounts.hold_plan(account_id, max(by_hand, paid.plan_at(now), key=rank) if paid else None)
    await tell_changed(tx, before, account)
    return account


async def tell_changed(tx: AsyncConnection, before: Account, account: Account) -> None:
    """Write the notice that an account's own plan is another, where it is."""
    if account.plan != before.plan:
        facts = {"plan": account.plan, "before": before.plan}
        await _tell(tx, account, notices.Kind.PLAN_CHANGED, str(account.plan_version), facts)


async def announce(account: Account, *, gate: Gate) -> None:
    """Let admission know. Losing this is harmless: orders carry the plan's version, and no cache lasts long."""
    try:
        await gate.remember_plan(account.id, held(account))
    except Outage as away:
        _log.warning("plans.not_remembered", account_id=str(account.id), code=away.code)


async def boost(tx: AsyncConnection, account_id: AccountId, *, source: str, days: int = BOOST_DAYS) -> Account:
    """Lift an account to Pro for so many days, once a source, after any boost it has; it carries no credits.

    `announce` the account after the commit. Raises NotFound, BoostNotNeeded, SourceUsed.
    """
    account = await Accounts(session=tx).grant_boost(account_id, days=days, source=source)
    await _tell(tx, account, notices.Kind.BOOST_STARTED, source, {"until": account.boost_until})
    return account


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The account as it is, the boost that was meant, and whether anything was left of it to take back."""

    account: Account
    boost: Boost
    now: bool


async def revoke(
    tx: AsyncConnection, account_id: AccountId, *, source: str | None = None, boost_id: UUID | None = None
) -> Revoked:
    """Take back what is left of the boost with this source or id; those after it close up. A repeat changes nothing.

    `announce` the account after the commit. Raises NotFound.
    """
    accounts, boosts = Accounts(session=tx), Boosts(session=tx)
    account = await accounts.locked(account_id)
    meant = [b for b in await boosts.of(account_id) if b.id == boost_id or (source and b.source == source)]
    if not meant:
        raise NotFound("There is no such boost.", code="accounts.boost_not_found")
    revoked = await boosts.revoke(account_id, meant[0].id)
    if revoked:
        account = await accounts.locked(account_id)
        if account.boost_until is None:
            await _tell_ended(tx, account, meant[0])
    return Revoked(account=account, boost=meant[0], now=revoked)


async def revoke_boost(
    account_id: AccountId,
    *,
    by: Account | None,
    db: Database,
    gate: Gate,
    source: str | None = None,
    boost_id: UUID | None = None,
) -> Account:
    """Take back what is left of a boost, as `revoke` does; return the account as it is then.

    `by` is the administrator, None for a payment that was taken back. Raises NotFound, Outage.
    """
    async with db.begin() as tx:
        revoked = await revoke(tx, account_id, source=source, boost_id=boost_id)
        if by is not None and revoked.now:
            await audited(tx, "boost.revoked", by=by, target=account_id, boost=revoked.boost.id)
    account = revoked.account
    _log.info(
        "plans.boost_revoked",
        by=str(by.id) if by else "payment",
        account_id=str(account_id),
        boost_id=str(revoked.boost.id),
        boost_until=account.boost_until and account.boost_until.isoformat(),
        repeated=not revoked.now,
    )
    await announce(account, gate=gate)
    return account


async def sweep(*, db: Database, gate: Gate, now: datetime) -> int:
    """Settle every account whose plan time has changed, and close boosts that are over; return how many of both.

    Any number of processes may do it at once. Raises Outage.
    """
    return await _settle_due(db=db, gate=gate, now=now) + await _close_boosts(db=db, gate=gate, now=now)


async def _settle_due(*, db: Database, gate: Gate, now: datetime) -> int:
    settled, after = 0, AccountId(_FIRST)
    while True:
        async with db.begin() as tx:
            batch = await Subscriptions(session=tx).due(now=now, limit=_BATCH, after=after)
        for account_id in batch:
            do = partial(_settle_one, account_id, db=db, gate=gate, now=now)
            settled += await rounds.attempt(do, chore="plans", account_id=account_id) is not None
        if len(batch) < _BATCH:
            return settled
        after = batch[-1]


async def _settle_one(account_id: AccountId, *, db: Database, gate: Gate, now: datetime) -> Account:
    async with db.begin() as tx:
        account = await settle(tx, account_id, now=now)
    await announce(account, gate=gate)
    return account


async def _close_boosts(*, db: Database, gate: Gate, now: datetime) -> int:
    closed, after = 0, (datetime(2000, 1, 1, tzinfo=UTC), _FIRST)
    while True:
        async with db.begin() as tx:
            batch = await Boosts(session=tx).over(now=now, limit=_BATCH, after=after)
        for over in batch:
            do = partial(_close, over, db=db, gate=gate, now=now)
            closed += bool(await rounds.attempt(do, chore="boosts", account_id=over.account_id))
        if len(batch) < _BATCH:
            return closed
        after = (batch[-1].ends_at, batch[-1].id)


async def _close(over: Boost, *, db: Database, gate: Gate, now: datetime) -> bool:
    async with db.begin() as tx:
        ended = await Boosts(session=tx).close(over, now=now)
        account = await Accounts(session=tx).get(over.account_id)
        if ended and account is not None:
            await _tell_ended(tx, account, over)
    if account is not None:
        await announce(account, gate=gate)
    return ended


async def _tell_ended(tx: AsyncConnection, account: Account, boost: Boost) -> None:
    await _tell(tx, account, notices.Kind.BOOST_ENDED, str(boost.id), {"plan": account.plan})


async def _tell(
    tx: AsyncConnection, account: Account, kind: notices.Kind, key: str, facts: Mapping[str, object]
) -> None:
    if not account.demo:
        await notices.tell(tx, account_id=account.id, kind=kind, key=key, facts=facts)

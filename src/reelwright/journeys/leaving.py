"""Leave: an account is closed at once, what it runs and pays for is stopped, and after some days it is erased.

Closing is one transaction and needs nobody else. The rest is carried to its end by a chore, whatever was away.
"""

from datetime import UTC, datetime

from sqlalchemy import text

from reelwright import notices
from reelwright.accounts import Account, Accounts, Caller, Departure, Departures, Passwords, Subscriptions
from reelwright.admission import Gate
from reelwright.billing import EventUnusable, StripeDoor, Subscribed, Unknown
from reelwright.ground import log
from reelwright.ground.errors import Kind, NotFound, Outage, Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import erasing, plans, rounds, sessions, settlement, stopping
from reelwright.journeys.auditing import audited
from reelwright.notices import EndpointChange, Endpoints, Reach
from reelwright.schedules import Schedules, ScheduleState

_log = log.logger("journeys.leaving")
_BATCH = 50
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_LIVE = text("SELECT id FROM generations WHERE account_id = :account AND ended_at IS NULL")


class ConfirmationWrong(Refusal):
    """The address that was typed isn't the account's."""

    code = "account.confirmation_wrong"


class AdminStays(Refusal):
    """An administrator's account is not deleted by the API: its role goes first."""

    kind = Kind.CONFLICT
    code = "account.is_admin"


class NotLeaving(Refusal):
    """There is nothing to take back."""

    kind = Kind.CONFLICT
    code = "account.not_leaving"


async def leave(
    caller: Caller,
    *,
    confirm_email: str,
    password: str | None,
    passwords: Passwords,
    db: Database,
    gate: Gate,
    stripe: StripeDoor | None,
    now: datetime,
) -> Departure:
    """Close the caller's own account, to be erased in seven days; until then `restore` takes it back.

    Raises ConfirmationWrong, WrongPassword, AdminStays, TooManyAttempts, Outage; nothing is changed by then.
    """
    account = caller.account
    _check(account, confirm_email)
    if (await sessions.signs_in(account.id, db=db)).password_hash is not None:
        await sessions.proven(account, password or "", passwords=passwords, gate=gate, db=db, now=now)
    departure = await _closed(account, by=None, db=db)
    await _try_to_stop(departure, db=db, gate=gate, stripe=stripe, now=now)
    return departure


async def expel(
    account_id: AccountId,
    *,
    confirm_email: str,
    reason: str,
    by: Account,
    db: Database,
    gate: Gate,
    stripe: StripeDoor | None,
    now: datetime,
) -> Departure:
    """Close somebody's account, to be erased in a day; its owner can't take that back.

    Raises NotFound, ConfirmationWrong, AdminStays, Outage.
    """
    async with db.single() as tx:
        account = await Accounts(session=tx).get(account_id)
    if account is None:
        raise NotFound("There is no such account.", code="accounts.not_found")
    _check(account, confirm_email)
    departure = await _closed(account, by=by, reason=reason, db=db)
    await _try_to_stop(departure, db=db, gate=gate, stripe=stripe, now=now)
    return departure


async def restore(account: Account, *, db: Database) -> None:
    """Let an account stay after all. Keys stay revoked, subscriptions ended, schedules paused. Raises NotLeaving."""
    async with db.begin() as tx:
        if not await Departures(session=tx).back(account.id):
            raise NotLeaving("Your account isn't about to be deleted, or it is too late to keep it.")
    _log.info("leaving.restored", account_id=str(account.id))


async def depart(*, db: Database, gate: Gate, stripe: StripeDoor | None, now: datetime) -> int:
    """Stop what belongs to accounts that leave, and erase those whose time has come; return how many were seen to.

    One that can't be done holds up none behind it; nothing is erased that is still paid for. Raises Outage.
    """
    done, after = 0, _BEGINNING
    while True:
        async with db.begin() as tx:
            batch = await Departures(session=tx).due(after=after, limit=_BATCH)
        for one in batch:
            done += bool(
                await rounds.attempt(
                    lambda one=one: _carried_on(one, db=db, gate=gate, stripe=stripe, now=now),
                    chore="departures",
                    account_id=one.account_id,
                )
            )
        if len(batch) < _BATCH:
            return done
        after = batch[-1].asked_at


async def _carried_on(one: Departure, *, db: Database, gate: Gate, stripe: StripeDoor | None, now: datetime) -> bool:
    if not await _try_to_stop(one, db=db, gate=gate, stripe=stripe, now=now):
        return False
    async with db.begin() as tx:
        if not await Departures(session=tx).begin_erasing(one.account_id):
            return True
    await erasing.erase(one.account_id, db=db)
    _log.info("leaving.erased", account_id=str(one.account_id), by_admin=one.by_admin)
    return True


def _check(account: Account, confirm_email: str) -> None:
    if account.role == "admin":
        raise AdminStays("An administrator's account can't be deleted: take the role away first.")
    if confirm_email.strip().lower() != account.email.lower():
        raise ConfirmationWrong("confirm_email: write the account's e-mail address.", field="confirm_email")


async def _closed(account: Account, *, by: Account | None, db: Database, reason: str = "") -> Departure:
    """Lock everybody out, let nothing new begin, and tell; in one transaction."""
    async with db.begin() as tx:
        schedules = Schedules(session=tx)
        for one in await schedules.of_account(account.id):
            if one.state is ScheduleState.ACTIVE:
                await schedules.lock(account.id, one.id)
                await schedules.pause(one.id, code="schedule.paused", sentence="The account is being deleted.")
        hooks = Endpoints(tx, account.id)
        for hook in await hooks.listed():
            await hooks.change(hook.id, EndpointChange(enabled=False), reach=Reach())
        await Accounts(session=tx).lock(account.id)
        departures = Departures(session=tx)
        departure, new = await departures.open(account.id, by_admin=by is not None)
        await departures.lock_out(account.id)
        if new:
            facts = {"until": departure.erase_at, "by_admin": departure.by_admin}
            key = departure.asked_at.isoformat()
            await notices.tell(tx, account_id=account.id, kind=notices.Kind.ACCOUNT_LEAVING, key=key, facts=facts)
        if by is not None:
            await audited(tx, "account.deleted", by=by, target=account.id, reason=reason)
    _log.info("leaving.closed", account_id=str(account.id), by="admin" if by else "owner")
    return departure


async def _try_to_stop(one: Departure, *, db: Database, gate: Gate, stripe: StripeDoor | None, now: datetime) -> bool:
    """Cancel what runs and end what is paid for; False where somebody was away, and the chore will try again."""
    try:
        await _stop_generations(one.account_id, db=db, gate=gate)
        await _stop_paying(one.account_id, db=db, gate=gate, stripe=stripe, now=now)
    except Outage as away:
        _log.warning("leaving.postponed", account_id=str(one.account_id), code=away.code)
        return False
    async with db.begin() as tx:
        await Departures(session=tx).stopped(one.account_id)
    return True


async def _stop_generations(account_id: AccountId, *, db: Database, gate: Gate) -> None:
    async with db.single() as tx:
        live = list(await tx.scalars(_LIVE, {"account": account_id}))
    for generation in live:
        try:
            await stopping.cancel(account_id, GenerationId(generation), db=db, gate=gate)
        except stopping.Ended:
            continue


async def _stop_paying(
    account_id: AccountId, *, db: Database, gate: Gate, stripe: StripeDoor | None, now: datetime
) -> None:
    """End subscriptions at once, as Stripe has them: one may have begun that we haven't heard of."""
    async with db.begin() as tx:
        subscriptions = Subscriptions(session=tx)
        customer = await subscriptions.customer(account_id)
        known = [one for one in await subscriptions.of(account_id) if one.live(now) or one.ended_at is None]
    if customer is None:
        return
    if stripe is None:
        if known:
            raise Outage("Stripe isn't set up, and a subscription goes on.", code="payments.not_configured")
        return
    try:
        found = await stripe.subscriptions_of(customer)
    except Unknown:
        return
    for one in found:
        if one.ended_at is None:
            await _ended(one, db=db, gate=gate, stripe=stripe, now=now)


async def _ended(one: Subscribed, *, db: Database, gate: Gate, stripe: StripeDoor, now: datetime) -> None:
    asked_at = await settlement.instant(db)
    try:
        over = await stripe.cancel_now(one.id)
        account = await settlement.keep(over, asked_at=asked_at, db=db, stripe=stripe, now=now)
    except (Unknown, EventUnusable):  # gone by now, or of an item that we no longer sell: its event settles the rest
        _log.warning("leaving.subscription_unknown", subscription=one.id)
        return
    if account is not None:
        await plans.announce(account, gate=gate)

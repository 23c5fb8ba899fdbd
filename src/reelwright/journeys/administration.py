"""What administrators do for others: plans, boosts, demos. Admission hears of it only after the commit."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from reelwright import accounts, ledger
from reelwright.accounts import (
    Account,
    AccountChanged,
    Accounts,
    Boost,
    Boosts,
    SourceUsed,
    Subscription,
    Subscriptions,
)
from reelwright.admission import Gate, KeyReused
from reelwright.billing import BOOST_DAYS, Plan
from reelwright.ground import log
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.ground.versions import Versions, meant_for
from reelwright.journeys import allowances, plans
from reelwright.journeys.allowances import Allowance
from reelwright.journeys.auditing import audited

_log = log.logger("journeys.administration")


class PlanPaidFor(Refusal):
    """A subscription says which plan the account holds."""

    kind = Kind.CONFLICT
    code = "accounts.plan_paid_for"


class OperatorUnknown(Refusal):
    """A command changes something for others, and nobody knows which administrator does it."""

    kind = Kind.FORBIDDEN
    code = "cli.operator_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boosted:
    """The account as it is, and whether this call boosted it or an earlier one with the same key had."""

    account: Account
    repeated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """All that an administrator sees of an account."""

    account: Account
    subscriptions: Sequence[Subscription]
    boosts: Sequence[Boost]
    balance: ledger.Balance
    allowance: Allowance


def version_of(account: Account) -> int:
    """Return a number that tells each state of what administrators set from the one before: plan, boosts, demo flag."""
    return 2 * account.plan_version + account.demo


async def set_plan(
    account_id: AccountId,
    plan: Plan,
    *,
    by: Account,
    db: Database,
    gate: Gate,
    now: datetime,
    expected_version: Versions = None,
) -> Account:
    """Give an account another plan of its own, and what it allows this month more; what it used stays used.

    The plan that it was given before changes nothing. Raises NotFound, AccountChanged, PlanPaidFor where a live
    subscription decides, Outage.
    """
    async with db.begin() as tx:
        accounts = Accounts(session=tx)
        before = _as_expected(await accounts.locked(account_id), expected_version)
        if plans.best(await Subscriptions(session=tx).of(account_id), now=now) is not None:
            raise PlanPaidFor("This account pays for its plan: change its subscription, or boost it.", field="plan")
        account = before
        if not before.plan == await accounts.given_plan(account_id) == plan.value:
            account = await accounts.set_plan(account_id, plan.value)
            await plans.tell_changed(tx, before, account)
            await audited(tx, "plan.set", by=by, target=account_id, plan=plan.value, before=before.plan)
    _log.info(
        "administration.plan_set",
        by=str(by.id),
        account_id=str(account_id),
        plan=account.plan,
        plan_version=account.plan_version,
    )
    await plans.announce(account, gate=gate)
    await allowances.refill(account_id, db=db, now=now)
    return account


async def grant_boost(
    account_id: AccountId, *, source: str, days: int = BOOST_DAYS, by: Account, db: Database, gate: Gate
) -> Boosted:
    """Lift an account to Pro for so many days, after any boost it has. One source boosts once.

    Raises NotFound, BoostNotNeeded, KeyReused where the source boosted another account or for other days, Outage.
    """
    try:
        async with db.begin() as tx:
            before = await Accounts(session=tx).locked(account_id)
            account = await plans.boost(tx, account_id, days=days, source=source)
            repeated = before.plan_version == account.plan_version
            if not repeated:
                await audited(tx, "boost.granted", by=by, target=account_id, days=days)
    except SourceUsed as used:
        raise KeyReused(
            "This Idempotency-Key was used for another boost: send a new key.", field="Idempotency-Key"
        ) from used
    _log.info(
        "administration.boost_granted",
        by=str(by.id),
        account_id=str(account_id),
        days=days,
        boost_until=account.boost_until and account.boost_until.isoformat(),
        repeated=repeated,
    )
    await plans.announce(account, gate=gate)
    return Boosted(account=account, repeated=repeated)


async def set_demo(
    account_id: AccountId, *, demo: bool, by: Account, db: Database, expected_version: Versions = None
) -> Account:
    """Make an account a demo, never charged, granted or tracked, or one no longer.

    Raises NotFound, AccountChanged, Outage.
    """
    async with db.begin() as tx:
        _as_expected(await Accounts(session=tx).locked(account_id), expected_version)
        account = await Accounts(session=tx).set_demo(account_id, demo=demo)
        await audited(tx, "demo.set", by=by, target=account_id, demo=demo)
    _log.info("administration.demo_set", by=str(by.id), account_id=str(account_id), demo=demo)
    return account


def _as_expected(account: Account, expected: Versions) -> Account:
    if not meant_for(version_of(account), expected):
        raise AccountChanged("Somebody changed this account since you read it: read it again.")
    return account


async def users(
    *, before: UUID | None, limit: int, q: str | None, plan: Plan | None, by: Account, db: Database
) -> list[Account]:
    """Return so many accounts behind this id, the newest first; `q` is part of their address. Raises Outage."""
    async with db.begin() as tx:
        found = await accounts.listed(tx, limit=limit, before=before, q=q, plan=plan and plan.value)
    _log.info("administration.users_listed", by=str(by.id), found=len(found))
    return found


async def user(account_id: AccountId, *, by: Account | None, db: Database, now: datetime) -> Dossier:
    """Return an account with its subscriptions, boosts and balance; `by` may be a command. Raises NotFound, Outage."""
    async with db.begin() as tx:
        account = await Accounts(session=tx).get(account_id)
        if account is None:
            raise NotFound("There is no such account.", code="accounts.not_found")
        dossier = Dossier(
            account=account,
            subscriptions=await Subscriptions(session=tx).of(account_id),
            boosts=await Boosts(session=tx).of(account_id),
            balance=await ledger.balance(tx, account=account_id),
            allowance=await allowances.current(tx, account, now=now),
        )
    _log.info("administration.user_read", by=str(by.id) if by else "command", account_id=str(account_id))
    return dossier


async def named(who: str, *, db: Database) -> Account:
    """Return the account with this address or id. Raises NotFound, Outage."""
    with suppress(ValueError):
        who_id = AccountId(UUID(who))
        async with db.single() as tx:
            if (found := await Accounts(session=tx).get(who_id)) is not None:
                return found
    async with db.begin() as tx:
        account = await Accounts(session=tx).by_email(who)
    if account is None:
        raise NotFound(
            f"No account has the address or id {who}: make one with `reelwright admin create-user`.",
            field="USER",
            code="accounts.not_found",
        )
    return account


async def operator(email: str | None, *, db: Database) -> Account:
    """Return the administrator with this address, or the only one there is. Raises OperatorUnknown, Outage."""
    async with db.begin() as tx:
        admins = await Accounts(session=tx).admins(limit=2)
        given = await Accounts(session=tx).by_email(email) if email else None
    if given is not None and given.role == "admin":
        return given
    if email is None and len(admins) == 1:
        return admins[0]
    if not admins:
        sentence = "There is no administrator yet: make one with `reelwright admin create-user EMAIL --admin`."
    elif email is None:
        sentence = "There are several administrators: say with --as EMAIL which of them you are."
    else:
        sentence = f"{email} is no administrator's address: give one's, or leave it out where there is only one."
    raise OperatorUnknown(sentence, field="--as")

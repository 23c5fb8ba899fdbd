"""Subscriptions and the periods they paid for, in PostgreSQL, and whom a payment provider's customer is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts.model import GRACE, PaidPeriod, Subscription, SubscriptionTold
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, fresh

_COLUMNS = """
    id, account_id, external_id, external_customer_id, plan, status, period_start, period_end, anchor,
    cancel_at_period_end, next_plan, past_due_since, ended_at, told_at
"""
# What was written while somebody asked may be newer than the answer: who asked before that has to ask again. No two
# clocks are compared so, and no answer takes a later one's place. Who settles the account says when it is due again.
_TOLD = text(
    """
    INSERT INTO subscriptions AS known
           (id, account_id, external_id, external_customer_id, plan, status, period_start, period_end, anchor,
            cancel_at_period_end, next_plan, past_due_since, ended_at, told_at, settle_at, updated_at)
    VALUES (:id, :account, :external_id, :external_customer_id, :plan, :status, :period_start, :period_end, :anchor,
            :cancel_at_period_end, :next_plan,
            CASE WHEN CAST(:status AS text) = 'past_due'
                 THEN CAST(:told_at AS timestamptz) - CAST(:graceless AS interval) END,
            :ended_at, :told_at, :told_at, clock_timestamp())
    ON CONFLICT (external_id) DO UPDATE
       SET external_customer_id = excluded.external_customer_id, plan = excluded.plan, status = excluded.status,
           period_start = excluded.period_start, period_end = excluded.period_end, anchor = excluded.anchor,
           cancel_at_period_end = excluded.cancel_at_period_end, next_plan = excluded.next_plan,
           past_due_since = CASE WHEN excluded.status = 'past_due'
                                 THEN least(known.past_due_since, excluded.past_due_since) END,
           ended_at = excluded.ended_at, told_at = excluded.told_at, settle_at = excluded.settle_at,
           updated_at = excluded.updated_at
     WHERE known.account_id = excluded.account_id AND known.updated_at <= :asked_at
    RETURNING id
    """
)
_NOW = text("SELECT clock_timestamp()")
_LOCK = text("SELECT id FROM users WHERE id = :account FOR NO KEY UPDATE")
_OWNER_OF = text("SELECT account_id FROM subscriptions WHERE external_id = :external_id")
_OF = text(f"SELECT {_COLUMNS} FROM subscriptions WHERE account_id = :account ORDER BY created_at, id")  # noqa: S608 - constants
_TURNS = text("UPDATE subscriptions SET settle_at = :at WHERE id = :id")
_DUE = text(
    """
    SELECT DISTINCT account_id FROM subscriptions WHERE settle_at <= :now AND account_id > :after
     ORDER BY account_id LIMIT :limit
    """
)
_CUSTOMER = text("SELECT external_customer_id FROM users WHERE id = :account AND deleted_at IS NULL")
_SET_CUSTOMER = text(
    """
    UPDATE users SET external_customer_id = :customer, updated_at = now()
     WHERE id = :account AND deleted_at IS NULL AND (external_customer_id IS NULL OR external_customer_id = :customer)
    RETURNING id
    """
)
_FORGET_CUSTOMER = text(
    """
    WITH former AS (
        UPDATE users SET external_customer_id = NULL, updated_at = now() WHERE external_customer_id = :customer
        RETURNING id)
    INSERT INTO former_customers (external_customer_id, account_id) SELECT :customer, id FROM former
    ON CONFLICT DO NOTHING
    """
)
_FORMER = text("SELECT count(*) FROM former_customers WHERE account_id = :account")
_OWNER = text(
    """
    SELECT id FROM users
     WHERE deleted_at IS NULL AND id IN (
           SELECT id FROM users WHERE external_customer_id = :customer
            UNION ALL SELECT account_id FROM former_customers WHERE external_customer_id = :customer)
    """
)
_PAID = text(
    """
    INSERT INTO paid_periods (source, account_id, plan, starts_at, ends_at)
    VALUES (:source, :account, :plan, :starts_at, :ends_at) ON CONFLICT DO NOTHING
    """
)
_IMPROVE = text("UPDATE paid_periods SET plan = :plan WHERE source = :source")
_PAID_FOR = text(
    """
    SELECT source, plan, starts_at, ends_at FROM paid_periods
     WHERE account_id = :account AND ends_at > :start AND starts_at < :end ORDER BY starts_at, created_at, source
    """
)
_PAYING = text(
    """
    SELECT account_id FROM subscriptions WHERE account_id = ANY(:accounts)
     UNION SELECT account_id FROM paid_periods
            WHERE account_id = ANY(:accounts) AND ends_at > :start AND starts_at < :end
    """
)


class CustomerTaken(Refusal):
    """The account has another customer at the payment provider, or the customer another account."""

    kind = Kind.CONFLICT
    code = "accounts.customer_taken"


class SubscriptionTaken(Refusal):
    """The subscription is another account's."""

    kind = Kind.CONFLICT
    code = "accounts.subscription_taken"


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """What accounts pay for, inside one transaction."""

    session: AsyncConnection

    async def instant(self) -> datetime:
        """Return PostgreSQL's time just now: take it before the payment provider is asked for what is to be `told`."""
        found: datetime = (await self.session.execute(_NOW)).scalar_one()
        return found

    async def told(
        self, account_id: AccountId, told: SubscriptionTold, *, asked_at: datetime, grace: bool = True
    ) -> bool:
        """Keep a subscription's state that was asked for after `asked_at`; settle the account afterwards.

        A payment that is due, and for which there is no `grace`, counts as due for as long as grace lasts. False, and
        nothing is kept, where another state was written since: ask again. The account's row is locked before the
        subscription's, as everywhere. Raises SubscriptionTaken.
        """
        await self.session.execute(_LOCK, {"account": account_id})
        values = asdict(told) | {"id": fresh(), "account": account_id, "asked_at": asked_at}
        values["graceless"] = timedelta(0) if grace else GRACE
        kept = await self.session.scalar(_TOLD, values) is not None
        if not kept and await self.session.scalar(_OWNER_OF, {"external_id": told.external_id}) != account_id:
            raise SubscriptionTaken("This subscription is another account's.")
        return kept

    async def of(self, account_id: AccountId) -> list[Subscription]:
        """Return every subscription that the account has or had, oldest first."""
        rows = (await self.session.execute(_OF, {"account": account_id})).mappings()
        return [Subscription(**dict(row)) for row in rows]

    async def turns(self, subscription: Subscription, *, now: datetime) -> None:
        """Note that the account has been settled, and when it is due again."""
        await self.session.execute(_TURNS, {"id": subscription.id, "at": subscription.turns_at(now)})

    async def due(self, *, now: datetime, limit: int, after: AccountId) -> list[AccountId]:
        """Return accounts, in order of their ids, that must be settled because something was told or time has come."""
        values = {"now": now, "limit": limit, "after": after}
        return [AccountId(account) for account in await self.session.scalars(_DUE, values)]

    async def paying(self, account_ids: Sequence[AccountId], *, start: datetime, end: datetime) -> set[AccountId]:
        """Return those that have or had a subscription, or paid for a period that shares an instant with these."""
        values = {"accounts": list(account_ids), "start": start, "end": end}
        return {AccountId(account) for account in await self.session.scalars(_PAYING, values)}

    async def customer(self, account_id: AccountId) -> str | None:
        """Return the account's customer id at the payment provider, None where it has none yet."""
        return await self.session.scalar(_CUSTOMER, {"account": account_id})

    async def set_customer(self, account_id: AccountId, external_customer_id: str) -> None:
        """Note the account's only customer id; the same again is fine. Raises NotFound, CustomerTaken."""
        values = {"account": account_id, "customer": external_customer_id}
        taken = CustomerTaken("This account has another customer at the payment provider, or the customer another one.")
        try:
            async with self.session.begin_nested():
                if await self.session.scalar(_SET_CUSTOMER, values) is not None:
                    return
        except IntegrityError as another:
            raise taken from another
        if await self.customer(account_id) is None:
            raise NotFound("There is no such account.", code="accounts.not_found")
        raise taken

    async def forget_customer(self, external_customer_id: str) -> None:
        """Let a customer go that the payment provider has deleted. Whose it was stays known."""
        await self.session.execute(_FORGET_CUSTOMER, {"customer": external_customer_id})

    async def former_customers(self, account_id: AccountId) -> int:
        """Return how many customers of the account the payment provider has deleted."""
        return await self.session.scalar(_FORMER, {"account": account_id}) or 0

    async def owner(self, external_customer_id: str) -> AccountId | None:
        """Return whose customer id this is or was, or None."""
        return await self.session.scalar(_OWNER, {"customer": external_customer_id})

    async def paid(self, account_id: AccountId, period: PaidPeriod) -> None:
        """Note once a source which period an invoice's line has paid for."""
        values = asdict(period) | {"account": account_id}
        await self.session.execute(_PAID, values)

    async def improve(self, period: PaidPeriod, plan: str) -> PaidPeriod:
        """Note that a period has been paid for a better plan, and return it as it is then."""
        await self.session.execute(_IMPROVE, {"source": period.source, "plan": plan})
        return replace(period, plan=plan)

    async def paid_for(self, account_id: AccountId, *, start: datetime, end: datetime) -> list[PaidPeriod]:
        """Return the paid periods that share an instant with [start, end), the earliest first."""
        rows = await self.session.execute(_PAID_FOR, {"account": account_id, "start": start, "end": end})
        return [PaidPeriod(**dict(row)) for row in rows.mappings()]

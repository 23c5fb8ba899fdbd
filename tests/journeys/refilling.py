"""An account and its books, told of subscriptions and paid months that began on a 31st."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from reelwright.accounts import Account, Accounts, Subscriptions, SubscriptionTold
from reelwright.billing import PLANS, Period, Plan, anchored_period
from reelwright.ground.postgres import Database
from reelwright.journeys import allowances, plans
from reelwright.journeys import credits as money
from tests.builders import an_account, subscription_told

ANCHOR = datetime(2027, 1, 31, 10, tzinfo=UTC)
DAY = timedelta(days=1)


def month(of: int) -> Period:
    """The paid month of a subscription that began on 31 January 2027, counted from 0."""
    at = ANCHOR
    for _ in range(of):
        at = anchored_period(ANCHOR, at).end
    return anchored_period(ANCHOR, at)


MONTHS = [month(n) for n in range(4)]


def allowance(plan: str) -> int:
    return PLANS[Plan(plan)].credits_month_micro


def told(period: Period, at: datetime, **changes: object) -> SubscriptionTold:
    return subscription_told(period.start, period.end, anchor=ANCHOR, told_at=at, **changes)


@dataclass(frozen=True)
class Books:
    """An account, and what happens to its credits at an instant."""

    db: Database
    account: Account

    async def refill(self, at: datetime) -> int:
        return await allowances.refill(self.account.id, db=self.db, now=at)

    async def tell(self, state: SubscriptionTold) -> None:
        async with self.db.begin() as tx:
            subscriptions = Subscriptions(session=tx)
            await subscriptions.told(self.account.id, state, asked_at=await subscriptions.instant())
            await plans.settle(tx, self.account.id, now=state.told_at)

    async def pay(self, n: int, plan: str = "standard", period: Period | None = None) -> int:
        async with self.db.begin() as tx:
            return await allowances.renewed(
                tx,
                self.account.id,
                invoice=f"in_{self.account.id}_{n}",
                line="il_1",
                plan=plan,
                period=period or MONTHS[n],
            )

    async def upgrade(self, at: datetime, period: Period, plan: str = "pro") -> int:
        async with self.db.begin() as tx:
            return await allowances.upgraded(tx, self.account.id, plan=plan, period=period, now=at)

    async def lots(self) -> list[tuple[str, int, datetime]]:
        statement = text(
            "SELECT replace(external_ref, account_id::text, 'me') AS source, amount_micro, expires_at FROM credit_lots"
            " WHERE account_id = :account ORDER BY created_at"
        )
        async with self.db.begin() as tx:
            return [tuple(row) for row in await tx.execute(statement, {"account": self.account.id})]

    async def purse(self, at: datetime) -> money.Purse:
        async with self.db.begin() as tx:
            account = await Accounts(session=tx).get(self.account.id)
        return await money.purse(account, db=self.db, now=at)


async def books(db: Database, plan: Plan = Plan.BASIC) -> Books:
    return Books(db, await an_account(db, plan))

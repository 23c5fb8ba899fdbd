"""A plan that is read along with an account's use is the plan that is read alone."""

from uuid import uuid4

from sqlalchemy import text

from reelwright.accounts import Accounts
from reelwright.admission import Held, Periods
from reelwright.billing import Plan
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import facts
from tests.builders import an_account


async def test_plan_version_and_boost_come_with_the_use(db: Database) -> None:
    account, now = await an_account(db, Plan.STANDARD), clock.now()
    async with db.begin() as tx:
        boosted = await Accounts(session=tx).grant_boost(account.id, source="a test")
    known = (await facts.reader(db)(account.id, Periods.at(now))).held
    assert known == await facts.held(db)(account.id)
    assert boosted.boost_until is not None
    assert known == Held(plan="standard", version=boosted.plan_version, boost_until=boosted.boost_until)


async def test_who_is_gone_or_was_never_there_is_on_basic(db: Database) -> None:
    account = await an_account(db, Plan.PRO)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET deleted_at = now() WHERE id = :id"), {"id": account.id})
    for gone in (account.id, AccountId(uuid4())):
        known = await facts.reader(db)(gone, Periods.at(clock.now()))
        assert known.held == await facts.held(db)(gone) == Held(plan="basic", version=0)
        assert (known.generations_month, known.leases, known.cooldowns) == (0, (), ())

"""What PostgreSQL knows of an account's use: asked when Redis has lost it."""

from collections.abc import Awaitable, Callable

from reelwright.admission import Facts, Periods
from reelwright.generations import Generations
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database


def reader(db: Database) -> Callable[[AccountId, Periods], Awaitable[Facts]]:
    """Return the function by which the gate rebuilds its counters and leases. It raises Outage."""

    async def facts(account: AccountId, periods: Periods) -> Facts:
        async with db.begin() as tx:
            found = await Generations(session=tx).admission_facts(account, periods.month_start, periods.hour_start)
        return Facts(
            generations_month=found.generations_month,
            generations_hour=found.generations_hour,
            full_month=found.full_month,
            leases=found.live,
        )

    return facts

"""Who a key belongs to, and for how long a request is remembered."""

from datetime import timedelta

from reelwright.accounts import Account, Accounts, Replays
from reelwright.ground.postgres import Database

REMEMBERED = timedelta(days=30)
"""How long an Idempotency-Key of anything but an order is known; an order's is known for ever."""


async def of_key(secret: str, *, db: Database) -> Account | None:
    """Return the account behind a live API key, or None. Raises Outage."""
    async with db.begin() as tx:
        return await Accounts(session=tx).by_api_key(secret)


async def forget_requests(*, db: Database) -> int:
    """Forget requests older than that; return how many they were. Raises Outage."""
    async with db.begin() as tx:
        return await Replays(session=tx).forget(REMEMBERED)

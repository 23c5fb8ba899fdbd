"""Who a key belongs to."""

from reelwright.accounts import Account, Accounts
from reelwright.ground.postgres import Database


async def of_key(secret: str, *, db: Database) -> Account | None:
    """Return the account behind a live API key, or None. Raises Outage."""
    async with db.begin() as tx:
        return await Accounts(session=tx).by_api_key(secret)

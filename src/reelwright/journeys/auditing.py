"""The audit of what administrators change, noted in the change's own transaction: neither is without the other."""

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts import Account, AdminAction, AdminActions
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database


async def audited(
    tx: AsyncConnection, action: str, *, by: Account | AccountId, target: object, **facts: object
) -> None:
    """Note what an administrator changes in this transaction: `facts` without secrets, and without anybody's address.

    The id of the request that asked for it is noted with it.
    """
    actor = by.id if isinstance(by, Account) else by
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    await AdminActions(session=tx).add(actor, action, target, facts, request_id=request_id)


async def actions(*, limit: int, after: tuple[datetime, UUID] | None, db: Database) -> list[AdminAction]:
    """Return so many things that administrators did, newest first, behind this instant and id. Raises Outage."""
    async with db.single() as tx:
        return await AdminActions(session=tx).listed(limit=limit, after=after)

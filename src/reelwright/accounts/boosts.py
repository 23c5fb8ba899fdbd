"""Boosts after they were given, in PostgreSQL: what an account has of them, taken back, and over."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts.model import Boost
from reelwright.ground.ids import AccountId

_COLUMNS = "id, account_id, source, starts_at, ends_at, revoked_at"
_OF = text(f"SELECT {_COLUMNS} FROM boosts WHERE account_id = :account ORDER BY starts_at, id")  # noqa: S608 - constants
_REVOKE = text(
    """
    UPDATE boosts SET revoked_at = now()
     WHERE id = :id AND account_id = :account AND revoked_at IS NULL AND ends_at > now()
    RETURNING starts_at, ends_at - greatest(starts_at, now()) AS unused
    """
)
_CLOSE_UP = text(
    """
    UPDATE boosts SET starts_at = starts_at - CAST(:by AS interval), ends_at = ends_at - CAST(:by AS interval)
     WHERE account_id = :account AND revoked_at IS NULL AND starts_at > :after
    """
)
_NEXT_VERSION = text("UPDATE users SET plan_version = plan_version + 1, updated_at = now() WHERE id = :account")
_OVER = text(
    """
    SELECT id, account_id, source, starts_at, ends_at, revoked_at FROM boosts
     WHERE closed_at IS NULL AND (ends_at, id) > (:ended, :after) AND ends_at <= :now
     ORDER BY ends_at, id LIMIT :limit
    """
)
_CLOSE = text(
    """
    UPDATE boosts AS over SET closed_at = now() WHERE id = :id AND closed_at IS NULL
    RETURNING over.revoked_at IS NULL AND NOT EXISTS (
        SELECT FROM boosts b
         WHERE b.account_id = over.account_id AND b.revoked_at IS NULL AND b.ends_at > over.ends_at
           AND (b.starts_at <= over.ends_at OR b.ends_at > :now))
    """
)


@dataclass(frozen=True, slots=True)
class Boosts:
    """Accounts' boosts, inside one transaction."""

    session: AsyncConnection

    async def of(self, account_id: AccountId) -> list[Boost]:
        """Return every boost of the account, those that are over or revoked too, the earliest first."""
        return [Boost(**dict(row)) for row in (await self.session.execute(_OF, {"account": account_id})).mappings()]

    async def revoke(self, account_id: AccountId, boost_id: UUID) -> bool:
        """Take what is left of a boost, and let those after it close up; False where nothing was left to take.

        What was enjoyed stays. The caller has locked the account.
        """
        values = {"id": boost_id, "account": account_id}
        row = (await self.session.execute(_REVOKE, values)).one_or_none()
        if row is None:
            return False
        values = {"account": account_id, "by": row.unused, "after": row.starts_at}
        await self.session.execute(_CLOSE_UP, values)
        await self.session.execute(_NEXT_VERSION, {"account": account_id})
        return True

    async def over(self, *, now: datetime, limit: int, after: tuple[datetime, UUID]) -> list[Boost]:
        """Return boosts that have ended and are not closed, in the order of their ends, behind this end and id."""
        values = {"now": now, "limit": limit, "ended": after[0], "after": after[1]}
        return [Boost(**dict(row)) for row in (await self.session.execute(_OVER, values)).mappings()]

    async def close(self, boost: Boost, *, now: datetime) -> bool:
        """Note that a boost is over; True where the account fell back from Pro with it, for whoever notes it first."""
        return bool(await self.session.scalar(_CLOSE, {"id": boost.id, "now": now}))

"""Accounts that leave, in PostgreSQL: closed at once, stopped as soon as all answers, erased when the time has come."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId

GRACE = timedelta(days=7)
ADMIN_GRACE = timedelta(days=1)
_COLUMNS = "account_id, by_admin, asked_at, erase_at, stopped_at, erased_at"
_OPEN = text(
    f"""
    INSERT INTO departures (account_id, by_admin, erase_at)
    VALUES (:account, :by_admin, clock_timestamp() + CAST(:grace AS interval))
    ON CONFLICT (account_id) DO UPDATE
       SET by_admin = departures.by_admin OR excluded.by_admin,
           erase_at = least(departures.erase_at, excluded.erase_at)
    RETURNING {_COLUMNS}, (xmax = 0) AS new
    """  # noqa: S608 - constants
)
_OF = text(f"SELECT {_COLUMNS} FROM departures WHERE account_id = :account")  # noqa: S608 - constants
_DUE = text(
    f"""
    SELECT {_COLUMNS} FROM departures
     WHERE erased_at IS NULL AND (stopped_at IS NULL OR erase_at < clock_timestamp()) AND asked_at > :after
     ORDER BY asked_at LIMIT :limit
    """  # noqa: S608 - constants
)
_STOPPED = text(
    "UPDATE departures SET stopped_at = clock_timestamp() WHERE account_id = :account AND stopped_at IS NULL"
)
_ERASED = text("UPDATE departures SET erased_at = clock_timestamp() WHERE account_id = :account AND erased_at IS NULL")
_ERASING = text(
    "SELECT account_id FROM departures WHERE account_id = :account AND erase_at < clock_timestamp()"
    " AND stopped_at IS NOT NULL AND erased_at IS NULL FOR NO KEY UPDATE"
)
_BACK = text(
    "DELETE FROM departures WHERE account_id = :account AND erase_at > clock_timestamp() AND NOT by_admin"
    " RETURNING account_id"
)
_CLOSE_KEYS = text("UPDATE api_keys SET revoked_at = now() WHERE account_id = :account AND revoked_at IS NULL")
_CLOSE_SESSIONS = text("DELETE FROM sessions WHERE account_id = :account")
_CLOSE_PROOFS = text("UPDATE email_proofs SET used_at = now() WHERE account_id = :account AND used_at IS NULL")
_NAMELESS = text(
    """
    UPDATE users SET email = 'deleted-' || id || '@invalid', password_hash = NULL, version = version + 1,
           updated_at = now()
     WHERE id = :account AND email <> 'deleted-' || id || '@invalid'
    """
)
_GONE = text("UPDATE users SET deleted_at = coalesce(deleted_at, now()), updated_at = now() WHERE id = :account")


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """One account that leaves, and how far it is."""

    account_id: AccountId
    by_admin: bool
    asked_at: datetime
    erase_at: datetime
    stopped_at: datetime | None
    erased_at: datetime | None


@dataclass(frozen=True, slots=True)
class Departures:
    """Departures, inside one transaction."""

    session: AsyncConnection

    async def open(self, account_id: AccountId, *, by_admin: bool) -> tuple[Departure, bool]:
        """Note that an account leaves, and say whether that is new; an administrator's wish outdoes its owner's."""
        values = {"account": account_id, "by_admin": by_admin, "grace": ADMIN_GRACE if by_admin else GRACE}
        row = dict((await self.session.execute(_OPEN, values)).mappings().one())
        new = row.pop("new")
        return Departure(**row), new

    async def of(self, account_id: AccountId) -> Departure | None:
        """Return an account's departure."""
        row = (await self.session.execute(_OF, {"account": account_id})).mappings().one_or_none()
        return None if row is None else Departure(**dict(row))

    async def due(self, *, after: datetime, limit: int) -> list[Departure]:
        """Return so many with something to be done now, in the order of the asking."""
        found = await self.session.execute(_DUE, {"after": after, "limit": limit})
        return [Departure(**dict(row)) for row in found.mappings()]

    async def stopped(self, account_id: AccountId) -> None:
        """Say that nothing of it runs or is paid any more."""
        await self.session.execute(_STOPPED, {"account": account_id})

    async def begin_erasing(self, account_id: AccountId) -> bool:
        """Say whether its time has come, and take its name if so: from now on it can't be taken back."""
        if await self.session.scalar(_ERASING, {"account": account_id}) is None:
            return False
        await self.unname(account_id)
        return True

    async def back(self, account_id: AccountId) -> bool:
        """Let it stay after all; False where it doesn't leave, was told to, or the time is over."""
        return await self.session.scalar(_BACK, {"account": account_id}) is not None

    async def lock_out(self, account_id: AccountId) -> None:
        """Revoke its keys, end its sessions, and let its letters be worth nothing."""
        for statement in (_CLOSE_KEYS, _CLOSE_SESSIONS, _CLOSE_PROOFS):
            await self.session.execute(statement, {"account": account_id})

    async def unname(self, account_id: AccountId) -> None:
        """Take its address and password away, so that nobody can sign in to it."""
        await self.lock_out(account_id)
        await self.session.execute(_NAMELESS, {"account": account_id})

    async def erased(self, account_id: AccountId) -> None:
        """Say that it is nobody's any more."""
        await self.session.execute(_GONE, {"account": account_id})
        await self.session.execute(_ERASED, {"account": account_id})

"""Archives of what we keep of an account, in PostgreSQL: asked for, made by one process at a time, kept a week."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId, fresh

EVERY = timedelta(days=1)
"""How often an account may ask."""
KEPT = timedelta(days=7)
_LEASE = timedelta(minutes=30)
_MOST_ATTEMPTS = 5
_COLUMNS = "id, account_id, state, attempts, storage_key, size_bytes, sha256, created_at, ready_at, expires_at"
_LAST = text(f"SELECT {_COLUMNS} FROM exports WHERE account_id = :account ORDER BY created_at DESC LIMIT 1")  # noqa: S608 - constants
_LATEST = text(
    """
    SELECT e.state, e.created_at + CAST(:every AS interval) - clock_timestamp() AS wait FROM exports e
     WHERE e.account_id = :account AND (e.state = 'waiting'
           OR e.state <> 'failed' AND e.created_at > clock_timestamp() - CAST(:every AS interval))
     ORDER BY e.created_at DESC LIMIT 1
    """
)
_ADD = text(f"INSERT INTO exports (id, account_id) VALUES (:id, :account) RETURNING {_COLUMNS}")  # noqa: S608 - constants
_GET = text(f"SELECT {_COLUMNS} FROM exports WHERE id = :id")  # noqa: S608 - constants
_CLAIM = text(
    f"""
    UPDATE exports SET attempts = attempts + 1, claimed_until = clock_timestamp() + CAST(:lease AS interval)
     WHERE id = (SELECT id FROM exports WHERE state = 'waiting'
                    AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
                  ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}
    """  # noqa: S608 - constants
)
_READY = text(
    """
    UPDATE exports SET state = 'ready', storage_key = :key, size_bytes = :size_bytes, sha256 = :sha256,
           claimed_until = NULL, ready_at = clock_timestamp(), expires_at = clock_timestamp() + CAST(:kept AS interval)
     WHERE id = :id AND state = 'waiting' AND attempts = :attempts RETURNING id
    """
)
_FAILED = text(
    "UPDATE exports SET state = 'failed', claimed_until = NULL"
    " WHERE state = 'waiting' AND attempts >= :most AND claimed_until < clock_timestamp()"
)
_EXPIRE = text(
    """
    WITH over AS (
        SELECT id, storage_key FROM exports WHERE state = 'ready' AND expires_at < clock_timestamp()
         ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE exports e SET state = 'expired', storage_key = NULL FROM over WHERE e.id = over.id RETURNING over.storage_key
    """
)


class ExportTooSoon(Refusal):
    """One was asked for not long ago, or is being made."""

    kind = Kind.LIMITED
    code = "account.export_too_soon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One archive. Ready: it has a file, until `expires_at`."""

    id: UUID
    account_id: AccountId
    state: str
    attempts: int
    storage_key: str | None
    size_bytes: int | None
    sha256: str | None
    created_at: datetime
    ready_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Exports:
    """Archives, inside one transaction."""

    session: AsyncConnection

    async def ask(self, account_id: AccountId, *, export_id: UUID | None = None) -> Export:
        """Ask for one; the account is locked. Raises ExportTooSoon."""
        latest = (await self.session.execute(_LATEST, {"account": account_id, "every": EVERY})).one_or_none()
        if latest is not None:
            wait = max(latest.wait, timedelta(minutes=1))
            raise ExportTooSoon("You asked for your data within the last day: fetch that archive.", wait=wait)
        values = {"id": export_id or fresh(), "account": account_id}
        return Export(**dict((await self.session.execute(_ADD, values)).mappings().one()))

    async def last(self, account_id: AccountId) -> Export | None:
        """Return the one that was asked for last."""
        row = (await self.session.execute(_LAST, {"account": account_id})).mappings().one_or_none()
        return None if row is None else Export(**dict(row))

    async def get(self, export_id: UUID) -> Export | None:
        """Return one, whoever's it is."""
        row = (await self.session.execute(_GET, {"id": export_id})).mappings().one_or_none()
        return None if row is None else Export(**dict(row))

    async def claim(self) -> Export | None:
        """Take one to make, for half an hour; those that failed five times are given up."""
        await self.session.execute(_FAILED, {"most": _MOST_ATTEMPTS})
        row = (await self.session.execute(_CLAIM, {"lease": _LEASE})).mappings().one_or_none()
        return None if row is None else Export(**dict(row))

    async def ready(self, export: Export, *, key: str, size_bytes: int, sha256: str) -> bool:
        """Say that it is there; False where the claim was lost."""
        values = {"id": export.id, "attempts": export.attempts, "key": key, "size_bytes": size_bytes}
        return await self.session.scalar(_READY, values | {"sha256": sha256, "kept": KEPT}) is not None

    async def expire(self, *, limit: int) -> list[str]:
        """End those that are over; return their files."""
        return list(await self.session.scalars(_EXPIRE, {"limit": limit}))

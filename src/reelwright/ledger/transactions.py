"""The journal as its owner reads it: line by line, newest first, each with what the account had after it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId

_COLUMNS = """
    id, seq, kind, from_bucket, to_bucket, amount_micro, available_after_micro, held_after_micro, debt_after_micro,
    generation_id, lot_id, source, reason, actor, at
"""
_HISTORY = text(
    f"SELECT {_COLUMNS} FROM credit_journal"  # noqa: S608 - a constant of this module
    " WHERE account_id = :account AND seq < :before ORDER BY seq DESC LIMIT :limit"
)
_LINE = text(
    f"SELECT {_COLUMNS} FROM credit_journal WHERE account_id = :account AND seq = :seq"  # noqa: S608 - the same
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine:
    """One transfer, in micro-credits, from one bucket to another. `seq` numbers an account's lines from 1."""

    id: int
    seq: int
    kind: str
    from_bucket: str
    to_bucket: str
    amount_micro: int
    available_after_micro: int
    held_after_micro: int
    debt_after_micro: int
    generation_id: UUID | None
    lot_id: UUID | None
    source: str
    reason: str
    actor: UUID | None
    at: datetime


async def transactions(
    tx: AsyncConnection, *, account: AccountId, before: int | None = None, limit: int = 50
) -> list[JournalLine]:
    """Return the account's journal, newest first, from the line before the given number."""
    values = {"account": account, "before": 2**63 - 1 if before is None else before, "limit": limit}
    return [JournalLine(**row) for row in (await tx.execute(_HISTORY, values)).mappings()]


async def transaction(tx: AsyncConnection, *, account: AccountId, seq: int) -> JournalLine | None:
    """Return one line of the account's journal by its number."""
    row = (await tx.execute(_LINE, {"account": account, "seq": seq})).mappings().one_or_none()
    return None if row is None else JournalLine(**row)

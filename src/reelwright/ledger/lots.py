"""Credits that come in and lapse: granted once a source, gone at their lot's end unless work holds them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId
from reelwright.ledger.account import Books, Origin, checked

_GIVEN = text("SELECT EXISTS (SELECT FROM credit_journal WHERE source = :source)")
_GRANTED = text(
    """
    SELECT sum(amount_micro)::bigint FROM credit_lots
     WHERE account_id = :account AND (external_ref = :source OR starts_with(external_ref, :source || ':'))
    """
)
_UNSPENT = text(
    """
    SELECT sum(remaining_micro)::bigint FROM credit_lots
     WHERE account_id = :account AND (expires_at IS NULL OR expires_at > statement_timestamp())
       AND (external_ref = :source OR starts_with(external_ref, :source || ':'))
    """
)
_LAPSED = text(
    """
    SELECT DISTINCT account_id FROM credit_lots
     WHERE live AND remaining_micro > 0 AND expires_at <= statement_timestamp() AND account_id > :after
     ORDER BY account_id LIMIT :limit
    """
)
_LAPSING = text(
    """
    SELECT expires_at, sum(remaining_micro)::bigint AS micro FROM credit_lots
     WHERE account_id = :account AND live AND remaining_micro > 0
       AND expires_at > statement_timestamp() AND expires_at <= :until
     GROUP BY expires_at ORDER BY expires_at
    """
)


@dataclass(frozen=True, slots=True)
class Lapsing:
    """So many unused micro-credits lapse at this instant."""

    micro: int
    at: datetime


async def grant(
    tx: AsyncConnection,
    *,
    account: AccountId,
    micro: int,
    source: str,
    origin: Origin = Origin.ADMIN,
    effective_at: datetime | None = None,
    expires_at: datetime | None = None,
    reason: str = "",
    actor: UUID | None = None,
) -> bool:
    """Give credits once a source (`plan:<account>:<yyyymm>`, an invoice's id); False where it was given before.

    They can be used from `effective_at` (now) until just before `expires_at` (for ever), and first pay what is owed.
    """
    checked(micro)
    books = await Books.locked(tx, account)
    if await tx.scalar(_GIVEN, {"source": f"grant:{source}"}):
        return False
    books.grant(
        micro,
        source=f"grant:{source}",
        origin=origin,
        effective_at=effective_at,
        expires_at=expires_at,
        reason=reason,
        actor=actor,
    )
    await books.write()
    return True


async def expire(tx: AsyncConnection, *, account: AccountId) -> int:
    """Let go what has lapsed and isn't held; return how much, in micro-credits. Once is enough, more often is fine."""
    books = await Books.locked(tx, account)
    gone = books.expire()
    await books.write()
    return gone


async def lapsed(tx: AsyncConnection, *, limit: int, after: AccountId | None = None) -> list[AccountId]:
    """Return accounts in order of their ids, behind the given one, that have lapsed credits to let go."""
    values = {"limit": limit, "after": after or UUID(int=0)}
    return [AccountId(account) for account in await tx.scalars(_LAPSED, values)]


async def lapsing(tx: AsyncConnection, *, account: AccountId, until: datetime) -> list[Lapsing]:
    """Return what lapses up to an instant unless it is used, the soonest first."""
    rows = await tx.execute(_LAPSING, {"account": account, "until": until})
    return [Lapsing(row.micro, row.expires_at) for row in rows]


async def granted(tx: AsyncConnection, *, account: AccountId, source: str) -> int:
    """Return what was granted under a source and under what begins with it and a colon; the balance is locked."""
    await Books.locked(tx, account)
    return await tx.scalar(_GRANTED, {"account": account, "source": f"grant:{source}"}) or 0


async def unspent(tx: AsyncConnection, *, account: AccountId, source: str) -> int:
    """Return what nobody has used, holds or let lapse of what `granted` counts; the balance is locked."""
    await Books.locked(tx, account)
    return await tx.scalar(_UNSPENT, {"account": account, "source": f"grant:{source}"}) or 0

"""Credits for many accounts in one transaction: each gets what a source of its own has given less than it should."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId
from reelwright.ledger.account import Books, Origin, checked

_FOUND = text(
    """
    INSERT INTO credit_balances (account_id)
    SELECT id FROM unnest(CAST(:accounts AS uuid[])) AS id
     WHERE NOT EXISTS (SELECT FROM credit_balances WHERE account_id = id) ON CONFLICT DO NOTHING
    """
)
_IDLE = text(
    """
    SELECT account_id FROM credit_balances
     WHERE account_id = ANY(:accounts) ORDER BY account_id FOR NO KEY UPDATE SKIP LOCKED
    """
)
_GRANTED = text(
    """
    SELECT l.account_id, sum(amount_micro)::bigint AS micro
      FROM unnest(CAST(:accounts AS uuid[]), CAST(:sources AS text[])) AS wanted (account_id, source)
      JOIN credit_lots l ON l.account_id = wanted.account_id
       AND (external_ref = source OR starts_with(external_ref, source || ':'))
     GROUP BY l.account_id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """What a source gives an account in all, in micro-credits; what is added to some is granted by `source:more`."""

    account: AccountId
    micro: int
    source: str
    more: str


async def lock_idle(tx: AsyncConnection, accounts: Sequence[AccountId]) -> list[AccountId]:
    """Lock the credits of those whose credits nobody else has locked, and return them: nobody is waited for."""
    values = {"accounts": list(accounts)}
    await tx.execute(_FOUND, values)
    return [AccountId(account) for account in await tx.scalars(_IDLE, values)]


async def top_up(
    tx: AsyncConnection,
    wanted: Sequence[TopUp],
    *,
    origin: Origin,
    effective_at: datetime,
    expires_at: datetime,
    reason: str,
) -> int:
    """Give each account, named once, what its source is short of; return how many were given some.

    In a number of statements that doesn't grow with that of the accounts. Raises ValueError.
    """
    by_account = {one.account: one for one in wanted}
    several = await Books.all_locked(tx, list(by_account))
    values = {"accounts": list(by_account), "sources": [f"grant:{one.source}" for one in wanted]}
    got = {row.account_id: row.micro for row in await tx.execute(_GRANTED, values)}
    given = 0
    for books in several:
        one = by_account[books.account]
        had = got.get(books.account, 0)
        if one.micro > had:
            source = f"grant:{one.source}:{one.more}" if had else f"grant:{one.source}"
            books.grant(
                checked(one.micro - had),
                source=source,
                origin=origin,
                effective_at=effective_at,
                expires_at=expires_at,
                reason=reason,
            )
            given += 1
    await Books.write_all(several)
    return given

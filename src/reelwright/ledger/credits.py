"""Credits: granted, held, captured, voided. Every movement is one statement and one or two lines of the journal.

    grant     granted or sold → available        once a source
    hold      available → held                   once an attempt at a generation
    capture   held → spent, the rest → available once a hold
    void      held → available                   once a hold

A balance moves only together with its journal line, under a condition that the statement itself checks, so nothing
oversells and no row stays locked over a round trip. READ COMMITTED re-reads a row that it had to wait for.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId, GenerationId

_MICRO = 1_000_000

_GRANT = text(
    """
    WITH line AS (
        INSERT INTO credit_journal (account_id, kind, from_bucket, to_bucket, amount_micro, source, reason)
        VALUES (:account, 'grant', :origin, 'available', :micro, :source, :reason)
        ON CONFLICT (source) DO NOTHING RETURNING account_id, amount_micro)
    INSERT INTO credit_balances AS b (account_id, available_micro) SELECT account_id, amount_micro FROM line
    ON CONFLICT (account_id) DO UPDATE
       SET available_micro = b.available_micro + excluded.available_micro, updated_at = now()
    RETURNING b.account_id
    """
)
_HOLD = text(
    """
    WITH money AS (
        UPDATE credit_balances
           SET available_micro = available_micro - :micro, held_micro = held_micro + :micro, updated_at = now()
         WHERE account_id = :account AND available_micro >= :micro
           AND NOT EXISTS (SELECT FROM credit_holds WHERE generation_id = :generation AND attempt = :attempt)
        RETURNING account_id
    ), line AS (
        INSERT INTO credit_journal (account_id, kind, from_bucket, to_bucket, amount_micro, generation_id, source)
        SELECT account_id, 'hold', 'available', 'held', :micro, :generation, 'hold:' || :reference
          FROM money)
    INSERT INTO credit_holds (generation_id, attempt, account_id, amount_micro)
    SELECT :generation, :attempt, account_id, :micro FROM money
    RETURNING generation_id
    """
)
_SETTLE = text(
    """
    WITH hold AS (
        UPDATE credit_holds
           SET state = :state, settled_at = now(),
               captured_micro = CASE WHEN :state = 'captured' THEN least(:micro, amount_micro) END
         WHERE generation_id = :generation AND state = 'pending'
        RETURNING account_id, generation_id, attempt, state, amount_micro, coalesce(captured_micro, 0) AS captured
    ), money AS (
        UPDATE credit_balances b
           SET held_micro = held_micro - hold.amount_micro, updated_at = now(),
               available_micro = available_micro + hold.amount_micro - hold.captured
          FROM hold WHERE b.account_id = hold.account_id
    ), lines AS (
        INSERT INTO credit_journal (account_id, kind, from_bucket, to_bucket, amount_micro, generation_id, source)
        SELECT account_id, move.kind, 'held', move.bucket, move.micro, generation_id,
               move.kind || ':' || generation_id || ':' || attempt
          FROM hold, LATERAL (VALUES ('capture', 'spent', captured),
                                     ('void', 'available', amount_micro - captured)) AS move (kind, bucket, micro)
         WHERE move.micro > 0)
    SELECT attempt, state, amount_micro, captured FROM hold
    """
)
_HELD = text(
    "SELECT account_id, amount_micro FROM credit_holds WHERE generation_id = :generation AND attempt = :attempt"
)
_SETTLED = text(
    """
    SELECT attempt, state, amount_micro, coalesce(captured_micro, 0) AS captured
      FROM credit_holds WHERE generation_id = :generation ORDER BY attempt DESC LIMIT 1
    """
)
_CHARGED = text("SELECT sum(captured_micro)::bigint FROM credit_holds WHERE generation_id = :generation")
_BALANCE = text("SELECT available_micro, held_micro FROM credit_balances WHERE account_id = :account")
_HISTORY = text(
    """
    SELECT id, kind, from_bucket, to_bucket, amount_micro, generation_id, source, reason, at FROM credit_journal
     WHERE account_id = :account AND id < :before ORDER BY id DESC LIMIT :limit
    """
)
_MISMATCHES = text(
    """
    WITH journal AS (
        SELECT account_id,
               sum(((to_bucket = 'available')::int - (from_bucket = 'available')::int) * amount_micro) AS a,
               sum(((to_bucket = 'held')::int - (from_bucket = 'held')::int) * amount_micro) AS h
          FROM credit_journal GROUP BY account_id
    ), holds AS (
        SELECT account_id, sum(amount_micro) AS h FROM credit_holds WHERE state = 'pending' GROUP BY account_id)
    SELECT coalesce(b.account_id, journal.account_id) AS account_id
      FROM credit_balances b FULL JOIN journal ON journal.account_id = b.account_id
      LEFT JOIN holds ON holds.account_id = coalesce(b.account_id, journal.account_id)
     WHERE coalesce(b.available_micro, 0) <> coalesce(journal.a, 0)
        OR coalesce(b.held_micro, 0) <> coalesce(journal.h, 0)
        OR coalesce(b.held_micro, 0) <> coalesce(holds.h, 0)
     ORDER BY 1
    """
)


class CreditsInsufficient(Refusal):
    """The account has less than the order needs; `extra` says how much of both, in micro-credits."""

    kind = Kind.UNPAID
    code = "credits.insufficient"


class HoldMissing(Exception):  # noqa: N818 - a bug: whoever settles has held before
    """Credits are to be taken for a generation that never held any."""


class Origin(StrEnum):
    """Where granted credits come from: given with a plan, boost or by an admin, or bought."""

    GRANTED = "granted"
    SOLD = "sold"


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has, in micro-credits: free to use, and reserved for running work."""

    available_micro: int
    held_micro: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a hold ended, in micro-credits. `now` is False where it had been settled before."""

    captured_micro: int
    voided_micro: int
    now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine:
    """One transfer, in micro-credits, from one bucket to another."""

    id: int
    kind: str
    from_bucket: str
    to_bucket: str
    amount_micro: int
    generation_id: UUID | None
    source: str
    reason: str
    at: datetime


async def grant(
    tx: AsyncSession, *, account: AccountId, micro: int, source: str, origin: Origin = Origin.GRANTED, reason: str = ""
) -> bool:
    """Give credits once a source (`plan:<account>:<yyyymm>`, an invoice's id); False where it was given before."""
    if micro <= 0:
        raise ValueError(micro)
    values = {"account": account, "micro": micro, "source": f"grant:{source}", "origin": origin, "reason": reason}
    return await tx.scalar(_GRANT, values) is not None


async def hold(tx: AsyncSession, *, account: AccountId, generation: GenerationId, micro: int, attempt: int = 1) -> None:
    """Reserve credits for a generation; doing it again for the same attempt changes nothing.

    The transaction has inserted or locked the generation before, so two holds of one attempt cannot meet; the primary
    key stands behind that. Keep it late in the transaction: it locks the account's balance. Raises CreditsInsufficient.
    """
    if micro <= 0:
        raise ValueError(micro)
    values: dict[str, Any] = {"account": account, "generation": generation, "micro": micro, "attempt": attempt}
    if await tx.scalar(_HOLD, values | {"reference": f"{generation}:{attempt}"}) is not None:
        return
    if (await tx.execute(_HELD, {"generation": generation, "attempt": attempt})).one_or_none() is not None:
        return
    available = (await balance(tx, account=account)).available_micro
    raise CreditsInsufficient(
        f"This needs {_credits(micro)} credits and {_credits(available)} are available:"
        " buy credits, or wait for the monthly allowance.",
        extra={"required": micro, "available": available},
    )


async def capture(tx: AsyncSession, *, generation: GenerationId, micro: int) -> Settlement:
    """Take what was used and free the rest; more than was held is never taken, what goes beyond is ours to bear.

    A hold settles once: a second capture or void changes nothing and returns how it ended. Taking nothing where nothing
    was ever held (a demo's generation) is fine. Raises HoldMissing.
    """
    if micro < 0:
        raise ValueError(micro)
    return await _settle(tx, generation, state="captured", micro=micro)


async def void(tx: AsyncSession, *, generation: GenerationId) -> Settlement:
    """Free everything that is held for a generation. A hold settles once, as above."""
    return await _settle(tx, generation, state="voided", micro=0)


async def balance(tx: AsyncSession, *, account: AccountId) -> Balance:
    """Return what the account has; an account that was never given credits has none."""
    row = (await tx.execute(_BALANCE, {"account": account})).one_or_none()
    return Balance(0, 0) if row is None else Balance(row.available_micro, row.held_micro)


async def charged(tx: AsyncSession, *, generation: GenerationId) -> int:
    """Return what was taken for a generation so far, in micro-credits."""
    return await tx.scalar(_CHARGED, {"generation": generation}) or 0


async def history(
    tx: AsyncSession, *, account: AccountId, before: int | None = None, limit: int = 50
) -> list[JournalLine]:
    """Return the account's journal, newest first, from the line before the given one."""
    values = {"account": account, "before": 2**63 - 1 if before is None else before, "limit": limit}
    return [JournalLine(**row) for row in (await tx.execute(_HISTORY, values)).mappings()]


async def mismatches(tx: AsyncSession) -> list[AccountId]:
    """Return the accounts whose balance is not what the journal adds up to, or whose holds it doesn't cover."""
    return [AccountId(account) for account in await tx.scalars(_MISMATCHES)]


async def _settle(tx: AsyncSession, generation: GenerationId, *, state: str, micro: int) -> Settlement:
    values: dict[str, Any] = {"generation": generation, "state": state, "micro": micro}
    row = (await tx.execute(_SETTLE, values)).one_or_none()
    if row is not None:
        return Settlement(row.captured, row.amount_micro - row.captured, now=True)
    row = (await tx.execute(_SETTLED, {"generation": generation})).one_or_none()
    if row is None and micro > 0:
        raise HoldMissing(generation)
    if row is None:
        return Settlement(0, 0, now=False)
    return Settlement(row.captured, row.amount_micro - row.captured, now=False)


def _credits(micro: int) -> str:
    return f"{micro / _MICRO:,.2f}".rstrip("0").rstrip(".")

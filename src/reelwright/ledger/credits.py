"""Credits for work: held, captured, voided. Each is one statement that moves balance, lots and journal together.

    hold      available → held                   once an attempt at a generation
    capture   held → spent, the rest → available once a hold
    void      held → available                   once a hold

A statement begins with the account's balance, under a condition that it checks itself, so nothing oversells and no row
stays locked over a round trip. READ COMMITTED re-reads rows that it had to wait for, but sees no lot that came in
meanwhile: a hold that finds too little asks a second time, with the balance locked. CHECKs are judged by the row as it
was before the wait, and only then anew: so a lot is set to what was read under its lock, not to a difference.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Statement, rows
from reelwright.ledger.account import MICRO, Books, in_credits

_HELD = """
    owner AS MATERIALIZED (
        SELECT b.account_id FROM {beside}credit_balances b
         WHERE b.account_id = :account AND available_micro >= :micro AND debt_micro = 0
           AND NOT EXISTS (SELECT FROM credit_holds WHERE generation_id = :generation AND attempt = :attempt)
           FOR NO KEY UPDATE OF b
    ), lots AS MATERIALIZED (
        SELECT l.id, l.remaining_micro, l.held_micro, l.priority, l.expires_at, l.created_at
          FROM owner JOIN credit_lots l ON l.account_id = owner.account_id
         WHERE l.live AND l.remaining_micro > 0 AND l.effective_at <= statement_timestamp()
           AND (l.expires_at IS NULL OR l.expires_at > statement_timestamp())
           FOR NO KEY UPDATE OF l
    ), ranked AS (
        SELECT id, remaining_micro, held_micro, sum(remaining_micro) OVER burn - remaining_micro AS before,
               row_number() OVER burn AS place
          FROM lots WINDOW burn AS (ORDER BY priority, expires_at NULLS LAST, created_at, id ROWS UNBOUNDED PRECEDING)
    ), pins AS MATERIALIZED (
        SELECT id, place, part.micro, remaining_micro - part.micro AS remaining, held_micro + part.micro AS held
          FROM ranked, LATERAL (SELECT least(remaining_micro, :micro - before)::bigint AS micro) AS part
         WHERE before < :micro
    ), money AS (
        UPDATE credit_balances b
           SET available_micro = available_micro - :micro, held_micro = held_micro + :micro, version = version + 1,
               updated_at = now()
          FROM (SELECT sum(micro) AS micro, array_agg(id ORDER BY place) AS ids,
                       array_agg(micro ORDER BY place) AS micros FROM pins) AS found
         WHERE b.account_id = :account AND found.micro = :micro
        RETURNING b.account_id, available_micro, held_micro, version, found.ids, found.micros
    ), moved AS (
        UPDATE credit_lots l SET remaining_micro = pins.remaining, held_micro = pins.held
          FROM pins, money WHERE l.id = pins.id
    ), line AS (
        INSERT INTO credit_journal (account_id, seq, kind, from_bucket, to_bucket, amount_micro, available_after_micro,
                                    held_after_micro, debt_after_micro, generation_id, source)
        SELECT account_id, version, 'hold', 'available', 'held', :micro, available_micro, held_micro, 0, :generation,
               'hold:' || :reference
          FROM money
    ), hold AS (
        INSERT INTO credit_holds (generation_id, attempt, account_id, amount_micro, lot_ids, lot_micro)
        SELECT :generation, :attempt, account_id, :micro, ids, micros FROM money
        RETURNING generation_id)
    """
_HOLD = Statement(f"WITH {_HELD.format(beside='')} SELECT generation_id FROM hold")  # noqa: S608 - from constants
_SETTLE = Statement(
    """
    WITH hold AS (
        UPDATE credit_holds
           SET state = :state, settled_at = now(),
               captured_micro = CASE WHEN :state = 'captured' THEN least(:micro, amount_micro) END
         WHERE generation_id = :generation AND state = 'pending'
        RETURNING account_id, generation_id, attempt, state, amount_micro, coalesce(captured_micro, 0) AS captured,
                  lot_ids, lot_micro
    ), money AS (
        UPDATE credit_balances b
           SET held_micro = held_micro - hold.amount_micro, updated_at = now(),
               available_micro = available_micro + hold.amount_micro - hold.captured,
               version = version + (captured > 0)::int + (captured < hold.amount_micro)::int
          FROM hold WHERE b.account_id = hold.account_id
        RETURNING b.account_id, available_micro, b.held_micro, b.debt_micro, version
    ), shares AS (
        SELECT pin.id, pin.micro,
               least(pin.micro, greatest(0, captured - (sum(pin.micro) OVER used - pin.micro)))::bigint AS spent
          FROM hold, unnest(lot_ids, lot_micro) WITH ORDINALITY AS pin (id, micro, place)
        WINDOW used AS (ORDER BY pin.place ROWS UNBOUNDED PRECEDING)
    ), lots AS (
        UPDATE credit_lots l
           SET held_micro = l.held_micro - s.micro, remaining_micro = remaining_micro + s.micro - s.spent
          FROM shares s, money WHERE l.id = s.id AND l.account_id = money.account_id
        RETURNING s.micro - s.spent AS freed, l.expires_at
    ), lines AS (
        INSERT INTO credit_journal (account_id, seq, kind, from_bucket, to_bucket, amount_micro, available_after_micro,
                                    held_after_micro, debt_after_micro, generation_id, source)
        SELECT account_id, version - behind, move.kind, 'held', move.bucket, move.micro,
               available_micro - CASE move.kind WHEN 'capture' THEN freed ELSE 0 END,
               held_micro + CASE move.kind WHEN 'capture' THEN freed ELSE 0 END,
               debt_micro, generation_id, move.kind || ':' || generation_id || ':' || attempt
          FROM hold JOIN money USING (account_id),
               LATERAL (SELECT amount_micro - captured AS freed) AS rest,
               LATERAL (VALUES ('capture', 'spent', captured, (freed > 0)::int),
                               ('void', 'available', freed, 0)) AS move (kind, bucket, micro, behind)
         WHERE move.micro > 0 ORDER BY behind DESC)
    SELECT account_id, attempt, amount_micro, captured, debt_micro,
           coalesce((SELECT sum(freed) FROM lots WHERE expires_at <= statement_timestamp()), 0)::bigint AS lapsed,
           coalesce((SELECT sum(freed) FROM lots WHERE expires_at <= statement_timestamp()
                        AND expires_at > statement_timestamp() - interval '72 hours'), 0)::bigint AS lately
      FROM hold JOIN money USING (account_id)
    """
)
_IS_HELD = text("SELECT EXISTS (SELECT FROM credit_holds WHERE generation_id = :generation AND attempt = :attempt)")
_SETTLED = text(
    """
    SELECT amount_micro, coalesce(captured_micro, 0) AS captured
      FROM credit_holds WHERE generation_id = :generation ORDER BY attempt DESC LIMIT 1
    """
)
CHARGED = """
    (SELECT sum(captured_micro - refunded_micro)::bigint FROM credit_holds WHERE generation_id = :generation)
"""
"""What was taken for a generation so far and not refunded, for a statement that reads more; NULL where nothing was."""
_CHARGED = Statement(f"SELECT {CHARGED} AS charged")
_BALANCE = text(
    """
    SELECT least(available_micro, coalesce(usable.micro, 0))::bigint AS available, held_micro, debt_micro
      FROM credit_balances b, LATERAL (
           SELECT sum(remaining_micro) AS micro FROM credit_lots l
            WHERE l.account_id = b.account_id AND live AND effective_at <= statement_timestamp()
              AND (expires_at IS NULL OR expires_at > statement_timestamp())) AS usable
     WHERE b.account_id = :account
    """
)


class CreditsInsufficient(Refusal):
    """The account has less than the order needs; `extra` says how much of both, in credits."""

    kind = Kind.UNPAID
    code = "credits.insufficient"


class DebtOpen(Refusal):
    """Credits that had been used were taken back; `extra` says how much is owed, in credits."""

    kind = Kind.UNPAID
    code = "credits.debt"


class HoldMissing(Exception):  # noqa: N818 - a bug: whoever settles has held before
    """Credits are to be taken for a generation that never held any."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has, in micro-credits: usable now, reserved for running work, and owed."""

    available_micro: int
    held_micro: int
    debt_micro: int = 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a hold ended, in micro-credits. `now` is False where it had been settled before."""

    captured_micro: int
    voided_micro: int
    now: bool


async def hold(
    tx: AsyncConnection, *, account: AccountId, generation: GenerationId, micro: int, attempt: int = 1
) -> None:
    """Reserve credits for a generation; doing it again for the same attempt changes nothing. Free work holds nothing.

    The transaction has inserted or locked the generation before, so two holds of one attempt cannot meet; the primary
    key stands behind that. Keep it late in the transaction: it locks the account's balance.
    Raises CreditsInsufficient, DebtOpen.
    """
    if micro < 0:
        raise ValueError(micro)
    if micro == 0:
        return
    values = held(account=account, generation=generation, micro=micro, attempt=attempt)
    if await rows(tx, _HOLD, values):
        return
    if await tx.scalar(_IS_HELD, {"generation": generation, "attempt": attempt}):
        return
    books = await Books.locked(tx, account)
    books.expire()
    await books.write()
    if await rows(tx, _HOLD, values):
        return
    found = await balance(tx, account=account)
    if found.debt_micro:
        raise DebtOpen(
            f"{in_credits(found.debt_micro)} credits that were used have been taken back: buy credits to pay for them.",
            extra={"required": micro / MICRO, "debt": found.debt_micro / MICRO},
        )
    raise CreditsInsufficient(
        f"This needs {in_credits(micro)} credits and {in_credits(found.available_micro)} are available:"
        " buy credits, or wait for the monthly allowance.",
        extra={"required": micro / MICRO, "available": found.available_micro / MICRO},
    )


def holding(beside: str) -> str:
    """Return the WITH queries of a hold, for a statement that does more in one go: made where `beside` has its one row.

    `hold` has a row where the credits are held, and none where they aren't: then ask `hold`, which knows more ways.
    """
    return _HELD.format(beside=f"{beside}, ")


def held(*, account: AccountId, generation: GenerationId, micro: int, attempt: int = 1) -> dict[str, Any]:
    """Return the values of `holding`."""
    reference = f"{generation}:{attempt}"
    return {
        "account": account,
        "generation": generation,
        "micro": micro,
        "attempt": attempt,
        "reference": reference,
    }


async def capture(tx: AsyncConnection, *, generation: GenerationId, micro: int) -> Settlement:
    """Take what was used and free the rest; more than was held is never taken, what goes beyond is ours to bear.

    A hold settles once: a second capture or void changes nothing and returns how it ended. Taking nothing where nothing
    was ever held (a demo's generation) is fine. What was pinned to the lots that lapse first is taken first, and what
    is freed into a lot that has lapsed is gone. Raises HoldMissing.
    """
    if micro < 0:
        raise ValueError(micro)
    return await _settle(tx, generation, state="captured", micro=micro, ours=False)


async def void(tx: AsyncConnection, *, generation: GenerationId, ours: bool = False) -> Settlement:
    """Free everything that is held for a generation. A hold settles once, as above.

    What belonged to a lot that has lapsed meanwhile is gone, unless the failure was `ours` and the lot lapsed less
    than 72 hours ago: then it comes back as promotional credits for seven days.
    """
    return await _settle(tx, generation, state="voided", micro=0, ours=ours)


async def balance(tx: AsyncConnection, *, account: AccountId) -> Balance:
    """Return what the account has; an account that was never given credits has none. Lapsed credits don't count."""
    row = (await tx.execute(_BALANCE, {"account": account})).one_or_none()
    return Balance(0, 0) if row is None else Balance(row.available, row.held_micro, row.debt_micro)


async def has_enough(tx: AsyncConnection, *, account: AccountId, micro: int) -> bool:
    """Say whether a hold of so much would succeed just now."""
    found = await balance(tx, account=account)
    return found.debt_micro == 0 and found.available_micro >= micro


async def charged(tx: AsyncConnection, *, generation: GenerationId) -> int:
    """Return what was taken for a generation so far and not refunded, in micro-credits."""
    return (await rows(tx, _CHARGED, {"generation": generation}))[0]["charged"] or 0


async def _settle(tx: AsyncConnection, generation: GenerationId, *, state: str, micro: int, ours: bool) -> Settlement:
    values: dict[str, Any] = {"generation": generation, "state": state, "micro": micro}
    for held in await rows(tx, _SETTLE, values):
        freed = held["amount_micro"] - held["captured"]
        if held["lapsed"] or (freed and held["debt_micro"]):
            books = await Books.locked(tx, held["account_id"])
            books.expire()
            if ours and held["lately"]:
                books.give_again(held["lately"], reference=f"{generation}:{held['attempt']}")
            books.repay()
            await books.write()
        return Settlement(held["captured"], freed, now=True)
    row = (await tx.execute(_SETTLED, {"generation": generation})).one_or_none()
    if row is None and micro > 0:
        raise HoldMissing(generation)
    if row is None:
        return Settlement(0, 0, now=False)
    return Settlement(row.captured, row.amount_micro - row.captured, now=False)

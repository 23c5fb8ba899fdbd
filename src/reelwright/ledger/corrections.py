"""Credits set right afterwards: refunded for work, taken back with a payment, adjusted by an administrator.

Each happens once a reference; doing it again changes nothing and returns what had been done.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ledger.account import MICRO, PART, Books, Origin, checked, in_credits

_CAPTURED = text(
    """
    SELECT account_id, attempt, captured_micro, refunded_micro, lot_ids, lot_micro,
           ARRAY(SELECT l.id FROM credit_lots l WHERE l.id = ANY(lot_ids)
                    AND l.expires_at <= statement_timestamp() - interval '72 hours') AS long_lapsed
      FROM credit_holds WHERE generation_id = :generation AND state = 'captured'
     ORDER BY attempt DESC LIMIT 1 FOR NO KEY UPDATE
    """
)
_REFUNDED = text(
    "UPDATE credit_holds SET refunded_micro = refunded_micro + :micro"
    " WHERE generation_id = :generation AND attempt = :attempt"
)
# The lines of one correction stand one behind the other. A colon used to stand where PART does; what a transaction of
# its own wrote is another correction, whose reference ends in a number.
_DONE = text(
    """
    SELECT sum(CASE WHEN j.to_bucket = 'available' THEN j.amount_micro ELSE -j.amount_micro END)::bigint AS micro,
           coalesce(sum(j.amount_micro) FILTER (WHERE j.from_bucket = 'debt'), 0)::bigint AS debt
      FROM credit_journal once JOIN credit_journal j ON j.account_id = once.account_id AND j.seq >= once.seq
       AND (j.source = once.source OR j.source = once.source || CAST(:part AS text) || (j.seq - once.seq)
            OR j.source = once.source || ':' || (j.seq - once.seq) AND j.xmin = once.xmin)
     WHERE once.account_id = :account AND once.source = :source
    HAVING count(*) > 0
    """
)


class RefundTooLarge(Refusal):
    """More is to be refunded than was charged and not refunded; `extra` says how much is left, in credits."""

    kind = Kind.CONFLICT
    code = "credits.refund_too_large"


class AdjustmentTooLarge(Refusal):
    """The account has less than is to be taken; `extra` says how much it has, in credits."""

    kind = Kind.CONFLICT
    code = "credits.adjustment_too_large"


@dataclass(frozen=True, slots=True)
class Correction:
    """What was given (positive) or taken, in micro-credits, and how much of it is owed. `now` is False for a repeat."""

    micro: int
    debt_micro: int
    now: bool


async def refund(
    tx: AsyncConnection,
    *,
    generation: GenerationId,
    micro: int,
    reference: str,
    reason: str,
    ours: bool = True,
    actor: UUID | None = None,
) -> Correction:
    """Give back a part or all of what a generation was charged, into the lots it came from, last used first.

    What came from a lot that has lapsed is gone, unless the fault was `ours` and the lot lapsed less than 72 hours
    ago: then it comes back as promotional credits for seven days. Raises RefundTooLarge.
    """
    checked(micro)
    hold = (await tx.execute(_CAPTURED, {"generation": generation})).one_or_none()
    if hold is None:
        raise RefundTooLarge("Nothing was charged for this generation.", extra={"refundable": 0})
    source = f"refund:{generation}:{reference}"
    done = await _done(tx, hold.account_id, source)
    if done is not None:
        return done
    refundable = hold.captured_micro - hold.refunded_micro
    if micro > refundable:
        raise RefundTooLarge(
            f"{in_credits(refundable)} credits can still be refunded: refund no more.",
            field="credits",
            extra={"refundable": refundable / MICRO},
        )
    slices = _last_used(hold, micro)
    books = await Books.locked(tx, hold.account_id, also=[lot for lot, _ in slices])
    for lot, part in slices:
        books.give_back(lot, part)
    books.available += micro
    books.line("refund", "spent", "available", micro, source, generation=generation, reason=reason, actor=actor)
    lapsed = {lot.id for lot in books.lots if lot.lapsed}
    lately = sum(part for lot, part in slices if lot in lapsed and lot not in hold.long_lapsed)
    books.expire()
    if ours and lately:
        books.give_again(lately, reference=source)
    books.repay()
    await books.write()
    await tx.execute(_REFUNDED, {"micro": micro, "generation": generation, "attempt": hold.attempt})
    return Correction(micro, 0, now=True)


async def clawback(
    tx: AsyncConnection, *, account: AccountId, micro: int, reference: str, reason: str, granted_by: str | None = None
) -> Correction:
    """Take back credits whose payment was: from the lot that was `granted_by` this source first, then from any.

    What has been used, or is held by running work, becomes debt: it blocks holds, and what comes in pays it first.
    """
    checked(micro)
    books = await Books.locked(tx, account)
    source = f"clawback:{account}:{reference}"
    done = await _done(tx, account, source)
    if done is not None:
        return done
    books.expire()
    short = books.take_back(
        micro,
        kind="clawback",
        to_bucket="clawed_back",
        source=source,
        first=lambda lot: lot.source == f"grant:{granted_by}",
        reason=reason,
    )
    await books.write()
    return Correction(-micro, short, now=True)


async def adjust(
    tx: AsyncConnection,
    *,
    account: AccountId,
    micro: int,
    reference: str,
    reason: str,
    actor: UUID,
    force: bool = False,
) -> Correction:
    """Give (positive) or take credits by an administrator's word; `force` lets the account owe what it hasn't.

    Raises AdjustmentTooLarge.
    """
    checked(abs(micro))
    books = await Books.locked(tx, account)
    source = f"adjust:{account}:{reference}"
    done = await _done(tx, account, source)
    if done is not None:
        return done
    books.expire()
    if micro > 0:
        books.grant(micro, source=source, origin=Origin.ADMIN, reason=reason, actor=actor)
        short = 0
    elif -micro > books.available and not force:
        raise AdjustmentTooLarge(
            f"The account has {in_credits(books.available)} credits: take no more, or force it into debt.",
            field="credits",
            extra={"available": books.available / MICRO},
        )
    else:
        short = books.take_back(-micro, kind="adjust", to_bucket="granted", source=source, reason=reason, actor=actor)
    await books.write()
    return Correction(micro, short, now=True)


async def _done(tx: AsyncConnection, account: AccountId, source: str) -> Correction | None:
    if PART in source:
        raise ValueError(source)
    row = (await tx.execute(_DONE, {"account": account, "source": source, "part": PART})).one_or_none()
    return None if row is None else Correction(row.micro, row.debt, now=False)


def _last_used(hold: Row[Any], micro: int) -> list[tuple[UUID, int]]:
    """Return which lots the last so many of the charged credits came from, and how many of each."""
    end = hold.captured_micro - hold.refunded_micro
    begin, found = end - micro, list[tuple[UUID, int]]()
    for lot, size, upto in zip(hold.lot_ids, hold.lot_micro, accumulate(hold.lot_micro), strict=True):
        part = min(upto, end) - max(upto - size, begin)
        if part > 0:
            found.append((lot, part))
    return found

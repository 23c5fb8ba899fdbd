"""The books against themselves: what must be true of journal, balances, lots and holds at any time, as SQL.

The numbers are those of the specification. I9 (a charge has its generation) and I10 (units) need other rooms' rows and
are checked by a journey. Each statement returns one text a broken fact; none is expected.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId

_SUMS = """
    SELECT account_id, max(seq) AS lines,
           sum(CASE 'available' WHEN to_bucket THEN amount_micro WHEN from_bucket THEN -amount_micro ELSE 0 END) AS a,
           sum(CASE 'held' WHEN to_bucket THEN amount_micro WHEN from_bucket THEN -amount_micro ELSE 0 END) AS h,
           sum(CASE 'debt' WHEN from_bucket THEN amount_micro WHEN to_bucket THEN -amount_micro ELSE 0 END) AS d
      FROM credit_journal GROUP BY account_id
"""
_LOTS = """
    SELECT account_id, sum(remaining_micro) AS a, sum(held_micro) AS h FROM credit_lots GROUP BY account_id
"""
_HOLDS = "SELECT account_id, sum(amount_micro) AS h FROM credit_holds WHERE state = 'pending' GROUP BY account_id"
_PINS = """
    SELECT hold.*, pin.lot, pin.micro,
           least(pin.micro, greatest(0, coalesce(captured_micro, 0) - refunded_micro - (sum(pin.micro) OVER used
                                                                                         - pin.micro))) AS spent
      FROM credit_holds hold, unnest(lot_ids, lot_micro) WITH ORDINALITY AS pin (lot, micro, place)
    WINDOW used AS (PARTITION BY generation_id, attempt ORDER BY place ROWS UNBOUNDED PRECEDING)
"""

INVARIANTS = {
    "I1 every line moves something from one bucket to another": """
        SELECT source AS fact FROM credit_journal WHERE from_bucket = to_bucket OR amount_micro <= 0
    """,
    "I2 balances are what the journal adds up to": f"""
        SELECT coalesce(b.account_id, s.account_id)::text AS fact
          FROM credit_balances b FULL JOIN ({_SUMS}) s ON s.account_id = b.account_id
         WHERE (coalesce(b.available_micro, 0), coalesce(b.held_micro, 0), coalesce(b.debt_micro, 0))
            <> (coalesce(s.a, 0), coalesce(s.h, 0), coalesce(s.d, 0))
    """,  # noqa: S608 - of constants, above
    "I3 the lines of an account follow one another without a gap": f"""
        SELECT source AS fact FROM (
            SELECT source, seq, available_after_micro, held_after_micro, debt_after_micro,
                   row_number() OVER lines AS n,
                   sum(CASE 'available' WHEN to_bucket THEN amount_micro WHEN from_bucket THEN -amount_micro ELSE 0 END)
                       OVER lines AS a,
                   sum(CASE 'held' WHEN to_bucket THEN amount_micro WHEN from_bucket THEN -amount_micro ELSE 0 END)
                       OVER lines AS h,
                   sum(CASE 'debt' WHEN from_bucket THEN amount_micro WHEN to_bucket THEN -amount_micro ELSE 0 END)
                       OVER lines AS d
              FROM credit_journal WINDOW lines AS (PARTITION BY account_id ORDER BY seq)) line
         WHERE (seq, available_after_micro, held_after_micro, debt_after_micro) <> (n, a, h, d)
        UNION ALL
        SELECT b.account_id::text FROM credit_balances b LEFT JOIN ({_SUMS}) s USING (account_id)
         WHERE b.version <> coalesce(s.lines, 0)
    """,  # noqa: S608 - of constants, above
    "I4 nothing is negative, and nobody who owes has usable credits": """
        SELECT account_id::text AS fact FROM credit_balances WHERE least(available_micro, held_micro, debt_micro) < 0
        UNION ALL
        SELECT b.account_id::text FROM credit_balances b JOIN credit_lots l USING (account_id)
         WHERE b.debt_micro > 0 AND l.remaining_micro > 0 AND (l.expires_at IS NULL OR l.expires_at > now())
    """,
    "I5 lots and pending holds add up to the balance": f"""
        SELECT coalesce(b.account_id, l.account_id, p.account_id)::text AS fact
          FROM credit_balances b FULL JOIN ({_LOTS}) l ON l.account_id = b.account_id
          FULL JOIN ({_HOLDS}) p ON p.account_id = coalesce(b.account_id, l.account_id)
         WHERE coalesce(b.available_micro, 0) <> coalesce(l.a, 0) OR coalesce(b.held_micro, 0) <> coalesce(l.h, 0)
            OR coalesce(b.held_micro, 0) <> coalesce(p.h, 0)
    """,  # noqa: S608 - of constants, above
    "I6 a lot is what remains, what is held, what was spent and what left it otherwise": f"""
        SELECT l.id::text AS fact FROM credit_lots l
          LEFT JOIN (SELECT lot, sum(spent) AS spent, sum(micro) FILTER (WHERE state = 'pending') AS held
                       FROM ({_PINS}) p GROUP BY lot) p ON p.lot = l.id
          LEFT JOIN (SELECT lot_id, sum(amount_micro) AS micro FROM credit_journal
                      WHERE from_bucket = 'available' AND lot_id IS NOT NULL GROUP BY lot_id) g ON g.lot_id = l.id
         WHERE l.amount_micro <> l.remaining_micro + l.held_micro + coalesce(p.spent, 0) + coalesce(g.micro, 0)
            OR l.held_micro <> coalesce(p.held, 0)
        UNION ALL
        SELECT generation_id::text FROM ({_PINS}) p GROUP BY generation_id, attempt, amount_micro
        HAVING sum(micro) <> amount_micro
    """,  # noqa: S608 - of constants, above
    "I7 a hold is held once and settled once": """
        SELECT h.generation_id::text AS fact FROM credit_holds h
          LEFT JOIN credit_journal held ON held.source = 'hold:' || h.generation_id || ':' || h.attempt
          LEFT JOIN credit_journal taken ON taken.source = 'capture:' || h.generation_id || ':' || h.attempt
          LEFT JOIN credit_journal freed ON freed.source = 'void:' || h.generation_id || ':' || h.attempt
         WHERE held.amount_micro IS DISTINCT FROM h.amount_micro
            OR coalesce(taken.amount_micro, 0) <> coalesce(h.captured_micro, 0)
            OR coalesce(freed.amount_micro, 0) <> CASE h.state WHEN 'pending' THEN 0
                                                  ELSE h.amount_micro - coalesce(h.captured_micro, 0) END
    """,
    "I8 what was taken was held, and no more was refunded than taken": """
        SELECT j.source AS fact FROM credit_journal j
         WHERE j.kind IN ('hold', 'capture', 'void')
           AND NOT EXISTS (SELECT FROM credit_holds h WHERE h.account_id = j.account_id
                              AND j.source = j.kind || ':' || h.generation_id || ':' || h.attempt)
        UNION ALL
        SELECT coalesce(h.id, r.generation_id)::text
          FROM (SELECT generation_id AS id, sum(refunded_micro) AS micro, sum(captured_micro) AS taken
                  FROM credit_holds GROUP BY generation_id) h
          FULL JOIN (SELECT generation_id, sum(amount_micro) AS micro FROM credit_journal WHERE kind = 'refund'
                      GROUP BY generation_id) r ON r.generation_id = h.id
         WHERE coalesce(h.micro, 0) <> coalesce(r.micro, 0) OR coalesce(r.micro, 0) > coalesce(h.taken, 0)
    """,
    "I11 every lot came in once, by a line of its own": """
        SELECT coalesce(l.external_ref, j.source) AS fact
          FROM (SELECT * FROM credit_lots WHERE NOT starts_with(external_ref, 'grant:before lots:')) l
          FULL JOIN (SELECT * FROM credit_journal j WHERE kind = 'grant' AND lot_id IS NOT NULL) j
            ON j.source = l.external_ref
         WHERE l.id IS DISTINCT FROM j.lot_id OR l.amount_micro <> j.amount_micro OR l.account_id <> j.account_id
    """,
    "I12 what all accounts have is what came in less what went": """
        SELECT 'all accounts' AS fact
          FROM (SELECT coalesce(sum(available_micro + held_micro - debt_micro), 0) AS micro FROM credit_balances) b,
               (SELECT coalesce(sum(amount_micro) FILTER (
                           WHERE from_bucket IN ('granted', 'sold', 'spent', 'expired', 'clawed_back')), 0)
                     - coalesce(sum(amount_micro) FILTER (
                           WHERE to_bucket IN ('granted', 'sold', 'spent', 'expired', 'clawed_back')), 0) AS micro
                  FROM credit_journal) j
         WHERE b.micro <> j.micro
    """,
}
_VERIFY = text(
    " UNION ALL ".join(
        f"(SELECT '{name}' AS name, fact FROM ({statement}) AS broken LIMIT 20)"  # noqa: S608 - constants, above
        for name, statement in INVARIANTS.items()
    )
)
_MISMATCHES = text(
    f"SELECT fact FROM ({INVARIANTS['I2 balances are what the journal adds up to']}) AS books"  # noqa: S608 - the same
    f" UNION SELECT fact FROM ({INVARIANTS['I5 lots and pending holds add up to the balance']}) AS lots ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken invariant and where: an account, a generation, a lot or a line's source."""

    invariant: str
    fact: str


async def verify(tx: AsyncConnection) -> tuple[Violation, ...]:
    """Return every broken invariant, at most twenty places each. It reads the whole ledger in one statement."""
    return tuple(Violation(row.name, row.fact) for row in await tx.execute(_VERIFY))


async def mismatches(tx: AsyncConnection) -> list[AccountId]:
    """Return the accounts whose balance is not what the journal, the lots and the holds add up to."""
    return [AccountId(UUID(account)) for account in await tx.scalars(_MISMATCHES)]

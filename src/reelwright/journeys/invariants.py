"""What must be true of the rows at every moment, as SQL: a job, a metric, and the judge of every chaos test.

The numbers are those of reference 2.2. Sums alone would pass a charge that was made twice on both sides, so rows are
counted too. Each statement sees one snapshot. What lives is always looked at (10 ms each, by partial indexes); what has
ended costs about 60 ms for each thousand stage runs in the window on two busy cores, 6 s for 100,000: so the job looks
back three hours, and eight days once in an hour.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger
from reelwright.ground import log, telemetry
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database

_log = log.logger("journeys.invariants")
_MOST = 100
_SHOWN = 5
_WINDOW, _LONG_WINDOW = timedelta(hours=3), timedelta(days=8)  # generations live an hour, or a week where they pause
_LONG_EVERY = 60
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)

NOT_ROWS = {
    "I12": "Redis against the rows: tests/chaos/outside.py, and journeys/reconciliation.py in production",
    "I13": "processes and work folders left behind: tests/chaos/outside.py",
}
"""Numbers of the reference that no statement over our tables can judge, and who does."""

Broken = Callable[[AsyncConnection, dict[str, Any]], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """One promise. `means` says what its breach means and what an operator does then."""

    number: str
    name: str
    means: str
    broken: Broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A breach: how many rows (100 stands for that many or more), and the first few with what is wrong with them."""

    number: str
    name: str
    means: str
    count: int
    examples: tuple[str, ...]


def _rows(*queries: str) -> Broken:
    """Each query selects `id` and `what`; `recent` are the generations to look at, ended ones too."""
    statement = text(
        f"""
        WITH recent AS MATERIALIZED (
            SELECT id, kind, state, demo, hold_micro, event_seq, ended_at, units_returned_at FROM generations
             WHERE admitted_at >= :since)
        SELECT what || ': ' || id FROM ({" UNION ALL ".join(queries)}) AS found (id, what) LIMIT {_MOST}
        """  # noqa: S608 - put together from constants
    )

    async def broken(tx: AsyncConnection, values: dict[str, Any]) -> list[str]:
        return list(await tx.scalars(statement, values))

    return broken


async def _unbalanced(tx: AsyncConnection, _values: dict[str, Any]) -> list[str]:
    return [f"balance and journal differ: {account}" for account in await ledger.mismatches(tx)]


ALL = (
    Invariant(
        number="I1",
        name="nothing_stuck",
        means="Accepted work stands still: look whether workers, relay and sweeper run, then at the run's events.",
        broken=_rows(
            """
            SELECT id, 'past its deadline' FROM generations
             WHERE ended_at IS NULL AND paused_at IS NULL AND deadline_at < :late
            """,
            """
            SELECT r.id, 'lease over and nobody rescued it'
              FROM stage_runs r JOIN generations g ON g.id = r.generation_id
             WHERE r.state = 'running' AND r.lease_until < :late AND g.ended_at IS NULL AND g.paused_at IS NULL
            """,
            """
            SELECT r.id, 'due and nobody sent it' FROM stage_runs r JOIN generations g ON g.id = r.generation_id
             WHERE r.state = 'queued' AND g.ended_at IS NULL AND g.paused_at IS NULL
               AND greatest(r.next_attempt_at, r.sent_at)
                   < CAST(:late AS timestamptz) - CAST(:patience AS interval) * (4 + power(2, least(r.resends, 6)) / 2)
               AND NOT EXISTS (SELECT FROM outbox o
                                WHERE o.run_id = r.id AND o.published_at IS NULL AND o.parked_at IS NULL)
            """,
            """
            SELECT id, 'lives without a run' FROM generations g
             WHERE ended_at IS NULL AND paused_at IS NULL AND NOT EXISTS (
                SELECT FROM stage_runs r WHERE r.generation_id = g.id AND r.state IN ('queued', 'running'))
            """,
        ),
    ),
    Invariant(
        number="I2",
        name="ended_is_over",
        means="A run goes on under work that has ended, and spends for nobody: its fence was not raised at the end.",
        broken=_rows(
            """
            SELECT r.id, 'live under an ended generation' FROM stage_runs r JOIN generations g ON g.id = r.generation_id
             WHERE r.finished_at IS NULL AND g.ended_at IS NOT NULL
            """
        ),
    ),
    Invariant(
        number="I3",
        name="metered_once",
        means="A finished step is not on the usage ledger exactly once: compare its run with its usage rows.",
        broken=_rows(
            """
            SELECT r.id, 'succeeded without usage' FROM recent g JOIN stage_runs r ON r.generation_id = g.id
             WHERE NOT g.demo AND r.state = 'succeeded'
               AND r.stage IN ('INGESTION', 'STORY_WRITING', 'VISUAL_GENERATION', 'VISUAL_VERIFICATION',
                               'TTS_GENERATION')
               AND NOT EXISTS (SELECT FROM usage_ledger u WHERE u.run_id = r.id AND u.outcome = 'succeeded')
            """,
            """
            SELECT u.run_id, 'metered, but not as its winner did it' FROM recent g
              JOIN usage_ledger u ON u.generation_id = g.id AND u.outcome = 'succeeded'
              LEFT JOIN stage_runs r ON r.id = u.run_id
             GROUP BY u.run_id, r.won_fence
            HAVING bool_or(r.won_fence IS NULL OR u.fence <> r.won_fence) OR count(*) <> max(u.call_no) + 1
            """,
        ),
    ),
    Invariant(
        number="I4",
        name="winner_holds_the_fence",
        means="A worker that had lost its run wrote its result: a completion without its fence.",
        broken=_rows(
            """
            SELECT r.id, 'won by another fence' FROM recent g JOIN stage_runs r ON r.generation_id = g.id
             WHERE r.state = 'succeeded' AND r.won_fence <> r.fence
            """
        ),
    ),
    Invariant(
        number="I5",
        name="balances_follow_the_journal",
        means="An account's credits aren't what its journal adds up to: stop its orders and correct it.",
        broken=_unbalanced,
    ),
    Invariant(
        number="I6",
        name="settled_once",
        means="Work and money disagree: a hold that isn't there, was kept, or was not settled as metered.",
        broken=_rows(
            """
            SELECT g.id, 'hold and generation differ' FROM recent g
             CROSS JOIN LATERAL (
                SELECT count(*) AS holds, count(*) FILTER (WHERE state = 'pending') AS pending,
                       coalesce(sum(amount_micro), 0) AS micro, coalesce(sum(captured_micro), 0) AS captured
                  FROM credit_holds h WHERE h.generation_id = g.id) h
             WHERE h.micro <> g.hold_micro OR h.holds <> (g.hold_micro > 0)::int
                OR h.pending <> (g.hold_micro > 0 AND g.ended_at IS NULL)::int
                OR h.captured <> CASE WHEN g.state IN ('succeeded', 'cancelled') AND g.units_returned_at IS NULL THEN
                    least(g.hold_micro, (
                        SELECT coalesce(sum(u.credits_micro), 0) FROM usage_ledger u WHERE u.generation_id = g.id))
                                 ELSE 0 END
            """,
            """
            SELECT h.generation_id, 'hold and journal differ' FROM recent g
              JOIN credit_holds h ON h.generation_id = g.id
             CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE kind = 'hold') AS holds,
                       coalesce(sum(amount_micro) FILTER (WHERE kind = 'capture'), 0) AS captured,
                       coalesce(sum(amount_micro) FILTER (WHERE kind = 'void'), 0) AS voided
                  FROM credit_journal j WHERE j.generation_id = g.id) j
             WHERE j.holds <> 1 OR j.captured <> coalesce(h.captured_micro, 0)
                OR j.captured + j.voided <> CASE h.state WHEN 'pending' THEN 0 ELSE h.amount_micro END
            """,
            """
            SELECT id, 'unit kept after a failure, or given back after a success' FROM recent
             WHERE state = 'failed' AND units_returned_at IS NULL
                OR state NOT IN ('failed', 'cancelled') AND units_returned_at IS NOT NULL
                OR state = 'cancelled' AND units_returned_at IS NOT NULL AND EXISTS (
                    SELECT FROM usage_ledger u
                     WHERE u.generation_id = recent.id AND u.fence > 0 AND u.credits_micro > 0)
            """,
        ),
    ),
    Invariant(
        number="I7",
        name="success_is_whole",
        means="Something was called finished that isn't: don't deliver it, and look at which run is missing.",
        broken=_rows(
            """
            SELECT g.id, 'succeeded with an unfinished run' FROM recent g
             WHERE g.state = 'succeeded' AND (
                SELECT coalesce(bool_or(r.state <> 'succeeded'), true) FROM stage_runs r WHERE r.generation_id = g.id)
            """,
            """
            SELECT g.id, 'succeeded without exactly one video' FROM recent g
             WHERE g.state = 'succeeded' AND g.kind IN ('video', 'render', 'regenerate_full') AND (
                SELECT count(*) FROM artefacts a WHERE a.generation_id = g.id AND a.kind = 'video') <> 1
            """,
        ),
    ),
    Invariant(
        number="I8",
        name="files_have_owners",
        means="Stored files and their rows differ: a losing worker's file is described, or the sweep doesn't clear up.",
        broken=_rows(
            """
            SELECT a.id, 'made by a run that did not succeed' FROM recent g
              JOIN artefacts a ON a.generation_id = g.id JOIN stage_runs r ON r.id = a.run_id
             WHERE r.state <> 'succeeded'
            """,
            """
            SELECT u.run_id, 'upload that nobody finished or cleared away' FROM uploads u
             WHERE u.at < :abandoned
               AND NOT EXISTS (SELECT FROM artefacts a WHERE a.key = u.key)
            """,
        ),
    ),
    Invariant(
        number="I9",
        name="promises_are_sent",
        means="The relay leaves messages behind while it sends others, or keeps what it sent: look at outbox.attempts.",
        broken=_rows(
            """
            SELECT run_id, 'left behind in the outbox' FROM outbox
             WHERE published_at IS NULL AND parked_at IS NULL
               AND deliver_at < CAST(:late AS timestamptz) - CAST(:patience AS interval)
               AND coalesce(claimed_until, '-infinity') < :late
               AND EXISTS (SELECT FROM outbox WHERE published_at > :late)
            """,
            """
            SELECT run_id, 'published and never forgotten' FROM outbox
             WHERE published_at < clock_timestamp() - interval '26 hours'
            """,
        ),
    ),
    Invariant(
        number="I10",
        name="payments_count_once",
        means="What was paid for and what was given differ: find the payment at Stripe, and replay its event.",
        broken=_rows(
            """
            SELECT CAST(p.id AS text), 'paid for and not handed over' FROM purchases p
             WHERE p.state = 'paid' AND p.kind IN ('pack', 'boost') AND p.settled_at >= :since
               AND NOT EXISTS (
                   SELECT FROM payments y WHERE y.account_id = p.account_id AND y.source =
                   'purchase:checkout:' || p.session_id || CASE p.kind WHEN 'boost' THEN '\\:boost' ELSE '' END)
            """,
            """
            SELECT CAST(p.id AS text), 'handed over and not paid for' FROM purchases p
             WHERE p.state NOT IN ('paid', 'refunded') AND p.created_at >= :since
               AND EXISTS (SELECT FROM credit_lots WHERE external_ref = 'grant:purchase:checkout:' || p.session_id)
            """,
            """
            SELECT y.source, 'the journal has other credits than the payment' FROM payments y
             WHERE y.created_at >= :since AND y.granted_micro > 0 AND y.granted_by = y.source AND NOT EXISTS (
                   SELECT FROM credit_journal j WHERE j.source = 'grant:' || y.source
                      AND j.account_id = y.account_id AND j.amount_micro = y.granted_micro)
            """,
            """
            SELECT y.source, 'paid for a boost that is not there' FROM payments y
             WHERE y.created_at >= :since AND y.boost_days > 0 AND NOT EXISTS (
                   SELECT FROM boosts b
                    WHERE b.source = regexp_replace(y.source, '.boost$', '') AND b.account_id = y.account_id)
            """,
            """
            SELECT split_part(source, ':', 2), 'an invoice gave more than one month' FROM payments
             WHERE created_at >= :since AND kind = 'plan' AND granted_by = source
             GROUP BY account_id, split_part(source, ':', 2) HAVING count(*) > 1
            """,
            """
            SELECT d.source, 'a month that nobody paid for' FROM paid_periods d
             WHERE d.created_at >= :since AND NOT EXISTS (SELECT FROM payments y WHERE y.source = d.source)
            """,
            """
            SELECT event_id, 'an event left behind while others are handled' FROM stripe_events
             WHERE status IN ('received', 'processing')
               AND next_attempt_at < CAST(:late AS timestamptz) - CAST(:patience AS interval)
               AND EXISTS (SELECT FROM stripe_events WHERE status = 'done' AND done_at > :late)
            """,
        ),
    ),
    Invariant(
        number="I11",
        name="events_have_no_gaps",
        means="Someone who follows a reel misses an event or never sees its end.",
        broken=_rows(
            """
            SELECT g.id, 'events are missing' FROM recent g
             CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(max(seq), 0) AS top
                                   FROM generation_events e WHERE e.generation_id = g.id) e
             WHERE e.n <> g.event_seq OR e.top <> g.event_seq
            """,
            """
            SELECT g.id, 'its end was told wrongly' FROM recent g
             WHERE (SELECT array_agg(e.kind) FROM generation_events e
                     WHERE e.generation_id = g.id AND e.kind IN ('succeeded', 'failed', 'cancelled'))
                   IS DISTINCT FROM CASE WHEN g.ended_at IS NOT NULL THEN ARRAY[g.state] END
                OR g.ended_at IS NOT NULL AND NOT EXISTS (
                   SELECT FROM generation_events e
                    WHERE e.generation_id = g.id AND e.seq = g.event_seq AND e.kind = g.state)
            """,
        ),
    ),
    Invariant(
        number="I14",
        name="ordered_once",
        means="One order was written twice: an Idempotency-Key did not hold.",
        broken=_rows(
            """
            SELECT g.id, 'not queued exactly once' FROM recent g
             WHERE (SELECT count(*) FROM generation_events e WHERE e.generation_id = g.id AND e.kind = 'queued') <> 1
            """
        ),
    ),
    Invariant(
        number="I15",
        name="dead_letters_are_dead",
        means="A dead letter tells of work that didn't fail, or of a redrive that isn't there.",
        broken=_rows(
            """
            SELECT d.generation_id, 'dead letter of work that did not fail' FROM dead_letters d
              JOIN generations g ON g.id = d.generation_id WHERE g.state <> 'failed'
            """,
            """
            SELECT d.generation_id, 'redriven into nothing' FROM dead_letters d
              LEFT JOIN generations g ON g.id = d.successor
             WHERE d.successor IS NOT NULL AND g.resumes IS DISTINCT FROM d.generation_id
            """,
        ),
    ),
)


async def check(
    db: Database,
    *,
    window: timedelta | None = None,
    patience: timedelta = timedelta(seconds=60),
    abandoned: timedelta = timedelta(hours=2),
) -> tuple[Violation, ...]:
    """Return every breach there is, set the metric of each, and log them. Raises Outage.

    `window`: look at generations admitted that lately, None for all. `patience`: how late a lease, a deadline or a
    message may be before nobody cares for it. `abandoned`: how old an unfinished upload may become.
    """
    async with db.begin() as tx:
        now = (await tx.execute(text("SELECT clock_timestamp()"))).scalar_one()
    values = {
        "since": now - window if window else _BEGINNING,
        "late": now - patience,
        "patience": patience,
        "abandoned": now - abandoned,
    }
    found: list[Violation] = []
    for one in ALL:
        async with db.begin() as tx:
            rows = await one.broken(tx, values)
        telemetry.INVARIANT_VIOLATIONS.labels(one.name).set(len(rows))
        if rows:
            shown = tuple(rows[:_SHOWN])
            _log.error("invariant.violated", number=one.number, invariant=one.name, count=len(rows), examples=shown)
            found.append(Violation(number=one.number, name=one.name, means=one.means, count=len(rows), examples=shown))
    return tuple(found)


async def keep_checking(*, db: Database, every: timedelta) -> None:
    """Check for ever, a little out of step with other processes; an outage is waited out."""
    for turn in itertools.count():
        await asyncio.sleep(every.total_seconds() * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        try:
            await check(db, window=_WINDOW if turn % _LONG_EVERY else _LONG_WINDOW)
        except Outage:
            _log.warning("invariants.postponed")
        except Exception:  # noqa: BLE001 - a bug in one check must not end the checking; it is logged with its traceback
            _log.exception("invariants.bug")

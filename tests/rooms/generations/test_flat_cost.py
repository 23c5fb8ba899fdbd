"""What a delivery and a sweep read stays the same, whether a hundred runs were ever finished or a hundred thousand.

PostgreSQL itself counts the rows that each transaction reads: a statement that left its partial index for another one,
or for the table, would read what is finished too. REELWRIGHT_FLAT_ROWS=100000 fills the tables up to the name.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import outbox
from reelwright.generations import Drawn, Generations, Pulse, Uploads
from reelwright.ground import qstash
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from tests.builders import Worked, started
from tests.rooms.generations import made
from tests.rooms.generations.made import LEASE, UNIT

FINISHED, WAITING, BATCH = int(os.environ.get("REELWRIGHT_FLAT_ROWS", "20000")), 5_000, 100
RESEND = timedelta(seconds=30)
MOST_ROWS = {"generations": 60, "stage_runs": 60, "uploads": 60, "artefacts": 60, "outbox": 6 * BATCH}
"""What a transaction may read for two live runs, and for a batch of messages; some of it more than once."""
FILL = (
    """
    INSERT INTO generations (id, account_id, draft_id, kind, state, fingerprint, plan, price_version, hold_micro, lane,
                             admitted_at, deadline_at, started_at, ended_at)
    SELECT gen_random_uuid(), account_id, draft_id, kind, 'succeeded', '', plan, 1, 0, lane, now() - interval '1 day',
           now() - interval '1 h', now() - interval '1 day', now() - interval '1 day'
      FROM (SELECT * FROM generations LIMIT 1) g, generate_series(1, :finished / 50)
    """,
    """
    INSERT INTO stage_runs (id, generation_id, stage, scene, round, state, attempt, max_attempts, fence, won_fence,
                            result, next_attempt_at, sent_at, started_at, finished_at)
    SELECT gen_random_uuid(), g.id, 'VISUAL_GENERATION', n, 0, 'succeeded', 1, 3, 1, 1, '{"type": "drawn"}',
           g.started_at, g.started_at, g.started_at, g.ended_at
      FROM generations g, generate_series(1, 50) AS n WHERE g.state = 'succeeded'
    """,
    """
    INSERT INTO outbox (generation_id, run_id, body, deliver_at, published_at, message_id, attempts)
    SELECT generation_id, id, '{}', started_at, started_at, 'm', 1 FROM stage_runs WHERE state = 'succeeded'
    """,
    """
    INSERT INTO outbox (generation_id, run_id, body, deliver_at)
    SELECT generation_id, id, '{}', now() - interval '1 s' FROM stage_runs WHERE state = 'succeeded' LIMIT :waiting
    """,
    "ANALYZE generations, stage_runs, outbox, artefacts, uploads",
)
ORDERED = """
    INSERT INTO generations (id, account_id, draft_id, kind, fingerprint, plan, price_version, hold_micro, lane,
                             admitted_at, deadline_at)
    SELECT gen_random_uuid(), u.id, draft_id, kind, '', g.plan, 1, 0, lane, now() - {ago}, now() + interval '1 h'
      FROM (SELECT * FROM generations LIMIT 1) g, users u, generate_series(1, 20) AS n
"""
MONTH = (
    "INSERT INTO users (id, email) SELECT gen_random_uuid(), n || '@busy.example' FROM generate_series(1, 200) AS n",
    ORDERED.format(ago="interval '1 day'"),
    "ANALYZE generations",
    ORDERED.format(ago="interval '1 day' * random()"),
    "SET LOCAL plan_cache_mode = force_generic_plan",
    """
    PREPARE used (uuid, timestamptz) AS
    SELECT * FROM generation_use($1, $2 - interval '30 days', $2 + interval '1 day', $2, $2 + interval '1 hour')
    """,
)
USED = "EXPLAIN EXECUTE used ('{account}', now())"
READ = text(
    """
    SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) AS rows FROM pg_stat_xact_user_tables
     WHERE relname IN ('generations', 'stage_runs', 'outbox', 'uploads', 'artefacts')
    """
)


class Counting(Database):
    """A database that remembers the most rows that any transaction has read of a table."""

    def __init__(self, db: Database) -> None:
        super().__init__(db.engine)
        self.most: dict[str, int] = {}

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[AsyncConnection]:
        async with super().begin() as tx:
            yield tx
            for row in await tx.execute(READ):
                self.most[row.relname] = max(self.most.get(row.relname, 0), row.rows)


@pytest.fixture
async def crowded(db: Database) -> tuple[GenerationId, GenerationId]:
    """Two live generations among very many finished ones, and a queue of messages."""
    both = await made.queued(db), await made.queued(db)
    async with db.begin() as tx:
        await tx.execute(text("SET LOCAL statement_timeout = 0"))  # a busy machine needs longer than a service may
        for statement in FILL:
            numbers = {"finished": FINISHED, "waiting": WAITING}
            await tx.execute(text(statement), {name: n for name, n in numbers.items() if f":{name}" in statement})
        await tx.execute(text("UPDATE stage_runs SET sent_at = now() - interval '1 h' WHERE state = 'queued'"))
    return both


async def test_deliveries_and_sweeps_read_what_is_live_and_nothing_else(
    crowded: tuple[GenerationId, GenerationId], db: Database
) -> None:
    one, other = crowded
    counting = Counting(db)
    async with counting.begin() as tx:
        claim = await Worked(session=tx).claim(UNIT.run_id(one), LEASE)
        await started(tx, one)
    async with counting.begin() as tx:
        assert await Worked(session=tx).heartbeat(claim.run_id, claim.fence, LEASE, 0.5) is Pulse.OK
    async with counting.begin() as tx:
        assert await Worked(session=tx).complete(claim.run_id, claim.fence, Drawn())
    async with counting.begin() as tx:
        (stale,) = await Worked(session=tx).stale(50, RESEND)
        assert stale.generation_id == other
    async with counting.begin() as tx:
        assert await Worked(session=tx).rescue(stale, RESEND)
    async with counting.begin() as tx:
        assert await Generations(session=tx).unfinished_past_deadline(50) == []
        assert await Generations(session=tx).lock_paused_too_long() is None
        assert await Uploads(session=tx).abandoned(RESEND, 50) == []
    queue = qstash.connect(token="t", base_url="http://127.0.0.1:9")
    relay = outbox.Relay(counting, queue, outbox.Destination("http://127.0.0.1:9/worker/generate"))
    assert await relay.publish_due() == BATCH
    assert counting.most.keys() == MOST_ROWS.keys()
    assert {table: rows for table, rows in counting.most.items() if rows > MOST_ROWS[table]} == {}


async def test_what_an_account_has_used_is_counted_from_its_own_orders(db: Database) -> None:
    """Not from everybody's, through whose instants PostgreSQL skips where its statistics know of few."""
    await made.queued(db)
    async with db.begin() as tx:
        for statement in MONTH:
            await tx.execute(text(statement))
        account = await tx.scalar(text("SELECT id FROM users WHERE email = '1@busy.example'"))
        plan = "\n".join(await tx.scalars(text(USED.format(account=account))))
    assert "ix_generations_admitted_at" not in plan, plan

"""Each invariant turns red when it alone is broken by hand, and stays green on work that went well or failed well."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.admission import Gate
from reelwright.generations import Assignment, Made
from reelwright.ground.errors import Refusal
from reelwright.ground.postgres import Database
from reelwright.journeys import invariants
from reelwright.journeys.workroom import Workroom
from tests.builders import Worked, an_account
from tests.journeys.conftest import Studio, deliver_all, order, waiting

MEANT = {
    "(DONE)": "(SELECT id FROM generations WHERE state = 'succeeded')",
    "(LIVE)": "(SELECT id FROM generations WHERE ended_at IS NULL)",
    "(FAILED)": "(SELECT id FROM generations WHERE state = 'failed')",
}

BREAKS: dict[str, tuple[str, ...]] = {
    "I1": (
        "UPDATE generations SET deadline_at = now() - interval '61 s' WHERE id = (LIVE)",
        "UPDATE stage_runs SET lease_until = now() - interval '61 s' WHERE state = 'running'",
        """UPDATE stage_runs SET state = 'queued', lease_until = NULL, next_attempt_at = now() - interval '1 h',
                   sent_at = now() - interval '6 min' WHERE generation_id = (LIVE)""",
        """UPDATE stage_runs SET state = 'cancelled', lease_until = NULL, finished_at = now()
             WHERE generation_id = (LIVE)""",
    ),
    "I2": (
        """INSERT INTO stage_runs (id, generation_id, stage, round, max_attempts)
            SELECT gen_random_uuid(), (FAILED), 'AUDIO_MIXING', 0, 3""",
    ),
    "I3": (
        """UPDATE usage_ledger SET call_no = 1, run_id = (SELECT id FROM stage_runs WHERE stage = 'STORY_WRITING')
            WHERE stage = 'INGESTION'""",
        """INSERT INTO usage_ledger (account_id, generation_id, run_id, fence, call_no, stage, action, provider, model,
                                      quantity, credits_micro, plan, price_version)
           SELECT account_id, generation_id, run_id, fence, 7, stage, action, provider, model, 1, 0, plan,
                  price_version FROM usage_ledger WHERE stage = 'STORY_WRITING'""",
        "UPDATE usage_ledger SET fence = fence + 1 WHERE stage = 'STORY_WRITING'",
        "UPDATE usage_ledger SET run_id = gen_random_uuid() WHERE stage = 'INGESTION'",
    ),
    "I4": ("UPDATE stage_runs SET fence = fence + 1 WHERE stage = 'AUDIO_MIXING'",),
    "I5": ("UPDATE credit_balances SET available_micro = available_micro + 1",),
    "I6": (
        "UPDATE generations SET hold_micro = hold_micro + 1 WHERE id = (LIVE)",
        "UPDATE generations SET hold_micro = hold_micro + 1 WHERE id = (DONE)",
        """UPDATE usage_ledger SET credits_micro = credits_micro + 1
             WHERE stage = 'STORY_WRITING' AND generation_id = (DONE)""",
        "UPDATE credit_journal SET generation_id = NULL WHERE kind = 'void'",
        """UPDATE credit_journal SET generation_id = (DONE) WHERE kind = 'hold' AND generation_id = (LIVE)""",
        "UPDATE generations SET units_returned_at = NULL WHERE id = (FAILED)",
        "UPDATE generations SET units_returned_at = now() WHERE id = (DONE)",
    ),
    "I7": (
        "DELETE FROM artefacts WHERE kind = 'video'",
        """INSERT INTO stage_runs (id, generation_id, stage, round, max_attempts, state, finished_at)
            SELECT gen_random_uuid(), (DONE), 'AUDIO_MIXING', 1, 3, 'cancelled', now()""",
    ),
    "I8": (
        """UPDATE artefacts SET generation_id = (FAILED),
                   run_id = (SELECT id FROM stage_runs WHERE generation_id = (FAILED) LIMIT 1) WHERE kind = 'mix'""",
        """INSERT INTO uploads (key, run_id, fence, at)
           VALUES ('nobodys', gen_random_uuid(), 1, now() - interval '121 min')""",
    ),
    "I9": (
        """INSERT INTO outbox (generation_id, run_id, body, deliver_at, published_at)
            SELECT generation_id, id, '', now() - past.late, past.sent FROM stage_runs,
                   (VALUES (interval '3 min', NULL), (interval '1 s', now())) AS past (late, sent)
             WHERE generation_id = (LIVE)""",
        """INSERT INTO outbox (generation_id, run_id, body, deliver_at, published_at)
            SELECT generation_id, id, '', now() - interval '27 h', now() - interval '27 h' FROM stage_runs
             WHERE generation_id = (LIVE)""",
    ),
    "I10": (
        """INSERT INTO purchases (id, account_id, kind, item, fingerprint, catalogue_version, state, session_id,
                                   settled_at)
            SELECT gen_random_uuid(), id, 'pack', 'pack_starter', '', 1, 'paid', 'cs_1', now() FROM users""",
        """WITH lot AS (UPDATE credit_lots SET external_ref = 'grant:purchase:checkout:cs_1'
                         WHERE id = (SELECT id FROM credit_lots LIMIT 1) RETURNING account_id)
           INSERT INTO purchases (id, account_id, kind, item, fingerprint, catalogue_version, session_id)
            SELECT gen_random_uuid(), account_id, 'pack', 'pack_starter', '', 1, 'cs_1' FROM lot""",
        """INSERT INTO payments (source, account_id, kind, granted_micro, granted_by)
            SELECT 'purchase:checkout:cs_1', id, 'pack', 1, 'purchase:checkout:cs_1' FROM users""",
        """INSERT INTO payments (source, account_id, kind, granted_micro, granted_by)
            SELECT substr(source, 7), account_id, 'plan', amount_micro + 1, substr(source, 7)
              FROM credit_journal WHERE kind = 'grant'""",
        """INSERT INTO payments (source, account_id, kind, boost_days, granted_by)
            SELECT 'purchase:checkout:cs_1:boost', id, 'boost', 30, 'purchase:checkout:cs_1' FROM users""",
        """INSERT INTO payments (source, account_id, kind, granted_by)
            SELECT source, id, 'plan', source
              FROM users, (VALUES ('invoice:in_1:a'), ('invoice:in_1:b')) AS of (source)""",
        """INSERT INTO paid_periods (source, account_id, plan, starts_at, ends_at)
            SELECT 'invoice:in_1:il_1', id, 'pro', now(), now() + interval '1 month' FROM users""",
        """INSERT INTO stripe_events (event_id, type, created, livemode, object_type, object_id, serial, payload,
                                       status, next_attempt_at, done_at)
            SELECT 'evt_' || status, 'invoice.paid', now(), false, 'invoice', 'in_1', 'cus_1', '{}', status,
                   now() - interval '3 min', done_at
              FROM (VALUES ('received', NULL), ('done', now())) AS of (status, done_at)""",
    ),
    "I11": (
        "DELETE FROM generation_events WHERE generation_id = (DONE) AND seq = 3",
        "UPDATE generation_events SET kind = 'failed' WHERE generation_id = (DONE) AND kind = 'succeeded'",
        """WITH told AS (UPDATE generations SET event_seq = event_seq + 1 WHERE id = (LIVE) RETURNING id, event_seq)
           INSERT INTO generation_events (generation_id, seq, kind, data)
           SELECT id, event_seq, 'failed', '{}' FROM told""",
    ),
    "I14": ("UPDATE generation_events SET kind = 'queued' WHERE generation_id = (DONE) AND seq = 2",),
    "I15": (
        """INSERT INTO dead_letters (id, generation_id, reason, code, attempts)
            VALUES (gen_random_uuid(), (DONE), 'bug', 'stage.bug', 5)""",
        """INSERT INTO dead_letters (id, generation_id, reason, code, attempts, successor)
            VALUES (gen_random_uuid(), (FAILED), 'bug', 'stage.bug', 5, (DONE))""",
    ),
}
TRIGGERED = ("stage_runs", "generations", "usage_ledger", "credit_journal")


class Inside:
    """A database whose every transaction is the one that is open already."""

    def __init__(self, tx: AsyncConnection) -> None:
        self._tx = tx

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[AsyncConnection]:
        yield self._tx


def _spelled(statement: str) -> str:
    for short, meant in MEANT.items():
        statement = statement.replace(short, meant)
    return statement


async def _refused(_task: Assignment) -> Made | None:
    raise Refusal("This text has fewer than twenty words: give a longer one.", code="source.too_short")


async def _played(room: Workroom, db: Database, gate: Gate, studio: Studio) -> None:
    """Leave one generation that succeeded, one that failed and one whose first run is under way."""
    account = await an_account(db)
    await order(account, db, gate)
    await deliver_all(room)
    studio.behave = _refused
    await order(account, db, gate)
    await deliver_all(room)
    await order(account, db, gate)
    (message,) = await waiting(db)
    async with db.begin() as tx:
        assert await Worked(session=tx).claim(message.run_id, lease=timedelta(minutes=1))


async def test_every_invariant_is_broken_alone(room: Workroom, db: Database, gate: Gate, studio: Studio) -> None:
    """A check that can't turn red guards nothing, and one that turns red for another's fault misleads."""
    await _played(room, db, gate, studio)
    assert await invariants.check(db) == ()

    found: dict[str, list[str]] = {}
    async with db.engine.connect() as tx:
        for table in TRIGGERED:
            await tx.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        inside = cast("Database", Inside(tx))
        for number, statements in BREAKS.items():
            for statement in statements:
                savepoint = await tx.begin_nested()
                broken = await tx.execute(text(_spelled(statement)))
                assert cast("Any", broken).rowcount, f"nothing to break: {statement}"
                found.setdefault(number, []).extend(v.number for v in await invariants.check(inside))
                await savepoint.rollback()

    assert found == {number: [number] * len(statements) for number, statements in BREAKS.items()}
    assert await invariants.check(db) == ()


def test_every_number_of_the_reference_has_a_judge() -> None:
    """A number that nobody checks must be a decision, not an oversight."""
    numbers = {one.number for one in invariants.ALL}
    assert numbers == set(BREAKS)
    assert numbers | set(invariants.NOT_ROWS) == {f"I{number}" for number in range(1, 16)}
    assert not numbers & set(invariants.NOT_ROWS)


async def test_a_breach_is_a_metric_until_it_is_mended(
    room: Workroom, db: Database, gate: Gate, studio: Studio
) -> None:
    """An operator is paged by the metric, and sees it fall back to 0."""
    await _played(room, db, gate, studio)
    name = {"invariant": "balances_follow_the_journal"}
    off_by = text("UPDATE credit_balances SET available_micro = available_micro + :micro")
    async with db.begin() as tx:
        await tx.execute(off_by, {"micro": 1})

    (breach,) = await invariants.check(db)

    assert (breach.number, breach.count) == ("I5", 1)
    assert REGISTRY.get_sample_value("reelwright_invariant_violations", name) == 1
    async with db.begin() as tx:
        await tx.execute(off_by, {"micro": -1})
    assert await invariants.check(db) == ()
    assert REGISTRY.get_sample_value("reelwright_invariant_violations", name) == 0

"""The database itself refuses what no run and no generation may do, whatever version of our code asks."""

from collections.abc import Mapping
from itertools import product

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from tests.builders import a_generation

STATES = ("queued", "running", "succeeded", "failed", "cancelled")
FROM_RUNNING = {("running", state) for state in STATES}
SAME = {(state, state) for state in STATES}
RUNS = SAME | FROM_RUNNING | {("queued", "running"), ("queued", "failed"), ("queued", "cancelled")}
GENERATIONS = RUNS - {("running", "queued")}

RUN_IN: Mapping[str, str] = {
    "queued": "lease_until = NULL, finished_at = NULL, won_fence = NULL",
    "running": "lease_until = now(), started_at = now(), finished_at = NULL, won_fence = NULL",
    "succeeded": "lease_until = NULL, started_at = now(), finished_at = now(), won_fence = fence, result = '{}'",
    "failed": "lease_until = NULL, finished_at = now(), won_fence = NULL, error_code = 'a.b'",
    "cancelled": "lease_until = NULL, finished_at = now(), won_fence = NULL",
}
GENERATION_IN: Mapping[str, str] = {
    "queued": "started_at = NULL, ended_at = NULL, failure_code = NULL, failure_sentence = NULL",
    "running": "started_at = now(), ended_at = NULL, failure_code = NULL, failure_sentence = NULL",
    "succeeded": "started_at = now(), ended_at = now(), failure_code = NULL, failure_sentence = NULL",
    "failed": "ended_at = now(), failure_code = 'a.b', failure_sentence = 'No.'",
    "cancelled": "ended_at = now(), failure_code = NULL, failure_sentence = NULL",
}
TABLES = pytest.mark.parametrize(
    ("table", "columns", "legal"),
    [("stage_runs", RUN_IN, RUNS), ("generations", GENERATION_IN, GENERATIONS)],
)


@pytest.fixture
async def one(db: Database) -> GenerationId:
    """A generation with one run: the only rows of their tables."""
    return await a_generation(db)


async def refused(tx: AsyncConnection, statement: str) -> str | None:
    """Try a statement and return the name of the constraint that refuses it; what it did is undone."""
    attempt = await tx.begin_nested()
    try:
        await tx.execute(text(statement))
    except IntegrityError as error:
        return error.orig.__cause__.constraint_name
    finally:
        await attempt.rollback()
    return None


async def put(tx: AsyncConnection, table: str, state: str, columns: Mapping[str, str]) -> None:
    """Write the row as it is in a state, past the trigger: as if it had come there by the legal way."""
    await tx.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER legal_transition"))
    await tx.execute(text(f"UPDATE {table} SET state = '{state}', {columns[state]}"))  # noqa: S608 - constants
    await tx.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER legal_transition"))


@TABLES
@pytest.mark.usefixtures("one")
async def test_every_pair_of_states_is_legal_or_refused(
    db: Database, table: str, columns: Mapping[str, str], legal: set[tuple[str, str]]
) -> None:
    """All twenty-five: the trigger alone refuses, since each row written is one that every CHECK allows."""
    passed: set[tuple[str, str]] = set()
    reasons: set[str] = set()
    async with db.begin() as tx:
        for old, new in product(STATES, STATES):
            await put(tx, table, old, columns)
            change = f"state = '{new}'" if old == new else f"state = '{new}', {columns[new]}"
            reason = await refused(tx, f"UPDATE {table} SET {change}")  # noqa: S608 - constants
            if reason is None:
                passed.add((old, new))
            else:
                reasons.add(reason)
    assert passed == legal
    assert reasons == {"legal_transition"}


@pytest.mark.usefixtures("one")
@pytest.mark.parametrize(
    ("table", "columns", "fixed", "free"),
    [
        (
            "stage_runs",
            RUN_IN,
            ("fence = fence + 1", "attempt = attempt + 1", "error_code = 'c.d'", "result = '[]'",
             "finished_at = now() + interval '1 s'", "started_at = now() + interval '1 s'"),
            ("sent_at = now()", "resends = resends + 1"),
        ),
        (
            "generations",
            GENERATION_IN,
            ("ended_at = now() + interval '1 s'", "gate = '[]'", "hold_micro = hold_micro + 1",
             "started_at = now() + interval '1 s'"),
            ("event_seq = event_seq + 1", "units_returned_at = now()", "request_id = NULL"),
        ),
    ],
)  # fmt: skip
async def test_what_has_ended_changes_only_in_bookkeeping(
    db: Database, table: str, columns: Mapping[str, str], fixed: tuple[str, ...], free: tuple[str, ...]
) -> None:
    async with db.begin() as tx:
        for state in ("succeeded", "failed", "cancelled"):
            await put(tx, table, state, columns)
            answers = [await refused(tx, f"UPDATE {table} SET {change}") for change in (*fixed, *free)]  # noqa: S608
            assert answers == ["legal_transition"] * len(fixed) + [None] * len(free), state


@pytest.mark.usefixtures("one")
async def test_a_fence_never_falls(db: Database) -> None:
    """Whoever was fenced off once stays fenced off, whatever else goes wrong."""
    async with db.begin() as tx:
        await tx.execute(text("UPDATE stage_runs SET fence = 5"))
        assert await refused(tx, "UPDATE stage_runs SET fence = 4") == "legal_transition"
        assert await refused(tx, "UPDATE stage_runs SET fence = 5") is None
        assert await refused(tx, "UPDATE stage_runs SET fence = 6") is None


async def test_a_generation_dies_once_and_takes_its_letter_along(db: Database, one: GenerationId) -> None:
    letter = (
        "INSERT INTO dead_letters (id, generation_id, reason, code, attempts)"
        " VALUES (gen_random_uuid(), '{}', '{}', 'a.b', {})"
    )
    async with db.begin() as tx:
        assert await refused(tx, letter.format(one, "boredom", 1)) == "ck_dead_letters_reason"
        assert await refused(tx, letter.format(one, "bug", -1)) == "ck_dead_letters_attempts"
        await tx.execute(text(letter.format(one, "bug", 1)))
        assert await refused(tx, letter.format(one, "deadline", 2)) == "uq_dead_letters_generation_id"
        await tx.execute(text("DELETE FROM generations"))
        assert await tx.scalar(text("SELECT count(*) FROM dead_letters")) == 0

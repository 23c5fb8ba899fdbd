"""Counting requests slows nothing down, breaks nothing, and says what it lost."""

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger
from reelwright.ground import postgres
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.ledger import Recorder
from tests.waiting import wait_until

NOW = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
ONE, TWO = AccountId(uuid4()), AccountId(uuid4())


def asked(recorder: Recorder, account: AccountId = ONE, *, times: int = 1, route: str = "GET /v1/limits") -> None:
    for _ in range(times):
        recorder.asked(account, route=route, outcome="answered", at=NOW)


async def counted(db: Database) -> tuple[int, int]:
    """How many requests are counted, and how many are known to be lost."""
    async with db.begin() as tx:
        kept = await ledger.requests(tx, first=NOW.date(), last=NOW.date())
        lost = await ledger.tracking_failures(tx, first=NOW.date(), last=NOW.date())
    return sum(one.requests for one in kept), sum(one.lost for one in lost)


@pytest.fixture
async def away() -> AsyncGenerator[Database]:
    """A PostgreSQL that isn't there."""
    nowhere = postgres.connect("postgresql://nobody@127.0.0.1:9/nothing")
    yield nowhere
    await nowhere.close()


async def waits_for_a_lock(tx: AsyncConnection) -> bool:
    return await tx.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")) > 0


async def test_what_is_asked_is_counted_by_account_day_and_route(db: Database) -> None:
    recorder = Recorder(db)
    asked(recorder, times=3)
    asked(recorder, TWO)
    asked(recorder, TWO, route="POST /v1/create")
    recorder.asked(ONE, route="GET /v1/limits", outcome="refused", at=NOW + timedelta(hours=1))
    await recorder.write()
    asked(recorder)
    await recorder.write()
    async with db.begin() as tx:
        found = await ledger.requests(tx, first=NOW.date(), last=NOW.date())
        next_day = await ledger.requests(
            tx, first=(NOW + timedelta(days=1)).date(), last=(NOW + timedelta(days=1)).date()
        )
    assert [(one.route, one.requests, one.accounts) for one in found] == [
        ("GET /v1/limits", 5, 2),
        ("POST /v1/create", 1, 1),
    ]
    assert [(one.outcome, one.requests) for one in next_day] == [("refused", 1)]


async def test_u8_what_doesnt_fit_is_counted_as_lost_and_the_request_goes_on(db: Database) -> None:
    recorder = Recorder(db, most=2)
    for n in range(5):
        asked(recorder, route=f"GET /{n}", times=2)
    asked(recorder, route="GET /0")
    await recorder.write()
    assert await counted(db) == (5, 6)
    asked(recorder, route="GET /4")
    await recorder.write()
    assert await counted(db) == (6, 6)


async def test_u9_counting_takes_microseconds_while_postgresql_stalls(db: Database) -> None:
    """Somebody holds the table; the writer waits, the requests don't, and nothing is lost."""
    recorder = Recorder(db, every_s=0.001)
    took = list[float]()
    async with recorder.running(), db.begin() as stall:
        await stall.execute(text("LOCK TABLE requests_daily IN ACCESS EXCLUSIVE MODE"))
        asked(recorder)
        await wait_until(lambda: waits_for_a_lock(stall))
        for n in range(5_000):
            began = time.perf_counter()
            asked(recorder, AccountId(uuid4()) if n % 2 else ONE)
            took.append(time.perf_counter() - began)
    assert await counted(db) == (5_001, 0)
    assert sorted(took)[len(took) // 2] < 50e-6


async def test_u10_what_is_waiting_at_the_end_is_written(db: Database) -> None:
    recorder = Recorder(db, every_s=3600)
    async with recorder.running():
        asked(recorder, times=4)
        assert await counted(db) == (0, 0)
    assert await counted(db) == (4, 0)


async def test_what_could_not_be_written_waits_and_is_written_once(db: Database, away: Database) -> None:
    recorder = Recorder(away)
    asked(recorder, times=4)
    await recorder.write()
    recorder._db = db
    asked(recorder)
    await recorder.write()
    await recorder.write()
    assert await counted(db) == (5, 0)


async def test_an_end_without_postgresql_is_short_and_says_what_is_lost(
    away: Database, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(away, every_s=3600)
    async with asyncio.timeout(8), recorder.running():
        asked(recorder, times=4)
    assert "'reason': 'shutdown', 'requests': 4" in caplog.text


async def test_a_bug_in_the_writing_costs_figures_and_is_told(
    db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(db)
    asked(recorder, times=2)
    with monkeypatch.context() as broken:
        broken.setattr("reelwright.ledger.recorder._ADD", text("SELECT 1 / 0"))
        await recorder.write()
    asked(recorder)
    await recorder.write()
    assert await counted(db) == (1, 2)
    assert "usage.recording_failed" in caplog.text

"""An order whose commit nobody answered is decided by the rows, and never both undone and run."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger
from reelwright.accounts import Account, Accounts
from reelwright.admission import Admitted, Gate, NotAdmitted, Order, Replayed
from reelwright.billing import PLANS, Plan
from reelwright.generations import Generations
from reelwright.ground import clock, telemetry, tracing
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database
from reelwright.journeys import allowances
from tests.builders import an_account
from tests.journeys.conftest import order, waiting


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db, Plan.PRO)


class Cut(Exception):  # noqa: N818 - the connection's end, not an error of ours
    """Ends a transaction before its commit."""


def cutting(db: Database, monkeypatch: pytest.MonkeyPatch, *, committed: bool) -> None:
    """Lose the connection at the next order's end: after the server has committed it, or before it came to that."""
    real = Database.begin

    @asynccontextmanager
    async def begin(self: Database) -> AsyncGenerator[AsyncConnection]:
        wrote = False
        try:
            async with real(self) as tx:
                yield tx
                wrote = bool(await tx.scalar(text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")))
                if wrote and not committed:
                    raise Cut  # noqa: TRY301 - it must leave the real block
        except Cut:
            monkeypatch.undo()
            raise Outage("The database is not answering.", code="database.unavailable") from None
        if wrote:
            monkeypatch.undo()
            raise Outage("The database is not answering.", code="database.unavailable")

    monkeypatch.setattr(Database, "begin", begin)
    monkeypatch.setattr(Database, "single", begin)


async def standing(db: Database, gate: Gate, account: Account) -> tuple[int, int, int, int]:
    """Generations that exist, units and leases that Redis counts, and micro-credits held."""
    async with db.begin() as tx:
        exist = await tx.scalar(text("SELECT count(*) FROM generations")) or 0
        held = (await ledger.balance(tx, account=account.id)).held_micro
    rows = {row.policy.value: row.used for row in (await gate.peek(account.id, now=clock.now())).standings}
    return exist, rows["generations_month"], rows["concurrent"], held


async def test_e37_a_commit_that_happened_unheard_is_a_start(
    db: Database, gate: Gate, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    cutting(db, monkeypatch, committed=True)

    started = await order(account, db, gate, key="unheard")

    assert started.admitted is not None
    exist, units, leases, held = await standing(db, gate, account)
    assert (exist, units, leases) == (1, 1, 1)
    assert held == started.price_micro > 0


async def test_e37_a_commit_that_never_happened_gives_everything_back(
    db: Database, gate: Gate, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    cutting(db, monkeypatch, committed=False)

    with pytest.raises(Outage):
        await order(account, db, gate, key="never")

    assert await standing(db, gate, account) == (0, 0, 0, 0)
    again = await order(account, db, gate, key="never")
    assert again.admitted is not None
    assert (await standing(db, gate, account))[:3] == (1, 1, 1)


async def test_e48_an_order_is_written_under_the_plan_that_it_was_admitted_by(
    db: Database, gate: Gate, account: Account
) -> None:
    """The request had read the account before its plan changed: the gate asks again, and the row says what it heard."""
    async with db.begin() as tx:
        await Accounts(session=tx).set_plan(account.id, Plan.STANDARD.value)

    started = await order(account, db, gate)

    assert started.admitted is not None
    async with db.begin() as tx:
        found = await Generations(session=tx).get(account.id, started.generation_id)
    assert found is not None
    assert found.plan == "standard"


def refused(policy: str) -> float:
    return telemetry.REFUSALS.labels(policy)._value.get()


async def test_a_refusal_is_counted_once_by_its_policy(db: Database, gate: Gate, redis: Redis) -> None:
    """Whoever said no: Redis, or the rows after Redis had forgotten."""
    basic = await an_account(db, Plan.BASIC)
    await order(basic, db, gate)
    before, month = refused("concurrent"), refused("generations_month")
    with pytest.raises(NotAdmitted):
        await order(basic, db, gate)
    assert refused("concurrent") == before + 1
    with pytest.raises(NotAdmitted):
        await order(basic, db, Wiped(gate, redis))  # type: ignore[arg-type]
    assert refused("concurrent") == before + 2
    assert refused("generations_month") == month


class Wiped:
    """A gate whose Redis forgets the account's leases just before it decides."""

    def __init__(self, gate: Gate, redis: Redis) -> None:
        self._gate, self._redis = gate, redis

    def __getattr__(self, name: str) -> object:
        return getattr(self._gate, name)

    async def admit(self, asked: Order, *, now: datetime) -> Admitted | Replayed:
        leases = [key async for key in self._redis.scan_iter("app:conc:*:leases")]
        await self._redis.delete(*leases)
        return await self._gate.admit(asked, now=now)


async def test_a_start_leaves_one_line_with_its_ids_and_its_trace_in_the_message(
    db: Database, gate: Gate, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    spans = InMemorySpanExporter()
    tracing.configure("test", endpoint=None, processor=SimpleSpanProcessor(spans))
    try:
        with caplog.at_level("INFO", logger="journeys.creation"):
            started = await order(account, db, gate)
    finally:
        tracing.close()

    lines: list[Any] = [record.msg for record in caplog.records if record.name == "journeys.creation"]
    (line,) = [line for line in lines if line["event"] == "generation.queued"]
    ids = {
        "generation_id": str(started.generation_id),
        "account_id": str(account.id),
        "draft_id": str(started.draft_id),
    }
    assert ids.items() <= line.items()
    assert "Cats" not in caplog.text
    (message,) = await waiting(db)
    (span,) = spans.get_finished_spans()
    assert message.traceparent is not None
    assert span.context is not None
    assert (span.name, f"{span.context.trace_id:032x}") == ("generation.start", message.traceparent.split("-")[1])


async def test_an_order_right_behind_a_months_turn_is_paid_by_the_new_month(db: Database, gate: Gate) -> None:
    """The chore that gives the month's credits comes by later; the order doesn't wait for it, nor get them twice."""
    async with db.begin() as tx:
        account = await Accounts(session=tx).create(email="early@example.com", plan="standard")
        assert (await ledger.balance(tx, account=account.id)).available_micro == 0

    started = await order(account, db, gate)

    async with db.begin() as tx:
        balance = await ledger.balance(tx, account=account.id)
    assert balance.held_micro == started.price_micro > 0
    assert balance.available_micro + balance.held_micro == PLANS[Plan.STANDARD].credits_month_micro
    assert await allowances.refill_due(db=db, now=clock.now()) == 0

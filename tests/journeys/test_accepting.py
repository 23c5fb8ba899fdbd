"""An order written in one statement is the order written step by step, and one that doesn't stand leaves nothing."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.admission import Gate, NotAdmitted
from reelwright.billing import Plan
from reelwright.generations import GenerationKind
from reelwright.ground.postgres import Database
from reelwright.journeys import accepting, creation
from reelwright.ledger import CreditsInsufficient
from tests.builders import an_account
from tests.journeys.conftest import order

TABLES = {
    "generations": "id = :generation",
    "drafts": "id = (SELECT draft_id FROM generations WHERE id = :generation)",
    "generation_events": "generation_id = :generation",
    "stage_runs": "generation_id = :generation",
    "outbox": "generation_id = :generation",
    "credit_holds": "generation_id = :generation",
    "credit_journal": "generation_id = :generation",
    "credit_balances": "account_id = (SELECT account_id FROM generations WHERE id = :generation)",
    "credit_lots": "account_id = (SELECT account_id FROM generations WHERE id = :generation)",
}


async def written(db: Database, generation: UUID) -> dict[str, list[dict[str, Any]]]:
    """Return all that an order wrote, table by table, with ids, instants and numbers of rows left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    async with db.begin() as tx:
        for table, where in TABLES.items():
            statement = text(f"SELECT to_jsonb(t) AS row FROM {table} t WHERE {where}")  # noqa: S608 - constants
            rows = (await tx.scalars(statement, {"generation": generation})).all()
            found[table] = [{name: _alike(name, value) for name, value in row.items()} for row in rows]
    return found


def _alike(name: str, value: object) -> object:
    own = name in {"id", "at", "source", "external_ref", "body", "lot_ids", "fingerprint"} or name.endswith(
        ("_id", "_at")
    )
    return (value is not None) if own else value


@pytest.mark.parametrize("kind", [GenerationKind.SCRIPT, GenerationKind.VIDEO])
async def test_both_ways_write_the_same(
    db: Database, gate: Gate, monkeypatch: pytest.MonkeyPatch, kind: GenerationKind
) -> None:
    """Column by column, of every table that an order touches."""
    account, other = await an_account(db, Plan.PRO), await an_account(db, Plan.PRO)
    at_once = await order(account, db, gate, key="a", kind=kind)
    monkeypatch.setattr(creation, "_USUAL", ())
    by_steps = await order(other, db, gate, key="a", kind=kind)

    one, two = await written(db, at_once.generation_id), await written(db, by_steps.generation_id)

    assert one == two
    assert all(one.values())


async def test_what_does_not_stand_leaves_nothing_and_says_why(
    db: Database, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement itself knows no reasons: it undoes itself, and the order is weighed step by step."""
    poor, tried = await an_account(db, Plan.BASIC), list[Account]()
    async with db.begin() as tx:
        await tx.execute(text("UPDATE credit_lots SET remaining_micro = 0 WHERE account_id = :a"), {"a": poor.id})
        await tx.execute(text("UPDATE credit_balances SET available_micro = 0 WHERE account_id = :a"), {"a": poor.id})
    real = accepting.at_once

    async def counted(*given: Any, **named: Any) -> None:
        tried.append(poor)
        await real(*given, **named)

    monkeypatch.setattr(accepting, "at_once", counted)
    with pytest.raises(CreditsInsufficient):
        await order(poor, db, gate)

    assert tried
    async with db.begin() as tx:
        for table in ("generations", "drafts", "outbox", "credit_holds"):
            assert await tx.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608 - constants


async def test_the_last_word_is_spoken_within_the_statement(
    db: Database, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One order more than the plan lets live at once, which Redis has forgotten: undone by what the rows say."""
    account = await an_account(db, Plan.BASIC)
    await order(account, db, gate, key="first")
    stood: list[bool] = []
    real = accepting.at_once

    async def watched(*given: Any, **named: Any) -> None:
        stood.append(False)
        await real(*given, **named)
        stood[-1] = True

    async def forgetful(*given: Any, **named: Any) -> Any:
        await gate.forget(account.id, now=named["now"])
        await gate.release(account.id, started)
        return await admit(*given, **named)

    async with db.begin() as tx:
        started = await tx.scalar(text("SELECT id FROM generations"))
    admit = gate.admit
    monkeypatch.setattr(accepting, "at_once", watched)
    monkeypatch.setattr(gate, "admit", forgetful)
    with pytest.raises(NotAdmitted):
        await order(account, db, gate, key="second")

    assert stood == [False]

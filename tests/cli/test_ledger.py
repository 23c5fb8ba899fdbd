"""`reelwright admin ledger verify` as operators run it: on the real database, in words or JSON, with an exit code."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator

import pytest
from sqlalchemy import text

from reelwright import cli, ledger
from reelwright.ground import log
from reelwright.ground.postgres import Database
from tests.rooms.generations import made

Run = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    monkeypatch.setenv("DATABASE_URL", database_url)

    def called(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["reelwright", "admin", "ledger", "verify", *words])
        try:
            cli.main()
        except SystemExit as left:
            return int(left.code or 0)
        raise AssertionError("main always exits")

    async def ran(*words: str) -> tuple[int, str]:
        return await asyncio.to_thread(called, *words), capsys.readouterr().out

    yield ran
    log.configure(as_json=True)


async def test_books_that_balance_are_said_to_and_how_large_they_are(run: Run, db: Database) -> None:
    assert await run() == (0, "the books balance: 0 accounts, 0 lines\n")
    async with db.begin() as tx:
        work = await made.generation(tx, owner := await made.account(tx))
        await ledger.grant(tx, account=owner, micro=50, source="a")
        await ledger.hold(tx, account=owner, generation=work, micro=20)

    assert await run() == (0, "the books balance: 1 accounts, 2 lines\n")
    code, out = await run("--json")
    assert (code, json.loads(out)) == (0, {"accounts": 1, "lines": 2, "violations": [], "balanced": True})


async def test_what_is_broken_is_named_and_the_exit_code_says_so(run: Run, db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        await ledger.grant(tx, account=owner, micro=50, source="a")
        await tx.execute(text("UPDATE credit_balances SET available_micro = 51"))
        await tx.execute(text("INSERT INTO usage_rollups (book, upto) VALUES ('usage_ledger', 0)"))
        await tx.execute(
            text(
                "INSERT INTO usage_daily (account_id, day, action, provider, model, plan, outcome, calls)"
                " VALUES (:owner, '2026-03-01', 'story', 'x', 'y', 'pro', 'succeeded', 1)"
            ),
            {"owner": owner},
        )

    code, out = await run()
    assert code == 1
    assert f"I2 balances are what the journal adds up to: {owner}\n" in out
    assert f"U12 daily figures are what both books add up to: {owner} 2026-03-01 story x succeeded\n" in out
    assert out.endswith("violations, 1 accounts, 1 lines\n")

    code, out = await run("--json")
    told = json.loads(out)
    assert (code, told["balanced"]) == (1, False)
    assert {"invariant": "I2 balances are what the journal adds up to", "fact": str(owner)} in told["violations"]

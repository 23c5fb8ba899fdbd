"""`reelwright admin dead-letters` as operators run it: on the real database, with tables, JSON and exit codes."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelwright import cli
from reelwright.accounts import Account
from reelwright.generations import DeadLetters, Generations, GenerationState, Stage, Unit
from reelwright.ground import log
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import dead_letters
from tests.builders import a_generation, an_account

SPEECH = Unit(stage=Stage.TTS_GENERATION, scene=2)


@dataclass(frozen=True)
class Ran:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Awaitable[Ran]]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    monkeypatch.setenv("DATABASE_URL", database_url)

    def called(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["reelwright", "admin", "dead-letters", *words])
        try:
            cli.main()
        except SystemExit as left:
            return int(left.code or 0)
        raise AssertionError("main always exits")

    async def ran(*words: str, columns: int = 80) -> Ran:
        monkeypatch.setenv("COLUMNS", str(columns))
        code = await asyncio.to_thread(called, *words)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    yield ran
    log.configure(as_json=True)


async def died(db: Database, account: Account, code: str = "provider.away") -> tuple[GenerationId, str]:
    """Return a generation that failed at its start, and its letter's id."""
    generation = await a_generation(db, account=account)
    async with db.begin() as tx:
        generations, letters = Generations(session=tx), DeadLetters(session=tx)
        sentence = "A voice could not be made."
        await generations.finish(
            generation, GenerationState.FAILED, failure_code=code, failure_sentence=sentence, units_back=True
        )
        await letters.add(
            generation_id=generation,
            unit=SPEECH,
            run_id=SPEECH.run_id(generation),
            reason="exhausted",
            code=code,
            attempts=5,
        )
        (letter,) = [one for one in await letters.list(99) if one.generation_id == generation]
    return generation, str(letter.id)


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db)


async def heirs(db: Database) -> int:
    async with db.begin() as tx:
        return await tx.scalar(text("SELECT count(*) FROM generations WHERE resumes IS NOT NULL")) or 0


async def test_nothing_has_died(run: Run, db: Database) -> None:
    ran = await run("list")
    assert (ran.code, ran.out) == (0, "Nothing has died: there are no dead letters.\n")
    assert (await run("list", "--json")).json == {"dead_letters": [], "more": False}
    assert (await run("redrive", "--all")).out == "There is nothing to redrive.\n"


async def test_a_list_names_what_died_and_its_id_can_be_copied(run: Run, db: Database, account: Account) -> None:
    _, letter = await died(db, account)
    ran = await run("list")
    assert ran.code == 0
    assert letter in ran.out
    wide = (await run("list", columns=160)).out
    assert "provider.away" in wide
    assert "TTS_GENERATION scene 2" in wide
    told = (await run("list", "--json")).json["dead_letters"]
    assert [(one["id"], one["kind"], one["stage"], one["scene"], one["open"]) for one in told] == [
        (letter, "generation", "TTS_GENERATION", 2, True)
    ]


async def test_one_is_shown_with_its_runs_and_the_next_step(run: Run, db: Database, account: Account) -> None:
    generation, letter = await died(db, account)
    ran = await run("show", letter)
    assert ran.code == 0
    for fact in (letter, str(generation), str(account.id), "exhausted: provider.away, after 5 attempts", "INGESTION"):
        assert fact in ran.out, fact
    assert "redrive" in ran.out.splitlines()[-1]
    told = (await run("show", letter, "--json")).json
    assert told["generation"]["failure_code"] == "provider.away"
    assert [one["unit"]["stage"] for one in told["runs"]] == ["INGESTION"]


async def test_a_redrive_says_what_goes_on_and_who_asked_is_logged(run: Run, db: Database, account: Account) -> None:
    _, letter = await died(db, account)
    ran = await run("redrive", letter)
    assert ran.code == 0
    shown = (await dead_letters.show(letter, db=db)).dead_letter
    assert ran.out == f"{letter}: generation {shown.successor} goes on\n"
    assert "dead_letter.redriven" in ran.err
    assert "command line" in ran.err
    again = await run("redrive", letter, "--json")
    assert again.json == {"redriven": [{"id": letter, "generation_id": str(shown.successor), "repeated": True}]}
    assert await heirs(db) == 1
    assert "redriven" in (await run("list", "--all", columns=160)).out


async def test_all_of_a_code_but_only_when_it_is_meant(
    run: Run, db: Database, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, away = await died(db, account)
    _, bug = await died(db, account, code="stage.bug")
    tried = await run("redrive", "--all", "--code", "stage.bug", "--dry-run")
    assert (tried.code, await heirs(db)) == (0, 0)
    assert bug in tried.out
    assert away not in tried.out
    assert "nothing was changed" in tried.out

    done = await run("redrive", "--all", "--code", "stage.bug", "--json")

    assert (done.code, [one["id"] for one in done.json["redriven"]]) == (0, [bug])
    assert [entry.id for entry in await dead_letters.every(code=None, db=db)] == [away]


async def test_a_refusal_is_told_with_its_reason_and_exit_code_2(run: Run, db: Database, account: Account) -> None:
    _, letter = await died(db, account)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE credit_balances SET available_micro = 0"))
    ran = await run("redrive", letter)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert f"{letter}: not redriven, credits.insufficient" in ran.out
    assert "1 of 1 could not be redriven" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("redrive",), "IDS: Give the ids"),
        (("redrive", "--all", "x"), "IDS: Give the ids"),
        (("redrive", "--code", "c", "x"), "--code"),
        (("show", str(uuid4())), "no such dead letter"),
        (("show", "7"), "no such dead letter"),
        (("redrive", "nonsense", "--dry-run"), "no such dead letter"),
    ],
)
async def test_a_wrong_call_is_one_line_and_exit_code_2(
    words: tuple[str, ...], said: str, run: Run, db: Database
) -> None:
    ran = await run(*words)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


async def test_a_database_that_is_away_is_exit_code_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    ran = await run("list")
    assert (ran.code, ran.out, ran.err) == (1, "", "reelwright: The database is not answering.\n")

"""`reelwright admin create-key` and `set-password` as operators run them, on the real database."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator

import pytest

from reelwright import cli
from reelwright.accounts import Account, Accounts, Passwords, Sessions, SignIns
from reelwright.ground import log
from reelwright.ground.postgres import Database
from tests.builders import an_account

Run = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setattr("reelwright.cli.keys._MEMORY_KIB", 8)

    def called(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["reelwright", "admin", *words])
        try:
            cli.main()
        except SystemExit as left:
            return int(left.code or 0)
        raise AssertionError("main always exits")

    async def ran(*words: str) -> tuple[int, str]:
        code = await asyncio.to_thread(called, *words)
        said = capsys.readouterr()
        return code, said.out + said.err

    yield ran
    log.configure(as_json=True)


@pytest.fixture
async def ada(db: Database) -> Account:
    return await an_account(db)


async def test_a_key_is_made_for_what_it_is_to_do(run: Run, db: Database, ada: Account) -> None:
    code, out = await run(
        *("create-key", ada.email, "--scope", "drafts:read", "--scope", "media:write", "--name", "ci", "--json")
    )
    assert code == 0
    async with db.begin() as tx:
        caller = await Accounts(session=tx).by_api_key(json.loads(out)["api_key"])
        names = [key.name for key in await Accounts(session=tx).keys(ada.id)]
    assert caller is not None
    assert (caller.account.id, caller.scopes, names[0]) == (ada.id, ("drafts:read", "media:write"), "ci")
    code, out = await run("create-key", ada.email)
    assert code == 0
    assert "rw_test_" in out


async def test_a_password_is_set_and_ends_what_was_open(
    run: Run, db: Database, ada: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELWRIGHT_NEW_PASSWORD", "a lovely long pass phrase")
    code, out = await run("set-password", ada.email)
    assert (code, "pass phrase" in out) == (0, False)
    async with db.begin() as tx:
        known = await SignIns(tx).of(ada.id)
        assert known is not None
        opened = await Sessions(tx).open(ada.id, password_hash=known.password_hash or "", agent="a")
    assert opened is not None
    assert await Passwords(memory_kib=8).is_right(known.password_hash, "a lovely long pass phrase")
    assert (await run("set-password", ada.email))[0] == 0
    async with db.begin() as tx:
        assert await Sessions(tx).listed(ada.id, limit=9) == []


@pytest.mark.parametrize("words", [("create-key", "nobody@example.com"), ("set-password", "nobody@example.com")])
async def test_an_unknown_address_is_said_to_be(
    run: Run, db: Database, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELWRIGHT_NEW_PASSWORD", "a lovely long pass phrase")
    code, out = await run(*words)
    assert code == 2
    assert "No account has this address" in out


async def test_a_weak_password_is_refused_here_too(run: Run, ada: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWRIGHT_NEW_PASSWORD", "password1")
    code, out = await run("set-password", ada.email)
    assert code == 2
    assert "choose another" in out

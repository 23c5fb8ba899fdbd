"""Telling: once a kind and key, in the caller's transaction, and out by what the account has chosen."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelwright import notices
from reelwright.accounts import Account
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.notices import Kind, Wanted
from tests.builders import an_account


async def told(db: Database, account: Account, key: str = "one", **more: bool) -> bool:
    async with db.begin() as tx:
        return await notices.tell(
            tx, account_id=account.id, kind="low_balance", key=key, facts={"balance_micro": 7}, **more
        )


async def rows(db: Database, table: str = "notices") -> list[dict[str, object]]:
    async with db.begin() as tx:
        return [dict(row) for row in (await tx.execute(text(f"SELECT * FROM {table}"))).mappings()]  # noqa: S608


async def test_the_same_is_told_once_however_many_say_it_at_the_same_time(db: Database) -> None:
    account = await an_account(db)
    answers = await asyncio.gather(*(told(db, account) for _ in range(6)))
    assert sorted(answers) == [False] * 5 + [True]
    assert not await told(db, account)
    assert await told(db, account, "another")
    assert len(await rows(db)) == 2


async def test_what_is_rolled_back_was_never_told(db: Database) -> None:
    account = await an_account(db)
    with pytest.raises(ZeroDivisionError):
        async with db.begin() as tx:
            await notices.tell(tx, account_id=account.id, kind="low_balance", key="one", facts={})
            raise ZeroDivisionError
    assert await rows(db) == []
    assert await told(db, account)


async def test_a_quiet_one_goes_nowhere_and_keeps_the_loud_one_away(db: Database) -> None:
    account = await an_account(db)
    assert await told(db, account, quiet=True)
    assert not await told(db, account)
    assert [row["mail_state"] for row in await rows(db)] == ["none"]


async def test_choices_decide_how_a_kind_goes_out(db: Database) -> None:
    account = await an_account(db)
    async with db.begin() as tx:
        before = await notices.preferences(tx, account.id)
        await notices.choose(tx, account.id, {Kind.LOW_BALANCE: {"mail": False, "webhook": True}})
        after = await notices.preferences(tx, account.id)
    assert before[Kind.LOW_BALANCE] == Wanted(mail=True, webhook=True)
    assert before[Kind.GENERATION_SUCCEEDED] == Wanted(mail=False, webhook=True)
    assert after == before | {Kind.LOW_BALANCE: Wanted(mail=False, webhook=True)}
    assert await told(db, account)
    assert [row["mail_state"] for row in await rows(db)] == ["none"]


async def test_an_unknown_kind_and_too_many_facts_are_bugs(db: Database) -> None:
    async with db.begin() as tx:
        for kind, facts in (("birthday", {}), ("low_balance", {"much": "x" * 16_000})):
            with pytest.raises(ValueError, match=r"birthday|16\d\d\d bytes"):
                await notices.tell(tx, account_id=AccountId(uuid4()), kind=kind, key="k", facts=facts)


async def test_what_cannot_come_again_is_forgotten_and_what_keeps_repeats_away_is_not(db: Database) -> None:
    account = await an_account(db)
    async with db.begin() as tx:
        for kind in ("generation_succeeded", "generation_failed", "generation_cancelled", "low_balance"):
            await notices.tell(tx, account_id=account.id, kind=kind, key="k", facts={})
        await tx.execute(text("UPDATE notices SET told_at = told_at - interval '31 days'"))
        assert await notices.forget(tx) == 3
    assert [row["kind"] for row in await rows(db)] == ["low_balance"]

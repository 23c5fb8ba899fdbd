"""A request's repeats: of two at once one makes the thing, and the other is told what it was."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from reelwright.accounts import Accounts, KeyReused, Replays, RequestKey
from reelwright.ground.ids import AccountId, fresh
from reelwright.ground.postgres import Database
from tests.waiting import wait_until

_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO replays%'"
    " AND datname = current_database()"
)
WANTED = RequestKey(scope="POST /v1/things", key_hash=b"k" * 32, fingerprint=b"f" * 32)


async def _account(db: Database) -> AccountId:
    async with db.begin() as tx:
        return (await Accounts(session=tx).create(email="someone@example.com")).id


async def _claim(db: Database, account: AccountId, request: RequestKey | None, made: UUID) -> UUID | None:
    async with db.begin() as tx:
        return await Replays(session=tx).claim(account, request, made)


async def test_a_repeat_is_told_what_the_first_made_and_another_request_is_refused(db: Database) -> None:
    account, made = await _account(db), fresh()

    assert await _claim(db, account, WANTED, made) is None
    assert await _claim(db, account, WANTED, fresh()) == made
    other = RequestKey(scope=WANTED.scope, key_hash=WANTED.key_hash, fingerprint=b"g" * 32)
    with pytest.raises(KeyReused):
        await _claim(db, account, other, fresh())
    elsewhere = RequestKey(scope="POST /v1/others", key_hash=WANTED.key_hash, fingerprint=b"g" * 32)
    assert await _claim(db, account, elsewhere, fresh()) is None
    assert await _claim(db, account, None, fresh()) is None


async def test_the_second_of_two_at_once_waits_for_the_first_one_s_end(db: Database) -> None:
    account, made = await _account(db), fresh()

    async def waits() -> bool:
        async with db.begin() as tx:
            return bool(await tx.scalar(_WAITING))

    async with db.begin() as tx:
        assert await Replays(session=tx).claim(account, WANTED, made) is None
        second = asyncio.create_task(_claim(db, account, WANTED, fresh()))
        await wait_until(waits)
    assert await second == made


async def test_what_is_undone_was_never_claimed_and_what_is_old_is_forgotten(db: Database) -> None:
    account = await _account(db)
    with pytest.raises(ZeroDivisionError):
        async with db.begin() as tx:
            await Replays(session=tx).claim(account, WANTED, fresh())
            raise ZeroDivisionError
    assert await _claim(db, account, WANTED, fresh()) is None

    async with db.begin() as tx:
        assert await Replays(session=tx).forget(timedelta(hours=1)) == 0
    async with db.begin() as tx:
        assert await Replays(session=tx).forget(timedelta(0)) == 1
    assert await _claim(db, account, WANTED, fresh()) is None

"""Sessions and proofs as rows: what a race, a crowd and time make of them."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelwright.accounts import (
    Account,
    AccountChanged,
    Accounts,
    Caller,
    Passwords,
    Proofs,
    Purpose,
    SessionId,
    Sessions,
    SignIns,
)
from reelwright.ground.ids import ApiKeyId
from reelwright.ground.postgres import Database
from reelwright.journeys import identity
from tests.builders import an_account

PASSWORDS = Passwords(memory_kib=8)
KNOWN = "$argon2id$v=19$m=8,t=2,p=1$c29tZXNhbHQ$aGFzaA"


@pytest.fixture
async def owner(db: Database) -> Account:
    account = await an_account(db)
    async with db.begin() as tx:
        await SignIns(tx).set_password(account.id, KNOWN)
    return account


async def opened(db: Database, owner: Account) -> tuple[SessionId, str]:
    async with db.begin() as tx:
        begun = await Sessions(tx).open(owner.id, password_hash=KNOWN, agent="a")
    assert begun is not None
    return begun


async def test_nobody_is_let_in_by_a_password_that_was_changed_meanwhile(db: Database, owner: Account) -> None:
    async with db.begin() as tx:
        await SignIns(tx).set_password(owner.id, KNOWN + "1")
        assert await Sessions(tx).open(owner.id, password_hash=KNOWN, agent="a") is None
        await SignIns(tx).rehash(owner.id, stale=KNOWN, fresh=KNOWN + "2")
        found = await SignIns(tx).of(owner.id)
    assert found is not None
    assert found.password_hash == KNOWN + "1"


async def test_of_two_changes_of_one_version_the_second_is_refused(db: Database, owner: Account) -> None:
    async with db.begin() as tx:
        found = await SignIns(tx).of(owner.id)
        assert found is not None
        assert await SignIns(tx).set_password(owner.id, KNOWN, expected=found.version) == found.version + 1
        with pytest.raises(AccountChanged):
            await SignIns(tx).set_password(owner.id, KNOWN, expected=found.version)


async def test_the_newest_fifty_sessions_live_on(db: Database, owner: Account) -> None:
    first, token = await opened(db, owner)
    for _ in range(49):
        await opened(db, owner)
    assert (await identity.of_session(token, db=db)) is not None
    await opened(db, owner)
    assert await identity.of_session(token, db=db) is None
    async with db.begin() as tx:
        kept = await Sessions(tx).listed(owner.id, limit=100)
    assert len(kept) == 50
    assert first not in {one.id for one in kept}


async def test_a_session_is_found_by_its_whole_token_and_by_none_of_what_is_kept(db: Database, owner: Account) -> None:
    session_id, token = await opened(db, owner)
    caller = await identity.of_session(token, db=db)
    assert caller == Caller(account=owner, scopes=("*",), session_id=session_id, recent=True)
    async with db.begin() as tx:
        kept = await tx.scalar(text("SELECT encode(token_hash, 'hex') FROM sessions"))
    for wrong in (kept, kept[:43], token[:-1], token + "A", token.swapcase(), "é" * 43, ""):
        assert await identity.of_session(wrong, db=db) is None


async def test_what_outlasts_its_caller_can_ask_whether_it_may_go_on(db: Database, owner: Account) -> None:
    """As streams do, which are let in once."""
    session_id, token = await opened(db, owner)
    async with db.begin() as tx:
        key, secret = await Accounts(session=tx).issue_key(owner.id, name="a")
    by_key, by_session = await identity.of_key(secret, db=db), await identity.of_session(token, db=db)
    assert by_key is not None
    assert by_session is not None
    unknown = Caller(account=owner, scopes=(), key_id=ApiKeyId(uuid4()))

    async def valid() -> list[bool]:
        return [await identity.still_valid(one, db=db) for one in (by_key, by_session, unknown)]

    assert await valid() == [True, True, False]
    async with db.begin() as tx:
        await Accounts(session=tx).revoke_key(owner.id, key.id)
    assert await valid() == [False, True, False]
    async with db.begin() as tx:
        await Sessions(tx).end(owner.id, session_id)
    assert await valid() == [False, False, False]


async def test_of_many_who_use_a_letter_at_once_one_is_let_in(db: Database, owner: Account) -> None:
    async with db.begin() as tx:
        proof = await Proofs(tx).open(owner.id, Purpose.RESET)

    async def used() -> bool:
        async with db.begin() as tx:
            return await Proofs(tx).spend(proof.id, Purpose.RESET) is not None

    assert sorted(await asyncio.gather(*(used() for _ in range(4)))) == [False, False, False, True]


async def test_what_is_over_is_forgotten_and_nothing_else(db: Database, owner: Account) -> None:
    for _ in range(2):
        await opened(db, owner)
    async with db.begin() as tx:
        await Proofs(tx).open(owner.id, Purpose.RESET)
        old = await Proofs(tx).open(owner.id, Purpose.RESET)
        one = "(SELECT id FROM sessions LIMIT 1)"
        await tx.execute(text(f"UPDATE sessions SET expires_at = now() - interval '1 s' WHERE id = {one}"))  # noqa: S608 - constants
        change = "UPDATE email_proofs SET expires_at = now() - interval '8 days' WHERE id = :id"
        await tx.execute(text(change), {"id": old.id})
    assert await identity.forget_sign_ins(db=db) == 2
    assert await identity.forget_sign_ins(db=db) == 0


@pytest.mark.parametrize("known", [None, KNOWN, "", "$argon2id$nonsense", "plain"])
async def test_a_hash_that_nobody_can_read_lets_nobody_in(known: str | None) -> None:
    assert not await PASSWORDS.is_right(known, "no account has this one")


async def test_equal_passwords_are_kept_differently(db: Database) -> None:
    kept = {await PASSWORDS.hashed("a lovely long pass phrase", email="a@example.com") for _ in range(2)}
    assert len(kept) == 2
    assert all(one.startswith("$argon2id$") for one in kept)

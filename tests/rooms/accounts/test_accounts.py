"""Accounts, their keys and their boosts."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import accounts
from reelwright.accounts import Account, Accounts
from reelwright.accounts.keys import hashed, new_secret, well_formed
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, ApiKeyId
from reelwright.ground.postgres import Database


async def created(db: Database, **fields: object) -> Account:
    values = {"email": f"{uuid4().hex}@example.com"} | fields
    async with db.begin() as tx:
        return await Accounts(session=tx).create(**values)


async def caller(tx: AsyncConnection, secret: str) -> Account | None:
    found = await Accounts(session=tx).by_api_key(secret)
    return found and found.account


async def test_an_account_is_found_by_id_and_by_address_in_any_case(db: Database) -> None:
    made = await created(db, email="  Ada@Example.com ", plan="standard", role="admin", demo=True)
    async with db.begin() as tx:
        repository = Accounts(session=tx)
        assert await repository.get(made.id) == made
        assert await repository.by_email("aDA@example.COM") == made
        assert await repository.by_email("other@example.com") is None
    assert (made.email, made.plan, made.role, made.demo) == ("Ada@Example.com", "standard", "admin", True)


@pytest.mark.parametrize(
    "email",
    ["", "a", "a@b", "@example.com", "a@example.", "a b@example.com", "a@exa mple.com", "a\x00@example.com",
     "a@b@example.com", "x" * 65 + "@example.com", "a@" + "x" * 250 + ".com"],
)  # fmt: skip
async def test_what_is_no_address_is_refused(db: Database, email: str) -> None:
    with pytest.raises(accounts.EmailInvalid) as refusal:
        await created(db, email=email)
    assert (refusal.value.field, refusal.value.kind) == ("email", Kind.INVALID)


async def test_an_address_has_one_account_however_many_sign_up_at_once(db: Database) -> None:
    async def sign_up(email: str) -> str:
        try:
            await created(db, email=email)
        except accounts.EmailTaken as taken:
            return taken.code
        return "made"

    answers = await asyncio.gather(*(sign_up(email) for email in ["a@example.com", "A@example.com"] * 3))
    assert sorted(answers) == ["accounts.email_taken"] * 5 + ["made"]


async def test_the_address_of_a_deleted_account_is_free_and_its_keys_are_dead(db: Database) -> None:
    made = await created(db, email="a@example.com")
    async with db.begin() as tx:
        _, secret = await Accounts(session=tx).issue_key(made.id, name="key")
        await tx.execute(text("UPDATE users SET deleted_at = now()"))
    async with db.begin() as tx:
        assert await Accounts(session=tx).get(made.id) is None
        assert await Accounts(session=tx).by_api_key(secret) is None
    assert (await created(db, email="a@example.com")).id != made.id


@pytest.mark.parametrize(("live", "prefix"), [(True, "rw_live_"), (False, "rw_test_")])
async def test_a_key_names_its_account_and_is_nowhere_to_be_read(db: Database, *, live: bool, prefix: str) -> None:
    made = await created(db)
    async with db.begin() as tx:
        key, secret = await Accounts(session=tx).issue_key(made.id, name="laptop", scopes=["read"], live=live)
        assert await caller(tx, secret) == made
        rows = str((await tx.execute(text("SELECT api_keys::text FROM api_keys"))).all())
    assert secret.startswith(prefix)
    assert (key.name, key.prefix, key.scopes, key.live) == ("laptop", secret[:12], ("read",), live)
    assert secret not in rows
    assert hashed(secret).hex() in rows


async def test_a_revoked_key_opens_nothing_and_only_its_owner_revokes_it(db: Database) -> None:
    made, other = await created(db), await created(db)
    async with db.begin() as tx:
        repository = Accounts(session=tx)
        key, secret = await repository.issue_key(made.id, name="a")
        _, second = await repository.issue_key(made.id, name="b")
        assert not await repository.revoke_key(other.id, key.id)
        assert await caller(tx, secret) == made
        assert await repository.revoke_key(made.id, key.id)
        assert not await repository.revoke_key(made.id, key.id)
        assert not await repository.revoke_key(made.id, ApiKeyId(uuid4()))
        assert await repository.by_api_key(secret) is None
        assert await caller(tx, second) == made
        assert [k.revoked_at is None for k in await repository.keys(made.id)] == [True, False]


async def test_the_use_of_a_key_is_noted_once_an_hour(db: Database) -> None:
    made = await created(db)
    async with db.begin() as tx:
        _, secret = await Accounts(session=tx).issue_key(made.id, name="a")

    async def used(*, waits: str) -> datetime | None:
        async with db.begin() as tx:
            await tx.execute(text("SET LOCAL synchronous_commit = 'on'"))
            await Accounts(session=tx).by_api_key(secret)
            assert await tx.scalar(text("SHOW synchronous_commit")) == waits, "nobody waits for the disk for a note"
        async with db.begin() as tx:
            return (await Accounts(session=tx).keys(made.id))[0].last_used_at

    first = await used(waits="off")
    assert first is not None
    assert await used(waits="on") == first
    async with db.begin() as tx:
        await tx.execute(text("UPDATE api_keys SET last_used_at = last_used_at - interval '61 minutes'"))
    assert await used(waits="off") > first


def test_a_mistyped_key_is_told_without_the_database() -> None:
    secret = new_secret(live=True)
    assert well_formed(secret)
    assert new_secret(live=True) != secret
    swapped = secret[:10] + secret[11] + secret[10] + secret[12:]
    for wrong in (
        secret[:-1],
        secret + "0",
        secret.replace("live", "test"),
        secret[:-1] + "!",
        "",
        "rw_live_",
        "é" * 46,
    ):
        assert not well_formed(wrong)
    assert not well_formed(swapped) or swapped == secret


async def test_garbage_never_costs_a_query() -> None:
    """The repository is given no session at all: touching one would raise."""
    assert await Accounts(session=None).by_api_key("rw_live_" + "0" * 38) is None


async def test_another_plan_is_another_version(db: Database) -> None:
    made = await created(db)
    async with db.begin() as tx:
        pro = await Accounts(session=tx).set_plan(made.id, "pro")
        assert await Accounts(session=tx).get(made.id) == pro
        with pytest.raises(NotFound):
            await Accounts(session=tx).set_plan(AccountId(uuid4()), "pro")
    assert (made.plan, made.plan_version, pro.plan, pro.plan_version) == ("basic", 1, "pro", 2)


async def test_plans_changed_at_the_same_moment_have_versions_of_their_own(db: Database) -> None:
    """Whoever remembers plans keeps the one with the greater version, so no two may be alike."""
    made = await created(db)

    async def change(plan: str) -> Account:
        async with db.begin() as tx:
            return await Accounts(session=tx).set_plan(made.id, plan)

    changed = await asyncio.gather(*(change(plan) for plan in ["standard", "pro", "basic"] * 3))
    assert sorted(account.plan_version for account in changed) == list(range(2, 11))
    async with db.begin() as tx:
        last = await Accounts(session=tx).get(made.id)
    assert last == max(changed, key=lambda account: account.plan_version)


async def test_e52_boosts_stacked_twice_are_sixty_days_exactly(db: Database) -> None:
    made = await created(db)
    async with db.begin() as tx:
        first = await Accounts(session=tx).grant_boost(made.id)
    async with db.begin() as tx:
        second = await Accounts(session=tx).grant_boost(made.id)
        assert await Accounts(session=tx).get(made.id) == second
        (whole,) = await tx.scalars(text("SELECT max(ends_at) - min(starts_at) FROM boosts"))
        (given,) = await tx.scalars(text("SELECT sum(ends_at - starts_at) FROM boosts"))
    assert second.boost_until - first.boost_until == timedelta(days=30)
    assert whole == given == timedelta(seconds=2 * 2_592_000)
    assert timedelta(0) <= timedelta(days=30) - (first.boost_until - datetime.now(UTC)) < timedelta(minutes=1)
    assert (first.plan_version, second.plan_version) == (2, 3)


async def test_boosts_bought_at_the_same_moment_add_up(db: Database) -> None:
    made = await created(db)

    async def boost() -> int:
        async with db.begin() as tx:
            return (await Accounts(session=tx).grant_boost(made.id, days=1)).plan_version

    versions = await asyncio.gather(*(boost() for _ in range(5)))
    async with db.begin() as tx:
        length = await tx.scalar(text("SELECT max(ends_at) - min(starts_at) FROM boosts"))
    assert (length, sorted(versions)) == (timedelta(days=5), [2, 3, 4, 5, 6])


async def test_one_payment_boosts_once(db: Database) -> None:
    made, other = await created(db), await created(db)

    async def told(account: Account, days: int = 30) -> Account:
        async with db.begin() as tx:
            return await Accounts(session=tx).grant_boost(account.id, days=days, source="session:1")

    boosted = await asyncio.gather(*(told(made) for _ in range(5)))
    assert len({(account.boost_until, account.plan_version) for account in boosted}) == 1
    for account, days in ((other, 30), (made, 31)):
        with pytest.raises(accounts.SourceUsed) as refusal:
            await told(account, days)
        assert refusal.value.kind is Kind.CHANGED
    async with db.begin() as tx:
        await Accounts(session=tx).set_plan(made.id, "pro")
    again = await told(made)
    assert (again.boost_until, again.plan_version) == (boosted[0].boost_until, 3)
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM boosts")) == 1


async def test_one_payment_told_for_two_accounts_at_once_boosts_one(db: Database) -> None:
    """Their rows are two locks: the source's own uniqueness decides."""
    both = [await created(db) for _ in range(2)]

    async def told(account: Account) -> str:
        try:
            async with db.begin() as tx:
                await Accounts(session=tx).grant_boost(account.id, source="session:1")
        except accounts.SourceUsed as refusal:
            return refusal.code
        return "boosted"

    assert sorted(await asyncio.gather(*map(told, both))) == ["accounts.boost_source_used", "boosted"]
    async with db.begin() as tx:
        after = [await Accounts(session=tx).get(account.id) for account in both]
    assert sorted(account.plan_version for account in after) == [1, 2]


async def test_a_locked_account_makes_others_wait_and_still_takes_new_rows(db: Database) -> None:
    made = await created(db)
    async with db.begin() as holder:
        await Accounts(session=holder).lock(made.id)
        async with db.begin() as beside:
            await beside.execute(text("SET LOCAL lock_timeout = '200ms'"))
            await Accounts(session=beside).issue_key(made.id, name="points at the account")
            with pytest.raises(DBAPIError, match="lock timeout"):
                await Accounts(session=beside).lock(made.id)
            await beside.rollback()
    async with db.begin() as tx:
        await Accounts(session=tx).lock(made.id)
        with pytest.raises(NotFound):
            await Accounts(session=tx).lock(AccountId(uuid4()))


async def test_an_old_or_revoked_boost_lifts_nobody(db: Database) -> None:
    made = await created(db)
    async with db.begin() as tx:
        await Accounts(session=tx).grant_boost(made.id)
        await tx.execute(text("UPDATE boosts SET starts_at = now() - interval '31 days', ends_at = now()"))
    async with db.begin() as tx:
        assert (await Accounts(session=tx).get(made.id)).boost_until is None
        again = await Accounts(session=tx).grant_boost(made.id)
        assert again.boost_until > datetime.now(UTC) + timedelta(days=29)
        await tx.execute(text("UPDATE boosts SET revoked_at = now()"))
        assert (await Accounts(session=tx).get(made.id)).boost_until is None


async def test_pro_needs_no_boost_and_nobody_can_have_none(db: Database) -> None:
    made = await created(db, plan="pro")
    async with db.begin() as tx:
        with pytest.raises(Refusal) as refusal:
            await Accounts(session=tx).grant_boost(made.id)
        with pytest.raises(NotFound):
            await Accounts(session=tx).grant_boost(AccountId(uuid4()))
    assert (refusal.value.kind, refusal.value.code) == (Kind.CONFLICT, "accounts.boost_not_needed")

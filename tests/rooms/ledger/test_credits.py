"""Credits never appear, vanish or move twice, however many hands reach for them at once."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from reelwright import ledger
from reelwright.ground import postgres
from reelwright.ground.errors import Kind
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from tests.rooms.generations import made


@pytest.fixture
async def many(db: Database, database_url: str) -> AsyncGenerator[Database]:
    """The same database through a pool that lets sixteen transactions run side by side."""
    wide = postgres.connect(database_url, pool_size=16)
    yield wide
    await wide.close()


async def account_with(db: Database, micro: int) -> AccountId:
    async with db.begin() as tx:
        owner = await made.account(tx)
        assert await ledger.grant(tx, account=owner, micro=micro, source=f"test:{owner}")
    return owner


async def generations(db: Database, owner: AccountId, count: int) -> list[GenerationId]:
    async with db.begin() as tx:
        return [await made.generation(tx, owner) for _ in range(count)]


async def balance(db: Database, owner: AccountId) -> tuple[int, int]:
    async with db.begin() as tx:
        found = await ledger.balance(tx, account=owner)
    return found.available_micro, found.held_micro


async def lines(db: Database, owner: AccountId) -> list[tuple[str, int]]:
    async with db.begin() as tx:
        return [(line.kind, line.amount_micro) for line in await ledger.transactions(tx, account=owner)][::-1]


async def books_are_right(db: Database) -> bool:
    async with db.begin() as tx:
        return await ledger.mismatches(tx) == []


async def test_a_hold_reserves_a_capture_takes_its_part_and_the_rest_comes_back(db: Database) -> None:
    owner = await account_with(db, 100)
    (work,) = await generations(db, owner, 1)
    async with db.begin() as tx:
        await ledger.hold(tx, account=owner, generation=work, micro=30)
    assert await balance(db, owner) == (70, 30)
    async with db.begin() as tx:
        settled = await ledger.capture(tx, generation=work, micro=12)
        assert await ledger.charged(tx, generation=work) == 12
    assert (settled.captured_micro, settled.voided_micro, settled.now) == (12, 18, True)
    assert await balance(db, owner) == (88, 0)
    assert await lines(db, owner) == [("grant", 100), ("hold", 30), ("capture", 12), ("void", 18)]
    assert await books_are_right(db)


async def test_a_void_gives_everything_back(db: Database) -> None:
    owner = await account_with(db, 100)
    (work,) = await generations(db, owner, 1)
    async with db.begin() as tx:
        await ledger.hold(tx, account=owner, generation=work, micro=30)
        settled = await ledger.void(tx, generation=work)
        assert await ledger.charged(tx, generation=work) == 0
    assert (settled.captured_micro, settled.voided_micro) == (0, 30)
    assert await balance(db, owner) == (100, 0)
    assert await lines(db, owner) == [("grant", 100), ("hold", 30), ("void", 30)]


async def test_a_hold_takes_the_last_credit(db: Database) -> None:
    owner = await account_with(db, 100)
    (work,) = await generations(db, owner, 1)
    async with db.begin() as tx:
        await ledger.hold(tx, account=owner, generation=work, micro=100)
    assert await balance(db, owner) == (0, 100)


async def test_a_hold_takes_not_one_credit_more(db: Database) -> None:
    owner = await account_with(db, 100)
    (work,) = await generations(db, owner, 1)
    async with db.begin() as tx:
        with pytest.raises(ledger.CreditsInsufficient) as refusal:
            await ledger.hold(tx, account=owner, generation=work, micro=101)
    assert (refusal.value.kind, refusal.value.code) == (Kind.UNPAID, "credits.insufficient")
    assert refusal.value.extra == {"required": 101e-6, "available": 100e-6}
    assert await balance(db, owner) == (100, 0)


async def test_an_account_without_any_credits_is_refused(db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        work = await made.generation(tx, owner)
        with pytest.raises(ledger.CreditsInsufficient, match="20 credits and 0 are available"):
            await ledger.hold(tx, account=owner, generation=work, micro=20_000_000)


async def test_doing_it_again_changes_nothing(db: Database) -> None:
    owner = await account_with(db, 100)
    (work,) = await generations(db, owner, 1)
    for _ in range(3):
        async with db.begin() as tx:
            await ledger.hold(tx, account=owner, generation=work, micro=30)
    for micro in (10, 10, 25):
        async with db.begin() as tx:
            settled = await ledger.capture(tx, generation=work, micro=micro)
            assert settled.captured_micro == 10
    async with db.begin() as tx:
        late = await ledger.void(tx, generation=work)
        assert not await ledger.grant(tx, account=owner, micro=100, source=f"test:{owner}")
    assert (late.captured_micro, late.now) == (10, False)
    assert await lines(db, owner) == [("grant", 100), ("hold", 30), ("capture", 10), ("void", 20)]
    assert await balance(db, owner) == (90, 0)


async def test_more_than_was_held_is_never_taken(db: Database) -> None:
    owner = await account_with(db, 100)
    (work,) = await generations(db, owner, 1)
    async with db.begin() as tx:
        await ledger.hold(tx, account=owner, generation=work, micro=30)
        assert (await ledger.capture(tx, generation=work, micro=31)).captured_micro == 30
    assert await balance(db, owner) == (70, 0)


async def test_taking_for_what_was_never_held_is_a_bug_and_taking_nothing_is_fine(db: Database) -> None:
    async with db.begin() as tx:
        work = await made.generation(tx)
        assert (await ledger.capture(tx, generation=work, micro=0)).captured_micro == 0
        assert (await ledger.void(tx, generation=work)).voided_micro == 0
        with pytest.raises(ledger.HoldMissing):
            await ledger.capture(tx, generation=work, micro=1)


async def test_a_second_attempt_at_a_generation_holds_anew(db: Database) -> None:
    owner = await account_with(db, 100)
    (work,) = await generations(db, owner, 1)
    async with db.begin() as tx:
        await ledger.hold(tx, account=owner, generation=work, micro=30)
        await ledger.void(tx, generation=work)
        await ledger.hold(tx, account=owner, generation=work, micro=20, attempt=2)
        await ledger.capture(tx, generation=work, micro=20)
        assert await ledger.charged(tx, generation=work) == 20
    assert await balance(db, owner) == (80, 0)
    assert await books_are_right(db)


async def test_amounts_are_positive(db: Database) -> None:
    owner = await account_with(db, 100)
    async with db.begin() as tx:
        for wrong in (
            ledger.grant(tx, account=owner, micro=0, source="x"),
            ledger.grant(tx, account=owner, micro=-1, source="x"),
            ledger.hold(tx, account=owner, generation=GenerationId(uuid4()), micro=-1),
            ledger.capture(tx, generation=GenerationId(uuid4()), micro=-1),
        ):
            with pytest.raises(ValueError, match=r"^(0|-1)$"):
                await wrong


async def test_forty_orders_at_once_never_oversell(db: Database, many: Database) -> None:
    """Credits for ten; forty orders from sixteen connections. Counted by order, not only by sum."""
    owner = await account_with(db, 10 * 7 + 6)
    works = await generations(db, owner, 40)

    async def order(work: GenerationId) -> bool:
        try:
            async with many.begin() as tx:
                await ledger.hold(tx, account=owner, generation=work, micro=7)
        except ledger.CreditsInsufficient:
            return False
        return True

    accepted = await asyncio.gather(*(order(work) for work in works))
    assert sum(accepted) == 10
    assert await balance(db, owner) == (6, 70)
    assert (await lines(db, owner)).count(("hold", 7)) == 10
    assert await books_are_right(db)


async def test_one_generation_held_by_many_at_once_is_held_once(db: Database, many: Database) -> None:
    owner = await account_with(db, 1000)
    (work,) = await generations(db, owner, 1)

    async def order() -> str:
        try:
            async with many.begin() as tx:
                await ledger.hold(tx, account=owner, generation=work, micro=7)
        except IntegrityError:
            return "refused by the key"
        return "held"

    answers = await asyncio.gather(*(order() for _ in range(12)))
    assert "held" in answers
    assert (await lines(db, owner)).count(("hold", 7)) == 1
    assert await balance(db, owner) == (993, 7)


async def test_captures_and_voids_that_race_settle_once(db: Database, many: Database) -> None:
    owner = await account_with(db, 100)
    works = await generations(db, owner, 5)
    async with db.begin() as tx:
        for work in works:
            await ledger.hold(tx, account=owner, generation=work, micro=20)

    async def settle(work: GenerationId, micro: int) -> bool:
        async with many.begin() as tx:
            if micro:
                return (await ledger.capture(tx, generation=work, micro=micro)).now
            return (await ledger.void(tx, generation=work)).now

    attempts = [(work, micro) for work in works for micro in (5, 0, 5, 0, 9)]
    settled = await asyncio.gather(*(settle(*attempt) for attempt in attempts))
    winners = [work for (work, _), now in zip(attempts, settled, strict=True) if now]
    assert sorted(winners) == sorted(works)
    available, held = await balance(db, owner)
    taken = sum(amount for kind, amount in await lines(db, owner) if kind == "capture")
    assert (available, held) == (100 - taken, 0)
    assert await books_are_right(db)


async def test_a_grant_told_by_many_at_once_is_given_once(db: Database, many: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)

    async def tell() -> bool:
        async with many.begin() as tx:
            return await ledger.grant(tx, account=owner, micro=50, source="invoice:1")

    given = await asyncio.gather(*(tell() for _ in range(12)))
    assert sum(given) == 1
    assert await balance(db, owner) == (50, 0)


@pytest.mark.parametrize("change", ["UPDATE credit_journal SET amount_micro = 1", "DELETE FROM credit_journal"])
async def test_the_journal_is_never_rewritten(db: Database, change: str) -> None:
    await account_with(db, 100)
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        async with db.begin() as tx:
            await tx.execute(text(change))


@pytest.mark.parametrize(
    ("origin", "target"), [("spent", "available"), ("available", "available"), ("held", "held"), ("granted", "spent")]
)
async def test_the_journal_refuses_transfers_that_do_not_exist(db: Database, origin: str, target: str) -> None:
    owner = await account_with(db, 100)
    line = text(
        "INSERT INTO credit_journal (account_id, seq, kind, from_bucket, to_bucket, amount_micro, source,"
        " available_after_micro, held_after_micro, debt_after_micro)"
        " VALUES (:account, 2, 'grant', :origin, :target, 1, 'x', 0, 0, 0)"
    )
    with pytest.raises(IntegrityError, match="ck_credit_journal_transfer"):
        async with db.begin() as tx:
            await tx.execute(line, {"account": owner, "origin": origin, "target": target})


@pytest.mark.parametrize("tampered", ["available_micro = available_micro + 1", "held_micro = held_micro + 1"])
async def test_a_balance_that_was_tampered_with_is_found(db: Database, tampered: str) -> None:
    owner, other = await account_with(db, 100), await account_with(db, 100)
    async with db.begin() as tx:
        change = f"UPDATE credit_balances SET {tampered} WHERE account_id = :id"  # noqa: S608 - a constant of this test
        await tx.execute(text(change), {"id": owner})
        assert await ledger.mismatches(tx) == [owner]
    assert other != owner


async def test_history_is_paged_newest_first(db: Database) -> None:
    owner = await account_with(db, 1)
    async with db.begin() as tx:
        for step in range(2, 6):
            await ledger.grant(tx, account=owner, micro=step, source=f"step:{step}", reason="test")
        first = await ledger.transactions(tx, account=owner, limit=3)
        rest = await ledger.transactions(tx, account=owner, before=first[-1].seq, limit=3)
    assert [line.amount_micro for line in first + rest] == [5, 4, 3, 2, 1]
    assert (first[0].from_bucket, first[0].to_bucket, first[0].reason) == ("granted", "available", "test")


async def test_large_amounts_fit(db: Database) -> None:
    owner = await account_with(db, 2**53)
    (work,) = await generations(db, owner, 1)
    async with db.begin() as tx:
        await ledger.hold(tx, account=owner, generation=work, micro=2**53)
        await ledger.capture(tx, generation=work, micro=2**52)
    assert await balance(db, owner) == (2**52, 0)

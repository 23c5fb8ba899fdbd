"""Lots, debts, refunds and corrections, by the numbers of the boundary cases (C…)."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.ground import clock
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.ledger import Origin
from tests.rooms.generations import made

ADMIN = uuid4()
Lots = dict[str, tuple[int, int]]


async def account_with(db: Database, *lots: tuple[str, int, Origin, int | None]) -> AccountId:
    """An account with these lots: a name, micro-credits, an origin, and in how many days it lapses."""
    async with db.begin() as tx:
        owner = await made.account(tx)
        for name, micro, origin, days in lots:
            until = None if days is None else clock.now() + timedelta(days=days)
            assert await ledger.grant(tx, account=owner, micro=micro, source=name, origin=origin, expires_at=until)
    return owner


async def held(db: Database, owner: AccountId, micro: int) -> GenerationId:
    async with db.begin() as tx:
        work = await made.generation(tx, owner)
        await ledger.hold(tx, account=owner, generation=work, micro=micro)
    return work


async def later(db: Database, **by: int) -> None:
    """Let every lot be so much older."""
    async with db.begin() as tx:
        change = "UPDATE credit_lots SET effective_at = effective_at - CAST(:by AS interval)"
        await tx.execute(text(f"{change}, expires_at = expires_at - CAST(:by AS interval)"), {"by": timedelta(**by)})


async def lots(db: Database, owner: AccountId) -> Lots:
    """What remains and what is held, by the lot's name; and the books are right."""
    async with db.begin() as tx:
        assert await ledger.verify(tx) == ()
        rows = await tx.execute(
            text("SELECT external_ref, remaining_micro, held_micro FROM credit_lots WHERE account_id = :id AND live"),
            {"id": owner},
        )
        return {row[0].removeprefix("grant:"): (row[1], row[2]) for row in rows}


async def balance(db: Database, owner: AccountId) -> tuple[int, int, int]:
    async with db.begin() as tx:
        found = await ledger.balance(tx, account=owner)
    return found.available_micro, found.held_micro, found.debt_micro


async def test_c12_burn_order_is_priority_then_soonest_then_oldest(db: Database) -> None:
    owner = await account_with(
        db,
        ("bought", 10, Origin.PURCHASE, 1),
        ("month", 10, Origin.MONTHLY, 20),
        ("late promo", 10, Origin.PROMO, None),
        ("promo", 10, Origin.PROMO, 9),
        ("same promo", 10, Origin.PROMO, 9),
    )
    async with db.begin() as tx:
        await tx.execute(text("UPDATE credit_lots SET expires_at = now() + interval '9 days' WHERE external_ref LIKE '%promo' AND expires_at IS NOT NULL"))  # fmt: skip  # noqa: E501
    await held(db, owner, 35)
    assert await lots(db, owner) == {
        "promo": (0, 10), "same promo": (0, 10), "late promo": (0, 10), "month": (5, 5), "bought": (10, 0),
    }  # fmt: skip


async def test_c6_a_partial_capture_spends_what_lapses_first_and_the_rest_returns_to_its_lot(db: Database) -> None:
    owner = await account_with(db, ("month", 10, Origin.MONTHLY, 5), ("bought", 100, Origin.PURCHASE, None))
    work = await held(db, owner, 30)
    async with db.begin() as tx:
        assert (await ledger.capture(tx, generation=work, micro=14)).voided_micro == 16
    assert await lots(db, owner) == {"bought": (96, 0)}


async def test_c13_a_lot_that_lapsed_unswept_is_not_used(db: Database) -> None:
    """The balance row still counts it: only the lots know. What is refused is what is really there."""
    owner = await account_with(db, ("month", 10, Origin.MONTHLY, 1), ("bought", 5, Origin.PURCHASE, None))
    await later(db, days=2)
    assert await balance(db, owner) == (5, 0, 0)
    with pytest.raises(ledger.CreditsInsufficient) as refusal:
        await held(db, owner, 6)
    assert refusal.value.extra == {"required": 6e-6, "available": 5e-6}
    await held(db, owner, 5)
    async with db.begin() as tx:
        assert not await ledger.has_enough(tx, account=owner, micro=1)
        assert await ledger.lapsed(tx, limit=10) == [owner]
        assert await ledger.expire(tx, account=owner) == 10
        assert await ledger.expire(tx, account=owner) == 0
        assert await ledger.lapsed(tx, limit=10) == []
    assert await lots(db, owner) == {"bought": (0, 5)}


async def test_c10_expiry_never_takes_what_running_work_holds(db: Database) -> None:
    owner = await account_with(db, ("month", 10, Origin.MONTHLY, 1))
    work = await held(db, owner, 7)
    await later(db, days=2)
    async with db.begin() as tx:
        assert await ledger.expire(tx, account=owner) == 3
    assert await lots(db, owner) == {"month": (0, 7)}
    async with db.begin() as tx:
        assert (await ledger.capture(tx, generation=work, micro=7)).captured_micro == 7
    assert await lots(db, owner) == {}


@pytest.mark.parametrize(("hours", "ours", "back"), [(25, True, 7), (95, True, 7), (97, True, 0), (25, False, 0)])
async def test_c14_a_void_into_a_lapsed_lot_is_given_again_for_72_hours_after_our_fault(
    db: Database, hours: int, back: int, *, ours: bool
) -> None:
    owner = await account_with(db, ("month", 10, Origin.MONTHLY, 1))
    work = await held(db, owner, 7)
    await later(db, hours=hours)
    async with db.begin() as tx:
        await ledger.void(tx, generation=work, ours=ours)
        ends = await ledger.lapsing(tx, account=owner, until=clock.now() + timedelta(days=8))
    assert await balance(db, owner) == (back, 0, 0)
    assert [lot.micro for lot in ends] == ([back] if back else [])
    assert sum(left for left, _ in (await lots(db, owner)).values()) == back


async def test_c15_a_lot_of_the_future_is_not_usable_yet(db: Database) -> None:
    owner = await account_with(db, ("now", 5, Origin.ADMIN, None))
    async with db.begin() as tx:
        ahead = clock.now() + timedelta(days=3)
        await ledger.grant(tx, account=owner, micro=50, source="ahead", effective_at=ahead)
    assert await balance(db, owner) == (5, 0, 0)
    with pytest.raises(ledger.CreditsInsufficient):
        await held(db, owner, 6)
    await later(db, days=3)
    await held(db, owner, 55)


async def test_c39_a_boosts_credits_end_with_it(db: Database) -> None:
    owner = await account_with(db, ("boost", 10, Origin.BOOST, 30), ("bought", 1, Origin.PURCHASE, None))
    await later(db, days=30)
    assert await balance(db, owner) == (1, 0, 0)


@pytest.mark.parametrize(("used", "left", "debt"), [(0, 20, 0), (60, 0, 40), (120, 0, 100)])
async def test_c19_a_purchase_paid_back_takes_its_own_lot_first_and_the_rest_is_owed(
    db: Database, used: int, left: int, debt: int
) -> None:
    """C20 and C21, too: a debt blocks holds, and what comes in pays it first."""
    owner = await account_with(db, ("month", 20, Origin.MONTHLY, 9), ("pack", 100, Origin.PURCHASE, None))
    if used:
        work = await held(db, owner, used)
        async with db.begin() as tx:
            await ledger.capture(tx, generation=work, micro=used)
    for again in (False, True):
        async with db.begin() as tx:
            taken = await ledger.clawback(
                tx, account=owner, micro=100, reference="re_1", reason="refunded", granted_by="pack"
            )
        assert taken == ledger.Correction(-100, debt, now=not again)
    assert await balance(db, owner) == (left, 0, debt)
    assert (await lots(db, owner)) == ({"month": (20, 0)} if left else {})
    if debt:
        with pytest.raises(ledger.DebtOpen):
            await held(db, owner, 1)
        async with db.begin() as tx:
            await ledger.grant(tx, account=owner, micro=30, source="next")
        assert await balance(db, owner) == (0, 0, debt - 30)
        async with db.begin() as tx:
            await ledger.grant(tx, account=owner, micro=debt, source="more")
        assert await balance(db, owner) == (30, 0, 0)


async def test_what_a_debtor_gets_back_pays_the_debt(db: Database) -> None:
    owner = await account_with(db, ("pack", 100, Origin.PURCHASE, None))
    work = await held(db, owner, 80)
    async with db.begin() as tx:
        assert (await ledger.clawback(tx, account=owner, micro=100, reference="d", reason="")).debt_micro == 80
        await ledger.void(tx, generation=work)
    assert await balance(db, owner) == (0, 0, 0)
    assert await lots(db, owner) == {}


async def test_c8_refunds_never_exceed_the_charge_and_go_back_where_they_came_from(db: Database) -> None:
    owner = await account_with(db, ("month", 10, Origin.MONTHLY, 5), ("bought", 100, Origin.PURCHASE, None))
    work = await held(db, owner, 30)
    async with db.begin() as tx:
        await ledger.capture(tx, generation=work, micro=24)

    async def refund(micro: int, reference: str) -> bool:
        async with db.begin() as tx:
            return (await ledger.refund(tx, generation=work, micro=micro, reference=reference, reason="half")).now

    assert [await refund(12, "a"), await refund(12, "a")] == [True, False]
    assert await lots(db, owner) == {"bought": (98, 0)}
    assert await refund(12, "b")
    assert await lots(db, owner) == {"month": (10, 0), "bought": (100, 0)}
    with pytest.raises(ledger.RefundTooLarge):
        await refund(1, "c")
    async with db.begin() as tx:
        assert await ledger.charged(tx, generation=work) == 0


async def test_a_reference_that_begins_as_another_does_is_another_correction(db: Database) -> None:
    """Its lines, of which each lot has one, are told from it; so are those that a colon used to set apart."""
    owner = await account_with(db, ("a", 10, Origin.ADMIN, None), ("b", 10, Origin.ADMIN, None))

    async def adjust(micro: int, reference: str) -> ledger.Correction:
        async with db.begin() as tx:
            return await ledger.adjust(
                tx, account=owner, micro=micro, reference=reference, reason="x", actor=ADMIN, force=True
            )

    taken = {"ticket-7:2": 3, "ticket-7": 8, "ticket-7:1": 11, "ticket": 5, "ticket:1": 4}
    for reference, micro in taken.items():
        assert (await adjust(-micro, reference)).now
    before = await balance(db, owner)
    debts = {"ticket-7": 0, "ticket-7:1": 2, "ticket": 5, "ticket:1": 4}
    for reference, debt in debts.items():
        assert await adjust(-1, reference) == ledger.Correction(-taken[reference], debt, now=False)
    async with db.begin() as tx:
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        old = "UPDATE credit_journal SET source = replace(source, 'ticket-7:1 ', 'ticket-7:1:') WHERE source ~ :these"
        await tx.execute(text(old), {"these": "ticket-7:1( |$)"})
    assert await adjust(-1, "ticket-7:1") == ledger.Correction(-11, 2, now=False)
    assert await balance(db, owner) == before == (0, 0, 11)


async def test_c22_an_adjustment_below_zero_needs_force(db: Database) -> None:
    owner = await account_with(db, ("a", 10, Origin.ADMIN, None))

    async def adjust(micro: int, reference: str, *, force: bool = False) -> ledger.Correction:
        async with db.begin() as tx:
            return await ledger.adjust(
                tx, account=owner, micro=micro, reference=reference, reason="why", actor=ADMIN, force=force
            )

    with pytest.raises(ledger.AdjustmentTooLarge):
        await adjust(-11, "x")
    assert await adjust(-11, "x", force=True) == ledger.Correction(-11, 1, now=True)
    assert await adjust(-11, "x", force=True) == ledger.Correction(-11, 1, now=False)
    assert await adjust(5, "y") == ledger.Correction(5, 0, now=True)
    assert await balance(db, owner) == (4, 0, 0)
    async with db.begin() as tx:
        told = [(line.actor, line.reason) for line in await ledger.transactions(tx, account=owner) if line.reason]
    assert told == [(ADMIN, "why")] * 3


@pytest.mark.parametrize("micro", [0, -1, 2**60 + 1, 2**63])
async def test_c23_c24_amounts_that_no_book_holds_are_refused_before_they_reach_one(db: Database, micro: int) -> None:
    owner = await account_with(db, ("a", 10, Origin.ADMIN, None))
    async with db.begin() as tx:
        for wrong in (
            ledger.grant(tx, account=owner, micro=micro, source="x"),
            ledger.clawback(tx, account=owner, micro=micro, reference="x", reason=""),
            ledger.refund(tx, generation=GenerationId(uuid4()), micro=micro, reference="x", reason=""),
        ):
            with pytest.raises(ValueError, match=str(micro)):
                await wrong


TAMPERINGS = {
    "I2": "UPDATE credit_balances SET available_micro = available_micro + 1",
    "I3": "UPDATE credit_balances SET version = version + 1",
    "I4": "UPDATE credit_balances SET debt_micro = 1",
    "I5": "UPDATE credit_lots SET remaining_micro = remaining_micro - 1 WHERE remaining_micro > 0",
    "I6": "UPDATE credit_lots SET held_micro = held_micro - 1, remaining_micro = remaining_micro + 1",
    "I7": "UPDATE credit_holds SET amount_micro = amount_micro + 1",
    "I8": "UPDATE credit_holds SET attempt = 7",
    "I11": "UPDATE credit_lots SET external_ref = 'grant:other'",
    "I12": "UPDATE credit_balances SET held_micro = held_micro + 1",
}


async def test_c31_whatever_is_tampered_with_is_found_by_its_name(db: Database) -> None:
    owner = await account_with(db, ("month", 10, Origin.MONTHLY, 5))
    await held(db, owner, 4)
    async with db.begin() as tx:
        for name, change in TAMPERINGS.items():
            async with tx.begin_nested() as tampered:
                await tx.execute(text(change))
                found = {violation.invariant.split()[0] for violation in await ledger.verify(tx)}
                assert name in found, (name, found)
                await tampered.rollback()
        assert await ledger.verify(tx) == ()


async def test_c32_balances_recomputed_from_the_journal_are_the_stored_ones(db: Database) -> None:
    owner = await account_with(db, ("month", 10, Origin.MONTHLY, 5), ("pack", 50, Origin.PURCHASE, None))
    work = await held(db, owner, 30)
    async with db.begin() as tx:
        await ledger.capture(tx, generation=work, micro=9)
        await ledger.refund(tx, generation=work, micro=3, reference="r", reason="")
        await ledger.clawback(tx, account=owner, micro=70, reference="c", reason="")
        lines = await ledger.transactions(tx, account=owner)
    sums = {"available": 0, "held": 0, "debt": 0}
    for line in reversed(lines):
        for bucket, sign in ((line.from_bucket, -1), (line.to_bucket, 1)):
            if bucket in sums:
                sums[bucket] += sign * line.amount_micro
        assert (line.available_after_micro, line.held_after_micro) == (sums["available"], sums["held"])
        assert line.debt_after_micro == -sums["debt"]
    assert await balance(db, owner) == (sums["available"], sums["held"], -sums["debt"])
    assert [line.seq for line in lines] == list(range(len(lines), 0, -1))
    assert all(isinstance(line.at, datetime) and not isinstance(line.id, UUID) for line in lines)

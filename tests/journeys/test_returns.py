"""Refunds and disputes take back what their payment brought, in net, and give back what comes back: W21 and W22."""

from typing import Any

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.journeys import purchase
from tests.journeys.buying import MICRO, Customer

BASIC, STANDARD = 1_500, 7_500
CREATOR, CREATOR_CENTS = 2_500, 1_195


@pytest.fixture
async def charge(buyer: Customer) -> str:
    """A paid pack of 2,500 credits."""
    session = await buyer.buy("pack_creator")
    await buyer.hear()
    return buyer.charge_of(session)


async def spend(buyer: Customer, amount: int) -> None:
    """Let so many credits be gone, of the soonest to lapse first."""
    async with buyer.db.begin() as tx:
        await ledger.adjust(
            tx,
            account=buyer.account.id,
            micro=-amount * MICRO,
            reference=f"spent-{amount}",
            reason="spent",
            actor=buyer.account.id,
        )


def share(cents: int) -> int:
    """Return what so many of the pack's cents bought, in micro-credits, half up."""
    return (2 * CREATOR * MICRO * cents + CREATOR_CENTS) // (2 * CREATOR_CENTS)


async def available(buyer: Customer) -> int:
    has = await buyer.balance()
    return has.available_micro - has.debt_micro - BASIC * MICRO


async def test_w21_three_partial_refunds_take_back_what_they_come_to(buyer: Customer, charge: str) -> None:
    for cents in (100, 333):
        buyer.sim.refund(charge, cents)
        await buyer.hear()
    assert await available(buyer) == CREATOR * MICRO - share(433)
    buyer.sim.refund(charge)  # the rest: a full refund after partial ones
    await buyer.hear()
    assert await available(buyer) == 0
    await buyer.hear(buyer.told)  # all of it once more, backwards and late
    await buyer.hear(buyer.told[::-1])
    assert await available(buyer) == 0
    assert (await buyer.standing())["broken"] == ()


async def test_w21_a_refund_that_fails_gives_back(buyer: Customer, charge: str) -> None:
    buyer.sim.refund(charge, 500)
    refund: dict[str, Any] = buyer.sim.refund(charge, 100)
    await buyer.hear()
    buyer.sim.fail_refund(refund["id"])
    await buyer.hear()
    assert await available(buyer) == CREATOR * MICRO - share(500)


async def test_what_was_spent_of_a_refunded_pack_is_owed(buyer: Customer, charge: str) -> None:
    await spend(buyer, BASIC + 2_000)
    buyer.sim.refund(charge)
    await buyer.hear()
    has = await buyer.balance()
    assert (has.available_micro, has.debt_micro) == (0, 2_000 * MICRO)


async def test_w22_an_open_dispute_freezes_what_is_unspent_and_a_lost_one_takes_the_rest(
    buyer: Customer, charge: str
) -> None:
    await spend(buyer, BASIC + 2_000)
    dispute = buyer.sim.dispute(charge)
    await buyer.hear()
    has = await buyer.balance()
    assert (has.available_micro, has.debt_micro) == (0, 0)
    with pytest.raises(purchase.PaymentDisputed):
        await buyer.checkout("pack_starter")
    await buyer.hear(buyer.told)
    assert (await buyer.balance()).debt_micro == 0

    buyer.sim.close_dispute(dispute["id"], "lost")
    await buyer.hear()
    assert (await buyer.balance()).debt_micro == 2_000 * MICRO
    assert (await buyer.standing())["broken"] == ()


@pytest.mark.parametrize(("inquiry", "outcome"), [(False, "won"), (True, "warning_closed")])
async def test_w22_a_dispute_that_is_won_gives_back_what_it_took(
    buyer: Customer, charge: str, outcome: str, *, inquiry: bool
) -> None:
    await spend(buyer, BASIC + 2_000)
    dispute = buyer.sim.dispute(charge, inquiry=inquiry)
    await buyer.hear()
    buyer.sim.close_dispute(dispute["id"], outcome)
    await buyer.hear()
    has = await buyer.balance()
    assert (has.available_micro, has.debt_micro) == (500 * MICRO, 0)
    await buyer.checkout("pack_starter")
    if not inquiry:
        return  # what was disputed can't be refunded any more

    buyer.sim.refund(charge, CREATOR_CENTS // 5)  # reinstated, then refunded: the net figure
    await buyer.hear(buyer.happened() + buyer.told)
    has = await buyer.balance()
    assert has.available_micro - has.debt_micro == 500 * MICRO - share(CREATOR_CENTS // 5)


async def test_a_refunded_month_takes_only_what_is_left_of_it(buyer: Customer) -> None:
    session = await buyer.buy("plan_standard")
    await buyer.hear()
    invoice = buyer.sim.get(buyer.sim.get(buyer.subscription_of(session))["latest_invoice"])
    (charge,) = buyer.sim.all("charge", customer=invoice["customer"])
    await spend(buyer, BASIC + 5_000)
    left = (await buyer.balance()).available_micro
    assert left == (STANDARD - 5_000) * MICRO
    buyer.sim.refund(charge["id"])
    await buyer.hear()
    has = await buyer.balance()
    assert (has.available_micro, has.debt_micro) == (0, 0)
    assert (await buyer.present()).plan == "standard"


async def test_a_refund_heard_of_before_the_purchase_comes_to_the_same(buyer: Customer) -> None:
    session = await buyer.buy("pack_creator")
    buyer.sim.refund(buyer.charge_of(session), 239)
    await buyer.hear([one for one in buyer.happened() if one["type"] == "charge.refunded"])
    assert await available(buyer) == CREATOR * MICRO - share(239)
    await buyer.hear(buyer.told)
    assert await available(buyer) == CREATOR * MICRO - share(239)


async def test_a_refunded_boost_ends_and_a_part_refunded_one_goes_on(buyer: Customer) -> None:
    one, two = await buyer.buy("boost_30d"), await buyer.buy("boost_30d")
    await buyer.hear()
    buyer.sim.refund(buyer.charge_of(one), 500)
    buyer.sim.refund(buyer.charge_of(two))
    await buyer.hear()
    assert len(await buyer.boosts()) == 1
    async with buyer.db.begin() as tx:
        kept = await tx.scalar(text("SELECT source FROM boosts WHERE revoked_at IS NULL"))
    assert kept == f"purchase:checkout:{one}"

"""Whoever leaves pays no more: subscriptions end at Stripe, and nothing is erased before they have."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.admission import Gate
from reelwright.billing import Plan, StripeDoor
from reelwright.journeys import leaving
from tests.builders import an_account
from tests.journeys.buying import Customer
from tests.simulators.stripe import SimulatedStripe

_LEAVING = text("SELECT stopped_at IS NOT NULL AS stopped, erased_at IS NOT NULL AS erased FROM departures")


async def expel(buyer: Customer, gate: Gate, stripe: StripeDoor | None) -> None:
    email = (await buyer.present()).email
    by = await an_account(buyer.db, Plan.PRO)
    await leaving.expel(
        buyer.account.id,
        confirm_email=email,
        reason="It was asked for.",
        by=by,
        db=buyer.db,
        gate=gate,
        stripe=stripe,
        now=buyer.now(),
    )


async def in_a_day(buyer: Customer, gate: Gate, stripe: StripeDoor | None) -> tuple[bool, bool]:
    """Let the time of erasing come, and the chore look; return whether all was stopped, and whether it is erased."""
    async with buyer.db.begin() as tx:
        await tx.execute(text("UPDATE departures SET erase_at = clock_timestamp() - interval '1 second'"))
    await leaving.depart(db=buyer.db, gate=gate, stripe=stripe, now=buyer.now())
    async with buyer.db.begin() as tx:
        row = (await tx.execute(_LEAVING)).one()
        assert await ledger.verify(tx) == ()
    return row.stopped, row.erased


@pytest.mark.parametrize("heard", [True, False])
async def test_closing_ends_the_subscription_at_stripe_heard_of_or_not(
    buyer: Customer, gate: Gate, sim: SimulatedStripe, door: StripeDoor, *, heard: bool
) -> None:
    session = await buyer.buy("plan_standard")
    if heard:
        await buyer.hear()

    await expel(buyer, gate, door)

    ended = sim.get(buyer.subscription_of(session))
    assert (ended["status"], ended["cancel_at_period_end"]) == ("canceled", False)
    (ours,) = await buyer.subscriptions()
    assert (ours.status, ours.live(buyer.now())) == ("canceled", False)
    sim.pass_time(int(timedelta(days=40).total_seconds()))
    await buyer.hear()
    assert [one["status"] for one in sim.all("invoice")] == ["paid"], "no second period was billed"
    assert (await buyer.present()).plan == "basic"
    assert await in_a_day(buyer, gate, door) == (True, True)


async def test_nothing_is_erased_while_stripe_is_away_and_a_subscription_goes_on(
    buyer: Customer, gate: Gate, sim: SimulatedStripe, door: StripeDoor
) -> None:
    session = await buyer.buy("plan_standard")
    await buyer.hear()

    await expel(buyer, gate, None)

    assert sim.get(buyer.subscription_of(session))["status"] == "active"
    assert await in_a_day(buyer, gate, None) == (False, False)
    assert (await buyer.present()).email != f"deleted-{buyer.account.id}@invalid"
    assert await in_a_day(buyer, gate, door) == (True, True)
    assert sim.get(buyer.subscription_of(session))["status"] == "canceled"


async def test_a_checkout_that_is_paid_after_closing_is_ended_before_erasing(
    buyer: Customer, gate: Gate, sim: SimulatedStripe, door: StripeDoor
) -> None:
    """Its page was open in another tab; the subscription it begins outlives nobody's account."""
    session = await buyer.checkout("plan_standard")
    await expel(buyer, gate, door)
    sim.pay(session)
    await buyer.hear()

    assert await in_a_day(buyer, gate, door) == (True, True)

    assert sim.get(buyer.subscription_of(session))["status"] == "canceled"
    await buyer.hear()
    async with buyer.db.begin() as tx:
        assert await ledger.verify(tx) == ()

"""W5, W6, W8 to W10, W13 and W31: a subscription's life, heard in every order; trials; what is never paid.

A life has six events that move anything, and 720 orders. The suite plays a few, always the same;
REELWRIGHT_ORDERS=720 plays them all (minutes), any smaller number so many.
"""

import os
import random
from itertools import permutations

import pytest

from reelwright.admission import Gate
from reelwright.billing import Plan, StripeDoor
from reelwright.ground.postgres import Database
from reelwright.journeys import invariants
from tests.journeys.buying import Customer
from tests.simulators.stripe import SimulatedStripe

LIFE = (
    "checkout.session.completed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "invoice.paid",
    "invoice.payment_succeeded",
    "customer.subscription.deleted",
)
EVERY = [*permutations(range(len(LIFE)))]
PLAYED = random.Random(31).sample(EVERY, k=min(int(os.environ.get("REELWRIGHT_ORDERS", "3")), len(EVERY)))
BASIC, STANDARD = 1_500, 7_500


async def lived(buyer: Customer, order: tuple[int, ...], *, ended: bool) -> dict[str, object]:
    """Let a subscription begin, change and, where `ended`, end; hear the first event of each type by this order."""
    subscription = buyer.subscription_of(await buyer.buy("plan_standard"))
    found = await buyer.door.subscription(subscription)
    await buyer.door.cancel_at_end(found, cancel=True)
    if ended:
        buyer.sim.end(subscription)
    events = {event["type"]: event for event in reversed(buyer.happened())}
    await buyer.hear([events[LIFE[at]] for at in order if LIFE[at] in events])
    return await buyer.standing()


@pytest.mark.timeout(60 + 10 * len(PLAYED))
@pytest.mark.parametrize("ended", [False, True])
async def test_w05_w06_w08_w31_a_life_heard_in_any_order_is_the_same_life(
    db: Database, gate: Gate, sim: SimulatedStripe, door: StripeDoor, *, ended: bool
) -> None:
    """One month is given although `paid` and `payment_succeeded` both tell of it; who hears the end first ends well."""
    empty = sim.book.dump()
    for order in PLAYED:
        sim.book.load(empty)
        buyer = await Customer.comes(db, gate, sim, door)
        standing = await lived(buyer, order, ended=ended)
        assert standing["plan"] == (Plan.BASIC if ended else Plan.STANDARD), order
        assert await buyer.credits() == BASIC + STANDARD, order
        assert standing["subscriptions"] == [("standard", "canceled" if ended else "active", True, None)], order
        assert (standing["purchases"], len(standing["payments"]), standing["broken"]) == (["paid"], 1, ()), order
    assert await invariants.check(db) == ()


async def a_customer(buyer: Customer) -> str:
    """Return the buyer's customer, who has looked at a checkout and bought nothing."""
    session = await buyer.checkout("pack_starter")
    buyer.sim.expire(session)
    await buyer.hear()
    return buyer.sim.get(session)["customer"]


async def test_w09_w10_a_trial_is_invoiced_nothing_and_becomes_a_paid_month(buyer: Customer) -> None:
    """The zero invoice gives the trial's month, which lapses with the trial; it can be heard any number of times."""
    trial = buyer.sim.subscribe(await a_customer(buyer), "plan_standard", trial_days=7)
    told = buyer.happened()
    assert buyer.sim.get(trial["latest_invoice"])["amount_paid"] == 0
    await buyer.hear([*told, *told])
    assert [(one.plan, one.status) for one in await buyer.subscriptions()] == [("standard", "trialing")]
    assert ((await buyer.present()).plan, await buyer.credits()) == ("standard", BASIC + STANDARD)
    buyer.sim.advance(trial["id"])
    await buyer.hear([*buyer.happened(), *told])
    assert [one.status for one in await buyer.subscriptions()] == ["active"]
    assert await buyer.credits() == BASIC + 2 * STANDARD
    assert (await buyer.standing())["broken"] == ()


async def test_w13_a_first_invoice_that_is_never_paid_gives_nothing_and_takes_nothing(buyer: Customer) -> None:
    failing = buyer.sim.subscribe(await a_customer(buyer), "plan_pro", fails="generic_decline")
    told = buyer.happened()
    await buyer.hear(told)
    assert [one.status for one in await buyer.subscriptions()] == ["incomplete"]
    assert ((await buyer.present()).plan, await buyer.credits()) == ("basic", BASIC)
    buyer.sim.pass_time(24 * 3_600)
    assert failing["status"] == "incomplete_expired"
    await buyer.hear([*buyer.happened(), *told])
    assert [one.status for one in await buyer.subscriptions()] == ["incomplete_expired"]
    assert ((await buyer.present()).plan, await buyer.credits()) == ("basic", BASIC)
    standing = await buyer.standing()
    assert (standing["payments"], standing["broken"]) == ([], ())

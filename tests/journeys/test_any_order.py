"""W31: whatever is heard first, twice, five times or late, the same is so in the end.

A story is lived through once while everything is heard at once. Then others live through it too, and hear a part of
what happened after each chapter, in any order, and the rest at the end. REELWRIGHT_STORIES sets how many others.
"""

import os
import random
from collections.abc import Awaitable, Callable

from reelwright.admission import Gate
from reelwright.billing import FAMILIES, Plan, StripeDoor
from reelwright.ground.postgres import Database
from reelwright.journeys import invariants
from tests.journeys.buying import Customer
from tests.simulators.stripe import SimulatedStripe

OTHERS = int(os.environ.get("REELWRIGHT_STORIES", "1"))
Chapter = Callable[[Customer], Awaitable[object]]
A_MONTH_S = 31 * 86_400


class Story:
    """Packs, a boost, refunds and disputes; or a subscription from its first month to its last."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    async def buys(self, buyer: Customer) -> None:
        for item in ("pack_starter", "pack_creator", "boost_30d"):
            self.names[item] = await buyer.buy(item)
        buyer.sim.expire(await buyer.checkout("pack_studio"))

    async def refunds(self, buyer: Customer) -> None:
        charge = buyer.charge_of(self.names["pack_creator"])
        buyer.sim.refund(charge, 300)
        buyer.sim.fail_refund(buyer.sim.refund(charge, 250)["id"])

    async def disputes(self, buyer: Customer) -> None:
        won = buyer.sim.dispute(buyer.charge_of(self.names["pack_starter"]))
        buyer.sim.close_dispute(won["id"], "won")
        lost = buyer.sim.dispute(buyer.charge_of(self.names["boost_30d"]))
        buyer.sim.close_dispute(lost["id"], "lost")

    async def subscribes(self, buyer: Customer) -> None:
        self.names["plan"] = buyer.subscription_of(await buyer.buy("plan_basic"))
        buyer.sim.advance(self.names["plan"])

    async def upgrades(self, buyer: Customer) -> None:
        found = await buyer.door.subscription(self.names["plan"])
        await buyer.door.upgrade(found, "plan_standard")

    async def fails_and_recovers(self, buyer: Customer) -> None:
        buyer.sim.fail_next(buyer.sim.get(self.names["plan"])["customer"])
        buyer.sim.advance(self.names["plan"])
        buyer.sim.pass_time(4 * A_MONTH_S)

    async def ends(self, buyer: Customer) -> None:
        buyer.sim.end(self.names["plan"])
        buyer.sim.subscribe(buyer.sim.get(self.names["plan"])["customer"], "plan_pro")


def chapters(*, subscribed: bool) -> list[Chapter]:
    story = Story()
    if subscribed:
        return [story.subscribes, story.upgrades, story.fails_and_recovers, story.ends]
    return [story.buys, story.refunds, story.disputes]


async def lived(buyer: Customer, chance: random.Random | None, *, subscribed: bool) -> dict[str, object]:
    """Live through a story. With `chance` most is heard late, out of order and up to five times."""
    waiting = list[dict[str, object]]()
    for chapter in chapters(subscribed=subscribed):
        await chapter(buyer)
        waiting += [event for event in buyer.happened() if event["type"] in FAMILIES]
        chosen = waiting if chance is None else chance.sample(waiting, k=len(waiting) // 4)
        await buyer.hear(chosen)
        waiting = [event for event in waiting if event not in chosen]
    if chance is not None:
        rest = [event for event in waiting for _ in range(chance.choice((1, 1, 1, 2, 5)))]
        known = [event for event in buyer.told if event["type"] in FAMILIES and event not in waiting]
        rest += chance.sample(known, k=len(known) // 4)
        chance.shuffle(rest)
        await buyer.hear(rest)
    return await buyer.standing()


class World:
    """What a fixture gives, so that each example can begin with an account of its own."""

    def __init__(self, db: Database, gate: Gate, sim: SimulatedStripe, door: StripeDoor) -> None:
        self.tools = (db, gate, sim, door)
        self.empty = sim.book.dump()

    async def live(self, chance: random.Random | None, *, subscribed: bool) -> dict[str, object]:
        self.tools[2].book.load(self.empty)
        return await lived(await Customer.comes(*self.tools), chance, subscribed=subscribed)


async def test_w31_any_order_any_number_of_times_late(
    db: Database, gate: Gate, sim: SimulatedStripe, door: StripeDoor
) -> None:
    world = World(db, gate, sim, door)
    for subscribed in (False, True):
        told_in_order = await world.live(None, subscribed=subscribed)
        assert told_in_order["broken"] == ()
        assert told_in_order["plan"] == (Plan.PRO if subscribed else Plan.BASIC)
        for seed in range(OTHERS):
            otherwise = await world.live(random.Random(seed), subscribed=subscribed)
            assert otherwise == told_in_order, f"seed {seed}"
        assert await invariants.check(db) == ()

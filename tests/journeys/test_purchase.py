"""What Stripe tells is settled once, whatever is told first, twice or late: W2 to W32 on a simulated Stripe."""

import asyncio
from datetime import timedelta

import pytest

from reelwright.admission import Gate, KeyReused
from reelwright.billing import FAMILIES, CheckoutSession, NewCheckout, Plan, StripeDoor
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database
from reelwright.journeys import inbox, purchase
from tests.journeys.buying import MICRO, Customer
from tests.simulators.stripe import SimulatedStripe

BASIC, STANDARD, PRO = 1_500, 7_500, 25_000
STARTER, CREATOR = 500, 2_500
MONTH = timedelta(days=30)


async def test_a_pack_is_handed_over_once_it_is_paid_and_once(buyer: Customer) -> None:
    session = await buyer.checkout("pack_starter")
    await buyer.hear()
    assert await buyer.credits() == BASIC
    buyer.sim.pay(session)
    events = buyer.happened()
    await buyer.hear(events + events)  # W2, W4
    assert await buyer.credits() == BASIC + STARTER
    assert (await buyer.standing())["purchases"] == ["paid"]


async def test_w2_the_same_event_many_times_at_once_is_stored_once(buyer: Customer) -> None:
    await buyer.buy("pack_starter")
    (event,) = [one for one in buyer.happened() if one["type"] == "checkout.session.completed"]
    new = await asyncio.gather(*(buyer.take(event) for _ in range(5)))
    assert sorted(new) == [False] * 4 + [True]
    tried = await asyncio.gather(*(buyer.drain() for _ in range(4)))
    assert sum(tried) == 1
    assert await buyer.credits() == BASIC + STARTER


async def test_the_same_key_opens_one_checkout(buyer: Customer) -> None:
    sessions = await asyncio.gather(*(buyer.checkout("pack_starter", "k") for _ in range(4)))
    assert len(set(sessions)) == 1
    assert len(buyer.sim.all("customer")) == 1
    with pytest.raises(KeyReused):
        await buyer.checkout("pack_creator", "k")
    assert await buyer.checkout("pack_starter", "other") not in sessions


async def test_a_checkout_whose_answer_was_lost_is_found_again_by_asking_for_the_same(
    buyer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe remembers what its idempotency key has asked for, and refuses a repeat that asks for anything else."""
    real, asked, made = StripeDoor.create_checkout, list[NewCheckout](), list[CheckoutSession]()

    async def unheard_at_first(door: StripeDoor, new: NewCheckout) -> CheckoutSession:
        asked.append(new)
        made.append(await real(door, new))
        if len(made) == 1:
            raise Outage("Stripe is not answering.", code="payments.unavailable")
        return made[-1]

    monkeypatch.setattr(StripeDoor, "create_checkout", unheard_at_first)
    with pytest.raises(Outage):
        await buyer.checkout("pack_starter", "k")

    found = await buyer.checkout("pack_starter", "k")

    assert asked[0] == asked[1]
    assert [one.id for one in made] == [found, found]


async def test_a_subscription_gives_its_plan_and_its_months(buyer: Customer) -> None:
    subscription = buyer.subscription_of(await buyer.buy("plan_standard"))
    await buyer.hear()
    assert (await buyer.present()).plan == "standard"
    assert await buyer.credits() == BASIC + STANDARD
    buyer.sim.advance(subscription)
    await buyer.hear()
    assert await buyer.credits() == BASIC + 2 * STANDARD  # the first month's lapse by PostgreSQL's clock, not here
    with pytest.raises(purchase.SubscriptionExists):
        await buyer.checkout("plan_pro")


async def test_w11_a_payment_that_fails_and_then_comes_costs_no_month(buyer: Customer) -> None:
    subscription = buyer.subscription_of(await buyer.buy("plan_standard"))
    await buyer.hear()
    buyer.sim.fail_next(buyer.sim.get(subscription)["customer"])
    buyer.sim.advance(subscription)
    failed = buyer.happened()
    await buyer.hear(failed)
    assert [one.status for one in await buyer.subscriptions()] == ["past_due"]
    assert (await buyer.present()).plan == "standard"
    buyer.sim.pass_time(40 * 86_400)  # until Stripe tries again
    await buyer.hear()
    before = await buyer.standing()
    await buyer.hear(failed)  # told again, too late
    assert await buyer.standing() == before
    assert [one.status for one in await buyer.subscriptions()] == ["active"]
    assert await buyer.credits() == BASIC + 2 * STANDARD


async def test_w15_an_upgrade_gives_the_difference_and_a_downgrade_waits(buyer: Customer) -> None:
    await buyer.buy("plan_standard")
    await buyer.hear()
    change = {"db": buyer.db, "gate": buyer.gate, "stripe": buyer.door}
    await purchase.change_plan(await buyer.present(), Plan.PRO, **change, now=buyer.now())  # type: ignore[arg-type]
    assert (await buyer.present()).plan == "pro"
    await buyer.hear()
    assert await buyer.credits() == BASIC + PRO
    later = await purchase.change_plan(await buyer.present(), Plan.BASIC, **change, now=buyer.now())  # type: ignore[arg-type]
    assert (later.plan, later.next_plan) == ("pro", "basic")
    await buyer.hear()
    assert (await buyer.present()).plan == "pro"
    buyer.sim.advance(later.external_id)
    await buyer.hear()
    assert (await buyer.present()).plan == "basic"
    assert await buyer.credits() == BASIC + PRO + BASIC


async def test_w15_a_plan_that_was_changed_in_the_portal_and_not_heard_of_is_changed_from_what_stripe_has(
    buyer: Customer,
) -> None:
    """To the row that we hold, Standard would be an upgrade, at once and for ever less than what was just paid for."""
    subscription = buyer.subscription_of(await buyer.buy("plan_basic"))
    await buyer.hear()
    await buyer.door.upgrade(await buyer.door.subscription(subscription), "plan_pro")
    change = {"db": buyer.db, "gate": buyer.gate, "stripe": buyer.door, "now": buyer.now()}
    with pytest.raises(purchase.PlanHeld):
        await purchase.change_plan(await buyer.present(), Plan.PRO, **change)  # type: ignore[arg-type]
    later = await purchase.change_plan(await buyer.present(), Plan.STANDARD, **change)  # type: ignore[arg-type]
    assert (later.plan, later.next_plan) == ("pro", "standard")
    await buyer.hear()
    assert [(one.plan, one.next_plan) for one in await buyer.subscriptions()] == [("pro", "standard")]
    assert ((await buyer.present()).plan, await buyer.credits()) == ("pro", BASIC + PRO)


async def test_w14_cancelled_at_the_end_taken_back_and_reached(buyer: Customer) -> None:
    await buyer.buy("plan_standard")
    await buyer.hear()
    tools = {"db": buyer.db, "gate": buyer.gate, "stripe": buyer.door}
    cancelled = await purchase.cancel(await buyer.present(), **tools, now=buyer.now())  # type: ignore[arg-type]
    assert cancelled.cancel_at_period_end
    assert not (await purchase.resume(await buyer.present(), **tools, now=buyer.now())).cancel_at_period_end  # type: ignore[arg-type]
    await purchase.cancel(await buyer.present(), **tools, now=buyer.now())  # type: ignore[arg-type]
    assert (await buyer.present()).plan == "standard"
    buyer.sim.advance(cancelled.external_id)
    await buyer.hear()
    assert (await buyer.present()).plan == "basic"
    with pytest.raises(purchase.NoSubscription):
        await purchase.cancel(await buyer.present(), **tools, now=buyer.now())  # type: ignore[arg-type]


async def test_w7_a_superseded_subscription_takes_nothing_with_it(buyer: Customer) -> None:
    first = buyer.subscription_of(await buyer.buy("plan_standard"))
    await buyer.hear()
    buyer.sim.end(first)
    ended = buyer.happened()
    buyer.sim.subscribe(buyer.sim.get(first)["customer"], "plan_pro")
    await buyer.hear()
    await buyer.hear(ended)
    assert (await buyer.present()).plan == "pro"
    assert await buyer.credits() == BASIC + STANDARD + PRO


async def test_w26_a_second_subscription_is_paid_back_and_ended(buyer: Customer) -> None:
    """Two tabs can both open a checkout before either is paid."""
    one, two = await buyer.checkout("plan_standard"), await buyer.checkout("plan_pro")
    buyer.sim.pay(one)
    buyer.sim.pass_time(1)  # Stripe's clock has seconds, and of equals the name decides which one is the newer
    buyer.sim.pay(two)
    await buyer.hear()
    await buyer.hear()
    assert buyer.sim.get(buyer.subscription_of(two))["status"] == "canceled"
    assert buyer.sim.get(buyer.subscription_of(one))["status"] == "active"
    assert (await buyer.present()).plan == "standard"
    assert await buyer.credits() == BASIC + STANDARD
    assert len(buyer.sim.all("refund")) == 1


async def test_w17_a_payment_that_takes_days(buyer: Customer) -> None:
    paid, unpaid = await buyer.checkout("pack_starter"), await buyer.checkout("pack_creator")
    for session in (paid, unpaid):
        buyer.sim.pay(session, later=True)
    await buyer.hear()
    assert (await buyer.standing())["purchases"] == ["pending", "pending"]
    assert await buyer.credits() == BASIC
    buyer.sim.settle(paid, paid=True)
    buyer.sim.settle(unpaid, paid=False)
    await buyer.hear(buyer.happened()[::-1])
    assert (await buyer.standing())["purchases"] == ["paid", "failed"]
    assert await buyer.credits() == BASIC + STARTER


async def test_w18_a_checkout_that_nobody_pays(buyer: Customer) -> None:
    buyer.sim.expire(await buyer.checkout("pack_starter"))
    await buyer.hear()
    assert (await buyer.standing())["purchases"] == ["expired"]
    assert await buyer.credits() == BASIC


@pytest.mark.parametrize("field", ["client_reference_id", "metadata", "customer"])
async def test_w19_a_checkout_that_names_two_accounts_gives_nothing(
    field: str, buyer: Customer, db: Database, gate: Gate, sim: SimulatedStripe, door: StripeDoor
) -> None:
    other = await Customer.comes(db, gate, sim, door)
    theirs = sim.get(await other.checkout("pack_starter"))
    session = sim.get(await buyer.buy("pack_creator"))
    session[field] = theirs[field]
    await buyer.hear([one for one in buyer.happened() if one["type"] == "checkout.session.completed"])
    assert (await buyer.events())["failed"] == 1
    assert (await buyer.credits(), await other.credits()) == (BASIC, BASIC)


@pytest.mark.parametrize("wrong", ["price", "currency", "livemode"])
async def test_w20_w28_what_we_do_not_sell_so_gives_nothing(wrong: str, buyer: Customer) -> None:
    session = await buyer.checkout("pack_starter")
    buyer.sim.pay(session)
    if wrong == "price":
        line = buyer.sim.book.hidden[session]["line_items"][0]
        line["price"] = line["price"] | {"lookup_key": None, "metadata": {}}
    else:
        buyer.sim.get(session)[wrong] = {"currency": "eur", "livemode": True}[wrong]
    await buyer.hear()
    assert (await buyer.events())["failed"] >= 1
    assert await buyer.credits() == BASIC


async def test_w29_a_checkout_of_more_lines_than_a_page_has_is_read_whole(buyer: Customer) -> None:
    session = await buyer.checkout("pack_starter")
    hidden = buyer.sim.book.hidden[session]
    hidden["line_items"] = [hidden["line_items"][0] | {"id": f"li_{n}"} for n in range(130)]
    buyer.sim.pay(session)
    await buyer.hear([one for one in buyer.happened() if one["type"] == "checkout.session.completed"])
    assert await buyer.credits() == BASIC + 130 * STARTER


async def test_w23_an_event_of_the_other_mode_is_kept_and_ignored(buyer: Customer) -> None:
    await buyer.buy("pack_starter")
    await buyer.hear([one | {"livemode": True} for one in buyer.happened()])
    assert set(await buyer.events()) == {"ignored"}
    assert await buyer.credits() == BASIC


async def test_w24_an_event_of_another_version_is_fetched_anew(buyer: Customer) -> None:
    await buyer.buy("pack_starter")
    events = buyer.happened()
    for event in events:
        event["data"]["object"] = {name: event["data"]["object"].get(name) for name in ("id", "object", "customer")}
    await buyer.hear([one | {"api_version": "2019-12-03"} for one in events])
    assert await buyer.credits() == BASIC + STARTER


async def test_w25_what_never_arrived_is_found_by_the_daily_comparison(buyer: Customer) -> None:
    await buyer.buy("pack_starter")
    tools = {"db": buyer.db, "stripe": buyer.door}
    missed = await inbox.reconcile(**tools, now=buyer.now())  # type: ignore[arg-type]
    assert missed == len([one for one in buyer.happened() if one["type"] in FAMILIES])
    assert await inbox.reconcile(**tools, now=buyer.now()) == 0  # type: ignore[arg-type]
    await buyer.drain()
    assert await buyer.credits() == BASIC + STARTER


@pytest.mark.parametrize("heard", [True, False])
async def test_w27_a_deleted_customer_is_let_go_and_the_next_purchase_makes_another(
    *, heard: bool, buyer: Customer
) -> None:
    first = buyer.sim.get(await buyer.buy("pack_starter"))["customer"]
    buyer.sim.delete(first)
    if heard:
        await buyer.hear()
    with pytest.raises(purchase.NoCustomer):
        await purchase.portal(buyer.account, return_url="https://x.example", db=buyer.db, stripe=buyer.door)
    second = buyer.sim.get(await buyer.buy("pack_creator"))["customer"]
    assert second != first
    await buyer.hear()
    assert await buyer.credits() == BASIC + STARTER + CREATOR
    assert (await buyer.events()).get("failed", 0) == 0
    assert buyer.sim.get(await buyer.buy("pack_starter"))["customer"] == second


async def test_w27_what_a_deleted_customer_paid_for_is_handed_over_and_its_subscription_ends(buyer: Customer) -> None:
    """Whoever is deleted is told of first, as Stripe may; a refund comes later."""
    session = await buyer.checkout("pack_starter")
    subscription = buyer.subscription_of(await buyer.buy("plan_standard"))
    await buyer.hear()
    buyer.sim.pay(session)
    charge = buyer.charge_of(session)
    buyer.sim.delete(buyer.sim.get(session)["customer"])
    await buyer.hear(buyer.happened()[::-1])
    assert [one.status for one in await buyer.subscriptions()] == ["canceled"]
    assert (await buyer.present()).plan == "basic"
    assert await buyer.credits() == BASIC + STANDARD + STARTER
    buyer.sim.refund(charge)
    await buyer.hear()
    assert await buyer.credits() == BASIC + STANDARD
    assert (await buyer.events()).get("failed", 0) == 0
    assert buyer.sim.get(await buyer.buy("plan_pro"))["subscription"] != subscription


async def test_w32_while_stripe_is_away_events_wait(buyer: Customer) -> None:
    await buyer.buy("pack_starter")
    working, buyer.door.api_url = buyer.door.api_url, "http://127.0.0.1:9"
    buyer.door = StripeDoor(
        secret_key=buyer.door.secret_key, webhook_secrets=buyer.door.webhook_secrets, api_url="http://127.0.0.1:9"
    )
    (event,) = [one for one in buyer.happened() if one["type"] == "checkout.session.completed"]
    await buyer.hear([event])
    assert await buyer.events() == {"received": 1}
    await buyer.door.close()
    buyer.door = StripeDoor(
        secret_key=buyer.door.secret_key, webhook_secrets=buyer.door.webhook_secrets, api_url=working
    )
    await buyer.drain()
    await buyer.door.close()
    assert await buyer.events() == {"done": 1}
    assert await buyer.credits() == BASIC + STARTER


async def test_a_boost_is_thirty_days_and_pro_needs_none(buyer: Customer) -> None:
    await buyer.buy("boost_30d")
    await buyer.hear()
    await buyer.buy("boost_30d")
    await buyer.hear()
    assert await buyer.boosts() == [MONTH, MONTH]
    session = await buyer.checkout("boost_30d")
    subscription = buyer.sim.subscribe(buyer.sim.get(session)["customer"], "plan_pro")
    await buyer.hear()
    buyer.sim.pay(session)
    await buyer.hear()
    await buyer.hear()
    assert await buyer.boosts() == [MONTH, MONTH]
    assert len(buyer.sim.all("refund")) == 1
    assert (await buyer.standing())["purchases"] == ["paid", "paid", "refunded"]
    with pytest.raises(purchase.BoostNotNeeded):
        await buyer.checkout("boost_30d")
    assert subscription["status"] == "active"


async def test_a_boost_that_was_paid_back_is_never_given(buyer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by an event that is handled again when the plan is a smaller one, nor after a crash behind the refund."""
    real = StripeDoor.refund
    session = await buyer.checkout("boost_30d")
    subscription = buyer.sim.subscribe(buyer.sim.get(session)["customer"], "plan_pro")
    await buyer.hear()
    buyer.sim.pay(session)

    async def and_crash(door: StripeDoor, payment_intent: str, *, why: str) -> None:
        await real(door, payment_intent, why=why)
        raise Outage("We are gone.", code="payments.unavailable")

    monkeypatch.setattr(StripeDoor, "refund", and_crash)
    paid = [event for event in buyer.happened() if event["type"] == "checkout.session.completed"]
    await buyer.hear(paid)
    monkeypatch.undo()
    buyer.sim.end(subscription["id"])
    ended = [event for event in buyer.happened() if event["type"] == "customer.subscription.deleted"]
    await buyer.take(*ended)
    await inbox.drain(db=buyer.db, gate=buyer.gate, stripe=buyer.door, now=buyer.now())  # not what was put off
    assert (await buyer.present()).plan == "basic"
    for again in (paid, paid):
        await buyer.hear(again)
    assert (await buyer.boosts(), (await buyer.standing())["purchases"]) == ([], ["refunded"])
    assert len(buyer.sim.all("refund")) == 1


async def test_a_purchase_needs_an_account_that_pays(buyer: Customer) -> None:
    with pytest.raises(purchase.NoCustomer):
        await purchase.portal(buyer.account, return_url="https://x.example", db=buyer.db, stripe=buyer.door)
    with pytest.raises(purchase.NoSubscription):
        await purchase.cancel(buyer.account, db=buyer.db, gate=buyer.gate, stripe=buyer.door, now=buyer.now())
    assert (await buyer.balance()).available_micro == BASIC * MICRO

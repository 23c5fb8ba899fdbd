"""What Stripe tells while something else is done, and what comes of each of its events: the table, row by row."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Literal

import pytest
from sqlalchemy import text

from reelwright.billing import StripeDoor, Subscribed
from reelwright.journeys import inbox, purchase
from tests.journeys.buying import Customer
from tests.promised import as_promised

NOTICES = text("SELECT kind, mail_state <> 'none' AS mailed, facts FROM notices ORDER BY told_at, id")
CREATOR = {"what": "pack", "name": "creator", "amount_cents": 1_195, "currency": "usd"}
Story = Callable[[Customer], Awaitable[None]]


async def notices(buyer: Customer) -> list[tuple[str, bool, Mapping[str, object]]]:
    """Return what the buyer was told: the kind, whether by e-mail, and the facts."""
    async with buyer.db.begin() as tx:
        return [(row.kind, row.mailed, as_promised(row.kind, row.facts)) for row in await tx.execute(NOTICES)]


async def test_what_stripe_tells_is_kept_though_the_drain_began_before_what_the_api_did(buyer: Customer) -> None:
    """A drain that is at a backlog, or on a machine whose clock is behind, must not take what is new for old."""
    subscription = buyer.subscription_of(await buyer.buy("plan_standard"))
    await buyer.hear()
    began = buyer.now() - timedelta(minutes=1)
    tools = {"db": buyer.db, "gate": buyer.gate, "stripe": buyer.door, "now": began + timedelta(seconds=90)}
    for change in (purchase.cancel, purchase.resume):
        await change(await buyer.present(), **tools)  # type: ignore[arg-type]
    buyer.sim.end(subscription)
    (ended,) = [event for event in buyer.happened() if event["type"] == "customer.subscription.deleted"]
    await buyer.take(ended)
    assert await inbox.drain(db=buyer.db, gate=buyer.gate, stripe=buyer.door, now=began) == 1
    assert [one.status for one in await buyer.subscriptions()] == ["canceled"]
    assert (await buyer.present()).plan == "basic"


async def test_who_is_overtaken_between_asking_and_writing_asks_again(
    buyer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event has an answer in hand that the API's own has made an old one."""
    real = StripeDoor.subscription
    await buyer.buy("plan_standard")
    await buyer.hear()
    tools = {"db": buyer.db, "gate": buyer.gate, "stripe": buyer.door, "now": buyer.now()}

    async def overtaken(door: StripeDoor, name: str) -> Subscribed:
        found = await real(door, name)
        monkeypatch.undo()
        await purchase.cancel(await buyer.present(), **tools)  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(StripeDoor, "subscription", overtaken)
    first = next(event for event in buyer.told if event["type"] == "customer.subscription.created")
    await buyer.hear([first])
    assert (await buyer.events())["received"] == 1
    assert [one.cancel_at_period_end for one in await buyer.subscriptions()] == [True]
    await buyer.drain()
    assert [one.cancel_at_period_end for one in await buyer.subscriptions()] == [True]
    assert set(await buyer.events()) == {"done", "ignored"}


async def test_a_change_that_is_overtaken_is_written_as_stripe_has_it(
    buyer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = StripeDoor.cancel_at_end
    await buyer.buy("plan_standard")
    await buyer.hear()
    tools = {"db": buyer.db, "gate": buyer.gate, "stripe": buyer.door, "now": buyer.now()}

    async def and_back(door: StripeDoor, held: Subscribed, *, cancel: bool) -> Subscribed:
        found = await real(door, held, cancel=cancel)
        monkeypatch.undo()
        await purchase.resume(await buyer.present(), **tools)  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(StripeDoor, "cancel_at_end", and_back)
    cancelled = await purchase.cancel(await buyer.present(), **tools)  # type: ignore[arg-type]
    assert cancelled.cancel_at_period_end is False


@pytest.mark.parametrize("how", ["uncollectible", "void"])
async def test_a_month_that_will_not_be_paid_any_more_has_no_grace_left(
    how: Literal["uncollectible", "void"], buyer: Customer
) -> None:
    """To Stripe the subscription is active then; whichever is heard last, the plan is gone until a month is paid."""
    subscription = buyer.subscription_of(await buyer.buy("plan_standard"))
    await buyer.hear()
    buyer.sim.fail_next(buyer.sim.get(subscription)["customer"])
    buyer.sim.advance(subscription)
    await buyer.hear()
    assert (await buyer.present()).plan == "standard"
    buyer.sim.give_up(buyer.sim.get(subscription)["latest_invoice"], how)
    told = buyer.happened()
    name = {"uncollectible": "invoice.marked_uncollectible", "void": "invoice.voided"}[how]
    assert [event["type"] for event in told] == [name, "customer.subscription.updated"]
    for order in (told, told[::-1]):
        await buyer.hear(order)
        assert (await buyer.present()).plan == "basic"
        assert [one.status for one in await buyer.subscriptions()] == ["past_due"]
    with pytest.raises(purchase.SubscriptionExists):
        await buyer.checkout("plan_standard")
    buyer.sim.advance(subscription)
    await buyer.hear()
    assert (await buyer.present()).plan == "standard"


async def fails(buyer: Customer) -> None:
    """A month's payment is declined, and would be again: the first time is told of once, however often it is heard."""
    subscription = buyer.subscription_of(await buyer.buy("plan_standard"))
    buyer.sim.fail_next(buyer.sim.get(subscription)["customer"])
    buyer.sim.advance(subscription)


async def must_be_confirmed(buyer: Customer) -> None:
    subscription = buyer.subscription_of(await buyer.buy("plan_standard"))
    buyer.sim.fail_next(buyer.sim.get(subscription)["customer"], "authentication_required")
    buyer.sim.advance(subscription)


async def is_turned_down_by_the_bank(buyer: Customer) -> None:
    session = await buyer.checkout("pack_creator")
    buyer.sim.pay(session, later=True)
    buyer.sim.settle(session, paid=False)


async def is_left(buyer: Customer) -> None:
    buyer.sim.expire(await buyer.checkout("pack_creator"))


async def is_left_and_was_a_plan(buyer: Customer) -> None:
    buyer.sim.expire(await buyer.checkout("plan_pro"))


async def ends_its_trial(buyer: Customer) -> None:
    session = await buyer.checkout("pack_creator")
    buyer.sim.subscribe(buyer.sim.get(session)["customer"], "plan_pro", trial_days=7)
    for _ in range(2):
        buyer.sim.pass_time(2 * 86_400)


@pytest.mark.parametrize(
    ("event", "story", "mailed", "facts"),
    [
        ("invoice.payment_failed", fails, True, {"amount_cents": 1_995, "currency": "usd"}),
        ("invoice.payment_action_required", must_be_confirmed, True, {"amount_cents": 1_995, "currency": "usd"}),
        ("checkout.session.async_payment_failed", is_turned_down_by_the_bank, True, CREATOR),
        ("checkout.session.expired", is_left, False, CREATOR),
        ("checkout.session.expired", is_left_and_was_a_plan, False, {"what": "plan", "name": "pro"}),
        ("customer.subscription.trial_will_end", ends_its_trial, True, {"plan": "pro", "goes_on": True}),
    ],
)
async def test_what_a_person_should_know_is_told_once(
    event: str, story: Story, facts: dict[str, object], buyer: Customer, *, mailed: bool
) -> None:
    kinds = {
        "invoice.payment_failed": "payment_failed",
        "invoice.payment_action_required": "payment_action_required",
        "checkout.session.async_payment_failed": "purchase_failed",
        "checkout.session.expired": "purchase_expired",
        "customer.subscription.trial_will_end": "trial_ending",
    }
    await story(buyer)
    (told,) = [one for one in buyer.happened() if one["type"] == event]
    for _ in range(2):
        await buyer.hear([told])
    ((found, by_mail, said),) = [one for one in await notices(buyer) if one[0] in kinds.values()]
    assert (found, by_mail) == (kinds[event], mailed)
    assert {**said, **facts} == said


async def test_a_payment_that_looks_stolen_is_for_a_person_to_decide(
    buyer: Customer, caplog: pytest.LogCaptureFixture
) -> None:
    charge = buyer.charge_of(await buyer.buy("pack_creator"))
    warning = buyer.sim.book.add("issfr", "radar.early_fraud_warning", charge=charge, actionable=True)
    await buyer.hear([*buyer.happened(), buyer.sim.tell("radar.early_fraud_warning.created", warning)])
    assert warning["id"] in caplog.text
    assert await buyer.credits() == 4_000
    assert set(await buyer.events()) == {"done", "ignored"}

"""What Stripe has no price of can't be bought: its buyer is told so, nothing is charged, and an alarm goes off."""

from collections.abc import Sequence

import pytest
from prometheus_client import REGISTRY

from reelwright.admission import Gate
from reelwright.billing import PaymentRefused, Plan, StripeDoor
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database
from reelwright.journeys import purchase
from tests.journeys.buying import Customer
from tests.simulators.stripe import SimulatedStripe

MISSING, REVIEWS = "reelwright_stripe_item_missing_total", "reelwright_stripe_reviews_total"


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let prices be listed that are gone when they are used a moment later."""

    async def listed(_: StripeDoor, items: Sequence[str]) -> dict[str, str]:
        return {item: f"price_gone_{item}" for item in items}

    monkeypatch.setattr(StripeDoor, "item_prices", listed)


async def _refused(buyer: Customer, item: str) -> Outage:
    before = counted(MISSING)
    with pytest.raises(Outage) as refused:
        await buyer.checkout(item)
    assert counted(MISSING) == before + 1
    assert buyer.sim.all("checkout.session") == buyer.sim.all("payment_intent") == []
    return refused.value


@pytest.mark.parametrize("item", ["pack_starter", "boost_30d", "plan_standard"])
@pytest.mark.usefixtures("stale")
async def test_a_price_that_vanished_while_it_was_bought_is_told_to_buyer_and_operator(
    item: str, buyer: Customer, caplog: pytest.LogCaptureFixture
) -> None:
    why = await _refused(buyer, item)
    assert (why.code, "nothing was charged" in why.sentence) == ("payments.item_missing", True)
    assert "new Idempotency-Key" in why.sentence
    assert "stripe.item_missing" in caplog.text
    assert "line_items[0][price]" in caplog.text
    assert await buyer.credits() == 1_500


async def test_a_price_that_was_archived_is_missing_too(buyer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripe says so without a code where the price is there, but no more on sale."""
    real = StripeDoor.item_prices

    async def archived_meanwhile(door: StripeDoor, items: Sequence[str]) -> dict[str, str]:
        found = dict(await real(door, items))
        for price in found.values():
            buyer.sim.get(price)["active"] = False
        return found

    monkeypatch.setattr(StripeDoor, "item_prices", archived_meanwhile)
    assert (await _refused(buyer, "pack_starter")).code == "payments.item_missing"
    assert (await _refused(buyer, "pack_starter")).code == "payments.item_missing"  # by now it isn't listed either


@pytest.mark.parametrize("wanted", [Plan.PRO, Plan.BASIC])
async def test_a_change_to_a_plan_that_vanished_changes_nothing(
    wanted: Plan, buyer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = buyer.subscription_of(await buyer.buy("plan_standard"))
    await buyer.hear()
    real, before = StripeDoor.item_prices, counted(MISSING)
    paid = len(buyer.sim.all("invoice"))

    async def listed(door: StripeDoor, items: Sequence[str]) -> dict[str, str]:
        found = dict(await real(door, items))
        return found | {item: "price_gone" for item in items if item == f"plan_{wanted}"}

    monkeypatch.setattr(StripeDoor, "item_prices", listed)
    with pytest.raises(Outage) as refused:
        await purchase.change_plan(
            await buyer.present(), wanted, db=buyer.db, gate=buyer.gate, stripe=buyer.door, now=buyer.now()
        )
    assert (refused.value.code, counted(MISSING)) == ("payments.item_missing", before + 1)
    assert len(buyer.sim.all("invoice")) == paid
    [item] = buyer.sim.get(subscription)["items"]["data"]
    assert item["price"]["lookup_key"] == "plan_standard"


async def test_a_payment_that_a_bank_calls_stolen_is_flagged_once_with_its_account(
    db: Database, gate: Gate, sim: SimulatedStripe, door: StripeDoor, caplog: pytest.LogCaptureFixture
) -> None:
    buyer = await Customer.comes(db, gate, sim, door)
    charge = buyer.charge_of(await buyer.buy("pack_creator"))
    await buyer.hear()
    before = counted(REVIEWS)
    warning = sim.book.add("issfr", "radar.early_fraud_warning", charge=charge, actionable=True)
    event = sim.tell("radar.early_fraud_warning.created", warning)
    await buyer.take(event)
    await buyer.take(event)
    await buyer.drain()
    assert counted(REVIEWS) == before + 1
    [flagged] = [one for one in caplog.messages if "settlement.payment_flagged" in one]
    for said in (warning["id"], charge, str(buyer.account.id), "purchase:checkout:"):
        assert said in flagged
    assert await buyer.credits() == 4_000
    assert await buyer.checkout("pack_starter")  # a warning locks nobody out


@pytest.mark.parametrize("how", ["uncollectible", "void", "open"])
async def test_an_upgrade_waits_until_the_month_under_way_is_paid(how: str, buyer: Customer) -> None:
    """Its invoice has only the difference on it: it would sell a month of Pro, without its credits, for half of it."""
    subscription = buyer.subscription_of(await buyer.buy("plan_standard"))
    await buyer.hear()
    buyer.sim.fail_next(customer := buyer.sim.get(subscription)["customer"])
    buyer.sim.advance(subscription)
    owed = buyer.sim.get(subscription)["latest_invoice"]
    if how != "open":
        buyer.sim.give_up(owed, "void" if how == "void" else "uncollectible")
    await buyer.hear()
    invoices = len(buyer.sim.all("invoice", customer=customer))
    with pytest.raises(PaymentRefused, match="has not been paid"):
        await _to_pro(buyer)
    assert len(buyer.sim.all("invoice", customer=customer)) == invoices
    assert (await buyer.present()).plan == ("standard" if how == "open" else "basic")

    buyer.sim.advance(subscription)  # the next month is paid
    await buyer.hear()
    await _to_pro(buyer)
    await buyer.hear()
    assert (await buyer.present()).plan == "pro"


async def _to_pro(buyer: Customer) -> None:
    account = await buyer.present()
    await purchase.change_plan(account, Plan.PRO, db=buyer.db, gate=buyer.gate, stripe=buyer.door, now=buyer.now())

"""The simulated Stripe, driven by the official SDK: what is sold, paid, renewed, refunded and disputed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Union, get_args, get_origin

import pytest
import stripe

from reelwright import billing
from reelwright.dev.stripe.book import API_VERSION
from reelwright.dev.stripe.subscriptions import month_after
from tests.dev.stripe_shop import BACK, THANKS, Shop, Tools, clients, opened

DAY_S = 86_400
# stripe 16.1 hands httpx 0.28 its forms in a way that httpx wants to give up
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")


@pytest.fixture(scope="module")
async def tools() -> AsyncIterator[Tools]:
    async with clients() as both:
        yield both


@pytest.fixture
async def shop(tools: Tools) -> AsyncIterator[Shop]:
    async with opened(*tools) as up:
        yield up


async def test_the_price_page_is_on_sale(shop: Shop) -> None:
    found = await shop.v1.prices.list_async({"active": True, "limit": 100, "expand": ["data.product"]})
    prices = {price.lookup_key: (price.unit_amount, price.recurring and price.recurring.interval) for price in found}
    assert prices == {
        **{f"plan_{plan}": (terms.price_cents, "month") for plan, terms in billing.PLANS.items()},
        **{f"pack_{pack}": (cents, None) for pack, cents in billing.PACK_PRICES_CENTS.items()},
        "boost_30d": (billing.BOOST_PRICE_CENTS, None),
    }
    assert {price.product.name for price in found} >= {"Reelwright Pro", "2,500 credits (creator)"}
    assert stripe.api_version == API_VERSION


async def test_a_pack_is_bought_on_the_hosted_page(shop: Shop) -> None:
    session = await shop.session("pack_creator", payment_intent_data={"metadata": {"attempt_id": "a-1"}})
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert "Simulated Stripe" in (await shop.page.get(shop.sim.url)).text
    page = await shop.page.get(session.url)
    assert "No money moves" in page.text
    assert "2,500 credits (creator)" in page.text
    assert "$11.95" in page.text

    declined = await shop.page.post(session.url, data={"do": "decline"})
    assert (declined.status_code, "was declined" in declined.text) == (402, True)
    assert (await shop.page.post(session.url, data={"do": "cancel"})).headers["location"] == BACK
    paid = await shop.page.post(session.url, data={"do": "pay"})
    assert (paid.status_code, paid.headers["location"]) == (303, THANKS.replace("{CHECKOUT_SESSION_ID}", session.id))
    assert (await shop.page.get(session.url)).status_code == 400, "it is sold once"

    expand = ["payment_intent.latest_charge", "line_items"]
    session = await shop.v1.checkout.sessions.retrieve_async(session.id, {"expand": expand})
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)
    assert (session.client_reference_id, session.metadata["attempt_id"]) == ("account-1", "a-1")
    assert [line.price.lookup_key for line in session.line_items] == ["pack_creator"]
    intent = session.payment_intent
    assert (intent.status, intent.amount_received, intent.metadata["attempt_id"]) == ("succeeded", 1_195, "a-1")
    assert (intent.latest_charge.paid, intent.latest_charge.customer) == (True, shop.customer)
    assert shop.types("payment_intent", "charge", "checkout") == [
        *("payment_intent.created", "charge.failed", "payment_intent.payment_failed"),
        *("charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"),
    ]


@pytest.mark.parametrize(("paid", "ends_in"), [(True, "succeeded"), (False, "failed")])
async def test_a_bank_may_need_days(shop: Shop, *, paid: bool, ends_in: str) -> None:
    session = await shop.session("boost_30d")
    shop.sim.pay(session.id, later=True)
    [completed] = shop.sim.events("checkout.session.completed")
    assert completed["data"]["object"]["payment_status"] == "unpaid"
    shop.sim.settle(session.id, paid=paid)
    assert shop.types("checkout")[-1] == f"checkout.session.async_payment_{ends_in}"
    assert (await shop.v1.checkout.sessions.retrieve_async(session.id)).payment_status == ("paid" if paid else "unpaid")


async def test_a_checkout_that_nobody_pays_expires(shop: Shop) -> None:
    session = await shop.session("pack_starter", expires_at=shop.sim.book.now() + 1_800)
    shop.sim.pass_time(1_801)
    assert (await shop.v1.checkout.sessions.retrieve_async(session.id)).status == "expired"
    assert shop.types("checkout") == ["checkout.session.expired"]
    with pytest.raises(stripe.InvalidRequestError):
        await shop.v1.checkout.sessions.expire_async(session.id)


async def test_a_subscription_begins_with_a_paid_invoice_as_endive_has_it(shop: Shop) -> None:
    held = await shop.subscribed("plan_standard")
    assert (held.status, held.metadata["user"], held.items.data[0].price.lookup_key) == ("active", "1", "plan_standard")
    begins, ends = held.items.data[0].current_period_start, held.items.data[0].current_period_end
    assert ends == month_after(held.billing_cycle_anchor, begins)
    invoice = await shop.v1.invoices.retrieve_async(
        held.latest_invoice, {"expand": ["payments.data.payment.payment_intent"]}
    )
    assert (invoice.status, invoice.billing_reason, invoice.amount_paid) == ("paid", "subscription_create", 1_995)
    assert invoice.parent.subscription_details.subscription == held.id
    [line] = invoice.lines.data
    assert (line.period.start, line.period.end, line.amount) == (begins, ends, 1_995)
    assert line.pricing.price_details.price == held.items.data[0].price.id
    assert not line.parent.subscription_item_details.proration
    [payment] = invoice.payments.data
    assert payment.payment.payment_intent.status == "succeeded"
    asked = {"payment": {"type": "payment_intent", "payment_intent": payment.payment.payment_intent.id}}
    [same] = (await shop.v1.invoice_payments.list_async(asked)).data
    assert same.invoice == invoice.id
    for gone in ("subscription", "payment_intent", "charge", "paid"):
        assert gone not in invoice
    assert "current_period_end" not in held


async def test_an_upgrade_is_prorated_and_billed_at_once(shop: Shop) -> None:
    held = await shop.subscribed("plan_basic")
    [item] = held.items.data
    half = (item.current_period_start + item.current_period_end) // 2
    change = {"items": [{"id": item.id, "price": await shop.price("plan_pro")}], "proration_behavior": "always_invoice"}
    with shop.sim.book.at(half):
        held = await shop.v1.subscriptions.update_async(held.id, {**change, "expand": ["latest_invoice"]})
    bill = held.latest_invoice
    assert (bill.status, bill.billing_reason) == ("paid", "subscription_update")
    assert [line.amount for line in bill.lines] == [pytest.approx(-297, abs=1), pytest.approx(1_997, abs=1)]
    assert all(line.parent.subscription_item_details.proration for line in bill.lines)
    assert bill.total == sum(line.amount for line in bill.lines)
    updated = shop.sim.events("customer.subscription.updated")[-1]
    assert updated["data"]["previous_attributes"]["items"]["data"][0]["price"]["lookup_key"] == "plan_basic"


async def test_an_upgrade_that_is_not_paid_changes_nothing(shop: Shop) -> None:
    held = await shop.subscribed("plan_basic")
    shop.sim.fail_next(shop.customer)
    change = {"items": [{"id": held.items.data[0].id, "price": await shop.price("plan_pro")}]}
    behaviour = {"proration_behavior": "always_invoice", "payment_behavior": "error_if_incomplete"}
    with pytest.raises(stripe.CardError) as declined:
        await shop.v1.subscriptions.update_async(held.id, {**change, **behaviour})
    assert (declined.value.code, declined.value.http_status) == ("card_declined", 402)
    assert await shop.v1.subscriptions.retrieve_async(held.id) == held


async def test_prorations_wait_for_the_next_invoice_where_that_is_wished(shop: Shop) -> None:
    held = await shop.subscribed("plan_pro")
    [item] = held.items.data
    await shop.v1.subscriptions.update_async(
        held.id, {"items": [{"id": item.id, "price": await shop.price("plan_basic")}]}
    )
    assert len(shop.sim.all("invoice")) == 1
    renewed = shop.sim.advance(held.id)
    bill = shop.sim.get(renewed["latest_invoice"])
    assert [line["amount"] for line in bill["lines"]["data"]] == [-3_995, 595, 595]
    assert (bill["total"], bill["amount_due"], bill["status"]) == (-2_805, 0, "paid")
    assert shop.sim.get(shop.customer)["balance"] == -2_805, "what is left pays the next ones"
    following = shop.sim.get(shop.sim.advance(held.id)["latest_invoice"])
    assert (following["ending_balance"], following["amount_due"], following["total"]) == (-2_210, 0, 595)


async def test_a_downgrade_waits_for_the_periods_end(shop: Shop) -> None:
    held = await shop.subscribed("plan_pro")
    [item] = held.items.data
    schedule = await shop.v1.subscription_schedules.create_async({"from_subscription": held.id})
    now = {"items": [{"price": item.price.id, "quantity": 1}]}
    now |= {"start_date": item.current_period_start, "end_date": item.current_period_end}
    basic = {"items": [{"price": await shop.price("plan_basic"), "quantity": 1}], "duration": {"interval": "month"}}
    await shop.v1.subscription_schedules.update_async(schedule.id, {"end_behavior": "release", "phases": [now, basic]})
    held = await shop.v1.subscriptions.retrieve_async(held.id, {"expand": ["schedule"]})
    assert held.schedule.phases[-1]["items"][0].price == basic["items"][0]["price"]
    assert held.items.data[0].price.lookup_key == "plan_pro"
    with pytest.raises(stripe.InvalidRequestError, match="managed by the subscription schedule"):
        await shop.v1.subscriptions.update_async(held.id, {"cancel_at_period_end": True})

    renewed = shop.sim.advance(held.id)
    assert renewed["items"]["data"][0]["price"]["lookup_key"] == "plan_basic"
    assert shop.sim.get(renewed["latest_invoice"])["total"] == 595
    assert shop.sim.advance(held.id)["schedule"] is None
    assert shop.sim.get(schedule.id)["status"] == "released"


async def test_a_subscription_ends_with_its_period_unless_resumed(shop: Shop) -> None:
    held = await shop.subscribed("plan_basic")
    ending = await shop.v1.subscriptions.update_async(held.id, {"cancel_at_period_end": True})
    assert (ending.cancel_at, ending.status) == (held.items.data[0].current_period_end, "active")
    resumed = await shop.v1.subscriptions.update_async(held.id, {"cancel_at_period_end": False})
    assert (resumed.cancel_at, resumed.canceled_at) == (None, None)
    assert shop.sim.advance(held.id)["status"] == "active"
    await shop.v1.subscriptions.update_async(held.id, {"cancel_at_period_end": True})
    over = shop.sim.advance(held.id)
    assert (over["status"], over["ended_at"]) == ("canceled", over["items"]["data"][0]["current_period_end"])
    assert shop.types("customer.subscription")[-1] == "customer.subscription.deleted"
    assert not (await shop.v1.subscriptions.list_async({"customer": shop.customer})).data
    assert len((await shop.v1.subscriptions.list_async({"customer": shop.customer, "status": "all"})).data) == 1


def test_a_month_from_the_31st_is_cut_to_what_there_is() -> None:
    anchor = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp())
    ends, days = anchor, list[str]()
    for _ in range(5):
        ends = month_after(anchor, ends)
        days.append(f"{datetime.fromtimestamp(ends, UTC):%m-%d %H}")
    assert days == ["02-28 12", "03-31 12", "04-30 12", "05-31 12", "06-30 12"]


async def test_a_renewal_that_fails_is_tried_again_and_then_given_up(shop: Shop) -> None:
    held = await shop.subscribed("plan_standard")
    shop.sim.fail_next(shop.customer, times=4)
    month = held.items.data[0].current_period_end - shop.sim.book.now()
    shop.sim.pass_time(month)
    late = await shop.v1.subscriptions.retrieve_async(held.id, {"expand": ["latest_invoice"]})
    assert (late.status, late.latest_invoice.status, late.latest_invoice.attempt_count) == ("past_due", "open", 1)
    shop.sim.pass_time(15 * DAY_S)
    over = await shop.v1.subscriptions.retrieve_async(held.id)
    assert (over.status, over.cancellation_details.reason) == ("canceled", "payment_failed")
    assert shop.types("invoice.payment_failed") == ["invoice.payment_failed"] * 4


async def test_a_failed_renewal_recovers_when_the_invoice_is_paid(shop: Shop) -> None:
    held = await shop.subscribed("plan_standard")
    shop.sim.fail_next(shop.customer, "authentication_required")
    failed = shop.sim.advance(held.id)
    assert failed["status"] == "past_due"
    assert shop.types("invoice.payment_")[-2:] == ["invoice.payment_action_required", "invoice.payment_failed"]
    page = shop.sim.get(failed["latest_invoice"])["hosted_invoice_url"]
    assert "No money moves" in (await shop.page.get(page)).text
    assert "The card was declined" in (await shop.page.post(page, data={"do": "decline"})).text
    paid = await shop.v1.invoices.pay_async(failed["latest_invoice"])
    assert (paid.status, paid.attempt_count) == ("paid", 3)
    assert (await shop.v1.subscriptions.retrieve_async(held.id)).status == "active"


async def test_a_trial_costs_nothing_and_then_a_month(shop: Shop) -> None:
    session = await shop.session("plan_pro", mode="subscription", subscription_data={"trial_period_days": 7})
    done = shop.sim.pay(session.id)
    assert done["payment_status"] == "no_payment_required"
    held = await shop.v1.subscriptions.retrieve_async(done["subscription"], {"expand": ["latest_invoice"]})
    assert (held.status, held.items.data[0].current_period_end) == ("trialing", held.trial_end)
    assert (held.latest_invoice.status, held.latest_invoice.amount_due) == ("paid", 0)
    billed = shop.sim.advance(held.id)
    assert (billed["status"], shop.sim.get(billed["latest_invoice"])["amount_paid"]) == ("active", 3_995)
    assert billed["items"]["data"][0]["current_period_end"] == month_after(held.trial_end, held.trial_end)
    previous = shop.sim.events("customer.subscription.updated")[-1]["data"]["previous_attributes"]
    assert (previous["status"], previous["latest_invoice"]) == ("trialing", held.latest_invoice.id)


async def test_a_first_invoice_that_is_never_paid_ends_in_nothing(shop: Shop) -> None:
    lapses = shop.sim.subscribe(shop.customer, "plan_basic", fails="generic_decline")
    recovers = shop.sim.subscribe(shop.customer, "plan_pro", fails="generic_decline")
    assert (lapses["status"], recovers["status"]) == ("incomplete", "incomplete")
    await shop.v1.invoices.pay_async(recovers["latest_invoice"])
    shop.sim.pass_time(23 * 3_600)
    assert (lapses["status"], recovers["status"]) == ("incomplete_expired", "active")
    assert shop.sim.get(lapses["latest_invoice"])["status"] == "void"


async def test_a_paused_subscription_goes_on_with_a_new_month(shop: Shop) -> None:
    held = await shop.subscribed("plan_basic")
    with pytest.raises(stripe.InvalidRequestError, match="Only paused"):
        await shop.v1.subscriptions.resume_async(held.id)
    shop.sim.pause(held.id)
    resumed = await shop.v1.subscriptions.resume_async(held.id)
    assert (resumed.status, len(shop.sim.all("invoice", status="paid"))) == ("active", 2)
    assert shop.types("customer.subscription.p", "customer.subscription.r") == [
        "customer.subscription.paused",
        "customer.subscription.resumed",
    ]


async def test_a_subscription_is_cancelled_at_once(shop: Shop) -> None:
    held = await shop.subscribed("plan_standard")
    [item] = held.items.data
    with shop.sim.book.at((item.current_period_start + item.current_period_end) // 2):
        over = await shop.v1.subscriptions.cancel_async(held.id, {"prorate": True})
    assert (over.status, over.ended_at is not None) == ("canceled", True)
    assert shop.sim.get(shop.customer)["balance"] == pytest.approx(-998, abs=1)
    with pytest.raises(stripe.InvalidRequestError):
        await shop.v1.subscriptions.cancel_async(held.id)


async def test_refunds_add_up_to_what_was_paid_and_may_come_back(shop: Shop) -> None:
    charge = await shop.charged("pack_studio")
    first = await shop.v1.refunds.create_async({"payment_intent": charge.payment_intent, "amount": 1_000})
    await shop.v1.refunds.create_async({"charge": charge.id, "amount": 1_000, "reason": "requested_by_customer"})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        await shop.v1.refunds.create_async({"charge": charge.id, "amount": 1_996})
    await shop.v1.refunds.create_async({"charge": charge.id})
    with pytest.raises(stripe.InvalidRequestError) as again:
        await shop.v1.refunds.create_async({"charge": charge.id})
    assert again.value.code == "charge_already_refunded"
    whole = await shop.v1.charges.retrieve_async(charge.id, {"expand": ["refunds"]})
    assert (whole.amount_refunded, whole.refunded, len(whole.refunds.data)) == (3_995, True, 3)

    shop.sim.fail_refund(first.id)
    whole = await shop.v1.charges.retrieve_async(charge.id)
    assert (whole.amount_refunded, whole.refunded) == (2_995, False)
    assert shop.types("refund.")[-2:] == ["refund.failed", "refund.updated"]


@pytest.mark.parametrize(
    ("inquiry", "outcome", "events"),
    [
        (False, "won", ["created", "funds_withdrawn", "funds_reinstated", "closed"]),
        (False, "lost", ["created", "funds_withdrawn", "closed"]),
        (True, "warning_closed", ["created", "closed"]),
    ],
)
async def test_a_dispute_is_opened_and_decided(shop: Shop, *, inquiry: bool, outcome: str, events: list[str]) -> None:
    charge = await shop.charged("pack_studio")
    opened_ = shop.sim.dispute(charge.id, inquiry=inquiry)
    if not inquiry:
        with pytest.raises(stripe.InvalidRequestError, match="charged back"):
            await shop.v1.refunds.create_async({"charge": charge.id})
    shop.sim.close_dispute(opened_["id"], outcome)
    [found] = (await shop.v1.disputes.list_async({"charge": charge.id})).data
    assert (found.status, found.amount, found.payment_intent) == (outcome, 3_995, charge.payment_intent)
    assert shop.types("charge.dispute") == [f"charge.dispute.{each}" for each in events]


def lacking(kind: type, told: dict[str, Any], place: str) -> list[str]:
    """Return what the SDK's class promises and an answer doesn't have."""
    found: list[str] = []
    for name, hint in kind.__annotations__.items():
        inner = [hint, *get_args(hint)]
        optional = get_origin(hint) is Union and type(None) in get_args(hint)
        if name.isupper() or (optional and not isinstance(told.get(name), dict)):
            continue
        if name not in told:
            found.append(f"{place}.{name}")
        for each in inner:
            is_object = isinstance(each, type) and issubclass(each, stripe.StripeObject)
            if is_object and each.__annotations__ and isinstance(told.get(name), dict):
                found += lacking(each, told[name], f"{place}.{name}")
    return found


async def test_every_object_has_what_the_sdk_promises(shop: Shop) -> None:
    held = await shop.subscribed("plan_basic")
    charge = await shop.charged("pack_starter")
    shop.sim.refund(charge.id, 5)
    shop.sim.dispute(charge.id)
    await shop.v1.billing_portal.sessions.create_async({"customer": shop.customer, "return_url": BACK})
    kinds = [stripe.Customer, stripe.Product, stripe.Price, stripe.checkout.Session, stripe.billing_portal.Session]
    kinds += [stripe.Subscription, stripe.Invoice, stripe.InvoicePayment, stripe.PaymentIntent, stripe.Charge]
    kinds += [stripe.Refund, stripe.Dispute, stripe.Event]
    shown = [(kind, shop.sim.all(kind.OBJECT_NAME)[-1]) for kind in kinds]
    shown.append((stripe.SubscriptionItem, shop.sim.get(held.id)["items"]["data"][0]))
    shown.append((stripe.InvoiceLineItem, shop.sim.get(held.latest_invoice)["lines"]["data"][0]))
    assert [each for kind, told in shown for each in lacking(kind, told, kind.OBJECT_NAME)] == []


async def test_the_synchronous_sdk_is_served_too(shop: Shop) -> None:
    client = stripe.StripeClient(shop.sim.secret_key, base_addresses={"api": shop.sim.url})
    found = await asyncio.to_thread(client.v1.customers.retrieve, shop.customer)
    assert found.email == "ada@example.com"

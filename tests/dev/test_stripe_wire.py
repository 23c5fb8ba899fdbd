"""How the simulated Stripe talks: repeats, errors, pages of lists, webhooks that go wrong, and what outlives it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import stripe
from aiohttp import web

from reelwright.dev.child import free_port
from reelwright.dev.stripe.app import StripeApp
from reelwright.dev.stripe.book import API_VERSION, Book
from reelwright.dev.stripe.keys import Keys
from reelwright.dev.stripe.webhooks import Webhooks
from reelwright.dev.stripe.wire import parsed
from tests.dev.stripe_shop import BACK, Shop, Tools, clients, opened
from tests.simulators.stripe import WEBHOOK_SECRET
from tests.waiting import wait_until

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


@pytest.fixture
async def telling(tools: Tools) -> AsyncIterator[Shop]:
    """A shop whose webhooks are sent to a receiver."""
    async with opened(*tools, webhooks=True) as up:
        await up.sim.delivered()
        up.heard.clear()
        yield up


async def test_a_repeat_with_its_key_is_the_first_answer(shop: Shop) -> None:
    wish, once = {"email": "bob@example.com"}, {"idempotency_key": "customer-2"}
    first = await shop.v1.customers.create_async(wish, once)
    again = await shop.v1.customers.create_async(wish, once)
    assert (again.id, again.last_response.headers["idempotent-replayed"]) == (first.id, "true")
    assert len(shop.sim.all("customer")) == 2
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        await shop.v1.customers.create_async({"email": "eve@example.com"}, once)
    with pytest.raises(stripe.IdempotencyError):
        await shop.v1.products.create_async({"name": "x"}, once)


async def test_a_request_that_was_never_begun_may_use_its_key_again(shop: Shop) -> None:
    once = {"idempotency_key": "co-1"}
    with pytest.raises(stripe.InvalidRequestError):
        await shop.v1.customers.create_async({"shoe_size": 43}, once)
    assert (await shop.v1.customers.create_async({"email": "bob@example.com"}, once)).email == "bob@example.com"


async def test_what_was_done_and_not_answered_is_done_once(shop: Shop) -> None:
    """The SDK tries again with the key that it made; the second answer is of the first request."""
    shop.sim.set_faults(lose_replies=1)
    made = await shop.v1.customers.create_async({"email": "bob@example.com"})
    assert made.last_response.headers["idempotent-replayed"] == "true"
    assert [each["email"] for each in shop.sim.all("customer")] == ["ada@example.com", "bob@example.com"]


async def test_the_sdk_survives_an_ill_server(shop: Shop) -> None:
    shop.sim.set_faults(answers=(500, 409))
    assert (await shop.v1.customers.retrieve_async(shop.customer)).id == shop.customer
    shop.sim.set_faults(answers=(429,))
    with pytest.raises(stripe.RateLimitError):
        await shop.v1.customers.retrieve_async(shop.customer)


WRONG: list[tuple[Any, Any, str | None, str | None]] = [
    ("customers.retrieve", ("cus_nobody",), "resource_missing", "id"),
    ("customers.retrieve", ("sub_x",), "resource_missing", "id"),
    ("customers.create", ({"shoe_size": 43},), "parameter_unknown", "shoe_size"),
    ("checkout.sessions.create", ({"mode": "payment"},), "parameter_missing", "line_items"),
    ("customers.list", ({"limit": 101},), "parameter_invalid_integer", "limit"),
    ("customers.list", ({"limit": "many"},), "parameter_invalid", "limit"),
    ("customers.list", ({"starting_after": "cus_nobody"},), "resource_missing", "starting_after"),
    ("customers.list", ({"expand": ["data.shoes"]},), None, "expand"),
    ("customers.list", ({"shoes": 2},), "parameter_unknown", "shoes"),
    ("refunds.create", ({"charge": "ch_nobody"},), "resource_missing", "charge"),
    ("prices.create", ({"product": "prod_x", "unit_amount": "5.5", "currency": "usd"},), "parameter_invalid", None),
]


@pytest.mark.parametrize(("call", "arguments", "code", "param"), WRONG)
async def test_a_wrong_request_is_refused_as_stripe_does(
    shop: Shop, call: str, arguments: Any, code: str | None, param: str | None
) -> None:
    method: Any = shop.v1
    for step in (call + "_async").split("."):
        method = getattr(method, step)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await method(*arguments)
    assert refused.value.http_status in {400, 404}
    assert refused.value.code == code
    assert param is None or refused.value.param == param


async def test_only_its_key_and_its_version_open_it(shop: Shop) -> None:
    url = f"{shop.sim.url}/v1/customers"
    assert (await shop.page.get(url)).status_code == 401
    wrong = await shop.page.get(url, headers={"Authorization": "Bearer sk_test_other"})
    assert (wrong.status_code, "sk_test_other" in wrong.text) == (401, False)
    assert (await shop.page.get(url, auth=(shop.sim.secret_key, ""))).json()["object"] == "list"
    bearer = {"Authorization": f"Bearer {shop.sim.secret_key}"}
    old = await shop.page.get(url, headers={**bearer, "Stripe-Version": "2024-06-20"})
    assert (old.status_code, API_VERSION in old.json()["error"]["message"]) == (400, True)
    now = await shop.page.get(url, headers={**bearer, "Stripe-Version": API_VERSION})
    assert (now.headers["stripe-version"], now.headers["request-id"][:4]) == (API_VERSION, "req_")
    assert (await shop.page.get(f"{shop.sim.url}/_sim/status")).status_code == 401
    assert (await shop.page.get(f"{shop.sim.url}/v1/unicorns", headers=bearer)).status_code == 404


async def test_lists_come_in_pages_newest_first(shop: Shop) -> None:
    for number in range(4):
        await shop.v1.customers.create_async({"email": f"{number}@example.com"})
    page = await shop.v1.customers.list_async({"limit": 2})
    assert (page.has_more, [each.email[0] for each in page]) == (True, ["3", "2"])
    assert [each.email[0] async for each in page.auto_paging_iter()] == ["3", "2", "1", "0", "a"]
    back = await shop.v1.customers.list_async({"limit": 2, "ending_before": shop.customer})
    assert (back.has_more, [each.email[0] for each in back]) == (True, ["1", "0"])
    [one] = (await shop.v1.customers.list_async({"email": "2@example.com"})).data
    assert one.email == "2@example.com"
    later = {"created": {"gte": shop.sim.book.now() + 60}}
    assert not (await shop.v1.customers.list_async(later)).data


def test_forms_nest() -> None:
    form = "items[0][price]=a&items[10][price]=c&items[2][price]=b&expand[]=x&expand[]=y&metadata[k]=&flag=true"
    assert parsed(form) == {
        "items": [{"price": "a"}, {"price": "b"}, {"price": "c"}],
        "expand": ["x", "y"],
        "metadata": {"k": ""},
        "flag": "true",
    }


async def test_metadata_is_merged_and_unset(shop: Shop) -> None:
    await shop.v1.customers.update_async(shop.customer, {"metadata": {"a": "1", "b": "2"}})
    changed = await shop.v1.customers.update_async(shop.customer, {"metadata": {"a": ""}})
    assert changed.metadata.to_dict() == {"user_id": "account-1", "b": "2"}
    assert (await shop.v1.customers.update_async(shop.customer, {"metadata": ""})).metadata.to_dict() == {}


async def test_a_deleted_customer_is_gone_with_its_subscriptions(shop: Shop) -> None:
    held = await shop.subscribed("plan_basic")
    assert (await shop.v1.customers.delete_async(shop.customer)).deleted
    assert (await shop.v1.customers.retrieve_async(shop.customer)).deleted
    assert (await shop.v1.subscriptions.retrieve_async(held.id)).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        await shop.v1.billing_portal.sessions.create_async({"customer": shop.customer})


async def test_every_event_is_sent_once_signed_and_in_order(telling: Shop) -> None:
    await telling.subscribed("plan_pro")
    await telling.sim.delivered()
    events = telling.sim.events()[1:]
    assert [event.id for event in telling.heard] == [event["id"] for event in events]
    assert {(event.api_version, event.livemode) for event in telling.heard} == {(API_VERSION, False)}
    listed = await telling.v1.events.list_async({"types": ["invoice.paid"], "delivery_success": True})
    assert [event.data.object.status for event in listed] == ["paid"]
    assert not (await telling.v1.events.list_async({"delivery_success": False})).data
    assert {event["request"]["id"] for event in telling.sim.events("customer.created")} != {None}


async def test_an_event_that_is_not_taken_comes_again(telling: Shop) -> None:
    telling.answers = [500, 302, 200]
    await telling.v1.customers.create_async({"email": "bob@example.com"})
    await wait_until(lambda: telling.heard)
    assert (telling.heard[0].type, telling.answers) == ("customer.created", [])
    await telling.sim.delivered()


async def test_events_are_held_back_multiplied_and_shuffled(telling: Shop) -> None:
    telling.sim.set_faults(stopped=True, duplicate=4)
    for number in range(5):
        await telling.v1.customers.create_async({"email": f"{number}@example.com"})
    assert not telling.heard
    telling.sim.set_faults(reorder=True, seed=5)
    await telling.sim.delivered()
    emails = [event.data.object.email for event in telling.heard]
    assert sorted(emails) == sorted(f"{number}@example.com" for number in range(5) for _ in range(5))
    assert emails != sorted(emails)
    telling.sim.resend(telling.heard[0].id)
    await telling.sim.delivered()
    assert len(telling.heard) == 26


async def test_while_a_secret_is_replaced_both_sign(shop: Shop) -> None:
    shop.sim.webhooks.secrets.append("whsec_new")
    body, headers = shop.sim.signed(shop.sim.events()[-1] | {"livemode": True})
    for secret in (WEBHOOK_SECRET, "whsec_new"):
        assert stripe.Webhook.construct_event(body, headers["Stripe-Signature"], secret).livemode
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, headers["Stripe-Signature"], "whsec_other")


async def test_the_portal_manages_a_subscription(shop: Shop) -> None:
    held = await shop.subscribed("plan_standard")
    wish = {"customer": shop.customer, "return_url": BACK}
    portal = await shop.v1.billing_portal.sessions.create_async(wish)
    text = (await shop.page.get(portal.url)).text
    assert all(words in text for words in ("No money moves", "Reelwright Standard", "$19.95 a month", BACK))

    async def press(wish: str) -> dict[str, Any]:
        assert (await shop.page.post(portal.url, data={"do": wish})).status_code == 303
        return shop.sim.get(held.id)

    assert (await press(f"cancel {held.id}"))["cancel_at_period_end"]
    assert "Ends on" in (await shop.page.get(portal.url)).text
    assert not (await press(f"resume {held.id}"))["cancel_at_period_end"]
    changed = await press(f"plan {held.id} {await shop.price('plan_pro')}")
    assert changed["items"]["data"][0]["price"]["lookup_key"] == "plan_pro"
    stranger = await shop.page.post(portal.url, data={"do": "cancel sub_of_somebody"})
    assert stranger.status_code == 400


async def test_pages_escape_what_others_wrote(shop: Shop) -> None:
    product = await shop.v1.products.create_async({"name": "<script>alert(1)</script>"})
    wish = {"product": product.id, "unit_amount": 5, "currency": "usd", "nickname": "<script>alert(2)</script>"}
    await shop.v1.prices.create_async({**wish, "lookup_key": "evil"})
    page = await shop.page.get((await shop.session("evil")).url)
    assert "<script>" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await shop.session("evil", success_url="javascript:alert(1)")
    assert refused.value.code == "url_invalid"


async def test_the_controls_are_served_over_http(shop: Shop) -> None:
    held = await shop.subscribed("plan_basic")
    bearer = {"Authorization": f"Bearer {shop.sim.secret_key}"}

    async def told(verb: str, path: str, **said: Any) -> dict[str, Any]:
        answer = await shop.page.request(verb, f"{shop.sim.url}/_sim/{path}", json=said, headers=bearer)
        assert answer.status_code == 200, answer.text
        return answer.json()

    await told("POST", f"customers/{shop.customer}/fail_next", code="insufficient_funds")
    assert (await told("POST", f"subscriptions/{held.id}/advance"))["status"] == "past_due"
    session = await shop.session("pack_starter")
    assert (await told("POST", f"checkout/{session.id}/pay"))["payment_status"] == "paid"
    [charge] = shop.sim.all("charge", amount=295)
    opened_ = await told("POST", f"charges/{charge['id']}/dispute")
    assert (await told("POST", f"disputes/{opened_['id']}/close", outcome="lost"))["status"] == "lost"
    assert (await told("PUT", "faults", duplicate=2))["duplicate"] == 2
    event = shop.sim.events()[0]["id"]
    assert (await told("POST", f"events/{event}/resend", api_version="2024-06-20"))["api_version"] == "2024-06-20"
    assert (await told("POST", "clock", advance_s=3_600))["now"] >= shop.sim.get(event)["created"] + 3_600


async def test_an_account_outlives_its_process(tmp_path: Path, tools: Tools) -> None:
    """Reelwright's rows keep customers' ids, so a restarted stack must find them."""
    keys = Keys.kept_in(tmp_path / "credentials.json")
    assert keys == Keys.kept_in(tmp_path / "credentials.json")
    assert (tmp_path / "credentials.json").stat().st_mode & 0o777 == 0o600
    found: list[tuple[int, int]] = []
    for _ in range(2):
        book = Book()
        app = StripeApp(book, Webhooks(book, url="", secrets=["x"]), key=keys.secret_key, state=tmp_path / "book.json")
        runner = web.AppRunner(app.served(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
        addresses: Any = {"api": f"http://127.0.0.1:{port}"}
        client = stripe.StripeClient(keys.secret_key, base_addresses=addresses, http_client=tools[0])
        await client.v1.customers.create_async({"email": "ada@example.com"})
        found.append((len(await client.v1.customers.list_async()), len(await client.v1.prices.list_async())))
        await runner.cleanup()
    assert found == [(1, 7), (2, 7)]

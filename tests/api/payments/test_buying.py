"""/v1/payments: pages to pay on, opened once a key, and what payments change, from the outside."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest

from reelwright.billing import StripeDoor
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.simulators.stripe import SimulatedStripe

PATHS = ("buy-credits", "subscribe", "boost", "portal", "change-plan", "cancel", "resume")
BODIES = {"buy-credits": {"pack": "starter"}, "subscribe": {"plan": "pro"}, "change-plan": {"plan": "pro"}}


async def ask(shop: httpx.AsyncClient, path: str, body: object = None, *, key: str = "k") -> httpx.Response:
    chosen = BODIES.get(path, {}) if body is None else body
    content = {} if path in {"portal", "cancel", "resume"} else {"json": chosen}
    return await shop.post(f"/v1/payments/{path}", headers={"Idempotency-Key": key}, **content)  # type: ignore[arg-type]


def newest(stripe: SimulatedStripe, url: str) -> str:
    return next(one["id"] for one in stripe.all("checkout.session") if one["url"] == url)


async def tell(shop: httpx.AsyncClient, stripe: SimulatedStripe, session: str) -> None:
    """Send what completed this checkout, as Stripe does."""
    for event in stripe.events():
        about = event["data"]["object"]
        if event["type"].startswith(("checkout.", "customer.subscription", "invoice.paid")) and (
            about["id"] == session or about.get("customer") == stripe.get(session)["customer"]
        ):
            body, headers = stripe.signed(event)
            assert (await shop.post("/webhooks/stripe", content=body, headers=headers)).status_code == 200


async def test_a_pack_is_bought_once_a_key(shop: httpx.AsyncClient, stripe: SimulatedStripe) -> None:
    first, again = await ask(shop, "buy-credits"), await ask(shop, "buy-credits")
    assert (first.status_code, again.status_code) == (201, 201), first.text
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await ask(shop, "buy-credits", {"pack": "studio"})
    assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")

    before = (await shop.get("/v1/credits/balance")).json()["balance"]
    session = newest(stripe, first.json()["url"])
    stripe.pay(session)
    await tell(shop, stripe, session)
    await tell(shop, stripe, session)
    assert (await shop.get("/v1/credits/balance")).json()["balance"] == before + 500


async def test_of_eight_at_once_with_one_key_all_but_one_are_marked(
    shop: httpx.AsyncClient, stripe: SimulatedStripe
) -> None:
    before = len(stripe.all("checkout.session"))
    sent = await asyncio.gather(*(ask(shop, "buy-credits", key="at-once") for _ in range(8)))
    assert {answer.status_code for answer in sent} == {201}
    assert len({answer.json()["url"] for answer in sent}) == 1
    assert len(stripe.all("checkout.session")) == before + 1
    assert sorted(answer.headers.get("Idempotency-Replayed", "") for answer in sent) == ["", *["true"] * 7]


async def test_a_price_that_vanished_is_a_problem_with_a_next_step(
    shop: httpx.AsyncClient, stripe: SimulatedStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def listed(_: StripeDoor, items: Sequence[str]) -> dict[str, str]:
        return dict.fromkeys(items, "price_gone")

    before = len(stripe.all("checkout.session"))
    monkeypatch.setattr(StripeDoor, "item_prices", listed)
    for path in ("buy-credits", "subscribe", "boost"):
        answer = await ask(shop, path, key=path)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        problem = answer.json()
        assert (problem["code"], answer.headers["Retry-After"]) == ("payments.item_missing", "300")
        assert "nothing was charged" in problem["detail"]
        assert "with a new Idempotency-Key" in problem["detail"]
    assert len(stripe.all("checkout.session")) == before


async def test_a_subscription_from_start_to_end(shop: httpx.AsyncClient, stripe: SimulatedStripe) -> None:
    session = newest(stripe, (await ask(shop, "subscribe")).json()["url"])
    stripe.pay(session)
    await tell(shop, stripe, session)
    shown = (await shop.get("/v1/payments/plans")).json()
    assert (shown["available"], shown["plan"], shown["effective_plan"]) == (True, "pro", "pro")
    assert (shown["subscription"]["plan"], shown["subscription"]["status"]) == ("pro", "active")

    assert (await ask(shop, "subscribe", key="k2")).json()["code"] == "payments.subscription_exists"
    assert (await ask(shop, "boost", key="k3")).json()["code"] == "accounts.boost_not_needed"
    assert (await ask(shop, "change-plan")).json()["code"] == "payments.plan_held"
    smaller = (await ask(shop, "change-plan", {"plan": "standard"})).json()
    assert (smaller["plan"], smaller["next_plan"]) == ("pro", "standard")
    cancelled = (await ask(shop, "cancel")).json()
    assert (cancelled["cancel_at_period_end"], cancelled["next_plan"]) == (True, None)
    assert (await ask(shop, "cancel")).json() == cancelled
    assert not (await ask(shop, "resume")).json()["cancel_at_period_end"]
    await repeats_are_marked(shop)
    portal = await ask(shop, "portal")
    assert (portal.status_code, portal.json()["url"].startswith(stripe.url)) == (201, True)


async def repeats_are_marked(shop: httpx.AsyncClient) -> None:
    """Each does nothing, though another was asked for since."""
    for path in ("change-plan", "cancel", "resume", "cancel"):
        body = {"json": {"plan": "standard"}} if path == "change-plan" else {}
        sent = [await shop.post(f"/v1/payments/{path}", headers={"Idempotency-Key": path}, **body) for _ in range(2)]
        told = [(answer.status_code, answer.headers.get("Idempotency-Replayed")) for answer in sent]
        late = path == "cancel" and told[0][1] == "true"
        assert told == [(200, "true" if late else None), (200, "true")], path
        assert late or path == "resume" or sent[1].json() == sent[0].json()
    assert not sent[1].json()["cancel_at_period_end"], "it was resumed since"


async def test_the_price_list_is_the_plans(shop: httpx.AsyncClient) -> None:
    shown = (await shop.get("/v1/payments/plans")).json()
    plans = {(one["name"], one["price"], one["credits"]) for one in shown["plans"]}
    assert plans == {("basic", 5.95, 1500.0), ("standard", 19.95, 7500.0), ("pro", 39.95, 25000.0)}
    assert {one["name"]: one["credits"] for one in shown["packs"]} == {
        "starter": 500.0,
        "creator": 2500.0,
        "studio": 10000.0,
    }
    assert (shown["boost"]["price"], shown["boost_days"], shown["currency"]) == (19.95, 30, "usd")
    assert (shown["subscription"], shown["disputed"]) == (None, False)


@pytest.mark.parametrize("path", ["portal", "change-plan", "cancel", "resume"])
async def test_who_has_nothing_has_nothing_to_change(path: str, shop: httpx.AsyncClient) -> None:
    answer = await ask(shop, path)
    code = "payments.no_customer" if path == "portal" else "payments.no_subscription"
    assert (answer.status_code, answer.json()["code"]) == (409, code)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("buy-credits", {"pack": "gold"}, "pack"),
        ("buy-credits", {}, "pack"),
        ("buy-credits", {"pack": "starter", "success_url": "javascript:alert(1)"}, "success_url"),
        ("boost", {"cancel_url": "http://example.com/"}, "cancel_url"),
        ("subscribe", {"plan": "gold"}, "plan"),
        ("change-plan", {"plan": "pro", "now": True}, "now"),
    ],
)
async def test_what_is_not_for_sale_is_400(path: str, body: object, field: str, shop: httpx.AsyncClient) -> None:
    answer = await ask(shop, path, body)
    assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


async def test_a_purchase_asks_for_a_key(shop: httpx.AsyncClient) -> None:
    answer = await shop.post("/v1/payments/boost", json={})
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_key_of_stripes_it_says_what_to_set(path: str, api: httpx.AsyncClient) -> None:
    answer = await ask(api, path)
    assert (answer.status_code, answer.json()["code"]) == (503, "payments.not_configured")
    assert "STRIPE_SECRET_KEY" in answer.json()["detail"]
    assert (await api.get("/v1/payments/plans")).json()["available"] is False


async def test_a_demo_account_buys_nothing(shop: httpx.AsyncClient, user: Person, db: Database) -> None:
    async with db.begin() as tx:
        await tx.exec_driver_sql("UPDATE users SET demo = true")
    answer = await ask(shop, "buy-credits")
    assert (answer.status_code, answer.json()["code"]) == (403, "payments.demo_account")
    assert user.account_id

"""Money that came or went back is told once: in the transaction that settles it, in any order, however often heard."""

from collections import Counter
from itertools import chain
from typing import Any

import pytest
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.billing import Plan, Purchases
from reelwright.ground.sealing import Seal
from reelwright.journeys import purchase, webhooks
from reelwright.notices import Kind, Reach
from tests.journeys.buying import Customer
from tests.promised import as_promised

MONEY = {Kind.PURCHASE_COMPLETED, Kind.PAYMENT_SUCCEEDED, Kind.PAYMENT_REFUNDED, Kind.PAYMENT_DISPUTED}
PACK = {"what": "pack", "name": "creator", "amount_cents": 1_195, "currency": "usd", "credits_micro": 2_500_000_000}
_TOLD = text("SELECT kind, facts, mail_state FROM notices WHERE account_id = :account ORDER BY told_at, id")


async def told(buyer: Customer) -> list[tuple[str, dict[str, Any]]]:
    async with buyer.db.begin() as tx:
        rows = (await tx.execute(_TOLD, {"account": buyer.account.id})).all()
    money = [row for row in rows if row.kind in MONEY]
    assert {row.mail_state for row in money} <= {"none"}, "no letter"
    return [(row.kind, dict(as_promised(row.kind, row.facts))) for row in money]


async def again(buyer: Customer) -> None:
    """Hear everything once more: all of it twice, and backwards."""
    await buyer.hear(chain(buyer.told, buyer.told[::-1]))


@pytest.fixture
async def hooked(buyer: Customer) -> Account:
    """The buyer, with an endpoint that listens to what is bought."""
    await webhooks.add(
        buyer.account,
        "https://x.example/hook",
        description="",
        events=["purchase.completed"],
        reach=Reach(https_only=False),
        seal=Seal("a secret of tests that is long enough"),
        db=buyer.db,
    )
    return buyer.account


async def test_a_pack_is_told_of_once_and_goes_out_once(buyer: Customer, hooked: Account) -> None:
    session = await buyer.buy("pack_creator")
    await buyer.hear()
    await again(buyer)
    ((kind, facts),) = await told(buyer)
    intent = buyer.sim.get(session)["payment_intent"]
    assert (kind, facts) == ("purchase_completed", PACK | {"boost_days": 0, "payment_intent": intent})
    async with buyer.db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM webhook_deliveries")) == 1


async def test_a_boost_is_told_of_with_its_days(buyer: Customer) -> None:
    await buyer.buy("boost_30d")
    await buyer.hear()
    await again(buyer)
    ((kind, facts),) = await told(buyer)
    assert (kind, facts["what"], facts["boost_days"], facts["amount_cents"]) == (
        "purchase_completed",
        "boost",
        30,
        1_995,
    )


async def test_a_pack_that_is_paid_later_is_told_of_when_it_is(buyer: Customer) -> None:
    session = await buyer.checkout("pack_creator")
    buyer.sim.pay(session, later=True)
    await buyer.hear()
    assert await told(buyer) == []
    buyer.sim.settle(session, paid=True)
    await buyer.hear()
    await again(buyer)
    assert [kind for kind, _ in await told(buyer)] == ["purchase_completed"]


async def test_each_paid_month_and_each_upgrade_is_told_of_once(buyer: Customer) -> None:
    subscription = buyer.subscription_of(await buyer.buy("plan_standard"))
    await buyer.hear()
    buyer.sim.advance(subscription)
    await buyer.hear()
    await again(buyer)
    first, second = await told(buyer)
    for (kind, facts), reason in ((first, "subscription_create"), (second, "subscription_cycle")):
        assert (kind, facts["reason"], facts["plan"]) == ("payment_succeeded", reason, "standard")
        assert (facts["amount_cents"], facts["currency"]) == (1_995, "usd")
        assert facts["payment_intent"].startswith("pi_")
        assert facts["url"].startswith("http")
    assert first[1]["period_ends_at"] < second[1]["period_ends_at"]

    tools = {"db": buyer.db, "gate": buyer.gate, "stripe": buyer.door, "now": buyer.now()}
    await purchase.change_plan(await buyer.present(), Plan.PRO, **tools)  # type: ignore[arg-type]
    await buyer.hear()
    await again(buyer)
    kind, facts = (await told(buyer))[-1]
    assert (kind, facts["reason"], facts["plan"]) == ("payment_succeeded", "subscription_update", "pro")
    assert len(await told(buyer)) == 3


async def test_a_month_that_was_declined_is_told_of_when_it_is_paid(buyer: Customer) -> None:
    subscription = buyer.subscription_of(await buyer.buy("plan_standard"))
    await buyer.hear()
    buyer.sim.fail_next(buyer.sim.get(subscription)["customer"])
    buyer.sim.advance(subscription)
    await buyer.hear()
    assert len(await told(buyer)) == 1
    buyer.sim.advance(subscription)
    await buyer.hear()
    assert len(await told(buyer)) == len(buyer.sim.all("invoice", status="paid")) > 1


async def test_a_trial_costs_nothing_and_tells_of_no_payment(buyer: Customer) -> None:
    session = await buyer.checkout("pack_creator")
    buyer.sim.subscribe(buyer.sim.get(session)["customer"], "plan_pro", trial_days=7)
    await buyer.hear()
    assert await told(buyer) == []


async def test_each_sum_that_went_back_is_told_of_once(buyer: Customer) -> None:
    charge = buyer.charge_of(await buyer.buy("pack_creator"))
    for cents in (100, 333):
        buyer.sim.refund(charge, cents)
        await buyer.hear()
    await again(buyer)
    bought, *back = await told(buyer)
    assert [(kind, facts["refunded_cents"]) for kind, facts in back] == [
        ("payment_refunded", 100),
        ("payment_refunded", 433),
    ]
    assert {facts["payment_intent"] for _, facts in back} == {bought[1]["payment_intent"]}
    assert {(facts["amount_cents"], facts["currency"]) for _, facts in back} == {(1_195, "usd")}


async def test_a_boost_that_is_paid_back_at_once_was_not_bought(buyer: Customer) -> None:
    session = await buyer.checkout("boost_30d")
    async with buyer.db.begin() as tx:
        await tx.execute(text("UPDATE users SET plan = :plan"), {"plan": Plan.PRO})
    buyer.sim.pay(session)
    await buyer.hear()
    await buyer.hear()
    await again(buyer)
    assert [(kind, facts["refunded_cents"]) for kind, facts in await told(buyer)] == [("payment_refunded", 1_995)]


async def test_each_dispute_is_told_of_once_whatever_comes_of_it(buyer: Customer) -> None:
    """Heard of only when it is over, too: its money was away meanwhile."""
    charge = buyer.charge_of(await buyer.buy("pack_creator"))
    await buyer.hear()
    inquiry = buyer.sim.dispute(charge, inquiry=True)
    buyer.sim.close_dispute(inquiry["id"], "warning_closed")
    await buyer.hear()
    assert Counter(kind for kind, _ in await told(buyer)) == {"purchase_completed": 1, "payment_disputed": 1}
    buyer.sim.dispute(charge)
    await buyer.hear()
    await again(buyer)
    (*_, (kind, facts)) = await told(buyer)
    assert (kind, facts["disputed_cents"], facts["amount_cents"]) == ("payment_disputed", 1_195, 1_195)
    assert Counter(kind for kind, _ in await told(buyer)) == {"purchase_completed": 1, "payment_disputed": 2}


async def test_what_is_not_settled_is_not_told(buyer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notice is of the same transaction: both are there, or neither."""
    real = Purchases.add

    async def dies(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(Purchases, "add", dies)
    await buyer.buy("pack_creator")
    await buyer.buy("plan_standard")
    await buyer.hear()
    assert await told(buyer) == []
    monkeypatch.setattr(Purchases, "add", real)
    await again(buyer)
    await buyer.drain()
    assert Counter(kind for kind, _ in await told(buyer)) == {"purchase_completed": 1, "payment_succeeded": 1}

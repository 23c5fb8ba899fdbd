"""/v1/admin/users: who there is, what an account has, demos, and boosts taken back; for administrators alone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from reelwright.accounts import Subscriptions, SubscriptionTold
from reelwright.billing import Plan
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import plans
from tests.api.conftest import Person, person

PATH = "/v1/admin/users"


async def page(office: httpx.AsyncClient, query: str) -> tuple[list[str], str | None]:
    answer = await office.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.text
    return [user["email"] for user in answer.json()["users"]], answer.json()["next_cursor"]


async def boost(office: httpx.AsyncClient, user: Person, key: str) -> str:
    answer = await office.post(f"{PATH}/{user.account_id}/boosts", json={}, headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    details = (await office.get(f"{PATH}/{user.account_id}")).json()
    return details["boosts"][-1]["id"]


async def subscribed(db: Database, user: Person, **changes: object) -> SubscriptionTold:
    now = clock.now().replace(microsecond=0)
    state = {
        "external_id": "sub_1", "external_customer_id": "cus_1", "plan": "standard", "status": "active",
        "period_start": now, "period_end": now + timedelta(days=31), "anchor": now, "cancel_at_period_end": False,
        "next_plan": None, "ended_at": None, "told_at": now,
    }  # fmt: skip
    told = SubscriptionTold(**(state | changes))
    async with db.begin() as tx:
        subscriptions = Subscriptions(session=tx)
        await subscriptions.told(AccountId(UUID(user.account_id)), told, asked_at=await subscriptions.instant())
        await plans.settle(tx, AccountId(UUID(user.account_id)), now=now)
    return told


async def test_pages_lead_through_everybody_newest_first(office: httpx.AsyncClient, db: Database) -> None:
    for n in range(4):
        await person(db, f"user{n}@example.com")
    first, cursor = await page(office, "limit=3")
    await person(db, "meanwhile@example.com")
    second, end = await page(office, f"limit=3&cursor={cursor}")
    assert first + second == [*(f"user{n}@example.com" for n in (3, 2, 1, 0)), "admin@example.com"]
    assert end is None


async def test_a_part_of_the_address_and_the_plan_choose(office: httpx.AsyncClient, db: Database) -> None:
    for email, plan in (("a_b@one.com", Plan.BASIC), ("axb@two.com", Plan.PRO), ("C@One.com", Plan.PRO)):
        await person(db, email, plan)
    assert (await page(office, "q=ONE.com"))[0] == ["C@One.com", "a_b@one.com"]
    assert (await page(office, "q=a_b"))[0] == ["a_b@one.com"]
    assert (await page(office, "plan=pro&q=one"))[0] == ["C@One.com"]
    assert (await page(office, "plan=standard"))[0] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("cursor=x", "cursor"), ("plan=gold", "plan"), ("q=%00", "q")],
)
async def test_400_names_the_parameter(query: str, field: str, office: httpx.AsyncClient) -> None:
    answer = await office.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json().get("field")) == (400, field), answer.text


async def test_an_account_is_shown_with_what_it_pays_for_its_boosts_and_its_credits(
    office: httpx.AsyncClient, user: Person, db: Database
) -> None:
    told = await subscribed(db, user, cancel_at_period_end=True)
    lifted = await boost(office, user, "one")
    answer = await office.get(f"{PATH}/{user.account_id}")
    seen = answer.json()
    assert (answer.status_code, seen["user"]["email"], seen["user"]["plan"], seen["user"]["effective_plan"]) == (
        200, "someone@example.com", "standard", "pro",
    )  # fmt: skip
    (subscription,) = seen["subscriptions"]
    kept = {name: subscription[name] for name in ("id", "customer", "status", "live", "cancel_at_period_end")}
    assert kept == {"id": "sub_1", "customer": "cus_1", "status": "active", "live": True, "cancel_at_period_end": True}
    assert [b["id"] for b in seen["boosts"]] == [lifted]
    assert (seen["balance"], seen["held"], seen["debt"], seen["monthly_allowance"]) == (7500, 0, 0, 7500)
    assert datetime.fromisoformat(seen["next_reset"]) == told.period_end


async def test_a_subscription_decides_the_plan_until_it_ends(
    office: httpx.AsyncClient, user: Person, db: Database
) -> None:
    await subscribed(db, user)
    refused = await office.put(f"{PATH}/{user.account_id}/plan", json={"plan": "pro"})
    assert (refused.status_code, refused.json()["code"]) == (409, "accounts.plan_paid_for")
    now = datetime.now(UTC)
    await subscribed(db, user, status="canceled", ended_at=now, told_at=now)
    answer = await office.put(f"{PATH}/{user.account_id}/plan", json={"plan": "pro"})
    assert (answer.status_code, answer.json()["plan"]) == (200, "pro")


async def test_a_larger_plan_by_hand_gives_the_difference_at_once(
    office: httpx.AsyncClient, api: httpx.AsyncClient, user: Person
) -> None:
    for plan, balance in (("pro", 25_000), ("basic", 25_000), ("pro", 25_000)):
        await office.put(f"{PATH}/{user.account_id}/plan", json={"plan": plan})
        assert (await api.get("/v1/credits/balance")).json()["balance"] == balance


async def test_a_boost_is_taken_back_once_and_the_next_call_knows(
    office: httpx.AsyncClient, api: httpx.AsyncClient, user: Person
) -> None:
    first, second = await boost(office, user, "one"), await boost(office, user, "two")
    path = f"{PATH}/{user.account_id}/boosts"
    answers = [await office.delete(f"{path}/{first}") for _ in range(2)]
    assert [(a.status_code, a.json()["effective_plan"]) for a in answers] == [(200, "pro")] * 2
    left = datetime.fromisoformat(answers[0].json()["boost_until"]) - clock.now()
    assert timedelta(days=29) < left < timedelta(days=30)
    last = await office.delete(f"{path}/{second}")
    assert (last.json()["boost_until"], (await api.get("/v1/limits")).json()["effective_plan"]) == (None, "standard")
    for nowhere in (f"{path}/{uuid4()}", f"{PATH}/{uuid4()}/boosts/{first}", f"{path}/x"):
        assert (await office.delete(nowhere)).status_code == 404


async def test_a_demo_is_one_until_it_is_none(
    office: httpx.AsyncClient, user: Person, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"{PATH}/{user.account_id}/demo"
    with caplog.at_level("INFO", logger="journeys.administration"):
        answers = [(await office.put(path, json={"demo": demo})).json()["demo"] for demo in (True, True, False)]
    assert answers == [True, True, False]
    lines = [record.msg for record in caplog.records if record.name == "journeys.administration"]
    assert [(line["event"], line["account_id"], line["demo"]) for line in lines] == [
        ("administration.demo_set", user.account_id, demo) for demo in answers
    ]
    for body, field in (({}, "demo"), ({"demo": "yes"}, "demo"), ({"demo": True, "x": 1}, "x")):
        answer = await office.put(path, json=body)
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


async def test_who_is_not_there_is_404(office: httpx.AsyncClient) -> None:
    for answer in (
        await office.get(f"{PATH}/{uuid4()}"),
        await office.put(f"{PATH}/{uuid4()}/demo", json={"demo": True}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "accounts.not_found")


async def test_nobody_else_gets_in(api: httpx.AsyncClient, user: Person, app: Litestar) -> None:
    calls = [
        ("GET", PATH, None), ("GET", f"{PATH}/{user.account_id}", None),
        ("PUT", f"{PATH}/{user.account_id}/demo", {"demo": True}),
        ("DELETE", f"{PATH}/{user.account_id}/boosts/{uuid4()}", None),
    ]  # fmt: skip
    for method, path, body in calls:
        answer = await api.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.admin_only"), path
        answer = await api.request(method, path, json=body, headers={"Authorization": ""})
        assert answer.status_code == 401, path

"""POST /v1/admin/users/{id}/credits: an administrator gives and takes, once a key, with name and reason."""

import asyncio
from uuid import UUID, uuid4

import httpx
import pytest

from reelwright import ledger
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person

TOPIC = {"topic": "Why do cats purr?"}


async def change(office: httpx.AsyncClient, user: Person, credits: float, **more: object) -> httpx.Response:  # noqa: A002
    body = {"credits": credits, "reason": "goodwill"} | {k: v for k, v in more.items() if k != "key"}
    path = f"/v1/admin/users/{more.pop('user_id', user.account_id)}/credits"
    return await office.post(path, json=body, headers={"Idempotency-Key": str(more.get("key", uuid4().hex))})


async def test_credits_are_given_and_taken_and_the_owner_sees_why(
    office: httpx.AsyncClient,
    api: httpx.AsyncClient,
    user: Person,
) -> None:
    given = await change(office, user, 12.5)
    assert (given.status_code, given.json()["balance"]) == (201, 7512.5), given.text
    assert (await change(office, user, -0.000001)).json()["balance"] == 7512.499999
    lines = (await api.get("/v1/credits/transactions")).json()["transactions"]
    assert [(line["kind"], line["credits"], line["reason"]) for line in lines[:2]] == [
        ("adjust", 0.000001, "goodwill"),
        ("grant", 12.5, "goodwill"),
    ]


async def test_one_key_changes_once(office: httpx.AsyncClient, user: Person) -> None:
    answers = await asyncio.gather(*(change(office, user, 5, key="k") for _ in range(6)))
    assert [answer.json()["balance"] for answer in answers] == [7505] * 6
    assert sorted(answer.headers.get("Idempotency-Replayed", "") for answer in answers) == [""] + ["true"] * 5
    other = await change(office, user, 6, key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")


async def test_c22_taking_more_than_there_is_needs_force_and_makes_a_debt(
    office: httpx.AsyncClient,
    user: Person,
) -> None:
    refused = await change(office, user, -7501)
    assert (refused.status_code, refused.json()["code"]) == (409, "credits.adjustment_too_large")
    forced = await change(office, user, -7501, force=True)
    assert (forced.json()["balance"], forced.json()["debt"]) == (0, 1)
    paid = await change(office, user, 4)
    assert (paid.json()["balance"], paid.json()["debt"]) == (3, 0)


async def test_c24_amounts_that_are_none_are_400(office: httpx.AsyncClient, user: Person) -> None:
    for wrong in (0, 0.0000001, 1.00000049, 2_000_000, None):
        answer = await change(office, user, wrong)
        assert (answer.status_code, answer.json()["field"]) == (400, "credits"), wrong


async def test_a_generation_is_refunded_in_parts_and_never_more_than_it_was_charged(
    office: httpx.AsyncClient, api: httpx.AsyncClient, user: Person, db: Database
) -> None:
    work = (await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "k"})).json()["generation_id"]
    async with db.begin() as tx:
        await ledger.capture(tx, generation=GenerationId(UUID(work)), micro=3_758_500)
    path, before = f"/v1/admin/generations/{work}/refund", (await api.get("/v1/credits/balance")).json()["balance"]

    async def back(credits: float, key: str) -> httpx.Response:  # noqa: A002 - the product's word
        return await office.post(path, json={"credits": credits, "reason": "late"}, headers={"Idempotency-Key": key})

    answers = await asyncio.gather(*(back(1.5, "first") for _ in range(5)))
    assert {(one.status_code, one.json()["charged"]) for one in answers} == {(201, 2.2585)}
    assert sum(one.headers.get("Idempotency-Replayed") == "true" for one in answers) == 4
    assert (await back(1, "first")).json()["code"] == "idempotency.key_reused"
    refused = await back(2.26, "more")
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["refundable"]) == (409, "credits.refund_too_large", 2.2585)
    assert problem["detail"].startswith("2.2585 credits can still be refunded")
    assert (await back(2.2585, "rest")).json() == {"generation_id": work, "refunded": 2.2585, "charged": 0}
    assert (await api.get("/v1/credits/balance")).json()["balance"] == pytest.approx(before + 3.7585)
    line = (await api.get("/v1/credits/transactions")).json()["transactions"][0]
    assert (line["kind"], line["reason"]) == ("refund", "late")
    told = (await api.get(f"/v1/credits/transactions/{line['id']}")).json()
    assert (told["generation"]["id"], told["generation"]["charged"]) == (work, 0)
    nobodys = await office.post(
        f"/v1/admin/generations/{uuid4()}/refund",
        json={"credits": 1, "reason": "late"},
        headers={"Idempotency-Key": "k"},
    )
    assert nobodys.status_code == 404


async def test_only_administrators_may(api: httpx.AsyncClient, user: Person) -> None:
    assert (await change(api, user, 5)).status_code == 403


async def test_a_user_who_does_not_exist_is_404(office: httpx.AsyncClient, user: Person) -> None:
    path = f"/v1/admin/users/{uuid4()}/credits"
    body = {"credits": 1, "reason": "x"}
    assert (await office.post(path, json=body, headers={"Idempotency-Key": "k"})).status_code == 404

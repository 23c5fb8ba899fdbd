"""POST /v1/admin/users/{id}/credits: an administrator gives and takes, once a key, with name and reason."""

import asyncio
from uuid import uuid4

import httpx

from tests.api.conftest import Person


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


async def test_only_administrators_may(api: httpx.AsyncClient, user: Person) -> None:
    assert (await change(api, user, 5)).status_code == 403


async def test_a_user_who_does_not_exist_is_404(office: httpx.AsyncClient, user: Person) -> None:
    path = f"/v1/admin/users/{uuid4()}/credits"
    body = {"credits": 1, "reason": "x"}
    assert (await office.post(path, json=body, headers={"Idempotency-Key": "k"})).status_code == 404

"""/v1/admin/action-costs: prices change for what is ordered next, and for nothing that was ordered before."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import httpx
from sqlalchemy import text

from reelwright.ground import clock
from reelwright.ground.postgres import Database


async def change(office: httpx.AsyncClient, key: str = "", **body: object) -> httpx.Response:
    return await office.post("/v1/admin/action-costs", json=body, headers={"Idempotency-Key": key or uuid4().hex})


async def price(api: httpx.AsyncClient) -> tuple[float, int]:
    told = (await api.post("/v1/calculate-cost", json={"kind": "script"})).json()
    return told["price"], told["price_version"]


async def test_c35_a_new_price_is_for_new_orders_and_an_old_quote_is_refused(
    office: httpx.AsyncClient,
    api: httpx.AsyncClient,
    db: Database,
) -> None:
    old, _ = await price(api)
    before = await api.post("/v1/create", json={"topic": "Cats", "kind": "script"}, headers={"Idempotency-Key": "a"})
    answer = await change(office, costs={"story": 4.25, "speech": 0.0045}, note="dearer stories")
    assert answer.status_code == 201, answer.text
    assert (answer.json()["version"], answer.json()["in_force"], answer.json()["costs"]["story"]) == (2, True, 4.25)
    assert answer.json()["costs"]["image"] == 1
    assert await price(api) == (old + 1.75, 2)

    order = {"topic": "Dogs", "kind": "script", "expected_price": old}
    late = await api.post("/v1/create", json=order, headers={"Idempotency-Key": "b"})
    assert (late.status_code, late.json()["code"]) == (409, "price.changed")
    async with db.begin() as tx:
        kept = (await tx.execute(text("SELECT price_version, hold_micro FROM generations"))).one()
    assert tuple(kept) == (1, before.json()["price"] * 1_000_000)


async def test_a_price_of_the_future_waits(office: httpx.AsyncClient, api: httpx.AsyncClient) -> None:
    old = await price(api)
    later = (clock.now() + timedelta(days=2)).isoformat()
    assert (await change(office, costs={"story": 9}, effective_from=later)).json()["in_force"] is False
    assert await price(api) == old
    lists = (await office.get("/v1/admin/action-costs")).json()["price_lists"]
    assert [(known["version"], known["in_force"]) for known in lists] == [(2, False), (1, True)]


async def test_one_key_makes_one_list(office: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(change(office, "k", costs={"story": 3}) for _ in range(6)))
    assert {answer.json()["version"] for answer in answers} == {2}
    other = await change(office, "k", costs={"story": 4})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")


async def test_lists_that_make_no_sense_are_400(office: httpx.AsyncClient) -> None:
    for body, field in (
        ({"costs": {}}, "costs"),
        ({"costs": {"story": -1}}, "costs"),
        ({"costs": {"story": 0.00000049}}, "costs.story"),
        ({"costs": {"dancing": 1}}, "costs"),
        ({"costs": {"story": 1}, "effective_from": "2020-01-01T00:00:00Z"}, "effective_from"),
        ({"costs": {"story": 1}, "effective_from": "9999-12-31T23:59:59-12:00"}, "effective_from"),
    ):
        answer = await change(office, **body)
        assert (answer.status_code, str(answer.json()["field"]).startswith(field)) == (400, True), answer.text


async def test_only_administrators_may(api: httpx.AsyncClient) -> None:
    assert (await change(api, costs={"story": 1})).status_code == 403
    assert (await api.get("/v1/admin/action-costs")).status_code == 403

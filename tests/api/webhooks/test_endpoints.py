"""/v1/webhooks: endpoints, their secrets, their deliveries; nobody sees another's, and no inward address gets in."""

import asyncio
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from reelwright import notices
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.simulators import inward

URL = "https://hooks.example.com/reelwright"


async def added(api: httpx.AsyncClient, **more: object) -> dict[str, object]:
    answer = await api.post("/v1/webhooks", json={"url": URL, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_endpoint_lives_and_its_secret_is_shown_once(api: httpx.AsyncClient) -> None:
    made = await added(api, events=["generation.succeeded", "credits.low"], description=" our shop ")
    endpoint = made["endpoint"]
    assert str(made["secret"]).startswith("whsec_")
    assert (endpoint["url"], endpoint["description"], endpoint["enabled"]) == (URL, "our shop", True)
    assert endpoint["events"] == ["credits.low", "generation.succeeded"]
    place = f"/v1/webhooks/{endpoint['id']}"
    assert (await api.get(place)).json() == endpoint
    listed = (await api.get("/v1/webhooks")).text
    assert str(made["secret"]) not in listed
    assert "secret" not in listed

    changed = await api.patch(place, json={"events": [], "url": "https://other.example.com/x", "enabled": False})
    assert (changed.json()["events"], changed.json()["disabled_reason"]) == ([], "owner")
    back = (await api.patch(place, json={"enabled": True})).json()
    assert (back["enabled"], back["disabled_at"]) == (True, None)

    rotated = (await api.post(f"{place}/rotate-secret")).json()
    assert rotated["secret"] != made["secret"]
    assert (await api.delete(place)).status_code == 204
    assert (await api.get(place)).status_code == 404


async def test_the_same_request_again_adds_nothing_and_shows_no_secret(api: httpx.AsyncClient) -> None:
    keyed = {"Idempotency-Key": "one"}
    first = await api.post("/v1/webhooks", json={"url": URL}, headers=keyed)
    again = await api.post("/v1/webhooks", json={"url": URL}, headers=keyed)
    other = await api.post("/v1/webhooks", json={"url": URL + "/other"}, headers=keyed)

    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.json() == {"endpoint": first.json()["endpoint"], "secret": None}
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")
    assert len((await api.get("/v1/webhooks")).json()["webhooks"]) == 1


async def test_the_same_rotation_test_and_replay_again_do_nothing_more(api: httpx.AsyncClient) -> None:
    """A second rotation that nobody asked for would take from the receiver the secret that it was given."""
    place = f"/v1/webhooks/{(await added(api))['endpoint']['id']}"
    keyed = {"Idempotency-Key": "one"}
    first, again = [await api.post(f"{place}/rotate-secret", headers=keyed) for _ in range(2)]
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert again.json() == {"endpoint": first.json()["endpoint"], "secret": None}
    assert first.json()["secret"]
    assert "Idempotency-Replayed" not in first.headers

    told, again = [await api.post(f"{place}/test", headers=keyed) for _ in range(2)]
    assert (again.status_code, again.headers["Idempotency-Replayed"], again.json()) == (202, "true", told.json())
    assert len((await api.get(f"{place}/deliveries")).json()["deliveries"]) == 1

    replayed = f"/v1/webhooks/deliveries/{told.json()['delivery_id']}/replay"
    first, again = [await api.post(replayed, headers=keyed) for _ in range(2)]
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert again.json() == first.json()
    other = await api.post(f"{place}/test", json={"a": 1}, headers=keyed)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")


async def test_a_change_of_what_was_changed_meanwhile_is_412(api: httpx.AsyncClient) -> None:
    place = f"/v1/webhooks/{(await added(api))['endpoint']['id']}"
    read = (await api.get(place)).headers["ETag"]
    changed = await api.patch(place, json={"description": "ours"}, headers={"If-Match": read})
    assert (changed.status_code, changed.headers["ETag"] != read) == (200, True)
    assert changed.headers["ETag"] == (await api.get(place)).headers["ETag"]
    late = await api.patch(place, json={"description": "mine"}, headers={"If-Match": read})
    assert (late.status_code, late.json()["code"]) == (412, "webhooks.changed")
    assert (await api.get(place)).json()["description"] == "ours"

    place = "/v1/notification-preferences"
    read = (await api.get(place)).headers["ETag"]
    said = {"preferences": {"low_balance": {"mail": False}}}
    changed = await api.patch(place, json=said, headers={"If-Match": read})
    assert (changed.status_code, changed.headers["ETag"]) == (200, (await api.get(place)).headers["ETag"])
    late = await api.patch(place, json={"preferences": {"low_balance": {"webhook": False}}}, headers={"If-Match": read})
    assert (late.status_code, late.json()["code"]) == (412, "notifications.changed")


async def test_of_two_who_choose_at_once_neither_undoes_the_other(api: httpx.AsyncClient) -> None:
    place = "/v1/notification-preferences"
    for kind in ("low_balance", "plan_changed", "boost_started", "boost_ended"):
        halves = [{"preferences": {kind: {half: False}}} for half in ("mail", "webhook")]
        await asyncio.gather(*(api.patch(place, json=half) for half in halves))
        (now,) = [one for one in (await api.get(place)).json()["preferences"] if one["kind"] == kind]
        assert (now["mail"], now["webhook"]) == (False, False), kind


async def test_a_strangers_endpoint_is_not_there(api: httpx.AsyncClient, stranger: Person) -> None:
    place = f"/v1/webhooks/{(await added(api))['endpoint']['id']}"
    asked = [
        await api.get(place, headers=stranger.headers),
        await api.patch(place, json={"enabled": False}, headers=stranger.headers),
        await api.post(f"{place}/rotate-secret", headers=stranger.headers),
        await api.post(f"{place}/test", headers=stranger.headers),
        await api.get(f"{place}/deliveries", headers=stranger.headers),
        await api.delete(place, headers=stranger.headers),
    ]
    delivery = (await api.post(f"{place}/test")).json()["delivery_id"]
    asked.append(await api.post(f"/v1/webhooks/deliveries/{delivery}/replay", headers=stranger.headers))
    assert {answer.status_code for answer in asked} == {404}
    assert (await api.get(place)).status_code == 200


async def test_an_inward_address_is_refused_with_one_sentence(api: httpx.AsyncClient) -> None:
    """The room's tests know every spelling; here it matters that the door asks, when adding and when changing."""
    place = f"/v1/webhooks/{(await added(api))['endpoint']['id']}"
    sentences = set[str]()
    for url in [url for url in inward.ALL if 8 <= len(url) <= 2048 and "\ud800" not in url][::8]:
        for answer in (await api.post("/v1/webhooks", json={"url": url}), await api.patch(place, json={"url": url})):
            told = answer.json()
            assert (answer.status_code, told["code"], told["field"]) == (400, "webhooks.url_not_allowed", "url"), url
            sentences.add(told["detail"])
    assert len(sentences) == 1
    assert (await api.get(place)).json()["url"] == URL


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": URL, "events": ["birthday"]}, "webhooks.event_unknown"),
        ({"url": URL, "secret": "mine"}, "request.invalid"),
        ({"url": "x"}, "request.invalid"),
        ({}, "request.invalid"),
    ],
)
async def test_a_wrong_endpoint_is_400(api: httpx.AsyncClient, body: dict[str, object], code: str) -> None:
    answer = await api.post("/v1/webhooks", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_an_account_has_at_most_ten(api: httpx.AsyncClient) -> None:
    for _ in range(10):
        await added(api)
    answer = await api.post("/v1/webhooks", json={"url": URL})
    assert (answer.status_code, answer.json()["code"]) == (409, "webhooks.too_many")


async def test_deliveries_are_listed_newest_first_by_pages_and_replayed(
    api: httpx.AsyncClient, user: Person, db: Database
) -> None:
    place = f"/v1/webhooks/{(await added(api))['endpoint']['id']}"
    async with db.begin() as tx:
        for n in range(3):
            await notices.tell(
                tx, account_id=AccountId(user.account_id), kind="low_balance", key=str(n), facts={"balance_micro": n}
            )
    first = (await api.get(f"{place}/deliveries?limit=2")).json()
    second = (await api.get(f"{place}/deliveries?limit=2&cursor={first['next_cursor']}")).json()
    found = first["deliveries"] + second["deliveries"]
    assert (len(found), second["next_cursor"]) == (3, None)
    assert [one["created_at"] for one in found] == sorted((one["created_at"] for one in found), reverse=True)
    assert {(one["type"], one["status"], one["attempts"]) for one in found} == {("credits.low", "waiting", 0)}
    assert found[0]["webhook_id"].startswith("msg_")

    async with db.begin() as tx:
        await tx.execute(text("UPDATE webhook_deliveries SET state = 'given_up', due_at = NULL, attempts = 10"))
    again = await api.post(f"/v1/webhooks/deliveries/{found[0]['id']}/replay")
    assert again.status_code == 202
    assert (again.json()["status"], again.json()["attempts"], again.json()["webhook_id"]) == (
        "waiting",
        0,
        found[0]["webhook_id"],
    )
    await api.patch(place, json={"enabled": False})
    refused = await api.post(f"/v1/webhooks/deliveries/{found[0]['id']}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhooks.disabled")
    assert (await api.post(f"{place}/test")).status_code == 409
    assert (await api.post(f"/v1/webhooks/deliveries/{uuid4()}/replay")).status_code == 404


async def test_a_test_goes_where_it_was_asked_for_alone(api: httpx.AsyncClient) -> None:
    """Whatever the endpoint listens to, and to no other."""
    one = (await added(api, events=["credits.low"]))["endpoint"]["id"]
    other = (await added(api))["endpoint"]["id"]
    told = await api.post(f"/v1/webhooks/{one}/test")
    assert told.status_code == 202
    (delivery,) = (await api.get(f"/v1/webhooks/{one}/deliveries")).json()["deliveries"]
    assert (delivery["id"], delivery["type"]) == (told.json()["delivery_id"], "webhook.test")
    assert (await api.get(f"/v1/webhooks/{other}/deliveries")).json()["deliveries"] == []


async def test_preferences_are_read_and_changed(api: httpx.AsyncClient) -> None:
    before = {one["kind"]: one for one in (await api.get("/v1/notification-preferences")).json()["preferences"]}
    assert before["low_balance"] == {"kind": "low_balance", "event": "credits.low", "mail": True, "webhook": True}
    assert before["generation_succeeded"]["mail"] is False
    assert "webhook_test" not in before
    change = {"preferences": {"low_balance": {"mail": False}, "generation_failed": {"mail": True}}}
    answer = await api.patch("/v1/notification-preferences", json=change)
    assert answer.status_code == 200, answer.text
    after = {one["kind"]: one for one in (await api.get("/v1/notification-preferences")).json()["preferences"]}
    assert after == {one["kind"]: one for one in answer.json()["preferences"]}
    assert {kind for kind in after if after[kind] != before[kind]} == {"low_balance", "generation_failed"}
    assert after["low_balance"] == before["low_balance"] | {"mail": False}


@pytest.mark.parametrize(
    "preferences", [{}, {"birthday": {"mail": True}}, {"low_balance": {}}, {"webhook_test": {"mail": True}}]
)
async def test_a_wrong_preference_is_400_and_names_the_field(
    api: httpx.AsyncClient, preferences: dict[str, object]
) -> None:
    answer = await api.patch("/v1/notification-preferences", json={"preferences": preferences})
    assert (answer.status_code, answer.json()["field"]) == (400, "preferences")

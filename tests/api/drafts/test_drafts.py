"""Drafts are kept without starting anything, listed page by page, and deleted where nothing is being made of them."""

import asyncio

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.conftest import Person

CATS = {"topic": "Why do cats purr?", "platform": "reels", "duration_s": 20, "voice": "default", "music": "none"}


async def test_a_draft_is_made_once_a_key_and_starts_nothing(api: httpx.AsyncClient, db: Database) -> None:
    key = {"Idempotency-Key": "one"}
    made = await api.post("/v1/drafts", json=CATS, headers=key)
    assert made.status_code == 201, made.text
    body = made.json()
    assert (body["topic"], body["platform"], body["music"], body["variants"]) == (CATS["topic"], "reels", "none", [])
    assert (made.headers["ETag"], made.headers["Location"]) == ('"1"', f"/v1/drafts/{body['id']}")

    again = await api.post("/v1/drafts", json=CATS, headers=key)
    assert (again.status_code, again.json()["id"]) == (201, body["id"])
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await api.post("/v1/drafts", json={**CATS, "tone": "calm"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")
    async with db.begin() as tx:
        counts = "SELECT (SELECT count(*) FROM drafts), (SELECT count(*) FROM generations)"
        assert tuple((await tx.execute(text(counts))).one()) == (1, 0)
    read = await api.get(made.headers["Location"])
    assert (read.json(), read.headers["ETag"]) == (body, '"1"')


async def test_two_at_once_with_one_key_make_one(api: httpx.AsyncClient) -> None:
    calls = [api.post("/v1/drafts", json=CATS, headers={"Idempotency-Key": "both"}) for _ in range(4)]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "topic"),
        ({"topic": "a", "text": "b"}, "text"),
        ({"topic": " \t "}, "topic"),
        ({"topic": "Cats", "duration_s": 9}, "duration_s"),
        ({"topic": "Cats", "kind": "video"}, "kind"),
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"topic": "Cats", "voice": "nobody"}, "voice"),
    ],
)
async def test_a_bad_draft_is_refused_by_field(body: dict[str, object], field: str, api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/drafts", json=body)
    assert (answer.status_code, answer.json().get("field")) == (400, field), answer.text


async def test_drafts_are_listed_newest_first_page_by_page(api: httpx.AsyncClient, stranger: Person) -> None:
    topics = ["Cats", "Dogs", "100% cats", "CATS again"]
    platforms = ["tiktok", "reels", "tiktok", "reels"]
    for topic, platform in zip(topics, platforms, strict=True):
        await api.post("/v1/drafts", json={"topic": topic, "platform": platform})
    await api.post("/v1/drafts", json={"topic": "Cats"}, headers=stranger.headers)

    first = (await api.get("/v1/drafts", params={"limit": 3})).json()
    rest = (await api.get("/v1/drafts", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [draft["topic"] for page in (first, rest) for draft in page["drafts"]] == topics[::-1]
    assert rest["next_cursor"] is None

    async def found(**asked: str) -> list[str]:
        answer = await api.get("/v1/drafts", params=asked)
        assert answer.status_code == 200, answer.text
        return [draft["topic"] for draft in answer.json()["drafts"]]

    assert await found(q="cats") == ["CATS again", "100% cats", "Cats"]
    assert await found(q="0% c") == ["100% cats"]
    assert await found(q="cats", platform="reels") == ["CATS again"]
    theirs = await api.get("/v1/drafts", params={"cursor": first["next_cursor"]}, headers=stranger.headers)
    assert (theirs.status_code, theirs.json()["field"]) == (400, "cursor")


async def test_another_source_takes_the_place_of_what_a_draft_was_about(api: httpx.AsyncClient, db: Database) -> None:
    """However it came in, exactly one of the three remains, checked as a new draft's is."""
    path = (await api.post("/v1/drafts", json=CATS)).headers["Location"]
    fed = "topic = NULL, source_url = 'https://example.com/feed', source_form = 'feed', source_entry = '7'"
    async with db.begin() as tx:
        await tx.execute(text(f"UPDATE drafts SET {fed}"))  # noqa: S608 - a constant
    nothing = {"topic": None, "url": None, "text": None}
    for change in ({"text": "Cats sleep."}, {"url": "https://example.com/cats"}, {"topic": "Dogs"}):
        changed = await api.patch(path, json=change)
        assert {name: changed.json()[name] for name in nothing} == nothing | change, changed.text
    async with db.begin() as tx:
        asked = text("SELECT source_form, source_entry FROM drafts")
        assert tuple((await tx.execute(asked)).one()) == ("page", None)
    for wrong, field in (
        ({"topic": "a", "text": "b"}, "text"),
        ({"text": " \t "}, "text"),
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": None}, "url"),
    ):
        refused = await api.patch(path, json=wrong)
        assert (refused.status_code, refused.json()["field"]) == (400, field), refused.text
    assert ((await api.get(path)).json()["topic"], changed.headers["ETag"]) == ("Dogs", '"4"')


async def test_a_deleted_draft_is_gone_with_its_stories(api: httpx.AsyncClient, stranger: Person) -> None:
    path = (await api.post("/v1/drafts", json=CATS)).headers["Location"]
    assert (await api.delete(path, headers=stranger.headers)).status_code == 404
    assert (await api.delete(path)).status_code == 204
    for answer in (await api.delete(path), await api.get(path), await api.patch(path, json={"tone": "calm"})):
        assert (answer.status_code, answer.json()["code"]) in {(404, "draft.not_found"), (404, "request.not_found")}
    assert (await api.get("/v1/drafts")).json()["drafts"] == []
    ordered = await api.post(
        "/v1/create", json={"draft_id": path.rpartition("/")[2]}, headers={"Idempotency-Key": "gone"}
    )
    assert ordered.status_code == 404


async def test_a_draft_that_is_being_made_stays_and_keeps_its_price(api: httpx.AsyncClient) -> None:
    """What is held was of the length that was ordered: a longer reel would be had for the price of a short one."""
    order = (await api.post("/v1/create", json={"topic": "Cats"}, headers={"Idempotency-Key": "reel"})).json()
    path = f"/v1/drafts/{order['draft_id']}"

    for refused in (await api.delete(path), await api.patch(path, json={"duration_s": 180})):
        body = refused.json()
        assert (refused.status_code, body["code"]) == (409, "draft.in_use"), refused.text
        assert body["generation_id"] == order["generation_id"]
    assert (await api.patch(path, json={"tone": "calm"})).json()["tone"] == "calm"  # nothing has been made of it yet
    assert (await api.post(f"/v1/generations/{order['generation_id']}/cancel")).status_code == 202
    assert (await api.patch(path, json={"duration_s": 180})).status_code == 200
    assert (await api.delete(path)).status_code == 204
    assert (await api.get(f"/v1/generations/{order['generation_id']}")).status_code == 200

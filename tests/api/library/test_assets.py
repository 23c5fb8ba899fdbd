"""/v1/library/assets: saved once a key, found by everything, edited by version, and alive when its source has gone."""

from collections.abc import Mapping
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.api.library.conftest import VIDEO
from tests.api.media.made import picture

ASSETS = "/v1/library/assets"
Reel = Mapping[str, UUID]


async def save(api: httpx.AsyncClient, **body) -> dict:
    answer = await api.post(ASSETS, json={name: _plain(value) for name, value in body.items()})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{ASSETS}/{answer.json()['id']}"
    return answer.json()


def _plain(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value


async def fetched(api: httpx.AsyncClient, path: str) -> httpx.Response:
    link = (await api.get(path)).json()["url"].replace("http://127.0.0.1:8000", "")
    return await api.get(link, headers={"Authorization": ""})


async def test_a_variants_words_stay_when_its_draft_is_gone(api: httpx.AsyncClient, reel: Reel, db: Database) -> None:
    saved = await save(api, variant_id=reel["variant_id"], tags=["Pets", "pets", " cats "])
    assert (saved["kind"], saved["title"], saved["platform"], saved["tags"]) == (
        "text",
        "Cats",
        "tiktok",
        ["Pets", "cats"],
    )
    assert (saved["words"]["hook"], saved["words"]["hashtags"], saved["file"]) == ("Why?", ["cats"], None)
    assert [scene["narration"] for scene in saved["words"]["scenes"]] == ["Why? So.", "That is why."]
    async with db.begin() as tx:
        await tx.execute(text("UPDATE drafts SET selected_variant = NULL"))
        await tx.execute(text("DELETE FROM generations"))
        await tx.execute(text("DELETE FROM drafts"))
    later = (await api.get(f"{ASSETS}/{saved['id']}")).json()
    assert later["words"] == saved["words"]
    assert (later["draft_id"], later["variant_id"]) == (None, None)


async def test_a_video_stays_when_its_generation_is_gone(api: httpx.AsyncClient, reel: Reel, db: Database) -> None:
    saved = await save(api, generation_id=reel["generation_id"], title="My best", platform="shorts", status="published")
    assert (saved["kind"], saved["title"], saved["platform"], saved["status"]) == (
        *("video", "My best", "shorts", "published"),
    )
    assert (saved["file"]["size_bytes"], saved["file"]["duration_ms"]) == (len(VIDEO), 30_000)
    assert saved["words"]["caption"] == "Why?"
    async with db.begin() as tx:
        await tx.execute(text("UPDATE drafts SET selected_variant = NULL"))
        await tx.execute(text("DELETE FROM generations"))
    assert (await fetched(api, f"{ASSETS}/{saved['id']}/url")).content == VIDEO


async def test_an_upload_and_a_text_are_saved_too(api: httpx.AsyncClient) -> None:
    sent = await api.post("/v1/media", content=picture("PNG"), headers={"Content-Type": "image/png"})
    upload = await save(api, media_id=sent.json()["id"])
    assert (upload["kind"], upload["title"], upload["media_id"]) == ("upload", "upload.png", sent.json()["id"])
    assert (await api.delete(f"/v1/media/{sent.json()['id']}")).status_code == 204
    assert (await fetched(api, f"{ASSETS}/{upload['id']}/url")).headers["content-type"] == "image/png"
    note = await save(api, text="Remember the milk", title="Ideas", status="draft")
    assert (note["words"]["text"], note["status"]) == ("Remember the milk", "draft")
    assert (await api.get(f"{ASSETS}/{note['id']}/url")).json()["code"] == "library.no_file"


async def test_saving_twice_with_one_key_saves_once(api: httpx.AsyncClient) -> None:
    key, body = {"Idempotency-Key": "once"}, {"text": "a", "title": "b"}
    first, again = [await api.post(ASSETS, json=body, headers=key) for _ in range(2)]
    assert (again.status_code, again.json(), again.headers["Idempotency-Replayed"]) == (201, first.json(), "true")
    other = await api.post(ASSETS, json=body | {"text": "c"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")
    assert len((await api.get(ASSETS)).json()["assets"]) == 1


async def test_a_search_says_all_that_it_wants_and_pages_on(api: httpx.AsyncClient) -> None:
    for n in range(5):
        await save(api, text="Purring engines", title=f"Cat {n}", tags=["even"] if n % 2 == 0 else ["odd", "loud"])
    wanted: dict[str, object] = {"q": "purring ca", "tags": ["EVEN"], "kind": "text", "status": "ready", "limit": 2}
    first = (await api.get(ASSETS, params=wanted)).json()
    rest = (await api.get(ASSETS, params=wanted | {"cursor": first["next_cursor"]})).json()
    assert [one["title"] for one in first["assets"] + rest["assets"]] == ["Cat 4", "Cat 2", "Cat 0"]
    assert rest["next_cursor"] is None
    assert "words" not in first["assets"][0]
    assert (await api.get(ASSETS, params={"tags": ["odd", "even"]})).json()["assets"] == []
    assert [one["title"] for one in (await api.get(ASSETS, params={"tags": ["odd", "loud"]})).json()["assets"]] == [
        *("Cat 3", "Cat 1"),
    ]


async def test_an_edit_counts_the_version_on_and_a_late_one_is_refused(api: httpx.AsyncClient) -> None:
    saved = await save(api, text="a", title="Before", platform="tiktok")
    path, read = f"{ASSETS}/{saved['id']}", await api.get(f"{ASSETS}/{saved['id']}")
    body = {"title": "After", "platform": None, "tags": ["x"], "status": "archived"}
    changed = await api.patch(path, json=body, headers={"If-Match": read.headers["ETag"]})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert {name: changed.json()[name] for name in body} == body
    assert changed.json()["words"] == saved["words"]
    late = await api.patch(path, json={"title": "Late"}, headers={"If-Match": read.headers["ETag"]})
    assert (late.status_code, late.json()["code"], late.json()["version"]) == (412, "library.asset_changed", 2)


async def test_a_deleted_asset_is_gone_and_its_source_stays(api: httpx.AsyncClient, reel: Reel) -> None:
    saved = await save(api, generation_id=reel["generation_id"])
    assert (await api.delete(f"{ASSETS}/{saved['id']}")).status_code == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/url")):
        assert (await api.request(method, f"{ASSETS}/{saved['id']}{path}")).status_code == 404
    assert (await api.get(ASSETS)).json()["assets"] == []
    assert (await api.get(f"/v1/generations/{reel['generation_id']}/video")).content == VIDEO


async def test_s08_anothers_things_are_as_if_there_were_none(
    api: httpx.AsyncClient, reel: Reel, stranger: Person
) -> None:
    """S04, S08: neither saved by reference, nor read, changed, deleted or linked to."""
    sent = await api.post("/v1/media", content=picture("PNG"), headers={"Content-Type": "image/png"})
    mine = await save(api, variant_id=reel["variant_id"])
    things = {"variant_id": reel["variant_id"], "generation_id": reel["generation_id"], "media_id": sent.json()["id"]}
    for name, thing in things.items():
        answers = [await api.post(ASSETS, json={name: str(one)}, headers=stranger.headers) for one in (thing, uuid4())]
        assert [answer.status_code for answer in answers] == [404, 404], name
        assert answers[0].json()["detail"] == answers[1].json()["detail"]
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/url")):
        body = {"json": {"title": "Theirs"}} if method == "PATCH" else {}
        answer = await api.request(method, f"{ASSETS}/{mine['id']}{path}", headers=stranger.headers, **body)
        assert (answer.status_code, answer.json()["code"]) == (404, "library.asset_not_found")
    link = await api.get(f"/v1/generations/{reel['generation_id']}/video/url", headers=stranger.headers)
    assert link.status_code == 404
    assert (await api.get(f"{ASSETS}/{mine['id']}")).json() == mine


async def test_a_generation_without_a_video_has_nothing_to_save(api: httpx.AsyncClient) -> None:
    order = await api.post("/v1/create", json={"topic": "Cats"}, headers={"Idempotency-Key": "one"})
    answer = await api.post(ASSETS, json={"generation_id": order.json()["generation_id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "library.no_video")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "variant_id"),
        ({"text": "a", "title": "b", "media_id": str(uuid4())}, "text"),
        ({"text": "a"}, "title"),
        ({"text": "a", "title": "\u0000"}, "title"),
        ({"text": "a", "title": "b", "tags": ["x" * 41]}, "tags"),
        ({"text": "a", "title": "b", "tags": ["x"] * 21}, "tags"),
        ({"text": "a", "title": "b", "status": "lost"}, "status"),
        ({"text": "a", "title": "b", "account_id": str(uuid4())}, "account_id"),
    ],
)
async def test_what_is_wrong_is_named(body: dict[str, object], field: str, api: httpx.AsyncClient) -> None:
    answer = await api.post(ASSETS, json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


async def test_another_accounts_cursor_is_refused(api: httpx.AsyncClient, stranger: Person) -> None:
    for title in ("a", "b"):
        await save(api, text="x", title=title)
    cursor = (await api.get(ASSETS, params={"limit": 1})).json()["next_cursor"]
    assert (await api.get(ASSETS, params={"cursor": cursor}, headers=stranger.headers)).status_code == 400

"""Reading a generation and its draft: the owner sees all of it, anybody else a 404."""

from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.api.reels import MEDIA_TYPES, a_finished_reel, stored

TOPIC = {"topic": "Why do cats purr?", "duration_s": 20, "aspect": "1:1"}


@pytest.fixture
async def order(api: httpx.AsyncClient) -> dict[str, str]:
    answer = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_a_new_generation_shows_its_first_stage_queued_and_its_credits_held(
    api: httpx.AsyncClient, order: dict[str, str]
) -> None:
    answer = await api.get(f"/v1/generations/{order['generation_id']}")
    body = answer.json()
    assert (answer.status_code, body["status"], body["kind"]) == (200, "queued", "video")
    assert [(s["stage"], s["status"], s["done"], s["total"]) for s in body["stages"]] == [("INGESTION", "queued", 0, 1)]
    assert body["credits"] == {"held": order["price"], "charged": 0.0}
    assert (body["video"], body["failure"], body["variants"]) == (None, None, [])


FILES = ["/video", "/thumbnail", "/captions.srt", "/captions.vtt", "/inspection.png", "/manifest.json"]


@pytest.mark.parametrize("path", ["", *FILES, "/events"])
async def test_another_accounts_generation_is_404_everywhere(
    path: str, api: httpx.AsyncClient, order: dict[str, str], stranger: Person
) -> None:
    for who in (stranger.headers, {}):
        wanted = order["generation_id"] if who else uuid4()
        answer = await api.get(f"/v1/generations/{wanted}{path}", headers=who)
        assert answer.status_code == 404, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", FILES)
async def test_files_that_are_not_there_yet_say_so(path: str, api: httpx.AsyncClient, order: dict[str, str]) -> None:
    answer = await api.get(f"/v1/generations/{order['generation_id']}{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "file.not_ready")


async def test_s59_files_of_what_has_not_succeeded_are_nobodys(
    app: Litestar, api: httpx.AsyncClient, user: Person, order: dict[str, str], db: Database, tmp_path: Path
) -> None:
    """All of them are stored already: who calls off now pays for nothing, and gets nothing."""
    where, kinds = app.state.storage, tuple(MEDIA_TYPES)
    await stored(db, where, tmp_path, UUID(order["generation_id"]), kinds=kinds)
    finished = await a_finished_reel(db, where, tmp_path, AccountId(UUID(user.account_id)), kinds=kinds)

    async def told(generation: object) -> set[int]:
        asked = [*FILES, "/thumbnails/1", "/video/url"]
        return {(await api.get(f"/v1/generations/{generation}{one}")).status_code for one in asked}

    assert await told(finished["generation_id"]) == {200}
    assert await told(order["generation_id"]) == {404}
    assert (await api.post(f"/v1/generations/{order['generation_id']}/cancel")).json()["status"] == "cancelled"
    assert await told(order["generation_id"]) == {404}


async def test_an_id_that_is_no_uuid_is_404(api: httpx.AsyncClient) -> None:
    assert (await api.get("/v1/generations/banana")).status_code == 404


async def test_a_draft_is_read_changed_and_guarded_by_its_version(
    api: httpx.AsyncClient, order: dict[str, str], stranger: Person
) -> None:
    path = f"/v1/drafts/{order['draft_id']}"
    read = (await api.get(path)).json()
    assert (read["topic"], read["duration_s"], read["aspect"], read["version"]) == (TOPIC["topic"], 20, "1:1", 1)

    changed = await api.patch(path, json={"aspect": "16:9", "tone": "calm"}, headers={"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["aspect"], changed.json()["tone"], changed.json()["version"]) == ("16:9", "calm", 2)

    stale = await api.patch(path, json={"aspect": "9:16"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "draft.changed")
    assert (await api.get(path)).json()["aspect"] == "16:9"
    assert (await api.get(path, headers=stranger.headers)).status_code == 404
    assert (await api.patch(path, json={"tone": "calm"}, headers=stranger.headers)).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, None),
        ({"tone": "loud"}, "tone"),
        ({"owner": 1}, "owner"),
        ({"topic": "a\x00b"}, "topic"),
        ({"duration_s": 5}, "duration_s"),
    ],
)
async def test_a_bad_change_is_refused_by_field(
    body: dict[str, object], field: str | None, api: httpx.AsyncClient, order: dict[str, str]
) -> None:
    answer = await api.patch(f"/v1/drafts/{order['draft_id']}", json=body)
    assert (answer.status_code, answer.json().get("field")) == (400, field), answer.text


async def test_a_variant_of_another_draft_cannot_be_selected(api: httpx.AsyncClient, order: dict[str, str]) -> None:
    answer = await api.patch(f"/v1/drafts/{order['draft_id']}", json={"selected_variant": str(uuid4())})
    assert (answer.status_code, answer.json()["field"]) == (400, "selected_variant"), answer.text

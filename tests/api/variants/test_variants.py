"""Stories are read by their owner, edited version by version, and made anew in parts by the rules of every order."""

import json
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from reelwright.generations import Variants
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.builders import WrittenDraft, a_generation, a_written_draft


@pytest.fixture
async def written(db: Database, user: Person) -> WrittenDraft:
    return await a_written_draft(db, AccountId(UUID(user.account_id)))


@pytest.fixture
def path(written: WrittenDraft) -> str:
    return f"/v1/variants/{written.variant}"


async def test_a_story_is_read_with_its_scenes_and_by_its_draft(
    api: httpx.AsyncClient, written: WrittenDraft, path: str
) -> None:
    read = await api.get(path)
    story = read.json()
    assert (read.status_code, read.headers["ETag"], story["version"]) == (200, '"1"', 1)
    assert [scene["narration"] for scene in story["scenes"]] == ["Why? So.", "That is why."]
    assert story["scenes"][0]["motion"] == {"kind": "push_in", "amount": 0.12}
    listed = (await api.get(f"/v1/drafts/{written.draft}/variants")).json()
    assert listed == {"variants": [story], "next_cursor": None}


async def test_a_story_tells_the_look_that_its_pictures_share(
    api: httpx.AsyncClient, db: Database, written: WrittenDraft, path: str
) -> None:
    assert (await api.get(path)).json()["look"] is None
    look = {"palette": "deep blue, coral", "medium": "gouache", "characters": "a red octopus with a pale scar"}
    async with db.begin() as tx:
        await tx.execute(text("UPDATE variants SET look = :look"), {"look": json.dumps(look)})
    assert (await api.get(path)).json()["look"] == look
    assert (await api.get(f"/v1/drafts/{written.draft}/variants")).json()["variants"][0]["look"] == look


@pytest.mark.parametrize(("below", "field"), [("", "hook"), ("/scenes/0", "narration")])
async def test_what_is_said_is_edited_in_letters_that_captions_have(
    below: str, field: str, api: httpx.AsyncClient, path: str
) -> None:
    refused = await api.patch(f"{path}{below}", json={field: "Say ⵣⵓⵔ."}, headers={"If-Match": '"1"'})
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["field"]) == (400, "captions.no_letters", field)
    assert problem["detail"].startswith("No caption font has ⵣ ⵓ ⵔ: ")
    assert (await api.get(path)).headers["ETag"] == '"1"'
    shown = await api.patch(f"{path}{below}", json={field: "Señor Đỗ says: 猫 🐱 ⠿."}, headers={"If-Match": '"1"'})
    assert shown.status_code == 200, shown.text


async def test_a_drafts_stories_come_in_pages(api: httpx.AsyncClient, db: Database, written: WrittenDraft) -> None:
    another = await a_generation(db)
    async with db.begin() as tx:
        [first] = await Variants(session=tx).of_draft(written.draft)
        await Variants(session=tx).write(another, written.draft, [first.story, first.story])
    path, found = f"/v1/drafts/{written.draft}/variants", list[str]()
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.get(path, params={"limit": "2"} | ({"cursor": cursor} if cursor else {}))).json()
        found += [one["id"] for one in page["variants"]]
        cursor = page["next_cursor"]
    assert len(found) == len(set(found)) == 3
    assert found == [one["id"] for one in (await api.get(f"/v1/drafts/{written.draft}")).json()["variants"]]


async def test_a_strangers_story_is_one_that_is_not_there(
    api: httpx.AsyncClient, written: WrittenDraft, path: str, stranger: Person
) -> None:
    asked = [
        ("GET", "", None),
        ("PATCH", "", {"title": "Mine"}),
        ("POST", "/regenerate", {"part": "hook"}),
        ("GET", "/scenes", None),
        ("PATCH", "/scenes/0", {"narration": "Mine."}),
        ("POST", "/scenes/reorder", {"order": [1, 0]}),
        ("POST", "/scenes/0/regenerate", {"part": "voice"}),
    ]
    for method, below, body in asked:
        for who, wanted in ((stranger.headers, path), ({}, f"/v1/variants/{uuid4()}")):
            headers = {**who, "Idempotency-Key": f"{method}{below}"}
            answer = await api.request(method, wanted + below, json=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "variant.not_found"), (method, below)
    hidden = await api.get(f"/v1/drafts/{written.draft}/variants", headers=stranger.headers)
    assert hidden.status_code == 404
    await api.delete(f"/v1/drafts/{written.draft}")
    assert (await api.get(path)).status_code == 404


async def test_a_story_is_changed_version_by_version(api: httpx.AsyncClient, path: str) -> None:
    change = {"title": " Cats ", "caption": "They purr.", "hashtags": ["#cats", "Katzen_2", "猫"]}
    changed = await api.patch(path, json=change, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"'), changed.text
    body = changed.json()
    assert (body["title"], body["caption"], body["version"]) == ("Cats", "They purr.", 2)
    assert body["hashtags"] == ["cats", "Katzen_2", "猫"]

    stale = await api.patch(path, json={"title": "Dogs"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (412, "variant.changed", 2)
    same = await api.patch(path, json=change, headers={"If-Match": '"2"'})
    assert (same.status_code, same.headers["ETag"]) == (200, '"2"')
    assert (await api.get(path)).json() == body


async def test_a_new_hook_is_spoken_where_the_old_one_was(api: httpx.AsyncClient, path: str) -> None:
    story = (await api.patch(path, json={"hook": "How come?"})).json()
    assert (story["hook"], story["scenes"][0]["narration"]) == ("How come?", "How come? So.")
    assert story["scenes"][1]["narration"] == "That is why."
    await api.patch(f"{path}/scenes/0", json={"narration": "Nobody knows."})
    story = (await api.patch(path, json={"hook": "Why, then?"})).json()
    assert (story["hook"], story["scenes"][0]["narration"]) == ("Why, then?", "Nobody knows.")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, None),
        ({"hook": " "}, "hook"),
        ({"title": "a\x00b"}, "title"),
        ({"scenes": []}, "scenes"),
        ({"hashtags": ["two words"]}, "hashtags"),
        ({"hashtags": ["##cats"]}, "hashtags"),
        ({"hashtags": ["2026"]}, "hashtags"),
        ({"hashtags": ["Cats", "#cats"]}, "hashtags"),
        ({"hashtags": ["x"] * 31}, "hashtags"),
    ],
)
async def test_a_bad_change_is_refused_by_field(
    body: dict[str, object], field: str | None, api: httpx.AsyncClient, path: str
) -> None:
    answer = await api.patch(path, json=body)
    assert (answer.status_code, answer.json().get("field")) == (400, field), answer.text
    assert (await api.get(path)).json()["version"] == 1


async def test_a_part_is_ordered_as_everywhere(api: httpx.AsyncClient, written: WrittenDraft, path: str) -> None:
    foreseen = await api.post(f"{path}/regenerate", json={"part": "hook"}, params={"dry_run": "true"})
    assert foreseen.status_code == 200, foreseen.text
    key = {"Idempotency-Key": "hook"}
    started = await api.post(f"{path}/regenerate", json={"part": "hook"}, headers=key)
    assert started.status_code == 202, started.text
    body = started.json()
    assert body["draft_id"] == str(written.draft)
    alias = {"draft_id": str(written.draft), "variant_id": str(written.variant), "part": "hook"}
    again = await api.post("/v1/regenerate", json=alias, headers=key)
    assert (again.json()["generation_id"], again.headers["Idempotency-Replayed"]) == (body["generation_id"], "true")
    asked = await api.post("/v1/calculate-cost", json={**alias, "kind": "regenerate_targeted"})
    assert asked.json()["price"] == body["price"] > 0
    cooling = await api.post(f"{path}/regenerate", json={"part": "caption"}, headers={"Idempotency-Key": "caption"})
    assert (cooling.status_code, cooling.json()["code"]) == (429, "admission.limited")
    for wrong in ({"part": "full"}, {"part": "hook", "scene": 0}, {"part": "scene_voice"}):
        refused = await api.post(f"{path}/regenerate", json=wrong, headers={"Idempotency-Key": "wrong"})
        assert refused.status_code == 400, wrong


async def test_a_render_shows_the_story_that_it_renders_and_none_of_the_drafts_others(
    api: httpx.AsyncClient, db: Database, written: WrittenDraft
) -> None:
    """A draft may have thousands: who waits for a reel asks for it again and again."""
    another = await a_generation(db)
    async with db.begin() as tx:
        [first] = await Variants(session=tx).of_draft(written.draft)
        later = await Variants(session=tx).write(another, written.draft, [first.story] * 40)
    order = {"draft_id": str(written.draft), "kind": "render", "variant_id": str(written.variant)}
    answer = await api.post("/v1/create", json=order, headers={"Idempotency-Key": "render"})
    assert answer.status_code == 202, answer.text

    async def shown() -> list[str]:
        return [one["id"] for one in (await api.get(answer.headers["Location"])).json()["variants"]]

    assert await shown() == [str(written.variant)]
    unnamed = text("UPDATE generations SET variant_id = NULL WHERE kind = 'render'")
    for selected in (later[7].id, None):
        chosen = {"one": selected, "id": written.draft}
        async with db.begin() as tx:
            await tx.execute(unnamed)
            await tx.execute(text("UPDATE drafts SET selected_variant = :one WHERE id = :id"), chosen)
        assert await shown() == [str(selected or later[0].id)]

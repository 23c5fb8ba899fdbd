"""Scenes are edited one by one, moved with all that is of them, and made anew in parts."""

from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.builders import WrittenDraft, a_written_draft


@pytest.fixture
async def written(db: Database, user: Person) -> WrittenDraft:
    made = await a_written_draft(db, AccountId(UUID(user.account_id)))
    async with db.begin() as tx:
        await tx.execute(text("UPDATE scenes SET claim = 'Cats purr 25 times a second.' WHERE position = 1"))
    return made


@pytest.fixture
def path(written: WrittenDraft) -> str:
    return f"/v1/variants/{written.variant}/scenes"


async def test_a_scene_is_changed_field_by_field(api: httpx.AsyncClient, path: str) -> None:
    listed = await api.get(path)
    assert (listed.status_code, listed.headers["ETag"], len(listed.json()["scenes"])) == (200, '"1"', 2)
    change = {
        "visual": "a sleeping cat",
        "image_prompt": "hero: cat; with: moon",
        "duration_ms": 4000,
        "motion": {"kind": "pan_up", "amount": 0.2},
        "transition": {"kind": "dip", "frames": 0},
    }
    changed = await api.patch(f"{path}/1", json=change, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"'), changed.text
    before, after = listed.json()["scenes"], changed.json()["scenes"]
    assert after == [before[0], before[1] | change]
    assert (await api.get(path)).json()["scenes"] == after
    stale = await api.patch(f"{path}/0", json={"duration_ms": 4000}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "variant.changed")
    assert (await api.get(path)).json()["scenes"] == after


@pytest.mark.parametrize(
    ("narration", "kept"),
    [("Cats purr 25 times each second!", True), ("Cats purr 26 times a second.", False), ("Dogs bark.", False)],
)
async def test_new_words_keep_the_claim_only_where_it_says_them(
    narration: str,
    kept: bool,  # noqa: FBT001 - a parameter of the test
    api: httpx.AsyncClient,
    path: str,
    db: Database,
) -> None:
    scene = (await api.patch(f"{path}/1", json={"narration": narration})).json()["scenes"][1]
    assert (scene["narration"], scene["claim"] is not None) == (narration, kept)
    async with db.begin() as tx:
        (beat,) = list(await tx.scalars(text("SELECT beats->1->>'narration' FROM variants")))
    assert beat == narration


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, None),
        ({"narration": "…"}, "narration"),
        ({"narration": "a" * 1001}, "narration"),
        ({"duration_ms": 999}, "duration_ms"),
        ({"duration_ms": 33_001}, "duration_ms"),  # of a reel of 30 s
        ({"motion": {"kind": "spin"}}, "motion.kind"),
        ({"motion": {"kind": "push_in", "amount": 0.31}}, "motion.amount"),
        ({"transition": {"kind": "fade", "frames": 31}}, "transition.frames"),
        ({"claim": "It is so."}, "claim"),
    ],
)
async def test_a_bad_change_is_refused_by_field(
    body: dict[str, object], field: str | None, api: httpx.AsyncClient, path: str
) -> None:
    answer = await api.patch(f"{path}/0", json=body)
    assert (answer.status_code, answer.json().get("field")) == (400, field), answer.text


@pytest.mark.parametrize("position", ["2", "99999999999999999999", "-1"])
async def test_a_scene_that_is_not_there(position: str, api: httpx.AsyncClient, path: str) -> None:
    for answer in (
        await api.patch(f"{path}/{position}", json={"narration": "Hm."}),
        await api.post(
            f"{path}/{position}/regenerate", json={"part": "text"}, headers={"Idempotency-Key": position.strip("-")}
        ),
    ):
        assert answer.status_code == 404, answer.text


async def test_scenes_move_with_all_that_is_of_them(api: httpx.AsyncClient, path: str, db: Database) -> None:
    async with db.begin() as tx:
        await tx.execute(text("UPDATE scenes SET take = 2, voice_take = 1 WHERE position = 1"))
    before = (await api.get(path)).json()["scenes"]
    key = {"Idempotency-Key": "turn"}
    moved = await api.post(f"{path}/reorder", json={"order": [1, 0]}, headers=key)
    assert (moved.status_code, moved.headers["ETag"]) == (200, '"2"'), moved.text
    after = [before[1] | {"index": 0}, before[0] | {"index": 1}]
    assert moved.json()["scenes"] == after

    again = await api.post(f"{path}/reorder", json={"order": [1, 0]}, headers=key)
    assert (again.json()["scenes"], again.headers["Idempotency-Replayed"]) == (after, "true")
    async with db.begin() as tx:
        rows = await tx.execute(text("SELECT take, voice_take, seed FROM scenes ORDER BY position"))
        takes = [tuple(row) for row in rows]
        beats = await tx.scalar(text("SELECT jsonb_path_query_array(beats, '$[*].narration') FROM variants"))
    assert [taken[:2] for taken in takes] == [(2, 1), (0, 0)]
    assert takes[0][2] == takes[1][2] + 1
    assert beats == ["That is why.", "Why? So."]
    same = await api.post(f"{path}/reorder", json={"order": [0, 1]}, headers={"If-Match": '"2"'})
    assert same.json()["scenes"] == after


@pytest.mark.parametrize("order", [[0], [0, 0], [0, 2], [0, 1, 2]])
async def test_an_order_names_each_scene_once(order: list[int], api: httpx.AsyncClient, path: str) -> None:
    answer = await api.post(f"{path}/reorder", json={"order": order})
    assert (answer.status_code, answer.json()["code"]) == (400, "scenes.order_invalid"), answer.text


async def test_each_part_of_a_scene_is_an_order_with_its_price(
    api: httpx.AsyncClient, written: WrittenDraft, path: str
) -> None:
    asked = {"kind": "regenerate_targeted", "draft_id": str(written.draft), "scene": 1}
    for part, actions in (("text", ["rewrite"]), ("picture", ["image", "vision_check"]), ("voice", ["speech"])):
        quote = (await api.post("/v1/calculate-cost", json={**asked, "part": f"scene_{part}"})).json()
        assert [line["action"] for line in quote["lines"]] == actions
        foreseen = await api.post(f"{path}/1/regenerate", json={"part": part}, params={"dry_run": "true"})
        assert foreseen.status_code == 200, foreseen.text
    body = {"part": "voice", "expected_price": quote["price"]}
    started = await api.post(f"{path}/1/regenerate", json=body, headers={"Idempotency-Key": "voice"})
    assert (started.status_code, started.json()["price"]) == (202, quote["price"]), started.text
    shown = (await api.get(started.headers["Location"])).json()
    assert (shown["part"], shown["scene"], shown["variant_id"]) == ("scene_voice", 1, str(written.variant))
    assert [stage["stage"] for stage in shown["stages"]] == ["TTS_GENERATION"]


async def test_a_scene_does_not_move_while_a_part_of_one_is_made(api: httpx.AsyncClient, path: str) -> None:
    """The generation names its scene by its place."""
    started = await api.post(f"{path}/1/regenerate", json={"part": "picture"}, headers={"Idempotency-Key": "picture"})
    assert started.status_code == 202, started.text
    refused = await api.post(f"{path}/reorder", json={"order": [1, 0]})
    assert (refused.status_code, refused.json()["code"]) == (409, "variant.in_use"), refused.text
    assert refused.json()["generation_id"] == started.json()["generation_id"]
    assert (await api.patch(f"{path}/0", json={"narration": "So it is."})).status_code == 200

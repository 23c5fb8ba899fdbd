"""A draft's pipeline over HTTP: seen stage by stage, started at one, paused, resumed; 409 names what is missing."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from reelwright.generations import Assignment, Made, Stage
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys.workroom import Workroom
from tests.api.conftest import Person
from tests.api.working import work
from tests.builders import a_written_draft
from tests.journeys.conftest import Studio

TOPIC = {"topic": "Why do cats purr?", "duration_s": 10}


async def post(api: httpx.AsyncClient, path: str, *, key: str | None = None, **body: object) -> httpx.Response:
    return await api.post(f"/v1{path}", json=body, headers={"Idempotency-Key": key or uuid4().hex})


async def created(api: httpx.AsyncClient, **more: object) -> dict[str, Any]:
    answer = await post(api, "/create", **TOPIC, **more)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def start(api: httpx.AsyncClient, draft: str, stage: str, *, key: str | None = None) -> httpx.Response:
    return await api.post(f"/v1/drafts/{draft}/pipeline/{stage}/start", headers={"Idempotency-Key": key or uuid4().hex})


async def seen(api: httpx.AsyncClient, draft: str) -> dict[str, Any]:
    answer = await api.get(f"/v1/drafts/{draft}/pipeline")
    assert answer.status_code == 200, answer.text
    return answer.json()


def by_stage(shown: dict[str, Any], field: str) -> dict[str, Any]:
    return {stage["stage"]: stage[field] for stage in shown["stages"]}


async def test_from_stop_to_stop_by_http_and_seen_all_the_way(api: httpx.AsyncClient, room: Workroom) -> None:
    accepted = await created(api, pause_after="STORY_WRITING")
    draft = accepted["draft_id"]
    new = await seen(api, draft)
    assert (new["status"], new["pause_after"], new["actions"]) == ("queued", "STORY_WRITING", ["pause", "cancel"])
    assert new["held"] == accepted["price"] > 0
    assert not any(by_stage(new, "can_start").values())

    await work(room)
    rests = await seen(api, draft)
    states = by_stage(rests, "status")
    assert (states["STORY_WRITING"], states["SCENE_GENERATION"]) == ("succeeded", "waiting")
    assert (rests["paused_at"] is None, rests["pause_after"], rests["actions"]) == (False, None, ["resume", "cancel"])
    assert rests["credits"] > 0
    assert rests["credits"] == pytest.approx(sum(by_stage(rests, "credits").values()))
    assert not by_stage(rests, "can_start")["INGESTION"]
    assert by_stage(rests, "can_start")["VISUAL_GENERATION"]

    went_on = await start(api, draft, "VISUAL_GENERATION")
    assert (went_on.status_code, went_on.json()["generation_id"]) == (202, accepted["generation_id"]), went_on.text
    again = await start(api, draft, "VISUAL_GENERATION")
    assert again.json() == went_on.json()
    await work(room)
    shown = (await seen(api, draft))["stages"][3]
    assert (shown["stage"], shown["status"], shown["done"], shown["total"]) == ("VISUAL_GENERATION", "succeeded", 2, 2)
    assert shown["started_at"] < shown["finished_at"]

    resumed = await post(api, f"/drafts/{draft}/pipeline/resume", pause_after="AUDIO_MIXING")
    assert resumed.json()["generation_id"] == accepted["generation_id"]
    await work(room)
    assert by_stage(await seen(api, draft), "status")["VIDEO_ASSEMBLY"] == "waiting"
    await post(api, f"/drafts/{draft}/pipeline/resume")
    await work(room)
    done = await seen(api, draft)
    assert (done["status"], done["actions"], done["held"]) == ("succeeded", [], 0)
    assert set(by_stage(done, "status").values()) == {"succeeded"}
    assert (await api.get(f"/v1/generations/{accepted['generation_id']}")).json()["credits"]["charged"] == done[
        "credits"
    ]


async def test_a_stage_of_a_draft_with_a_script_is_rendered_and_rests(
    api: httpx.AsyncClient, room: Workroom, studio: Studio, user: Person, db: Database
) -> None:
    written = await a_written_draft(db, AccountId(user.account_id))  # type: ignore[arg-type]
    draft = str(written.draft)
    assert by_stage(await seen(api, draft), "missing")["TTS_GENERATION"] == "VISUAL_GENERATION"
    refused = await start(api, draft, "AUDIO_MIXING")
    assert (refused.status_code, refused.json()["code"]) == (409, "pipeline.missing")
    assert refused.json()["missing"] == "VISUAL_GENERATION"
    scenes = await start(api, draft, "SCENE_GENERATION")
    assert (scenes.status_code, scenes.json()["missing"]) == (409, "STORY_WRITING")

    begun = await start(api, draft, "VISUAL_GENERATION", key="k")
    assert begun.status_code == 202, begun.text
    generation = begun.json()["generation_id"]
    await work(room)
    assert {unit.stage for unit in studio.calls} == {Stage.VISUAL_GENERATION}
    again = await start(api, draft, "VISUAL_GENERATION", key="k")
    assert (again.headers["Idempotency-Replayed"], again.json()["generation_id"]) == ("true", generation)
    other = await start(api, draft, "TTS_GENERATION", key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")
    words = await start(api, draft, "INGESTION")
    assert (words.status_code, words.json()["code"]) == (409, "pipeline.at_work")
    assert words.json()["generation_id"] == generation


async def test_words_are_begun_anew_once_nothing_is_at_work(
    api: httpx.AsyncClient, room: Workroom, studio: Studio
) -> None:
    accepted = await created(api)
    draft = accepted["draft_id"]
    busy = await start(api, draft, "STORY_WRITING")
    assert (busy.status_code, busy.json()["code"]) == (409, "pipeline.at_work")
    paused = await api.post(f"/v1/drafts/{draft}/pipeline/pause")
    assert (paused.status_code, paused.json()["actions"]) == (202, ["resume", "cancel"])
    await api.post(f"/v1/generations/{accepted['generation_id']}/cancel")
    begun = await start(api, draft, "STORY_WRITING")
    assert begun.status_code == 202, begun.text
    await work(room)
    assert {unit.stage for unit in studio.calls} == {Stage.INGESTION, Stage.STORY_WRITING}
    shown = await seen(api, draft)
    assert (shown["kind"], shown["generation_id"]) == ("script", begun.json()["generation_id"])
    assert by_stage(shown, "status")["VISUAL_GENERATION"] == "not_part"


async def test_what_failed_is_resumed_by_its_draft(api: httpx.AsyncClient, room: Workroom, studio: Studio) -> None:
    async def behave(_task: Assignment) -> Made | None:
        raise Refusal("The page says no.", code="source.not_found")

    studio.behave = behave
    accepted = await created(api)
    draft = accepted["draft_id"]
    await work(room)
    assert (await seen(api, draft))["actions"] == ["resume"]
    first = await post(api, f"/drafts/{draft}/pipeline/resume", key="k", pause_after="INGESTION")
    again = await post(api, f"/drafts/{draft}/pipeline/resume", key="k", pause_after="INGESTION")
    assert first.status_code == 202, first.text
    assert first.json()["resumes"] == accepted["generation_id"]
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    studio.behave = None
    await work(room)
    assert by_stage(await seen(api, draft), "status")["STORY_WRITING"] == "waiting"
    nowhere = await post(api, f"/drafts/{draft}/pipeline/resume", pause_after="INGESTION")
    assert (nowhere.status_code, nowhere.json()["code"]) == (409, "generation.stage_done")


async def test_nothing_there_nothing_wrong_and_nobody_elses(
    api: httpx.AsyncClient, user: Person, stranger: Person, db: Database
) -> None:
    written = await a_written_draft(db, AccountId(user.account_id))  # type: ignore[arg-type]
    path = f"/v1/drafts/{written.draft}/pipeline"
    nothing = await api.post(f"{path}/pause")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "pipeline.not_begun")
    ended = await api.post(f"{path}/resume", json={}, headers={"Idempotency-Key": "k"})
    assert (ended.status_code, ended.json()["code"]) == (409, "generation.not_resumable")
    no_stage = await start(api, str(written.draft), "DANCING")
    assert no_stage.status_code in {400, 404}
    no_key = await api.post(f"{path}/INGESTION/start")
    assert (no_key.status_code, no_key.json()["field"]) == (400, "Idempotency-Key")
    wrong = await post(api, f"/drafts/{written.draft}/pipeline/resume", pause_after="DANCING")
    assert (wrong.status_code, wrong.json()["field"]) == (400, "pause_after")
    late = await post(api, "/create", **TOPIC, kind="script", pause_after="VISUAL_GENERATION")
    assert (late.status_code, late.json()["field"]) == (400, "pause_after")
    theirs = {**stranger.headers, "Idempotency-Key": "k"}
    answers = [
        await api.get(path, headers=theirs),
        await api.post(f"{path}/INGESTION/start", headers=theirs),
        await api.post(f"{path}/pause", headers=theirs),
        await api.post(f"{path}/resume", json={}, headers=theirs),
    ]
    assert [(one.status_code, one.json()["detail"]) for one in answers] == [(404, "There is no such draft.")] * 4

"""Single runs over HTTP: listed page by page, read with what they cost, and called off before they cost anything."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from reelwright.generations import Assignment, Made, Stage
from reelwright.ground import ids
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database
from reelwright.journeys.workroom import Workroom
from reelwright.providers import PaidCall, PaidCalls
from tests.api.conftest import Person
from tests.api.working import work
from tests.journeys.conftest import Studio

INNER = ("fence", "lease", "key", "sent", "resend", "worker", "result")


async def created(api: httpx.AsyncClient, **more: object) -> str:
    body = {"topic": "Why do cats purr?", "duration_s": 10, **more}
    answer = await api.post("/v1/create", json=body, headers={"Idempotency-Key": uuid4().hex})
    return answer.json()["generation_id"]


async def listed(api: httpx.AsyncClient, generation: str, *, limit: int = 100) -> list[dict[str, Any]]:
    """All of a generation's runs, page by page."""
    found, cursor = list[dict[str, Any]](), None
    while True:
        query = {"generation_id": generation, "limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = await api.get("/v1/stage-runs", params=query)
        assert answer.status_code == 200, answer.text
        found += answer.json()["stage_runs"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


async def test_runs_are_listed_from_the_last_and_read_one_by_one(api: httpx.AsyncClient, room: Workroom) -> None:
    generation = await created(api, pause_after="VISUAL_VERIFICATION")
    await work(room)
    every = await listed(api, generation)
    assert [run["stage"] for run in every][-3:] == ["SCENE_GENERATION", "STORY_WRITING", "INGESTION"]
    assert len({run["id"] for run in every}) == len(every) == 7
    assert [run["id"] for run in await listed(api, generation, limit=2)] == [run["id"] for run in every]

    picture = next(run for run in every if run["stage"] == "VISUAL_GENERATION")
    read = (await api.get(f"/v1/stage-runs/{picture['id']}")).json()
    assert read == picture
    assert (read["status"], read["attempt"], read["scene"] in {0, 1}, read["error"]) == ("succeeded", 1, True, None)
    assert read["credits"] > 0
    assert read["started_at"] <= read["finished_at"]
    assert not [name for name in read if any(word in name for word in INNER)]
    assert read["check"] is None
    charged = (await api.get(f"/v1/generations/{generation}")).json()["credits"]
    assert sum(run["credits"] for run in every) < charged["held"]


async def test_a_failed_attempt_says_that_it_is_tried_again(
    api: httpx.AsyncClient, room: Workroom, studio: Studio
) -> None:
    async def behave(_task: Assignment) -> Made | None:
        raise Outage("The page is away.", code="source.unreachable")

    studio.behave = behave
    generation = await created(api)
    await work(room, most=1)
    (run,) = await listed(api, generation)
    assert (run["status"], run["error"]["code"]) == ("queued", "source.unreachable")
    assert "again" in run["error"]["detail"]
    await work(room)
    (run,) = await listed(api, generation)
    failed = (await api.get(f"/v1/generations/{generation}")).json()["failure"]
    assert (run["status"], run["error"]) == ("failed", failed)


async def test_called_off_before_it_began_its_generation_rests_there(
    api: httpx.AsyncClient, room: Workroom, studio: Studio
) -> None:
    generation = await created(api)
    (run,) = await listed(api, generation)
    for _ in range(2):
        answer = await api.post(f"/v1/stage-runs/{run['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (202, "queued"), answer.text
        assert answer.json()["paused_at"] is not None
    assert await work(room) == 0
    await api.post(f"/v1/generations/{generation}/resume", json={}, headers={"Idempotency-Key": "k"})
    await work(room)
    assert (await api.get(f"/v1/generations/{generation}")).json()["status"] == "succeeded"
    assert set(studio.calls.values()) == {1}
    ended = await api.post(f"/v1/stage-runs/{run['id']}/cancel")
    assert (ended.status_code, ended.json()["code"]) == (409, "stage_run.ended")


async def test_called_off_at_work_its_worker_loses_it(
    api: httpx.AsyncClient, room: Workroom, studio: Studio, db: Database
) -> None:
    """What the worker still makes is neither kept nor charged; resumed, the run is done once more."""
    at_work, gone = asyncio.Event(), asyncio.Event()

    async def behave(_task: Assignment) -> Made | None:
        at_work.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()

    studio.behave = behave
    generation = await created(api)
    working = asyncio.create_task(work(room, most=1))
    await at_work.wait()
    (run,) = await listed(api, generation)
    assert run["status"] == "running"
    answer = await api.post(f"/v1/stage-runs/{run['id']}/cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["attempt"]) == (202, "queued", 0), answer.text
    await asyncio.wait_for(gone.wait(), 10)
    await working
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM usage_ledger WHERE outcome = 'succeeded'")) == 0
    studio.behave = None
    await api.post(f"/v1/generations/{generation}/resume", json={}, headers={"Idempotency-Key": "k"})
    await work(room)
    (ingestion,) = [one for one in await listed(api, generation) if one["stage"] == "INGESTION"]
    assert (ingestion["status"], ingestion["attempt"]) == ("succeeded", 1)


async def test_a_run_whose_provider_is_at_work_is_let_finish(
    api: httpx.AsyncClient, room: Workroom, studio: Studio, user: Person, db: Database
) -> None:
    answers = list[httpx.Response]()

    async def behave(task: Assignment) -> Made | None:
        if task.unit.stage is not Stage.STORY_WRITING:
            return None
        run = task.unit.run_id(task.generation_id)
        async with db.begin() as tx:
            call = PaidCall(
                id=ids.fresh(),
                account_id=task.account_id,
                generation_id=task.generation_id,
                run_id=run,
                fence=1,
                call_no=0,
                provider="openai",
                model="test",
                craft="text",
                request_hash="f" * 64,
            )
            await PaidCalls(session=tx).intend(call)
        answers.append(await api.post(f"/v1/stage-runs/{run}/cancel"))
        return None

    studio.behave = behave
    generation = await created(api, pause_after="STORY_WRITING")
    await work(room)
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(409, "stage_run.at_work")]
    story = next(run for run in await listed(api, generation) if run["stage"] == "STORY_WRITING")
    assert (story["status"], story["attempt"]) == ("succeeded", 1)


async def test_nobody_elses_and_nothing_hostile(api: httpx.AsyncClient, stranger: Person) -> None:
    generation = await created(api)
    (run,) = await listed(api, generation)
    for headers, wanted in ((stranger.headers, run["id"]), ({}, str(uuid4())), ({}, str(UUID(int=0)))):
        for answer in (
            await api.get(f"/v1/stage-runs/{wanted}", headers=headers),
            await api.post(f"/v1/stage-runs/{wanted}/cancel", headers=headers),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "stage_run.not_found")
    theirs = await api.get("/v1/stage-runs", params={"generation_id": generation}, headers=stranger.headers)
    assert theirs.status_code == 404


@pytest.mark.parametrize(
    "query",
    [{}, {"generation_id": "1"}, {"limit": "0"}, {"limit": "101"}, {"cursor": "x" * 43}, {"cursor": "' OR 1=1"}],
)
async def test_400_for_what_is_no_page(query: dict[str, str], api: httpx.AsyncClient) -> None:
    known = {} if not query or "generation_id" in query else {"generation_id": str(uuid4())}
    assert (await api.get("/v1/stage-runs", params=known | query)).status_code == 400


async def test_a_check_tells_its_scores_its_reasons_and_which_try_was_kept(
    api: httpx.AsyncClient, db: Database, room: Workroom
) -> None:
    """Of two tries the better one is the reel's, though it isn't the last."""
    generation = await created(api, pause_after="VISUAL_VERIFICATION")
    await work(room)
    scores = {"relevance": 90, "quality": 7, "consistency": 80, "safety": 99}
    worse = {"type": "judged", "score": 7, "scores": scores, "reasons": ["It is dark."], "kept": False}
    again = """
        INSERT INTO stage_runs
        SELECT (jsonb_populate_record(r, jsonb_build_object(
                'id', gen_random_uuid(), 'round', 1, 'result', CAST(:worse AS jsonb)))).*
          FROM stage_runs r WHERE stage = 'VISUAL_VERIFICATION' AND scene = 0
        """
    async with db.begin() as tx:
        await tx.execute(text(again), {"worse": json.dumps(worse)})
    every = await listed(api, generation)
    checks = {(run["scene"], run["round"]): run for run in every if run["stage"] == "VISUAL_VERIFICATION"}
    assert checks[0, 1]["check"] == {"score": 7, "scores": scores, "reasons": ["It is dark."], "kept": False}
    for place in ((0, 0), (1, 0)):
        first = checks[place]["check"]
        assert first["scores"].keys() <= scores.keys()
        assert first["score"] == min(first["scores"].values())
        assert (first["score"] > 7, first["kept"]) == (True, True)
    for run in checks.values():
        assert (await api.get(f"/v1/stage-runs/{run['id']}")).json() == run

"""POST /v1/ingestions: 202 for what may be read, a draft that rests behind it, and a source to look at."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from reelwright.generations import Assignment, Attribution, Ingested, Made, Source, SourceForm
from reelwright.ground.errors import Refusal
from reelwright.ground.postgres import Database
from reelwright.journeys.workroom import Workroom
from tests.api.conftest import Person
from tests.api.working import work
from tests.journeys.conftest import Studio

WORDS = "An octopus has three hearts and its blood is blue. " * 40
FOUND = Source(
    kind="rss",
    title="Three hearts",
    body=WORDS,
    summary="An octopus has three hearts.",
    language="en",
    attribution=Attribution(title="Three hearts", url="https://news.example/a", licence=None),
)
VIDEO = "https://youtu.be/oct0pus-3_h"


async def ingest(api: httpx.AsyncClient, *, key: str | None = None, **body: object) -> httpx.Response:
    return await api.post("/v1/ingestions", json=body, headers={"Idempotency-Key": key or uuid4().hex})


async def read(api: httpx.AsyncClient, draft: str) -> dict[str, Any]:
    answer = await api.get(f"/v1/drafts/{draft}/ingestion")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_202_and_a_source_to_look_at(api: httpx.AsyncClient, room: Workroom, studio: Studio) -> None:
    asked = list[tuple[str | None, SourceForm, str | None]]()

    async def behave(task: Assignment) -> Made | None:
        asked.append((task.draft.source_url, task.draft.source_form, task.draft.source_entry))
        return Made(outcome=Ingested(source=FOUND))

    studio.behave = behave
    answer = await ingest(api, feed_url="https://News.example/feed", entry_id="tag:1", tone="calm", key="k")
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert answer.headers["Location"] == f"/v1/generations/{body['generation_id']}"
    assert '"generations_month";r=299' in answer.headers["RateLimit"]
    queued = await read(api, body["draft_id"])
    assert (queued["status"], queued["source"], queued["paused_at"]) == ("queued", None, None)
    assert queued["requested"] == {"form": "feed", "url": "https://news.example/feed", "entry_id": "tag:1"}

    await work(room)
    assert asked == [("https://news.example/feed", SourceForm.FEED, "tag:1")]
    done = await read(api, body["draft_id"])
    assert (done["status"], done["paused_at"] is None, done["failure"]) == ("succeeded", False, None)
    source = done["source"]
    assert (source["kind"], source["title"], source["summary"]) == ("rss", "Three hearts", FOUND.summary)
    assert (source["excerpt"], source["body_characters"]) == (WORDS[:1000], len(WORDS))
    assert source["attribution"] == {"title": "Three hearts", "url": "https://news.example/a", "licence": None}
    again = await ingest(api, feed_url="https://News.example/feed", entry_id="tag:1", tone="calm", key="k")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (body | {"status": "running"}, "true")
    assert (await ingest(api, text=WORDS, key="k")).status_code == 422
    draft = (await api.get(f"/v1/drafts/{body['draft_id']}")).json()
    assert (draft["tone"], draft["url"]) == ("calm", "https://news.example/feed")


SOURCES = {
    "page": ({"url": "https://example.com/a"}, ("page", "https://example.com/a")),
    "video": ({"youtube_url": VIDEO}, ("youtube", "https://www.youtube.com/watch?v=oct0pus-3_h")),
    "text": ({"text": WORDS}, ("page", None)),
}


@pytest.mark.parametrize("case", SOURCES)
async def test_each_kind_of_source(case: str, api: httpx.AsyncClient) -> None:
    body, wanted = SOURCES[case]
    answer = await ingest(api, **body)
    assert answer.status_code == 202, answer.text
    requested = (await read(api, answer.json()["draft_id"]))["requested"]
    assert (requested["form"], requested["url"]) == wanted


WRONG = {
    "none": ({}, "url", "request.invalid"),
    "two": ({"url": "https://a.example/", "text": WORDS}, "text", "request.invalid"),
    "no video": ({"youtube_url": "https://example.com/watch?v=oct0pus-3_h"}, "youtube_url", "ingestion.not_youtube"),
    "inward feed": ({"feed_url": "http://127.0.0.1/feed"}, "feed_url", "source.not_allowed"),
    "inward video": ({"youtube_url": "http://10.0.0.1/watch?v=oct0pus-3_h"}, "youtube_url", "source.not_allowed"),
    "an entry of nothing": ({"url": "https://a.example/", "entry_id": "1"}, "entry_id", "request.invalid"),
    "an entry with NUL": ({"feed_url": "https://a.example/", "entry_id": "a\x00"}, "entry_id", "request.invalid"),
    "a topic": ({"topic": "Cats"}, "topic", "request.invalid"),
    "a kind": ({"url": "https://a.example/", "kind": "video"}, "kind", "request.invalid"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_400_names_the_field(case: str, api: httpx.AsyncClient, db: Database) -> None:
    body, field, code = WRONG[case]
    answer = await ingest(api, **body)
    assert (answer.status_code, answer.json()["field"], answer.json()["code"]) == (400, field, code), answer.text
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM drafts")) == 0


async def test_a_failure_is_told_and_tried_again_as_an_order(
    api: httpx.AsyncClient, room: Workroom, studio: Studio
) -> None:
    async def behave(_task: Assignment) -> Made | None:
        raise Refusal("This video offers no captions.", code="ingestion.no_transcript")

    studio.behave = behave
    body = (await ingest(api, youtube_url=VIDEO)).json()
    retry = f"/v1/drafts/{body['draft_id']}/ingestion/retry"
    early = await api.post(retry, headers={"Idempotency-Key": "early"})
    assert (early.status_code, early.json()["code"]) == (409, "ingestion.not_failed")
    await work(room)
    failed = await read(api, body["draft_id"])
    assert (failed["status"], failed["source"]) == ("failed", None)
    assert failed["failure"] == {"code": "ingestion.no_transcript", "detail": "This video offers no captions."}
    assert (await api.get("/v1/credits/balance")).json()["held"] == 0

    studio.behave = None
    assert (await api.post(retry)).json()["field"] == "Idempotency-Key"
    first = await api.post(retry, headers={"Idempotency-Key": "k"})
    assert first.status_code == 202, first.text
    again = await api.post(retry, headers={"Idempotency-Key": "k"})
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    assert first.json()["draft_id"] == body["draft_id"]
    await work(room)
    done = await read(api, body["draft_id"])
    assert (done["status"], done["generation_id"]) == ("succeeded", first.json()["generation_id"])
    assert done["paused_at"] is not None
    assert (await api.post(retry, headers={"Idempotency-Key": "late"})).status_code == 409


async def test_404_for_anothers_and_for_none(api: httpx.AsyncClient, stranger: Person) -> None:
    draft = (await ingest(api, text=WORDS)).json()["draft_id"]
    theirs = {**stranger.headers, "Idempotency-Key": "k"}
    for headers, wanted in ((theirs, draft), ({"Idempotency-Key": "k"}, str(uuid4()))):
        seen = await api.get(f"/v1/drafts/{wanted}/ingestion", headers=headers)
        tried = await api.post(f"/v1/drafts/{wanted}/ingestion/retry", headers=headers)
        assert [one.status_code for one in (seen, tried)] == [404, 404]
        assert seen.json()["detail"] == tried.json()["detail"]

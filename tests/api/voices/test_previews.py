"""POST /v1/voices/{id}/preview: made once by a worker, heard by its owner alone, free within an hour's number."""

import asyncio
import io
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import av
import httpx
import pytest
from litestar import Litestar
from redis.asyncio import Redis
from sqlalchemy import text

from reelwright.ground import tasks
from reelwright.ground.postgres import Database
from reelwright.journeys import sounding, voices
from reelwright.providers import ProviderAway, ProviderRefused
from tests.api.conftest import Person
from tests.api.voices.making import Said, made, workroom
from tests.api.voices.test_profiles import HEART, added
from tests.waiting import wait_until
from worker.sounding import make

PLACE = f"/v1/voices/{HEART.id}/preview"
HELLO = {"text": "Hello there. It is me."}


def length_s(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as sound:
        return sum(frame.samples / frame.sample_rate for frame in sound.decode(audio=0))


async def test_a_preview_is_made_once_and_heard(
    api: httpx.AsyncClient, app: Litestar, db: Database, tmp_path: Path
) -> None:
    profile = await added(api, gap_ms=900, pitch=2, speed=1.1)
    place, said = f"/v1/voices/{profile['id']}/preview", Said()
    asked = await api.post(place, json=HELLO)
    assert (asked.status_code, asked.json()["status"], asked.headers["Retry-After"]) == (202, "queued", "1")
    early = await api.get(asked.json()["url"])
    assert (early.status_code, early.json()["code"]) == (409, "sound.not_ready")

    assert await made(workroom(app, tmp_path, said)) == 1

    view = (await api.get(asked.headers["Location"])).json()
    assert (view["status"], view["failure"]) == ("ready", None)
    heard = await api.get(view["url"], headers={"Range": "bytes=0-99"})
    assert (heard.status_code, heard.headers["Content-Type"], len(heard.content)) == (206, "audio/mpeg", 100)
    assert abs(length_s((await api.get(view["url"])).content) - view["duration_ms"] / 1000) < 0.15
    again = await api.post(place, json=HELLO)
    assert (again.status_code, again.json()) == (200, view)
    assert said.asked == [(HELLO["text"], "heart", 1.1)]
    async with db.begin() as tx:
        kept = (await tx.execute(text("SELECT wish, storage_key FROM sound_jobs"))).one()
        loose = await tx.scalar(text("SELECT count(*) FROM loose_files"))
        used = (await tx.execute(text("SELECT stage, characters, credits_micro, outcome FROM usage_ledger"))).one()
    assert (kept.wish, loose) == ({}, 0)
    assert tuple(used) == ("PREVIEW", len(HELLO["text"]), 0, "succeeded")


async def test_the_usual_sentence_is_made_for_everybody_and_ones_own_words_for_oneself(
    api: httpx.AsyncClient, app: Litestar, stranger: Person, tmp_path: Path
) -> None:
    said = Said()
    mine, usual = (await api.post(PLACE, json=HELLO)).json(), (await api.post(PLACE, json={})).json()
    assert await made(workroom(app, tmp_path, said)) == 2
    theirs = await api.get(f"/v1/voices/previews/{mine['id']}", headers=stranger.headers)
    assert theirs.status_code == 404
    assert (await api.get(mine["url"], headers=stranger.headers)).status_code == 404
    same = await api.post(PLACE, json=HELLO, headers=stranger.headers)
    assert (same.status_code, same.json()["id"] == mine["id"]) == (202, False)
    shared = await api.post(PLACE, json={}, headers=stranger.headers)
    assert (shared.status_code, shared.json()["id"]) == (200, usual["id"])
    assert (await api.get(f"/v1/voices/{HEART.id}")).json()["sample"] is True


async def test_new_previews_are_counted_by_the_hour_and_old_ones_are_not(
    api: httpx.AsyncClient, app: Litestar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis: Redis
) -> None:
    monkeypatch.setattr(voices, "PREVIEWS_AN_HOUR", 2)
    answers = [await api.post(PLACE, json={"text": f"number {n}"}) for n in (1, 1, 2, 3, 1)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 202]
    assert (answers[3].json()["code"], int(answers[3].headers["Retry-After"]) > 0) == ("voice.too_many_previews", True)
    assert await made(workroom(app, tmp_path, Said())) == 2
    assert await redis.dbsize() > 0


async def test_a_language_that_nobody_speaks_here_is_refused_at_once(api: httpx.AsyncClient, redis: Redis) -> None:
    answer = await api.post(PLACE, json=HELLO | {"language": "xx"})
    assert (answer.status_code, answer.json()["code"]) == (400, "voice.language_unsupported")
    assert await redis.keys("*voice_preview*") == [], "and counts for nothing"


@pytest.mark.parametrize(
    "why", [ProviderRefused("Not in this voice.", code="voice.language_unsupported"), ProviderAway("no")]
)
async def test_what_cannot_be_spoken_says_why_and_may_be_tried_again(
    api: httpx.AsyncClient, app: Litestar, db: Database, tmp_path: Path, why: Exception
) -> None:
    class Mute(Said):
        async def speak(self, *_: object, **__: object) -> object:  # type: ignore[override]
            raise why

    asked = (await api.post(PLACE, json=HELLO)).json()
    for _ in range(4):
        async with db.begin() as tx:
            await tx.execute(text("UPDATE sound_jobs SET due_at = now() WHERE state = 'queued'"))
        await made(workroom(app, tmp_path, Mute()))
    view = (await api.get(f"/v1/voices/previews/{asked['id']}")).json()
    assert (view["status"], view["failure_code"]) == ("failed", getattr(why, "code", None))
    assert (await api.post(PLACE, json=HELLO)).json()["status"] == "queued"
    assert await made(workroom(app, tmp_path, Said())) == 1


async def test_a_worker_that_died_over_it_is_followed_by_another(
    api: httpx.AsyncClient, app: Litestar, db: Database, tmp_path: Path
) -> None:
    asked = (await api.post(PLACE, json=HELLO)).json()
    room = workroom(app, tmp_path, Said())
    async with db.begin() as tx:
        await tx.execute(text("UPDATE sound_jobs SET attempt = 1, due_at = now() + interval '3 minutes'"))
    assert await made(room) == 0
    async with db.begin() as tx:
        await tx.execute(text("UPDATE sound_jobs SET due_at = now()"))
    assert await made(room) == 1
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT attempt FROM sound_jobs WHERE id = :id"), {"id": UUID(asked["id"])}) == 2


async def test_a_worker_that_leaves_gives_it_back_uncounted(
    api: httpx.AsyncClient, app: Litestar, db: Database, tmp_path: Path
) -> None:
    begun = asyncio.Event()

    class Slow(Said):
        async def speak(self, *_: object, **__: object) -> object:  # type: ignore[override]
            begun.set()
            return await asyncio.Event().wait()

    await api.post(PLACE, json=HELLO)
    making = asyncio.create_task(made(workroom(app, tmp_path, Slow())))
    await begun.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT attempt FROM sound_jobs WHERE due_at <= clock_timestamp()")) == 0
    assert await made(workroom(app, tmp_path, Said())) == 1


async def test_a_worker_hears_of_it_at_once(
    api: httpx.AsyncClient, app: Litestar, database_url: str, tmp_path: Path
) -> None:
    """It looks by itself once an hour here, so that only PostgreSQL's notification can have told it."""
    room = workroom(app, tmp_path, Said())
    hour = timedelta(hours=1)
    making = asyncio.create_task(sounding.keep_making(room, make, url=database_url, every=hour))
    try:
        for words in ("one", "two"):
            asked = (await api.post(PLACE, json={"text": words})).json()

            async def ready(place: str = f"/v1/voices/previews/{asked['id']}") -> bool:
                return (await api.get(place)).json()["status"] == "ready"

            await wait_until(ready, timeout=20)
    finally:
        await tasks.end(making)


async def test_too_long_a_text_and_an_unknown_preview_are_refused(api: httpx.AsyncClient) -> None:
    long = await api.post(PLACE, json={"text": "a" * 201})
    assert (long.status_code, long.json()["field"]) == (400, "text")
    assert (await api.get(f"/v1/voices/previews/{uuid4()}")).status_code == 404

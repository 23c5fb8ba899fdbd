"""/v1/music: built-in tracks and people's own, measured by a worker, heard in ten seconds, named in drafts."""

import functools
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import msgspec
import numpy as np
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.generations import MusicChoice, Sound
from reelwright.ground.postgres import Database
from reelwright.providers import TRACKS
from tests.api.conftest import Person
from tests.api.media.made import picture
from tests.api.voices.making import made, workroom
from tests.api.voices.test_previews import length_s
from tests.api.voices.test_profiles import order
from tests.rooms.rendering import fixture

RATE = 48_000
MINE = {"title": "Hand clap", "mood": "warm", "genre": "lo-fi", "licence": "own"}


@functools.cache
def clicks(bpm: float = 120, seconds: int = 8, first_s: float = 0.25) -> bytes:
    """A WAV of short pings, the first of each bar louder."""
    wave = np.zeros(seconds * RATE)
    ping = np.sin(np.arange(2400) * 0.15) * np.exp(-np.arange(2400) / 400)
    for beat in range(int((seconds - first_s) * bpm / 60)):
        at = round((first_s + beat * 60 / bpm) * RATE)
        wave[at : at + 2400] += ping[: seconds * RATE - at] * (0.8 if beat % 4 == 0 else 0.5)
    return fixture.wav(np.stack([wave, wave], axis=1))


async def uploaded(api: httpx.AsyncClient, data: bytes) -> str:
    answer = await api.post("/v1/media", content=data, headers={"Content-Type": "application/octet-stream"})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def brought(api: httpx.AsyncClient, data: bytes | None = None, **more: object) -> dict[str, object]:
    media = await uploaded(api, clicks() if data is None else data)
    answer = await api.post("/v1/music", json=MINE | {"media_id": media} | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def listed(api: httpx.AsyncClient, **params: object) -> list[dict[str, object]]:
    answer = await api.get("/v1/music", params={"limit": 100, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()["tracks"]


async def test_an_upload_becomes_a_track_that_is_measured_and_heard(
    api: httpx.AsyncClient, app: Litestar, db: Database, tmp_path: Path
) -> None:
    track = await brought(api)
    place, room = f"/v1/music/{track['id']}", workroom(app, tmp_path)
    assert (track["status"], track["bpm"], track["duration_ms"]) == ("preparing", None, None)
    early = await api.get(f"{place}/preview")
    waiting = await order(api, "early", music=track["id"])
    assert (early.status_code, early.json()["code"]) == (409, "music.not_ready")
    assert (waiting.status_code, waiting.json()["field"]) == (409, "music")

    assert await made(room) == 1

    ready = (await api.get(place)).json()
    assert (ready["status"], ready["duration_ms"], ready["licence"]) == ("ready", 8000, "own")
    assert ready["bpm"] == pytest.approx(120, abs=0.5)
    asked = await api.get(f"{place}/preview")
    assert (asked.status_code, asked.json()["status"]) == (202, "queued")
    assert await made(room) == 1
    view = (await api.get(f"{place}/preview")).json()
    assert (view["status"], view["duration_ms"]) == ("ready", 8000)
    heard = await api.get(view["url"])
    assert (heard.status_code, heard.headers["Content-Type"]) == (200, "audio/mpeg")
    assert length_s(heard.content) == pytest.approx(8, abs=0.1)

    started = await order(api, "one", music=track["id"])
    async with db.begin() as tx:
        found = (await tx.execute(text("SELECT storage_key, sha256, first_beat_ms FROM tracks"))).one()
        sound = await tx.scalar(
            text("SELECT sound FROM generations WHERE id = :id"), {"id": UUID(started.json()["generation_id"])}
        )
    chosen = msgspec.convert(sound, Sound).music
    assert chosen is not None
    assert chosen.track is not None
    assert (chosen.mood, str(chosen.track.id), chosen.track.key) == (None, track["id"], found.storage_key)
    assert found.first_beat_ms % 500 == pytest.approx(250, abs=25)

    assert (await api.delete(place)).status_code == 204
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT key FROM loose_files")) == found.storage_key
    assert (await api.get(place)).status_code == 404


async def test_built_in_tracks_are_found_by_mood_genre_tempo_and_title(api: httpx.AsyncClient) -> None:
    everything = await listed(api)
    assert [track["id"] for track in everything] == [str(track.id) for track in TRACKS]
    assert {track["mood"] for track in await listed(api, mood="calm")} == {"calm"}
    assert {track["mood"] for track in await listed(api, genre="cinematic")} == {"serious"}
    fast = await listed(api, bpm_min=110, bpm_max=119)
    assert [track["title"] for track in fast] == ["Quick steps", "Bright wire"]
    assert [track["title"] for track in await listed(api, q="LIGHT")] == ["Slow light", "Green light"]
    assert await listed(api, q="100%") == []
    assert (await api.get("/v1/music", params={"mood": "angry"})).status_code == 400


async def test_ones_own_come_first_and_pages_go_on_into_the_built_in_ones(
    api: httpx.AsyncClient, db: Database, user: Person, stranger: Person
) -> None:
    async with db.begin() as tx:
        many = text(
            "INSERT INTO tracks (id, account_id, media_id, title, mood, genre, licence, bpm) SELECT gen_random_uuid(),"
            " :account, gen_random_uuid(), 'Own ' || n, 'calm', 'lo-fi', 'own', 60 + n FROM generate_series(1, 5) AS n"
        )
        await tx.execute(many, {"account": UUID(user.account_id)})
    seen: list[str] = []
    params: dict[str, object] = {"limit": 4}
    while True:
        page = (await api.get("/v1/music", params=params)).json()
        seen += [track["title"] for track in page["tracks"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == [*(f"Own {n}" for n in (5, 4, 3, 2, 1)), *(track.title for track in TRACKS)]
    assert [track["title"] for track in await listed(api, genre="lo-fi", bpm_max=62)] == ["Own 2", "Own 1"]
    theirs = (await api.get("/v1/music", params={"genre": "lo-fi"}, headers=stranger.headers)).json()
    assert theirs == {"tracks": [], "next_cursor": None}
    foreign = await api.get("/v1/music", params=params, headers=stranger.headers)
    assert (foreign.status_code, foreign.json()["field"]) == (400, "cursor")


async def test_a_built_in_track_and_a_mood_are_chosen_in_a_draft(
    api: httpx.AsyncClient, app: Litestar, db: Database, tmp_path: Path
) -> None:
    chosen: list[MusicChoice | None] = []
    for music in ("auto", "none", "serious", str(TRACKS[9].id)):
        answer = await order(api, music, music=music, tone="warm")
        assert answer.status_code == 202, answer.text
        async with db.begin() as tx:
            query = text("SELECT sound FROM generations WHERE id = :id")
            sound = await tx.scalar(query, {"id": UUID(answer.json()["generation_id"])})
        chosen.append(msgspec.convert(sound, Sound).music)
        assert (await api.post(f"/v1/generations/{answer.json()['generation_id']}/cancel")).status_code == 202
    fast = MusicChoice(mood=TRACKS[9].mood, seed=TRACKS[9].seed)
    assert chosen == [MusicChoice(mood="warm"), MusicChoice(), MusicChoice(mood="serious"), fast]

    place = f"/v1/music/{TRACKS[9].id}/preview"
    assert (await api.get(place)).status_code == 202
    assert await made(workroom(app, tmp_path)) == 1
    view = await api.get(place)
    assert (view.status_code, length_s((await api.get(view.json()["url"])).content)) == (
        200,
        pytest.approx(10, abs=0.1),
    )


async def test_the_same_request_brings_one_track(api: httpx.AsyncClient) -> None:
    body, keyed = MINE | {"media_id": await uploaded(api, clicks())}, {"Idempotency-Key": "one"}
    first, again = [await api.post("/v1/music", json=body, headers=keyed) for _ in range(2)]
    assert (again.status_code, again.headers["Idempotency-Replayed"], again.json()) == (201, "true", first.json())


async def test_what_is_no_music_is_refused_or_found_unusable(
    api: httpx.AsyncClient, app: Litestar, tmp_path: Path, stranger: Person
) -> None:
    image = await uploaded(api, picture("PNG"))
    drawn = await api.post("/v1/music", json=MINE | {"media_id": image})
    assert (drawn.status_code, drawn.json()["code"], drawn.json()["field"]) == (400, "music.not_audio", "media_id")
    mine = await uploaded(api, clicks())
    for media in (mine, str(uuid4())):
        answer = await api.post("/v1/music", json=MINE | {"media_id": media}, headers=stranger.headers)
        assert (answer.status_code, answer.json()["field"]) == (404, "media_id")
    credit = await api.post("/v1/music", json=MINE | {"media_id": mine, "licence": "cc_by"})
    assert (credit.status_code, credit.json()["field"]) == (400, "attribution")

    silent = await brought(api, fixture.wav(np.zeros((5 * RATE, 2))))
    short = await brought(api, clicks(seconds=2))
    assert await made(workroom(app, tmp_path)) == 2
    for track in (silent, short):
        assert (await api.get(f"/v1/music/{track['id']}")).json()["status"] == "unusable"
        named = await order(api, uuid4().hex, music=track["id"])
        assert (named.status_code, named.json()["code"]) == (409, "music.not_ready")


async def test_another_persons_track_is_not_there(api: httpx.AsyncClient, stranger: Person) -> None:
    track = await brought(api)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/preview"), ("GET", "/preview/audio")):
        answer = await api.request(method, f"/v1/music/{track['id']}{path}", headers=stranger.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "music.not_found")
    body = {"topic": "Cats", "music": track["id"]}
    named = await api.post("/v1/create", json=body, headers=stranger.headers | {"Idempotency-Key": "x"})
    assert (named.status_code, named.json()["code"]) == (400, "music.unknown")


async def test_a_given_tempo_stays(api: httpx.AsyncClient, app: Litestar, tmp_path: Path) -> None:
    track = await brought(api, bpm=60.0)
    assert await made(workroom(app, tmp_path)) == 1
    ready = (await api.get(f"/v1/music/{track['id']}")).json()
    assert (ready["status"], ready["bpm"]) == ("ready", 60.0)


async def test_s71_a_get_begins_one_excerpt_a_track_and_no_other_however_often(
    api: httpx.AsyncClient, app: Litestar, db: Database, tmp_path: Path
) -> None:
    """Playing begins nothing; what failed is begun anew in an hour at the earliest, so nobody keeps workers busy."""
    track = await brought(api)
    assert await made(workroom(app, tmp_path)) == 1
    place = f"/v1/music/{track['id']}/preview"

    async def jobs(**changes: str) -> list[tuple[str, int]]:
        told = "SELECT state, attempt FROM sound_jobs WHERE kind = 'excerpt'"
        changed = ", ".join(f"{column} = {value}" for column, value in {"kind": "kind", **changes}.items())
        async with db.begin() as tx:
            await tx.execute(text(f"UPDATE sound_jobs SET {changed} WHERE kind = 'excerpt'"))  # noqa: S608 - constants
            return [(row.state, row.attempt) for row in await tx.execute(text(told))]

    silent = await api.get(f"{place}/audio")
    assert (silent.status_code, silent.json()["code"], await jobs()) == (409, "sound.not_ready", [])
    assert [(await api.get(place)).status_code for _ in range(3)] == [202] * 3
    assert await jobs() == [("queued", 0)]
    await jobs(attempt="3", failure_code="'a.b'", failure_sentence="'No.'", state="'failed'")
    assert ((await api.get(place)).json()["status"], await jobs()) == ("failed", [("failed", 3)])
    await jobs(asked_at="asked_at - interval '1 hour'")
    assert ((await api.get(place)).json()["status"], await jobs()) == ("queued", [("queued", 0)])

"""/v1/voices: built-in voices and people's own, which of them drafts may name, and that nobody hears another's."""

from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from sqlalchemy import text

from reelwright.generations import Sound, VoiceChoice
from reelwright.ground.postgres import Database
from reelwright.providers import voices_of
from tests.api.conftest import Person

HEART = voices_of("offline", "hibari-heart")[0]
SLOW = {"name": "Slow and low", "voice": "heart", "speed": 0.85, "pitch": -3, "gap_ms": 600}


async def added(api: httpx.AsyncClient, **more: object) -> dict[str, object]:
    answer = await api.post("/v1/voices", json=SLOW | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def order(api: httpx.AsyncClient, key: str, **more: object) -> httpx.Response:
    body = {"topic": "Why do cats purr?", "duration_s": 10, **more}
    return await api.post("/v1/create", json=body, headers={"Idempotency-Key": key})


async def voice_of(db: Database, generation: str) -> VoiceChoice | None:
    async with db.begin() as tx:
        sound = await tx.scalar(text("SELECT sound FROM generations WHERE id = :id"), {"id": UUID(generation)})
    return msgspec.convert(sound, Sound).voice


async def test_the_providers_voices_stand_behind_ones_own(api: httpx.AsyncClient) -> None:
    first, second = await added(api), await added(api, name="Quick", speed=1.2)
    page = (await api.get("/v1/voices", params={"limit": 2})).json()
    assert [voice["id"] for voice in page["voices"]] == [second["id"], first["id"]]
    rest = (await api.get("/v1/voices", params={"limit": 2, "cursor": page["next_cursor"]})).json()
    (heart,) = rest["voices"]
    assert rest["next_cursor"] is None
    assert (heart["id"], heart["kind"], heart["name"]) == (str(HEART.id), "built_in", "heart")
    assert (heart["language"], heart["gender"], heart["word_times"], heart["sample"]) == (
        "en-US",
        "female",
        "exact",
        False,
    )
    assert (await api.get(f"/v1/voices/{HEART.id}")).json() == heart


async def test_a_voice_is_made_changed_and_deleted(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/voices", json=SLOW | {"voice": str(HEART.id)})
    made, place = answer.json(), answer.headers["Location"]
    assert {name: made[name] for name in SLOW} == SLOW
    assert (made["kind"], made["provider"], made["default"], answer.headers["ETag"]) == (
        "profile",
        "offline",
        False,
        '"1"',
    )
    assert (await api.get(place)).json() == made

    changed = await api.patch(place, json={"pitch": 2, "gap_ms": None}, headers={"If-Match": '"1"'})
    assert (changed.json()["pitch"], changed.json()["gap_ms"], changed.headers["ETag"]) == (2, None, '"2"')
    late = await api.patch(place, json={"pitch": 1}, headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["code"], late.json()["version"]) == (412, "voice.changed", 2)
    assert (await api.patch(place, json={})).status_code == 400

    assert (await api.delete(place)).status_code == 204
    gone = await api.get(place)
    assert (gone.status_code, gone.json()["code"]) == (404, "voice.not_found")


async def test_the_same_request_makes_one_voice(api: httpx.AsyncClient) -> None:
    keyed = {"Idempotency-Key": "one"}
    first = await api.post("/v1/voices", json=SLOW, headers=keyed)
    again = await api.post("/v1/voices", json=SLOW, headers=keyed)
    other = await api.post("/v1/voices", json=SLOW | {"pitch": 0}, headers=keyed)
    assert (again.status_code, again.headers["Idempotency-Replayed"], again.json()) == (201, "true", first.json())
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")


async def test_twenty_voices_are_enough(api: httpx.AsyncClient, db: Database, user: Person) -> None:
    async with db.begin() as tx:
        many = text(
            "INSERT INTO voice_profiles (id, account_id, name, voice, speed, pitch)"
            " SELECT gen_random_uuid(), :account, 'x', 'heart', 1, 0 FROM generate_series(1, 19)"
        )
        await tx.execute(many, {"account": UUID(user.account_id)})
    await added(api)
    answer = await api.post("/v1/voices", json=SLOW)
    assert (answer.status_code, answer.json()["code"]) == (409, "voice.too_many")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"speed": 1.3}, "speed"),
        ({"speed": 0.7}, "speed"),
        ({"pitch": 5}, "pitch"),
        ({"pitch": 0.5}, "pitch"),
        ({"gap_ms": 2001}, "gap_ms"),
        ({"name": " "}, "name"),
        ({"voice": "gruff"}, "voice"),
        ({"voice": str(uuid4())}, "voice"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_no_voice_can_do_is_refused_by_field(
    api: httpx.AsyncClient, wrong: dict[str, object], field: str
) -> None:
    answer = await api.post("/v1/voices", json=SLOW | wrong)
    assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


async def test_another_persons_voice_is_not_there(api: httpx.AsyncClient, stranger: Person) -> None:
    """S08: whatever one does with it, it is as if it had never been."""
    mine = (await added(api))["id"]
    place, theirs = f"/v1/voices/{mine}", stranger.headers
    draft = (await order(api, "a", kind="script")).json()["draft_id"]
    for method, path, body in (
        ("GET", place, None),
        ("PATCH", place, {"pitch": 0}),
        ("DELETE", place, None),
        ("PUT", f"{place}/default", None),
        ("POST", f"{place}/preview", {}),
    ):
        answer = await api.request(method, path, json=body, headers=theirs)
        never = await api.request(method, path.replace(str(mine), str(uuid4())), json=body, headers=theirs)
        assert (answer.status_code, answer.json()["code"]) == (404, "voice.not_found"), answer.text
        assert answer.json()["detail"] == never.json()["detail"]
    listed = (await api.get("/v1/voices", headers=theirs)).json()["voices"]
    assert [voice["id"] for voice in listed] == [str(HEART.id)]
    named = await api.post(
        "/v1/create", json={"topic": "Cats", "voice": mine}, headers=theirs | {"Idempotency-Key": "b"}
    )
    assert (named.status_code, named.json()["field"], named.json()["code"]) == (400, "voice", "voice.unknown")
    edited = await api.patch(f"/v1/drafts/{draft}", json={"voice": str(uuid4())})
    assert (edited.status_code, edited.json()["field"]) == (400, "voice")
    assert (await api.get(place)).status_code == 200


async def test_an_order_keeps_the_voice_that_it_was_made_with(api: httpx.AsyncClient, db: Database) -> None:
    mine = await added(api)
    started = (await order(api, "one", voice=mine["id"])).json()
    await api.patch(f"/v1/voices/{mine['id']}", json={"pitch": 4})
    await api.delete(f"/v1/voices/{mine['id']}")
    assert await voice_of(db, started["generation_id"]) == VoiceChoice(name="heart", speed=0.85, pitch=-3, gap_ms=600)
    again = await order(api, "two", voice=mine["id"])
    assert (again.status_code, again.json()["field"]) == (400, "voice")
    built_in = (await order(api, "three", voice=str(HEART.id))).json()
    assert await voice_of(db, built_in["generation_id"]) == VoiceChoice(name="heart")


async def test_default_means_what_its_owner_says(api: httpx.AsyncClient, db: Database, stranger: Person) -> None:
    mine = await added(api)
    before = (await order(api, "one")).json()
    assert (await api.put(f"/v1/voices/{mine['id']}/default")).json()["default"] is True
    after = (await order(api, "two")).json()
    theirs = await api.post("/v1/create", json={"topic": "Cats"}, headers=stranger.headers | {"Idempotency-Key": "x"})
    assert await voice_of(db, before["generation_id"]) == VoiceChoice()
    assert await voice_of(db, after["generation_id"]) == VoiceChoice(name="heart", speed=0.85, pitch=-3, gap_ms=600)
    assert await voice_of(db, theirs.json()["generation_id"]) == VoiceChoice()

    shown = (await api.put(f"/v1/voices/{HEART.id}/default")).json()
    listed = (await api.get("/v1/voices")).json()["voices"]
    assert [(voice["id"], voice["default"]) for voice in listed] == [(mine["id"], False), (shown["id"], True)]
    await api.put(f"/v1/voices/{mine['id']}/default")
    await api.delete(f"/v1/voices/{mine['id']}")
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM voice_defaults")) == 0


async def test_an_unknown_voice_or_music_is_refused_before_anything_is_written(
    api: httpx.AsyncClient, db: Database
) -> None:
    for field, value in (("voice", "gruff"), ("voice", str(uuid4())), ("music", "polka"), ("music", str(uuid4()))):
        for dry in ("", "?dry_run=true"):
            body = {"topic": "Cats", field: value}
            answer = await api.post(f"/v1/create{dry}", json=body, headers={"Idempotency-Key": uuid4().hex})
            assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM generations")) == 0

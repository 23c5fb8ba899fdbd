"""POST /v1/media: what people send is decoded, written anew and kept once."""

import asyncio
import io
from collections.abc import AsyncGenerator
from hashlib import sha256

import httpx
import pytest
from PIL import Image
from sqlalchemy import text

from reelwright.api import receiving
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.api.media.made import RECORDINGS, SECRET, picture
from tests.waiting import wait_until

RAW = {"Content-Type": "application/octet-stream"}


async def sent(api: httpx.AsyncClient, data: bytes, **headers: str) -> httpx.Response:
    return await api.post("/v1/media", content=data, headers=RAW | headers)


async def bytes_of(api: httpx.AsyncClient, media_id: str) -> bytes:
    link = (await api.get(f"/v1/media/{media_id}/url")).json()["url"]
    return (await api.get(link.replace("http://127.0.0.1:8000", "http://api"), headers={"Authorization": ""})).content


@pytest.mark.parametrize(("form", "kept"), [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "jpeg"), ("GIF", "png")])
async def test_a_picture_is_kept_as_its_pixels_alone(api: httpx.AsyncClient, form: str, kept: str) -> None:
    answer = await sent(api, picture(form), **{"Content-Type": "image/svg+xml"})
    assert answer.status_code == 201, answer.text
    view = answer.json()
    assert (view["kind"], view["media_type"], view["width"], view["height"]) == ("picture", f"image/{kept}", 40, 30)
    data = await bytes_of(api, view["id"])
    assert (len(data), sha256(data).hexdigest()) == (view["size_bytes"], view["sha256"])
    assert SECRET.encode() not in data
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, dict(image.getexif())) == (kept.upper(), {})
        flat = image.convert("RGB")
        assert (flat.getpixel((2, 15))[0] > 200, flat.getpixel((38, 15))[0] < 50) == (True, True)


async def test_a_picture_that_lies_on_its_side_is_set_upright(api: httpx.AsyncClient) -> None:
    view = (await sent(api, picture("JPEG", turned=True))).json()
    assert (view["width"], view["height"]) == (30, 40)


async def test_what_one_sees_through_stays_so(api: httpx.AsyncClient) -> None:
    view = (await sent(api, picture("WEBP", mode="RGBA"))).json()
    with Image.open(io.BytesIO(await bytes_of(api, view["id"]))) as image:
        assert (view["media_type"], image.mode, image.getpixel((38, 15))[3]) == ("image/png", "RGBA", 0)


@pytest.mark.parametrize("name", list(RECORDINGS))
async def test_a_recording_is_kept_without_its_tags(api: httpx.AsyncClient, name: str) -> None:
    original = RECORDINGS[name]()
    answer = await api.post("/v1/media", files={"file": (f"../../{name}", original, "text/html")})
    assert answer.status_code == 201, answer.text
    view = answer.json()
    assert view["kind"] == ("video" if "video" in name else "audio")
    assert view["name"] == name
    assert 900 < view["duration_ms"] < 1200
    data = await bytes_of(api, view["id"])
    assert len(data) == view["size_bytes"] > len(original) // 2
    assert (SECRET.encode() in original, SECRET.encode() in data) == (name == "video.mp4", False)


async def test_the_same_bytes_are_kept_once_and_answered_again(api: httpx.AsyncClient, db: Database) -> None:
    first, second = await sent(api, picture("PNG")), await sent(api, picture("PNG"))
    both = await asyncio.gather(*(sent(api, picture("JPEG")) for _ in range(3)))
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert first.json() == second.json()
    assert len({answer.json()["id"] for answer in both}) == 1
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM media")) == 2


async def test_two_people_never_share_a_file(api: httpx.AsyncClient, stranger: Person, db: Database) -> None:
    """Whoever sends a file learns nothing of whether another has sent it."""
    mine = await sent(api, picture("PNG"))
    theirs = await sent(api, picture("PNG"), **stranger.headers)
    assert "Idempotency-Replayed" not in theirs.headers
    assert mine.json()["id"] != theirs.json()["id"]


async def test_a_key_names_one_upload(api: httpx.AsyncClient) -> None:
    first = await sent(api, picture("PNG"), **{"Idempotency-Key": "one"})
    again = await sent(api, picture("PNG"), **{"Idempotency-Key": "one"})
    other = await sent(api, picture("JPEG"), **{"Idempotency-Key": "one"})
    assert again.json() == first.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")


async def test_uploads_are_listed_newest_first_page_by_page(api: httpx.AsyncClient) -> None:
    made = [(await sent(api, picture("PNG", size=(20 + n, 20)))).json()["id"] for n in range(3)]
    made.append((await sent(api, RECORDINGS["sound.mp3"]())).json()["id"])
    first = (await api.get("/v1/media", params={"limit": 3})).json()
    rest = (await api.get("/v1/media", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [one["id"] for one in first["media"] + rest["media"]] == made[::-1]
    assert rest["next_cursor"] is None
    sounds = (await api.get("/v1/media", params={"kind": "audio"})).json()
    assert [one["id"] for one in sounds["media"]] == made[3:]


async def test_anothers_upload_is_as_if_there_were_none(api: httpx.AsyncClient, stranger: Person) -> None:
    media_id = (await sent(api, picture("PNG"))).json()["id"]
    for method, path in (("GET", ""), ("GET", "/url"), ("DELETE", "")):
        answer = await api.request(method, f"/v1/media/{media_id}{path}", headers=stranger.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "media.not_found")
    assert (await api.get("/v1/media", headers=stranger.headers)).json()["media"] == []
    assert (await api.get(f"/v1/media/{media_id}")).status_code == 200


async def test_a_deleted_upload_is_gone_with_its_links_and_may_be_sent_again(api: httpx.AsyncClient) -> None:
    media_id = (await sent(api, picture("PNG"))).json()["id"]
    link = (await api.get(f"/v1/media/{media_id}/url")).json()["url"].replace("http://127.0.0.1:8000", "")
    assert (await api.get(link)).status_code == 200
    assert (await api.delete(f"/v1/media/{media_id}")).status_code == 204
    assert (await api.delete(f"/v1/media/{media_id}")).status_code == 404
    assert (await api.get(link)).json()["code"] == "file.gone"
    again = await sent(api, picture("PNG"))
    assert "Idempotency-Replayed" not in again.headers
    assert again.json()["id"] != media_id


async def test_who_sends_too_many_at_once_is_told_how_long_to_wait(api: httpx.AsyncClient) -> None:
    go_on = asyncio.Event()

    async def slow() -> AsyncGenerator[bytes]:
        data = picture("PNG")
        yield data[:20]
        await go_on.wait()
        yield data[20:]

    sending = [
        asyncio.create_task(api.post("/v1/media", content=slow(), headers=RAW)) for _ in range(receiving.AT_ONCE)
    ]
    await wait_until(lambda: receiving.AT_ONCE in receiving._under_way.values())
    late = await sent(api, picture("PNG"))
    assert (late.status_code, late.json()["code"]) == (429, "media.too_many_at_once")
    assert 1 <= int(late.headers["Retry-After"]) <= 60
    go_on.set()
    assert {answer.status_code for answer in await asyncio.gather(*sending)} == {201}
    assert (await sent(api, picture("PNG"))).status_code == 201


async def test_no_more_is_kept_than_there_is_room_for(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first = (await sent(api, picture("PNG"))).json()
    monkeypatch.setattr("reelwright.library.media.MOST_BYTES", first["size_bytes"] + 10)
    full = await sent(api, picture("JPEG"))
    assert (full.status_code, full.json()["code"]) == (409, "media.no_room")
    assert full.json()["used_bytes"] == first["size_bytes"]
    assert (await sent(api, picture("PNG"))).json() == first
    assert [one["id"] for one in (await api.get("/v1/media")).json()["media"]] == [first["id"]]

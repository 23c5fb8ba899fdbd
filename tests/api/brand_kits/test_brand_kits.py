"""/v1/brand-kits: what can be kept, what can't be read is refused, drafts name kits, orders keep what they were."""

from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from sqlalchemy import text

from reelwright.generations import Brand, CaptionStyle, Corner
from reelwright.ground.ids import AccountId, fresh
from reelwright.ground.postgres import Database
from reelwright.library import BrandKits
from tests.api.conftest import Person
from tests.api.security.objects import a_media

HOUSE = {
    "name": "House style",
    "font": "inter",
    "text_colour": "#FFFFFF",
    "highlight_colour": "#7CFFCB",
    "box_colour": "#123A5A",
}


async def added(api: httpx.AsyncClient, **more: object) -> dict[str, object]:
    answer = await api.post("/v1/brand-kits", json=HOUSE | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def brand_of(db: Database, generation: str) -> Brand:
    async with db.begin() as tx:
        kept = await tx.scalar(text("SELECT brand FROM generations WHERE id = :id"), {"id": UUID(generation)})
    return msgspec.convert(kept or {}, Brand)


async def order(api: httpx.AsyncClient, key: str, **more: object) -> httpx.Response:
    body = {"topic": "Why do cats purr?", "duration_s": 10, **more}
    return await api.post("/v1/create", json=body, headers={"Idempotency-Key": key})


async def test_a_kit_is_made_changed_and_deleted(api: httpx.AsyncClient, db: Database, user: Person) -> None:
    logo = {"media_id": str(await a_media(db, UUID(user.account_id), kind="picture")), "corner": "top_left"}
    answer = await api.post("/v1/brand-kits", json=HOUSE | {"logo": logo, "intro": {"text": "  Cats, daily "}})
    made, place = answer.json(), answer.headers["Location"]
    assert {name: made[name] for name in HOUSE} == HOUSE
    assert made["logo"] == logo | {"share": 0.15}
    assert (made["intro"], made["outro"]) == ({"text": "Cats, daily", "duration_ms": 1500}, None)
    assert (answer.headers["ETag"], (await api.get(place)).json()) == ('"1"', made)

    edit = {"logo": None, "box_colour": None, "outro": {"text": "Bye", "duration_ms": 2000}, "text_colour": "#fafafa"}
    changed = await api.patch(place, json=edit, headers={"If-Match": '"1"'})
    shown = changed.json()
    assert (shown["logo"], shown["box_colour"], shown["outro"]) == (None, None, edit["outro"])
    assert (shown["text_colour"], shown["intro"], changed.headers["ETag"]) == ("#FAFAFA", made["intro"], '"2"')
    late = await api.patch(place, json={"name": "Other"}, headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["code"], late.json()["version"]) == (412, "brand_kit.changed", 2)
    assert (await api.patch(place, json={})).status_code == 400

    assert (await api.delete(place)).status_code == 204
    gone = await api.get(place)
    assert (gone.status_code, gone.json()["code"]) == (404, "brand_kit.not_found")
    assert (await api.delete(place)).status_code == 404


async def test_kits_come_in_pages_newest_first_and_a_repeat_makes_none(api: httpx.AsyncClient) -> None:
    ids = [(await added(api, name=f"Kit {n}"))["id"] for n in range(3)]
    page = (await api.get("/v1/brand-kits", params={"limit": 2})).json()
    rest = (await api.get("/v1/brand-kits", params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert [kit["id"] for kit in [*page["brand_kits"], *rest["brand_kits"]]] == ids[::-1]
    assert rest["next_cursor"] is None
    twice = [await api.post("/v1/brand-kits", json=HOUSE, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.headers.get("Idempotency-Replayed") for answer in twice] == [None, "true"]
    assert twice[0].json() == twice[1].json()
    assert len((await api.get("/v1/brand-kits")).json()["brand_kits"]) == 4


@pytest.mark.parametrize(
    ("edit", "code", "field"),
    [
        ({"text_colour": "#333333"}, "brand_kit.contrast", "text_colour"),
        ({"highlight_colour": "#7A0019"}, "brand_kit.contrast", "highlight_colour"),
        ({"box_colour": "#7CFFCB"}, "brand_kit.contrast", "text_colour"),
        ({"font": "wingdings"}, "brand_kit.font_unknown", "font"),
        ({"text_colour": "white"}, "request.invalid", "text_colour"),
        ({"text_colour": "#FFFFFF\n"}, "request.invalid", "text_colour"),
        ({"intro": {"text": "x" * 61}}, "request.invalid", "intro.text"),
        ({"intro": {"text": "Hi", "duration_ms": 900}}, "request.invalid", "intro.duration_ms"),
        ({"logo": {"media_id": str(uuid4())}}, "media.not_found", "logo.media_id"),
        ({"logo": {"media_id": str(uuid4()), "share": 0.5}}, "request.invalid", "logo.share"),
    ],
)
async def test_what_cannot_be_drawn_or_read_is_refused(
    api: httpx.AsyncClient, edit: dict[str, object], code: str, field: str
) -> None:
    """Made or changed: a kit that was good stays as it was."""
    refused = await api.post("/v1/brand-kits", json=HOUSE | edit)
    assert (refused.json()["code"], refused.json()["field"]) == (code, field), refused.text
    kit = await added(api)
    again = await api.patch(f"/v1/brand-kits/{kit['id']}", json=edit)
    assert (again.json()["code"], again.json()["field"]) == (code, field), again.text
    assert (await api.get(f"/v1/brand-kits/{kit['id']}")).json() == kit


async def test_a_pair_that_cannot_be_read_is_named_with_its_ratio(api: httpx.AsyncClient) -> None:
    refused = (await api.post("/v1/brand-kits", json=HOUSE | {"box_colour": "#FFFFFF"})).json()
    assert (refused["colours"], refused["ratio"]) == (["#FFFFFF", "#FFFFFF"], 1.0)
    assert "#FFFFFF on box_colour #FFFFFF has a contrast of 1.0 : 1" in refused["detail"]


async def test_only_ones_own_pictures_are_logos_and_they_stay_while_they_are(
    api: httpx.AsyncClient, db: Database, user: Person, stranger: Person
) -> None:
    mine, sound = [await a_media(db, UUID(user.account_id), kind=kind) for kind in ("picture", "audio")]
    other = await a_media(db, UUID(stranger.account_id), kind="picture")
    answers = [await api.post("/v1/brand-kits", json=HOUSE | {"logo": {"media_id": str(m)}}) for m in (other, sound)]
    assert [answer.json()["code"] for answer in answers] == ["media.not_found", "brand_kit.logo_not_a_picture"]
    kit = await added(api, logo={"media_id": str(mine)})
    kept = await api.delete(f"/v1/media/{mine}")
    assert (kept.status_code, kept.json()["code"], kept.json()["brand_kit_id"]) == (409, "media.in_use", kit["id"])
    assert (await api.patch(f"/v1/brand-kits/{kit['id']}", json={"logo": None})).status_code == 200
    assert (await api.delete(f"/v1/media/{mine}")).status_code == 204


async def test_a_draft_wears_a_kit_and_is_bare_when_it_is_deleted(api: httpx.AsyncClient, stranger: Person) -> None:
    kit = (await added(api))["id"]
    body = {"topic": "Cats", "caption_style": "karaoke", "brand_kit_id": kit}
    draft = (await api.post("/v1/drafts", json=body)).json()
    place = f"/v1/drafts/{draft['id']}"
    assert (draft["caption_style"], draft["brand_kit_id"]) == ("karaoke", kit)
    strange = await api.post("/v1/drafts", json=body, headers=stranger.headers)
    assert (strange.status_code, strange.json()["code"], strange.json()["field"]) == (
        400,
        "brand_kit.unknown",
        "brand_kit_id",
    )
    wrong = await api.patch(place, json={"brand_kit_id": str(uuid4())})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "brand_kit.unknown")
    plain = (await api.patch(place, json={"brand_kit_id": None, "caption_style": "pop"})).json()
    assert (plain["caption_style"], plain["brand_kit_id"]) == ("pop", None)
    worn = (await api.patch(place, json={"brand_kit_id": kit})).json()
    assert (await api.delete(f"/v1/brand-kits/{kit}")).status_code == 204
    bare = (await api.get(place)).json()
    assert (bare["brand_kit_id"], bare["version"]) == (None, worn["version"] + 1)


async def test_an_order_keeps_the_kit_as_it_was(api: httpx.AsyncClient, db: Database, user: Person) -> None:
    """Later changes of kit and draft are the next order's; cards are paid for as the time that they are."""
    logo = {"media_id": str(await a_media(db, UUID(user.account_id), kind="picture")), "share": 0.2}
    kit = (await added(api, logo=logo, intro={"text": "Hi"}))["id"]
    first = (await order(api, "a", brand_kit_id=kit, caption_style="box")).json()
    await api.patch(f"/v1/brand-kits/{kit}", json={"highlight_colour": "#FFFFFF", "intro": None, "logo": None})
    await api.patch(f"/v1/drafts/{first['draft_id']}", json={"caption_style": "pop"})

    kept = await brand_of(db, first["generation_id"])
    assert kept.kit is not None
    assert kept.kit.logo is not None
    assert (kept.caption_style, kept.kit.version, kept.kit.highlight) == (CaptionStyle.BOX, 1, "#7CFFCB")
    assert (str(kept.kit.logo.id), kept.kit.logo.corner, kept.kit.logo.share) == (
        logo["media_id"],
        Corner.TOP_RIGHT,
        0.2,
    )
    assert kept.cards_ms == 1500
    assert (await api.post(f"/v1/generations/{first['generation_id']}/cancel")).status_code == 202
    second = (await order(api, "b", brand_kit_id=kit)).json()
    assert first["price"] > second["price"]
    renewed = (await brand_of(db, second["generation_id"])).kit
    assert renewed is not None
    assert (renewed.version, renewed.highlight, renewed.logo) == (2, "#FFFFFF", None)
    unknown = await order(api, "c", brand_kit_id=str(uuid4()))
    assert (unknown.status_code, unknown.json()["code"]) == (400, "brand_kit.unknown")


async def test_an_account_has_so_many_kits_at_most(db: Database, user: Person, api: httpx.AsyncClient) -> None:
    owner = AccountId(UUID(user.account_id))
    async with db.begin() as tx:
        values = {"name": "k", "font": "inter", "text_colour": "#FFFFFF", "highlight_colour": "#FFDD00"}
        for _ in range(50):
            await BrandKits(tx, owner).add(fresh(), values | {"box_colour": None})
    full = await api.post("/v1/brand-kits", json=HOUSE)
    assert (full.status_code, full.json()["code"]) == (409, "brand_kit.too_many")


async def test_a_preview_costs_a_quarter_of_the_rendering(api: httpx.AsyncClient) -> None:
    """Of 10 s, 11 are held at most: at 0.14 credits a second for a reel, and 0.035 for a preview."""
    normal, small = [(await order(api, key, profile=key, duration_s=10)).json()["price"] for key in ("fast", "preview")]
    assert normal - small == pytest.approx(11 * (0.14 - 0.035))

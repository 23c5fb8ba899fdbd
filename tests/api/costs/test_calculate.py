"""POST /v1/calculate-cost: the price that the order would be held for, to the micro-credit, and no trace of asking."""

from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.builders import a_written_draft

KIT = {
    "name": "House",
    "font": "inter",
    "text_colour": "#FFFFFF",
    "highlight_colour": "#7CFFCB",
    "intro": {"text": "Hi"},
}


async def ask(api: httpx.AsyncClient, **body: object) -> httpx.Response:
    return await api.post("/v1/calculate-cost", json=body)


async def test_it_is_what_the_order_is_held_for(api: httpx.AsyncClient) -> None:
    for key, order in enumerate(({}, {"kind": "script", "variants": 3})):
        answer = await ask(api, **order)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        body = {"topic": "Cats", "expected_price": told["price"]} | order
        made = await api.post("/v1/create", json=body, headers={"Idempotency-Key": str(key)})
        assert (made.status_code, made.json()["price"]) == (202, told["price"])
        assert told["price"] == pytest.approx(sum(line["credits"] for line in told["lines"]))
        assert all(line["credits"] == pytest.approx(line["quantity"] * line["unit_price"]) for line in told["lines"])
        assert told["price_version"] == 1


@pytest.mark.parametrize("profile", ["normal", "fast", "preview"])
async def test_every_profile_and_a_kits_cards_are_priced_as_they_are_held(
    api: httpx.AsyncClient, user: Person, db: Database, profile: str
) -> None:
    """With and without a kit whose cards make the reel longer; then of a draft's render."""
    kit = (await api.post("/v1/brand-kits", json=KIT, headers={"Idempotency-Key": "kit"})).json()["id"]
    prices = list[float]()
    for key, worn in (("bare", {}), ("worn", {"brand_kit_id": kit})):
        how = {"profile": profile, "duration_s": 20} | worn
        told = (await ask(api, **how)).json()["price"]
        made = await api.post("/v1/create", json={"topic": "Cats"} | how, headers={"Idempotency-Key": key})
        assert (made.status_code, made.json()["price"], await held(db, made)) == (202, told, round(told * 1e6))
        assert (await api.post(f"/v1/generations/{made.json()['generation_id']}/cancel")).status_code == 202
        prices.append(told)
    assert prices[0] < prices[1]
    written = await a_written_draft(db, AccountId(UUID(user.account_id)))
    of = {"kind": "render", "draft_id": str(written.draft), "profile": profile}
    quoted = (await ask(api, **of)).json()["price"]
    render = await api.post("/v1/create", json=of, headers={"Idempotency-Key": "render"})
    assert (render.status_code, await held(db, render)) == (202, round(quoted * 1e6))


async def held(db: Database, made: httpx.Response) -> int | None:
    """Return what is held for an order, in micro-credits."""
    query = text("SELECT amount_micro FROM credit_holds WHERE generation_id = :id")
    async with db.begin() as tx:
        return await tx.scalar(query, {"id": UUID(made.json()["generation_id"])})


async def test_a_drafts_own_scenes_and_parts_are_priced(api: httpx.AsyncClient, user: Person, db: Database) -> None:
    written = await a_written_draft(db, AccountId(UUID(user.account_id)))
    of = {"draft_id": str(written.draft)}
    render = (await ask(api, kind="render", **of)).json()
    picture = (await ask(api, kind="regenerate_targeted", part="scene_picture", scene=1, **of)).json()
    images = {line["action"]: line["quantity"] for line in render["lines"]}
    assert (images["image"], [line["action"] for line in picture["lines"]]) == (2, ["image", "vision_check"])
    dry = await api.post("/v1/create?dry_run=true", json={"kind": "render"} | of)
    assert dry.json()["price"]["total"] == render["price"]


async def test_asking_writes_nothing(api: httpx.AsyncClient, db: Database) -> None:
    tables = ("drafts", "generations", "credit_journal", "credit_holds", "outbox")
    counts = text("SELECT " + ", ".join(f"(SELECT count(*) FROM {name})" for name in tables))  # noqa: S608
    async with db.begin() as tx:
        before = (await tx.execute(counts)).one()
    await ask(api, variants=5)
    async with db.begin() as tx:
        assert (await tx.execute(counts)).one() == before


async def test_what_makes_no_order_is_400(api: httpx.AsyncClient) -> None:
    for body, field in (
        ({"kind": "render"}, "draft_id"),
        ({"kind": "regenerate_full"}, "draft_id"),
        ({"part": "hook"}, "part"),
        ({"scene": 0}, "scene"),
        ({"profile": "slow"}, "profile"),
        ({"kind": "regenerate_full", "draft_id": str(uuid4()), "profile": "fast"}, "profile"),
        ({"brand_kit_id": str(uuid4())}, "brand_kit_id"),
        ({"duration_s": 5}, "duration_s"),
        ({"surprise": 1}, "surprise"),
    ):
        answer = await ask(api, **body)
        assert (answer.status_code, answer.json()["field"]) == (400, field), body


async def test_a_strangers_draft_is_404(api: httpx.AsyncClient, stranger: Person, db: Database) -> None:
    written = await a_written_draft(db, AccountId(UUID(stranger.account_id)))
    assert (await ask(api, kind="render", draft_id=str(written.draft))).status_code == 404

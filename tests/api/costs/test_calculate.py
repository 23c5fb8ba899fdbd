"""POST /v1/calculate-cost: the price that the order would be held for, to the micro-credit, and no trace of asking."""

from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.builders import a_written_draft


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
        ({"duration_s": 5}, "duration_s"),
        ({"surprise": 1}, "surprise"),
    ):
        answer = await ask(api, **body)
        assert (answer.status_code, answer.json()["field"]) == (400, field), body


async def test_a_strangers_draft_is_404(api: httpx.AsyncClient, stranger: Person, db: Database) -> None:
    written = await a_written_draft(db, AccountId(UUID(stranger.account_id)))
    assert (await ask(api, kind="render", draft_id=str(written.draft))).status_code == 404

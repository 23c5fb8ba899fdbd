"""An accepted regeneration: counted as its kind, told like any order, and shown with what it changes."""

import asyncio

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.api.regenerate.conftest import Ask
from tests.builders import WrittenDraft

PARTS = [
    ("hook", None, "STORY_WRITING"),
    ("caption", None, "STORY_WRITING"),
    ("hashtags", None, "STORY_WRITING"),
    ("scene_text", 1, "SCENE_GENERATION"),
    ("scene_picture", 0, "VISUAL_GENERATION"),
]


@pytest.mark.parametrize(("part", "scene", "stage"), PARTS)
async def test_a_part_is_accepted_and_shown_with_the_variant_it_changes(
    part: str, scene: int | None, stage: str, ask: Ask, api: httpx.AsyncClient, written: WrittenDraft, db: Database
) -> None:
    answer = await ask(part, **({} if scene is None else {"scene": scene}))

    body = answer.json()
    assert answer.status_code == 202, answer.text
    assert body["draft_id"] == str(written.draft)
    assert '"generations_month";r=299' in answer.headers["RateLimit"]
    assert '"full_regenerations_month";r=30' in answer.headers["RateLimit"]
    shown = (await api.get(answer.headers["Location"])).json()
    assert (shown["kind"], shown["part"], shown["scene"]) == ("regenerate_targeted", part, scene)
    assert shown["variant_id"] == str(written.variant)
    assert [variant["id"] for variant in shown["variants"]] == [str(written.variant)]
    assert [(row["stage"], row["total"]) for row in shown["stages"]] == [(stage, 1)]
    assert shown["credits"]["held"] == body["price"] > 0
    async with db.begin() as tx:
        units = (
            await tx.execute(text("SELECT generation_units, full_units FROM generations WHERE part IS NOT NULL"))
        ).one()
    assert tuple(units) == (1, 0)


async def test_all_of_it_takes_a_generation_and_a_full_regeneration(
    ask: Ask, api: httpx.AsyncClient, written: WrittenDraft
) -> None:
    answer = await ask("full", variants=3)

    assert answer.status_code == 202, answer.text
    assert '"generations_month";r=299' in answer.headers["RateLimit"]
    assert '"full_regenerations_month";r=29' in answer.headers["RateLimit"]
    shown = (await api.get(answer.headers["Location"])).json()
    assert (shown["kind"], shown["part"], shown["scene"], shown["variant_id"]) == ("regenerate_full", None, None, None)
    assert [row["stage"] for row in shown["stages"]] == ["INGESTION"]


async def test_one_key_regenerates_once_however_often_it_is_sent(ask: Ask, db: Database) -> None:
    answers = [await ask("hook", key="one"), *await asyncio.gather(*(ask("hook", key="one") for _ in range(6)))]
    assert {answer.status_code for answer in answers} <= {202, 409}
    later = await ask("hook", key="one")
    assert (later.status_code, later.headers["Idempotency-Replayed"]) == (202, "true")
    assert later.json() == answers[0].json()
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM generations WHERE part IS NOT NULL")) == 1


async def test_e65_one_key_on_two_routes_is_two_orders(ask: Ask, api: httpx.AsyncClient) -> None:
    regenerated = await ask("hook", key="same")
    created = await api.post("/v1/create", json={"topic": "Cats"}, headers={"Idempotency-Key": "same"})
    assert (regenerated.status_code, created.status_code) == (202, 202)
    assert regenerated.json()["generation_id"] != created.json()["generation_id"]


async def test_the_draft_another_plan_may_regenerate_fully_after_an_upgrade(
    db: Database, ask: Ask, user: Person
) -> None:
    """The plan is read at the request: no restart and no cache in between."""
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET plan = 'basic', plan_version = plan_version + 1"))
    refused = await ask("full")
    assert (refused.status_code, refused.json()["field"]) == (403, "part")
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET plan = 'pro', plan_version = plan_version + 1"))
    assert (await ask("full", variants=5)).status_code == 202

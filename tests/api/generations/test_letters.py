"""Words in letters that no caption font has end a reel where they are written, not when all else is made and paid."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from reelwright.ground.postgres import Database
from reelwright.settings import Settings
from tests.api.conftest import Person
from tests.api.security.producing import Producing, producing

TEXT = (
    "The tifinagh word ⵜⵉⴼⵉⵏⴰⵖ names an old alphabet of the desert. Tuareg mothers taught ⵜⵉⴼⵉⵏⴰⵖ to their children by "
    "drawing it in the sand. Travellers found ⵜⵉⴼⵉⵏⴰⵖ on rocks that are two thousand years old."
)


@pytest.fixture
async def both(
    user: Person, db: Database, redis: object, settings: Settings, tmp_path: Path
) -> AsyncGenerator[Producing]:
    async with producing(user, db, settings, tmp_path) as made:
        yield made


async def done(both: Producing, generation: dict[str, Any]) -> set[str]:
    told = await both.api.get("/v1/stage-runs", params={"generation_id": generation["id"], "limit": 100})
    return {run["stage"] for run in told.json()["stage_runs"] if run["status"] == "succeeded"}


async def test_a_reel_is_refused_with_its_story_and_costs_nothing(both: Producing) -> None:
    before = await both.balance()
    reel = await both.ordered(text=TEXT, duration_s=10, profile="preview")
    assert (reel["status"], reel["failure"]["code"]) == ("failed", "captions.no_letters")
    assert "No caption font has ⵜ ⵉ ⴼ ⵏ ⴰ ⵖ: write these words in other letters" in reel["failure"]["detail"]
    assert await done(both, reel) == {"INGESTION"}
    assert await both.balance() == before


async def test_a_script_may_be_mended_and_is_no_reel_before(both: Producing) -> None:
    script = await both.ordered(text=TEXT, duration_s=10, kind="script")
    assert (script["status"], script["failure"]) == ("succeeded", None)
    order = {"draft_id": script["draft_id"], "kind": "render", "profile": "preview", "duration_s": 10}
    before = await both.balance()
    reel = await both.ordered(**order)
    assert (reel["status"], reel["failure"]["code"]) == ("failed", "captions.no_letters")
    assert await done(both, reel) == set()
    assert await both.balance() == before

    story = f"/v1/variants/{script['variants'][0]['id']}"
    for position in range(len((await both.api.get(f"{story}/scenes")).json()["scenes"])):
        refused = await both.api.patch(f"{story}/scenes/{position}", json={"narration": "It is ⵜⵉⴼⵉⵏⴰⵖ."})
        assert (refused.status_code, refused.json()["code"]) == (400, "captions.no_letters")
        assert refused.json()["field"] == "narration"
        await both.changed(f"{story}/scenes/{position}", narration="It is an old alphabet – señor.")
    mended = await both.ordered(**order)
    assert (mended["status"], mended["failure"]) == ("succeeded", None)

"""Who does the work, and how they do: from the rows, and from the calls of every process."""

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.postgres import Database
from reelwright.providers import PROCESS, SERVICES, ProviderAway
from reelwright.providers.circuit import Verdict

CALLS = """
    INSERT INTO provider_calls (id, account_id, generation_id, run_id, fence, call_no, provider, model, craft,
                                request_hash, state, began_at)
    SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, n, 'openai', 'gpt-4.1',
           'text', 'h', CASE WHEN n <= :failed THEN 'failed' ELSE 'answered' END, now() - CAST(:ago AS interval)
      FROM generate_series(1, 10) AS n
"""


async def statuses(api: httpx.AsyncClient) -> dict[str, str]:
    answer = await api.get("/v1/providers/status")
    assert answer.status_code == 200
    return {model["model"]: model["status"] for model in answer.json()["models"]}


async def test_providers_and_models_say_what_is_in_use(api: httpx.AsyncClient) -> None:
    providers = (await api.get("/v1/providers")).json()["providers"]
    assert {each["name"] for each in providers} == {"offline", *SERVICES}
    assert [each["name"] for each in providers if each["in_use"]] == ["offline"]
    crafts = {each["name"]: each["crafts"] for each in providers}
    assert crafts["offline"] == ["music", "picture", "speech", "text", "vision"]
    assert crafts == {"offline": crafts["offline"]} | {name: sorted(each.crafts) for name, each in SERVICES.items()}
    models = {each["model"]: each for each in (await api.get("/v1/providers/models")).json()["models"]}
    assert models["gpt-4.1"]["crafts"] == ["text", "vision"]
    assert (models["extract-1"]["in_use"], models["gpt-4.1"]["in_use"]) == (True, False)
    assert (await api.get("/v1/providers/status")).json()["status"] == "ok"


NOTHING = {"structured": None, "sizes": None, "word_times": None, "most_characters": None}
ABLE = {
    "gpt-4.1": {"structured": True},
    "MiniMax-M3": {"structured": False},
    "gpt-image-2": {"sizes": [{"width": w, "height": h} for w, h in ((1088, 1920), (1088, 1088), (1920, 1088))]},
    "drawing-1": {},
    "speech-2.8-hd": {"word_times": "estimated", "most_characters": 3_000},
    "eleven_flash_v2_5": {"word_times": "exact", "most_characters": 10_000},
    "hibari-heart": {"word_times": "exact"},
}


async def test_models_say_what_they_are_able_to(api: httpx.AsyncClient) -> None:
    models = {each["model"]: each for each in (await api.get("/v1/providers/models")).json()["models"]}
    assert {name: {trait: models[name][trait] for trait in NOTHING} for name in ABLE} == {
        name: NOTHING | able for name, able in ABLE.items()
    }


@pytest.mark.parametrize(
    ("failed", "ago", "status"), [(5, "1 min", "failing"), (4, "1 min", "ok"), (10, "6 min", "ok")]
)
async def test_a_model_of_whose_calls_half_failed_is_failing(
    api: httpx.AsyncClient, db: Database, failed: int, ago: str, status: str
) -> None:
    async with db.begin() as tx:
        await tx.execute(text(CALLS.replace(":ago", f"'{ago}'")), {"failed": failed})
    assert (await statuses(api))["gpt-4.1"] == status


async def test_a_model_that_this_process_lets_rest_is_resting(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PROCESS, "_fuses", {})
    fuse = PROCESS.of("offline", "extract-1")
    for _ in range(5):
        fuse.settle(fuse.admit(), Verdict.UNREACHED)
    with pytest.raises(ProviderAway):
        fuse.admit()
    assert (await statuses(api))["extract-1"] == "resting"
    assert (await api.get("/v1/providers/status")).json()["status"] == "resting"


async def test_a_provider_that_is_switched_off_is_off(api: httpx.AsyncClient, db: Database) -> None:
    async with db.begin() as tx:
        await tx.execute(text("UPDATE providers SET enabled = false WHERE name = 'openai'"))
    try:
        found = await statuses(api)
    finally:
        async with db.begin() as tx:
            await tx.execute(text("UPDATE providers SET enabled = true"))
    assert (found["gpt-4.1"], found["extract-1"]) == ("off", "ok")


async def test_strangers_are_not_told(api: httpx.AsyncClient) -> None:
    assert (await api.get("/v1/providers/status", headers={"Authorization": ""})).status_code == 401

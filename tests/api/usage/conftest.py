"""The administrator of the neighbouring tests, and work that was done and charged."""

from uuid import UUID, uuid4

import httpx

from reelwright import ledger
from reelwright.ground.ids import AccountId, GenerationId, StageRunId
from reelwright.ground.metering import Action, Use
from reelwright.ground.postgres import Database
from tests.api.admin.conftest import admin, office
from tests.api.conftest import Person

__all__ = ["admin", "office", "worked"]


async def worked(api: httpx.AsyncClient, person: Person, db: Database, *, model: str = "m", times: int = 1) -> str:
    """Order a script, call a model in vain and then with success, capture, and roll up; return the generation."""
    order = {"topic": "Cats", "kind": "script", "variants": 2}
    for _ in range(times):
        headers = person.headers | {"Idempotency-Key": uuid4().hex}
        made = await api.post("/v1/create", json=order, headers=headers)
        work = GenerationId(UUID(made.json()["generation_id"]))
        rows = [
            ledger.Metered(
                account_id=AccountId(UUID(person.account_id)), generation_id=work, run_id=StageRunId(uuid4()), fence=1,
                call_no=0, stage="STORY_WRITING", scene=None, plan="standard", price_version=1,
                use=Use(action=Action.STORY, provider="openai", model=model, quantity=2, prompt_tokens=100,
                        completion_tokens=20, wall_ms=1_500, cost_nano_usd=3_000_000),
                credits_micro=micro, succeeded=bool(micro),
            )
            for micro in (0, 5_000_000)
        ]  # fmt: skip
        async with db.begin() as tx:
            await ledger.track_ai_usage(tx, rows)
            await ledger.capture(tx, generation=work, micro=await ledger.metered(tx, generation=work))
    assert (await ledger.roll_up(db)).done
    return str(work)

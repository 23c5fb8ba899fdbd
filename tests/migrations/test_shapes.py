"""Every shape of a generation's and a run's row is tried on the database: it takes the legal ones and no other."""

from collections.abc import Sequence
from itertools import product
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.postgres import Database
from tests.rooms.generations import made

STATES = ("queued", "running", "succeeded", "failed", "cancelled", "lost", "", "queuedt")
KINDS = ("script", "video", "render", "regenerate_full", "regenerate_targeted", "tour", "", "regenerate_targeted.hook")
OF_SCENE = ("scene_text", "scene_picture", "scene_voice")
PARTS = (None, "hook", "caption", "hashtags", *OF_SCENE, "title", "", ".", "t")
LANES = ("interactive", "batch", "fast", "", "batch,")
PROGRESS = ("0", "0.5", "1", "-1e-30", "1.0000001", "NaN", "inf")
GENERATION = text(
    """
    INSERT INTO generations (id, account_id, draft_id, fingerprint, plan, price_version, hold_micro, lane, admitted_at,
                             deadline_at, kind, part, scene, state, started_at, ended_at, failure_code,
                             failure_sentence)
    SELECT gen_random_uuid(), account_id, draft_id, fingerprint, plan, price_version, hold_micro, :lane, admitted_at,
           deadline_at, :kind, CAST(:part AS text), CAST(:scene AS smallint), :state,
           CASE WHEN :started THEN now() END, CASE WHEN :ended THEN now() END,
           CASE WHEN :code THEN 'a.b' END, CASE WHEN :sentence THEN 'No.' END
      FROM generations LIMIT 1
    """
)
RUN = text(
    """
    INSERT INTO stage_runs (id, generation_id, stage, chunk, round, max_attempts, fence, state, started_at, finished_at,
                            lease_until, won_fence, error_code)
    SELECT gen_random_uuid(), id, 'VIDEO_ASSEMBLY', :chunk, 0, 5, 1, :state, CASE WHEN :started THEN now() END,
           CASE WHEN :finished THEN now() END, CASE WHEN :leased THEN now() END, CASE WHEN :won THEN 1 END,
           CASE WHEN :code THEN 'a.b' END
      FROM generations LIMIT 1
    """
)
NEW = {"lane": "batch", "kind": "video", "part": None, "scene": None, "state": "queued"}
UNTOUCHED = {"started": False, "ended": False, "code": False, "sentence": False}


async def taken(tx: AsyncConnection, statement: Any, values: dict[str, Any]) -> str | None:
    """Return None where the row is taken, else the CHECK that refuses it."""
    try:
        async with tx.begin_nested() as tried:
            await tx.execute(statement, values)
            await tried.rollback()
    except IntegrityError as error:
        return error.orig.__cause__.constraint_name  # type: ignore[union-attr] # the driver's own
    return None


def flags(*names: str) -> Sequence[dict[str, bool]]:
    return [dict(zip(names, each, strict=True)) for each in product([False, True], repeat=len(names))]


async def test_a_generations_state_and_what_it_says_of_it_belong_together(db: Database) -> None:
    async with db.begin() as tx:
        await made.generation(tx)
        for state, told in product(STATES, flags("started", "ended", "code", "sentence")):
            started, ended, code, sentence = told.values()
            legal = (
                state in STATES[:5]
                and ended is (state in {"succeeded", "failed", "cancelled"})
                and (started or state not in {"running", "succeeded"})
                and not (started and state == "queued")
                and (code or state != "failed")
                and (not code or state in {"failed", "cancelled"})
                and code is sentence
            )
            refused = await taken(tx, GENERATION, NEW | told | {"state": state})
            assert refused == (None if legal else "ck_generations_state"), (state, told)


async def test_a_generations_kind_part_and_scene_belong_together(db: Database) -> None:
    async with db.begin() as tx:
        await made.generation(tx)
        for kind, part, scene in product(KINDS, PARTS, (None, 0)):
            legal = (
                kind in KINDS[:5]
                and (part is not None) is (kind == "regenerate_targeted")
                and part in PARTS[:7]
                and (scene is not None) is (part in OF_SCENE)
            )
            refused = await taken(tx, GENERATION, NEW | UNTOUCHED | {"kind": kind, "part": part, "scene": scene})
            assert refused == (None if legal else "ck_generations_kind"), (kind, part, scene)


async def test_a_generation_goes_in_one_of_two_lanes(db: Database) -> None:
    async with db.begin() as tx:
        await made.generation(tx)
        refused = [await taken(tx, GENERATION, NEW | UNTOUCHED | {"lane": lane}) for lane in LANES]
    assert refused == [None, None, *["ck_generations_lane"] * 3]


async def test_a_runs_state_and_what_it_says_of_it_belong_together(db: Database) -> None:
    async with db.begin() as tx:
        await made.generation(tx)
        for state, told in product(STATES, flags("started", "finished", "leased", "won", "code")):
            started, finished, leased, won, code = told.values()
            legal = (
                state in STATES[:5]
                and leased is (state == "running")
                and finished is (state in {"succeeded", "failed", "cancelled"})
                and (started or state not in {"running", "succeeded"})
                and won is (state == "succeeded")
                and (code or state != "failed")
            )
            refused = await taken(tx, RUN, told | {"state": state, "chunk": 1})
            assert refused == (None if legal else "ck_stage_runs_state"), (state, told)


async def test_a_runs_progress_is_a_part_of_one(db: Database) -> None:
    await made.queued(db)
    change = text("UPDATE stage_runs SET progress = CAST(CAST(:progress AS text) AS real)")
    async with db.begin() as tx:
        refused = [await taken(tx, change, {"progress": progress}) for progress in PROGRESS]
    assert refused == [None, None, None, *["ck_stage_runs_progress"] * 4]

"""An order's acceptance: its new draft, its generation and its first event in one statement, as every order pays it.

The same is to be had as WITH queries, for a statement that does more in one go. Of `ACCEPTED`, `made` has a row
(id, account_id) where the generation is new, and none where it was accepted before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.model import Draft, Unit
from reelwright.generations.records import NewGeneration
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Statement, rows

_GIVEN_LATER = {"selected_variant", "version", "created_at", "updated_at"}
_DRAFT = [field.name for field in fields(Draft) if field.name not in _GIVEN_LATER]
_NEW = [field.name for field in fields(NewGeneration) if field.name != "deadline"]
_AS_JSON = {"sound", "brand"} & {*_NEW}
_DRAFTED = f"""
    drafted AS (
        INSERT INTO drafts ({", ".join(_DRAFT)}) VALUES ({", ".join(f":draft_{name}" for name in _DRAFT)})
        ON CONFLICT DO NOTHING),
"""  # noqa: S608 - put together from fields' names
_MADE = f"""
    made AS (
        INSERT INTO generations ({", ".join(_NEW)}, deadline_at, event_seq)
        VALUES ({", ".join(f":{name}" for name in _NEW)}, clock_timestamp() + CAST(:deadline AS interval), 1)
        ON CONFLICT (id) DO NOTHING RETURNING id, account_id),
    told AS (
        INSERT INTO generation_events (generation_id, seq, kind, data)
        SELECT id, 1, 'queued', CAST(:told AS jsonb) FROM made)
"""  # noqa: S608 - the same
ACCEPTED, ACCEPTED_WITH_DRAFT = _MADE, _DRAFTED + _MADE
FIRST_RUNS = """
    planned AS (
        INSERT INTO stage_runs (id, generation_id, stage, scene, chunk, round, max_attempts)
        SELECT unit.id, made.id, stage, scene, chunk, round, :max_attempts
          FROM made, unnest(CAST(:ids AS uuid[]), CAST(:stages AS text[]), CAST(:scenes AS smallint[]),
                            CAST(:chunks AS smallint[]), CAST(:rounds AS smallint[]))
                     AS unit (id, stage, scene, chunk, round))
"""
_ACCEPT = Statement(f"WITH {ACCEPTED} SELECT id FROM made")  # noqa: S608 - the same
_ACCEPT_WITH_DRAFT = Statement(f"WITH {ACCEPTED_WITH_DRAFT} SELECT id FROM made")  # noqa: S608 - the same


async def accept(tx: AsyncConnection, new: NewGeneration, draft: Draft | None, told: Mapping[str, object]) -> bool:
    """Keep an accepted generation, queued, with the event that says so, and the draft where it is new to us.

    False where it was accepted before: then nothing is told again.
    """
    values = accepted(new, draft, told)
    return bool(await rows(tx, _ACCEPT if draft is None else _ACCEPT_WITH_DRAFT, values))


def accepted(new: NewGeneration, draft: Draft | None, told: Mapping[str, object]) -> dict[str, Any]:
    """Return the values of `ACCEPTED`, or with a draft of `ACCEPTED_WITH_DRAFT`."""
    values = {name: getattr(new, name) for name in _NEW}
    values |= {"deadline": new.deadline, "told": msgspec.json.encode(told).decode()}
    for name in _AS_JSON:
        if values[name] is not None:
            values[name] = msgspec.json.encode(values[name]).decode()
    if draft is not None:
        values |= {f"draft_{name}": getattr(draft, name) for name in _DRAFT}
    return values


def first_runs(generation: GenerationId, units: Sequence[Unit], *, max_attempts: int) -> dict[str, Any]:
    """Return the values of `FIRST_RUNS`: these units of a generation that is new."""
    return {
        "ids": [unit.run_id(generation) for unit in units],
        "stages": [unit.stage.value for unit in units],
        "scenes": [unit.scene for unit in units],
        "chunks": [unit.chunk for unit in units],
        "rounds": [unit.round for unit in units],
        "max_attempts": max_attempts,
    }

"""An order's acceptance: its new draft, its generation and its first event in one statement, as every order pays it."""

from collections.abc import Mapping
from dataclasses import asdict, fields

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.model import Draft
from reelwright.generations.records import NewGeneration
from reelwright.ground.postgres import Statement, rows

_GIVEN_LATER = {"selected_variant", "version", "created_at", "updated_at"}
_DRAFT = [field.name for field in fields(Draft) if field.name not in _GIVEN_LATER]
_NEW = [field.name for field in fields(NewGeneration) if field.name != "deadline"]
_DRAFTED = f"""
    drafted AS (
        INSERT INTO drafts ({", ".join(_DRAFT)}) VALUES ({", ".join(f":draft_{name}" for name in _DRAFT)})
        ON CONFLICT DO NOTHING),
"""  # noqa: S608 - put together from fields' names
_ACCEPTED = f"""
    made AS (
        INSERT INTO generations ({", ".join(_NEW)}, deadline_at, event_seq)
        VALUES ({", ".join(f":{name}" for name in _NEW)}, clock_timestamp() + CAST(:deadline AS interval), 1)
        ON CONFLICT (id) DO NOTHING RETURNING id)
    INSERT INTO generation_events (generation_id, seq, kind, data)
    SELECT id, 1, 'queued', CAST(:told AS jsonb) FROM made RETURNING generation_id
"""  # noqa: S608 - the same
_ACCEPT, _ACCEPT_WITH_DRAFT = Statement(f"WITH {_ACCEPTED}"), Statement(f"WITH {_DRAFTED} {_ACCEPTED}")


async def accept(tx: AsyncConnection, new: NewGeneration, draft: Draft | None, told: Mapping[str, object]) -> bool:
    """Keep an accepted generation, queued, with the event that says so, and the draft where it is new to us.

    False where it was accepted before: then nothing is told again.
    """
    values = asdict(new) | {"told": msgspec.json.encode(told).decode()}
    for name, chosen in (("sound", new.sound), ("brand", new.brand)):
        values[name] = None if chosen is None else msgspec.json.encode(chosen).decode()
    if draft is None:
        return bool(await rows(tx, _ACCEPT, values))
    drafted = {f"draft_{name}": value for name, value in asdict(draft).items()}
    return bool(await rows(tx, _ACCEPT_WITH_DRAFT, values | drafted))

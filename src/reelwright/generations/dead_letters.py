"""Dead letters: generations that died of our own failure, one letter each, until somebody sets them going again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.model import Stage, Unit
from reelwright.ground import telemetry
from reelwright.ground.ids import AccountId, DeadLetterId, GenerationId, StageRunId, fresh

_ADD = text(
    """
    INSERT INTO dead_letters (id, generation_id, run_id, stage, scene, chunk, reason, code, attempts)
    VALUES (:id, :generation, :run, :stage, :scene, :chunk, :reason, :code, :attempts)
    ON CONFLICT (generation_id) DO NOTHING RETURNING id
    """
)
_COLUMNS = (
    "id, generation_id, run_id, stage, scene, chunk, reason, code, attempts, at, redriven_at, redriven_by, successor"
)
_PAGE = f"""
    SELECT {_COLUMNS} FROM dead_letters
     WHERE {{narrowed}}(at, id) <
           (CASE WHEN CAST(:after AS uuid) IS NULL THEN 'infinity'
                 ELSE (SELECT last.at FROM dead_letters last WHERE last.id = :after) END,
            coalesce(:after, CAST('{UUID(int=0)}' AS uuid)))
     ORDER BY at DESC, id DESC LIMIT :limit
"""  # noqa: S608 - put together from constants
_ALL, _OPEN = text(_PAGE.format(narrowed="")), text(_PAGE.format(narrowed="redriven_at IS NULL AND "))
_GET = text(f"SELECT {_COLUMNS} FROM dead_letters WHERE id = :id")  # noqa: S608 - put together from constants
_ANSWERED = """
    UPDATE dead_letters SET redriven_at = clock_timestamp(), redriven_by = :by, successor = :successor
     WHERE redriven_at IS NULL AND"""
_REDRIVEN = text(f"{_ANSWERED} id = :id RETURNING id")
_SUCCEEDED = text(f"{_ANSWERED} generation_id = :generation RETURNING id")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """What died and why. `stage`, `scene`, `chunk` name the run that gave it up, where one did; `attempts` are its.

    Reasons: exhausted, deadline, bug, refused_by_queue, outage. `redriven_by` is None for the machine's own operator.
    """

    id: DeadLetterId
    generation_id: GenerationId
    run_id: StageRunId | None
    stage: Stage | None
    scene: int | None
    chunk: int | None
    reason: str
    code: str
    attempts: int
    at: datetime
    redriven_at: datetime | None
    redriven_by: AccountId | None
    successor: GenerationId | None

    @property
    def open(self) -> bool:
        """Whether nobody has set it going again yet."""
        return self.redriven_at is None


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Dead letters, inside one transaction."""

    session: AsyncConnection

    async def add(
        self,
        *,
        generation_id: GenerationId,
        run_id: StageRunId | None = None,
        unit: Unit | None = None,
        reason: str,
        code: str,
        attempts: int,
    ) -> bool:
        """Keep a letter beside the generation's failure, and count it by its code; False where it had one already."""
        values = {
            "id": fresh(),
            "generation": generation_id,
            "run": run_id,
            "stage": unit.stage if unit else None,
            "scene": unit.scene if unit else None,
            "chunk": unit.chunk if unit else None,
            "reason": reason,
            "code": code,
            "attempts": attempts,
        }
        if await self.session.scalar(_ADD, values) is None:
            return False
        telemetry.DEAD_LETTERS.labels(code).inc()
        return True

    async def list(self, limit: int, *, after: DeadLetterId | None = None, open_only: bool = True) -> list[DeadLetter]:
        """Return letters, newest first, from behind the given one: open ones alone, where asked."""
        found = await self.session.execute(_OPEN if open_only else _ALL, {"limit": limit, "after": after})
        return [_letter(row) for row in found.mappings()]

    async def get(self, letter_id: DeadLetterId) -> DeadLetter | None:
        """Return one letter, or None."""
        row = (await self.session.execute(_GET, {"id": letter_id})).mappings().one_or_none()
        return None if row is None else _letter(row)

    async def redriven(self, letter_id: DeadLetterId, *, by: AccountId | None, successor: GenerationId) -> bool:
        """Note who set it going again, and as which generation; False where somebody had before."""
        values = {"id": letter_id, "by": by, "successor": successor}
        return await self.session.scalar(_REDRIVEN, values) is not None

    async def succeeded(self, generation_id: GenerationId, *, by: AccountId, successor: GenerationId) -> bool:
        """Note that its owner went on from this generation; False where it has no open letter."""
        values = {"generation": generation_id, "by": by, "successor": successor}
        return await self.session.scalar(_SUCCEEDED, values) is not None


def _letter(row: Mapping[Any, Any]) -> DeadLetter:
    values: dict[str, Any] = {**row, "stage": row["stage"] and Stage(row["stage"])}
    return DeadLetter(**values)

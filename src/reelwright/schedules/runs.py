"""Runs of schedules in PostgreSQL: one row a due time, claimed by one worker at a time until it has an outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import GenerationId, ScheduleId
from reelwright.schedules.model import RunOutcome, Schedule, ScheduleRun, run_id
from reelwright.schedules.tables import ScheduleRunRow

_RUNS: Table = cast("Table", ScheduleRunRow.__table__)
_CLAIM = text(
    """
    UPDATE schedule_runs SET attempts = attempts + 1, retry_at = :until
     WHERE id = (SELECT id FROM schedule_runs WHERE state = 'due' AND retry_at <= :now
                  ORDER BY retry_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING *
    """
)
_USED = text(
    """
    SELECT count(*) AS runs, coalesce(sum(coalesce(charged_micro, price_micro)), 0)::bigint AS micro
      FROM schedule_runs
     WHERE schedule_id = :schedule AND due_at >= :start AND due_at < :end
       AND state IN ('started', 'succeeded', 'cancelled') AND started_at IS NOT NULL
    """
)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a schedule has used of its month: runs that started and didn't fail, and their credits."""

    runs: int
    micro: int


@dataclass(frozen=True, slots=True)
class ScheduleRuns:
    """Runs of schedules, inside one transaction. Its schedule's row is locked before an outcome is written."""

    session: AsyncConnection

    async def add(self, schedule: Schedule, due_at: datetime, *, now: datetime, give_up_at: datetime) -> bool:
        """Let a due time wait for its run; False where it had come before."""
        return await self._add(schedule, due_at, {"state": "due", "retry_at": now, "give_up_at": give_up_at})

    async def add_missed(self, schedule: Schedule, due_at: datetime, *, count: int, now: datetime) -> bool:
        """Keep that so many due times, this one the last, came while nobody was there."""
        values: dict[str, Any] = {"state": "missed", "missed": count, "give_up_at": now, "ended_at": now}
        said = {"code": "schedule.missed", "sentence": "Nobody was there to run it at its time."}
        return await self._add(schedule, due_at, values | said)

    async def claim(self, now: datetime, *, lease: timedelta) -> ScheduleRun | None:
        """Take the run that has waited longest, for so long; whoever comes meanwhile gets another one, or None."""
        row = (await self.session.execute(_CLAIM, {"now": now, "until": now + lease})).mappings().one_or_none()
        return None if row is None else _run(row)

    async def postpone(self, run: GenerationId, *, until: datetime, code: str, sentence: str) -> None:
        """Let a claimed run wait, and say what for."""
        waiting = update(_RUNS).where(_RUNS.c.id == run, _RUNS.c.state == "due")
        await self.session.execute(waiting.values(retry_at=until, code=code, sentence=sentence))

    async def started(self, run: GenerationId, *, topic: str, price_micro: int, now: datetime) -> bool:
        """Write that a due run's generation exists; False where the run has another outcome already."""
        values = {"topic": topic, "price_micro": price_micro, "started_at": now, "code": None, "sentence": None}
        return await self._settle(run, RunOutcome.DUE, RunOutcome.STARTED, values)

    async def not_started(
        self, run: GenerationId, outcome: RunOutcome, *, code: str, sentence: str, now: datetime
    ) -> bool:
        """End a due run that has no generation; False where it has an outcome already."""
        return await self._settle(run, RunOutcome.DUE, outcome, {"code": code, "sentence": sentence, "ended_at": now})

    async def ended(
        self, run: GenerationId, outcome: RunOutcome, *, charged_micro: int, code: str | None, sentence: str | None,
        now: datetime,
    ) -> bool:  # fmt: skip
        """Write how a started run's generation has ended; False where that was written before."""
        values = {"charged_micro": charged_micro, "code": code, "sentence": sentence, "ended_at": now}
        return await self._settle(run, RunOutcome.STARTED, outcome, values)

    async def get(self, run: GenerationId) -> ScheduleRun | None:
        """Return a run, or None."""
        row = (await self.session.execute(select(_RUNS).where(_RUNS.c.id == run))).mappings().one_or_none()
        return None if row is None else _run(row)

    async def spent(self, schedule: ScheduleId, start: datetime, end: datetime) -> Spent:
        """Return what a schedule's runs that were due in a period use of its budget."""
        row = (await self.session.execute(_USED, {"schedule": schedule, "start": start, "end": end})).one()
        return Spent(runs=row.runs, micro=row.micro)

    async def of(self, schedule: ScheduleId, *, before: tuple[datetime, UUID] | None, limit: int) -> list[ScheduleRun]:
        """Return so many runs of a schedule, the latest due time first, from behind that one."""
        query = select(_RUNS).where(_RUNS.c.schedule_id == schedule)
        if before is not None:
            query = query.where(tuple_(_RUNS.c.due_at, _RUNS.c.id) < before)
        found = await self.session.execute(query.order_by(_RUNS.c.due_at.desc(), _RUNS.c.id.desc()).limit(limit))
        return [_run(row) for row in found.mappings()]

    async def _add(self, schedule: Schedule, due_at: datetime, values: Mapping[str, Any]) -> bool:
        known = {"id": run_id(schedule.account_id, schedule.id, due_at), "schedule_id": schedule.id, "due_at": due_at}
        added = insert(_RUNS).values(**known, **values).on_conflict_do_nothing().returning(_RUNS.c.id)
        return await self.session.scalar(added) is not None

    async def _settle(
        self, run: GenerationId, before: RunOutcome, outcome: RunOutcome, values: Mapping[str, Any]
    ) -> bool:
        settled = update(_RUNS).where(_RUNS.c.id == run, _RUNS.c.state == before.value)
        changed = settled.values(state=outcome.value, retry_at=None, **values).returning(_RUNS.c.id)
        return await self.session.scalar(changed) is not None


_HIDDEN = {"retry_at"}


def _run(row: Mapping[Any, Any]) -> ScheduleRun:
    values: dict[str, Any] = {name: value for name, value in row.items() if name not in _HIDDEN}
    values["state"] = RunOutcome(row["state"])
    return ScheduleRun(**values)

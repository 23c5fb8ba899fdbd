"""Stage runs: planned once, claimed by one, fenced, retried, rescued. The database's clock alone decides.

Each method is one statement whose condition is the lock; zero rows mean "you lost, stop". All but the heartbeat lock
the generation first, so that a transaction may go on to change it without meeting another that came the other way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row as Record
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.acceptance import first_runs
from reelwright.generations.model import RunState, Source, Stage, Unit
from reelwright.generations.outcomes import Ingested, Outcome, Planned, Written
from reelwright.generations.records import Pulse, Reason, Run, StaleRun, WhyNot
from reelwright.generations.tables import STAGE_RUNS
from reelwright.ground.ids import GenerationId, StageRunId
from reelwright.ground.postgres import Statement, rows

_ORDER = {stage: position for position, stage in enumerate(Stage)}
_LOWEST = UUID(int=0)
_KEPT_ELSEWHERE: dict[object, Outcome] = {
    "ingested": Ingested(source=Source(kind="none", title="", body="")),
    "written": Written(stories=()),
    "planned": Planned(scenes=()),
}

# What is returned of a row that was waited for is its newest version; a join beside it would still see the old one.
LIVE = """
    SELECT id, deadline_at, paused_at, state, xmin AS version FROM generations
     WHERE id = (SELECT generation_id FROM stage_runs WHERE id = :run) AND state IN ('queued', 'running')
       FOR NO KEY UPDATE
"""
_OPEN = f"open AS ({LIVE})"
_LEASE = """
    least(clock_timestamp() + CAST(:lease AS interval), {deadline},
          CASE WHEN {g}.paused_at IS NULL THEN {g}.deadline_at END)
"""
_NEW_DEADLINE = "clock_timestamp() + CAST(:longest AS interval)"
_UNIT = "r.id, r.generation_id, r.stage, r.scene, r.chunk, r.round, r.state, r.attempt, r.max_attempts, r.fence"
_MINE = "FROM open WHERE r.id = :run AND r.generation_id = open.id AND r.fence = :fence AND r.state = 'running'"
_SILENT = """
    r.next_attempt_at <= clock_timestamp()
    AND r.sent_at < clock_timestamp() - CAST(:resend_after AS interval) * power(2, least(r.resends, 6))
"""

PLAN = """
    INSERT INTO stage_runs (id, generation_id, stage, scene, chunk, round, max_attempts)
    SELECT id, :generation, stage, scene, chunk, round, :max_attempts
      FROM unnest(CAST(:ids AS uuid[]), CAST(:stages AS text[]), CAST(:scenes AS smallint[]),
                  CAST(:chunks AS smallint[]), CAST(:rounds AS smallint[])) AS unit (id, stage, scene, chunk, round)
    ON CONFLICT DO NOTHING RETURNING id
"""
"""What queues units' runs: the values of `first_runs`, and `:generation`."""
_PLAN = Statement(PLAN)
_FINISHED = text(
    """
    SELECT stage, scene, chunk, round, CAST(result AS text) AS result FROM stage_runs
     WHERE generation_id = :generation AND state = 'succeeded'
    """
)
CLAIM = f"""
    UPDATE stage_runs r
       SET state = 'running', fence = r.fence + 1, attempt = r.attempt + 1, progress = 0, error_code = NULL,
           resends = 0, started_at = clock_timestamp(), attempt_deadline = {_NEW_DEADLINE},
           lease_until = {_LEASE.format(deadline=_NEW_DEADLINE, g="open")}
      FROM open
     WHERE r.id = :run AND r.generation_id = open.id AND open.paused_at IS NULL
       AND open.deadline_at > clock_timestamp() AND r.attempt < r.max_attempts
       AND (r.state = 'queued' AND r.next_attempt_at <= clock_timestamp()
            OR r.state = 'running' AND r.lease_until < clock_timestamp())
    RETURNING {_UNIT}, r.started_at, r.next_attempt_at
"""  # noqa: S608 - put together from constants
"""What claims a run, behind `open`."""
_WHY_NOT = text(
    """
    SELECT r.state, r.attempt >= r.max_attempts AS exhausted, g.paused_at IS NOT NULL AS paused,
           g.state NOT IN ('queued', 'running') OR g.paused_at IS NULL AND g.deadline_at <= clock_timestamp() AS over,
           greatest(coalesce(r.lease_until, r.next_attempt_at) - clock_timestamp(), interval '0') AS wait
      FROM stage_runs r JOIN generations g ON g.id = r.generation_id WHERE r.id = :run
    """
)
_HEARTBEAT = text(
    f"""
    UPDATE stage_runs r
       SET progress = greatest(r.progress, :progress),
           lease_until = {_LEASE.format(deadline="r.attempt_deadline", g="g")}
      FROM generations g
     WHERE r.id = :run AND r.fence = :fence AND r.state = 'running' AND g.id = r.generation_id
    RETURNING g.state IN ('queued', 'running')
              AND (g.paused_at IS NOT NULL OR g.deadline_at > clock_timestamp()) AS wanted,
              r.attempt_deadline <= clock_timestamp() AS late
    """  # noqa: S608 - put together from constants
)
COMPLETE = f"""
    UPDATE stage_runs r
       SET state = 'succeeded', won_fence = r.fence, lease_until = NULL, progress = 1,
           result = CAST(:result AS jsonb), inputs_hash = :made_of, finished_at = clock_timestamp()
    {_MINE} RETURNING r.id, r.generation_id
"""  # noqa: S608 - put together from constants
"""What ends a run well, behind `open`."""
_RETRY_LATER = Statement(
    f"""
    WITH {_OPEN}
    UPDATE stage_runs r
       SET state = 'queued', lease_until = NULL, error_code = :error_code, resends = 0,
           next_attempt_at = clock_timestamp() + CAST(:delay AS interval),
           sent_at = clock_timestamp() + CAST(:delay AS interval)
    {_MINE} RETURNING r.id
    """  # noqa: S608 - put together from constants
)
_GIVE_BACK = Statement(
    f"""
    WITH {_OPEN}
    UPDATE stage_runs r
       SET state = 'queued', lease_until = NULL, attempt = r.attempt - 1, error_code = :reason, resends = 0,
           next_attempt_at = clock_timestamp() + CAST(:delay AS interval),
           sent_at = clock_timestamp() + CAST(:delay AS interval)
    {_MINE} RETURNING r.id
    """  # noqa: S608 - put together from constants
)
_CALL_OFF = Statement(
    f"""
    WITH {_OPEN}
    UPDATE stage_runs r
       SET state = 'queued', fence = r.fence + 1, lease_until = NULL, attempt = r.attempt - 1, progress = 0,
           resends = 0, next_attempt_at = clock_timestamp(), sent_at = clock_timestamp()
    {_MINE} RETURNING r.id
    """  # noqa: S608 - put together from constants
)
_FAIL = Statement(
    f"""
    WITH {_OPEN}
    UPDATE stage_runs r
       SET state = 'failed', lease_until = NULL, error_code = :error_code, finished_at = clock_timestamp()
    {_MINE} RETURNING r.id
    """  # noqa: S608 - put together from constants
)
_STALE = text(
    f"""
    SELECT {_UNIT} FROM stage_runs r JOIN generations g ON g.id = r.generation_id
     WHERE r.finished_at IS NULL AND g.state IN ('queued', 'running') AND g.paused_at IS NULL
       AND r.id > :after
       AND (r.state = 'running' AND r.lease_until < clock_timestamp()
            OR r.state = 'queued' AND {_SILENT}
               AND NOT EXISTS (SELECT FROM outbox o
                                WHERE o.run_id = r.id AND o.published_at IS NULL AND o.parked_at IS NULL))
     ORDER BY r.id LIMIT :limit
    """  # noqa: S608 - put together from constants
)
_NEXT_LAPSE = text(
    """
    SELECT min(lease_until) - clock_timestamp() FROM stage_runs
     WHERE finished_at IS NULL AND state = 'running' AND lease_until > clock_timestamp()
    """  # in the words of the index of what is live
)
_STILL = f"""
    FROM open
    WHERE r.id = :run AND r.generation_id = open.id AND open.paused_at IS NULL
      AND r.fence = :fence AND r.state = :state
      AND (r.state = 'running' AND r.lease_until < clock_timestamp() OR r.state = 'queued' AND {_SILENT})
"""
_RESCUE = Statement(
    f"""
    WITH {_OPEN}
    UPDATE stage_runs r
       SET state = 'queued', fence = r.fence + 1, lease_until = NULL, next_attempt_at = clock_timestamp(),
           sent_at = clock_timestamp(), resends = CASE r.state WHEN 'queued' THEN r.resends + 1 ELSE 0 END
    {_STILL} AND r.attempt < r.max_attempts RETURNING r.id
    """  # noqa: S608 - put together from constants
)
_GIVE_UP = Statement(
    f"""
    WITH {_OPEN}
    UPDATE stage_runs r
       SET state = 'failed', fence = r.fence + 1, lease_until = NULL, error_code = :error_code,
           finished_at = clock_timestamp()
    {_STILL} AND r.attempt >= r.max_attempts RETURNING r.id
    """  # noqa: S608 - put together from constants
)
_WAKE = text(
    f"""
    UPDATE stage_runs r
       SET sent_at = greatest(r.next_attempt_at, clock_timestamp()), resends = 0
     WHERE r.generation_id = :generation AND r.state = 'queued'
    RETURNING {_UNIT}, greatest(r.next_attempt_at - clock_timestamp(), interval '0') AS wait
    """  # noqa: S608 - put together from constants
)


@dataclass(frozen=True, slots=True)
class Runs:
    """Stage runs, inside one transaction."""

    session: AsyncConnection

    async def plan(self, generation_id: GenerationId, units: Sequence[Unit], *, max_attempts: int) -> list[Unit]:
        """Queue these units' runs and return those that had not been planned before, in the order given."""
        if not units:
            return []
        values = first_runs(generation_id, units, max_attempts=max_attempts)
        new = {row["id"] for row in await rows(self.session, _PLAN, values | {"generation": generation_id})}
        return [unit for run, unit in zip(values["ids"], units, strict=True) if run in new]

    async def why_not(self, run_id: StageRunId) -> WhyNot:
        """Say why a claim got nothing. A run that has become free since is `early` or `held` with no wait."""
        row = (await self.session.execute(_WHY_NOT, {"run": run_id})).one_or_none()
        if row is None:
            return WhyNot(Reason.UNKNOWN)
        if row.over or row.state not in {"queued", "running"}:
            return WhyNot(Reason.ENDED)
        if row.paused:
            return WhyNot(Reason.PAUSED)
        if row.state == "running" and row.wait > timedelta(0):
            return WhyNot(Reason.HELD, row.wait)
        if row.exhausted:
            return WhyNot(Reason.EXHAUSTED)
        return WhyNot(Reason.HELD if row.state == "running" else Reason.EARLY, row.wait)

    async def heartbeat(self, run_id: StageRunId, fence: int, lease: timedelta, progress: float) -> Pulse:
        """Keep the lease and say how far the run is, 0..1. It locks the run alone: give it a transaction of its own."""
        values = {"run": run_id, "fence": fence, "lease": lease, "progress": min(1.0, max(0.0, progress))}
        row = (await self.session.execute(_HEARTBEAT, values)).one_or_none()
        if row is None:
            return Pulse.LOST
        if not row.wanted:
            return Pulse.ENDED
        return Pulse.LATE if row.late else Pulse.OK

    async def retry_later(self, run_id: StageRunId, fence: int, delay: timedelta, error_code: str) -> bool:
        """Queue the run again after a failed attempt, which counts. False where the run was lost."""
        return await self._fenced(_RETRY_LATER, run_id, fence, delay=delay, error_code=error_code)

    async def give_back(self, run_id: StageRunId, fence: int, delay: timedelta, *, reason: str | None = None) -> bool:
        """Queue the run again as if this attempt had never begun, and keep why. False where the run was lost.

        Nothing counts how often: the generation's deadline bounds it.
        """
        return await self._fenced(_GIVE_BACK, run_id, fence, delay=delay, reason=reason)

    async def call_off(self, run_id: StageRunId, fence: int) -> bool:
        """Take a running run from its worker and queue it as if this attempt had never begun. False where it ended."""
        return await self._fenced(_CALL_OFF, run_id, fence)

    async def fail(self, run_id: StageRunId, fence: int, error_code: str) -> bool:
        """End the run badly. False where it was lost."""
        return await self._fenced(_FAIL, run_id, fence, error_code=error_code)

    async def stale(self, limit: int, resend_after: timedelta, *, after: StageRunId | None = None) -> list[StaleRun]:
        """Return runs of live generations, paused ones left out, that need looking after, by id, from behind one.

        Running ones whose lease has expired; queued ones that are due, have no message waiting in the outbox, and
        were last sent longer ago than `resend_after`, doubled for each time they were sent again (64-fold at most).
        """
        values = {"limit": limit, "resend_after": resend_after, "after": after or StageRunId(_LOWEST)}
        return [
            StaleRun(
                id=row.id,
                generation_id=row.generation_id,
                unit=_unit(row),
                state=RunState(row.state),
                attempt=row.attempt,
                max_attempts=row.max_attempts,
                fence=row.fence,
            )
            for row in await self.session.execute(_STALE, values)
        ]

    async def next_lapse(self) -> timedelta | None:
        """Return in how long the first of the running ones' leases ends, unless its worker lives and renews it."""
        return await self.session.scalar(_NEXT_LAPSE)

    async def rescue(self, stale: StaleRun, resend_after: timedelta) -> bool:
        """Queue a stale run to be sent again now. False where it is stale no more, or has no attempt left."""
        return await self._fenced(_RESCUE, stale.id, stale.fence, state=stale.state, resend_after=resend_after)

    async def give_up(self, stale: StaleRun, resend_after: timedelta, error_code: str) -> bool:
        """End a stale run that has no attempt left. False where it is stale no more."""
        values = {"state": stale.state, "resend_after": resend_after, "error_code": error_code}
        return await self._fenced(_GIVE_UP, stale.id, stale.fence, **values)

    async def wake(self, generation_id: GenerationId) -> list[tuple[Unit, timedelta]]:
        """Return the waiting runs of a generation that goes on, which the caller has locked, and when each may start.

        Each counts as sent: promise a message for every one in this transaction.
        """
        woken = await self.session.execute(_WAKE, {"generation": generation_id})
        return [(_unit(row), row.wait) for row in woken]

    async def get(self, run_id: StageRunId) -> Run | None:
        """Return one run. After a lost COMMIT, `won_fence` says whose completion counted."""
        row = (await self.session.execute(select(*STAGE_RUNS.c).where(STAGE_RUNS.c.id == run_id))).one_or_none()
        return None if row is None else _run(row)

    async def of(self, generation_id: GenerationId) -> list[Run]:
        """Return the generation's runs by stage, scene, chunk and round."""
        found = await self.session.execute(select(*STAGE_RUNS.c).where(STAGE_RUNS.c.generation_id == generation_id))
        return sorted((_run(row) for row in found), key=place_of)

    async def finished(self, generation_id: GenerationId) -> dict[Unit, Outcome]:
        """Return what the finished runs concluded; of sources, stories and scenes only that there are some."""
        ended = await self.session.execute(_FINISHED, {"generation": generation_id})
        return {_unit(row): _outcome(msgspec.json.decode(row.result)) for row in ended}

    async def _fenced(self, statement: Statement, run_id: StageRunId, fence: int, **values: object) -> bool:
        return bool(await rows(self.session, statement, {"run": run_id, "fence": fence, **values}))


def _outcome(result: Mapping[str, object]) -> Outcome:
    elsewhere = _KEPT_ELSEWHERE.get(result["type"])
    return msgspec.convert(result, Outcome) if elsewhere is None else elsewhere


def _unit(row: Record[Any]) -> Unit:
    return Unit(stage=Stage(row.stage), scene=row.scene, chunk=row.chunk, round=row.round)


def place_of(run: Run) -> tuple[int, int, int, int]:
    """Return what runs are sorted by: stage, scene, chunk, round."""
    unit = run.unit
    scene, chunk = (-1 if part is None else part for part in (unit.scene, unit.chunk))
    return _ORDER[unit.stage], scene, chunk, unit.round


def _run(row: Record[Any]) -> Run:
    return Run(
        id=row.id,
        generation_id=row.generation_id,
        unit=_unit(row),
        state=RunState(row.state),
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        fence=row.fence,
        won_fence=row.won_fence,
        progress=row.progress,
        error_code=row.error_code,
        result=row.result,
        next_attempt_at=row.next_attempt_at,
        lease_until=row.lease_until,
        queued_at=row.queued_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )

"""What a worker reads and says around one run, in one statement each: this is what every delivery pays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.generations import generation_of
from reelwright.generations.model import (
    Artefact,
    Draft,
    GenerationState,
    Source,
    Stage,
    Unit,
    Variant,
)
from reelwright.generations.outcomes import Ingested, Outcome, Planned, Written, kept
from reelwright.generations.recent import RECENT_OF
from reelwright.generations.records import Claim, Generation
from reelwright.generations.runs import CLAIM, COMPLETE, LIVE
from reelwright.generations.tables import GENERATIONS
from reelwright.ground.ids import GenerationId, StageRunId
from reelwright.ground.postgres import Statement, rows

_COLUMNS = ", ".join(f"g.{column.name}" for column in GENERATIONS.c if column.name != "fingerprint")
_OPEN = f"""
    locked AS ({LIVE}),
    open AS (
        SELECT locked.* FROM locked JOIN generations seen ON seen.id = locked.id AND seen.xmin = locked.version)
"""  # noqa: S608 - put together from constants
"""The run's generation, locked; `open` is empty where another has written it since this statement looked.

So the facts that are read beside it are never older than the lock: who changes what a run may read, or ends a run of
the same generation, writes the generation's row as well.
"""
_WRITES = "g.kind IN ('script', 'video', 'regenerate_full')"
_ABOUT = """
    coalesce(g.variant_id, (SELECT d.selected_variant FROM drafts d WHERE d.id = g.draft_id),
             (SELECT n.id FROM variants n WHERE n.draft_id = g.draft_id
               ORDER BY n.created_at DESC, n.generation_id, n.position LIMIT 1))
"""
"""The one variant of a generation that writes none: `Assignment.variant`."""
VARIANTS_OF = f"""
    (SELECT jsonb_agg(jsonb_build_object(
            'id', v.id, 'position', v.position, 'version', v.version, 'story', to_jsonb(v),
            'scenes', (SELECT coalesce(jsonb_agg(to_jsonb(c) || jsonb_build_object(
                    'index', c.position,
                    'motion', jsonb_build_object('kind', c.motion_kind, 'amount', c.motion_amount::float8),
                    'transition', jsonb_build_object('kind', c.transition_kind, 'frames', c.transition_frames))
                    ORDER BY c.position), '[]') FROM scenes c WHERE c.variant_id = v.id))
            ORDER BY v.created_at DESC, v.generation_id, v.position)
       FROM variants v
      WHERE v.draft_id = g.draft_id AND (v.generation_id = g.id OR (NOT {_WRITES} AND v.id = {_ABOUT})))
"""  # noqa: S608 - put together from constants
"""Those that generation `g` wrote, or the one that it is about where its kind writes none; NULL for none.

Never more than were asked for in one order: a draft may have thousands.
"""
ARTEFACTS_OF = """
    (SELECT jsonb_agg(to_jsonb(a) ORDER BY a.created_at DESC, a.round DESC, a.id)
       FROM artefacts a WHERE a.generation_id = g.id)
"""
"""The files of generation `g`, newest first; NULL for none."""
_SOURCE = f"""
    (SELECT to_jsonb(s) FROM sources s LEFT JOIN variants v ON v.id = g.variant_id
      WHERE s.draft_id = g.draft_id AND (s.generation_id = g.id OR NOT {_WRITES})
      ORDER BY (s.generation_id = v.generation_id) DESC NULLS LAST, s.created_at DESC LIMIT 1)
"""  # noqa: S608 - put together from constants
_TAKE = """
    CASE WHEN g.part IS NOT NULL AND g.variant_id IS NOT NULL
         THEN (SELECT count(*) FROM generations o
                WHERE o.variant_id = g.variant_id AND o.part = g.part AND o.state = 'succeeded'
                  AND o.scene IS NOT DISTINCT FROM g.scene)
         ELSE (SELECT count(DISTINCT v.generation_id) FROM variants v
                WHERE v.draft_id = g.draft_id AND v.generation_id <> g.id) END
"""
_JUDGED = """
    (SELECT jsonb_agg(jsonb_build_object('scene', r.scene, 'round', r.round, 'result', r.result))
       FROM stage_runs r WHERE r.generation_id = g.id AND r.state = 'succeeded' AND r.stage = 'VISUAL_VERIFICATION')
"""


def _beginning(**facts: str) -> Statement:
    """Return what claims a run, notes that it has started, and reads these facts besides the draft."""
    read = "".join(f", '{name}', {sql}" for name, sql in facts.items())
    return Statement(
        f"""
        WITH {_OPEN},
        claimed AS ({CLAIM}),
        g AS (
            UPDATE generations g
               SET event_seq = g.event_seq + 1, state = 'running',
                   started_at = coalesce(g.started_at, clock_timestamp())
              FROM claimed WHERE g.id = claimed.generation_id
            RETURNING {_COLUMNS}),
        noted AS (
            INSERT INTO generation_events (generation_id, seq, kind, data)
            SELECT g.id, g.event_seq, 'stage_started', jsonb_build_object(
                   'stage', r.stage, 'scene', r.scene, 'chunk', r.chunk, 'round', r.round, 'attempt', r.attempt)
              FROM g, claimed r),
        begun AS (
            SELECT g.*, CAST(jsonb_build_object(
                'run', to_jsonb(r), 'draft', to_jsonb(d),
                'waited_ms', extract(epoch FROM r.started_at - r.next_attempt_at) * 1000,
                'left_ms', extract(epoch FROM g.deadline_at - clock_timestamp()) * 1000{read}) AS text) AS facts
              FROM g, claimed r, drafts d WHERE d.id = g.draft_id)
        SELECT begun.*, locked.state AS was, open.id IS NULL AS overtaken
          FROM locked LEFT JOIN open ON true LEFT JOIN begun ON true
        """  # noqa: S608 - put together from constants
    )


_BEGIN: Mapping[str, Statement] = {
    Stage.INGESTION: _beginning(),
    Stage.STORY_WRITING: _beginning(source=_SOURCE, variants=VARIANTS_OF, take=_TAKE, recent=RECENT_OF),
    Stage.SCENE_GENERATION: _beginning(source=_SOURCE, variants=VARIANTS_OF, take=_TAKE),
}
_OF_PICTURES = _beginning(variants=VARIANTS_OF, artefacts=ARTEFACTS_OF, judged=_JUDGED)
"""What each stage may know; the last is for all that follow the words."""
_COMPLETE = Statement(
    f"""
    WITH {_OPEN},
    done AS ({COMPLETE}),
    g AS (
        UPDATE generations g SET event_seq = g.event_seq + 1 FROM done WHERE g.id = done.generation_id
        RETURNING {_COLUMNS}),
    noted AS (
        INSERT INTO generation_events (generation_id, seq, kind, data)
        SELECT id, event_seq, 'stage_completed', CAST(:data AS jsonb) FROM g),
    ended AS (
        SELECT g.*, (SELECT CAST(jsonb_agg(jsonb_build_object(
            'stage', r.stage, 'scene', r.scene, 'chunk', r.chunk, 'round', r.round, 'state', r.state,
            'type', r.result->>'type',
            'result', CASE WHEN r.result->>'type' NOT IN ('ingested', 'written', 'planned') THEN r.result END)) AS text)
            FROM stage_runs r WHERE r.generation_id = g.id) AS facts
          FROM g)
    SELECT ended.*, open.id IS NULL AS overtaken
      FROM locked LEFT JOIN open ON true LEFT JOIN ended ON true
    """  # noqa: S608 - put together from constants
)


_SUCCEED = Statement(
    """
    WITH g AS (
        UPDATE generations
           SET state = 'succeeded', paused_at = NULL, gate = CAST(:gate AS jsonb), ended_at = clock_timestamp(),
               event_seq = event_seq + 1
         WHERE id = :generation AND state IN ('queued', 'running') RETURNING id, event_seq),
    noted AS (
        INSERT INTO generation_events (generation_id, seq, kind, data) SELECT id, event_seq, 'succeeded', '{}' FROM g)
    UPDATE stage_runs r
       SET state = 'cancelled', fence = r.fence + 1, lease_until = NULL, finished_at = clock_timestamp()
      FROM g WHERE r.generation_id = g.id AND r.state IN ('queued', 'running')
    """
)


class Overtaken(Exception):  # noqa: N818 - not an error
    """Another has written the generation while this waited for it: nothing was done, and may be tried again."""


class Judgement(msgspec.Struct, frozen=True):
    """One finished check of a scene's picture; `result` is its outcome as it is stored."""

    scene: int
    round: int
    result: Mapping[str, Any]


class Begun(msgspec.Struct, frozen=True):
    """The run itself, as its claim left it."""

    stage: Stage
    scene: int | None
    chunk: int | None
    round: int
    attempt: int
    max_attempts: int
    fence: int


class Dossier(msgspec.Struct, frozen=True, kw_only=True):
    """All that a claimed run's stage may know, and how long the run has waited and may go on, in milliseconds."""

    run: Begun
    draft: Draft
    waited_ms: float
    left_ms: float
    take: int = 0
    source: Source | None = None
    variants: tuple[Variant, ...] | None = None
    artefacts: tuple[Artefact, ...] | None = None
    judged: tuple[Judgement, ...] | None = None
    recent: tuple[tuple[str, str], ...] | None = None

    @property
    def left(self) -> timedelta:
        """How long the generation may still take."""
        return timedelta(milliseconds=self.left_ms)


@dataclass(frozen=True, slots=True)
class Told:
    """The generation after a run of it has begun, and the state that it had before."""

    generation: Generation
    was: GenerationState

    @property
    def began(self) -> bool:
        """Whether it had not been running before."""
        return self.was is GenerationState.QUEUED and self.generation.state is GenerationState.RUNNING


class _Standing(msgspec.Struct, frozen=True):
    stage: Stage
    scene: int | None
    chunk: int | None
    round: int
    state: str
    type: str | None
    result: Outcome | None


_ELSEWHERE: Mapping[str | None, Outcome] = {
    "ingested": Ingested(source=Source(kind="none", title="", body="")),
    "written": Written(stories=()),
    "planned": Planned(scenes=()),
}
"""What is kept in tables of its own: that it is there is all that a plan needs to know."""
_dossier = msgspec.json.Decoder(Dossier)
_standing = msgspec.json.Decoder(list[_Standing])


@dataclass(frozen=True, slots=True)
class Progress:
    """A run begins or ends well, and what is known then: each in one statement."""

    session: AsyncConnection

    async def begin(
        self, run_id: StageRunId, stage: str, lease: timedelta, *, longest: timedelta
    ) -> tuple[Claim, Told, Dossier] | None:
        """Start an attempt, note it, and read what its stage may know. Who held the run before has lost it.

        The attempt may take `longest` and never more than the generation has left: no heartbeat keeps it beyond. None
        where there is nothing to claim (`Runs.why_not` tells why). Raises Overtaken: once at most in one transaction,
        which then has the lock.
        """
        statement = _BEGIN.get(stage, _OF_PICTURES)
        found = await self._found(statement, {"run": run_id, "lease": lease, "longest": longest})
        if found is None:
            return None
        was, dossier = GenerationState(found.pop("was")), _dossier.decode(found.pop("facts"))
        generation, run = generation_of(found), dossier.run
        claim = Claim(
            run_id=run_id,
            generation_id=generation.id,
            unit=Unit(stage=run.stage, scene=run.scene, chunk=run.chunk, round=run.round),
            attempt=run.attempt,
            max_attempts=run.max_attempts,
            fence=run.fence,
        )
        return claim, Told(generation, was), dossier

    async def complete(
        self, claim: Claim, outcome: Outcome, data: Mapping[str, object], *, made_of: str | None
    ) -> tuple[Generation, dict[Unit, Outcome], set[Unit]] | None:
        """End the claimed run well, and note it, in a transaction that goes on from there.

        Return the generation, all that is concluded so far, and all planned units; None where the run was lost or
        cancelled, so that nothing that it made may be written.
        """
        said = {
            "run": claim.run_id,
            "fence": claim.fence,
            "result": kept(outcome),
            "made_of": made_of,
            "data": msgspec.json.encode(data).decode(),
        }
        try:
            found = await self._found(_COMPLETE, said)
        except Overtaken:  # the generation is locked by now
            found = await self._found(_COMPLETE, said)
        if found is None:
            return None
        planned: set[Unit] = set()
        finished: dict[Unit, Outcome] = {claim.unit: outcome}
        for run in _standing.decode(found.pop("facts")):
            unit = Unit(stage=run.stage, scene=run.scene, chunk=run.chunk, round=run.round)
            planned.add(unit)
            if run.state == "succeeded":
                finished[unit] = run.result or _ELSEWHERE[run.type]
        return generation_of(found), finished, planned

    async def succeed(self, generation: GenerationId, *, gate: Mapping[str, object] | None) -> None:
        """End a live generation well, behind its last completion, which locked it; cancel what is still planned."""
        report = None if gate is None else msgspec.json.encode(gate).decode()
        await rows(self.session, _SUCCEED, {"generation": generation, "gate": report})

    async def _found(self, statement: Statement, values: Mapping[str, object]) -> dict[str, Any] | None:
        found = await rows(self.session, statement, values)
        if not found:
            return None
        known: dict[str, Any] = dict(found[0])
        if known.pop("overtaken"):
            raise Overtaken
        return None if known["id"] is None else known

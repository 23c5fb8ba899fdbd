"""What a worker reads and says around one run, in one statement each: this is what every delivery pays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.model import (
    Artefact,
    Draft,
    GenerationKind,
    GenerationState,
    Part,
    Source,
    Stage,
    Unit,
    Variant,
)
from reelwright.generations.outcomes import Ingested, Outcome, Planned, Written
from reelwright.generations.records import Claim, Generation
from reelwright.generations.tables import GENERATIONS
from reelwright.ground.postgres import Statement, rows

_COLUMNS = ", ".join(f"g.{column.name}" for column in GENERATIONS.c if column.name != "fingerprint")
_TOLD = f"""
    WITH g AS (
        UPDATE generations g
           SET event_seq = g.event_seq + 1, state = CASE WHEN :begins THEN 'running' ELSE g.state END,
               started_at = CASE WHEN :begins THEN coalesce(g.started_at, clock_timestamp()) ELSE g.started_at END
          FROM (SELECT id, state FROM generations WHERE id = :generation) was
         WHERE g.id = was.id AND g.state IN ('queued', 'running')
        RETURNING {_COLUMNS}, was.state AS was),
    noted AS (
        INSERT INTO generation_events (generation_id, seq, kind, data)
        SELECT id, event_seq, :kind, CAST(:data AS jsonb) FROM g)
"""  # noqa: S608 - put together from constants
_WRITES = "g.kind IN ('script', 'video', 'regenerate_full')"
VARIANTS_OF = f"""
    (SELECT jsonb_agg(jsonb_build_object(
            'id', v.id, 'position', v.position, 'version', v.version, 'story', to_jsonb(v),
            'scenes', (SELECT coalesce(jsonb_agg(to_jsonb(c) || jsonb_build_object(
                    'index', c.position,
                    'motion', jsonb_build_object('kind', c.motion_kind, 'amount', c.motion_amount::float8),
                    'transition', jsonb_build_object('kind', c.transition_kind, 'frames', c.transition_frames))
                    ORDER BY c.position), '[]') FROM scenes c WHERE c.variant_id = v.id))
            ORDER BY v.created_at DESC, v.generation_id, v.position)
       FROM variants v WHERE v.draft_id = g.draft_id AND (v.generation_id = g.id OR NOT {_WRITES}))
"""  # noqa: S608 - put together from constants
"""Those that generation `g` wrote, or all of the draft's where its kind writes none, newest first; NULL for none."""
ARTEFACTS_OF = """
    (SELECT jsonb_agg(to_jsonb(a) ORDER BY a.created_at DESC, a.round DESC, a.id)
       FROM artefacts a WHERE a.generation_id = g.id)
"""
"""The files of generation `g`, newest first; NULL for none."""
_OPEN = Statement(
    f"""
    {_TOLD}
    SELECT g.*, CAST(jsonb_build_object(
        'draft', to_jsonb(d),
        'waited_ms', (SELECT extract(epoch FROM r.started_at - r.next_attempt_at) * 1000
                        FROM stage_runs r WHERE r.id = :run),
        'left_ms', extract(epoch FROM g.deadline_at - clock_timestamp()) * 1000,
        'source', (SELECT to_jsonb(s) FROM sources s LEFT JOIN variants v ON v.id = g.variant_id
                    WHERE s.draft_id = g.draft_id AND (s.generation_id = g.id OR NOT {_WRITES})
                    ORDER BY (s.generation_id = v.generation_id) DESC NULLS LAST, s.created_at DESC LIMIT 1),
        'variants', {VARIANTS_OF}, 'artefacts', {ARTEFACTS_OF},
        'judged', (SELECT jsonb_agg(jsonb_build_object('scene', r.scene, 'round', r.round, 'result', r.result))
                     FROM stage_runs r WHERE r.generation_id = g.id AND r.state = 'succeeded'
                      AND r.stage = 'VISUAL_VERIFICATION'),
        'take', CASE WHEN g.part IS NOT NULL AND g.variant_id IS NOT NULL
            THEN (SELECT count(*) FROM generations o
                   WHERE o.variant_id = g.variant_id AND o.part = g.part AND o.state = 'succeeded'
                     AND o.scene IS NOT DISTINCT FROM g.scene)
            ELSE (SELECT count(DISTINCT v.generation_id) FROM variants v
                   WHERE v.draft_id = g.draft_id AND v.generation_id <> g.id) END
        ) AS text) AS facts
      FROM g JOIN drafts d ON d.id = g.draft_id
    """  # noqa: S608 - put together from constants
)
_COMPLETED = Statement(
    f"""
    {_TOLD}
    SELECT g.*, (SELECT CAST(jsonb_agg(jsonb_build_object(
        'stage', r.stage, 'scene', r.scene, 'chunk', r.chunk, 'round', r.round, 'state', r.state,
        'type', r.result->>'type',
        'result', CASE WHEN r.result->>'type' NOT IN ('ingested', 'written', 'planned') THEN r.result END)) AS text)
        FROM stage_runs r WHERE r.generation_id = g.id) AS facts
      FROM g
    """  # noqa: S608 - put together from constants
)


class Judgement(msgspec.Struct, frozen=True):
    """One finished check of a scene's picture; `result` is its outcome as it is stored."""

    scene: int
    round: int
    result: Mapping[str, Any]


class Dossier(msgspec.Struct, frozen=True, kw_only=True):
    """All that a claimed run's stage may know, and how long the run has waited and may go on, in milliseconds."""

    draft: Draft
    waited_ms: float
    left_ms: float
    take: int
    source: Source | None = None
    variants: tuple[Variant, ...] | None = None
    artefacts: tuple[Artefact, ...] | None = None
    judged: tuple[Judgement, ...] | None = None

    @property
    def left(self) -> timedelta:
        """How long the generation may still take."""
        return timedelta(milliseconds=self.left_ms)


@dataclass(frozen=True, slots=True)
class Told:
    """The generation after an event, and the state that it had before."""

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
    """What happens to a generation whose row this transaction has locked by claiming or completing a run of it."""

    session: AsyncConnection

    async def opened(self, claim: Claim, data: Mapping[str, object]) -> tuple[Told, Dossier]:
        """Note that the claimed run has started, and the generation with its first, and read what its stage may know.

        Raises LookupError where the generation has ended.
        """
        told, facts = await self._tell(_OPEN, claim, "stage_started", data, run=claim.run_id, begins=True)
        return told, _dossier.decode(facts)

    async def completed(
        self, claim: Claim, data: Mapping[str, object]
    ) -> tuple[Generation, dict[Unit, Outcome], set[Unit]]:
        """Note that the run has ended well; return the generation, all that is concluded so far, and all planned units.

        Raises LookupError where the generation has ended.
        """
        told, facts = await self._tell(_COMPLETED, claim, "stage_completed", data, begins=False)
        planned: set[Unit] = set()
        finished: dict[Unit, Outcome] = {}
        for run in _standing.decode(facts):
            unit = Unit(stage=run.stage, scene=run.scene, chunk=run.chunk, round=run.round)
            planned.add(unit)
            if run.state == "succeeded":
                finished[unit] = run.result or _ELSEWHERE[run.type]
        return told.generation, finished, planned

    async def _tell(
        self, statement: Statement, claim: Claim, kind: str, data: Mapping[str, object], **values: object
    ) -> tuple[Told, str]:
        said = {"generation": claim.generation_id, "kind": kind, "data": msgspec.json.encode(data).decode()}
        found = await rows(self.session, statement, said | values)
        if not found:
            raise LookupError(claim.generation_id)
        known: dict[str, Any] = dict(found[0])
        facts, was = known.pop("facts"), GenerationState(known.pop("was"))
        known |= {"kind": GenerationKind(known["kind"]), "state": GenerationState(known["state"])}
        known["part"] = known["part"] and Part(known["part"])
        known["pause_after"] = known["pause_after"] and Stage(known["pause_after"])
        return Told(Generation(**known), was), facts

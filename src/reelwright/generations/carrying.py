"""Carry what one generation has finished over to another that goes on from it, so that nothing is made twice."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row as Record
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.model import Stage, Unit
from reelwright.generations.reuse import Done
from reelwright.ground.ids import GenerationId, StageRunId, VariantId, derived

# Both of one moment: going on changes the draft, too, and whoever looked twice would take that for an edit.
_STANDING = text(
    """
    SELECT (SELECT id FROM generations WHERE resumes = :failed AND id <> :besides LIMIT 1) AS successor,
      EXISTS (
        SELECT FROM generations g JOIN drafts d ON d.id = g.draft_id
          LEFT JOIN variants v ON v.draft_id = g.draft_id AND (v.generation_id = g.id OR v.id = g.variant_id)
         WHERE g.id = :failed AND (d.updated_at > g.ended_at OR v.updated_at > g.ended_at)
           AND EXISTS (SELECT FROM stage_runs r WHERE r.generation_id = g.id AND r.state = 'succeeded')) AS outdated
    """
)
_SOURCE = text(
    """
    INSERT INTO sources (generation_id, draft_id, kind, title, body, summary, language, attribution)
    SELECT :heir, draft_id, kind, title, body, summary, language, attribution
      FROM sources WHERE generation_id = :failed
    """
)
_WRITTEN = text("SELECT id, position FROM variants WHERE generation_id = :failed")
_VARIANTS = text(
    """
    INSERT INTO variants (id, draft_id, generation_id, position, title, hook, synopsis, arc, beats, caption, hashtags,
                          attribution, look, outline, version)
    SELECT copy.new, v.draft_id, :heir, v.position, v.title, v.hook, v.synopsis, v.arc, v.beats, v.caption, v.hashtags,
           v.attribution, v.look, v.outline, v.version
      FROM variants v JOIN unnest(CAST(:old AS uuid[]), CAST(:new AS uuid[])) AS copy (old, new) ON copy.old = v.id
    """
)
_SCENES = text(
    """
    INSERT INTO scenes (variant_id, position, narration, visual, image_prompt, duration_ms, motion_kind, motion_amount,
                        transition_kind, transition_frames, claim, take, voice_take, seed)
    SELECT copy.new, s.position, s.narration, s.visual, s.image_prompt, s.duration_ms, s.motion_kind, s.motion_amount,
           s.transition_kind, s.transition_frames, s.claim, s.take, s.voice_take, s.seed
      FROM scenes s
      JOIN unnest(CAST(:old AS uuid[]), CAST(:new AS uuid[])) AS copy (old, new) ON copy.old = s.variant_id
    """
)
_FINISHED = text(
    "SELECT id, stage, scene, chunk, round FROM stage_runs WHERE generation_id = :failed AND state = 'succeeded'"
)
_RUNS = text(
    """
    INSERT INTO stage_runs (id, generation_id, stage, scene, chunk, round, state, attempt, max_attempts, fence,
                            won_fence, progress, result, inputs_hash, queued_at, started_at, finished_at)
    SELECT copy.new, :heir, r.stage, r.scene, r.chunk, r.round, r.state, 0, r.max_attempts, 0,
           0, 1, r.result, r.inputs_hash, r.queued_at, r.started_at, r.finished_at
      FROM stage_runs r JOIN unnest(CAST(:old AS uuid[]), CAST(:new AS uuid[])) AS copy (old, new) ON copy.old = r.id
    """
)
# As above, to a place that is given: a scene may have moved since.
_TAKE_RUNS = text(
    """
    INSERT INTO stage_runs (id, generation_id, stage, scene, chunk, round, state, attempt, max_attempts, fence,
                            won_fence, progress, result, inputs_hash, queued_at, started_at, finished_at)
    SELECT copy.new, :heir, r.stage, copy.scene, copy.chunk, copy.round, r.state, 0, r.max_attempts, 0,
           0, 1, r.result, r.inputs_hash, r.queued_at, r.started_at, r.finished_at
      FROM stage_runs r
      JOIN unnest(CAST(:old AS uuid[]), CAST(:new AS uuid[]), CAST(:scenes AS smallint[]), CAST(:chunks AS smallint[]),
                  CAST(:rounds AS smallint[])) AS copy (old, new, scene, chunk, round) ON copy.old = r.id
    """
)
_TAKE_FILES = text(
    """
    INSERT INTO artefacts (id, generation_id, run_id, kind, key, media_type, size_bytes, sha256, inputs_hash, scene,
                           chunk, round, meta, created_at)
    SELECT copy.id, :heir, r.id, a.kind, a.key, a.media_type, a.size_bytes, a.sha256, a.inputs_hash, r.scene,
           r.chunk, r.round, a.meta, a.created_at
      FROM unnest(CAST(:old AS uuid[]), CAST(:kinds AS text[]), CAST(:new AS uuid[]), CAST(:ids AS uuid[]))
           AS copy (old, kind, new, id)
      JOIN artefacts a ON a.run_id = copy.old AND a.kind = copy.kind
      JOIN stage_runs r ON r.id = copy.new
    """
)
_FILES = text("SELECT id, run_id, kind FROM artefacts WHERE generation_id = :failed")
_ARTEFACTS = text(
    """
    INSERT INTO artefacts (id, generation_id, run_id, kind, key, media_type, size_bytes, sha256, inputs_hash, scene,
                           chunk, round, meta, created_at)
    SELECT copy.new, :heir, copy.run, a.kind, a.key, a.media_type, a.size_bytes, a.sha256, a.inputs_hash, a.scene,
           a.chunk, a.round, a.meta, a.created_at
      FROM artefacts a
      JOIN unnest(CAST(:old AS uuid[]), CAST(:new AS uuid[]), CAST(:run AS uuid[])) AS copy (old, new, run)
        ON copy.old = a.id
    """
)


@dataclass(frozen=True, slots=True)
class Carried:
    """What was carried over, by old id: the heir's own runs and variants."""

    runs: Mapping[StageRunId, StageRunId]
    variants: Mapping[VariantId, VariantId]


@dataclass(frozen=True, slots=True)
class Standing:
    """Which generation goes on from a failed one already, and whether its draft or story was changed since it ended."""

    successor: GenerationId | None
    outdated: bool


@dataclass(frozen=True, slots=True)
class Carrying:
    """What one generation leaves to the next, inside one transaction. Whoever writes has locked the failed one."""

    session: AsyncConnection

    async def standing(self, failed: GenerationId, *, besides: GenerationId) -> Standing:
        """Say what stands against going on from a failed generation, under an id that is no other's then."""
        row = (await self.session.execute(_STANDING, {"failed": failed, "besides": besides})).one()
        return Standing(successor=row.successor, outdated=row.outdated)

    async def carry(self, failed: GenerationId, heir: GenerationId, *, anew: Collection[Stage] = ()) -> Carried:
        """Copy source, variants, scenes, finished runs and the rows of their files; files themselves are shared.

        Runs of the stages that are to be done `anew` are left where they are.

        A carried run says so by attempt and fence 0: nobody worked on it in this generation. Raises IntegrityError
        where some were carried before.
        """
        await self.session.execute(_SOURCE, {"failed": failed, "heir": heir})
        variants = {
            VariantId(row.id): VariantId(derived(heir, "variant", row.position))
            for row in await self.session.execute(_WRITTEN, {"failed": failed})
        }
        await self._copy(_VARIANTS, heir, variants)
        await self._copy(_SCENES, heir, variants)
        runs = {
            StageRunId(row.id): _unit(row).run_id(heir)
            for row in await self.session.execute(_FINISHED, {"failed": failed})
            if row.stage not in anew
        }
        await self._copy(_RUNS, heir, runs)
        files = [row for row in await self.session.execute(_FILES, {"failed": failed}) if row.run_id in runs]
        copies = {row.id: derived(runs[row.run_id], row.kind) for row in files}
        await self._copy(_ARTEFACTS, heir, copies, run=[runs[row.run_id] for row in files])
        return Carried(runs=runs, variants=variants)

    async def take(self, heir: GenerationId, found: Mapping[Unit, Done]) -> None:
        """Copy single finished runs, and the rows of their files, to be these units of a render, as `carry` does."""
        units = [(done, unit, unit.run_id(heir)) for unit, done in found.items()]
        places = {
            "scenes": [unit.scene for _, unit, _ in units],
            "chunks": [unit.chunk for _, unit, _ in units],
            "rounds": [unit.round for _, unit, _ in units],
        }
        runs = {"old": [done.run for done, _, _ in units], "new": [run for _, _, run in units]}
        await self.session.execute(_TAKE_RUNS, {"heir": heir, **runs, **places})
        files = [(done.run, file.kind, run, derived(run, file.kind)) for done, _, run in units for file in done.files]
        if files:
            old, kinds, new, ids = ([file[at] for file in files] for at in range(4))
            await self.session.execute(_TAKE_FILES, {"heir": heir, "old": old, "kinds": kinds, "new": new, "ids": ids})

    async def _copy(self, statement: Any, heir: GenerationId, ids: Mapping[Any, Any], **more: Sequence[Any]) -> None:
        await self.session.execute(statement, {"heir": heir, "old": [*ids], "new": [*ids.values()], **more})


def _unit(row: Record[Any]) -> Unit:
    return Unit(stage=Stage(row.stage), scene=row.scene, chunk=row.chunk, round=row.round)

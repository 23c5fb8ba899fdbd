"""What a render need not make again, because an earlier generation of its draft has made it of the same inputs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations import inputs, pipeline
from reelwright.generations.branding import Brand
from reelwright.generations.inputs import Look, Makers
from reelwright.generations.model import ArtefactKind, Draft, Scene, Sound, Stage, Unit, Variant
from reelwright.generations.outcomes import Judged, Outcome
from reelwright.ground.ids import DraftId, GenerationId, StageRunId

# One run a name: one that was charged for before one that never was, then the latest. A generation that was cancelled
# has paid for what it had made, unless its unit was given back too; one that has failed has paid nothing.
_SHELF = text(
    """
    SELECT DISTINCT ON (r.inputs_hash) r.inputs_hash AS name, r.id, r.stage, r.scene, r.chunk, r.round,
           CAST(r.result AS text) AS result,
           g.state = 'succeeded' OR g.state = 'cancelled' AND g.units_returned_at IS NULL AS paid,
           CAST((SELECT coalesce(jsonb_agg(jsonb_build_object('kind', a.kind, 'sha256', a.sha256,
                                                              'looks', coalesce(a.meta->'looks', '[]'))), '[]')
                   FROM artefacts a WHERE a.run_id = r.id) AS text) AS files
      FROM generations g JOIN stage_runs r ON r.generation_id = g.id
     WHERE g.draft_id = :draft AND g.ended_at IS NOT NULL AND g.demo = :demo
       AND r.state = 'succeeded' AND r.inputs_hash IS NOT NULL
     ORDER BY r.inputs_hash, paid DESC, r.finished_at DESC, r.id
    """
)
_OWN = text(
    """
    SELECT r.stage, r.scene, r.chunk, r.round,
           CAST((SELECT coalesce(jsonb_agg(jsonb_build_object('kind', a.kind, 'sha256', a.sha256,
                                                              'looks', coalesce(a.meta->'looks', '[]'))), '[]')
                   FROM artefacts a WHERE a.run_id = r.id) AS text) AS files
      FROM stage_runs r WHERE r.generation_id = :generation AND r.state = 'succeeded'
    """
)


_FORGET = text(
    """
    UPDATE stage_runs SET inputs_hash = NULL
     WHERE id IN (SELECT run_id FROM artefacts WHERE key = :key) AND inputs_hash IS NOT NULL
    """
)


# Under these names stands what others of the draft's generations have made or taken over, too: the same bytes.
_DISTRUST = text(
    """
    UPDATE stage_runs SET inputs_hash = NULL
     WHERE id IN (
        SELECT r.id FROM generations g JOIN stage_runs r ON r.generation_id = g.id
         WHERE g.draft_id = (SELECT draft_id FROM generations WHERE id = :generation)
           AND r.inputs_hash IN (SELECT inputs_hash FROM stage_runs
                                  WHERE generation_id = :generation AND stage = ANY(CAST(:stages AS text[])))
         ORDER BY r.id FOR UPDATE OF r)
    """
)


class File(msgspec.Struct, frozen=True):
    """As much of a stored file as names are made of."""

    kind: ArtefactKind
    sha256: str
    looks: tuple[Look, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A finished run of an ended generation. `paid`: somebody was charged for it, so that nobody is again."""

    run: StageRunId
    outcome: Outcome
    files: tuple[File, ...]
    paid: bool


Shelf = Mapping[str, Done]
"""What a draft's ended generations have made, by the name of what it was made from."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """What lies ready for another render of a draft, inside one transaction."""

    session: AsyncConnection

    async def shelf(self, draft_id: DraftId, *, demo: bool) -> Shelf:
        """Return what the draft's ended generations have made. What a demo made is of use to demos only."""
        found = await self.session.execute(_SHELF, {"draft": draft_id, "demo": demo})
        return {
            row.name: Done(
                run=StageRunId(row.id),
                outcome=msgspec.json.decode(row.result, type=Outcome),
                files=msgspec.json.decode(row.files, type=tuple[File, ...]),
                paid=row.paid,
            )
            for row in found
        }

    async def forget(self, key: str) -> None:
        """Let nobody take over what a stored file is of any more: it is gone, or no longer what was made."""
        await self.session.execute(_FORGET, {"key": key})

    async def distrust(self, generation_id: GenerationId, stages: Collection[Stage]) -> None:
        """Let nobody take over what a generation's runs of these stages have made, nor what they had taken over."""
        values = {"generation": generation_id, "stages": [stage.value for stage in stages]}
        await self.session.execute(_DISTRUST, values)

    async def files(self, generation_id: GenerationId) -> dict[Unit, tuple[File, ...]]:
        """Return the files that a generation has so far, by the unit that they are of."""
        return {
            Unit(stage=Stage(row.stage), scene=row.scene, chunk=row.chunk, round=row.round): msgspec.json.decode(
                row.files, type=tuple[File, ...]
            )
            for row in await self.session.execute(_OWN, {"generation": generation_id})
        }


@dataclass(slots=True, kw_only=True)
class Making:
    """A render as far as it is: what it is of, what is finished, and the files of that."""

    draft: Draft
    variant: Variant
    makers: Makers
    finished: dict[Unit, Outcome] = field(default_factory=dict[Unit, Outcome])
    files: dict[Unit, tuple[File, ...]] = field(default_factory=dict[Unit, tuple[File, ...]])
    sound: Sound | None = None
    brand: Brand = field(default_factory=Brand)

    def __post_init__(self) -> None:
        self.draft = self.draft.heard(self.sound)

    def found(self, shelf: Shelf, *, besides: Collection[Unit] = ()) -> dict[Unit, Done]:
        """Return what of the rest lies on the shelf, and count it as finished. Units of `besides` are under way."""
        taken: dict[Unit, Done] = {}
        for unit, name in self._wanted(besides):
            done = shelf.get(name)
            if done is not None:
                taken[unit] = done
                self.finished[unit] = done.outcome
                self.files[unit] = done.files
        return taken

    def _wanted(self, besides: Collection[Unit]) -> Iterator[tuple[Unit, str]]:
        """Yield what may be taken, each once all that its name is made of is there: so that it can be taken at once."""
        for unit, name in self._named():
            if unit not in self.finished and unit not in besides:
                yield unit, name

    def names(self) -> dict[Unit, str]:
        """Return the names of all that can be named as far as it is: as the first makers make it."""
        names: dict[Unit, str] = {}
        for unit, name in self._named():
            names.setdefault(unit, name)
        return names

    def _named(self) -> Iterator[tuple[Unit, str]]:
        for named in (*map(self._scene, self.variant.scenes), self._mix(), self._chunks()):
            yield from named

    def _scene(self, scene: Scene) -> Iterator[tuple[Unit, str]]:
        at = scene.index
        yield Unit(stage=Stage.TTS_GENERATION, scene=at), inputs.voice(scene, self.draft, self.makers)
        faults: tuple[str, ...] = ()
        for tried in range(pipeline.MOST_ROUNDS):
            drawn = Unit(stage=Stage.VISUAL_GENERATION, scene=at, round=tried)
            for aspect in self.draft.aspect.shown:
                framed = replace(self.draft, aspect=aspect)
                for makers in self._in_turn(Stage.VISUAL_GENERATION):
                    yield drawn, inputs.picture(self.variant, scene, framed, makers, tried=tried, faults=faults)
            picture = self._sha256(drawn, ArtefactKind.IMAGE)
            if picture is None:
                return
            judged = Unit(stage=Stage.VISUAL_VERIFICATION, scene=at, round=tried)
            for makers in self._in_turn(Stage.VISUAL_VERIFICATION):
                yield judged, inputs.check(scene, picture, makers)
            verdict = self.finished.get(judged)
            if not isinstance(verdict, Judged):
                return
            if pipeline.settles(verdict):
                break
            faults = verdict.reasons
        best = Unit(stage=Stage.VISUAL_GENERATION, scene=at, round=pipeline.best_round(self.finished, at) or 0)
        chosen = self._sha256(best, ArtefactKind.IMAGE)
        if chosen is not None:
            yield Unit(stage=Stage.VIDEO_GENERATION, scene=at), inputs.clip(self.draft, chosen, self.makers)

    def _in_turn(self, stage: Stage) -> Iterator[Makers]:
        """Yield the makers with each of a stage's in the first place: of two that made a thing, the first one's counts.

        Voices have no such turns: half of a reel in one voice and half in another is no reel.
        """
        for who in self.makers.get(stage, ("",)):
            yield {**self.makers, stage: (who,)}

    def _mix(self) -> Iterator[tuple[Unit, str]]:
        voices = [Unit(stage=Stage.TTS_GENERATION, scene=scene.index) for scene in self.variant.scenes]
        if all(voice in self.finished for voice in voices):
            narrations = [self._sha256(voice, ArtefactKind.NARRATION) for voice in voices]
            yield (
                Unit(stage=Stage.AUDIO_MIXING),
                inputs.mix(self.variant, self.draft, narrations, self.makers, self.brand),
            )

    def _chunks(self) -> Iterator[tuple[Unit, str]]:
        for number, look in enumerate(self.looks):
            clips = [
                self._sha256(Unit(stage=Stage.VIDEO_GENERATION, scene=scene), ArtefactKind.CLIP)
                for scene in look.scenes
            ]
            known = [clip for clip in clips if clip is not None]
            if len(known) == len(clips):
                yield Unit(stage=Stage.VIDEO_ASSEMBLY, chunk=number), inputs.chunk(look, known, self.makers, self.brand)

    @property
    def looks(self) -> Sequence[Look]:
        """What the chunks show, once the mix and its timeline are there."""
        mixed = self.files.get(Unit(stage=Stage.AUDIO_MIXING), ())
        return next((file.looks for file in mixed if file.kind is ArtefactKind.TIMELINE), ())

    def _sha256(self, unit: Unit, kind: ArtefactKind) -> str | None:
        return next((file.sha256 for file in self.files.get(unit, ()) if file.kind is kind), None)

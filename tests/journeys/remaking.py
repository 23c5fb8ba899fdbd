"""Stages that make other bytes each time, as real providers do, and what a render of edited stories makes of them."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from reelwright.accounts import Account
from reelwright.generations import (
    ArtefactKind,
    Assignment,
    Bench,
    GenerationKind,
    Made,
    NewArtefact,
    Part,
    Stage,
    Unit,
    Variant,
    Variants,
    inputs_hash,
)
from reelwright.ground.ids import DraftId, GenerationId
from reelwright.ground.metering import Action, Use
from reelwright.ground.postgres import Database
from reelwright.journeys.workroom import Workroom
from tests.journeys.conftest import CHUNKS, SCENES, Studio, deliver_all, order

LAST = Unit(stage=Stage.VIDEO_ASSEMBLY)
MIX = Unit(stage=Stage.AUDIO_MIXING)
BY_SCENE = (Stage.VISUAL_GENERATION, Stage.VISUAL_VERIFICATION, Stage.VIDEO_GENERATION, Stage.TTS_GENERATION)
ALL = {
    *(Unit(stage=stage, scene=scene) for stage in BY_SCENE for scene in range(SCENES)),
    *(Unit(stage=Stage.VIDEO_ASSEMBLY, chunk=chunk) for chunk in range(CHUNKS)),
    MIX,
    LAST,
}


def voice(scene: int) -> Unit:
    return Unit(stage=Stage.TTS_GENERATION, scene=scene)


def pictures(scene: int) -> set[Unit]:
    """A scene's picture, its check and its motion source."""
    return {Unit(stage=stage, scene=scene) for stage in BY_SCENE[:3]}


def chunk(number: int) -> Unit:
    return Unit(stage=Stage.VIDEO_ASSEMBLY, chunk=number)


class Workshop(Studio):
    """Each scene is one chunk; the mix tells what each shows; every step that is priced is metered."""

    bench: Bench | None = None
    """The one that a stage was given last."""

    async def perform(self, task: Assignment, _tools: Any, bench: Bench) -> Made:
        self.bench = bench
        return await super().perform(task, _tools, bench)

    def made(self, task: Assignment, bench: Bench) -> Made:
        spoken = task.part is Part.SCENE_VOICE
        made = super().made(replace(task, part=None) if spoken else task, bench)
        unit = task.unit
        if unit.stage is Stage.AUDIO_MIXING:
            uses = tuple(
                Use(action=action, provider="reelwright", model="test", quantity=10_000)
                for action in (Action.MUSIC, Action.MIX)
            )
            return replace(made, artefacts=(*made.artefacts, self._timeline(task, bench)), uses=uses)
        if unit.stage is Stage.TTS_GENERATION:
            use = Use(action=Action.SPEECH, provider="offline", model="test", quantity=len(task.scene.narration))
            return replace(made, uses=(use,))
        if unit.chunk is not None:
            use = Use(action=Action.RENDER, provider="reelwright", model="test", quantity=5000)
            return replace(made, uses=(use,))
        return made

    def file(self, task: Assignment, bench: Bench, kind: ArtefactKind, ending: str, media_type: str) -> NewArtefact:
        file = super().file(task, bench, kind, ending, media_type)
        file.path.write_bytes(uuid4().bytes)
        return file

    def _timeline(self, task: Assignment, bench: Bench) -> NewArtefact:
        path = bench.workspace / "timeline.json"
        path.write_bytes(uuid4().bytes)
        shown = [(scene.narration, scene.duration_ms, scene.transition.kind) for scene in task.variant.scenes]
        looks = [(inputs_hash("look", scene), (place,), 5000) for place, scene in enumerate(shown)]
        meta: dict[str, object] = {"looks": looks}
        name = inputs_hash("timeline", task.unit.stage)
        return NewArtefact(
            kind=ArtefactKind.TIMELINE, path=path, media_type="application/json", inputs_hash=name, meta=meta
        )


@dataclass(frozen=True)
class Reels:
    """One account's draft with a story that has been rendered once, and what renders of it make from then on."""

    account: Account
    room: Workroom
    studio: Workshop
    draft: DraftId

    @property
    def db(self) -> Database:
        return self.room.db

    async def variant(self) -> Variant:
        async with self.db.begin() as tx:
            (found,) = await Variants(session=tx).of_draft(self.draft)
        return found

    async def order(self, **ordered: Any) -> GenerationId:
        wanted = {"kind": GenerationKind.RENDER, "draft": self.draft, **ordered}
        return (await order(self.account, self.db, self.room.gate, **wanted)).generation_id

    async def render(self, **ordered: Any) -> tuple[GenerationId, set[Unit]]:
        """Render it again; return the generation and what was made in it, each of it once."""
        self.studio.calls.clear()
        generation = await self.order(**ordered)
        await deliver_all(self.room)
        made: Counter[Unit] = self.studio.calls
        assert set(made.values()) <= {1}
        return generation, set(made)

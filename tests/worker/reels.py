"""Assignments with real files behind them, for the three rendering stages."""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from reelwright.generations import Made, MotionKind, TransitionKind, model
from reelwright.generations.model import ArtefactKind, Stage
from reelwright.ground.ids import AccountId, ArtefactId, DraftId, GenerationId, VariantId, derived
from reelwright.ground.metering import Action, Use
from reelwright.providers.model import Toolset
from tests.rooms.rendering import fixture

GENERATION = GenerationId(UUID(int=7))


@dataclass
class Bench:
    """A bench on a temporary folder: what a stage made is fetched from where it lies."""

    workspace: Path
    files: dict[ArtefactId, Path] = field(default_factory=dict)
    told: list[float] = field(default_factory=list)

    async def fetch(self, artefact: model.Artefact) -> Path:
        """Return a file in the workspace, as a worker's bench does: a process that is shut in sees no other."""
        made = self.files[artefact.id]
        local = self.workspace / f"in-{artefact.id.hex}{made.suffix}"
        if not local.exists():
            local.hardlink_to(made)
        return local

    def progress(self, done: float) -> None:
        self.told.append(done)


class Music:
    """A composer of the test bed."""

    async def compose(self, *, mood: str, duration_ms: int, seed: int) -> tuple[bytes, tuple[Use, ...]]:
        use = Use(action=Action.MUSIC, provider="test", model=mood, quantity=duration_ms)
        return fixture.music(duration_ms + 500, seed=seed), (use,)


TOOLS = cast("Toolset", type("Tools", (), {"music": Music()})())


@dataclass
class Reel:
    """A reel in the making: its files in one folder, its artefacts as the journey would hand them to a stage."""

    folder: Path
    draft: model.Draft
    scenes: tuple[model.Scene, ...]
    artefacts: list[model.Artefact] = field(default_factory=list)
    files: dict[ArtefactId, Path] = field(default_factory=dict)

    def put(
        self, kind: ArtefactKind, path: Path, *, scene: int | None = None, chunk: int | None = None, **meta: Any
    ) -> None:
        key = ArtefactId(derived(kind, scene, chunk, len(self.artefacts)))
        artefact = model.Artefact(
            id=key,
            generation_id=GENERATION,
            kind=kind,
            key=str(key),
            media_type="",
            size_bytes=path.stat().st_size,
            sha256=sha256(path.read_bytes()).hexdigest(),
            inputs_hash="",
            scene=scene,
            chunk=chunk,
            meta=meta,
        )
        self.artefacts.insert(0, artefact)
        self.files[key] = path

    def keep(self, made: Made, unit: model.Unit) -> None:
        for new in made.artefacts:
            self.put(new.kind, new.path, scene=unit.scene, chunk=unit.chunk, **new.meta)

    def bench(self, name: str) -> Bench:
        workspace = self.folder / name
        workspace.mkdir()
        return Bench(workspace, self.files)

    def task(self, stage: Stage, *, scene: int | None = None, chunk: int | None = None) -> model.Assignment:
        story = model.Story(title="", hook="", synopsis="", arc=(), beats=(), caption="", hashtags=())
        variant = model.Variant(id=VariantId(UUID(int=3)), position=0, story=story, scenes=self.scenes)
        return model.Assignment(
            generation_id=GENERATION,
            account_id=AccountId(UUID(int=1)),
            kind=model.GenerationKind.VIDEO,
            unit=model.Unit(stage=stage, scene=scene, chunk=chunk),
            attempt=1,
            draft=self.draft,
            variants=(variant,),
            artefacts=tuple(self.artefacts),
        )


def begun(
    folder: Path, *, scenes: int = 2, seconds: int = 6, words: int = 7, music: str = "auto", aspect: str = "9:16"
) -> Reel:
    """A reel whose pictures and narrations exist."""
    motions, transitions = list(MotionKind), list(TransitionKind)
    drawn = tuple(
        model.Scene(
            index=i,
            narration="spoken",
            visual="",
            image_prompt="",
            duration_ms=seconds * 1000 // scenes,
            motion=model.Motion(kind=motions[i % len(motions)]),
            transition=model.Transition(kind=transitions[i % len(transitions)]),
        )
        for i in range(scenes)
    )
    draft = model.Draft(
        id=DraftId(UUID(int=2)),
        account_id=AccountId(UUID(int=1)),
        topic="x",
        duration_s=seconds,
        music=music,
        aspect=model.Aspect(aspect),
    )
    reel = Reel(folder, draft, drawn)
    width, height = draft.aspect.size
    for i in range(scenes):
        image = fixture.picture(folder / f"image_{i}.png", seed=i, size=(round(width * 1.15), round(height * 1.15)))
        reel.put(ArtefactKind.IMAGE, image, scene=i)
        wav, times = fixture.speech(words, seed=i)
        voice = folder / f"voice_{i}.wav"
        voice.write_bytes(wav)
        length_ms = times[-1][2] + 60
        reel.put(
            ArtefactKind.NARRATION, voice, scene=i, duration_ms=length_ms, words=[list(t) for t in times], exact=True
        )
    return reel

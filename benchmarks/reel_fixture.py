"""The reel that render.py renders: pictures, voices, words and music, made up the same every time."""

import os
import wave
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from PIL import Image, ImageDraw

from reelwright.generations import Brand, Made, MotionKind, Profile, TransitionKind, model
from reelwright.generations.model import ArtefactKind, Stage
from reelwright.ground.ids import AccountId, ArtefactId, DraftId, GenerationId, VariantId, derived

SCENE_S, RATE = 5, 48_000
TRANSITIONS = ("fade", "slide", "push_up", "circle", "dip")
MOTIONS = ("push_in", "pull_out", "pan_right")
SENTENCE = ["Cats", "purr", "at", "twenty-five", "hertz", "and", "their", "bones", "may", "heal", "faster", "for", "it"]


def picture(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    share = np.linspace(0, 1, 2208)[:, None, None]
    ground = rng.integers(30, 120, 3) * (1 - share) + rng.integers(90, 220, 3) * share
    image = Image.fromarray(np.broadcast_to(ground, (2208, 1242, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, r = rng.uniform(0, 1242), rng.uniform(0, 2208), rng.uniform(15, 260)
        draw.ellipse(
            (x - r, y - r, x + r, y + r), fill=tuple(map(int, rng.integers(20, 250, 3))), outline="white", width=4
        )
    image.save(path, compress_level=1)


def write_wav(path: Path, samples: np.ndarray, channels: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())


def voice(path: Path, seed: int) -> list[tuple[str, int, int]]:
    rng = np.random.default_rng(seed)
    samples, words = np.zeros(RATE * 9 // 2), list[tuple[str, int, int]]()
    for i, text in enumerate(SENTENCE):
        start, length = 60 + 330 * i, 280
        t = np.arange(RATE * length // 1000) / RATE
        sound = sum(np.sin(2 * np.pi * 110 * k * t + rng.uniform(0, 6)) / k for k in range(1, 24))
        at = RATE * start // 1000
        samples[at : at + len(t)] += 0.08 * sound * np.sin(np.pi * np.arange(len(t)) / len(t))
        words.append((text, start, start + length))
    write_wav(path, samples, 1)
    return words


def bed(duration_ms: int) -> np.ndarray:
    t = np.arange(RATE * duration_ms // 1000) / RATE
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220, 277.2, 329.6)) / 12
    return np.repeat(chord[:, None], 2, axis=1)


@dataclass
class Fixture:
    """Files of one reel in one folder, and the stages' view of them."""

    folder: Path
    scenes: int
    profile: str = "normal"
    artefacts: list[model.Artefact] = field(default_factory=list)
    files: dict[ArtefactId, Path] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, scenes: int, profile: str = "normal") -> "Fixture":
        made = cls(folder, scenes, profile)
        for i in range(scenes):
            image, narration = folder / f"image{i}.png", folder / f"voice{i}.wav"
            if not image.exists():
                picture(image, i)
            words = voice(narration, i)
            made.put(ArtefactKind.IMAGE, image, scene=i)
            made.put(ArtefactKind.NARRATION, narration, scene=i, duration_ms=4500, words=[list(w) for w in words])
        write_wav(folder / "music.wav", bed(scenes * SCENE_S * 1000), 2)
        return made

    def put(
        self, kind: ArtefactKind, path: Path, *, scene: int | None = None, chunk: int | None = None, **meta: Any
    ) -> None:
        key = ArtefactId(derived(kind, scene, chunk))
        about = {"key": "", "media_type": "", "size_bytes": 0, "inputs_hash": "", "meta": meta}
        digest = sha256(path.read_bytes()).hexdigest()
        generation = GenerationId(UUID(int=1))
        self.artefacts.append(
            model.Artefact(
                id=key, generation_id=generation, kind=kind, sha256=digest, scene=scene, chunk=chunk, **about
            )
        )
        self.files[key] = path

    def keep(self, made: Made, unit: model.Unit) -> None:
        for new in made.artefacts:
            self.put(new.kind, new.path, scene=unit.scene, chunk=unit.chunk, **new.meta)

    def task(self, stage: Stage, *, scene: int | None = None, chunk: int | None = None) -> model.Assignment:
        scenes = tuple(
            model.Scene(
                index=i,
                narration="spoken",
                visual="",
                image_prompt="",
                duration_ms=SCENE_S * 1000,
                motion=model.Motion(kind=MotionKind(MOTIONS[i % 3])),
                transition=model.Transition(kind=TransitionKind(TRANSITIONS[i % 5])),
            )
            for i in range(self.scenes)
        )
        story = model.Story(title="", hook="", synopsis="", arc=(), beats=(), caption="", hashtags=())
        return model.Assignment(
            generation_id=GenerationId(UUID(int=1)),
            account_id=AccountId(UUID(int=1)),
            kind=model.GenerationKind.RENDER,
            unit=model.Unit(stage=stage, scene=scene, chunk=chunk),
            attempt=1,
            draft=model.Draft(
                id=DraftId(UUID(int=1)), account_id=AccountId(UUID(int=1)), duration_s=self.scenes * SCENE_S
            ),
            variants=(model.Variant(id=VariantId(UUID(int=1)), position=0, story=story, scenes=scenes),),
            artefacts=tuple(self.artefacts),
            brand=Brand(profile=Profile(self.profile)),
        )


@dataclass
class Bench:
    workspace: Path
    files: dict[ArtefactId, Path]

    async def fetch(self, artefact: Any) -> Path:
        """Return the file in the workspace, as a worker's own bench does: a media process sees nothing else."""
        there = self.files[artefact.id]
        here = self.workspace / f"{artefact.id.hex}{there.suffix}"
        if not here.exists():
            os.link(there, here)
        return here

    def progress(self, done: float) -> None:
        pass


class Music:
    def __init__(self, wav: Path) -> None:
        self.wav = wav

    async def compose(self, **_: Any) -> tuple[bytes, tuple[()]]:
        return self.wav.read_bytes(), ()

"""Stages that only pretend, for real worker processes; each call of theirs is written down as a provider would bill it.

The draft's topic tells them how to behave: `poison STAGE` kills the process whenever it comes to that stage, `real
STAGE` has that stage do what it does in production, and media.py knows some words more.
"""

import os
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from reelwright.generations import Assignment, Bench, Made, Mixed, Stage, Written
from reelwright.journeys.workroom import StageWork
from tests.chaos import media
from tests.journeys.conftest import Studio

CALLS = "REELWRIGHT_CHAOS_CALLS"
"""The file in which every call of a stage is written down."""
ARMS = "REELWRIGHT_CHAOS_ARMS"
"""The file that tells one process what is armed."""
_SCENE_S = 10


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a stage's work: which unit, in which attempt, in which process."""

    generation: UUID
    stage: Stage
    scene: int | None
    chunk: int | None
    attempt: int
    pid: int

    @property
    def unit(self) -> tuple[Stage, int | None, int | None]:
        return self.stage, self.scene, self.chunk


@dataclass
class Pretence(Studio):
    """One scene and one chunk for each ten seconds, and a line in a file for each call. `real` are the stages' own."""

    real: Mapping[Stage, StageWork] = field(default_factory=dict[Stage, StageWork])

    async def perform(self, task: Assignment, tools: Any, bench: Bench) -> Made:
        _write(task)
        topic = task.draft.topic or ""
        if f"poison {task.unit.stage}" in topic:
            os.kill(os.getpid(), signal.SIGKILL)
        if f"real {task.unit.stage}" in topic:
            return await self.real[task.unit.stage](task, tools, bench)
        await media.played(task, bench)
        return self.made(task, bench)

    def made(self, task: Assignment, bench: Bench) -> Made:
        made = super().made(task, bench)
        parts = max(1, task.draft.duration_s // _SCENE_S)
        if isinstance(made.outcome, Written):
            stories = tuple(
                replace(story, beats=tuple(story.beats[n % len(story.beats)] for n in range(parts)))
                for story in made.outcome.stories
            )
            return replace(made, outcome=Written(stories=stories))
        if isinstance(made.outcome, Mixed):
            return replace(made, outcome=Mixed(chunks=parts, duration_ms=made.outcome.duration_ms))
        return made


def _write(task: Assignment) -> None:
    unit = task.unit
    line = f"{task.generation_id} {unit.stage} {unit.scene} {unit.chunk} {task.attempt} {os.getpid()}\n"
    descriptor = os.open(os.environ[CALLS], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode())  # one write, so that lines of two processes never mix
    os.close(descriptor)


def calls(file: Path, generation: UUID) -> list[Call]:
    """Return every call that was made for a generation, in order."""
    found: list[Call] = []
    for line in file.read_text(encoding="ascii").splitlines() if file.exists() else ():
        words = line.split()
        scene, chunk = (None if word == "None" else int(word) for word in words[2:4])
        found.append(Call(UUID(words[0]), Stage(words[1]), scene, chunk, int(words[4]), int(words[5])))
    return [call for call in found if call.generation == generation]


def repeated(made: list[Call]) -> Counter[Stage]:
    """Return how many calls of each stage were made more than once for their unit."""
    extra = Counter({unit: count - 1 for unit, count in Counter(call.unit for call in made).items()})
    again: Counter[Stage] = Counter()
    for (stage, _, _), count in extra.items():
        again[stage] += count
    return +again

"""What a worker's journeys need around them: connections, tools, the stages' code and the timings."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from reelwright.admission import Gate, Place
from reelwright.generations import Assignment, Bench, Made, Stage
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage
from reelwright.providers import Toolset

StageWork = Callable[[Assignment, Toolset, Bench], Awaitable[Made]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """How long things may take. Tests shrink them."""

    heartbeat: timedelta = timedelta(seconds=10)
    lease: timedelta = timedelta(seconds=45)
    stage_deadline: timedelta = timedelta(minutes=10)
    retry_delay: timedelta = timedelta(seconds=2)
    busy_delay: timedelta = timedelta(seconds=2)
    most_attempts: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Workroom:
    """One worker process's surroundings, made by the roof."""

    db: Database
    gate: Gate
    storage: Storage
    tools: Toolset
    stages: Mapping[Stage, StageWork]
    places: Mapping[Stage, Place]
    workspace: Path
    timings: Timings

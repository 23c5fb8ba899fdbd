"""What a worker's journeys need around them: connections, tools, the stages' code and the timings."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from reelwright.admission import Gate, Place
from reelwright.generations import ArtefactKind, Assignment, Bench, Made, Stage
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage
from reelwright.journeys.chores import Chore
from reelwright.providers import Lane, Toolset, lane_places

StageWork = Callable[[Assignment, Toolset, Bench], Awaitable[Made]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """How long things may take. Tests shrink them."""

    heartbeat: timedelta = timedelta(seconds=10)
    lease: timedelta = timedelta(seconds=45)
    stage_deadline: timedelta = timedelta(minutes=10)
    retry_delay: timedelta = timedelta(seconds=2)
    longest_retry_delay: timedelta = timedelta(minutes=1)
    busy_delay: timedelta = timedelta(milliseconds=500)
    """A run that found no place stays away this long at least; the line may tell it a longer wait."""
    most_attempts: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Workroom:
    """One worker process's surroundings, made by the roof. `places` are the interactive lane's.

    `hands`: the tools with another model at its crafts, by provider and model, for whoever is in `Place.instead`.
    `leaving`, once set, cuts the work that is still under way: it is given back, and counts as no attempt.
    """

    db: Database
    gate: Gate
    storage: Storage
    tools: Toolset
    stages: Mapping[Stage, StageWork]
    places: Mapping[Stage, Place]
    workspace: Path
    timings: Timings
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    chores: Mapping[str, Chore] = field(default_factory=dict[str, Chore])
    hands: Mapping[tuple[str, str], Toolset] = field(default_factory=dict[tuple[str, str], Toolset])

    def place(self, stage: Stage, lane: str) -> Place | None:
        """Return the place that a stage needs in a lane while it runs; None where it calls no provider."""
        people = self.places.get(stage)
        return people and in_lane(people, lane)

    def turns(self, task: Assignment) -> "tuple[Workroom, ...]":
        """Return this room for each who may do a task, in order: with their place and their tools.

        Who has begun to speak a reel speaks on: half of it in another voice would be no reel.
        """
        stage, place = task.unit.stage, self.places.get(task.unit.stage)
        if place is None or not place.instead:
            return (self,)
        each = tuple(replace(one, instead=()) for one in (place, *place.instead))
        if stage is Stage.TTS_GENERATION:
            spoke = {a.meta.get("by") for a in task.artefacts if a.kind is ArtefactKind.NARRATION}
            each = tuple(who for who in each if f"{who.provider}:{who.model}" in spoke) or each
        return tuple(
            replace(
                self,
                places={**self.places, stage: replace(who, instead=tuple(other for other in each if other != who))},
                tools=self.hands.get((who.provider, who.model), self.tools),
            )
            for who in each
        )


def in_lane(place: Place, lane: str) -> Place:
    """Return the place at the same model in that lane, and none in its stead."""
    alone = replace(place, instead=())
    return alone if place.lane == lane else place_of(place.provider, place.model, Lane(lane))


def place_of(provider: str, model: str, lane: Lane) -> Place:
    """Return a model's place in a lane, as the catalogue has it."""
    found = lane_places(provider, model, lane)
    return Place(
        provider=provider,
        model=model,
        lane=lane.value,
        cap=found.cap,
        capacity=found.capacity,
        rival=found.rival.value,
        rival_floor=found.rival_floor,
    )

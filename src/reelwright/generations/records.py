"""What the repositories of this room hand out and take in: plain values of generations, stage runs and events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from reelwright.generations.model import ArtefactKind, GenerationKind, GenerationState, Part, RunState, Stage, Unit
from reelwright.ground.ids import AccountId, DraftId, GenerationId, StageRunId, VariantId

LIVE = ("queued", "running")  # the states that a generation or a run has not ended in


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGeneration:
    """A generation that was admitted: what is kept of the moment, so that nothing later reprices or recounts it.

    `deadline` is how long it may take, by the database's clock. `admitted_at` is admission's instant: it decides the
    month and hour that the units belong to. `part`, and its `scene` where it is one's, say what of the variant a
    targeted regeneration makes anew. `resumes` is the failed one that it goes on from. It rests behind the stage
    `pause_after`, if there is one.
    """

    id: GenerationId
    account_id: AccountId
    draft_id: DraftId
    kind: GenerationKind
    fingerprint: bytes
    plan: str
    price_version: int
    hold_micro: int
    admitted_at: datetime
    deadline: timedelta
    lane: str = "interactive"
    variants_wanted: int = 1
    generation_units: int = 1
    full_units: int = 0
    variant_id: VariantId | None = None
    part: Part | None = None
    scene: int | None = None
    demo: bool = False
    request_id: str | None = None
    resumes: GenerationId | None = None
    sound: Mapping[str, object] | None = None
    brand: Mapping[str, object] | None = None
    pause_after: Stage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One accepted run on a draft. `gate` is the release gate's report; `event_seq` the number of the last event.

    `paused_at` is set while it is paused, `pause_after` while a stage is ahead behind which it will pause; `resumes` is
    the failed generation that it goes on from.
    """

    id: GenerationId
    account_id: AccountId
    draft_id: DraftId
    kind: GenerationKind
    state: GenerationState
    plan: str
    price_version: int
    hold_micro: int
    lane: str
    variants_wanted: int
    generation_units: int
    full_units: int
    units_returned_at: datetime | None
    variant_id: VariantId | None
    part: Part | None
    scene: int | None
    demo: bool
    request_id: str | None
    admitted_at: datetime
    deadline_at: datetime
    paused_at: datetime | None
    pause_after: Stage | None
    resumes: GenerationId | None
    failure_code: str | None
    failure_sentence: str | None
    gate: Mapping[str, object] | None
    sound: Mapping[str, object] | None
    brand: Mapping[str, object] | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    event_seq: int

    @property
    def live(self) -> bool:
        """Whether it has not ended yet."""
        return self.ended_at is None


class Regenerated(NamedTuple):
    """One regeneration of a draft that was not given back, and the plan that it was admitted under."""

    draft_id: DraftId
    generation_id: GenerationId
    plan: str
    admitted_at: datetime


class AdmissionFacts(NamedTuple):
    """What admission counts, from the rows: units in the month and the hour, what is live with its deadline.

    And the regenerations since some instant, in the order of their admission.
    """

    generations_month: int
    generations_hour: int
    full_month: int
    live: tuple[tuple[GenerationId, datetime], ...]
    regenerated: tuple[Regenerated, ...]


class Counted(NamedTuple):
    """An account's use in one month and hour, from the rows: units, and how many generations are live."""

    month: int
    hour: int
    full: int
    live: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to a generation. `seq` grows in the order of the commits, without gaps."""

    seq: int
    kind: str
    data: Mapping[str, object]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One stage run as it stands. `result` is its outcome as JSON, told apart by `type`."""

    id: StageRunId
    generation_id: GenerationId
    unit: Unit
    state: RunState
    attempt: int
    max_attempts: int
    fence: int
    won_fence: int | None
    progress: float
    error_code: str | None
    result: Mapping[str, object] | None
    next_attempt_at: datetime
    lease_until: datetime | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to work on a run until the lease ends. Every write of this run must carry the fence."""

    run_id: StageRunId
    generation_id: GenerationId
    unit: Unit
    attempt: int
    max_attempts: int
    fence: int

    @property
    def last(self) -> bool:
        """Whether there is no further attempt."""
        return self.attempt >= self.max_attempts


class Pulse(StrEnum):
    """What a heartbeat learns: go on; stop, the generation has ended; stop, this attempt's time is over, or its run's.

    After `LATE` the lease is over too, and the sweep gives the run to another.
    """

    OK = "ok"
    ENDED = "ended"
    LATE = "late"
    LOST = "lost"


class Reason(StrEnum):
    """Why a run can't be claimed: no such run; it or its generation ended; paused; held; too early; no tries left."""

    UNKNOWN = "unknown"
    ENDED = "ended"
    PAUSED = "paused"
    HELD = "held"
    EARLY = "early"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class WhyNot:
    """The reason, and how long it will hold at least (zero where asking again won't help)."""

    reason: Reason
    wait: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleRun:
    """A run that somebody should look after: its lease has expired, or it waits and nobody was told in a long while."""

    id: StageRunId
    generation_id: GenerationId
    unit: Unit
    state: RunState
    attempt: int
    max_attempts: int
    fence: int

    @property
    def exhausted(self) -> bool:
        """Whether there is no further attempt."""
        return self.attempt >= self.max_attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArtefact:
    """A file that a run made and that is in storage under `key`. Recording it makes it an artefact."""

    kind: ArtefactKind
    key: str
    media_type: str
    size_bytes: int
    sha256: str
    inputs_hash: str
    meta: Mapping[str, object] = field(default_factory=dict[str, object])

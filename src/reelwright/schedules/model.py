"""Schedules and their runs as plain values."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from reelwright.ground.ids import AccountId, GenerationId, ScheduleId, derived
from reelwright.schedules.timing import Timing
from reelwright.schedules.topics import Source

MOST_SCHEDULES = 50
"""So many an account may have at once."""
FAILURES = 3
"""So many runs in a row that fail or are refused pause a schedule."""
LATE = timedelta(minutes=15)
"""A due time that is found later than this was missed."""
PATIENCE = timedelta(hours=1)
"""A run that meets a limit or an outage is tried again so long, but not beyond the next due time."""


class Missed(StrEnum):
    """What becomes of due times at which nobody was there to run them: nothing, or one run for the latest of them."""

    SKIP = "skip"
    CATCH_UP_ONE = "catch_up_one"


class ScheduleState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class RunOutcome(StrEnum):
    """Due: not started yet. Refused: never started. Skipped: there was nothing to make. The others are the reel's."""

    DUE = "due"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    MISSED = "missed"
    SKIPPED = "skipped"


class Making(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How each reel is made: the same choices as those of a single order, with the same meaning."""

    kind: Annotated[str, Meta(pattern=r"^(video|script)$")] = "video"
    platform: Annotated[str, Meta(pattern=r"^(tiktok|reels|shorts)$")] = "tiktok"
    tone: Annotated[str, Meta(pattern=r"^(calm|curious|energetic|serious|warm)$")] = "curious"
    language: Annotated[str, Meta(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    duration_s: Annotated[int, Meta(ge=10, le=180, description="Target length in seconds.")] = 30
    aspect: Annotated[str, Meta(pattern=r"^(9:16|1:1|16:9)$")] = "9:16"
    voice: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_\-]{1,64}$")] = "default"
    music: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_\-]{1,64}$")] = "auto"
    caption_style: Annotated[str, Meta(pattern=r"^(classic|box|karaoke|pop|subtitle)$")] = "classic"
    brand_kit_id: Annotated[UUID, Meta(description="A brand kit of yours; without it once that is deleted.")] | None = (
        None
    )
    profile: Annotated[str, Meta(pattern=r"^(normal|fast|preview)$")] = "normal"
    variants: Annotated[int, Meta(ge=1, le=5)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most that a schedule may run, and cost in micro-credits, in a UTC calendar month; None is no limit.

    A run counts for what it can cost at most until it has ended, then for what it cost.
    """

    runs_month: int | None = None
    micro_month: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What came of a schedule's runs so far. `failures`: so many in a row, the newest included."""

    started: int = 0
    succeeded: int = 0
    failed: int = 0
    refused: int = 0
    missed: int = 0
    failures: int = 0
    spent_micro: int = 0
    last_run_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What its owner says of a schedule."""

    name: str
    timing: Timing
    source: Source
    making: Making
    missed: Missed
    budget: Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule as it stands. `position` counts the runs that it has started with its present source.

    `version` counts its owner's changes from 1.
    """

    id: ScheduleId
    account_id: AccountId
    wanted: Wanted
    state: ScheduleState
    pause_code: str | None
    pause_sentence: str | None
    next_due_at: datetime | None
    position: int
    version: int
    statistics: Statistics
    created_at: datetime
    updated_at: datetime

    @property
    def live(self) -> bool:
        """Whether it runs when it is due."""
        return self.state is ScheduleState.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRun:
    """One due time and what came of it. `missed` counts the due times that a missed one stands for."""

    id: GenerationId
    schedule_id: ScheduleId
    due_at: datetime
    state: RunOutcome
    code: str | None
    sentence: str | None
    topic: str | None
    price_micro: int | None
    charged_micro: int | None
    missed: int
    attempts: int
    give_up_at: datetime
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


def run_id(account: AccountId, schedule: ScheduleId, due_at: datetime) -> GenerationId:
    """Return the id of a due time's run and of the generation that it starts, always the same."""
    return GenerationId(derived(account, "schedule", key_of(schedule, due_at)))


def key_of(schedule: ScheduleId, due_at: datetime) -> str:
    """Return the name of a due time: it stands where a person's Idempotency-Key would."""
    return f"schedule:{schedule}:{due_at.timestamp():.0f}"


def schedule_id(account: AccountId, key: str) -> ScheduleId:
    """Return the id of the schedule that creating one with this Idempotency-Key makes."""
    return ScheduleId(derived(account, "POST /v1/schedules", key))

"""What is limited, how much of it, and when each period ends: pure values, no Redis."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Self


class Policy(StrEnum):
    """A named limit, in the order in which admission weighs and reports them."""

    COOLDOWN = "cooldown"
    GENERATIONS_MONTH = "generations_month"
    GENERATIONS_HOUR = "generations_hour"
    FULL_REGENERATIONS_MONTH = "full_regenerations_month"
    CONCURRENT = "concurrent"
    PROVIDER_PLACE = "provider_place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a plan allows. `full_regenerations_month` None means no cap; 0 means none at all."""

    generations_month: int
    generations_hour: int
    full_regenerations_month: int | None
    concurrent: int
    cooldown_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """The UTC calendar month and clock hour around an instant: half-open, so an end belongs to the next one."""

    month: str
    month_start: datetime
    month_end: datetime
    hour: str
    hour_start: datetime
    hour_end: datetime

    @classmethod
    def at(cls, now: datetime) -> Self:
        """Return the periods that hold an aware instant; labels are yyyymm and yyyymmddhh. Raises ValueError."""
        if now.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return cls._of(now.astimezone(UTC).replace(minute=0, second=0, microsecond=0))

    @classmethod
    @lru_cache(maxsize=64)  # an order asks for the same hour's several times
    def _of(cls, hour_start: datetime) -> Self:
        month_start = hour_start.replace(day=1, hour=0)
        return cls(
            month=f"{month_start:%Y%m}",
            month_start=month_start,
            month_end=(month_start + timedelta(days=32)).replace(day=1),
            hour=f"{hour_start:%Y%m%d%H}",
            hour_start=hour_start,
            hour_end=hour_start + timedelta(hours=1),
        )


def until_month_end(now: datetime) -> timedelta:
    """Return how long the calendar month of an instant still lasts, in UTC."""
    return Periods.at(now).month_end - now

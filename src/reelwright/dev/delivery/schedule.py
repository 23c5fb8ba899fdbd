"""One schedule: a message published anew at each instant that its cron expression names."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from reelwright.dev.delivery.message import Message, Refused


def next_tick(cron: str, *, after: float) -> float:
    """Return the next instant (s) that "*/5 * * * *" or "CRON_TZ=Europe/Rome 0 4 * * 1" names. Raises Refused."""
    try:
        zone, *fields = cron.removeprefix("CRON_TZ=").split() if cron.startswith("CRON_TZ=") else ["UTC", *cron.split()]
        since = datetime.fromtimestamp(after, UTC).astimezone(ZoneInfo(zone))
        minute, hour, day, month, weekday = (field.upper() for field in fields)
        return next(CronSim(f"{minute} {hour} {day} {month} {weekday}", since)).timestamp()
    except (CronSimError, StopIteration, LookupError, OSError, ValueError) as error:
        raise Refused(400, f"invalid cron: {cron!r} (five fields, and CRON_TZ=Zone before them if need be)") from error


@dataclass(slots=True, kw_only=True)
class Schedule:
    """`sample` is what each message is like. Instants in seconds. Raises Refused."""

    sample: Message
    id: str = field(init=False)
    created: float = field(init=False)
    due: float = field(init=False)
    paused: bool = False

    def __post_init__(self) -> None:
        self.id = self.sample.option("schedule-id") or f"scd_{secrets.token_hex(14)}"
        self.sample.options = {**self.sample.options, "upstash-schedule-id": self.id}
        self.created, self.due = self.sample.created, next_tick(self.cron, after=self.sample.created)

    @property
    def cron(self) -> str:
        return self.sample.option("cron")

    def public(self) -> dict[str, Any]:
        """Return the schedule as `GET /v2/schedules/{id}` shows it; instants in milliseconds."""
        times = {"createdAt": int(self.created * 1000), "nextScheduleTime": int(self.due * 1000)}
        own = {"destination": self.sample.url, "cron": self.cron, "isPaused": self.paused}
        return self.sample.public() | times | own | {"retries": self.sample.retries}

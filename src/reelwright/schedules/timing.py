"""When a schedule is due: five cron fields in a time zone, through every change of its clocks. Pure functions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from reelwright.ground.errors import Refusal

LEAST_MINUTES = 15
_FIELDS = 5
_LONGEST_CRON = 100
_HOURS, _HOUR_MINUTES = 24, 60
_LETTERS = re.compile(r"[0-9A-Za-z*/,#\- ]+")
_COUNTED = 500
"""Due times that passed are counted so far: five days of the most frequent schedule, years of a weekly one."""
_SPANS = tuple(timedelta(days=days) for days in (2, 40, 400, 4_000))
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)


class NotDue(Refusal):
    """The cron expression or the time zone can't be used; `field` says which."""

    code = "schedule.timing"


@dataclass(frozen=True, slots=True)
class Passed:
    """Due times that have come: the latest one, and how many (at least) there were before it."""

    latest: datetime
    before: int


@dataclass(frozen=True, slots=True)
class Timing:
    """A cron expression in a time zone, both as they were written. Make it by `timing`, which checks them.

    Fields: minute, hour, day of month, month, day of week; names (MON, JAN), ranges, lists, steps, `L`, `LW`, `MON#2`.
    Hours other than `*` are local times: one that the clocks skip is due once, at the first minute after the gap; one
    that comes twice is due the first time only. With `*` a schedule is due by the time that elapses, every real hour.
    """

    cron: str
    timezone: str

    def after(self, instant: datetime) -> datetime | None:
        """Return the first due time after an instant, in UTC; None where there is none in 50 years."""
        return next(self._times(instant), None)

    def passed(self, since: datetime, until: datetime) -> Passed:
        """Return what came from `since`, itself a due time, to `until`, both included."""
        latest, before = since, 0
        for at in self._times(since):
            if at > until:
                break
            latest, before = at, before + 1
            if before == _COUNTED:
                return Passed(self._last(until, latest), before)
        return Passed(latest, before)

    def _last(self, until: datetime, latest: datetime) -> datetime:
        """Return the last due time up to an instant, without going through all that came since `latest`."""
        for span in _SPANS:
            found = None
            for at in self._times(max(latest, until - span)):
                if at > until:
                    break
                found = at
            if found is not None:
                return found
        return latest

    def _times(self, instant: datetime) -> Iterator[datetime]:
        """Yield due times after an instant, in UTC and in order."""
        last = instant
        for local in CronSim(_spelt_out(self.cron), instant.astimezone(ZoneInfo(self.timezone))):
            at = local.astimezone(UTC)
            if at > last:  # an hour that comes twice lies, seen from its second coming, in the past
                last = at
                yield at


def timing(cron: str, timezone: str, *, now: datetime) -> Timing:
    """Return the timing after every check. Raises NotDue, with the field and what to write instead."""
    if timezone not in _zones():
        raise NotDue("timezone: use a name of the IANA list, such as Europe/Berlin or UTC.", field="timezone")
    written = " ".join(cron.split())
    try:
        if len(written) > _LONGEST_CRON or not _LETTERS.fullmatch(written) or len(written.split()) != _FIELDS:
            raise CronSimError  # noqa: TRY301 - said in one place
        expanded = CronSim(written, now)
    except CronSimError as wrong:
        raise NotDue(
            f"cron: {str(wrong).lower() or 'five fields are needed'}: write minute, hour, day of month, month and day"
            " of week that can come true, such as 0 9 * * MON-FRI.",
            field="cron",
        ) from None
    if _closest(expanded.minutes, expanded.hours) < LEAST_MINUTES:
        raise NotDue(f"cron: leave at least {LEAST_MINUTES} minutes between two due times.", field="cron")
    made = Timing(written, timezone)
    if made.after(now) is None:
        raise NotDue("cron: this date never comes: choose a day that its month has.", field="cron")
    return made


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"}  # the server's own, and no place


@lru_cache(maxsize=4096)
def _spelt_out(cron: str) -> str:
    """Return the expression with minutes and hours as lists, which CronSim takes as local times; every hour stays `*`.

    CronSim 2.8 handles changed clocks as Debian's cron does: not at all where a field begins with `*`, as in `*/2`.
    """
    parsed = CronSim(cron, _SOME_DAY)
    minutes, hours = (",".join(str(one) for one in sorted(field)) for field in (parsed.minutes, parsed.hours))
    everyday = cron.split()[2:]
    return " ".join([minutes, "*" if len(parsed.hours) == _HOURS else hours, *everyday])


def _closest(minutes: set[int], hours: set[int]) -> int:
    """Return the least number of minutes between two due times of a day or of two days in a row."""
    ordered = sorted(minutes)
    gaps = [later - sooner for sooner, later in pairwise(ordered)]
    if any((hour + 1) % _HOURS in hours for hour in hours):
        gaps.append(ordered[0] + _HOUR_MINUTES - ordered[-1])
    return min(gaps, default=_HOUR_MINUTES)

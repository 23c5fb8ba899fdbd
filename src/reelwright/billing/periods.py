"""Billing months: half-open, by the UTC calendar or from the instant at which a subscription began. Pure functions."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = 12
_LONGEST_MONTH = timedelta(days=32)  # 31 days, and what a provider's clock may add


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A month of billing: `start` belongs to it, `end` to the next. `label` (yyyymm) is of its start, and unique."""

    start: datetime
    end: datetime

    @property
    def label(self) -> str:
        """The name that grants of this period carry."""
        return f"{self.start:%Y%m}"


def calendar_period(at: datetime) -> Period:
    """Return the UTC calendar month that an instant is in."""
    return anchored_period(datetime(2000, 1, 1, tzinfo=UTC), at)


def anchored_period(anchor: datetime, at: datetime) -> Period:
    """Return the month that an instant is in, counted from the anchor.

    Every start is computed from the anchor's own day, cut to the month's last: 31 January, 28 February, 31 March.
    """
    anchor, at = anchor.astimezone(UTC), at.astimezone(UTC)
    months = (at.year - anchor.year) * _MONTHS + at.month - anchor.month
    if _shifted(anchor, months) > at:
        months -= 1
    return Period(start=_shifted(anchor, months), end=_shifted(anchor, months + 1))


def paid_month(paid: Period, at: datetime) -> Period:
    """Return the month of a paid period that an instant is in: the period itself, or one of the months of a year.

    A year's months are counted from its start. An instant outside belongs to the first month, or to the last.
    """
    if paid.end - paid.start <= _LONGEST_MONTH:
        return paid
    inside = min(max(at, paid.start), paid.end - timedelta(microseconds=1))
    month = anchored_period(paid.start, inside)
    return Period(start=month.start, end=min(month.end, paid.end))


def _shifted(anchor: datetime, months: int) -> datetime:
    year, month = divmod(anchor.year * _MONTHS + anchor.month - 1 + months, _MONTHS)
    return anchor.replace(year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1]))

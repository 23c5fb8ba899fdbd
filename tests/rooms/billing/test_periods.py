"""Months follow one another without gap or overlap, whatever the day they are counted from."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.billing import Period, anchored_period, calendar_period, paid_month

INSTANTS = st.datetimes(datetime(2001, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
MOMENT = timedelta(microseconds=1)


def utc(year: int, month: int, day: int, *time: int) -> datetime:
    return datetime(year, month, day, *time, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        (utc(2026, 3, 15), utc(2026, 3, 1), utc(2026, 4, 1)),
        (utc(2026, 12, 31, 23, 59, 59, 999_999), utc(2026, 12, 1), utc(2027, 1, 1)),
        (utc(2027, 1, 1), utc(2027, 1, 1), utc(2027, 2, 1)),
        (datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2))), utc(2026, 2, 1), utc(2026, 3, 1)),
    ],
)
def test_calendar_months_are_utc_and_half_open(at: datetime, start: datetime, end: datetime) -> None:
    assert calendar_period(at) == Period(start=start, end=end)
    assert calendar_period(at).label == f"{start:%Y%m}"


def test_an_anchor_on_the_31st_is_cut_to_each_months_last_day_and_comes_back() -> None:
    anchor, starts = utc(2026, 1, 31, 9, 30), []
    at = anchor
    for _ in range(14):
        period = anchored_period(anchor, at)
        starts.append((period.start.month, period.start.day))
        at = period.end
    assert starts == [
        (1, 31), (2, 28), (3, 31), (4, 30), (5, 31), (6, 30), (7, 31), (8, 31), (9, 30), (10, 31), (11, 30), (12, 31),
        (1, 31), (2, 28),
    ]  # fmt: skip


def test_a_leap_year_is_one() -> None:
    assert anchored_period(utc(2027, 12, 31), utc(2028, 3, 1)).start == utc(2028, 2, 29)
    assert anchored_period(utc(2024, 2, 29), utc(2026, 2, 28)).start == utc(2026, 2, 28)


@given(anchor=INSTANTS, at=INSTANTS)
def test_every_instant_is_in_exactly_one_period_and_labels_count_the_months(anchor: datetime, at: datetime) -> None:
    period = anchored_period(anchor, at)
    assert period.start <= at < period.end
    assert anchored_period(anchor, period.start) == anchored_period(anchor, period.end - MOMENT) == period
    following = anchored_period(anchor, period.end)
    assert following.start == period.end
    year, month = divmod(int(period.label), 100)
    assert int(following.label) == (year * 100 + month + 1 if month < 12 else (year + 1) * 100 + 1)


def test_a_paid_month_is_one_whatever_day_it_began_on() -> None:
    """From 28 February to 31 March: an anchor on the 31st makes it the longest there is."""
    for start, end in ((utc(2027, 2, 28), utc(2027, 3, 31)), (utc(2027, 1, 31), utc(2027, 2, 28))):
        paid = Period(start=start, end=end)
        assert {paid_month(paid, at) for at in (start - MOMENT, start, end - MOMENT, end)} == {paid}


def test_a_paid_year_is_twelve_months_that_end_with_it() -> None:
    paid, at, months = Period(start=utc(2028, 2, 29), end=utc(2029, 2, 28)), utc(2028, 2, 29), []
    while at < paid.end:
        months.append(paid_month(paid, at))
        at = months[-1].end
    assert (len(months), months[0].start, months[-1].end) == (12, paid.start, paid.end)
    assert all(before.end == after.start for before, after in pairwise(months))
    assert (paid_month(paid, paid.start - MOMENT), paid_month(paid, paid.end)) == (months[0], months[-1])

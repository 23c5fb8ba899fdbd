"""When a schedule is due: once for each local time whatever the clocks do, never by an expression that can't be."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.schedules import LEAST_MINUTES, NotDue, Timing, timing

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(cron: str, zone: str, after: str, many: int) -> list[str]:
    times, instant = [], at(after)
    for _ in range(many):
        found = Timing(cron, zone).after(instant)
        assert found is not None
        instant = found
        times.append(f"{found:%Y-%m-%d %H:%M}")
    return times


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("30 2 * * *", "2027-03-14 00:00", ["2027-03-14 07:00", "2027-03-15 06:30"]),  # 2:30 doesn't exist: 3:00
        ("15,45 2 * * *", "2027-03-14 00:00", ["2027-03-14 07:00", "2027-03-15 06:15"]),  # both skipped: one run
        ("*/30 2 * * *", "2027-03-14 06:00", ["2027-03-14 07:00", "2027-03-15 06:00"]),
        ("0 */2 * * *", "2027-03-14 05:00", ["2027-03-14 07:00", "2027-03-14 08:00"]),
        ("0 * * * *", "2027-03-14 06:00", ["2027-03-14 07:00", "2027-03-14 08:00"]),
    ],
)
def test_a_local_time_that_the_clocks_skip_is_due_once_right_after_the_gap(
    cron: str, after: str, expected: list[str]
) -> None:
    assert due(cron, NEW_YORK, after, 2) == expected


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("30 1 * * *", "2027-11-07 04:00", ["2027-11-07 05:30", "2027-11-08 06:30"]),
        ("30 1 * * *", "2027-11-07 05:30", ["2027-11-08 06:30", "2027-11-09 06:30"]),
        (
            "30 1 * * *",
            "2027-11-07 06:10",
            ["2027-11-08 06:30", "2027-11-09 06:30"],
        ),  # asked in the hour's second coming
        ("*/30 1 * * *", "2027-11-07 05:00", ["2027-11-07 05:30", "2027-11-08 06:00"]),
        ("0 * * * *", "2027-11-07 04:30", ["2027-11-07 05:00", "2027-11-07 06:00"]),  # by elapsed time: both
    ],
)
def test_a_local_time_that_comes_twice_is_due_the_first_time_only(cron: str, after: str, expected: list[str]) -> None:
    assert due(cron, NEW_YORK, after, 2) == expected


def test_a_day_keeps_its_local_hour_over_the_year() -> None:
    assert due("0 9 1 1,7 *", BERLIN, "2026-12-01 00:00", 2) == ["2027-01-01 08:00", "2027-07-01 07:00"]


def test_months_without_the_day_are_left_out_and_the_last_day_has_a_name() -> None:
    assert due("0 9 31 * *", "UTC", "2027-01-31 10:00", 2) == ["2027-03-31 09:00", "2027-05-31 09:00"]
    assert due("0 9 L * *", "UTC", "2027-01-31 10:00", 2) == ["2027-02-28 09:00", "2027-03-31 09:00"]
    assert due("0 0 29 2 *", "UTC", "2027-01-01 00:00", 2) == ["2028-02-29 00:00", "2032-02-29 00:00"]


@pytest.mark.parametrize(
    "cron",
    [
        *("", "@daily", "* * * *", "0 0 9 * * *", "a b c d e", "60 9 * * *", "0 24 * * *", "0 9 0 * *", "0 9 * 13 *"),
        *("0 9 * * 8", "-1 9 * * *", "0 9 * * MON#6", "0 9 * * *; ls", "0 9 * * ٣", "0 9 * * MON-", "1," * 60),
        *("0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 */31 2 1#5"),  # never due
        *("* * * * *", "*/14 * * * *", "0,50 * * * *", "0,10 9 1 1 *"),  # too often
    ],
)
def test_what_never_comes_or_too_often_is_refused(cron: str) -> None:
    with pytest.raises(NotDue) as refusal:
        timing(cron, "UTC", now=NOW)
    assert refusal.value.field == "cron"


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "Europe", "localtime", "berlin", "UTC\x00"])
def test_a_zone_that_the_list_lacks_is_refused(zone: str) -> None:
    with pytest.raises(NotDue) as refusal:
        timing("0 9 * * *", zone, now=NOW)
    assert refusal.value.field == "timezone"


def test_an_expression_is_kept_in_one_spelling() -> None:
    assert timing("  0   9 * *  mon-fri ", "UTC", now=NOW).cron == "0 9 * * mon-fri"
    assert timing("0 9 * * mon-fri", "UTC", now=NOW).after(NOW) == at("2026-11-23 09:00")


def test_a_quarter_of_an_hour_between_two_times_is_enough() -> None:
    assert timing("*/15 * * * *", "UTC", now=NOW).after(NOW) == NOW + timedelta(minutes=LEAST_MINUTES)
    assert timing("0,50 9 * * *", "UTC", now=NOW).after(NOW) == at("2026-11-22 09:00")


def test_what_passed_is_the_latest_time_and_how_many_came_before() -> None:
    daily = Timing("0 9 * * *", "UTC")
    since = at("2026-11-01 09:00")
    assert daily.passed(since, since).latest == since
    assert daily.passed(since, since).before == 0
    found = daily.passed(since, at("2026-11-21 12:00"))
    assert (found.latest, found.before) == (at("2026-11-21 09:00"), 20)
    often = Timing("*/15 * * * *", NEW_YORK).passed(since, at("2046-11-01 12:05"))
    assert (often.latest, often.before) == (at("2046-11-01 12:00"), 500)
    rare = Timing("0 0 1 1 *", "UTC").passed(at("2000-01-01 00:00"), at("2600-06-01 00:00"))
    assert rare.latest == at("2600-01-01 00:00")


@settings(max_examples=60, deadline=None)
@given(
    minute=st.sampled_from(["0", "30", "*/20", "10,40", "59"]),
    hour=st.sampled_from(["*", "*/3", "1", "2", "1-4", "0,23", "2,3"]),
    day=st.sampled_from(["*", "1", "*/9", "L", "13,14"]),
    weekday=st.sampled_from(["*", "SUN", "1-5"]),
    zone=st.sampled_from([NEW_YORK, BERLIN, "Australia/Lord_Howe", "UTC", "Asia/Kathmandu", "America/Santiago"]),
    start=st.integers(0, 400 * 24 * 60),
)
def test_due_times_go_forward_and_never_too_close(
    minute: str, hour: str, day: str, weekday: str, zone: str, start: int
) -> None:
    """From any instant: after it, growing, and the same whichever instant before them is asked from."""
    cron = f"{minute} {hour} {day} * {weekday}"
    made = timing(cron, zone, now=NOW)
    instant = NOW + timedelta(minutes=start)
    first = made.after(instant)
    assert first is not None
    second = made.after(first)
    assert second is not None
    assert instant < first < second
    assert second - first >= timedelta(minutes=LEAST_MINUTES)
    assert made.after(first - timedelta(seconds=1)) == first

"""What a month comes to: never less than what is used, that exactly at the end, and nothing where nothing is known."""

import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.ledger import project

START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
INSTANTS = st.datetimes(START.replace(tzinfo=None), END.replace(tzinfo=None), timezones=st.just(UTC))
DAYS = st.lists(st.integers(0, 10**12), max_size=40)


def projected(used: int, now: datetime, history: list[int]):
    whole = min(len(history), 28, (now - START) // timedelta(days=1))
    return project(used, start=START, end=END, now=now, history=history, this_month=whole)


@given(used=st.integers(0, 10**12), now=INSTANTS, history=DAYS, more=st.integers(0, 10**12))
def test_u13_it_is_never_below_what_is_used_and_grows_with_it(
    used: int, now: datetime, history: list[int], more: int
) -> None:
    found, greater = projected(used, now, history), projected(used + more, now, history)
    if found is None or greater is None:
        assert (history, now < END) == ([], True)
        return
    assert used <= found.low <= found.projected <= found.high
    assert math.isfinite(found.a_day)
    assert greater.projected >= found.projected


def test_u13_the_first_minute_rests_on_the_weeks_before() -> None:
    found = projected(0, START + timedelta(minutes=1), [10] * 28)
    assert found is not None
    assert found.low == found.projected == found.high == 300


def test_u13_at_the_very_start_without_a_past_nothing_is_said() -> None:
    assert projected(0, START, []) is None
    assert projected(10**9, START + timedelta(minutes=1), []) is None


def test_u13_the_last_minute_adds_next_to_nothing_and_the_end_nothing() -> None:
    late = projected(3_000, END - timedelta(minutes=1), [100] * 28)
    assert late is not None
    assert 3_000 <= late.low <= late.high <= 3_001
    over = projected(3_000, END, [])
    assert over is not None
    assert (over.low, over.projected, over.high) == (3_000, 3_000, 3_000)


def test_u13_no_usage_at_all_comes_to_nothing() -> None:
    found = projected(0, START + timedelta(days=15), [0] * 15)
    assert found is not None
    assert (found.low, found.projected, found.high) == (0, 0, 0)


def test_days_without_use_count() -> None:
    """Once a week is four or five times a month, not thirty."""
    weekly = ([700] + [0] * 6) * 4
    found = projected(1_400, START + timedelta(days=14), weekly)
    assert found is not None
    assert found.projected == 3_000
    assert found.low < found.projected < found.high


@pytest.mark.parametrize("day", [3, 20])
def test_the_range_holds_what_it_promises(day: int) -> None:
    """Eight of ten futures like the past are in it: of 150 simulated months, about that many."""
    draw, held = random.Random(day), 0
    for _ in range(150):
        month = [draw.choice((0, 0, 100, 300, 500)) for _ in range(28 + 30)]
        past, rest = month[: 28 + day], month[28 + day :]
        used = sum(past[28:])
        found = projected(used, START + timedelta(days=day), past)
        assert found is not None
        held += found.low <= used + sum(rest) <= found.high
    assert 0.72 <= held / 150 <= 0.88

"""How long deliveries wait: the vectors of QStash's documentation."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from reelwright.dev.delivery import waits


def test_the_back_off_is_qstashs() -> None:
    assert [round(waits.backoff_s(n) * 1000) for n in (1, 2, 3, 4, 5)] == [12182, 148413, 1808042, 22026466, 86400000]


@pytest.mark.parametrize(
    ("text", "retried", "seconds"),
    [
        ("max(1000, pow(2, retried) * 100)", 5, 3.2),
        ("1000 * (1 + retried)", 0, 1.0),
        ("min(pow(3, retried) * 1000, 300000)", 20, 300.0),
        ("-5", 0, 0.0),
        ("1e300", 0, 86400.0),
    ],
)
def test_an_expression_gives_milliseconds(text: str, retried: int, seconds: float) -> None:
    assert waits.expression_s(text, retried=retried) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["retries", "'x'", "1 if 2 else 3", "exp(10000)", "1/0", "sqrt(-1)", "(" * 190])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        waits.expression_s(text, retried=0)


def test_a_receiver_may_wish_in_seconds_durations_and_dates() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert waits.wished_s({"retry-after": "7"}) == 7
    assert waits.wished_s({"x-ratelimit-reset-tokens": "6m5s"}) == 365
    assert waits.wished_s({"retry-after": soon}) == pytest.approx(100, abs=2)
    assert waits.wished_s({"retry-after": "86401"}) is None
    assert waits.wished_s({"retry-after": "whenever"}) is None
    assert waits.wished_s({}) is None

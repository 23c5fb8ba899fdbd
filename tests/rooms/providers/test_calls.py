"""What surrounds a paid call: Retry-After in both spellings, deadlines that only shrink, hashes that know a request."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from reelwright import providers
from reelwright.ground.metering import Action, Use
from reelwright.providers import ProviderAway, ProviderRefused
from reelwright.providers.calls import charged, deadline, journal, request_hash, retry_after_s, time_left

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7),
        (" 0.25 ", 0.25),
        ("86400", 86_400),
        ("0", 0),
        (format_datetime(NOW + timedelta(seconds=42), usegmt=True), 42),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
        ("Saturday, 21-Nov-26 12:00:09 GMT", 9),
        *((said, None) for said in ("", "soon", "-5", "²", "1.2.3", "nan", "Sat, 99 Nov 2026 12:00:00 GMT", "1e9")),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_or_nothing(said: str, seconds: float | None) -> None:
    assert retry_after_s(said, now=NOW) == seconds


def test_an_endless_retry_after_is_still_a_number() -> None:
    assert retry_after_s("9" * 400, now=NOW) == float("inf")


def test_a_deadline_only_ever_shrinks() -> None:
    assert time_left(150) == 150
    with deadline(10):
        with deadline(100):
            assert 9 < time_left(150) <= 10
        with deadline(1):
            assert time_left(150) <= 1
        assert 9 < time_left(150) <= 10
        assert time_left(3) == 3
    with deadline(-1):
        assert time_left(150) < 0
    assert time_left(150) == 150


def test_the_order_of_a_requests_keys_does_not_matter_and_all_else_does() -> None:
    one = request_hash("m", {"a": 1, "b": {"c": 2, "d": 3}})
    assert one == request_hash("m", {"b": {"d": 3, "c": 2}, "a": 1})
    assert len({one, request_hash("n", {"a": 1}), request_hash("m", {"a": 1}), request_hash("m", {"a": 2})}) == 4


@pytest.mark.parametrize("kind", [ProviderAway, ProviderRefused])
def test_a_failure_carries_what_was_charged_in_order(kind) -> None:
    first, second = (Use(action=Action.STORY, provider="p", model="m", quantity=n) for n in (1, 0))
    with pytest.raises(kind) as failure, charged(first), charged(second):
        raise kind("no")
    assert failure.value.uses == (first, second)
    assert kind("no").uses == ()


async def test_a_journal_is_the_one_around_the_call() -> None:
    class Silent:
        pass

    assert journal() is None
    outer, inner = Silent(), Silent()
    with providers.journaled(outer):  # type: ignore[arg-type] - only who it is matters here
        with providers.journaled(inner):  # type: ignore[arg-type]
            assert journal() is inner
        assert journal() is outer
    assert journal() is None


def test_the_clock_is_monotonic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corrected wall clock must not end a call, or let it last."""
    with deadline(10):
        monkeypatch.setattr(time, "time", lambda: 0.0)
        assert 9 < time_left(150) <= 10

"""Periods are UTC calendar months and clock hours, and keys are spelt as the product writes them."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.admission import Periods, keys, until_month_end
from reelwright.ground.ids import AccountId, DraftId, GenerationId

ACCOUNT = AccountId(UUID(int=1))


@pytest.mark.parametrize(
    ("now", "month", "days", "hour"),
    [
        (datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "202612", 31, "2026123123"),
        (datetime(2027, 1, 1, tzinfo=UTC), "202701", 31, "2027010100"),
        (datetime(2027, 2, 28, 12, tzinfo=UTC), "202702", 28, "2027022812"),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), "202802", 29, "2028022912"),
        (datetime(2027, 4, 30, tzinfo=UTC), "202704", 30, "2027043000"),
        (datetime(2027, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))), "202612", 31, "2026123123"),
    ],
)
def test_a_period_is_the_utc_month_and_hour(now, month, days, hour) -> None:
    """E13, E14."""
    periods = Periods.at(now)
    assert (periods.month, periods.hour) == (month, hour)
    assert (periods.month_end - periods.month_start).days == days


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 11, 30), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
def test_an_instant_lies_in_its_periods(now: datetime) -> None:
    periods = Periods.at(now)
    assert periods.month_start <= periods.hour_start <= now < periods.hour_end <= periods.month_end
    assert Periods.at(periods.month_end).month_start == periods.month_end
    assert until_month_end(now) == periods.month_end - now > timedelta(0)


def test_an_instant_without_a_zone_is_nowhere() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Periods.at(datetime(2026, 12, 1))  # noqa: DTZ001 - the point


def test_keys_are_the_canonical_ones() -> None:
    account, lease = str(ACCOUNT), GenerationId(UUID(int=2))
    assert [
        keys.month(ACCOUNT, "202612"),
        keys.hour(ACCOUNT, "2026121510"),
        keys.full(ACCOUNT, "202612"),
        keys.cooldown(ACCOUNT, DraftId(UUID(int=3))),
        keys.leases(ACCOUNT),
        keys.receipt(lease),
        keys.place("openai", "gpt", "batch"),
        keys.boost(ACCOUNT),
    ] == [
        f"app:usage:{account}:gen_used:202612",
        f"app:burst:{account}:gen_hour:2026121510",
        f"app:usage:{account}:full_regen_used:202612",
        f"app:cooldown:{account}:regen:{UUID(int=3)}",
        f"app:conc:{account}:leases",
        f"app:conc:lease:{lease}",
        "app:conc:provider:openai:gpt:batch",
        f"app:boost:{account}:pro_until",
    ]
    assert keys.claim(ACCOUNT, "POST /v1/create", "abc").startswith(f"app:idem:{account}:POST /v1/create:ba7816bf")


def test_two_providers_models_never_share_a_key() -> None:
    """A colon is common in a model's name."""
    assert keys.place("a", "b:c", "batch") != keys.place("a:b", "c", "batch")
    assert keys.place("a", "b%3Ac", "batch") != keys.place("a", "b:c", "batch")

"""The plans say what the price page says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reelwright import billing
from reelwright.billing import MICRO, PLANS, Plan
from reelwright.billing.plans import checked

NOW = datetime(2026, 3, 15, tzinfo=UTC)


def test_every_number_of_the_price_page() -> None:
    rows = [
        (t.price_cents, t.generations_month, t.variants, t.full_regenerations_month, t.concurrent, t.generations_hour,
         t.credits_month_micro // MICRO, t.cooldown.total_seconds())
        for t in (PLANS[plan] for plan in Plan)
    ]  # fmt: skip
    assert rows == [
        (595, 60, 1, 0, 1, 10, 1_500, 30),
        (1_995, 300, 3, 30, 2, 40, 7_500, 15),
        (3_995, 900, 5, None, 5, 120, 25_000, 5),
    ]
    assert [PLANS[plan].full_regeneration for plan in Plan] == [False, True, True]
    assert {name: micro // MICRO for name, micro in billing.PACKS.items()} == {
        "starter": 500, "creator": 2_500, "studio": 10_000,
    }  # fmt: skip
    assert (billing.BOOST_PRICE_CENTS, billing.BOOST_DAYS) == (1_995, 30)


@pytest.mark.parametrize(
    ("own", "boost_in", "served"),
    [
        ("basic", None, Plan.BASIC),
        ("standard", timedelta(milliseconds=1), Plan.PRO),
        ("standard", timedelta(0), Plan.STANDARD),
        ("standard", timedelta(days=-1), Plan.STANDARD),
        ("pro", timedelta(days=-1), Plan.PRO),
    ],
)
def test_a_boost_serves_as_pro_until_its_last_moment(own: str, boost_in: timedelta | None, served: Plan) -> None:
    until = None if boost_in is None else NOW + boost_in
    assert billing.effective_plan(own, until, NOW) is served


def test_a_plan_that_does_not_exist_is_a_bug() -> None:
    with pytest.raises(ValueError, match="gold"):
        billing.effective_plan("gold", None, NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"generations_hour": 61},
        {"generations_hour": 0},
        {"full_regenerations_month": 61},
        {"full_regenerations_month": -1},
        {"concurrent": 0},
        {"concurrent": 11},
        {"variants": 0},
        {"cooldown": timedelta(seconds=-1)},
        {"price_cents": 0},
        {"credits_month_micro": 0},
    ],
)
def test_numbers_that_make_no_sense_together_stop_the_program(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="plan Basic"):
        checked(replace(PLANS[Plan.BASIC], **wrong))

"""A counter that drifted refuses nobody for long: PostgreSQL is asked, once a minute, and only where it may be told."""

from dataclasses import replace
from typing import Any

import pytest

from reelwright.admission import Admitted, Facts, NotAdmitted, Periods, Policy
from reelwright.ground.errors import Outage
from tests.rooms.admission.desk import PLACE, ROOMY, Desk, a_draft

TIGHT = replace(ROOMY, generations_month=5)
EMPTY = Facts(generations_month=0, generations_hour=0, full_month=0)


class Minutes:
    """The process's own clock, which a test turns."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> Minutes:
    turned = Minutes()
    monkeypatch.setattr("reelwright.admission.rebuilding.monotonic", turned)
    return turned


async def drift(desk: Desk, name: str = "usage:{}:gen_used:202612", *, to: int = 5) -> None:
    """Let a counter say more than was used, as after a failover that lost withdrawals."""
    await desk.gate.warm(desk.account, now=desk.now)
    await desk.redis.set("app:" + name.format(desk.account), to, px=3_600_000)


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("usage:{}:gen_used:202612", TIGHT),
        ("burst:{}:gen_hour:2026121510", replace(ROOMY, generations_hour=5)),
        ("usage:{}:full_regen_used:202612", replace(ROOMY, full_regenerations_month=5)),
    ],
)
async def test_a_refusal_by_drift_is_repaired_and_admitted(desk: Desk, name: str, plan: Any) -> None:
    desk.facts = replace(EMPTY, generations_month=2, generations_hour=1, full_month=1)
    await drift(desk, name)

    admitted = await desk.admit(desk.order(plan, full_units=1))

    assert isinstance(admitted, Admitted)
    counted = await desk.gate.counted(desk.account, Periods.at(desk.now))
    assert (counted.generations_month, counted.generations_hour, counted.full_month) == (3, 2, 2)


async def test_a_refusal_that_postgresql_agrees_with_stands_and_writes_nothing(desk: Desk) -> None:
    desk.facts = replace(EMPTY, generations_month=5)
    await drift(desk)

    refused = await desk.refused(desk.order(TIGHT))

    assert refused.violations[0].used == 5


async def test_postgresql_is_asked_once_a_minute(desk: Desk, minutes: Minutes) -> None:
    """An account that keeps asking costs PostgreSQL nothing more."""
    desk.facts = replace(EMPTY, generations_month=5)
    await drift(desk)
    order = desk.order(TIGHT)
    await desk.refused(order)
    asked = len(desk.asked)
    desk.facts = EMPTY
    minutes.now += 59.9
    for _ in range(3):
        await desk.refused(desk.order(TIGHT))
    assert len(desk.asked) == asked

    minutes.now += 0.1

    assert isinstance(await desk.admit(desk.order(TIGHT)), Admitted)
    assert len(desk.asked) == asked + 1


async def test_each_account_has_its_own_minute(desk: Desk) -> None:
    desk.facts = replace(EMPTY, generations_month=5)
    await drift(desk)
    await desk.refused(desk.order(TIGHT))

    desk.account, desk.facts = desk.another().account, EMPTY
    await drift(desk)

    assert isinstance(await desk.admit(desk.order(TIGHT)), Admitted)


async def test_nothing_is_repaired_while_an_order_is_between_admission_and_commit(desk: Desk, minutes: Minutes) -> None:
    """There the two must differ. Once it is confirmed, and PostgreSQL still counts fewer, the drift is a drift."""
    desk.facts = EMPTY
    one = replace(ROOMY, generations_month=1)
    order = desk.order(one)
    await desk.admit(order)
    await desk.refused(desk.order(one))

    minutes.now += 60
    await desk.gate.confirm(order, desk.now.replace(hour=12))

    assert isinstance(await desk.admit(desk.order(one)), Admitted)


async def test_another_account_s_unconfirmed_order_hinders_nobody(desk: Desk) -> None:
    other = desk.another()
    await other.admit(other.order())
    desk.facts = EMPTY
    await drift(desk)

    assert isinstance(await desk.admit(desk.order(TIGHT)), Admitted)


async def test_an_order_that_commits_while_postgresql_is_asked_is_not_set_back(desk: Desk) -> None:
    """The counters are read before the rows: one that has moved since is left as it is."""
    desk.facts = EMPTY
    await drift(desk)
    order = desk.order(TIGHT, generation_units=0)
    real = desk.gate._rebuilding._facts

    async def meanwhile(account, periods) -> Facts:
        answer = await real(account, periods)
        await desk.redis.incrby(f"app:usage:{account}:gen_used:202612", 1)
        return answer

    desk.gate._rebuilding._facts = meanwhile

    with pytest.raises(NotAdmitted):
        await desk.gate.admit(desk.holds(replace(order, generation_units=1)), now=desk.now)
    assert await desk.redis.get(f"app:usage:{desk.account}:gen_used:202612") == b"6"


async def test_with_postgresql_away_a_refusal_stands(desk: Desk) -> None:
    await drift(desk)
    await desk.warm(desk.order(TIGHT))
    desk.facts = Outage("away", code="postgres.unavailable")

    refused = await desk.refused(desk.order(TIGHT))

    assert refused.violations[0].policy is Policy.GENERATIONS_MONTH


async def test_what_no_row_counts_is_not_doubted(desk: Desk) -> None:
    """Leases and cooldowns are Redis's own: nobody is asked about them."""
    draft, plan = a_draft(), replace(ROOMY, concurrent=1, cooldown_ms=60_000)
    await desk.started(plan, draft=draft, place=PLACE)
    asked = len(desk.asked)

    refused = await desk.refused(desk.order(plan, draft=draft))

    assert [seen.policy for seen in refused.violations] == [Policy.COOLDOWN, Policy.CONCURRENT]
    assert len(desk.asked) == asked

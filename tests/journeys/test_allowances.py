"""Each month's credits come once: with the paid period or with the calendar's month, whoever asks and how often.

The property plays the same quarters every time; REELWRIGHT_ALLOWANCE_EXAMPLES=500 plays that many others instead, and
then `--hypothesis-seed=N` chooses which.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from reelwright import ledger
from reelwright.accounts import Accounts, Subscriptions
from reelwright.admission import Gate
from reelwright.billing import Period, Plan, anchored_period, calendar_period
from reelwright.ground import clock, postgres
from reelwright.ground.errors import NotFound
from reelwright.ground.postgres import Database
from reelwright.journeys import administration, allowances, onboarding, plans
from reelwright.journeys import credits as money
from tests.builders import an_account
from tests.journeys.refilling import ANCHOR, DAY, MONTHS, Books, allowance, books, told


async def test_the_first_months_credits_lapse_with_the_month(db: Database) -> None:
    own = await books(db)
    period = calendar_period(clock.now())
    assert await own.lots() == [(f"grant:plan:me:{period.label}", allowance("basic"), period.end)]


async def test_c16_a_month_is_given_once_whoever_asks(db: Database) -> None:
    own = await books(db)
    assert await own.refill(clock.now()) == 0
    assert [await own.refill(at) for at in (ANCHOR, ANCHOR, ANCHOR + DAY)] == [
        allowance("basic"),
        0,
        allowance("basic"),
    ]
    assert [lot[2] for lot in (await own.lots())[1:]] == [
        datetime(2027, 2, 1, tzinfo=UTC),
        datetime(2027, 3, 1, tzinfo=UTC),
    ]
    assert await money.verify(db=db) == ()


async def test_c17_an_upgrade_gives_the_difference_once_and_a_downgrade_takes_nothing(db: Database) -> None:
    own, given = await books(db), []
    await own.refill(ANCHOR)
    for plan in (Plan.STANDARD, Plan.PRO, Plan.PRO, Plan.BASIC, Plan.PRO):
        async with db.begin() as tx:
            await Accounts(session=tx).set_plan(own.account.id, plan.value)
        given.append(await own.refill(ANCHOR))
    whole = [allowance(plan) for plan in ("basic", "standard", "pro")]
    assert given == [whole[1] - whole[0], whole[2] - whole[1], 0, 0, 0]


async def test_c33_a_demo_is_given_nothing_by_anybody(db: Database) -> None:
    welcome = await onboarding.create_user(
        email="demo@example.com", plan=Plan.PRO, role="user", live=False, db=db, now=clock.now(), demo=True
    )
    own = Books(db, welcome.account)
    await own.tell(told(MONTHS[0], ANCHOR))
    assert [await own.pay(0), await own.upgrade(ANCHOR, MONTHS[0]), await own.refill(ANCHOR)] == [0, 0, 0]
    assert await allowances.refill_due(db=db, now=ANCHOR) == 0
    assert await own.lots() == []


async def test_who_pays_for_less_than_was_given_by_hand_has_the_difference_by_the_calendar(db: Database) -> None:
    own = await books(db, Plan.PRO)
    await own.tell(told(MONTHS[0], ANCHOR, plan="standard"))
    assert await own.pay(0) == allowance("standard")
    difference = allowance("pro") - allowance("standard")
    assert [await own.refill(at) for at in (ANCHOR, ANCHOR, ANCHOR + DAY, ANCHOR + 2 * DAY)] == [
        *(difference, 0),
        *(difference, 0),
    ]
    purse = await own.purse(ANCHOR)
    assert (purse.tier, purse.allowance_micro) == (Plan.PRO, allowance("pro"))


async def test_a_boost_carries_no_credits_and_changes_no_allowance(db: Database) -> None:
    """C39: what a boost lifts is limits. Its owner's month is the own plan's."""
    own = await books(db)
    async with db.begin() as tx:
        await plans.boost(tx, own.account.id, source="b")
    purse = await own.purse(clock.now())
    assert (purse.tier, purse.allowance_micro, len(await own.lots())) == (Plan.PRO, allowance("basic"), 1)
    assert await own.refill(clock.now()) == 0


async def test_a_paid_month_is_given_once_and_no_calendar_month_besides(db: Database) -> None:
    """C16, with the 31st: February's paid month ends on the 31st of March."""
    own = await books(db)
    await own.tell(told(MONTHS[0], ANCHOR))
    assert [await own.pay(0) for _ in range(3)] == [allowance("standard"), 0, 0]
    assert [await own.refill(ANCHOR + n * DAY) for n in (0, 1, 20)] == [0, 0, 0]
    await own.tell(told(MONTHS[1], MONTHS[1].start))
    assert [await own.pay(1), await own.pay(0)] == [allowance("standard"), 0]
    sources = [(source, expires_at) for source, _, expires_at in (await own.lots())[1:]]
    assert sources == [("grant:invoice:in_me_0:il_1", MONTHS[0].end), ("grant:invoice:in_me_1:il_1", MONTHS[1].end)]
    assert (MONTHS[0].end.day, MONTHS[1].end.day, MONTHS[1].end.month) == (28, 31, 3)


async def test_after_the_last_paid_month_the_calendars_come_back(db: Database) -> None:
    """The one in whose month a paid one began has been had."""
    own = await books(db)
    await own.tell(told(MONTHS[1], MONTHS[1].start))
    await own.pay(1)
    await own.tell(told(MONTHS[1], MONTHS[1].start + DAY / 2, status="canceled", ended_at=MONTHS[1].start + DAY / 2))
    late_february, march = MONTHS[1].start + DAY / 2, datetime(2027, 3, 1, tzinfo=UTC)
    assert [await own.refill(late_february), await own.refill(march)] == [0, allowance("basic")]


async def test_while_a_payment_is_late_nothing_comes_and_after_grace_the_calendars_month(db: Database) -> None:
    own = await books(db)
    await own.tell(told(MONTHS[0], ANCHOR))
    await own.pay(0)
    due = MONTHS[1].start
    await own.tell(told(MONTHS[1], due, status="past_due"))
    assert await own.refill(due + DAY) == 0
    async with db.begin() as tx:
        assert (await plans.settle(tx, own.account.id, now=due + 3 * DAY)).plan == "basic"
    assert [await own.refill(due + 3 * DAY) for _ in range(2)] == [allowance("basic"), 0]
    assert await own.pay(1) == allowance("standard")


async def test_c17_w15_an_upgrade_within_a_paid_month_gives_the_difference_once(db: Database) -> None:
    own, at = await books(db), ANCHOR + 9 * DAY
    assert await own.upgrade(at, MONTHS[0]) == 0
    await own.tell(told(MONTHS[0], ANCHOR))
    await own.pay(0)
    difference = allowance("pro") - allowance("standard")
    assert [await own.upgrade(at, MONTHS[0]) for _ in range(2)] == [difference, 0]
    assert [await own.upgrade(at, MONTHS[0], "standard"), await own.pay(0)] == [0, 0]
    assert (await own.lots())[-1] == ("grant:invoice:in_me_0:il_1:pro", difference, MONTHS[0].end)
    assert await own.pay(1, "standard") == allowance("standard")


async def test_w16_a_paid_year_gives_its_months_one_after_the_other(db: Database) -> None:
    """From the 31st: eleven more months, each on its month's last day or the 31st, the last ending with the year."""
    own, year = await books(db), Period(start=ANCHOR, end=ANCHOR.replace(year=2028))
    await own.tell(told(year, ANCHOR))
    assert await own.pay(0, period=year) == allowance("standard")
    given = [await allowances.refill_due(db=db, now=ANCHOR + n * DAY) for n in range(0, 365, 4)]
    assert sum(given) == 11
    lots = (await own.lots())[1:]
    assert [micro for _, micro, _ in lots] == [allowance("standard")] * 12
    ends = [expires_at for _, _, expires_at in lots]
    assert ends == [anchored_period(ANCHOR, ANCHOR + 31 * n * DAY).end for n in range(12)]
    assert ends[-1] == year.end
    assert await money.verify(db=db) == ()


async def test_an_upgrade_in_a_paid_year_counts_for_its_months_from_then_on(db: Database) -> None:
    own, year = await books(db), Period(start=ANCHOR, end=ANCHOR.replace(year=2028))
    await own.tell(told(year, ANCHOR))
    await own.pay(0, period=year)
    second, third = MONTHS[1].start + DAY, MONTHS[2].start + DAY
    assert await own.refill(second) == allowance("standard")
    assert await own.upgrade(second, year) == allowance("pro") - allowance("standard")
    assert [await own.refill(second), await own.refill(third), await own.refill(third)] == [0, allowance("pro"), 0]


async def test_a_month_that_is_over_is_given_and_gone_in_the_same_breath(db: Database) -> None:
    """W25: an invoice that reconciliation finds after its period."""
    own = await books(db)
    before = await own.purse(clock.now())
    past = Period(start=datetime(2026, 1, 31, tzinfo=UTC), end=datetime(2026, 2, 28, tzinfo=UTC))
    assert await own.pay(9, period=past) == allowance("standard")
    after = await own.purse(clock.now())
    assert after.balance.available_micro == before.balance.available_micro
    assert await money.verify(db=db) == ()


async def test_a_month_that_is_paid_before_it_begins_can_be_used_at_once(db: Database) -> None:
    own = await books(db)
    await own.pay(1)
    async with db.begin() as tx:
        assert await ledger.has_enough(tx, account=own.account.id, micro=allowance("basic") + allowance("standard"))


async def test_the_balance_says_when_the_anchored_month_ends(db: Database) -> None:
    own, seen = await books(db), []
    await own.tell(told(MONTHS[1], MONTHS[1].start))
    for at in (MONTHS[1].start, MONTHS[1].end - DAY, MONTHS[1].end + DAY):
        purse = await own.purse(at)
        seen.append((purse.allowance_micro, purse.next_reset))
    whole = allowance("standard")
    assert seen == [(whole, MONTHS[1].end), (whole, MONTHS[1].end), (whole, MONTHS[2].end)]
    await own.tell(told(MONTHS[1], MONTHS[1].start + DAY, status="canceled", ended_at=MONTHS[1].start + DAY))
    purse = await own.purse(MONTHS[1].start + 2 * DAY)
    assert (purse.allowance_micro, purse.next_reset) == (allowance("basic"), datetime(2027, 4, 1, tzinfo=UTC))


async def test_everything_at_once_waits_its_turn_and_gives_once(db: Database) -> None:
    """A renewal, its upgrade, refills and settlements in transactions of their own: none is undone for another."""
    own = await books(db)
    await own.tell(told(MONTHS[0], ANCHOR))
    for n, period in enumerate(MONTHS[:3]):
        state = told(period, period.start + DAY)
        await asyncio.gather(
            *(own.pay(n) for _ in range(3)),
            *(own.upgrade(period.start + DAY, period) for _ in range(2)),
            *(own.refill(period.start) for _ in range(3)),
            *(own.tell(state) for _ in range(2)),
            allowances.refill_due(db=db, now=period.start),
        )
        await own.upgrade(period.start + DAY, period)
    given = Counter[datetime]()
    for source, micro, expires_at in (await own.lots())[1:]:
        assert source.startswith("grant:invoice:")
        given[expires_at] += micro
    assert given == {period.end: allowance("pro") for period in MONTHS[:3]}
    assert await money.verify(db=db) == ()


async def test_nothing_comes_before_an_address_is_verified_and_then_the_plan_of_that_day(
    db: Database, gate: Gate
) -> None:
    """A plan that is given by hand, the month's turn and a subscription's settling, all before the letter is read."""
    by = await an_account(db)
    async with db.begin() as tx:
        opened = await Accounts(session=tx).create(email="new@example.com", verified=False)
    own = Books(db, opened)
    await administration.set_plan(opened.id, Plan.PRO, by=by, db=db, gate=gate, now=ANCHOR)
    assert [await own.refill(ANCHOR), await allowances.refill_if_due(opened.id, db=db, now=ANCHOR)] == [0, 0]
    await allowances.refill_due(db=db, now=ANCHOR)
    assert await own.lots() == []
    async with db.begin() as tx:
        assert await allowances.give(tx, opened.id, now=ANCHOR, proven=True) == allowance("pro")
    assert len(await own.lots()) == 1


async def test_a_deleted_account_is_given_nothing(db: Database) -> None:
    own = await books(db)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET deleted_at = now()"))
    with pytest.raises(NotFound):
        await own.refill(ANCHOR)
    assert (await own.pay(0), len(await own.lots())) == (0, 1)


async def test_a_plan_that_time_took_is_not_given_for_even_before_anybody_settled_it(db: Database) -> None:
    own = await books(db)
    await own.tell(told(MONTHS[0], ANCHOR, status="past_due"))
    assert await own.refill(ANCHOR + 3 * DAY) == allowance("basic")


HOURS = st.integers(0, 24 * 92)
DEEDS = st.one_of(
    st.tuples(st.just("refill"), HOURS, st.just("")),
    st.tuples(st.just("settle"), HOURS, st.just("")),
    st.tuples(st.just("tell"), HOURS, st.sampled_from(["active", "past_due", "canceled", "trialing"])),
    st.tuples(st.just("pay"), HOURS, st.sampled_from(["0", "1", "2", "3"])),
    st.tuples(st.just("upgrade"), HOURS, st.sampled_from(["pro", "standard", "basic"])),
)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as own:
        yield own


@pytest.fixture
def near(db: Database, database_url: str, runner: asyncio.Runner) -> Iterator[Database]:
    """The same database for the property's own loop; emptied by `db`."""
    own = postgres.connect(database_url)
    yield own
    runner.run(own.close())


async def quarter(db: Database, deeds: list[tuple[str, int, str]]) -> None:
    """Play the deeds by their hours, each twice, and look at the books after each."""
    own, upgrades, first = await books(db), set[int](), clock.now()
    for deed, hour, what in sorted(deeds, key=lambda deed: deed[1]):
        at = ANCHOR + timedelta(hours=hour)
        n = next(n for n, period in enumerate(MONTHS) if period.start <= at < period.end)
        before = await own.lots()
        for _ in range(2):
            if deed == "refill":
                await own.refill(at)
            elif deed == "settle":
                async with db.begin() as tx:
                    await plans.settle(tx, own.account.id, now=at)
            elif deed == "tell":
                ended = {"ended_at": at} if what == "canceled" else {}
                await own.tell(told(MONTHS[n], at, status=what, external_id=f"sub_{own.account.id}", **ended))
            elif deed == "pay":
                await own.pay(int(what))
            elif await own.upgrade(at, MONTHS[n], what):
                upgrades.add(n)
        await checked(own, before, deed, at, upgrades)
    assert (await own.lots())[0][0] == f"grant:plan:me:{calendar_period(first).label}"


async def checked(own: "Books", before: list[tuple[str, int, datetime]], deed: str, at: datetime, up: set[int]) -> None:
    """No month twice, no calendar's month beside a paid one that has begun in it, and each lapses at its own end."""
    lots = await own.lots()
    assert len({source for source, _, _ in lots}) == len(lots)
    paid = Counter[int]()
    for source, micro, expires_at in lots[1:]:
        kind, rest = source.removeprefix("grant:").split(":", 1)
        if kind == "plan":
            assert (micro, expires_at) == (allowance("basic"), calendar_period(expires_at - DAY).end)
            continue
        n = int(rest.split(":")[0].rsplit("_", 1)[1])
        paid[n] += micro
        assert expires_at == MONTHS[n].end
    assert paid == {n: allowance("pro" if n in up else "standard") for n in paid}
    for source, _, _ in lots[len(before) :]:
        if source.startswith("grant:plan:"):
            async with own.db.begin() as tx:
                known = await Subscriptions(session=tx).of(own.account.id)
            assert (deed, plans.best(known, now=at)) == ("refill", None)
            assert source.rsplit(":", 1)[1] not in {MONTHS[n].label for n in paid}


OTHERS = os.environ.get("REELWRIGHT_ALLOWANCE_EXAMPLES")
PLAY = settings(
    max_examples=int(OTHERS or "8"),
    derandomize=OTHERS is None,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def test_no_order_of_refills_payments_and_upgrades_gives_a_month_twice(near: Database, runner: asyncio.Runner) -> None:
    @PLAY
    @given(st.lists(DEEDS, min_size=4, max_size=14))
    def play(deeds: list[tuple[str, int, str]]) -> None:
        runner.run(quarter(near, deeds))

    play()
    assert runner.run(money.verify(db=near)) == ()

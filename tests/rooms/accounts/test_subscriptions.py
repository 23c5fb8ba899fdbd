"""What was told of subscriptions, and what follows from it: when each gives its plan, and which plan that is."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest

from reelwright import accounts
from reelwright.accounts import Account, Accounts, PaidPeriod, Subscription, Subscriptions, SubscriptionTold
from reelwright.ground.errors import NotFound
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from tests.builders import subscription_told

START, END = datetime(2026, 1, 31, 12, tzinfo=UTC), datetime(2026, 2, 28, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)


told = partial(subscription_told, START, END)


async def opened(db: Database) -> Account:
    async with db.begin() as tx:
        return await Accounts(session=tx).create(email=f"{uuid4().hex}@example.com")


async def instant(db: Database) -> datetime:
    async with db.begin() as tx:
        return await Subscriptions(session=tx).instant()


async def tell(db: Database, account: Account, state: SubscriptionTold, asked_at: datetime | None = None) -> bool:
    asked_at = asked_at or await instant(db)
    async with db.begin() as tx:
        return await Subscriptions(session=tx).told(account.id, state, asked_at=asked_at)


async def known(db: Database, account: Account) -> list[Subscription]:
    async with db.begin() as tx:
        return await Subscriptions(session=tx).of(account.id)


def plain(subscription: Subscription) -> SubscriptionTold:
    return SubscriptionTold(**{name: getattr(subscription, name) for name in SubscriptionTold.__slots__})


async def test_what_was_asked_for_before_another_wrote_is_not_kept(db: Database) -> None:
    """W5, W6: it may be an older state. Whatever the tellers' own clocks say, whoever asks again has the newest."""
    account, before = await opened(db), await instant(db)
    assert await tell(db, account, told(status="active", told_at=START + DAY), before)
    for late in (told(status="incomplete"), told(status="canceled", told_at=START + 2 * DAY, ended_at=END)):
        assert not await tell(db, account, late, before)
    assert [one.status for one in await known(db, account)] == ["active"]
    over = told(status="canceled", told_at=START, ended_at=START)
    assert await tell(db, account, over)
    assert [plain(one) for one in await known(db, account)] == [over]


async def test_of_those_who_asked_at_the_same_moment_one_is_kept(db: Database) -> None:
    account, asked_at = await opened(db), await instant(db)
    kept = await asyncio.gather(*(tell(db, account, told(told_at=START + n * DAY), asked_at) for n in range(6)))
    assert sorted(kept) == [False] * 5 + [True]
    (found,) = await known(db, account)
    assert found.told_at == START + kept.index(True) * DAY


async def test_another_accounts_subscription_is_refused_and_stays(db: Database) -> None:
    """W19."""
    owner, other = await opened(db), await opened(db)
    await tell(db, owner, told())
    with pytest.raises(accounts.SubscriptionTaken):
        await tell(db, other, told(plan="pro", told_at=START + DAY))
    assert ([s.plan for s in await known(db, owner)], await known(db, other)) == (["standard"], [])


async def test_grace_counts_from_the_first_time_that_it_was_past_due(db: Database) -> None:
    """W11, W12: told again it is no longer, paid it is over, and failed again it begins again."""
    account = await opened(db)
    for at, status, since in [(0, "active", None), (1, "past_due", 1), (2, "past_due", 1), (3, "active", None),
                              (4, "past_due", 4), (5, "unpaid", None)]:  # fmt: skip
        await tell(db, account, told(status=status, told_at=START + at * DAY))
        (found,) = await known(db, account)
        assert found.past_due_since == (None if since is None else START + since * DAY), status


@pytest.mark.parametrize(
    ("status", "live"),
    [("trialing", True), ("active", True), ("past_due", True), ("unpaid", False), ("canceled", False),
     ("incomplete", False), ("incomplete_expired", False), ("paused", False)],
)  # fmt: skip
async def test_each_status_gives_its_plan_or_does_not(db: Database, status: str, *, live: bool) -> None:
    account = await opened(db)
    await tell(db, account, told(status=status))
    (found,) = await known(db, account)
    assert found.live(START + MOMENT) is live


async def test_w12_grace_ends_exactly_after_three_days(db: Database) -> None:
    account = await opened(db)
    await tell(db, account, told(status="past_due", told_at=START + DAY))
    (found,) = await known(db, account)
    over = START + DAY + timedelta(days=3)
    assert (found.live(over - MOMENT), found.live(over)) == (True, False)
    assert (found.turns_at(START + DAY), found.turns_at(over - MOMENT), found.turns_at(over)) == (over, over, None)


async def test_w14_a_cancelled_period_is_enjoyed_to_its_end_and_undone_goes_on(db: Database) -> None:
    account = await opened(db)
    await tell(db, account, told(cancel_at_period_end=True))
    (found,) = await known(db, account)
    assert (found.live(END - MOMENT), found.live(END), found.turns_at(START)) == (True, False, END)
    await tell(db, account, told(told_at=START + DAY))
    (found,) = await known(db, account)
    assert (found.live(END), found.turns_at(START)) == (True, None)


async def test_a_smaller_plan_has_its_turn_at_the_periods_end(db: Database) -> None:
    account = await opened(db)
    await tell(db, account, told(plan="pro", next_plan="basic"))
    (found,) = await known(db, account)
    assert (found.plan_at(END - MOMENT), found.plan_at(END), found.live(END)) == ("pro", "basic", True)


async def test_an_account_has_one_customer_and_a_customer_one_account(db: Database) -> None:
    """Two tabs that make a customer each at the same moment: one of them is told."""
    first, second = await opened(db), await opened(db)

    async def name(account: AccountId, customer: str) -> str:
        try:
            async with db.begin() as tx:
                await Subscriptions(session=tx).set_customer(account, customer)
                assert await Subscriptions(session=tx).owner(customer) == account
        except accounts.CustomerTaken as taken:
            return taken.code
        return "kept"

    assert sorted(await asyncio.gather(*(name(first.id, f"cus_{n}") for n in range(4)))) == [
        *["accounts.customer_taken"] * 3,
        "kept",
    ]
    async with db.begin() as tx:
        customer = await Subscriptions(session=tx).customer(first.id)
        assert await Subscriptions(session=tx).customer(second.id) is None
    assert customer is not None
    assert [await name(first.id, customer), await name(second.id, customer)] == ["kept", "accounts.customer_taken"]
    with pytest.raises(NotFound):
        await name(AccountId(UUID(int=7)), "cus_9")
    async with db.begin() as tx:
        await Subscriptions(session=tx).forget_customer(customer)
        assert await Subscriptions(session=tx).customer(first.id) is None
        assert await Subscriptions(session=tx).owner(customer) == first.id
        assert await Subscriptions(session=tx).former_customers(first.id) == 1
    assert await name(first.id, "cus_10") == "kept"


async def test_a_paid_period_is_noted_once_and_found_by_what_it_shares(db: Database) -> None:
    account = await opened(db)
    period = PaidPeriod(source="invoice:in_1:il_1", plan="pro", starts_at=START, ends_at=END)
    async with db.begin() as tx:
        subscriptions = Subscriptions(session=tx)
        for plan in ("pro", "basic"):
            await subscriptions.paid(account.id, replace(period, plan=plan))
        spans = [(START - DAY, START), (START - DAY, START + MOMENT), (END - MOMENT, END), (END, END + DAY)]
        found = [await subscriptions.paid_for(account.id, start=start, end=end) for start, end in spans]
    assert found == [[], [period], [period], []]

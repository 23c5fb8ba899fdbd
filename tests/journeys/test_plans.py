"""The plan that an account holds, by what was told and by what time does; boosts that end and are taken back."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from reelwright.accounts import Account, Accounts, BoostNotNeeded, Boosts, Subscriptions, SubscriptionTold
from reelwright.admission import Gate
from reelwright.billing import Plan
from reelwright.ground import clock
from reelwright.ground.errors import NotFound
from reelwright.ground.postgres import Database
from reelwright.journeys import administration, plans
from tests.builders import a_gate, an_account, subscription_told
from tests.promised import as_promised

START, END = datetime(2027, 1, 31, 12, tzinfo=UTC), datetime(2027, 2, 28, 12, tzinfo=UTC)
MOMENT, DAY, MONTH = timedelta(microseconds=1), timedelta(days=1), timedelta(days=30)


def told(sub: str = "sub_1", **changes: object) -> SubscriptionTold:
    return subscription_told(START, END, external_id=sub, **changes)


async def settled(db: Database, account: Account, *states: SubscriptionTold, now: datetime = START) -> Account:
    async with db.begin() as tx:
        for state in states:
            subscriptions = Subscriptions(session=tx)
            await subscriptions.told(account.id, state, asked_at=await subscriptions.instant())
        return await plans.settle(tx, account.id, now=now)


async def plan_of(db: Database, account: Account) -> str:
    async with db.begin() as tx:
        return (await Accounts(session=tx).get(account.id)).plan


async def notices_of(db: Database, kind: str) -> list[dict[str, object]]:
    async with db.begin() as tx:
        found = await tx.scalars(text("SELECT facts FROM notices WHERE kind = :kind ORDER BY id"), {"kind": kind})
        return [dict(as_promised(kind, facts)) for facts in found]


async def later(db: Database, by: timedelta) -> None:
    """Let time pass for boosts, whose clock is the database's."""
    async with db.begin() as tx:
        shift = (
            "UPDATE boosts SET starts_at = starts_at - CAST(:by AS interval), ends_at = ends_at - CAST(:by AS interval)"
        )
        await tx.execute(text(shift), {"by": by})


@pytest.fixture
async def gate(db: Database, redis: object) -> AsyncGenerator[Gate]:
    made = a_gate(db, redis)
    yield made
    await made.close()


async def test_a_subscription_gives_its_plan_once_and_is_told(db: Database) -> None:
    account = await an_account(db, Plan.BASIC)
    answers = [await settled(db, account, told()) for _ in range(3)]
    assert [(a.plan, a.plan_version) for a in answers] == [("standard", 2)] * 3
    assert await notices_of(db, "plan_changed") == [{"plan": "standard", "before": "basic"}]


async def test_w10_a_trial_gives_its_plan_and_goes_on_when_paid(db: Database) -> None:
    account = await an_account(db, Plan.BASIC)
    trial = await settled(db, account, told(status="trialing"))
    paid = await settled(db, account, told(told_at=START + DAY))
    assert [(a.plan, a.plan_version) for a in (trial, paid)] == [("standard", 2)] * 2


async def test_w26_of_two_subscriptions_the_better_counts_and_then_the_other(db: Database) -> None:
    """W7: the end of one that was superseded takes nothing."""
    account = await an_account(db, Plan.BASIC)
    both = await settled(db, account, told("a"), told("b", plan="pro"))
    gone = await settled(db, account, told("a", status="canceled", told_at=END, ended_at=END))
    assert (both.plan, gone.plan, gone.plan_version) == ("pro", "pro", both.plan_version)
    assert (await settled(db, account, told("b", status="unpaid", told_at=END))).plan == "basic"


async def test_without_a_subscription_the_plan_given_by_hand_counts(db: Database) -> None:
    account = await an_account(db, Plan.STANDARD)
    assert (await settled(db, account)).plan == "standard"
    assert (await settled(db, account, told(plan="pro"))).plan == "pro"
    assert (await settled(db, account, told(plan="pro", ended_at=END, status="canceled", told_at=END))).plan == (
        "standard"
    )


async def test_a_subscription_takes_no_better_plan_that_was_given_by_hand(db: Database) -> None:
    """While both hold, the better counts; the smaller one's turn, its end and its grace change nothing."""
    account = await an_account(db, Plan.STANDARD)
    states = (told(plan="basic"), told(plan="basic", status="past_due", told_at=START + DAY))
    held = [await settled(db, account, state) for state in states]
    assert [(a.plan, a.plan_version) for a in held] == [("standard", 1)] * 2
    better = await settled(db, account, told(plan="pro", next_plan="basic", told_at=START + 2 * DAY))
    assert (better.plan, (await settled(db, account, now=END)).plan) == ("pro", "standard")


async def test_an_administrator_cannot_set_what_a_subscription_decides(db: Database, gate: Gate) -> None:
    account, by = await an_account(db, Plan.BASIC), await an_account(db)

    async def set_to(plan: Plan, now: datetime) -> str:
        return (await administration.set_plan(account.id, plan, by=by, db=db, gate=gate, now=now)).plan

    await settled(db, account, told(cancel_at_period_end=True))
    with pytest.raises(administration.PlanPaidFor):
        await set_to(Plan.PRO, END - MOMENT)
    assert await plan_of(db, account) == "standard"
    assert await set_to(Plan.PRO, END) == "pro"
    assert (await settled(db, account, now=END)).plan == "pro"


@pytest.mark.parametrize(
    ("state", "at", "then"),
    [
        (told(status="past_due", told_at=START + DAY), START + 4 * DAY, "basic"),
        (told(cancel_at_period_end=True), END, "basic"),
        (told(plan="pro", next_plan="standard"), END, "standard"),
        (told(plan="pro", next_plan="standard", status="past_due", told_at=END - DAY), END + 2 * DAY, "basic"),
    ],
    ids=["w12 grace", "w14 cancelled", "downgrade", "downgrade in grace"],
)
async def test_time_alone_takes_a_plan_at_the_very_instant(
    state: SubscriptionTold, at: datetime, then: str, db: Database, gate: Gate
) -> None:
    account = await an_account(db, Plan.BASIC)
    await settled(db, account, state, now=START + DAY)
    await plans.sweep(db=db, gate=gate, now=at - MOMENT)
    before = await plan_of(db, account)
    swept = await asyncio.gather(*(plans.sweep(db=db, gate=gate, now=at) for _ in range(3)))
    assert (before in {"standard", "pro"}, await plan_of(db, account), sum(swept) >= 1) == (True, then, True)
    assert await plans.sweep(db=db, gate=gate, now=at + DAY) == 0
    assert len(await notices_of(db, "plan_changed")) == len([*dict.fromkeys([state.plan, before, then])])


async def test_both_turns_of_a_subscription_are_swept(db: Database, gate: Gate) -> None:
    """Past due shortly before its end: first the smaller plan, then none."""
    account = await an_account(db, Plan.BASIC)
    await settled(db, account, told(plan="pro", next_plan="standard", status="past_due", told_at=END - DAY))
    seen = []
    for now in (END - MOMENT, END, END + 2 * DAY - MOMENT, END + 2 * DAY):
        await plans.sweep(db=db, gate=gate, now=now)
        seen.append(await plan_of(db, account))
    assert seen == ["pro", "standard", "standard", "basic"]


async def test_w14_resumed_in_time_nothing_is_taken(db: Database, gate: Gate) -> None:
    account = await an_account(db, Plan.BASIC)
    await settled(db, account, told(cancel_at_period_end=True))
    await settled(db, account, told(told_at=START + DAY))
    assert await plans.sweep(db=db, gate=gate, now=END) == 0
    assert await plan_of(db, account) == "standard"


async def test_what_was_told_and_never_settled_is_swept(db: Database, gate: Gate) -> None:
    """Whoever told it has crashed before it settled the account."""
    account = await an_account(db, Plan.BASIC)
    async with db.begin() as tx:
        subscriptions = Subscriptions(session=tx)
        await subscriptions.told(account.id, told(), asked_at=await subscriptions.instant())
    assert [await plans.sweep(db=db, gate=gate, now=START) for _ in range(2)] == [1, 0]
    assert await plan_of(db, account) == "standard"


async def test_one_account_that_fails_holds_up_none_behind_it(
    db: Database, gate: Gate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(plans, "_BATCH", 2)
    accounts = sorted([await an_account(db, Plan.BASIC) for _ in range(5)], key=lambda account: account.id)
    for at, account in enumerate(accounts):
        async with db.begin() as tx:
            subscriptions = Subscriptions(session=tx)
            await subscriptions.told(account.id, told(f"sub_{at}"), asked_at=await subscriptions.instant())
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET deleted_at = now() WHERE id = :id"), {"id": accounts[0].id})
    assert await plans.sweep(db=db, gate=gate, now=START) == 4
    assert [await plan_of(db, account) for account in accounts[1:]] == ["standard"] * 4
    assert "rounds.account_failed" in caplog.text


async def boosted(db: Database, account: Account, source: str, days: int = 30) -> Account:
    async with db.begin() as tx:
        return await plans.boost(tx, account.id, source=source, days=days)


async def test_admission_hears_of_boosts_and_of_their_end(db: Database, gate: Gate) -> None:
    account = await an_account(db, Plan.BASIC)
    await plans.announce(await boosted(db, account, "a"), gate=gate)
    lifted = await gate.peek(account.id, now=clock.now())
    await plans.revoke_boost(account.id, source="a", by=None, db=db, gate=gate)
    fallen = await gate.peek(account.id, now=clock.now())
    assert (lifted.boosted, fallen.boosted) == (True, False)


async def test_a_boosts_end_is_told_once_when_the_last_one_ends(db: Database, gate: Gate) -> None:
    account = await an_account(db, Plan.STANDARD)
    for source in ("a", "a", "b"):
        await boosted(db, account, source)

    async def swept() -> int:
        return sum(await asyncio.gather(*(plans.sweep(db=db, gate=gate, now=clock.now()) for _ in range(3))))

    seen = []
    for days in (29, 2, 28, 2, 1):
        await later(db, days * DAY)
        seen.append(await swept())
    assert seen == [0, 0, 0, 1, 0]
    assert await notices_of(db, "boost_ended") == [{"plan": "standard"}]
    assert len(await notices_of(db, "boost_started")) == 2


async def test_boosts_that_ended_while_nobody_swept_are_told_as_one(db: Database, gate: Gate) -> None:
    account = await an_account(db, Plan.STANDARD)
    for source in ("a", "b", "c"):
        await boosted(db, account, source)
    await later(db, 100 * DAY)
    assert await plans.sweep(db=db, gate=gate, now=clock.now()) == 1


async def test_a_boost_taken_back_closes_up_what_follows_and_leaves_what_was_enjoyed(db: Database, gate: Gate) -> None:
    """Three in a row, ten days into the first: the first goes, the others begin now."""
    account = await an_account(db, Plan.BASIC)
    for source in ("a", "b", "c"):
        await boosted(db, account, source)
    await later(db, 10 * DAY)

    async def revoked(source: str) -> datetime:
        taken = await plans.revoke_boost(account.id, source=source, by=None, db=db, gate=gate)
        return taken.boost_until

    now = clock.now()
    first = await revoked("a")
    assert abs(first - now - 2 * MONTH) < timedelta(minutes=1)
    assert await revoked("a") == first
    assert await revoked("c") == first - MONTH
    async with db.begin() as tx:
        a, b, c = await Boosts(session=tx).of(account.id)
    assert (a.source, b.source, c.source, b.revoked_at) == ("a", "b", "c", None)
    assert a.revoked_at - a.starts_at - 10 * DAY < timedelta(minutes=1)
    assert (b.starts_at, b.ends_at) == (a.revoked_at, first - MONTH)
    assert (await boosted(db, account, "d")).boost_until == b.ends_at + MONTH
    assert await notices_of(db, "boost_ended") == []


async def test_the_last_boost_taken_back_ends_pro_now_and_is_told_once(db: Database, gate: Gate) -> None:
    account = await an_account(db, Plan.BASIC)
    await boosted(db, account, "a")
    taken = [await plans.revoke_boost(account.id, source="a", by=None, db=db, gate=gate) for _ in range(2)]
    assert [(a.boost_until, a.plan_version) for a in taken] == [(None, 3)] * 2
    await later(db, 31 * DAY)
    assert await plans.sweep(db=db, gate=gate, now=clock.now()) == 0
    assert await notices_of(db, "boost_ended") == [{"plan": "basic"}]


async def test_a_boost_that_is_over_is_not_taken_back_any_more(db: Database, gate: Gate) -> None:
    account = await an_account(db, Plan.BASIC)
    await boosted(db, account, "a")
    await later(db, 31 * DAY)
    await plans.revoke_boost(account.id, source="a", by=None, db=db, gate=gate)
    async with db.begin() as tx:
        assert [b.revoked_at for b in await Boosts(session=tx).of(account.id)] == [None]


async def test_another_accounts_boost_is_nowhere(db: Database, gate: Gate) -> None:
    account, other = await an_account(db, Plan.BASIC), await an_account(db, Plan.BASIC)
    await boosted(db, account, "a")
    with pytest.raises(NotFound):
        await plans.revoke_boost(other.id, source="a", by=None, db=db, gate=gate)
    with pytest.raises(NotFound):
        await plans.revoke_boost(account.id, source="b", by=None, db=db, gate=gate)


async def test_e51_boost_and_subscription_end_at_the_same_instant(db: Database, gate: Gate) -> None:
    account = await an_account(db, Plan.BASIC)
    await boosted(db, account, "a")
    async with db.begin() as tx:
        end = await tx.scalar(text("SELECT ends_at FROM boosts"))
    state = told(cancel_at_period_end=True, period_end=end, period_start=end - MONTH)
    await settled(db, account, state, now=clock.now())
    await plans.sweep(db=db, gate=gate, now=end)
    assert await plan_of(db, account) == "basic"
    assert (len(await notices_of(db, "boost_ended")), len(await notices_of(db, "plan_changed"))) == (1, 2)


async def test_a_boost_on_pro_is_refused_and_one_that_runs_goes_on_below_pro(db: Database) -> None:
    account = await an_account(db, Plan.BASIC)
    lifted = await boosted(db, account, "a")
    pro = await settled(db, account, told(plan="pro"))
    assert pro.boost_until == lifted.boost_until
    with pytest.raises(BoostNotNeeded):
        await boosted(db, account, "b")


async def test_a_demo_is_told_nothing(db: Database, gate: Gate) -> None:
    account = await an_account(db, Plan.BASIC)
    async with db.begin() as tx:
        await Accounts(session=tx).set_demo(account.id, demo=True)
    await boosted(db, account, "a")
    await settled(db, account, told())
    await plans.revoke_boost(account.id, source="a", by=None, db=db, gate=gate)
    assert [await notices_of(db, kind) for kind in ("boost_started", "plan_changed", "boost_ended")] == [[], [], []]

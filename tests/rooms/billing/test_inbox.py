"""Stripe's events as rows: one at a time for each customer, by claims that lapse and can be lost."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from reelwright.billing import Claim, ClaimLost, Event, Inbox
from reelwright.billing.inbox import MOST_ATTEMPTS
from reelwright.ground.postgres import Database

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def an_event(name: str, *, serial: str = "cus_1", kind: str = "invoice.paid") -> Event:
    return Event(
        id=name,
        type=kind,
        api_version=None,
        created=NOW,
        livemode=False,
        object_type="invoice",
        object_id=f"in_{name}",
        serial=serial,
        payload='{"name": "\\u0000"}',
    )


async def store(db: Database, *events: Event) -> list[bool]:
    async with db.begin() as tx:
        return [await Inbox(session=tx).store(event) for event in events]


async def claim(db: Database) -> Claim | None:
    async with db.begin() as tx:
        return await Inbox(session=tx).claim()


async def lapse(db: Database) -> None:
    async with db.begin() as tx:
        await tx.execute(text("UPDATE stripe_events SET next_attempt_at = now() WHERE status <> 'failed'"))


async def test_an_event_is_stored_once_and_one_we_do_not_act_on_is_ignored(db: Database) -> None:
    assert await store(db, an_event("a"), an_event("a"), an_event("b", kind="x.y")) == [True, False, True]
    found = await claim(db)
    assert found is not None
    assert (found.id, found.object_id, found.attempt) == ("a", "in_a", 1)
    assert await claim(db) is None


async def test_two_events_of_one_customer_are_never_handled_at_once(db: Database) -> None:
    await store(db, an_event("a"), an_event("b"), an_event("c", serial="cus_2"))
    first, second = await claim(db), await claim(db)
    assert first is not None
    assert second is not None
    assert (first.id, second.id) == ("a", "c")
    assert await claim(db) is None
    async with db.begin() as tx:
        await Inbox(session=tx).hold(first)
        await Inbox(session=tx).done(first)
    third = await claim(db)
    assert third is not None
    assert third.id == "b"


async def test_a_claim_that_has_lapsed_writes_nothing_more(db: Database) -> None:
    await store(db, an_event("a"))
    first = await claim(db)
    assert first is not None
    await lapse(db)
    with pytest.raises(ClaimLost):
        async with db.begin() as tx:
            await Inbox(session=tx).hold(first)
    second = await claim(db)
    assert second is not None
    assert second.attempt == 2
    with pytest.raises(ClaimLost):
        async with db.begin() as tx:
            await Inbox(session=tx).hold(first)
    async with db.begin() as tx:
        await Inbox(session=tx).hold(second)


async def test_w3_what_fails_waits_longer_each_time_and_is_given_up_after_fifteen(db: Database) -> None:
    await store(db, an_event("a"))
    waits = list[timedelta]()
    for attempt in range(1, MOST_ATTEMPTS + 1):
        await lapse(db)
        found = await claim(db)
        assert found is not None
        async with db.begin() as tx:
            again = await Inbox(session=tx).postpone(found, "Odd")
            waits.append(await tx.scalar(text("SELECT next_attempt_at - now() FROM stripe_events")) or timedelta(0))
        assert again is (attempt < MOST_ATTEMPTS)
    assert waits[:3] == [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=20)]
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(hours=6)
    await lapse(db)
    assert await claim(db) is None
    async with db.begin() as tx:
        assert [one.error for one in await Inbox(session=tx).page(status="failed", after=None, limit=5)] == ["Odd"]
        assert await Inbox(session=tx).replay("a")
    found = await claim(db)
    assert found is not None
    assert found.attempt == 1


async def test_a_day_is_compared_once_and_again_only_where_that_failed(db: Database) -> None:
    day = NOW.date()
    async with db.begin() as tx:
        assert await Inbox(session=tx).begin_review(day) == (True, None)
    async with db.begin() as tx:
        assert (await Inbox(session=tx).begin_review(day))[0] is False
        await tx.execute(text("UPDATE stripe_reviews SET tried_at = now() - interval '11 minutes'"))
    async with db.begin() as tx:
        assert (await Inbox(session=tx).begin_review(day))[0] is True
        await Inbox(session=tx).end_review(day, missed=0)
        await tx.execute(text("UPDATE stripe_reviews SET tried_at = now() - interval '11 minutes'"))
    async with db.begin() as tx:
        assert (await Inbox(session=tx).begin_review(day))[0] is False
        assert await Inbox(session=tx).begin_review(day + timedelta(days=1)) == (True, day)

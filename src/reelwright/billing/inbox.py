"""Stripe's events as rows: stored once, claimed one at a time for each customer, settled with their effects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Date, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.billing.events import FAMILIES, Event, Family

LEASE = timedelta(seconds=120)  # more than the calls of one event can take
MOST_ATTEMPTS = 15
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=6)
_REVIEW_PAUSE = timedelta(minutes=10)

_STORE = text(
    """
    INSERT INTO stripe_events (event_id, type, api_version, created, livemode, object_type, object_id, serial, payload,
                               status, error, done_at)
    VALUES (:id, :type, :api_version, :created, :livemode, :object_type, :object_id, :serial, CAST(:payload AS json),
            :status, :error, CASE WHEN :status = 'ignored' THEN now() END)
    ON CONFLICT (event_id) DO NOTHING RETURNING event_id
    """
)
_KNOWN = text("SELECT event_id FROM stripe_events WHERE event_id = ANY(:ids)")
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('stripe inbox', 0))")
_CLAIM = text(
    """
    UPDATE stripe_events SET status = 'processing', attempts = attempts + 1, next_attempt_at = now() + :lease
     WHERE event_id = (
        SELECT e.event_id FROM stripe_events e
         WHERE e.status IN ('received', 'processing') AND e.next_attempt_at <= now() AND e.type = ANY(:types)
           AND NOT EXISTS (SELECT FROM stripe_events other
                            WHERE other.serial = e.serial AND other.status = 'processing'
                              AND other.next_attempt_at > now())
         ORDER BY e.next_attempt_at, e.created, e.event_id LIMIT 1)
    RETURNING event_id, type, object_id, attempts, clock_timestamp() AS asked_at
    """
)
_HELD = text(
    """
    SELECT event_id FROM stripe_events
     WHERE event_id = :id AND status = 'processing' AND attempts = :attempt AND next_attempt_at > now() FOR UPDATE
    """
)
_DONE = text("UPDATE stripe_events SET status = 'done', done_at = now(), error = '' WHERE event_id = :id")
_POSTPONE = text(
    """
    UPDATE stripe_events SET status = :status, next_attempt_at = now() + :wait, error = :error
     WHERE event_id = :id AND status = 'processing' AND attempts = :attempt
    """
)
_PAGE = """
    SELECT event_id AS id, type, created, livemode, object_id, received_at, status, attempts, next_attempt_at, error
      FROM stripe_events
     WHERE {narrowed}(received_at, event_id) <
           (CASE WHEN CAST(:after AS text) IS NULL THEN 'infinity'
                 ELSE (SELECT last.received_at FROM stripe_events last WHERE last.event_id = :after) END,
            coalesce(:after, ''))
     ORDER BY received_at DESC, event_id DESC LIMIT :limit
"""
_ALL, _IN_STATUS = text(_PAGE.format(narrowed="")), text(_PAGE.format(narrowed="status = :status AND "))
_REPLAY = text(
    """
    UPDATE stripe_events SET status = 'received', attempts = 0, next_attempt_at = now(), done_at = NULL, error = ''
     WHERE event_id = :id AND status <> 'processing' AND type = ANY(:types) RETURNING event_id
    """
)
_BEGIN_REVIEW = text(
    """
    INSERT INTO stripe_reviews AS review (day) VALUES (:day)
    ON CONFLICT (day) DO UPDATE SET tried_at = now()
     WHERE review.done_at IS NULL AND review.tried_at < now() - CAST(:pause AS interval)
    RETURNING (SELECT max(day) FROM stripe_reviews WHERE done_at IS NOT NULL) AS last
    """
).bindparams(bindparam("day", type_=Date))
_END_REVIEW = text("UPDATE stripe_reviews SET done_at = now(), missed = :missed WHERE day = :day")


class ClaimLost(Exception):  # noqa: N818 - an answer, which no caller may overlook
    """The claim lapsed, and somebody else may be at the event: nothing more may be written for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An event that is this process's for `LEASE`; `attempt` is the claim's fence, from 1.

    `asked_at` is PostgreSQL's time of the claim: whatever is fetched for it is at least as new.
    """

    id: str
    type: str
    object_id: str
    attempt: int
    asked_at: datetime

    @property
    def family(self) -> Family:
        """What to do about it."""
        return FAMILIES[self.type]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as an administrator sees it: never its payload, which names people."""

    id: str
    type: str
    created: datetime
    livemode: bool
    object_id: str
    received_at: datetime
    status: str
    attempts: int
    next_attempt_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Inbox:
    """Stripe's events, inside one transaction."""

    session: AsyncConnection

    async def store(self, event: Event, *, refused: str = "") -> bool:
        """Keep an event once; False where it is known. What we don't act on, or have `refused`, is kept as ignored."""
        values = {name: getattr(event, name) for name in ("id", "type", "api_version", "created", "livemode")}
        values |= {name: getattr(event, name) for name in ("object_type", "object_id", "serial", "payload")}
        values |= {"status": "ignored" if refused or event.family is None else "received", "error": refused}
        return await self.session.scalar(_STORE, values) is not None

    async def unknown(self, ids: Sequence[str]) -> set[str]:
        """Return which of these events never arrived."""
        return set(ids) - set(await self.session.scalars(_KNOWN, {"ids": list(ids)}))

    async def claim(self) -> Claim | None:
        """Take the event that has been due longest, of a customer whom nobody is at; None where there is none.

        Types that only a newer release acts on are left to it.
        """
        await self.session.execute(_ONE_AT_A_TIME)
        row = (await self.session.execute(_CLAIM, {"lease": LEASE, "types": list(FAMILIES)})).one_or_none()
        if row is None:
            return None
        return Claim(
            id=row.event_id, type=row.type, object_id=row.object_id, attempt=row.attempts, asked_at=row.asked_at
        )

    async def hold(self, claim: Claim) -> None:
        """Lock a claimed event, so that its effects and its end are one commit. Raises ClaimLost."""
        if await self.session.scalar(_HELD, {"id": claim.id, "attempt": claim.attempt}) is None:
            raise ClaimLost

    async def done(self, claim: Claim) -> None:
        """End a claimed event well. It must be locked."""
        await self.session.execute(_DONE, {"id": claim.id})

    async def postpone(self, claim: Claim, error: str) -> bool:
        """Leave a claimed event for later: 5 seconds, doubled each time, at most 6 hours. False: given up for good."""
        again = claim.attempt < MOST_ATTEMPTS
        wait = min(_FIRST_WAIT * 2 ** (claim.attempt - 1), _LONGEST_WAIT)
        await self._put_off(claim, "received" if again else "failed", error, wait)
        return again

    async def fail(self, claim: Claim, error: str) -> None:
        """Give a claimed event up, until an administrator has it handled again."""
        await self._put_off(claim, "failed", error, timedelta(0))

    async def page(self, *, status: str | None, after: str | None, limit: int) -> list[StoredEvent]:
        """Return events, the latest received first, behind the one with this id."""
        values = {"after": after, "limit": limit} | ({} if status is None else {"status": status})
        found = await self.session.execute(_ALL if status is None else _IN_STATUS, values)
        return [StoredEvent(**row) for row in found.mappings()]

    async def replay(self, event: str) -> bool:
        """Have an event handled again, however it ended; False where there is none such, or it is being handled."""
        return await self.session.scalar(_REPLAY, {"id": event, "types": list(FAMILIES)}) is not None

    async def begin_review(self, day: date) -> tuple[bool, date | None]:
        """Return whether this day's comparison is the caller's to make, and the day of the last one that was made."""
        row = (await self.session.execute(_BEGIN_REVIEW, {"day": day, "pause": _REVIEW_PAUSE})).one_or_none()
        return row is not None, row.last if row else None

    async def end_review(self, day: date, *, missed: int) -> None:
        """Note that the day's comparison was made."""
        await self.session.execute(_END_REVIEW, {"day": day, "missed": missed})

    async def _put_off(self, claim: Claim, status: str, error: str, wait: timedelta) -> None:
        values = {"id": claim.id, "attempt": claim.attempt, "status": status, "error": error, "wait": wait}
        await self.session.execute(_POSTPONE, values)


def review_since(day: date, last: date | None) -> timedelta:
    """Return how far back a day's comparison looks: three days, or from the day before the last one; at most 29 days.

    Stripe keeps events for 30 days.
    """
    back = timedelta(days=3) if last is None else max(day - last + timedelta(days=1), timedelta(days=3))
    return min(back, timedelta(days=29))

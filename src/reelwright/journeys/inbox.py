"""Stripe's events: stored at once and answered, handled afterwards until they are, looked for where one is missing.

A claim, not a lock, keeps one customer's events in line while Stripe is asked: no transaction is open then. What an
event changes, and that it is done, is one commit.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import msgspec

from reelwright import billing
from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.billing import (
    API_VERSION,
    FAMILIES,
    Claim,
    ClaimLost,
    EventUnusable,
    Family,
    Inbox,
    StoredEvent,
    StripeDoor,
    Unknown,
)
from reelwright.ground import log, telemetry
from reelwright.ground.errors import NotFound, Outage, Refusal
from reelwright.ground.postgres import Database
from reelwright.journeys import checkouts, plans, returns, settlement
from reelwright.journeys.auditing import audited
from reelwright.journeys.settlement import Heard, Overtaken, Settle

_log = log.logger("journeys.inbox")
telemetry.show(telemetry.STRIPE_EVENTS, [*Family, "other"], ["refused", "failed"])

_SETTLES: Mapping[Family, Callable[[Heard], Awaitable[Settle]]] = MappingProxyType(
    {
        Family.CHECKOUT: checkouts.checkout,
        Family.SUBSCRIPTION: settlement.subscription,
        Family.INVOICE: settlement.invoice,
        Family.CHARGE: returns.charge,
        Family.CUSTOMER: settlement.customer,
        Family.REVIEW: settlement.review,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPage:
    """A page of stored events, the latest received first; `more` says that there are others behind it."""

    events: Sequence[StoredEvent]
    more: bool


async def receive(raw: bytes, header: str | None, *, stripe: StripeDoor, db: Database, now: datetime) -> bool:
    """Store what Stripe sends, before anything is done about it; False where it was known.

    Raises SignatureWrong, EventUnreadable, Outage.
    """
    billing.check_signature(raw, header, secrets=stripe.webhook_secrets, now=now)
    return await _store(billing.parsed(raw), stripe=stripe, db=db)


async def drain(*, db: Database, gate: Gate, stripe: StripeDoor, now: datetime, most: int = 500) -> int:
    """Handle what is stored and due; return how many events were tried. Any number of processes may do it at once.

    Raises Outage where PostgreSQL is away; an event for which Stripe is away waits for its next time.
    """
    for tried in range(most):
        async with db.begin() as tx:
            claim = await Inbox(session=tx).claim()
        if claim is None:
            return tried
        await _handle(claim, db=db, gate=gate, stripe=stripe, now=now)
    return most


async def reconcile(*, db: Database, stripe: StripeDoor, now: datetime) -> int:
    """Once a day, store the events that Stripe has and that never arrived here; return how many. Raises Outage."""
    day, missed = now.date(), 0
    async with db.begin() as tx:
        ours, last = await Inbox(session=tx).begin_review(day)
    if not ours:
        return 0
    async for told in stripe.events(tuple(FAMILIES), since=now - billing.review_since(day, last)):
        async with db.begin() as tx:
            unknown = await Inbox(session=tx).unknown([told["id"]])
        if unknown:
            payload = msgspec.json.encode(told, enc_hook=str).decode()
            missed += await _store(billing.event_of(told, payload), stripe=stripe, db=db)
    async with db.begin() as tx:
        await Inbox(session=tx).end_review(day, missed=missed)
    if missed:
        _log.error("inbox.events_missed", missed=missed)
    return missed


async def page(*, status: str | None, after: str | None, limit: int, db: Database) -> EventsPage:
    """Return stored events for an administrator, without what they said. Raises Outage."""
    async with db.begin() as tx:
        found = await Inbox(session=tx).page(status=status, after=after, limit=limit + 1)
    return EventsPage(events=found[:limit], more=len(found) > limit)


async def replay(event: str, *, by: Account, db: Database) -> None:
    """Have an event handled again, however it ended. Raises NotFound, Outage."""
    async with db.begin() as tx:
        if not await Inbox(session=tx).replay(event):
            raise NotFound("There is no such event, nothing is done about its type, or it is being handled just now.")
        await audited(tx, "stripe_event.replayed", by=by, target=event)
    _log.info("inbox.replayed", event_id=event)


async def _store(event: billing.Event, *, stripe: StripeDoor, db: Database) -> bool:
    refused = "" if event.livemode == stripe.livemode else "of Stripe's other mode, test or live"
    async with db.begin() as tx:
        new = await Inbox(session=tx).store(event, refused=refused)
    family = event.family.value if event.family else "other"
    outcome = "refused" if refused else "ignored" if event.family is None else "stored" if new else "repeated"
    telemetry.STRIPE_EVENTS.labels(family, outcome).inc()
    if refused:
        _log.error("inbox.other_mode", event_id=event.id, type=event.type)
    if event.api_version not in {None, API_VERSION}:
        telemetry.STRIPE_OTHER_VERSION.inc()
    return new


async def _handle(claim: Claim, *, db: Database, gate: Gate, stripe: StripeDoor, now: datetime) -> None:
    """Settle one event, or leave it for later, or give it up where no repeat can help."""
    heard = Heard(type=claim.type, object_id=claim.object_id, db=db, stripe=stripe, now=now, asked_at=claim.asked_at)
    try:
        settle = await _SETTLES[claim.family](heard)
        async with db.begin() as tx:
            inbox = Inbox(session=tx)
            await inbox.hold(claim)
            accounts = await settle(tx)
            await inbox.done(claim)
    except ClaimLost:
        _log.warning("inbox.claim_lost", event_id=claim.id)
    except Outage as away:
        await _postpone(claim, away.code, db=db)
    except Overtaken:
        await _postpone(claim, "overtaken", db=db)
    except (EventUnusable, Unknown) as unusable:
        await _give_up(claim, unusable.sentence if isinstance(unusable, Refusal) else "Stripe has it no more", db=db)
    except Exception as bug:  # noqa: BLE001 - one event's bug must not stop the others; it is logged with its traceback
        _log.exception("inbox.bug", event_id=claim.id, type=claim.type)
        await _postpone(claim, type(bug).__name__, db=db)
    else:
        telemetry.STRIPE_EVENTS.labels(claim.family.value, "done").inc()
        for account in accounts:
            await plans.announce(account, gate=gate)


async def _postpone(claim: Claim, error: str, *, db: Database) -> None:
    async with db.begin() as tx:
        again = await Inbox(session=tx).postpone(claim, error)
    telemetry.STRIPE_EVENTS.labels(claim.family.value, "postponed" if again else "failed").inc()
    tell = _log.warning if again else _log.error
    tell("inbox.postponed" if again else "inbox.failed", event_id=claim.id, attempt=claim.attempt, error=error)


async def _give_up(claim: Claim, error: str, *, db: Database) -> None:
    async with db.begin() as tx:
        await Inbox(session=tx).fail(claim, error)
    telemetry.STRIPE_EVENTS.labels(claim.family.value, "failed").inc()
    _log.error("inbox.failed", event_id=claim.id, type=claim.type, error=error)

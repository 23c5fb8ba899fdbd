"""POST /webhooks/stripe: what Stripe tells, stored and answered at once; and its events for administrators."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.api.caller import admin_only
from reelwright.api.cursors import Cursors
from reelwright.api.idempotency import Repeatable
from reelwright.billing import StripeDoor
from reelwright.ground import clock, log
from reelwright.ground.errors import NotFound, Outage
from reelwright.ground.postgres import Database
from reelwright.journeys import inbox

_AT_ONCE = 20  # events; the chore handles what is left
_log = log.logger("api.webhooks_in")


class StripeEventView(msgspec.Struct, frozen=True, kw_only=True):
    """One event of Stripe's. A failed one is handled again by its replay, once its error has been seen to."""

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


class StripeEventsView(msgspec.Struct, frozen=True, kw_only=True):
    """A page, the latest received first."""

    events: list[StripeEventView]
    next_cursor: str | None


@post("/webhooks/stripe", status_code=HTTP_200_OK, summary="Take an event of Stripe's", tags=["payments"])
async def stripe_webhook(
    request: Request[Any, Any, Any],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    stripe: NamedDependency[StripeDoor | None],
) -> Response[None]:
    """Store the event as it came, new or known, and answer; it is handled behind the answer.

    Stripe's signature over the body is the only key.
    """
    if stripe is None or not stripe.webhook_secrets:
        raise NotFound("Stripe sends nothing here: set STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET.")
    header = request.headers.get("Stripe-Signature")
    await inbox.receive(await request.body(), header, stripe=stripe, db=db, now=clock.now())
    handling = BackgroundTask(_drain, db=db, gate=gate, stripe=stripe)
    return Response(None, status_code=HTTP_200_OK, background=handling)


@get("/admin/stripe-events", guards=[admin_only], summary="List Stripe's events", tags=["admin"])
async def list_stripe_events(
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    status: Annotated[str | None, QueryParameter(pattern="^(received|processing|done|failed|ignored)$")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, QueryParameter(max_length=400)] = None,
) -> StripeEventsView:
    """Return what Stripe told and what became of it; of one status, or all."""
    after = None if cursor is None else cursors.place(cursor).decode()
    found = await inbox.page(status=status, limit=limit, after=after, db=db)
    return StripeEventsView(
        events=[msgspec.convert(one, StripeEventView, from_attributes=True) for one in found.events],
        next_cursor=cursors.behind(found.events[-1].id.encode()) if found.more else None,
    )


@post(
    "/admin/stripe-events/{event:str}/replay",
    guards=[admin_only],
    status_code=HTTP_202_ACCEPTED,
    summary="Handle an event of Stripe's again",
    tags=["admin"],
)
async def replay_stripe_event(
    event: FromPath[str],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    again: NamedDependency[bool],
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> None:
    """Have an event handled again, however it ended: the same object twice changes nothing."""
    if not again:
        await inbox.replay(event, by=account, db=db)


async def _drain(*, db: Database, gate: Gate, stripe: StripeDoor) -> None:
    """Handle what is stored without waiting for the chore's turn, which makes up for whatever fails here."""
    try:
        await inbox.drain(db=db, gate=gate, stripe=stripe, now=clock.now(), most=_AT_ONCE)
    except Outage as away:
        _log.warning("webhooks_in.postponed", code=away.code)

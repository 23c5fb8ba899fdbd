"""POST /v1/generations/{id}/resume: let a paused or a failed generation go on from where it stands."""

from datetime import datetime
from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED
from msgspec import UNSET, Meta, UnsetType

from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.api.creations import PauseAfter, accepted_headers, key_of, micro_of
from reelwright.api.idempotency import NeededOrDry
from reelwright.api.previews import FORESEEN, PreviewView, preview_view
from reelwright.generations import Generation, GenerationState
from reelwright.ground import clock
from reelwright.ground.ids import DraftId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import resumption
from reelwright.journeys.creation import Started
from reelwright.journeys.ordering import Terms
from reelwright.journeys.resumption import Wish
from reelwright.journeys.stopping import Stop


class ResumeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Nothing need be said; a price holds the new generation of a failed one to the quote.

    `pause_after` says where it pauses next; null: nowhere; left out: where it was to.
    """

    expected_price: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    pause_after: PauseAfter | UnsetType = UNSET

    @property
    def stop(self) -> Stop | None:
        """Where to pause next; None where the body doesn't say."""
        return None if self.pause_after is UNSET else Stop(self.pause_after)


class ResumedView(msgspec.Struct, frozen=True, kw_only=True):
    """What goes on: the paused generation itself, or the new one that `resumes` a failed one, at most for `price`."""

    generation_id: GenerationId
    draft_id: DraftId
    status: GenerationState
    resumes: GenerationId | None
    price: float


@post(
    "/generations/{generation_id:uuid}/resume",
    status_code=HTTP_202_ACCEPTED,
    summary="Resume a generation",
    tags=["core"],
    responses={HTTP_200_OK: FORESEEN},
)
async def resume(
    request: Request[Any, Any, Any],
    generation_id: FromPath[GenerationId],
    data: JSONBody[ResumeRequest],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    terms: NamedDependency[Terms],
    *,
    dry_run: FromQuery[bool] = False,
    again: NamedDependency[bool],
    key: NeededOrDry = None,
) -> Response[ResumedView | PreviewView]:
    """Go on where it stopped: what had been finished is kept, and one price is charged for all of it.

    A paused generation goes on as itself. A failed one stays as it is, and a new one goes on from it, ordered and
    limited like any of its kind. Others are refused with 409. A dry run writes nothing; its price is what
    would be held anew, which is nothing for a paused one.
    """
    chosen: Any = request.scope.get("request_id")
    key = key_of(request, dry_run=dry_run)
    price = micro_of(data.expected_price)
    wish = Wish(generation=generation_id, key=key, expected_micro=price, request_id=chosen, stop=data.stop, again=again)
    now = clock.now()
    if dry_run:
        seen = await resumption.preview(wish, account=account, db=db, gate=gate, terms=terms, now=now)
        return Response(preview_view(seen), status_code=HTTP_200_OK)
    gone_on = await resumption.resume(wish, account=account, db=db, gate=gate, terms=terms, now=now)
    return cast("Response[ResumedView | PreviewView]", resumed(gone_on, now=now))


def resumed(gone_on: Started | Generation, *, now: datetime) -> Response[ResumedView]:
    """Return 202 with what goes on, where to look, and the limits or the mark of a repeat."""
    if isinstance(gone_on, Started):
        body, headers = _started(gone_on), accepted_headers(gone_on, now=now)
    else:
        body, headers = _paused(gone_on), {"Location": f"/v1/generations/{gone_on.id}"}
    return Response(body, status_code=HTTP_202_ACCEPTED, headers=headers)


def _paused(found: Generation) -> ResumedView:
    return ResumedView(
        generation_id=found.id,
        draft_id=found.draft_id,
        status=found.state,
        resumes=found.resumes,
        price=found.hold_micro / 1_000_000,
    )


def _started(started: Started) -> ResumedView:
    return ResumedView(
        generation_id=started.generation_id,
        draft_id=started.draft_id,
        status=started.state,
        resumes=started.resumes,
        price=started.price_micro / 1_000_000,
    )

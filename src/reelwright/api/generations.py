"""Generations: listed, read, paused and cancelled."""

from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.status_codes import HTTP_202_ACCEPTED

from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.api.cursors import Cursors
from reelwright.api.idempotency import Repeatable
from reelwright.api.views import (
    GenerationsView,
    GenerationView,
    generation_summary,
    generation_view,
)
from reelwright.generations import GenerationState
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import reading, stopping


@get("/generations", summary="List your generations", tags=["core"])
async def list_generations(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    status: Annotated[GenerationState | None, QueryParameter(description="Only those in this state.")] = None,
    cursor: Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
) -> GenerationsView:
    """Return a page of generations, newest first."""
    before = None
    if cursor is not None:
        at, last = cursors.opened(cursor)
        before = at, GenerationId(last)
    found = await reading.generations(account.id, state=status, before=before, limit=limit + 1, db=db)
    more = found[limit - 1] if len(found) > limit else None
    return GenerationsView(
        generations=tuple(generation_summary(one) for one in found[:limit]),
        next_cursor=more and cursors.after(more.created_at, more.id),
    )


@post(
    "/generations/{generation_id:uuid}/cancel",
    status_code=HTTP_202_ACCEPTED,
    summary="Cancel a generation",
    tags=["core"],
)
async def cancel(
    generation_id: FromPath[GenerationId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    again: NamedDependency[bool],
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> GenerationView:
    """End it now: what its finished stages used is charged, the rest given back, the unit too where nothing was used.

    Cancelling again answers the same, with or without an Idempotency-Key; one that has ended otherwise is 409.
    """
    if not again:
        await stopping.cancel(account.id, generation_id, db=db, gate=gate)
    return generation_view(await reading.generation(account.id, generation_id, db=db))


@post(
    "/generations/{generation_id:uuid}/pause",
    status_code=HTTP_202_ACCEPTED,
    summary="Pause a generation",
    tags=["core"],
)
async def pause(
    generation_id: FromPath[GenerationId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    again: NamedDependency[bool],
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> GenerationView:
    """Let running stages finish and start no other until it is resumed; after seven days it is cancelled.

    It still counts as one of your concurrent generations. Pausing again answers the same.
    """
    if not again:
        await stopping.pause(account.id, generation_id, db=db, gate=gate)
    return generation_view(await reading.generation(account.id, generation_id, db=db))


@get("/generations/{generation_id:uuid}", summary="Read a generation", tags=["core"])
async def read_generation(
    generation_id: FromPath[GenerationId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> GenerationView:
    """Return status, stages, variants when ready, the video when ready, or why it failed."""
    return generation_view(await reading.generation(account.id, generation_id, db=db))

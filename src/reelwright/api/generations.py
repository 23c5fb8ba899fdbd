"""Generations: listed, read, followed, paused and cancelled."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.response import Stream
from litestar.status_codes import HTTP_202_ACCEPTED

from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.api import cursors
from reelwright.api.views import (
    GenerationsView,
    GenerationView,
    StageView,
    generation_summary,
    generation_view,
    stage_views,
)
from reelwright.generations import GenerationState
from reelwright.ground.errors import Outage
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import reading, stopping

_LOOK_EVERY_S = 0.25
_HEARTBEAT_S = 15.0
_LONGEST_ID = 12


@get("/generations", summary="List your generations", tags=["core"])
async def list_generations(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    *,
    status: Annotated[GenerationState | None, QueryParameter(description="Only those in this state.")] = None,
    cursor: Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
) -> GenerationsView:
    """Return a page of generations, newest first."""
    before = None
    if cursor is not None:
        at, last = cursors.opened(account.id, cursor)
        before = at, GenerationId(last)
    found = await reading.generations(account.id, state=status, before=before, limit=limit + 1, db=db)
    more = found[limit - 1] if len(found) > limit else None
    return GenerationsView(
        generations=tuple(generation_summary(one) for one in found[:limit]),
        next_cursor=more and cursors.after(account.id, more.created_at, more.id),
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
) -> GenerationView:
    """End it now: what its finished stages used is charged, the rest given back, the unit too where nothing was used.

    Cancelling again answers the same, with or without an Idempotency-Key; one that has ended otherwise is 409.
    """
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
) -> GenerationView:
    """Let running stages finish and start no other until it is resumed; after seven days it is cancelled.

    It still counts as one of your concurrent generations. Pausing again answers the same.
    """
    await stopping.pause(account.id, generation_id, db=db, gate=gate)
    return generation_view(await reading.generation(account.id, generation_id, db=db))


@get("/generations/{generation_id:uuid}", summary="Read a generation", tags=["core"])
async def read_generation(
    generation_id: FromPath[GenerationId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> GenerationView:
    """Return status, stages, variants when ready, the video when ready, or why it failed."""
    return generation_view(await reading.generation(account.id, generation_id, db=db))


@get("/generations/{generation_id:uuid}/events", summary="Follow a generation", tags=["core"])
async def events(
    generation_id: FromPath[GenerationId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    stopping: NamedDependency[asyncio.Event],
    last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
) -> Stream:
    """Stream server-sent events: numbered ones (resume with Last-Event-ID), and unnumbered `progress`.

    The stream ends after `succeeded`, `failed` or `cancelled`. A comment every 15 s keeps it open.
    """
    short = last_event_id is not None and last_event_id.isdecimal() and len(last_event_id) <= _LONGEST_ID
    after = int(last_event_id) if short and last_event_id else 0
    first = await reading.news(account.id, generation_id, after=after, db=db)
    return Stream(
        _told(account, generation_id, first, after=after, db=db, stopping=stopping),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _told(
    account: Account,
    generation: GenerationId,
    first: reading.News,
    *,
    after: int,
    db: Database,
    stopping: asyncio.Event,
) -> AsyncGenerator[bytes]:
    """Yield events until the generation has ended and all of them were told, or the server stops."""
    yield b"retry: 1000\n\n"
    news: reading.News | None = first
    told: list[StageView] = []
    silence = 0.0
    while True:
        if news is not None:
            for event in news.events:
                after = event.seq
                data = msgspec.json.encode(event.data).decode()
                yield f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n".encode()
            stages = stage_views(news.runs)
            if stages != told:
                told, silence = stages, 0.0
                yield b"event: progress\ndata: " + msgspec.json.encode(stages) + b"\n\n"
            if not news.live and not news.events:
                return
        if stopping.is_set():
            yield b"event: reconnect\ndata: {}\n\n"
            return
        if silence >= _HEARTBEAT_S:
            silence = 0.0
            yield b": still here\n\n"
        await asyncio.sleep(_LOOK_EVERY_S)
        silence += _LOOK_EVERY_S
        try:
            news = await reading.news(account.id, generation, after=after, db=db)
        except Outage:
            news = None

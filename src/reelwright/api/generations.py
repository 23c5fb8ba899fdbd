"""GET /v1/generations/{id} and its events."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter
from litestar.response import Stream

from reelwright.accounts import Account
from reelwright.api.views import GenerationView, StageView, generation_view, stage_views
from reelwright.ground.errors import Outage
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import reading

_LOOK_EVERY_S = 0.25
_HEARTBEAT_S = 15.0
_LONGEST_ID = 12


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

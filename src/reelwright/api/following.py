"""Following a generation: its events as a stream, for as long as who asked may see them, and few at a time."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated
from weakref import WeakSet

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.response import Stream
from litestar.status_codes import HTTP_201_CREATED

from reelwright.accounts import Caller, Scope
from reelwright.api.idempotency import Unkept
from reelwright.api.views import StageView, stage_views
from reelwright.ground.errors import Kind, NotFound, Outage, Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import following, identity, reading

MOST_STREAMS = 10
"""Streams that one account may have open at each process of the API."""
_LOOK_EVERY_S = 0.25
_HEARTBEAT_S = 15.0
_CHECK_EVERY_S = 15.0
_LONGEST_ID = 12
_WAIT = timedelta(seconds=15)


class TooManyStreams(Refusal):
    kind = Kind.LIMITED
    code = "events.too_many_streams"


class _Seat:
    """One open stream. Whoever drops it has left, also where its generator was never begun."""

    __slots__ = ("__weakref__",)


_TAKEN: defaultdict[AccountId, WeakSet[_Seat]] = defaultdict(WeakSet)


def _seated(account: AccountId) -> _Seat:
    """Count one more stream. Raises TooManyStreams."""
    if len(_TAKEN[account]) >= MOST_STREAMS:
        raise TooManyStreams(
            f"You follow {MOST_STREAMS} generations already: close a stream, or ask for GET /v1/generations/{{id}}.",
            wait=_WAIT,
            extra={"limit": MOST_STREAMS},
        )
    seat = _Seat()
    _TAKEN[account].add(seat)
    return seat


def _left(account: AccountId, seat: _Seat) -> None:
    _TAKEN[account].discard(seat)
    if not _TAKEN[account]:
        del _TAKEN[account]


@get("/generations/{generation_id:uuid}/events", summary="Follow a generation", tags=["core"])
async def events(
    generation_id: FromPath[GenerationId],
    caller: NamedDependency[Caller],
    db: NamedDependency[Database],
    stopping: NamedDependency[asyncio.Event],
    last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
) -> Stream:
    """Stream server-sent events: numbered ones (resume with Last-Event-ID), and unnumbered `progress`.

    The stream ends after `succeeded`, `failed` or `cancelled`, and with `signed_out` soon after the key or session that
    it was opened with is revoked or over. A comment every 15 s keeps it open. Each process of the API keeps 10 streams
    of an account open at a time.
    """
    return await _stream(caller, generation_id, last_event_id, db=db, stopping=stopping)


class TicketView(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser's EventSource opens, once, until then."""

    url: str
    expires_at: datetime


@post(
    "/generations/{generation_id:uuid}/events/ticket",
    status_code=HTTP_201_CREATED,
    summary="Get a ticket to follow a generation",
    tags=["core"],
    opt={"scope": Scope.GENERATIONS_READ},
)
async def ticket(
    generation_id: FromPath[GenerationId],
    caller: NamedDependency[Caller],
    db: NamedDependency[Database],
    base_url: NamedDependency[str],
    key: Unkept = None,  # noqa: ARG001 - for OpenAPI
) -> TicketView:
    """Return an address for a browser's `EventSource`, which can send no key: good for 60 s, once, this generation.

    Where the connection breaks off, ask for another ticket and add `?last_event_id=` with the id that came last.
    """
    token, until = await following.ticket(caller, generation_id, db=db)
    stream = f"{base_url.rstrip('/')}/v1/generations/{generation_id}/events/{token}"
    return TicketView(url=stream, expires_at=until)


@get(
    "/generations/{generation_id:uuid}/events/{ticket:str}",
    summary="Follow a generation by a ticket",
    tags=["core"],
    opt={"public": True},
)
async def events_by_ticket(
    generation_id: FromPath[GenerationId],
    ticket: FromPath[str],
    db: NamedDependency[Database],
    stopping: NamedDependency[asyncio.Event],
    *,
    last_event_id: Annotated[
        str | None, QueryParameter(max_length=_LONGEST_ID, description="The id of the last event that came.")
    ] = None,
) -> Stream:
    """Stream as `GET /v1/generations/{generation_id}/events` does, to whoever shows a ticket; it is then used up."""
    caller = await following.admitted(ticket, generation_id, db=db)
    return await _stream(caller, generation_id, last_event_id, db=db, stopping=stopping)


async def _stream(
    caller: Caller, generation_id: GenerationId, last_event_id: str | None, *, db: Database, stopping: asyncio.Event
) -> Stream:
    short = last_event_id is not None and last_event_id.isdecimal() and len(last_event_id) <= _LONGEST_ID
    after = int(last_event_id) if short and last_event_id else 0
    account = caller.account.id
    look = partial(reading.news, account, generation_id, db=db)
    first = await look(after=after)
    return Stream(
        _told(look, first, after=after, seat=_seated(account), caller=caller, db=db, stopping=stopping),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _told(
    look: Callable[..., Awaitable[reading.News]],
    first: reading.News,
    *,
    after: int,
    seat: _Seat,
    caller: Caller,
    db: Database,
    stopping: asyncio.Event,
) -> AsyncGenerator[bytes]:
    """Yield events until the generation has ended and all were told, the caller is shut out, or the server stops."""
    now = asyncio.get_running_loop().time
    news: reading.News | None = first
    teller = _Teller(after)
    spoken = checked = now()
    try:
        yield b"retry: 1000\n\n"
        while True:
            if news is not None:
                if said := teller.lines(news):
                    spoken = now()
                    yield said
                if not news.live and not news.events:
                    return
            if stopping.is_set():
                yield b"event: reconnect\ndata: {}\n\n"
                return
            if now() - spoken >= _HEARTBEAT_S:
                spoken = now()
                yield b": still here\n\n"
            await asyncio.sleep(_LOOK_EVERY_S)
            if now() - checked >= _CHECK_EVERY_S:
                checked = now()
                if not await _still_in(caller, db):
                    yield b"event: signed_out\ndata: {}\n\n"
                    return
            news = None
            with contextlib.suppress(Outage, NotFound):  # the one passes, and who was deleted is shut out soon
                news = await look(after=teller.after)
    finally:
        _left(caller.account.id, seat)


@dataclass(slots=True)
class _Teller:
    """What a stream has said: events up to a number, and how far each stage was."""

    after: int
    stages: list[StageView] = field(default_factory=list[StageView])

    def lines(self, news: reading.News) -> bytes:
        """Return the new events, numbered, and how far each stage is where that has changed."""
        said = [
            f"id: {event.seq}\nevent: {event.kind}\ndata: {msgspec.json.encode(event.data).decode()}\n\n".encode()
            for event in news.events
        ]
        self.after = news.events[-1].seq if news.events else self.after
        stages = stage_views(news.runs)
        if stages != self.stages:
            self.stages = stages
            said.append(b"event: progress\ndata: " + msgspec.json.encode(stages) + b"\n\n")
        return b"".join(said)


async def _still_in(caller: Caller, db: Database) -> bool:
    """Say whether the caller would be let in now; while nobody can know, as before."""
    try:
        return await identity.still_valid(caller, db=db)
    except Outage:
        return True

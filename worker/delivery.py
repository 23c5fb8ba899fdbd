"""The worker's door: a signed delivery in, one stage run performed, an answer that QStash understands out."""

import asyncio
import contextlib
from base64 import b64decode
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
from litestar import Response

from reelwright import outbox
from reelwright.ground import log, qstash, tasks, tracing
from reelwright.ground.errors import Outage
from reelwright.journeys import production
from reelwright.journeys.workroom import Workroom

_log = log.logger("worker.delivery")
_NEW_CODE = timedelta(seconds=30)
"""A rolling deploy is over in minutes: a message of the new version finds a new worker at one of its retries."""
_LEAVING = timedelta(seconds=5)


class Stopping(Exception):  # noqa: N818 - not an error: this worker takes nothing new
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What tells a real delivery from a false one, and how many runs this process takes at once.

    `url` is the configured address of the workers, without a path: signatures name it and the path, whatever the
    request's own headers say. `within` counts the deliveries that are inside.
    """

    url: str
    keys: tuple[str, ...]
    places: asyncio.Semaphore
    stopping: asyncio.Event
    within: set[object] = field(default_factory=set[object])

    def opens(self, signature: str | None, body: bytes, path: str) -> bool:
        """Say whether the queue signed exactly this body for exactly this path of ours."""
        if qstash.verified(signature=signature, body=body, url=self.url.rstrip("/") + path, keys=self.keys):
            return True
        _log.warning("delivery.signature_refused", path=path)
        return False

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """Hold one of the places; whoever still waits for one when the worker stops is sent away. Raises Stopping."""
        await self._take()
        visit = object()
        self.within.add(visit)
        try:
            yield
        finally:
            self.within.discard(visit)
            self.places.release()

    async def _take(self) -> None:
        if not self.stopping.is_set():
            taking = asyncio.ensure_future(self.places.acquire())
            if self.places.locked():
                stop = asyncio.ensure_future(self.stopping.wait())
                try:
                    await asyncio.wait({taking, stop}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    await tasks.end(stop, *() if taking.done() else (taking,))
            if not taking.cancelled() and await taking:
                if not self.stopping.is_set():
                    return
                self.places.release()
        raise Stopping


async def receive(body: bytes, signature: str | None, *, door: Door, room: Workroom) -> Response[None]:
    """Verify, decode, perform, answer: 204 done, 401 not signed, 489 never workable, 503 come back later.

    A message or a stage that this code doesn't know is a newer version's: it waits for the newer code.
    """
    if not door.opens(signature, body, outbox.GENERATE):
        return Response(None, status_code=401)
    try:
        message = outbox.decoded(body)
    except outbox.NotOurs:
        _log.error("delivery.not_ours")
        return Response(None, status_code=489, headers={"Upstash-NonRetryable-Error": "true"})
    except outbox.NotYetKnown as unknown:
        _log.warning("delivery.not_yet_known", detail=str(unknown)[:200])
        return snooze(_NEW_CODE)
    if message.stage not in room.stages:
        _log.warning("delivery.not_yet_known", stage=message.stage)
        return snooze(_NEW_CODE)
    return await _performed(message, door=door, room=room)


async def _performed(message: outbox.StageDue, *, door: Door, room: Workroom) -> Response[None]:
    try:
        async with door.place():
            with tracing.span(f"stage {message.stage}", parent=message.traceparent, scene=message.scene):
                await production.perform(message, room=room)
    except Stopping:
        return snooze(_LEAVING)
    except Outage as outage:
        _log.warning("delivery.unrecorded", code=outage.code)
        return snooze(outage.wait)
    return Response(None, status_code=204)


class _GivenUp(msgspec.Struct):
    """What QStash says of a message that it gave up on; `sourceBody` is the message in base64. It says more."""

    status: int = 0
    source_body: str = msgspec.field(default="", name="sourceBody")
    retried: int = 0


def given_up(body: bytes) -> outbox.Message | None:
    """Return the message that a failure callback is about, or None where that can't be read."""
    try:
        said = msgspec.json.decode(body, type=_GivenUp)
        message = outbox.decoded(b64decode(said.source_body))
    except (ValueError, msgspec.MsgspecError):
        _log.error("delivery.given_up_unreadable")
        return None
    _log.warning("delivery.given_up", generation_id=str(message.generation_id), status=said.status)
    return message


def snooze(wait: timedelta) -> Response[None]:
    """Return the answer that asks QStash to come back after the wait."""
    return Response(None, status_code=503, headers={"Retry-After": str(max(1, round(wait.total_seconds())))})

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
from reelwright.ground import log, qstash, tracing
from reelwright.ground.errors import Outage
from reelwright.journeys import production, recovery
from reelwright.journeys.chores import once
from reelwright.journeys.workroom import Workroom

_log = log.logger("worker.delivery")
_NEW_CODE = timedelta(seconds=30)
"""A rolling deploy is over in minutes: a message of the new version finds a new worker at one of its retries."""
_LEAVING = timedelta(seconds=5)


class Stopping(Exception):  # noqa: N818 - not an error: this worker takes nothing new
    pass


@dataclass(slots=True, kw_only=True)
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
    _left: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: int = 0

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
            self._left.set()
            self.places.release()

    async def empty(self, *, within: timedelta) -> bool:
        """Wait until nobody is inside, so long at most; say whether that came true."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while self.within:
                    self._left.clear()
                    await self._left.wait()
        except TimeoutError:
            return False
        return True

    def turn_away(self) -> None:
        """Wake who still waits for a place: behind `stopping` there are none, however many are free now."""
        for _ in range(self._waiting):
            self.places.release()

    async def _take(self) -> None:
        if not self.stopping.is_set():
            self._waiting += 1
            try:
                await self.places.acquire()
            finally:
                self._waiting -= 1
            if not self.stopping.is_set():
                return
            self.places.release()
        raise Stopping


@dataclass(frozen=True, slots=True)
class Inside:
    """What a delivery finds: the door that it came by, and the room behind it."""

    door: Door
    room: Workroom


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


async def tick(body: bytes, signature: str | None, *, door: Door, room: Workroom) -> Response[None]:
    """Look after everything once: 204 done, 401 not signed, 503 where something is away."""
    if not door.opens(signature, body, outbox.TICK):
        return Response(None, status_code=401)
    if door.stopping.is_set():
        return snooze(_LEAVING)
    try:
        await recovery.tick(db=room.db, gate=room.gate, storage=room.storage, resend_after=2 * room.timings.lease)
        await once(room.chores)
    except Outage as outage:
        return snooze(outage.wait)
    return Response(None, status_code=204)


class _GivenUp(msgspec.Struct):
    """What QStash says of a message that it gave up on; `sourceBody` is the message in base64. It says more."""

    source_body: str = msgspec.field(default="", name="sourceBody")
    status: int = 0


async def failed(body: bytes, signature: str | None, *, door: Door, room: Workroom) -> Response[None]:
    """Look after the run whose message the queue has given up: 204, 401 not signed, 503 where PostgreSQL is away.

    One that can't be read is no reason to be told again: the sweep finds its run.
    """
    if not door.opens(signature, body, outbox.FAILED):
        return Response(None, status_code=401)
    try:
        said = msgspec.json.decode(body, type=_GivenUp)
        message = outbox.decoded(b64decode(said.source_body))
    except ValueError:
        _log.error("delivery.given_up_unreadable")
        return Response(None, status_code=204)
    try:
        acted = await recovery.judge(message.run_id, db=room.db, gate=room.gate)
    except Outage as outage:
        return snooze(outage.wait)
    names = {"generation_id": str(message.generation_id), "stage": message.stage, "scene": message.scene}
    _log.warning("delivery.given_up", **names, status=said.status, sent_again=acted)
    return Response(None, status_code=204)


def snooze(wait: timedelta) -> Response[None]:
    """Return the answer that asks QStash to come back after the wait."""
    return Response(None, status_code=503, headers={"Retry-After": str(max(1, round(wait.total_seconds())))})

"""The worker's door: a signed delivery in, one stage run performed, an answer that QStash understands out."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from litestar import Response

from reelwright import outbox
from reelwright.ground import log, qstash
from reelwright.ground.errors import Outage
from reelwright.journeys import production
from reelwright.journeys.production import Answer
from reelwright.journeys.workroom import Workroom

_log = log.logger("worker.delivery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What tells a real delivery from a false one, and how many runs this process takes at once."""

    url: str
    keys: tuple[str, ...]
    places: asyncio.Semaphore
    stopping: asyncio.Event


async def receive(body: bytes, signature: str | None, *, door: Door, room: Workroom) -> Response[None]:
    """Verify, decode, perform, answer: 204 done, 401 not ours, 489 never workable, 503 come back later."""
    if not qstash.verified(signature=signature, body=body, url=door.url, keys=door.keys):
        _log.warning("delivery.signature_refused")
        return Response(None, status_code=401)
    try:
        message = outbox.decoded(body)
    except msgspec.MsgspecError:
        _log.error("delivery.undecodable")
        return Response(None, status_code=489, headers={"Upstash-NonRetryable-Error": "true"})
    if door.stopping.is_set():
        return snooze(timedelta(seconds=5))
    try:
        async with door.places:
            if door.stopping.is_set():  # it may have waited here for a place
                return snooze(timedelta(seconds=5))
            answer = await production.perform(message, room=room)
    except Outage as outage:
        _log.warning("delivery.unrecorded", code=outage.code)
        return snooze(outage.wait)
    return Response(None, status_code=204) if answer is Answer.DONE else snooze(timedelta(seconds=5))


def snooze(wait: timedelta) -> Response[None]:
    """Return the answer that asks QStash to come back after the wait."""
    return Response(None, status_code=503, headers={"Retry-After": str(max(1, round(wait.total_seconds())))})

"""What a run holds while it works: its claim, its generation's lease and a provider's place."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta

from reelwright.admission import Dispatch, enforce_or_raise, release_concurrency
from reelwright.generations import Claim, Generation, Pulse, Runs, pipeline
from reelwright.ground import clock, log
from reelwright.ground.errors import Outage
from reelwright.journeys import offering
from reelwright.journeys.workroom import Workroom
from reelwright.providers import ProviderAway, ProviderRefused

_log = log.logger("journeys.holding")


class Lost(Exception):  # noqa: N818 - not an error: another worker holds the run, or it was cancelled
    """This claim is over: whatever was made here must not be written."""


class Busy(Exception):  # noqa: N818 - a full provider, one that rests or is switched off, or a limiter that is away
    """Come back after the delay, uncounted."""

    def __init__(self, delay: timedelta, *, code: str) -> None:
        super().__init__()
        self.delay = delay
        self.code = code


def another_may(no: Busy | ProviderAway | ProviderRefused) -> bool:
    """Say whether somebody else may do what this provider didn't: it is off, rests, or won't for reasons of its own."""
    return no.code == offering.SwitchedOff.code if isinstance(no, Busy) else no.ours


def patience(no: Busy | ProviderAway | ProviderRefused) -> timedelta:
    """Return after how long this provider may be asked again; never by itself where it has refused."""
    wait = no.delay if isinstance(no, Busy) else no.wait
    return timedelta.max if wait is None else wait


def dispatch(claim: Claim, generation: Generation, room: Workroom) -> Dispatch:
    """Return what this run holds while it works: its generation's lease, and a place in that generation's lane."""
    begins = pipeline.first(generation.kind, scenes=1, part=generation.part, scene=generation.scene)
    return Dispatch(
        account=generation.account_id,
        lease=claim.generation_id,
        holder=str(claim.run_id),
        place=room.place(claim.unit.stage, generation.lane),
        ttl=room.timings.lease,
        inherits=claim.generation_id if claim.unit in begins else None,
    )


@contextlib.asynccontextmanager
async def admitted(held: Dispatch, room: Workroom) -> AsyncGenerator[None]:
    """Renew the generation's lease and hold the provider's place while the block runs. Raises Busy."""
    try:
        if held.place is not None:
            await offering.check_on([held.place], db=room.db)
        await enforce_or_raise(room.gate, held, now=clock.now())
    except Outage as away:
        raise Busy(max(away.wait, room.timings.busy_delay), code=away.code) from away
    try:
        yield
    finally:
        await _released(held, room)


async def _released(held: Dispatch, room: Workroom) -> None:
    """Give the place back; where Redis is away its expiry does."""
    if held.place is None:
        return
    try:
        await asyncio.shield(release_concurrency(room.gate, held.place, held.holder))
    except Outage:
        _log.warning("place.left_to_expire")


async def slow_down(held: Dispatch, room: Workroom, *, wait: timedelta) -> None:
    """Where the provider has too many calls from us, let its lane wait and narrow. Redis away: the next one does."""
    if held.place is None:
        return
    with contextlib.suppress(Outage):
        left = await room.gate.places.slow_down(held.place, wait=wait)
        _log.warning("place.slowed", provider=held.place.provider, lane=held.place.lane, places=left)


async def heartbeats(claim: Claim, held: Dispatch, progress: Callable[[], float], room: Workroom) -> None:
    """Keep the claim, the lease and the place alive. Returns, or raises Lost, once the claim is no longer ours."""
    missed = timedelta(0)
    while True:
        await asyncio.sleep(room.timings.heartbeat.total_seconds())
        try:
            async with room.db.single() as tx:
                beat = await Runs(session=tx).heartbeat(
                    claim.run_id, claim.fence, lease=room.timings.lease, progress=progress()
                )
            missed = timedelta(0)
        except Outage:
            missed += room.timings.heartbeat
            if missed >= room.timings.lease:
                raise Lost from None
            continue
        if beat is not Pulse.OK:
            raise Lost
        with contextlib.suppress(Outage):
            await room.gate.renew(held.account, held.lease, ttl=held.ttl, adopt=True)
            if held.place is not None:
                await room.gate.places.renew(held.place, held.holder, ttl=held.ttl)

"""The worker process: settings → pools, tools, stages → a small app that takes signed deliveries."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from litestar import Litestar, Response, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, RawBody

from reelwright import api, outbox, serving
from reelwright.admission import Gate
from reelwright.chores import chores
from reelwright.generations import Stage
from reelwright.ground import log, tasks, telemetry
from reelwright.ground.postgres import Database
from reelwright.ground.workspace import own_folder
from reelwright.journeys import invariants, reconciliation, recovery, sounding
from reelwright.journeys.chores import keep_doing
from reelwright.journeys.workroom import StageWork, Timings, Workroom
from reelwright.settings import Settings
from reelwright.wiring import Wiring, hands, stage_places, tools, wired
from worker import delivery
from worker.sounding import make as make_sound
from worker.stages import (
    audio_mixing,
    ingestion,
    scene_generation,
    story_writing,
    tts_generation,
    video_assembly,
    video_generation,
    visual_generation,
    visual_verification,
)

_log = log.logger("worker.app")
LAST = timedelta(seconds=5)
"""What is cut at the end of the grace has this long to be given back."""

STAGES: dict[Stage, StageWork] = {
    Stage.INGESTION: ingestion.perform,
    Stage.STORY_WRITING: story_writing.perform,
    Stage.SCENE_GENERATION: scene_generation.perform,
    Stage.VISUAL_GENERATION: visual_generation.perform,
    Stage.VISUAL_VERIFICATION: visual_verification.perform,
    Stage.VIDEO_GENERATION: video_generation.perform,
    Stage.TTS_GENERATION: tts_generation.perform,
    Stage.AUDIO_MIXING: audio_mixing.perform,
    Stage.VIDEO_ASSEMBLY: video_assembly.perform,
}


def workroom(wiring: Wiring, settings: Settings, stages: dict[Stage, StageWork]) -> Workroom:
    """Return what the worker's journeys need around them."""
    first = tools(settings)
    return Workroom(
        db=wiring.db,
        gate=wiring.gate,
        storage=wiring.storage,
        tools=first,
        hands=hands(settings, first),
        stages=stages,
        chores=chores(wiring),
        places=stage_places(settings),
        workspace=own_folder(Path(settings.workspace or Path(tempfile.gettempdir()) / "reelwright-work")),
        timings=Timings(
            heartbeat=settings.heartbeat,
            lease=settings.lease,
            stage_deadline=settings.stage_deadline,
            retry_delay=settings.retry_delay,
        ),
    )


@post(outbox.GENERATE, status_code=204, include_in_schema=False)
async def generate(
    body: RawBody,
    inside: NamedDependency[delivery.Inside],
    signature: Annotated[str | None, HeaderParameter(name="Upstash-Signature")] = None,
) -> Response[None]:
    """Take one delivery."""
    return await delivery.receive(body, signature, door=inside.door, room=inside.room)


@post(outbox.TICK, status_code=204, include_in_schema=False)
async def tick(
    body: RawBody,
    inside: NamedDependency[delivery.Inside],
    signature: Annotated[str | None, HeaderParameter(name="Upstash-Signature")] = None,
) -> Response[None]:
    """Take the schedule's minute: look after everything once. Nothing is lost where it never comes."""
    return await delivery.tick(body, signature, door=inside.door, room=inside.room)


@post(outbox.FAILED, status_code=204, include_in_schema=False)
async def failed(
    body: RawBody,
    inside: NamedDependency[delivery.Inside],
    signature: Annotated[str | None, HeaderParameter(name="Upstash-Signature")] = None,
) -> Response[None]:
    """Hear of a message that the queue has given up on, and look after its run at once."""
    return await delivery.failed(body, signature, door=inside.door, room=inside.room)


def _background(wiring: Wiring, room: Workroom) -> list[asyncio.Task[None]]:
    """Start what a worker does besides its deliveries."""
    settings, db, gate = wiring.settings, wiring.db, wiring.gate
    jobs = (
        recovery.keep_sweeping(
            db=db, gate=gate, storage=wiring.storage, every=settings.sweep, resend_after=2 * settings.sweep
        ),
        reconciliation.keep_reconciling(db=db, gate=gate, every=settings.reconcile),
        invariants.keep_checking(db=db, every=settings.invariants),
        keep_doing(room.chores, every=settings.sweep),
        sounding.keep_making(room, make_sound, url=settings.database_url, every=settings.sweep),
        telemetry.keep_measuring_lag(),
    )
    return [asyncio.create_task(job) for job in jobs]


async def _see_out(
    stopping: asyncio.Event,
    door: delivery.Door,
    room: Workroom,
    wiring: Wiring,
    jobs: list[asyncio.Task[None]],
) -> None:
    """Once stopping: begin nothing, let what runs finish within the grace, cut the rest and give it back uncounted."""
    await stopping.wait()
    _log.info("worker.stopping", running=len(door.within))
    door.turn_away()
    wiring.relay.stop()
    await tasks.end(*jobs)
    if not await door.empty(within=wiring.settings.grace):
        _log.warning("worker.cutting", running=len(door.within))
        room.leaving.set()
        await door.empty(within=LAST)
    if isinstance(stopping, serving.Stopping):
        stopping.seen_out.set()


def create_app(
    settings: Settings, *, stopping: asyncio.Event | None = None, stages: dict[Stage, StageWork] | None = None
) -> Litestar:
    """Return the worker's app. `stopping`, once set, makes it take nothing new and finish what it has."""
    stop = stopping or asyncio.Event()
    door = delivery.Door(
        url=settings.worker_url,
        keys=(settings.qstash_current_signing_key, settings.qstash_next_signing_key),
        places=asyncio.Semaphore(settings.worker_concurrency),
        stopping=stop,
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        async with wired(settings, name="worker") as wiring:
            app.state.db = wiring.db
            app.state.gate = wiring.gate
            app.state.room = workroom(wiring, settings, stages or STAGES)
            jobs = _background(wiring, app.state.room)
            if isinstance(stop, serving.Stopping):
                stop.seen_out.clear()
            leaving = asyncio.create_task(_see_out(stop, door, app.state.room, wiring, jobs))
            try:
                yield
            finally:
                await tasks.end(leaving, *jobs)

    async def given_inside(state: State) -> delivery.Inside:
        return delivery.Inside(door, state.room)

    async def given_stop() -> asyncio.Event:
        return stop

    app = Litestar(
        route_handlers=[generate, tick, failed, *api.operator_routes],
        dependencies={"inside": given_inside, "db": _db, "gate": _gate, "stopping": given_stop},
        lifespan=[lifespan],
        exception_handlers=api.HANDLERS,
        request_max_body_size=api.BODY_LIMIT,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    return serving.guarded(app, settings, settings.base_url, settings.worker_url)


async def _db(state: State) -> Database:
    return state.db


async def _gate(state: State) -> Gate:
    return state.gate


def main() -> None:
    """Serve from the command line."""
    serving.command(
        lambda settings, stopping: create_app(settings, stopping=stopping),
        prog="python -m worker.app",
        about="Take signed deliveries.",
        port=8001,
    )


if __name__ == "__main__":
    main()

"""Make the short sounds that people wait for: voices and music to be heard, and uploads to be tracks.

A worker does it, since the bundled voice takes 240 MB and two seconds to load, which no API process should pay; it
hears of each at once by PostgreSQL's own notification and looks by itself now and then. Nothing of a generation is at
stake, so no message of the queue is spent on one.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import billing, ledger
from reelwright.accounts import Accounts
from reelwright.admission import NoPlace, acquire_provider_concurrency, release_concurrency
from reelwright.generations import Stage, Track
from reelwright.ground import clock, log, notified, tasks
from reelwright.ground.errors import NotFound, Outage, Refusal
from reelwright.ground.ids import AccountId, GenerationId, StageRunId
from reelwright.ground.metering import Use
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage
from reelwright.journeys.workroom import Workroom
from reelwright.library import CHANNEL, LooseFiles, SoundClaim, SoundJobs, Tracks
from reelwright.providers import Lane, ProviderAway, ProviderRefused, Toolset

_log = log.logger("journeys.sounding")
_LEASE = timedelta(minutes=3)
_DEADLINE_S = 150.0
_AGAIN = timedelta(seconds=5)
_KEPT = timedelta(days=30)
_BATCH = 200
STAGE = "PREVIEW"
"""What usage rows call this work, which is no stage of a reel's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundMade:
    """A finished sound: its file, its length, what it took, and of a track its tempo, if one was found."""

    path: Path
    duration_ms: int
    uses: tuple[Use, ...] = ()
    bpm: float | None = None
    first_beat_ms: int = 0


class SoundBench(msgspec.Struct, frozen=True):
    """A worker's folder for one sound, and its way to a stored file."""

    workspace: Path
    fetch: Callable[[Track], Awaitable[Path]]


SoundWork = Callable[[str, "dict[str, Any]", Toolset, SoundBench], Awaitable[SoundMade]]
"""Makes a sound of a kind (voice, excerpt, track) as it is wished for. Raises Refusal, Outage."""


async def keep_making(room: Workroom, work: SoundWork, *, url: str, every: timedelta) -> None:
    """Make what is asked for as soon as it is, for ever; an outage is waited out."""
    asked = asyncio.Event()
    listening = asyncio.create_task(notified.listen(url, CHANNEL, lambda _said: asked.set()), name="sounds-listen")
    try:
        while True:
            asked.clear()
            try:
                while await make_next(room, work):
                    pass
            except Outage as away:
                _log.warning("sounds.postponed", code=away.code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), timeout=every.total_seconds())
    finally:
        await tasks.end(listening)


async def make_next(room: Workroom, work: SoundWork) -> bool:
    """Make the sound that has waited longest; False where none is due. Raises Outage where that can't be recorded."""
    async with room.db.begin() as tx:
        claim = await SoundJobs(tx).claim(_LEASE)
    if claim is None:
        return False
    try:
        await _attempted(claim, room, work)
    except NoPlace as full:
        await _given_back(claim, room, full.wait or _AGAIN)
    except asyncio.CancelledError:  # this worker leaves: another one goes on at once
        with contextlib.suppress(Outage):
            await asyncio.shield(_given_back(claim, room, timedelta(0)))
        raise
    except Refusal as refusal:
        await _failed(claim, room, refusal.code, refusal.sentence)
    except Outage as away:
        await _again(claim, room, away.code, away.wait)
    except Exception as error:  # noqa: BLE001 - a bug: recorded, tried again, and in the end given up on
        _log.error("sounds.bug", kind=claim.job.kind, error=type(error).__name__, exc_info=error)
        await _again(claim, room, "sound.broken", _AGAIN)
    return True


async def forget(*, db: Database) -> int:
    """Let go of what nobody has asked for in a month; return how many. Loose files are swept. Raises Outage."""
    async with db.begin() as tx:
        keys = await SoundJobs(tx).forget(_KEPT, limit=_BATCH)
        await LooseFiles(tx).add(*keys)
    return len(keys)


async def _attempted(claim: SoundClaim, room: Workroom, work: SoundWork) -> None:
    place = room.place(Stage.TTS_GENERATION, Lane.INTERACTIVE) if claim.job.kind == "voice" else None
    holder = f"preview-{claim.job.id.hex}"
    if place is not None:
        account = AccountId(UUID(claim.wish["for"]))
        await acquire_provider_concurrency(room.gate, place, holder, account=account, ttl=_LEASE, now=clock.now())
    try:
        await _made(claim, room, work)
    finally:
        if place is not None:
            with contextlib.suppress(Outage):  # then it lapses by itself
                await release_concurrency(room.gate, place, holder)


async def _made(claim: SoundClaim, room: Workroom, work: SoundWork) -> None:
    room.workspace.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=room.workspace, prefix="sound-") as folder:
        bench = SoundBench(workspace=Path(folder), fetch=lambda track: _fetched(track, Path(folder), room.storage))
        try:
            async with asyncio.timeout(_DEADLINE_S):
                made = await work(claim.job.kind, dict(claim.wish), room.tools, bench)
        except (ProviderAway, ProviderRefused) as error:
            async with room.db.begin() as tx:
                await _track_usage(tx, claim, error.uses, succeeded=False)
            raise
        except TimeoutError as late:
            raise Outage("Making the sound took too long.", code="sound.deadline") from late
        await _kept(claim, room, made)


async def _kept(claim: SoundClaim, room: Workroom, made: SoundMade) -> None:
    """Store the file and write it down; nothing points at it before, and a lost claim leaves it to the sweep."""
    job = claim.job
    key = f"{job.account_id or 'shared'}/{job.kind}/{job.id.hex}-{job.attempt}{made.path.suffix}"
    async with room.db.begin() as tx:
        await LooseFiles(tx).add(key)
    stored = await room.storage.put(key, made.path)
    async with room.db.begin() as tx:
        jobs = SoundJobs(tx)
        named = None if job.kind == "track" else key
        done = await jobs.done(
            job, key=named, sha256=stored.sha256, size_bytes=stored.size_bytes, duration_ms=made.duration_ms
        )
        if done and job.kind == "track" and job.account_id is not None:
            values: dict[str, object] = {
                "status": "ready",
                "storage_key": key,
                "sha256": stored.sha256,
                "duration_ms": made.duration_ms,
                "bpm": made.bpm,
                "first_beat_ms": made.first_beat_ms,
            }
            done = await Tracks(tx, job.account_id).prepared(UUID(claim.wish["track"]), values)
        if done:
            await LooseFiles(tx).recorded(key)
        await _track_usage(tx, claim, made.uses, succeeded=done)
    _log.info("sounds.made", kind=job.kind, ms=made.duration_ms)


async def _given_back(claim: SoundClaim, room: Workroom, wait: timedelta) -> None:
    """Let another try be the first again. Raises Outage."""
    async with room.db.begin() as tx:
        await SoundJobs(tx).later(claim.job, wait, counted=False)


async def _again(claim: SoundClaim, room: Workroom, code: str, wait: timedelta) -> None:
    if claim.last:
        await _failed(claim, room, code, "It could not be made just now: ask for it again later.")
        return
    async with room.db.begin() as tx:
        await SoundJobs(tx).later(claim.job, wait, counted=True)


async def _failed(claim: SoundClaim, room: Workroom, code: str, sentence: str) -> None:
    job = claim.job
    async with room.db.begin() as tx:
        failed = await SoundJobs(tx).failed(job, code=code, sentence=sentence)
        if failed and job.kind == "track" and job.account_id is not None:
            await Tracks(tx, job.account_id).prepared(UUID(claim.wish["track"]), {"status": "unusable"})
    _log.warning("sounds.failed", kind=job.kind, code=code)


async def _fetched(track: Track, folder: Path, storage: Storage) -> Path:
    """Return a stored file as a local one. Raises Outage, also where it isn't what was stored."""
    local = folder / f"in-{track.id.hex}{Path(track.key).suffix}"
    try:
        found = await storage.fetch(track.key, local)
    except NotFound as gone:
        raise Refusal("The upload was deleted meanwhile: send it again.", code="music.upload_gone") from gone
    if found.sha256 != track.sha256:
        raise Outage("A stored file came back with other bytes.", code="storage.corrupt")
    return local


async def _track_usage(tx: AsyncConnection, claim: SoundClaim, uses: tuple[Use, ...], *, succeeded: bool) -> None:
    """Write down what models did for a preview; it is free, and not tracked for demos. Compute of ours is not sold."""
    calls = [use for use in uses if not use.action.compute]
    account = await Accounts(session=tx).get(AccountId(UUID(claim.wish["for"]))) if calls else None
    if account is None or account.demo:
        return
    version = (await billing.Catalogue(session=tx).current()).version
    rows = [
        ledger.Metered(
            account_id=account.id,
            generation_id=GenerationId(claim.job.id),
            run_id=StageRunId(claim.job.id),
            fence=claim.job.attempt,
            call_no=number,
            stage=STAGE,
            scene=None,
            plan=account.plan,
            price_version=version,
            use=use,
            credits_micro=0,
            succeeded=succeeded,
        )
        for number, use in enumerate(calls)
    ]
    await ledger.track_ai_usage(tx, rows)

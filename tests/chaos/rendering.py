"""Cases F16 to F18, F58, F59, F75: media processes that die, hang or starve, and work folders that fail."""

import os
import signal
from pathlib import Path

from reelwright.ground.ids import GenerationId
from tests.chaos.cases import makes
from tests.chaos.fleet import PATIENCE_S, Fleet, Member
from tests.chaos.kills import succeeded
from tests.chaos.refitting import refitted
from tests.waiting import wait_until

_STAGE = "TTS_GENERATION"
_ATTEMPT = "SELECT attempt FROM stage_runs WHERE generation_id = :id AND stage = 'TTS_GENERATION'"


def alive(pid: int) -> bool:
    """Say whether a process runs; one that is dead and not yet reaped doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def _ffmpeg(of: Member) -> int:
    """Return a worker's ffmpeg, once the launcher before it has become it."""
    found: list[int] = []

    def launched() -> bool:
        pids = [
            int(word) for file in Path(f"/proc/{of.pid}/task").glob("*/children") for word in file.read_text().split()
        ]
        found[:] = [pid for pid in pids if b"testsrc2" in (line := _line(pid)) and b"prctl" not in line]
        return bool(found)

    await wait_until(launched, timeout=PATIENCE_S, message="no ffmpeg")
    return found[0]


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _folder(of: Member) -> Path:
    """Return a worker's own work folder: the one whose lock it holds open."""
    held = [link.readlink() for link in Path(f"/proc/{of.pid}/fd").iterdir() if link.is_symlink()]
    (folder,) = {file.parent for file in held if file.name == ".lock" and file.parent.name.startswith("worker-")}
    return folder


async def _rendering(on: Fleet, action: str = "sleep:1000") -> tuple[GenerationId, Member]:
    """Return a generation and the worker that has just started ffmpeg for it."""
    generation = await on.order(topic=f"media {_STAGE}")
    return generation, await on.strike(f"render.spawned={action}@1")


async def _failed_once(on: Fleet, generation: GenerationId, code: str, *, by: Member | None = None) -> None:
    """Wait until an attempt has failed with this code; then the next one succeeds, in a worker that never died."""
    watched = [by] if by else on.workers

    def told() -> bool:
        return any(worker.said("stage.attempt_failed", code) for worker in watched)

    await wait_until(told, timeout=PATIENCE_S, message=f"no attempt failed with {code}")
    await succeeded(on, generation)
    assert await on.one(_ATTEMPT, id=generation) == 2
    assert all(worker.program.alive for worker in on.workers)


@makes("F16", quick=True)
async def worker_killed_while_it_renders(on: Fleet) -> None:
    """Its ffmpeg dies with it, another renders, and its folder is gone when it starts again (outside.py looks)."""
    generation, victim = await _rendering(on, "sleep:20000")
    child = await _ffmpeg(victim)
    os.kill(child, signal.SIGSTOP)  # so that it can't be done by itself
    victim.send(signal.SIGKILL)
    await wait_until(lambda: not alive(child), timeout=PATIENCE_S, message="ffmpeg outlived its worker")
    await wait_until(lambda: not victim.program.alive)
    await succeeded(on, generation)
    await victim.revive()


@makes("F17", quick=True)
async def ffmpeg_killed(on: Fleet) -> None:
    generation, worker = await _rendering(on)
    os.kill(await _ffmpeg(worker), signal.SIGKILL)
    await _failed_once(on, generation, "worker.media_failed", by=worker)


@makes("F18")
async def ffmpeg_hangs(on: Fleet) -> None:
    """The stage's deadline ends it, and the next attempt succeeds."""
    async with refitted(on.workers, {"REELWRIGHT_STAGE_DEADLINE": "3s"}):
        generation, worker = await _rendering(on, "sleep:1")
        child = await _ffmpeg(worker)
        os.kill(child, signal.SIGSTOP)
        await _failed_once(on, generation, "stage.deadline", by=worker)
        assert not alive(child)


@makes("F58", quick=True)
async def disk_full(on: Fleet) -> None:
    """It is told apart from a broken picture, tried again later, and leaves nothing behind."""
    for worker in on.workers:
        worker.listen()
    await _failed_once(on, await on.order(topic=f"full {_STAGE}"), "worker.disk_full")


@makes("F75", quick=True)
async def too_little_memory(on: Fleet) -> None:
    """The child fails, the worker lives on."""
    for worker in on.workers:
        worker.listen()
    await _failed_once(on, await on.order(topic=f"starved {_STAGE}"), "worker.media_failed")


@makes("F59", quick=True)
async def work_folder_unusable(on: Fleet) -> None:
    """Nothing can be made in the folder (it isn't one any more): the attempt fails at once, and says why."""
    generation = await on.order(topic=f"media {_STAGE}")
    worker = await on.strike(f"stage.{_STAGE}.before_provider=sleep:1500@1")
    folder = _folder(worker)
    aside = folder.rename(folder.with_name("aside"))
    folder.touch()
    try:
        await wait_until(
            lambda: worker.said("stage.attempt_failed", "worker.no_workspace"), timeout=PATIENCE_S, message="no word"
        )
    finally:
        folder.unlink()
        aside.rename(folder)
    await succeeded(on, generation)

"""Judges uploaded files in a process of their own, a few at a time, and hands on the copy that it wrote of each."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from time import monotonic

import msgspec

from reelwright.ground.errors import Outage
from reelwright.library import Inspected, MediaRefused
from worker import decoding, ffmpeg

_DEADLINE = timedelta(seconds=90)
_SIDE_BY_SIDE = 2
_PATIENCE_S = 60
_places = asyncio.Semaphore(_SIDE_BY_SIDE)
_UNREADABLE = "The file is damaged or is not what it seems: open it, save it anew and send that."


async def inspect(source: Path, out: Path) -> Inspected:
    """Judge a file by decoding it, and write what is kept of it to `out`. Raises MediaRefused, Outage.

    A process that dies of its limits has met a hostile file; one that ran out of time may have met a busy machine.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await _places.acquire()
    except TimeoutError as busy:
        raise Outage("Too many files are being looked at: send it again.", code="media.busy") from busy
    try:
        return await _inspected(source, out)
    finally:
        _places.release()


async def _inspected(source: Path, out: Path) -> Inspected:
    said: list[str] = []
    began = monotonic()
    argv = [sys.executable, "-I", "-m", decoding.__name__, str(source), str(out), ffmpeg.program()]
    try:
        await ffmpeg.run(argv, cwd=source.parent, deadline=_DEADLINE, on_line=said.append)
    except ffmpeg.MediaFailed as failed:
        if failed.code == "worker.disk_full" or monotonic() - began >= _DEADLINE.total_seconds():
            raise
        raise MediaRefused(_UNREADABLE, field="file") from failed
    told = msgspec.json.decode(said[0])
    if (why := told.get("refused")) is not None:
        raise MediaRefused(why, field="file")
    if await asyncio.to_thread(_empty, out):
        raise MediaRefused(_UNREADABLE, field="file")
    return msgspec.convert(told, Inspected)


def _empty(out: Path) -> bool:
    return not out.is_file() or not out.stat().st_size

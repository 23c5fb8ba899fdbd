"""Measures a finished video from anywhere in one pass: bounded in memory, whatever the file's length."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from reelwright import rendering
from reelwright.rendering import gate, graph, hearing
from worker import ffmpeg

TILES = 60
_TILE_WIDTH, _TILE_HEIGHT = 320, 256
_DEADLINE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found, and what a picture of it is drawn from: small pictures and when each is, sound, loudness."""

    evidence: rendering.Evidence
    tiles: tuple[tuple[float, Path], ...]
    sound: hearing.Envelope | None
    levels: tuple[float, ...]


async def measured(
    video: Path,
    workspace: Path,
    *,
    covered: rendering.Area | None = None,
    tell: Callable[[float], None] | None = None,
) -> Measured:
    """Measure a file by its whole path; small pictures land in the workspace, and `tell` hears how far it is, 0..1.

    Captions are known to be drawn where it is `covered`: there nothing is looked for.

    Raises ValueError where the file isn't a video, MediaFailed where measuring it failed.
    """
    probe = await asyncio.to_thread(rendering.probe, video)
    every_s, heard = step_s(probe.video_ms / 1000), probe.audio_streams > 0
    tile = tile_size(probe.width, probe.height)
    look = graph.Look(frames=probe.frames, tile=tile, every_s=every_s, covered=covered)
    argv = graph.examine(ffmpeg.program(), video, look, heard=heard)

    def line(said: str) -> None:
        name, _, value = said.partition("=")
        if tell is not None and name == "out_time_us" and value.isdecimal():
            tell(min(1.0, int(value) / 1000 / max(1.0, probe.video_ms)))

    finished, sound = await asyncio.gather(
        ffmpeg.run(argv, cwd=workspace, deadline=_DEADLINE, on_line=line),
        asyncio.to_thread(hearing.envelope, video) if heard else _none(),
    )
    evidence = rendering.Evidence(
        probe=probe,
        audio_ms=sound.ms if sound else 0.0,
        loudness=graph.loudness(finished.report) if heard else graph.SILENCE,
        seen=gate.seen(finished.report, width=probe.width, height=probe.height, length_ms=probe.video_ms),
        heard={},
    )
    tiles, levels = await asyncio.to_thread(left_in, workspace, every_s)
    return Measured(evidence=evidence, tiles=tiles, sound=sound, levels=levels)


def left_in(workspace: Path, every_s: float) -> tuple[tuple[tuple[float, Path], ...], tuple[float, ...]]:
    """Return what a measuring run left: small pictures with the second at which each is, and LUFS every 100 ms."""
    levels = workspace / graph.LEVELS
    found = graph.levels(levels.read_text()) if levels.exists() else ()
    return tuple((i * every_s, path) for i, path in enumerate(sorted(workspace.glob("tile_*.png")))), found


async def _none() -> None:
    return None


def step_s(seconds: float) -> float:
    """Return whole seconds between two small pictures, so that there are at most TILES."""
    return float(max(1, math.ceil(seconds / TILES)))


def tile_size(width: int, height: int) -> tuple[int, int]:
    """Return the size of a small picture of a frame of that size."""
    scale = min(_TILE_WIDTH / width, _TILE_HEIGHT / height)
    return max(2, round(width * scale)), max(2, round(height * scale))

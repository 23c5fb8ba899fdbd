"""Takes a reel's thumbnails: three at most, the best first, each with its score; and one wide picture."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from reelwright import rendering
from reelwright.generations import THUMBNAILS, ArtefactKind, NewArtefact
from reelwright.rendering import graph, thumbnails
from worker import ffmpeg

_DEADLINE = timedelta(minutes=5)
_MIDDLE = thumbnails.Thumbnail(at_ms=0, score=0, parts={})


async def taken(
    video: Path,
    timeline: rendering.Timeline,
    tiles: tuple[tuple[float, Path], ...],
    style: rendering.Style,
    *,
    picture: Callable[[int], Awaitable[Path]],
    folder: Path,
    name: str,
) -> tuple[NewArtefact, ...]:
    """Return the thumbnails of a finished reel, chosen among small pictures of it. `name` is the reel's inputs' hash.

    There is one at least, and behind them a wide one, of the `picture` of the best one's scene. Raises Outage.
    """
    chosen = await asyncio.to_thread(thumbnails.chosen, timeline, tiles, style) or (_MIDDLE,)

    async def still(kind: ArtefactKind, one: thumbnails.Thumbnail) -> NewArtefact:
        out = folder / f"{kind.value}.jpg"
        await ffmpeg.produce(
            lambda part: graph.thumbnail(ffmpeg.program(), video, part, at_ms=one.at_ms),
            out,
            check=lambda part: rendering.planes.checked(part).close(),
            deadline=_DEADLINE,
        )
        meta: dict[str, object] = {"at_ms": one.at_ms, "score": one.score, "parts": one.parts}
        return NewArtefact(kind=kind, path=out, media_type="image/jpeg", inputs_hash=name, meta=meta)

    async def wide() -> NewArtefact:
        out, shot = folder / f"{ArtefactKind.THUMBNAIL_WIDE.value}.jpg", _shot(timeline, chosen[0].at_ms)
        await asyncio.to_thread(thumbnails.widen, await picture(shot.scene), out)
        meta: dict[str, object] = {"at_ms": chosen[0].at_ms}
        return NewArtefact(
            kind=ArtefactKind.THUMBNAIL_WIDE, path=out, media_type="image/jpeg", inputs_hash=name, meta=meta
        )

    taken = (still(kind, one) for kind, one in zip(THUMBNAILS, chosen, strict=False))
    return tuple(await asyncio.gather(*taken, wide()))


def _shot(timeline: rendering.Timeline, at_ms: int) -> rendering.Shot:
    """Return the scene that is seen then; beside a card the nearest."""
    at = at_ms * rendering.FPS / 1000
    return min(timeline.shots, key=lambda shot: max(shot.start - at, at - shot.end + 1, 0.0))

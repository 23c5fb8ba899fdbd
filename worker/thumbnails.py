"""Takes a reel's thumbnails: three at most, the best first, each with the score that it was chosen by."""

import asyncio
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
    folder: Path,
    name: str,
) -> tuple[NewArtefact, ...]:
    """Return the thumbnails of a finished reel, chosen among small pictures of it. `name` is the reel's inputs' hash.

    There is one at least. Raises Outage.
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

    return tuple(await asyncio.gather(*(still(kind, one) for kind, one in zip(THUMBNAILS, chosen, strict=False))))

"""Reads how a reel was made from the files that it was made of: what its gate can't see in the finished file."""

from collections.abc import Iterator, Sequence
from hashlib import file_digest
from pathlib import Path

import msgspec
from PIL import Image

from reelwright import rendering
from reelwright.generations import Artefact, ArtefactKind, NewArtefact
from reelwright.rendering import graph, making
from worker.reproduction import Manifest

_PNG = b"\x89PNG\r\n\x1a\n"
Used = Sequence[tuple[Artefact, Path]]


def chunk(probe: rendering.Probe, report: str, *, first: int, last: int, clips: dict[int, Path]) -> dict[str, object]:
    """Return what is kept of a chunk's encoding: its probe, what the encoder printed, and its sources by scene.

    Raises ValueError where the encoder told nothing.
    """
    told = graph.encoded(report)
    kept = making.Chunk(
        first=first,
        last=last,
        pictures=making.digest(probe, 0, last - first),
        ssim=told.ssim,
        quantiser=told.quantiser,
        painted=all(_lossless(path) for path in clips.values()),
        clips={str(scene): digest(path) for scene, path in clips.items()},
    )
    return msgspec.to_builtins(kept)


def _lossless(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_PNG)) == _PNG


def read(told: Manifest, used: Used, stills: Sequence[NewArtefact]) -> making.Making:
    """Return how a reel was made by its manifest, by the files that were used to join it, and by its thumbnails."""
    chunks = tuple(
        msgspec.convert(artefact.meta, making.Chunk) for artefact, _ in used if artefact.kind is ArtefactKind.CHUNK
    )
    mix = next(path for artefact, path in used if artefact.kind is ArtefactKind.MIX)
    return making.Making(
        chunks=chunks,
        mix_codec=rendering.hearing.codec(mix),
        stills=tuple(_still(still) for still in stills),
        unlike=tuple(dict.fromkeys(_unlike(told, used, chunks))),
    )


def _unlike(told: Manifest, used: Used, chunks: Sequence[making.Chunk]) -> Iterator[str]:
    """Yield what the manifest doesn't name, or by another SHA-256 than that of the file that was used."""
    named = {(one.kind, one.scene, one.chunk): one.sha256 for one in told.inputs}
    for artefact, path in used:
        if named.get((artefact.kind, artefact.scene, artefact.chunk)) != digest(path):
            yield _name(artefact.kind, artefact.scene, artefact.chunk)
    for scene, sha256 in (pair for one in chunks for pair in one.clips.items()):
        if named.get((ArtefactKind.CLIP, int(scene), None)) != sha256:
            yield _name(ArtefactKind.CLIP, int(scene), None)
    for shot in told.timeline.shots:
        if (ArtefactKind.CLIP, shot.scene, None) not in named:
            yield _name(ArtefactKind.CLIP, shot.scene, None)
    if not told.encoder.version:
        yield "encoder"
    if "-threads" not in told.encoder.command:
        yield "threads"


def _name(kind: ArtefactKind, scene: int | None, number: int | None) -> str:
    place = number if scene is None else scene
    return kind.value if place is None else f"{kind.value} {place}"


def _still(made: NewArtefact) -> making.Still:
    with Image.open(made.path) as picture:
        form, (width, height) = picture.format or "", picture.size
    at_ms = msgspec.convert(made.meta["at_ms"], int)
    size = made.path.stat().st_size
    return making.Still(name=made.kind.value, form=form, width=width, height=height, size_bytes=size, at_ms=at_ms)


def digest(file: Path) -> str:
    """Return a file's SHA-256. Raises OSError."""
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()

"""A reel's manifest: all that its file is made of; and the file made again from it, to the last bit."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from hashlib import file_digest
from pathlib import Path

import msgspec

from reelwright import generations, rendering
from reelwright.generations import Artefact, ArtefactKind, Assignment, in_order
from reelwright.ground.errors import NotFound
from reelwright.rendering import graph
from worker import ffmpeg
from worker.chunk import Spec

_DEADLINE = timedelta(minutes=5)


class Input(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that went into the reel, by its bytes. `made_of` is the name of what it was itself made from."""

    kind: str
    sha256: str
    size_bytes: int
    made_of: str
    scene: int | None = None
    chunk: int | None = None


class Encoder(msgspec.Struct, frozen=True, kw_only=True):
    """The program that made the file, by its own words, and the command that encodes each chunk."""

    version: str
    profile: str
    command: tuple[str, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, tag="manifest/1"):
    """What a reel's file was made from. `correction_db` is the gain with which its sound was joined to its picture.

    `packets` is the SHA-256 of what is coded in it, as the release gate's `reproducible` tells it.
    """

    video_sha256: str
    video_bytes: int
    packets: str = ""
    recipes: dict[str, str]
    encoder: Encoder
    timeline: rendering.Timeline
    style: rendering.Style
    correction_db: float
    inputs: tuple[Input, ...]
    sources: tuple[str, ...] = ()

    def sha256_of(self, kind: ArtefactKind, *, scene: int | None = None, chunk: int | None = None) -> str:
        """Return an input's SHA-256. Raises NotFound."""
        for one in self.inputs:
            if (one.kind, one.scene, one.chunk) == (kind, scene, chunk):
                return one.sha256
        raise NotFound(f"The manifest names no {kind} for scene {scene}, chunk {chunk}.")


async def manifest(
    task: Assignment,
    video: Path,
    timeline: rendering.Timeline,
    style: rendering.Style,
    *,
    profile: str,
    gain: float,
    packets: str,
) -> Manifest:
    """Return the manifest of a file that was joined from a task's artefacts. Raises Outage."""
    command = graph.encode("ffmpeg", Path("chunk.mp4"), width=timeline.width, height=timeline.height, profile=profile)
    digest, size = await asyncio.to_thread(lambda: (_digest(video), video.stat().st_size))
    credit = task.variant.story.attribution
    told = () if credit is None else (" · ".join(part for part in (credit.title, credit.url, credit.licence) if part),)
    return Manifest(
        video_sha256=digest,
        video_bytes=size,
        packets=packets,
        recipes={stage.value: recipe for stage, recipe in generations.RECIPES.items()},
        encoder=Encoder(version=await _version(video.parent), profile=profile, command=tuple(command)),
        timeline=timeline,
        style=_portable(style),
        correction_db=gain,
        inputs=tuple(_named(artefact) for artefact in _used(task, timeline)),
        sources=told,
    )


def _used(task: Assignment, timeline: rendering.Timeline) -> Iterator[Artefact]:
    """Return what the reel was made from: each scene's picture is the one that was animated, which comes first."""
    for kind in (ArtefactKind.IMAGE, ArtefactKind.CLIP, ArtefactKind.NARRATION):
        found = (task.found(kind, scene=shot.scene) for shot in timeline.shots)
        yield from (artefact for artefact in found if artefact is not None)
    for kind in (ArtefactKind.MIX, ArtefactKind.CHUNK):
        yield from in_order(task.artefacts, kind)


def _named(a: Artefact) -> Input:
    return Input(
        kind=a.kind.value, sha256=a.sha256, size_bytes=a.size_bytes, made_of=a.inputs_hash, scene=a.scene, chunk=a.chunk
    )


def _portable(style: rendering.Style) -> rendering.Style:
    """Return a style whose logo is named by its bytes alone."""
    return style if style.logo is None else msgspec.structs.replace(style, logo=_at(style.logo, ""))


def _at(logo: rendering.Logo, path: str) -> rendering.Logo:
    return msgspec.structs.replace(logo, path=path)


async def _version(folder: Path) -> str:
    said: list[str] = []
    await ffmpeg.run([ffmpeg.program(), "-hide_banner", "-version"], cwd=folder, on_line=said.append)
    return said[0].partition(" Copyright")[0]


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()


async def reproduce(told: Manifest, files: Mapping[str, Path], out: Path) -> list[str]:
    """Render a manifest's reel again, from its pictures and its sound; return what came out otherwise, by name.

    `files` has them by SHA-256. Raises NotFound where one is missing, Outage.
    """
    with tempfile.TemporaryDirectory(dir=out.parent) as made:
        folder = Path(made)
        places = asyncio.Semaphore(os.cpu_count() or 1)
        ranges = told.timeline.chunks()
        named = {one.sha256 for one in told.inputs} | {told.style.logo.sha256 if told.style.logo else ""}
        reads = [files[sha256] for sha256 in named & files.keys()]

        async def chunk(number: int) -> str:
            async with places:
                name = f"chunk_{number:04d}.mp4"
                encoding = _encoding(told, number, files, folder / name)
                await ffmpeg.run(encoding, cwd=folder, deadline=_DEADLINE, reads=reads)
                return name

        names = await asyncio.gather(*(chunk(number) for number in range(len(ranges))))
        digests = [await asyncio.to_thread(_digest, folder / name) for name in names]
        other = [
            f"chunk {number}"
            for number, digest in enumerate(digests)
            if digest != told.sha256_of(ArtefactKind.CHUNK, chunk=number)
        ]
        listing, mix = folder / "chunks.txt", _found(files, told.sha256_of(ArtefactKind.MIX))
        listing.write_text(graph.listing(names))
        samples, gain = told.timeline.samples, told.correction_db
        joining = graph.join(ffmpeg.program(), listing, mix, out, samples=samples, gain=gain)
        await ffmpeg.run(joining, cwd=out.parent, deadline=_DEADLINE)
        await asyncio.to_thread(rendering.disclosure.mark, out)
    made = await asyncio.to_thread(rendering.probe, out)
    other += ["packets"] if told.packets not in {"", made.packets} else []
    return other + (["video"] if await asyncio.to_thread(_digest, out) != told.video_sha256 else [])


def _encoding(told: Manifest, number: int, files: Mapping[str, Path], out: Path) -> list[str]:
    first, last = told.timeline.chunks()[number]
    clips = {
        shot.scene: str(_found(files, told.sha256_of(ArtefactKind.CLIP, scene=shot.scene)))
        for shot in told.timeline.seen(first, last)
    }
    logo, style = told.style.logo, told.style
    if logo is not None:
        style = msgspec.structs.replace(style, logo=_at(logo, str(_found(files, logo.sha256))))
    spec = Spec(ffmpeg.program(), told.timeline, clips, first, last, str(out), told.encoder.profile, style)
    note = out.with_suffix(".json")
    note.write_bytes(msgspec.json.encode(spec))
    return [sys.executable, "-m", "worker.chunk", str(note)]


def _found(files: Mapping[str, Path], sha256: str) -> Path:
    if sha256 not in files:
        raise NotFound(f"No file has the SHA-256 {sha256}, which the manifest names.")
    return files[sha256]


def by_digest(files: Iterable[Path]) -> dict[str, Path]:
    """Return files by their SHA-256."""
    return {_digest(file): file.resolve() for file in files if file.is_file()}

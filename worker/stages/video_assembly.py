"""VIDEO_ASSEMBLY: time chunks are encoded side by side, then joined with the sound, measured and judged."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from reelwright import generations, rendering
from reelwright.generations import (
    Artefact,
    ArtefactKind,
    Assignment,
    Bench,
    Encoded,
    Made,
    NewArtefact,
    Profile,
    Released,
    in_order,
)
from reelwright.ground import png
from reelwright.ground.metering import Action, Use
from reelwright.providers import Toolset
from reelwright.rendering import gate, graph, sheet, wording
from worker import ffmpeg, making, measuring, reproduction, thumbnails
from worker.chunk import Spec

_CHUNK_RECIPE, _REEL_RECIPE = generations.RECIPES[generations.Stage.VIDEO_ASSEMBLY], "reel/5"
_CLOSE_LU, _PEAK_DBTP = 0.5, -1.2
_COMPARED = 6  # one chunk in six, 5 s in 30, is compared with what was painted: all would cost 0.3 s a reel
_DEADLINE = timedelta(minutes=5)
_SHEET, _MANIFEST = "inspection.png", "manifest.json"
_T = TypeVar("_T")


async def perform(task: Assignment, tools: Toolset, bench: Bench) -> Made:  # noqa: ARG001 - every stage has one face
    """Encode the unit's chunk, or join all of them. A reel that fails its gate is returned with `passed` false.

    Raises Outage; LookupError when an earlier stage's file is missing.
    """
    plan = await bench.fetch(_must(task, ArtefactKind.TIMELINE))
    timeline = msgspec.json.decode(plan.read_bytes(), type=rendering.Timeline)
    timeline = rendering.sized(timeline, *task.draft.aspect.size)
    if task.brand.profile is Profile.PREVIEW:
        timeline = rendering.preview(timeline)
    if task.unit.chunk is not None:
        return await _chunk(task, bench, timeline, task.unit.chunk)
    return await _Assembly(task, bench, timeline).made()


def _must(task: Assignment, kind: ArtefactKind, *, scene: int | None = None) -> Artefact:
    artefact = task.found(kind, scene=scene)
    if artefact is None:
        msg = f"no {kind} for scene {scene}"
        raise LookupError(msg)
    return artefact


async def styled(task: Assignment, bench: Bench) -> rendering.Style:
    """Return what captions and cards are drawn with, its logo as a local file. Raises Outage."""
    kit = task.brand.kit
    if kit is None:
        return rendering.Style(name=task.brand.caption_style.value)
    logo = kit.logo and rendering.Logo(
        path=str(await bench.fetch(kit.logo)),
        corner=kit.logo.corner.value,
        share=kit.logo.share,
        sha256=kit.logo.sha256,
    )
    chosen = {"name": task.brand.caption_style.value, "font": kit.font}
    return msgspec.convert(
        chosen | {"text": kit.text, "highlight": kit.highlight, "box": kit.box, "logo": logo}, rendering.Style
    )


async def _chunk(task: Assignment, bench: Bench, timeline: rendering.Timeline, number: int) -> Made:
    first, last = timeline.chunks()[number]
    profile = task.brand.profile.value
    shots = timeline.seen(first, last)
    clips = {shot.scene: _must(task, ArtefactKind.CLIP, scene=shot.scene) for shot in shots}
    sources = {scene: str(await bench.fetch(clip)) for scene, clip in clips.items()}
    style = await styled(task, bench)
    out, note = bench.workspace / "chunk.mp4", bench.workspace / "spec.json"

    def command(part: Path) -> list[str]:
        spec = Spec(
            ffmpeg.program(), timeline, sources, first, last, str(part), profile, style, number % _COMPARED == 0
        )
        note.write_bytes(msgspec.json.encode(spec))
        return [sys.executable, "-m", "worker.chunk", str(note)]

    def tell(line: str) -> None:
        bench.progress(int(line) / (last - first))

    probes: list[rendering.Probe] = []
    finished = await ffmpeg.produce(
        command,
        out,
        check=lambda part: probes.append(_probed(part, last - first)),
        deadline=_DEADLINE,
        on_line=tell,
    )
    shown, *_ = rendering.looks(timeline)[number]
    name = generations.inputs_hash(
        _CHUNK_RECIPE, profile, shown, [clips[shot.scene].sha256 for shot in shots], style.named()
    )
    clip_files = {scene: Path(path) for scene, path in sources.items()}
    meta = await asyncio.to_thread(making.chunk, probes[0], finished.report, first=first, last=last, clips=clip_files)
    file = NewArtefact(kind=ArtefactKind.CHUNK, path=out, media_type="video/mp4", inputs_hash=name, meta=meta)
    length_ms = round((last - first) * 1000 / rendering.FPS)
    use = Use(
        action=Action.PREVIEW if task.brand.profile is Profile.PREVIEW else Action.RENDER,
        provider="reelwright",
        model=f"x264-{profile}",
        quantity=length_ms,
        wall_ms=finished.wall_ms,
    )
    return Made(outcome=Encoded(frames=last - first), artefacts=(file,), uses=(use,))


def _whole(path: Path, frames: int) -> None:
    _probed(path, frames)


def _probed(path: Path, frames: int) -> rendering.Probe:
    made = rendering.probe(path)
    if made.frames != frames:
        msg = f"{made.frames} frames instead of {frames}"
        raise ValueError(msg)
    return made


async def _nothing(value: _T) -> _T:
    return value


@dataclass(frozen=True, slots=True)
class _Listened:
    """What the delivered sound is like, and how each scene's narration was found in it."""

    sound: rendering.hearing.Envelope | None
    scenes: dict[int, rendering.hearing.Heard]


class _Narration(msgspec.Struct, frozen=True):
    """What the gate needs of a NARRATION artefact's meta; more stands beside it."""

    words: tuple[tuple[str, int, int], ...] = ()


_UNHEARD = _Listened(None, {})


@dataclass(frozen=True, slots=True)
class _Assembly:
    """The fan-in of one reel: every file it makes lies in the bench's workspace."""

    task: Assignment
    bench: Bench
    timeline: rendering.Timeline

    async def made(self) -> Made:
        chunks = in_order(self.task.artefacts, ArtefactKind.CHUNK)
        wanted = list(range(len(self.timeline.chunks())))
        if [chunk.chunk for chunk in chunks] != wanted:
            msg = f"chunks {[chunk.chunk for chunk in chunks]} instead of {wanted}"
            raise LookupError(msg)
        mix = _must(self.task, ArtefactKind.MIX)
        names = await self._named(chunks)
        listing = self._file("chunks.txt")
        listing.write_text(graph.listing(names))
        self._subtitle()
        video, measured, gain = await self._joined(listing, await self.bench.fetch(mix))
        self.bench.progress(0.8)
        style = await styled(self.task, self.bench)
        name = generations.inputs_hash(_REEL_RECIPE, [c.sha256 for c in chunks], mix.sha256)
        profile, packets = self.task.brand.profile, measured.evidence.probe.packets
        stills, told = await asyncio.gather(
            thumbnails.taken(
                *(video, self.timeline, measured.tiles, style),
                picture=self._picture,
                folder=self.bench.workspace,
                name=name,
            ),
            reproduction.manifest(self.task, video, self.timeline, style, profile=profile, gain=gain, packets=packets),
        )
        self._file(_MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(told)))
        measured = await self._with_making(measured, told, stills, style)
        report = gate.judge(self.timeline, measured.evidence, style)
        self.bench.progress(0.9)
        await asyncio.to_thread(self._draw, measured, report, style)
        gate_report: dict[str, object] = msgspec.json.decode(msgspec.json.encode(report))
        outcome = Released(duration_ms=self.timeline.duration_ms, gate=gate_report)
        return Made(outcome=outcome, artefacts=(*self._files(video, report, name), *stills))

    async def _with_making(
        self,
        measured: measuring.Measured,
        told: reproduction.Manifest,
        stills: Sequence[NewArtefact],
        style: rendering.Style,
    ) -> measuring.Measured:
        """Return what was measured, with how it was made and whether its scenes differ."""
        made = await asyncio.to_thread(making.read, told, await self._used(), stills)
        variety = await self._variety(measured, style)
        return replace(measured, evidence=replace(measured.evidence, made=made, variety=variety))

    async def _used(self) -> list[tuple[Artefact, Path]]:
        """Return what was joined and listened for, with its files."""
        kinds = (ArtefactKind.CHUNK, ArtefactKind.MIX)
        used = [artefact for kind in kinds for artefact in in_order(self.task.artefacts, kind)]
        used += [_must(self.task, ArtefactKind.NARRATION, scene=n) for n in self._speaking()]
        return [(artefact, await self.bench.fetch(artefact)) for artefact in used]

    async def _variety(self, measured: measuring.Measured, style: rendering.Style) -> rendering.Variety:
        """Compare the delivered scenes. Where two whose pictures were let pass as twins look alike, that is meant."""
        found = await asyncio.to_thread(rendering.variety.variety, self.timeline, measured.tiles, style)
        prints: dict[int, int] = {}
        for scene in {scene for pair in found.twins for scene in pair}:
            prints[scene] = await asyncio.to_thread(rendering.variety.print_of, await self._picture(scene))
        return found.without(
            [pair for pair in found.twins if rendering.variety.alike(*(prints[scene] for scene in pair))]
        )

    async def _picture(self, scene: int) -> Path:
        return await self.bench.fetch(_must(self.task, ArtefactKind.IMAGE, scene=scene))

    def _file(self, name: str) -> Path:
        return self.bench.workspace / name

    async def _named(self, chunks: list[Artefact]) -> list[str]:
        """Give the chunks plain names in the workspace, without copying them."""
        names: list[str] = []
        for chunk in chunks:
            names.append(f"chunk_{chunk.chunk:04d}.mp4")
            self._file(names[-1]).symlink_to((await self.bench.fetch(chunk)).resolve())
        return names

    async def _joined(self, listing: Path, mix: Path) -> tuple[Path, measuring.Measured, float]:
        """Join, measure the delivered file, and do both again, once, where the codec moved its loudness.

        Return the file, what was measured of it, and the correction in dB.
        """
        video = self._file("reel.mp4")
        await self._join(listing, mix, video, gain=0.0)
        self.bench.progress(0.6)
        measured = await self._measured(video)
        loud = measured.evidence.loudness
        correction = graph.gain_db(loud, graph.TARGET_LUFS)
        if loud.peak_dbtp > _PEAK_DBTP:
            correction = min(correction, _PEAK_DBTP - loud.peak_dbtp)
        elif abs(correction) <= _CLOSE_LU:
            return video, measured, 0.0
        await self._join(listing, mix, video, gain=correction)
        return video, await self._measured(video), correction

    async def _join(self, listing: Path, mix: Path, video: Path, *, gain: float) -> None:
        program, samples = ffmpeg.program(), self.timeline.samples
        await ffmpeg.produce(
            lambda part: graph.join(program, listing, mix, part, samples=samples, gain=gain),
            video,
            check=lambda part: _whole(part, self.timeline.frames),
            deadline=_DEADLINE,
        )
        await asyncio.to_thread(rendering.disclosure.mark, video)

    async def _loudness(self, video: Path) -> graph.Loudness:
        argv = graph.measure_loudness(ffmpeg.program(), video, by_time=True)
        return graph.loudness((await ffmpeg.run(argv, cwd=self.bench.workspace, deadline=_DEADLINE)).report)

    async def _measured(self, video: Path) -> measuring.Measured:
        """Look at the delivered file's every frame and listen to it, once, for the gate and for the contact sheet."""
        timeline, program = self.timeline, ffmpeg.program()
        tile, every_s = (
            measuring.tile_size(timeline.width, timeline.height),
            measuring.step_s(timeline.duration_ms / 1000),
        )
        covered = wording.covered(timeline, await styled(self.task, self.bench))
        look = graph.Look(frames=timeline.frames, tile=tile, every_s=every_s, covered=covered)
        looking = graph.measure_picture(program, video, look)
        probe = await asyncio.to_thread(rendering.probe, video)
        seen, loudness, heard = await asyncio.gather(
            ffmpeg.run(looking, cwd=self.bench.workspace, deadline=_DEADLINE),
            self._loudness(video) if probe.audio_streams else _nothing(graph.SILENCE),
            self._heard(video) if probe.audio_streams else _nothing(_UNHEARD),
        )
        evidence = rendering.Evidence(
            probe=probe,
            audio_ms=heard.sound.ms if heard.sound else 0.0,
            loudness=loudness,
            seen=gate.seen(seen.report, width=timeline.width, height=timeline.height, length_ms=probe.video_ms),
            heard=heard.scenes,
            voices=self._voices(),
            subtitles={form: self._written(form) for form in wording.FORMS},
        )
        tiles, levels = await asyncio.to_thread(measuring.left_in, self.bench.workspace, every_s)
        return measuring.Measured(evidence=evidence, tiles=tiles, sound=heard.sound, levels=levels)

    def _draw(self, measured: measuring.Measured, report: rendering.Report, style: rendering.Style) -> None:
        """Draw the contact sheet: what was measured and what was seen, in one picture for a person."""
        subject = sheet.Subject(
            name=f"Reel for {self.timeline.platform}",
            report=report,
            evidence=measured.evidence,
            tiles=measured.tiles,
            sound=measured.sound,
            levels=measured.levels,
            cues=self._written("srt"),
            platform=self.timeline.platform,
            timeline=self.timeline,
            style=style,
        )
        self._file(_SHEET).write_bytes(png.encoded(np.asarray(sheet.draw(subject))))

    def _voices(self) -> dict[int, tuple[rendering.Word, ...]]:
        """Return each narration's own words, as the voice timed them."""
        told = {n: _must(self.task, ArtefactKind.NARRATION, scene=n).meta for n in self._speaking()}
        return {
            n: tuple(rendering.Word(*word) for word in msgspec.convert(meta, _Narration).words)
            for n, meta in told.items()
        }

    def _speaking(self) -> list[int]:
        return [shot.scene for shot in self.timeline.shots if shot.speech_ms is not None]

    def _subtitle(self) -> None:
        for form, write in wording.FORMS.items():
            self._file(f"captions.{form}").write_text(write(self.timeline), encoding="utf-8")

    def _written(self, form: str) -> tuple[rendering.captions.Cue, ...]:
        """Read the subtitles that are delivered in that form."""
        return wording.read(self._file(f"captions.{form}").read_text(encoding="utf-8"))

    async def _heard(self, video: Path) -> _Listened:
        spoken: list[tuple[rendering.Shot, int, Path]] = []
        for shot in self.timeline.shots:
            if shot.speech_ms is not None:
                narration = _must(self.task, ArtefactKind.NARRATION, scene=shot.scene)
                spoken.append((shot, shot.speech_ms[0], await self.bench.fetch(narration)))
        return await asyncio.to_thread(self._listened, video, spoken)

    def _listened(self, video: Path, spoken: list[tuple[rendering.Shot, int, Path]]) -> _Listened:
        reel = rendering.hearing.sound(video, whole=False)  # whether it is whole, a gate says
        found: dict[int, rendering.hearing.Heard] = {}
        for shot, at_ms, path in spoken:
            words = rendering.captions.audible(self.timeline, shot)
            narration = rendering.hearing.sound(path)
            found[shot.scene] = rendering.hearing.heard(reel, narration, at_ms=at_ms, words=words)
        return _Listened(rendering.hearing.outline([reel]), found)

    def _files(self, video: Path, report: rendering.Report, name: str) -> tuple[NewArtefact, ...]:
        srt, vtt, verdict = self._file("captions.srt"), self._file("captions.vtt"), self._file("gate.json")
        verdict.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
        length: dict[str, object] = {"duration_ms": self.timeline.duration_ms, "frames": self.timeline.frames}
        kinds = (
            (ArtefactKind.VIDEO, video, "video/mp4", length),
            (ArtefactKind.CAPTIONS_SRT, srt, "application/x-subrip", {}),
            (ArtefactKind.CAPTIONS_VTT, vtt, "text/vtt", {}),
            (ArtefactKind.GATE_REPORT, verdict, "application/json", {"passed": report.passed}),
            (ArtefactKind.MANIFEST, self._file(_MANIFEST), "application/json", {}),
            (ArtefactKind.INSPECTION, self._file(_SHEET), "image/png", {}),
        )
        return tuple(NewArtefact(kind=k, path=p, media_type=t, inputs_hash=name, meta=m) for k, p, t, m in kinds)

"""One good short reel of low resolution, made by the product's own commands, and the verdicts on any copy of it."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from reelwright import rendering
from reelwright.cli import inspect
from reelwright.rendering import captions, gate, graph, hearing, making, variety, wording
from tests.rooms.rendering import fixture
from worker import ffmpeg, measuring
from worker import making as notes

WIDTH, HEIGHT, SECONDS = 360, 640, 4


@dataclass(frozen=True)
class Good:
    """The reel, its plan, its narrations by scene with their own words, its subtitles, and how it was made."""

    video: Path
    timeline: rendering.Timeline
    narrations: dict[int, Path]
    voices: dict[int, tuple[rendering.Word, ...]]
    subtitles: str
    made: making.Making


async def make(folder: Path) -> Good:
    """Make two scenes of two seconds: a moving test picture, a voice over music."""
    takes, narrations, spoken = list[rendering.Take](), dict[int, Path](), list[graph.Spoken]()
    voices = dict[int, tuple[rendering.Word, ...]]()
    for scene in range(2):
        wav, words = fixture.speech(4, seed=scene)
        narrations[scene] = folder / f"voice_{scene}.wav"
        narrations[scene].write_bytes(wav)
        voices[scene] = tuple(rendering.Word(*word) for word in words)
        takes.append(fixture.take(duration_ms=2000, narration_ms=words[-1][2] + 60, words=voices[scene]))
    timeline = fixture.plan(*takes, target_ms=SECONDS * 1000, width=WIDTH, height=HEIGHT)
    for shot in timeline.shots:
        spoken.append(graph.Spoken(narrations[shot.scene], shot.start * rendering.SAMPLES_A_FRAME))
    music = folder / "music.wav"
    music.write_bytes(fixture.music(SECONDS * 1000 + 500))
    video, made = await _joined(folder, timeline, spoken, music)
    return Good(video, timeline, narrations, voices, captions.srt(timeline), made)


async def _joined(
    folder: Path, timeline: rendering.Timeline, spoken: list[graph.Spoken], music: Path
) -> tuple[Path, making.Making]:
    program, samples = ffmpeg.program(), timeline.samples
    chunk, mix, mastered, video = (folder / n for n in ("chunk_0000.mp4", "mix.wav", "mix.flac", "reel.mp4"))
    kept = await encoded(chunk, timeline, profile="fast")
    gains = {"voice_gain_db": 6.0, "music_gain_db": -12.0}
    await ffmpeg.run(graph.mix(program, mix, voices=spoken, music=music, samples=samples, **gains), cwd=folder)
    loud = graph.loudness((await ffmpeg.run(graph.measure_loudness(program, mix), cwd=folder)).report)
    gain = graph.gain_db(loud, graph.TARGET_LUFS)
    await ffmpeg.run(graph.master(program, mix, mastered, gain=gain, samples=samples), cwd=folder)
    listing = folder / "chunks.txt"
    listing.write_text(graph.listing([chunk.name]))
    await ffmpeg.run(graph.join(program, listing, mastered, video, samples=samples), cwd=folder)
    rendering.disclosure.mark(video)
    still = making.Still(name="cover", form="JPEG", width=WIDTH, height=HEIGHT, size_bytes=90_000, at_ms=1200)
    wide = replace(still, name=making.WIDE, width=1280, height=720)
    return video, making.Making(chunks=(kept,), mix_codec=hearing.codec(mastered), stills=(still, wide), unlike=())


async def encoded(out: Path, timeline: rendering.Timeline, *, profile: str) -> making.Chunk:
    """Encode a test picture as the worker encodes a chunk, and return what it keeps of that."""
    painted = graph.encode(ffmpeg.program(), out, width=WIDTH, height=HEIGHT, profile=profile, compared=True)
    tagged = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    cut = timeline.shots[1].start
    source = f"testsrc2=s={WIDTH}x{HEIGHT}:r=30:d={SECONDS},negate=enable='gte(n,{cut})',{tagged}"
    first, last = painted.index("-f"), painted.index("pipe:0")
    picture = [*painted[:first], "-f", "lavfi", "-i", source, *painted[last + 1 :]]
    report = (await ffmpeg.run(picture, cwd=out.parent)).report
    told = notes.chunk(rendering.probe(out), report, first=0, last=timeline.frames, clips={})
    return msgspec.convert(told, making.Chunk)


@dataclass(frozen=True)
class Verdicts:
    """The gates that fail as the worker judges, with narrations and side files, and as `reelwright inspect` does."""

    worker: set[str]
    inspect: set[str]


async def failed(
    good: Good, video: Path, timeline: rendering.Timeline, subtitles: str, made: making.Making
) -> Verdicts:
    """Judge a file by the plan, with the side file and by the notes of its making that are said to be its own."""
    workspace = video.parent / f"measured_{video.stem}"
    workspace.mkdir()
    found = await measuring.measured(video, workspace, covered=wording.covered(timeline))
    cues = captions.read(subtitles)
    told = inspect.Told(duration_s=None, platform=timeline.platform, cues=cues, timeline=timeline)
    evidence = replace(
        found.evidence,
        variety=variety.variety(timeline, found.tiles),
        made=made,
        heard=await asyncio.to_thread(_heard, good, video, timeline) if found.sound else {},
        voices=good.voices,
        subtitles={"srt": cues, "vtt": wording.written(timeline, "vtt")},
    )
    return Verdicts(worker=_red(gate.judge(timeline, evidence)), inspect=_red(inspect.judged(found, told)))


def _red(report: rendering.Report) -> set[str]:
    return {check.name for check in report.checks if check.passed is False}


def _heard(good: Good, video: Path, timeline: rendering.Timeline) -> dict[int, hearing.Heard]:
    reel, found = hearing.sound(video, whole=False), dict[int, hearing.Heard]()
    for shot in timeline.shots:
        if shot.speech_ms is not None:
            words = [w for w in timeline.words if w.scene == shot.scene]
            narration = hearing.sound(good.narrations[shot.scene])
            found[shot.scene] = hearing.heard(reel, narration, at_ms=shot.speech_ms[0], words=words)
    return found

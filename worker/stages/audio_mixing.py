"""AUDIO_MIXING: narrations and music become one mastered sound, and with it the reel's exact plan."""

import asyncio
import wave
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic

import msgspec

from reelwright import generations, rendering
from reelwright.generations import Artefact, ArtefactKind, Assignment, Bench, Made, Mixed, NewArtefact, Scene
from reelwright.ground.metering import Action, Use
from reelwright.providers import Toolset
from reelwright.rendering import graph
from worker import ffmpeg

_RECIPE = generations.RECIPES[generations.Stage.AUDIO_MIXING]
_MORE_MS = 1_000  # than the reel, of a track: what it is crossed over with
_CLOSE_LU = 0.3
_MOST_CORRECTIONS = 4  # the limiter takes some of what each gain gives: a loud voice needs more than one
_DEADLINE = timedelta(minutes=3)


class _Narration(msgspec.Struct, frozen=True):
    """What a NARRATION artefact's meta holds; more may stand beside it."""

    duration_ms: int
    words: tuple[tuple[str, int, int], ...] = ()
    word_times: str = "exact"


@dataclass(frozen=True, slots=True)
class _Stems:
    """What is mixed, and how loud each is: None where there is none."""

    voices: tuple[graph.Spoken, ...]
    music: Path | None
    voice: graph.Loudness | None
    bed: graph.Loudness | None


async def perform(task: Assignment, tools: Toolset, bench: Bench) -> Made:
    """Plan the reel from its narrations, mix, duck and master.

    Raises Outage; NoLetters where no font can caption it; LookupError on a missing narration.
    """
    began = monotonic()
    narrations = {scene.index: _narration(task, scene) for scene in task.variant.scenes}
    timeline = _timeline(task, narrations)
    rendering.captions.require_letters(rendering.captions.spoken(timeline))
    (music, uses), voices = await asyncio.gather(
        _music(task, tools, bench, timeline), _voices(bench, timeline, narrations)
    )
    timeline, stems = await _stems(task, bench, timeline, voices, music)
    bench.progress(0.3)
    gain = await _mixed(bench, stems, timeline)
    bench.progress(0.9)
    plan = bench.workspace / "timeline.json"
    plan.write_bytes(msgspec.json.encode(timeline))
    parts = [narrations[s.index].sha256 if narrations[s.index] else None for s in task.variant.scenes]  # type: ignore[union-attr]
    heard = (msgspec.to_builtins(task.music), _seed(task))
    name = generations.inputs_hash(_RECIPE, parts, heard, msgspec.to_builtins(timeline))
    meta = {"duration_ms": timeline.duration_ms, "frames": timeline.frames}
    files = (
        NewArtefact(
            kind=ArtefactKind.TIMELINE,
            path=plan,
            media_type="application/json",
            inputs_hash=name,
            meta={**meta, "looks": rendering.looks(timeline)},
        ),
        NewArtefact(
            kind=ArtefactKind.MIX,
            path=bench.workspace / "mix.flac",
            media_type="audio/flac",
            inputs_hash=name,
            meta={**meta, "gain_db": round(gain, 2)},
        ),
    )
    wall_ms = round((monotonic() - began) * 1000)
    use = Use(action=Action.MIX, provider="reelwright", model=_RECIPE, quantity=timeline.duration_ms, wall_ms=wall_ms)
    outcome = Mixed(chunks=len(timeline.chunks()), duration_ms=timeline.duration_ms)
    return Made(outcome=outcome, artefacts=files, uses=(*uses, use))


def _narration(task: Assignment, scene: Scene) -> Artefact | None:
    found = task.found(ArtefactKind.NARRATION, scene=scene.index)
    if found is None and scene.narration.strip():
        msg = f"scene {scene.index} has no narration"
        raise LookupError(msg)
    return found


def _timeline(task: Assignment, narrations: dict[int, Artefact | None]) -> rendering.Timeline:
    takes: list[rendering.Take] = []
    for scene in task.variant.scenes:
        artefact = narrations[scene.index]
        said = msgspec.convert(artefact.meta, _Narration) if artefact else _Narration(duration_ms=0)
        takes.append(
            rendering.Take(
                duration_ms=scene.duration_ms,
                motion=scene.motion.kind,
                amount=scene.motion.amount,
                transition=scene.transition.kind,
                transition_frames=scene.transition.frames,
                narration_ms=said.duration_ms,
                words=tuple(rendering.Word(text, start, end) for text, start, end in said.words),
                by_sentence=said.word_times == "sentence",
            )
        )
    width, height = task.draft.aspect.size
    target_ms = task.draft.duration_s * 1000
    intro, outro = (
        card and rendering.Card(card[0], round(card[1] * rendering.FPS / 1000)) for card in task.brand.cards
    )
    return rendering.plan(
        takes,
        target_ms=target_ms,
        width=width,
        height=height,
        platform=task.draft.platform,
        intro=intro,
        outro=outro,
    )


async def _voices(
    bench: Bench, timeline: rendering.Timeline, narrations: dict[int, Artefact | None]
) -> dict[int, Path]:
    """Return each speaking scene's narration under a name of its own: two scenes may share one stored file."""
    voices: dict[int, Path] = {}
    for shot in timeline.shots:
        artefact = narrations[shot.scene]
        if artefact is not None and shot.speech_ms is not None:
            voices[shot.scene] = bench.workspace / f"voice_{shot.scene:04d}.wav"
            voices[shot.scene].symlink_to((await bench.fetch(artefact)).resolve())
    return voices


async def _stems(
    task: Assignment, bench: Bench, timeline: rendering.Timeline, voices: dict[int, Path], music: Path | None
) -> tuple[rendering.Timeline, _Stems]:
    """Listen to voices and music side by side; return the timeline, cut on its beats, and what is mixed by it."""
    program, folder = ffmpeg.program(), bench.workspace
    timeline, voice, bed = await asyncio.gather(
        _cut_on_beats(task, timeline, music),
        _measured(graph.measure_voices(program, [*voices.values()]) if voices else None, folder),
        _measured(graph.measure_loudness(program, music) if music else None, folder),
    )
    spoken = tuple(
        graph.Spoken(voices[shot.scene], shot.start * rendering.SAMPLES_A_FRAME)
        for shot in timeline.shots
        if shot.scene in voices
    )
    return timeline, _Stems(spoken, music, voice, bed)


async def _music(
    task: Assignment, tools: Toolset, bench: Bench, timeline: rendering.Timeline
) -> tuple[Path | None, tuple[Use, ...]]:
    """Write what plays under the narration as a WAV as long as the reel; none where nothing is to play."""
    choice, path = task.music, bench.workspace / "music.wav"
    if choice.track is not None:
        raw = await _unpacked(await bench.fetch(choice.track), bench, timeline)
        await asyncio.to_thread(_lay, raw, path, choice.track, timeline.samples)
        return path, ()
    if choice.mood is None:
        return None, ()
    wav, uses = await tools.music.compose(mood=choice.mood, duration_ms=timeline.duration_ms, seed=_seed(task))
    await asyncio.to_thread(path.write_bytes, wav)
    return path, uses


async def _cut_on_beats(task: Assignment, timeline: rendering.Timeline, music: Path | None) -> rendering.Timeline:
    """Move cuts onto the music's beats, where it has a steady one and they are near."""
    if music is None or len(timeline.shots) == 1:
        return timeline
    track = task.music.track
    if track is not None:
        if track.bpm is None:
            return timeline
        return rendering.on_beats(timeline, bpm=track.bpm, first_beat_ms=track.first_beat_ms)
    found = await asyncio.to_thread(_beat, music)
    return timeline if found is None else rendering.on_beats(timeline, bpm=found.bpm, first_beat_ms=found.first_beat_ms)


def _beat(music: Path) -> rendering.tempo.Tempo | None:
    return rendering.tempo.steady(rendering.hearing.sound(music), rendering.hearing.RATE)


def _seed(task: Assignment) -> int:
    """Return the chosen piece's seed; else the story's own, so that it keeps its music where it is rendered again."""
    chosen = task.music.seed
    return task.variant.id.int % 2**31 if chosen is None else chosen


async def _unpacked(track: Path, bench: Bench, timeline: rendering.Timeline) -> Path:
    raw = bench.workspace / "track.f32"
    await ffmpeg.produce(
        lambda part: rendering.shaping.unpacked(
            ffmpeg.program(), track, part, longest_ms=timeline.duration_ms + _MORE_MS
        ),
        raw,
        check=_some,
        deadline=_DEADLINE,
    )
    return raw


def _lay(raw: Path, path: Path, track: generations.Track, samples: int) -> None:
    """Write the track exactly so long, turned round on a beat where it is shorter."""
    import numpy as np  # noqa: PLC0415 - heavy, and only people's own music needs it

    sound = np.fromfile(raw, np.float32).reshape(-1, 2).T
    laid = rendering.tempo.lengthened(
        sound, samples, rate=rendering.SAMPLE_RATE, bpm=track.bpm, first_beat_ms=track.first_beat_ms
    )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rendering.SAMPLE_RATE)
        file.writeframes((laid.T.clip(-1, 1) * 32767).astype("<i2").tobytes())
    raw.unlink()


def _some(path: Path) -> None:
    if not path.stat().st_size:
        msg = "the track is empty"
        raise ValueError(msg)


async def _mixed(bench: Bench, stems: _Stems, timeline: rendering.Timeline) -> float:
    """Write the mastered mix; return the gain it took, in dB."""
    program, folder = ffmpeg.program(), bench.workspace
    raw, final = folder / "raw.wav", folder / "mix.flac"
    mixed = await ffmpeg.produce(
        lambda part: graph.mix(
            program,
            part,
            voices=stems.voices,
            music=stems.music,
            samples=timeline.samples,
            voice_gain_db=graph.gain_db(stems.voice, graph.VOICE_LUFS),
            music_gain_db=graph.gain_db(stems.bed, graph.MUSIC_LUFS),
        ),
        raw,
        check=lambda part: _long(part, timeline.samples),
        deadline=_DEADLINE,
    )
    bench.progress(0.6)
    gain = graph.gain_db(graph.loudness(mixed.report), graph.TARGET_LUFS)
    loud = await _mastered(program, raw, final, gain=gain, samples=timeline.samples)
    for _ in range(_MOST_CORRECTIONS):
        off = graph.gain_db(loud, graph.TARGET_LUFS)
        if abs(off) <= _CLOSE_LU:
            break
        gain += off
        loud = await _mastered(program, raw, final, gain=gain, samples=timeline.samples)
    raw.unlink()
    return gain


async def _mastered(program: str, raw: Path, final: Path, *, gain: float, samples: int) -> graph.Loudness:
    """Write the master; return how loud it is."""
    finished = await ffmpeg.produce(
        lambda part: graph.master(program, raw, part, gain=gain, samples=samples),
        final,
        check=_sounding,
        deadline=_DEADLINE,
    )
    return graph.loudness(finished.report)


async def _measured(argv: list[str] | None, folder: Path) -> graph.Loudness | None:
    if argv is None:
        return None
    return graph.loudness((await ffmpeg.run(argv, cwd=folder, deadline=_DEADLINE)).report)


def _long(path: Path, samples: int) -> None:
    """Check that a stereo float WAV is so long. Raises ValueError."""
    if path.stat().st_size < samples * 2 * 4:
        msg = f"{path.stat().st_size} bytes are too few for {samples} samples"
        raise ValueError(msg)


def _sounding(path: Path) -> None:
    rendering.hearing.sound(path)

"""Makes the short sounds that people wait for: a voice's preview, ten seconds of music, a track of an upload."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from reelwright import rendering
from reelwright.generations import Track, VoiceChoice
from reelwright.ground.errors import Refusal
from reelwright.journeys.music import EXCERPT_MS
from reelwright.journeys.sounding import SoundBench, SoundMade
from reelwright.providers import Toolset
from reelwright.rendering import graph, shaping
from worker import ffmpeg
from worker.stages import narrating

_SHORTEST_MS = 3_000
_DEADLINE = timedelta(minutes=2)


class NotPlayable(Refusal):
    """What was sent as music can't be decoded, is silent or too short."""

    code = "music.not_playable"


async def make(kind: str, wish: dict[str, Any], tools: Toolset, bench: SoundBench) -> SoundMade:
    """Make a sound of that kind. Raises NotPlayable, ProviderRefused, ProviderAway, Outage."""
    match kind:
        case "voice":
            return await _voice(wish, tools, bench)
        case "excerpt":
            return await _excerpt(wish, tools, bench)
        case _:
            return await _track(wish, bench)


async def _voice(wish: dict[str, Any], tools: Toolset, bench: SoundBench) -> SoundMade:
    choice = VoiceChoice(name=wish["voice"], speed=wish["speed"], pitch=wish["pitch"], gap_ms=wish["gap_ms"])
    speech, uses = await narrating.spoken(tools, wish["text"], choice, language=wish["language"])
    speech = await narrating.pitched(speech, choice, bench.workspace)
    wav = bench.workspace / "voice.wav"
    await asyncio.to_thread(wav.write_bytes, speech.wav)
    path = await _mp3(wav, bench.workspace)
    return SoundMade(path=path, duration_ms=speech.duration_ms, uses=uses)


async def _excerpt(wish: dict[str, Any], tools: Toolset, bench: SoundBench) -> SoundMade:
    if "mood" in wish:
        music, uses = await tools.music.compose(mood=wish["mood"], duration_ms=EXCERPT_MS, seed=wish["seed"])
        wav = bench.workspace / "music.wav"
        await asyncio.to_thread(wav.write_bytes, music)
        return SoundMade(path=await _mp3(wav, bench.workspace), duration_ms=EXCERPT_MS, uses=uses)
    track = Track(id=UUID(wish["track"]), key=wish["key"], sha256=wish["sha256"], duration_ms=wish["duration_ms"])
    source = await bench.fetch(track)
    length_ms = min(EXCERPT_MS, track.duration_ms)
    from_ms = min(track.duration_ms // 4, track.duration_ms - length_ms)  # what comes behind the opening bars
    path = await _mp3(source, bench.workspace, from_ms=from_ms, length_ms=length_ms)
    return SoundMade(path=path, duration_ms=length_ms)


async def _track(wish: dict[str, Any], bench: SoundBench) -> SoundMade:
    """Decode an upload once and for all, and find its tempo and beats."""
    upload = Track(id=UUID(wish["track"]), key=wish["key"], sha256=wish["sha256"], duration_ms=0)
    source, out = await bench.fetch(upload), bench.workspace / "track.flac"
    program = ffmpeg.program()
    try:
        await ffmpeg.produce(lambda part: shaping.track(program, source, part), out, check=_whole, deadline=_DEADLINE)
        loud = await _loudness(out)
    except ffmpeg.MediaFailed as broken:
        if broken.code != ffmpeg.MediaFailed.code:
            raise
        raise NotPlayable("The upload can't be played to its end: save it anew and send that.") from broken
    sound = await asyncio.to_thread(rendering.hearing.sound, out)
    length_ms = len(sound) * 1000 // rendering.hearing.RATE
    if loud.silent or length_ms < _SHORTEST_MS:
        raise NotPlayable("Music must be at least three seconds long, and can't be silent.")
    found = await asyncio.to_thread(rendering.tempo.measured, sound, rendering.hearing.RATE, near=wish["bpm"])
    return SoundMade(
        path=out,
        duration_ms=length_ms,
        bpm=found.bpm if found else None,
        first_beat_ms=found.first_beat_ms if found else 0,
    )


def _whole(path: Path) -> None:
    rendering.hearing.sound(path)


async def _loudness(path: Path) -> graph.Loudness:
    argv = graph.measure_loudness(ffmpeg.program(), path)
    return graph.loudness((await ffmpeg.run(argv, cwd=path.parent, deadline=_DEADLINE)).report)


async def _mp3(source: Path, folder: Path, *, from_ms: int = 0, length_ms: int | None = None) -> Path:
    """Make a sound, or a piece of it, an MP3 as loud as people expect. Raises Outage."""
    gain, out = graph.gain_db(await _loudness(source), shaping.PREVIEW_LUFS), folder / "heard.mp3"
    await ffmpeg.produce(
        lambda part: shaping.heard(ffmpeg.program(), source, part, gain=gain, from_ms=from_ms, length_ms=length_ms),
        out,
        check=_whole,
        deadline=_DEADLINE,
    )
    return out

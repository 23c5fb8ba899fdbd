"""The command lines that shape single sounds: a voice's pitch, an upload made a track, a piece of it to be heard."""

from pathlib import Path
from typing import Any

import ffmpeg

from reelwright.rendering.graph import compiled, sound_file
from reelwright.rendering.timeline import SAMPLE_RATE

LONGEST_S = 600
PREVIEW_LUFS = -16.0
_PEAK = 0.84  # -1.5 dBFS: MP3 adds a little
_MP3 = {"c:a": "libmp3lame", "b:a": "128k", "format": "mp3", "map_metadata": -1}
_UPLOADS = "wav,flac,mp3,ogg,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"


def pitched(program: str, source: Path, out: Path, *, semitones: int) -> list[str]:
    """Raise or lower a WAV's pitch, neither its length nor what makes the voice that person's (its formants)."""
    scale = f"{2 ** (semitones / 12):.6f}"
    sound = sound_file(source, "wav").filter(
        "rubberband", pitch=scale, formant="preserved", pitchq="quality", transients="smooth"
    )
    return compiled(ffmpeg.output(sound, str(out), **{"c:a": "pcm_s16le", "ac": 1, "format": "wav"}), program)


def track(program: str, source: Path, out: Path) -> list[str]:
    """Make an upload a track: stereo FLAC at 48 kHz, ten minutes at most, with no word of the upload's tags."""
    sound = sound_file(source, _UPLOADS, t=LONGEST_S).filter("aresample", SAMPLE_RATE)
    sound = sound.filter("aformat", channel_layouts="stereo")
    options: dict[str, Any] = {"c:a": "flac", "sample_fmt": "s16", "format": "flac", "map_metadata": -1}
    return compiled(ffmpeg.output(sound, str(out), **options), program)


def unpacked(program: str, source: Path, out: Path, *, longest_ms: int) -> list[str]:
    """Make so much of a track's beginning raw float samples, two channels interleaved."""
    sound = sound_file(source, "flac", t=f"{longest_ms / 1000:.3f}")
    return compiled(
        ffmpeg.output(sound, str(out), **{"c:a": "pcm_f32le", "ac": 2, "ar": SAMPLE_RATE, "format": "f32le"}), program
    )


def heard(
    program: str, source: Path, out: Path, *, gain: float, from_ms: int = 0, length_ms: int | None = None
) -> list[str]:
    """Make a sound, or a faded piece of it, an MP3 that is so much louder, in dB; nothing in it clips."""
    cut: dict[str, Any] = {} if length_ms is None else {"ss": f"{from_ms / 1000:.3f}", "t": f"{length_ms / 1000:.3f}"}
    sound = sound_file(source, "wav,flac", **cut).filter("volume", f"{gain:.2f}dB")
    sound = sound.filter("alimiter", limit=_PEAK, attack=3, release=60, level=0, latency=1)
    if length_ms is not None:
        end = max(0.0, length_ms / 1000 - 1.0)
        sound = sound.filter("afade", t="in", d=0.2).filter("afade", t="out", st=f"{end:.3f}", d=1.0)
    return compiled(ffmpeg.output(sound, str(out), **_MP3), program)

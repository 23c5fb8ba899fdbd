"""Composes a music bed for a mood from sine waves alone: seeded, seamless, free of clicks, quick to make."""

import asyncio
import io
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelwright.ground.metering import Action, Use

Wave = NDArray[np.floating[Any]]
Chord = tuple[int, ...]

SAMPLE_RATE = 44_100
MODEL_NAME = "synth-1"
_PEAK = 0.63
_BARS = 4

# Semitones above the key, bass note first.
_BRIGHT: tuple[tuple[Chord, ...], ...] = (
    ((0, 4, 7, 11), (-3, 4, 7, 12), (5, 9, 12, 16), (-5, 2, 7, 11)),
    ((0, 4, 7, 14), (5, 9, 12, 16), (-3, 0, 4, 7), (-5, -1, 2, 7)),
    ((5, 9, 12, 16), (-5, 2, 7, 11), (-3, 4, 7, 12), (0, 4, 7, 12)),
)
_DARK: tuple[tuple[Chord, ...], ...] = (
    ((0, 3, 7, 10), (-4, 3, 7, 12), (3, 7, 10, 14), (-2, 5, 10, 14)),
    ((0, 3, 7, 14), (5, 8, 12, 15), (-4, 3, 8, 12), (-2, 5, 10, 14)),
    ((0, 3, 7, 12), (-2, 5, 10, 14), (-4, 3, 8, 12), (-5, 2, 7, 10)),
)
_DREAMY: tuple[tuple[Chord, ...], ...] = (
    ((0, 7, 11, 16), (2, 6, 9, 14), (-3, 4, 7, 12), (0, 4, 9, 14)),
    ((0, 4, 7, 11), (2, 6, 9, 16), (5, 9, 12, 16), (0, 4, 7, 14)),
    ((-3, 4, 7, 11), (5, 9, 12, 16), (0, 4, 7, 14), (2, 6, 9, 14)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mood:
    """How a mood sounds: levels are linear, `steps` are plucks a bar, `drums` 0..2."""

    chords: tuple[tuple[Chord, ...], ...]
    slowest: int
    fastest: int
    pad: float
    bass: float
    pluck: float
    steps: int
    drums: int
    reverb: float


_MOODS = {
    "calm": _Mood(
        chords=_DREAMY, slowest=64, fastest=74, pad=0.075, bass=0.15, pluck=0.055, steps=4, drums=0, reverb=0.42
    ),
    "curious": _Mood(
        chords=_DREAMY, slowest=84, fastest=96, pad=0.045, bass=0.19, pluck=0.105, steps=8, drums=1, reverb=0.26
    ),
    "energetic": _Mood(
        chords=_BRIGHT, slowest=112, fastest=124, pad=0.040, bass=0.24, pluck=0.110, steps=16, drums=2, reverb=0.18
    ),
    "serious": _Mood(
        chords=_DARK, slowest=72, fastest=84, pad=0.070, bass=0.22, pluck=0.060, steps=8, drums=1, reverb=0.34
    ),
    "warm": _Mood(
        chords=_BRIGHT, slowest=76, fastest=88, pad=0.060, bass=0.19, pluck=0.090, steps=8, drums=1, reverb=0.30
    ),
}


class OfflineMusic:
    """Music by synthesis. The same mood, length and seed always give the same bytes."""

    def moods(self) -> tuple[str, ...]:
        """Return the moods that sound their own; any other is played as `curious`."""
        return tuple(_MOODS)

    async def compose(self, *, mood: str, duration_ms: int, seed: int) -> tuple[bytes, tuple[Use, ...]]:
        """Return a stereo 44.1 kHz 16-bit WAV of exactly that length, faded in and out, peak -4 dBFS."""
        began = time.monotonic()
        data = await asyncio.to_thread(_composed, _MOODS.get(mood, _MOODS["curious"]), max(1, duration_ms), seed)
        wall_ms = round((time.monotonic() - began) * 1000)
        use = Use(action=Action.MUSIC, provider="offline", model=MODEL_NAME, quantity=duration_ms, wall_ms=wall_ms)
        return data, (use,)


class _Loop:
    """Four bars in stereo. What rings past the end is heard again at the start, so that it repeats without a seam."""

    def __init__(self, samples: int) -> None:
        self.sound: Wave = np.zeros((2, samples), np.float32)

    def add(self, sound: Wave, at_s: float, *, pan: float) -> None:
        """Mix a sound in; `pan` runs from 0 (left) to 1 (right), at constant power."""
        length = self.sound.shape[1]
        start, left = int(at_s * SAMPLE_RATE) % length, sound[:length]
        room = min(len(left), length - start)
        for channel, level in enumerate((np.cos(pan * np.pi / 2), np.sin(pan * np.pi / 2))):
            self.sound[channel, start : start + room] += left[:room] * np.float32(level)
            self.sound[channel, : len(left) - room] += left[room:] * np.float32(level)


def loop(mood: str, seed: int) -> Wave:
    """Return one seamless turn of the bed, shape (2, samples), unscaled. Raises KeyError for an unknown mood."""
    return _turn(_MOODS[mood], np.random.default_rng(seed))


def _turn(mood: _Mood, rng: np.random.Generator) -> Wave:
    length, beat_s = _tempo(int(rng.integers(mood.slowest, mood.fastest + 1)))
    key = int(rng.integers(50, 60))
    chords = mood.chords[int(rng.integers(len(mood.chords)))]
    order = rng.permutation(8) % 4
    turn = _Loop(length)
    parts = _voices(mood, key=key, beat_s=beat_s)
    for bar, chord in enumerate(chords):
        at_s = bar * 4 * beat_s
        for note, part in enumerate(chord):
            turn.add(parts.pad(part), at_s, pan=0.2 + 0.2 * note)
        turn.add(parts.bass(chord[0]), at_s, pan=0.5)
        if mood.drums:
            turn.add(parts.bass(chord[0]) * np.float32(0.6), at_s + 2.5 * beat_s, pan=0.5)
        for step in range(mood.steps):
            note = chord[int(order[step % 8])] + (12 if step % 8 == 6 else 0)  # noqa: PLR2004 - the bar's last lift
            loudness = np.float32(0.7 + 0.3 * rng.random()) * np.float32(1.0 if step % 2 == 0 else 0.75)
            turn.add(parts.pluck(note) * loudness, at_s + step * 4 * beat_s / mood.steps, pan=0.3 + 0.4 * (step % 2))
        _drums(turn, mood.drums, at_s, beat_s, rng)
    return _reverberant(turn.sound, mood.reverb)


def _tempo(bpm: int) -> tuple[int, float]:
    """Return the loop's samples and the beat's seconds, nudged so that the reverb's transform is a quick one."""
    from scipy.fft import next_fast_len  # noqa: PLC0415 - lazy: optional

    fast: Any = next_fast_len
    length = int(fast(_BARS * 4 * 60 * SAMPLE_RATE // bpm, real=True))
    return length, length / SAMPLE_RATE / (_BARS * 4)


@dataclass(frozen=True, slots=True)
class _Voices:
    """The instruments, each from a note (semitones above the key) to its sound."""

    pad: Callable[[int], Wave]
    bass: Callable[[int], Wave]
    pluck: Callable[[int], Wave]


def _voices(mood: _Mood, *, key: int, beat_s: float) -> _Voices:
    long_t, bass_t, pluck_t = _clock(5 * beat_s), _clock(1.9 * beat_s), _clock(min(1.2, 3 * beat_s))
    swell = np.minimum(1, long_t / (1.2 * beat_s)) * np.minimum(1, (long_t[-1] - long_t) / (1.2 * beat_s))
    swell = (swell * swell * (3 - 2 * swell)).astype(np.float32)
    struck = np.minimum(1, pluck_t / 0.004) * np.exp(-pluck_t * 4.6) * _ending(pluck_t)
    bowed = np.minimum(1, bass_t / 0.02) * np.exp(-bass_t * 1.1) * _ending(bass_t)

    def pad(note: int) -> Wave:
        tone = sum(
            _sine(key + note, long_t, harmonic * detune) / np.float32(harmonic**1.9)
            for harmonic in (1, 2, 3)
            for detune in (0.9979, 1.0023)
        )
        return tone * swell * np.float32(mood.pad)

    def bass(note: int) -> Wave:
        tone = _sine(key + note - 12, bass_t) + np.float32(0.25) * _sine(key + note, bass_t)
        return tone * bowed.astype(np.float32) * np.float32(mood.bass)

    def pluck(note: int) -> Wave:
        bright = np.exp(-pluck_t * 9).astype(np.float32)
        tone = _sine(key + note + 12, pluck_t)
        tone += np.float32(0.35) * _sine(key + note + 24, pluck_t) * bright
        tone += np.float32(0.12) * _sine(key + note + 31, pluck_t) * bright * bright
        return tone * struck.astype(np.float32) * np.float32(mood.pluck)

    return _Voices(pad, bass, pluck)


def _drums(turn: _Loop, level: int, at_s: float, beat_s: float, rng: np.random.Generator) -> None:
    """Level 0 none; 1 a soft kick and hat; 2 a kick on each beat, claps and a busier hat."""
    if level == 0:
        return
    t = _clock(0.3)
    sweep = 48 * t + (112 - 48) / 28 * (1 - np.exp(-28 * t))  # Hz falls from 112 to 48: the integral is the phase
    kick = np.sin(2 * np.pi * sweep) * np.exp(-t * 13) * _ending(t) * (0.26 if level == 1 else 0.40)
    tick = _clock(0.06)
    for beat in range(4):
        if beat % 2 == 0 or level > 1:
            turn.add(kick.astype(np.float32), at_s + beat * beat_s, pan=0.5)
        if beat % 2 == 1 and level > 1:
            burst = np.exp(-t * 24) * _ending(t) * 0.07
            turn.add((_hiss(len(t), rng) * burst).astype(np.float32), at_s + beat * beat_s, pan=0.48)
        for half in range(2):
            shape = np.exp(-tick * 75) * _ending(tick) * (0.022 if half else 0.011) * level
            turn.add((_hiss(len(tick), rng) * shape).astype(np.float32), at_s + (beat + half / 2) * beat_s, pan=0.56)


def _reverberant(sound: Wave, amount: float) -> Wave:
    """Add a room: circular convolution with decaying noise, which keeps the loop seamless."""
    from scipy import fft  # noqa: PLC0415 - lazy: optional, and unlike NumPy's it keeps float32

    transform: Any = fft
    length = sound.shape[1]
    t = _clock(1.8)
    wet = np.zeros_like(sound)
    for channel in range(2):
        room = np.random.default_rng(channel + 1).standard_normal(len(t)) * np.exp(-t * 3.2)
        room = np.convolve(room, np.ones(24) / 24, "same")
        impulse = np.zeros(length, np.float32)
        impulse[: len(t)] = (room / np.sqrt((room**2).sum()))[:length]
        wet[channel] = transform.irfft(transform.rfft(sound[channel]) * transform.rfft(impulse), length)
    return sound + np.float32(amount) * wet


def _composed(mood: _Mood, duration_ms: int, seed: int) -> bytes:
    turn = _turn(mood, np.random.default_rng(seed))
    turn = np.tanh(turn * np.float32(1.1), dtype=np.float32)
    turn *= np.float32(_PEAK / max(float(np.abs(turn).max()), 1e-6))
    wanted = -(-duration_ms * SAMPLE_RATE // 1000)
    bed = np.tile(turn, -(-wanted // turn.shape[1]))[:, :wanted]
    for fade_s, edge in ((0.8, slice(None, None, 1)), (2.2, slice(None, None, -1))):
        length = min(int(fade_s * SAMPLE_RATE), wanted // 2)
        bed[:, edge][:, :length] *= np.sin(np.linspace(0, np.pi / 2, length, dtype=np.float32)) ** 2
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((bed.T * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _clock(length_s: float) -> Wave:
    return np.arange(int(length_s * SAMPLE_RATE), dtype=np.float32) / np.float32(SAMPLE_RATE)


def _ending(t: Wave) -> Wave:
    """A ramp to zero over a sound's last 20 ms, without which its cut is a click."""
    return np.clip((t[-1] - t) / 0.02, 0, 1).astype(np.float32)


def _sine(midi: float, t: Wave, harmonic: float = 1.0) -> Wave:
    return np.sin(np.float32(2 * np.pi * harmonic * 440 * 2 ** ((midi - 69) / 12)) * t)


def _hiss(samples: int, rng: np.random.Generator) -> Wave:
    noise = rng.standard_normal(samples, dtype=np.float32)
    return np.diff(noise, prepend=noise[:1]).astype(np.float32)

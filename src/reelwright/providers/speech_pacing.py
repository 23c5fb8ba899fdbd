"""Gives speech the pauses between its sentences that somebody wants, whoever spoke it; the words' times move along."""

import io
import wave
from dataclasses import replace

import numpy as np

from reelwright.providers.model import Speech, Word
from reelwright.providers.speech_times import Samples, ends_sentence

_FRAME_MS = 5
_AROUND_MS = 100  # estimated times may be off: the quietest moment near the border is its middle
_QUIET = 0.02  # of the loudest sample (-34 dB): nothing louder is ever cut out
_LEAST_MS = 10


def paced(speech: Speech, gap_ms: int | None) -> Speech:
    """Return the speech with so many milliseconds between two sentences; None leaves them as they are.

    Silence is put in where it is quietest between them, and only what is silent is taken out, so that a gap can stay
    longer than was wished for.
    """
    if gap_ms is None or len(speech.words) < 2:  # noqa: PLR2004 - one word has no gap
        return speech
    samples, rate = _samples(speech.wav), speech.sample_rate
    parts: list[Samples] = []
    words = [speech.words[0]]
    taken = moved_ms = 0
    for before, after in zip(speech.words, speech.words[1:], strict=False):
        more_ms = gap_ms - (after.start_ms - before.end_ms) if ends_sentence(before.text) else 0
        if abs(more_ms) >= _LEAST_MS:
            cut, resume, more_ms = _border(samples, rate, before, after, more_ms)
            parts += [samples[taken:cut], np.zeros(max(0, more_ms) * rate // 1000, np.int16)]
            taken, moved_ms = resume, moved_ms + more_ms
        words.append(Word(text=after.text, start_ms=after.start_ms + moved_ms, end_ms=after.end_ms + moved_ms))
    if not parts:
        return speech
    whole = np.concatenate([*parts, samples[taken:]])
    return replace(speech, wav=_wav(whole, rate), duration_ms=len(whole) * 1000 // rate, words=tuple(words))


def _border(samples: Samples, rate: int, before: Word, after: Word, more_ms: int) -> tuple[int, int, int]:
    """Return up to which sample the first sentence goes, from where the second does, and by how much that moves it."""
    frame = _FRAME_MS * rate // 1000
    loud = max(1.0, float(np.abs(samples.astype(np.int32)).max())) * _QUIET
    spread = _AROUND_MS if after.start_ms - before.end_ms < _AROUND_MS else 0
    first = max(0, (before.end_ms - spread) * rate // 1000) // frame
    last = min(len(samples) // frame, -(-(after.start_ms + spread) * rate // 1000 // frame))
    levels = [int(np.abs(samples[at * frame : (at + 1) * frame].astype(np.int32)).max()) for at in range(first, last)]
    if not levels:
        at = after.start_ms * rate // 1000
        return at, at, max(0, more_ms)
    if more_ms > 0:
        at = (first + int(np.argmin(levels))) * frame + frame // 2
        return at, at, more_ms
    start, length = _longest([level <= loud for level in levels])
    out = min(-more_ms // _FRAME_MS, length)
    at = (first + start + (length - out) // 2) * frame
    return at, at + out * frame, -out * _FRAME_MS


def _longest(quiet: list[bool]) -> tuple[int, int]:
    """Return where the longest run of True begins, and its length."""
    best = (0, 0)
    began = 0
    for at, calm in enumerate([*quiet, False]):
        if not calm:
            best = max(best, (began, at - began), key=lambda run: run[1])
            began = at + 1
    return best


def _samples(wav: bytes) -> Samples:
    with wave.open(io.BytesIO(wav)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def _wav(samples: Samples, rate: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()

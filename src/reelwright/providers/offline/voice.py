"""Speaks without a key: English by the voice from a wheel, each word with its exact time, the rest by eSpeak NG."""

import asyncio
import io
import re
import threading
import time
import unicodedata
import wave
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from reelwright.ground.metering import Action, Use
from reelwright.providers.catalogue import OFFLINE_VOICES
from reelwright.providers.model import ProviderRefused, Speech, Word, WordTimes
from reelwright.providers.offline import voice_world
from reelwright.providers.offline.voice_engine import MODEL_NAME, MODEL_RATE, Engine, Heard, Samples, Utterance
from reelwright.providers.speech_times import NOT_AN_END, timed_words

SAMPLE_RATE = 48_000
SLOWEST, FASTEST = 0.8, 1.25

_LEAD_S, _TAIL_S, _PAUSE_S = 0.05, 0.10, 0.16  # kept before a sentence's first word, after its last, and between two
_SILENCE_S = 0.30  # what a text without a word is spoken as
_CENTRE = 64  # of the resampler's 129 taps
_AUDIBLE = 0.004  # linear amplitude (-48 dBFS)
_GAIN, _PEAK = 2.2, 0.89  # the voice's own level is -26.5 LUFS at -8 dBFS peak; a mix wants it higher
# The model rounds each phoneme to 25 ms, so its own speed is a staircase and its 1.0 hurries (190 words a minute).
# Ours and the model's speed that gives it, measured over 169 words; 1.0 is about 155 words a minute.
_PACES = (
    (0.80, 0.855, 0.92, 0.988, 1.0, 1.015, 1.025, 1.058, 1.085, 1.115, 1.13, 1.161, 1.182, 1.227, 1.266),
    (0.685, 0.795, 0.80, 0.805, 0.82, 0.84, 0.85, 0.86, 0.88, 0.95, 1.0, 1.1, 1.16, 1.2, 1.22),
)
_FOREIGN_SHARE = 0.2  # of a text's letters: below it, the odd foreign name is passed over
_SENTENCE_ENDS = re.compile(r"(?<=[.!?…])[\"”’)\]]*\s+(?=[\"“‘(\[]?[^\sa-z])|\n+")

_lock = threading.Lock()


@cache
def _engine() -> Engine:
    return Engine()


class OfflineVoice:
    """One voice, `heart` or `default`; mono 48 kHz 16-bit WAV. English's model is loaded once, at the first word.

    Other languages are eSpeak NG's, where it is installed: plain, but understood.
    """

    def voices(self) -> tuple[str, ...]:
        """Return the names that `speak` accepts."""
        return ("default", *OFFLINE_VOICES)

    async def speak(
        self, text: str, *, voice: str, language: str, speed: float = 1.0
    ) -> tuple[Speech, tuple[Use, ...]]:
        """Speak the text in a thread, at about 155 words a minute times a speed kept within 0.8..1.25.

        A text without words is a short silence.

        Raises ProviderRefused: voice.unknown, voice.language_unsupported.
        """
        _check(text, voice=voice, known=self.voices(), language=language)
        began, pace = time.monotonic(), min(FASTEST, max(SLOWEST, speed))
        if _english(language):
            model, speech = MODEL_NAME, await asyncio.to_thread(_spoken, text, pace)
        else:
            model, speech = voice_world.MODEL_NAME, await asyncio.to_thread(_spoken_abroad, text, language, pace)
        use = Use(
            action=Action.SPEECH,
            provider="offline",
            model=model,
            quantity=len(text),
            characters=len(text),
            wall_ms=round((time.monotonic() - began) * 1000),
        )
        return speech, (use,)


def _check(text: str, *, voice: str, known: Sequence[str], language: str) -> None:
    if voice not in known:
        raise ProviderRefused(
            f"The offline voices are: {', '.join(known)}. Choose one of them, or connect a speech provider.",
            code="voice.unknown",
            field="voice",
        )
    if not _english(language) and voice_world.speaks(language):
        return
    letters = [letter for letter in text if letter.isalpha()]
    foreign = sum(not unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    if not _english(language) or foreign > _FOREIGN_SHARE * len(letters):
        languages = ", ".join(("en", *voice_world.languages()))
        raise ProviderRefused(
            f"The offline voice can't say it: write {languages}, or connect a speech provider.",
            code="voice.language_unsupported",
            field="language",
        )


def _english(language: str) -> bool:
    return language.lower().startswith("en")


def _spoken_abroad(text: str, language: str, speed: float) -> Speech:
    said = voice_world.say(text, language=language, speed=speed)
    if not said.words:
        return _speech(np.zeros(round(_SILENCE_S * SAMPLE_RATE), np.float32), [])
    words = [Heard(word.text, word.start_ms / 1000, word.end_ms / 1000) for word in said.words]
    return _speech(_resampled(said.samples), words)


def _spoken(text: str, speed: float) -> Speech:
    pace = float(np.interp(speed, *_PACES))
    with _lock:
        pieces = [piece for sentence in _sentences(text) for piece in _engine().say(sentence, speed=pace)]
    samples, words = _joined(pieces, pause_s=_PAUSE_S / speed)
    speech = _speech(samples, words)
    if all(piece.exact for piece in pieces):
        return speech
    timed, times = timed_words(text, _pcm(samples), SAMPLE_RATE, language="en")  # a model that doesn't tell
    return replace(speech, words=timed, word_times=times)


def _speech(samples: Samples, words: list[Heard]) -> Speech:
    duration_ms = len(samples) * 1000 // SAMPLE_RATE
    return Speech(
        wav=_wav(samples),
        sample_rate=SAMPLE_RATE,
        duration_ms=duration_ms,
        words=_on_a_grid(words, duration_ms),
        word_times=WordTimes.EXACT,
    )


def _sentences(text: str) -> list[str]:
    """Cut a text where a voice would pause. `](` would be read as a phoneme link by the dictionary: it is parted."""
    safe = text.replace("](", "] (")
    found: list[str] = []
    for part in _SENTENCE_ENDS.split(safe):
        if found and NOT_AN_END.search(found[-1]):
            found[-1] += f" {part}"
        elif part.strip():
            found.append(part.strip())
    return _with_every_mark(found)


def _with_every_mark(sentences: list[str]) -> list[str]:
    """Join sentences without a letter or digit to a neighbour, so that what is shown loses nothing."""
    whole: list[str] = []
    for sentence in sentences:
        mute = not any(letter.isalnum() for letter in sentence)
        if whole and (mute or not any(letter.isalnum() for letter in whole[-1])):
            whole[-1] += f" {sentence}"
        else:
            whole.append(sentence)
    return whole


def _joined(pieces: list[Utterance], *, pause_s: float) -> tuple[Samples, list[Heard]]:
    """Put the sentences one after another at SAMPLE_RATE, with their words' times on the common clock."""
    parts: list[Samples] = []
    words: list[Heard] = []
    clock = 0
    for piece in pieces:
        if parts:
            parts.append(np.zeros(round(pause_s * MODEL_RATE), np.float32))
            clock += len(parts[-1])
        first, last = _sounding(piece)
        shift = (clock - first) / MODEL_RATE
        words += [Heard(word.text, word.start_s + shift, word.end_s + shift) for word in piece.words]
        parts.append(_faded(piece.samples[first:last]))
        clock += last - first
    if not parts:
        return np.zeros(round(_SILENCE_S * SAMPLE_RATE), np.float32), []
    return _resampled(np.concatenate(parts)), words


def _sounding(piece: Utterance) -> tuple[int, int]:
    """Return the samples to keep: from a moment before the first sound to a moment after the last."""
    loud = np.flatnonzero(np.abs(piece.samples) > _AUDIBLE)
    first, last = (int(loud[0]), int(loud[-1])) if len(loud) else (0, len(piece.samples))
    if piece.words:
        first = min(first, max(0, round(piece.words[0].start_s * MODEL_RATE)))
        last = max(last, min(len(piece.samples), round(piece.words[-1].end_s * MODEL_RATE)))
    return max(0, first - round(_LEAD_S * MODEL_RATE)), min(len(piece.samples), last + round(_TAIL_S * MODEL_RATE))


def _faded(samples: Samples) -> Samples:
    ramp = np.linspace(0, 1, min(len(samples), MODEL_RATE // 100), dtype=np.float32)
    faded = samples.copy()
    faded[: len(ramp)] *= ramp
    faded[len(faded) - len(ramp) :] *= ramp[::-1]
    return faded


def _resampled(samples: Samples) -> Samples:
    """Double the rate through a linear-phase Kaiser filter (stop band below -90 dB), and lift the level.

    The filter's even taps make the samples that were there, its odd ones those between (a polyphase interpolator).
    """
    taps, count = _half_band(), len(samples)
    doubled = np.empty(count * SAMPLE_RATE // MODEL_RATE, np.float32)
    for phase in (0, 1):
        part = taps[phase::2]
        doubled[phase::2] = np.convolve(samples, part)[_CENTRE // 2 :][:count]
    return doubled * np.float32(min(_GAIN, _PEAK / max(float(np.abs(doubled).max()), 1e-6)))


@cache
def _half_band() -> Samples:
    """Return a windowed sinc, cut off at 0.48 of the rate that goes in, with a gain of 2 for the zeros between.

    Scipy's `firwin` gives the same to the last bit, and costs a second to import.
    """
    taps = 0.48 * np.sinc(0.48 * (np.arange(2 * _CENTRE + 1) - _CENTRE)) * np.kaiser(2 * _CENTRE + 1, 9.0)
    return (2 * taps / taps.sum()).astype(np.float32)


def _on_a_grid(words: list[Heard], duration_ms: int) -> tuple[Word, ...]:
    """Round to milliseconds so that starts rise strictly, no word overlaps the next and all lie inside the sound."""
    timed: list[Word] = []
    clock = 0
    for index, word in enumerate(words):
        room = duration_ms - 2 * (len(words) - index - 1)
        start = min(max(clock, round(word.start_s * 1000)), room - 2)
        end = min(max(start + 1, round(word.end_s * 1000)), room - 1)
        timed.append(Word(text=word.text, start_ms=start, end_ms=end))
        clock = end + (1 if end == start else 0)
    return tuple(timed)


def _pcm(samples: Samples) -> NDArray[np.int16]:
    return (np.clip(samples, -1, 1) * 32767).round().astype(np.int16)


def _wav(samples: Samples) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(_pcm(samples).astype("<i2").tobytes())
    return file.getvalue()

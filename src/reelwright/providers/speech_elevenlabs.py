"""Speaks with ElevenLabs, which says when each character is spoken: words get their own times, not estimated ones."""

import base64
import binascii
import math
import re
from typing import Any

import msgspec
import numpy as np

from reelwright.providers.model import Speech, Word
from reelwright.providers.openai_connection import Method, decoded, posting
from reelwright.providers.openai_failures import away
from reelwright.providers.speech import OpenAISpeech, measured
from reelwright.providers.speech_times import shown_words

_RATE = 24_000
_FORMAT = f"pcm_{_RATE}"  # mono 16-bit; raw, without a header
_VOICE = re.compile(r"[A-Za-z0-9]{1,40}")
_OVER_MS = 250  # the last character may be said to end a little after the sound


class _Alignment(msgspec.Struct, frozen=True):
    characters: tuple[str, ...]
    character_start_times_seconds: tuple[float, ...]
    character_end_times_seconds: tuple[float, ...]


class _Spoken(msgspec.Struct, frozen=True):
    audio_base64: str
    alignment: _Alignment | None = None


class ElevenLabsSpeech(OpenAISpeech):
    """A `SpeechProvider` whose word times are the voice's own, wherever its alignment fits the text."""

    slowest, fastest = 0.7, 1.2

    def _asked(self, words: str, voice: str, speed: float) -> tuple[Method, dict[str, Any]]:
        if not _VOICE.fullmatch(voice):
            raise self._no_voice(voice)
        request = {"text": words, "model_id": self._model.name, "voice_settings": {"speed": speed}}
        path = f"/text-to-speech/{voice}/with-timestamps"
        return posting(path, bearer=False, output_format=_FORMAT), request

    def _sold(self, body: bytes) -> _Spoken:
        return decoded(body, _Spoken)

    def _heard(self, sold: _Spoken, words: str, language: str) -> Speech:
        try:
            data = base64.b64decode(sold.audio_base64, validate=True)
        except (binascii.Error, ValueError):
            raise away("not sound") from None
        samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)
        if not len(samples):
            raise away("no sound")
        timed = _words(sold.alignment, words, len(samples) * 1000 // _RATE) if sold.alignment else ()
        return measured(samples, _RATE, words, language, timed)


def _words(alignment: _Alignment, text: str, duration_ms: int) -> tuple[Word, ...]:
    """Return the text's words with the times of their first and last characters; none where that can't be believed.

    Spaces are left out of the comparison: some are dropped, or stand for a pause.
    """
    starts, ends = alignment.character_start_times_seconds, alignment.character_end_times_seconds
    if not len(alignment.characters) == len(starts) == len(ends):
        return ()
    times = [
        (character, start, end)
        for said, start, end in zip(alignment.characters, starts, ends, strict=True)
        for character in said
        if not character.isspace()
    ]
    if "".join(character for character, _, _ in times) != "".join(text.split()):
        return ()
    words: list[Word] = []
    place, before_ms = 0, 0
    for word in shown_words(text):
        length = sum(not character.isspace() for character in word)
        start, end = times[place][1], times[place + length - 1][2]
        place += length
        if not (math.isfinite(start) and math.isfinite(end)):
            return ()
        start_ms, end_ms = round(start * 1000), round(end * 1000)
        if not before_ms <= start_ms <= end_ms <= duration_ms + _OVER_MS or start_ms >= duration_ms:
            return ()
        words.append(Word(text=word, start_ms=start_ms, end_ms=min(end_ms, duration_ms)))
        before_ms = start_ms
    return tuple(words)

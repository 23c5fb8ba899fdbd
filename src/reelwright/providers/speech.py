"""Speaks with an OpenAI-compatible voice, and measures what came back."""

import asyncio
import io
import struct
import time
import wave
from typing import Any

import numpy as np

from reelwright.ground.cleaning import line_of
from reelwright.ground.metering import Action, Use
from reelwright.providers.calls import charged
from reelwright.providers.catalogue import Craft, Model
from reelwright.providers.model import ProviderRefused, Speech, Word, WordTimes
from reelwright.providers.openai_connection import Method, OpenAIConnection, Order
from reelwright.providers.openai_failures import away
from reelwright.providers.speech_times import Samples, timed_words

_LEAST_MS_A_WORD = 60  # nobody speaks 1,000 words a minute: less sound than this is a cut-off answer
_SILENT = 50  # of 32,767: a file without a louder sample is no speech
_PCM = 1
_EXTENSIBLE = 0xFFFE
_RATES = range(8_000, 48_001)


class OpenAISpeech:
    """A `SpeechProvider`. The service gives no word times, so they are looked for in its sound and marked as such.

    What differs from service to service is in `_asked`, `_sold` and `_heard`.
    """

    slowest, fastest = 0.5, 2.0

    def __init__(self, connection: OpenAIConnection, model: Model) -> None:
        self._connection = connection
        self._model = model

    async def speak(
        self, text: str, *, voice: str, language: str, speed: float = 1.0
    ) -> tuple[Speech, tuple[Use, ...]]:
        """Speak the text; the model hears the language from it. Raises ProviderRefused, ProviderAway."""
        began = time.monotonic()
        words = line_of(text)
        if not 0 < len(words) <= self._model.most_characters:
            raise ProviderRefused(
                f"This voice speaks 1 to {self._model.most_characters} characters at a time: shorten the scene's text.",
                field="narration",
            )
        chosen = self._voice(voice)

        async def read(body: bytes) -> Speech:
            sold = self._sold(body)
            with charged(self._use(words, 0, began)):
                return await asyncio.to_thread(self._heard, sold, words, language)

        method, request = self._asked(words, chosen, max(self.slowest, min(self.fastest, speed)))
        speech = await self._connection.ask(
            Order(
                craft=Craft.SPEECH,
                model=self._model,
                method=method,
                request=request,
                read=read,
                identity=[chosen, request],
            )
        )
        return speech, (self._use(words, speech.duration_ms, began),)

    def _asked(self, words: str, voice: str, speed: float) -> tuple[Method, dict[str, Any]]:
        """Return by which method, with what arguments, the service speaks."""
        request = {
            "model": self._model.name,
            "voice": voice,
            "input": words,
            "response_format": "wav",
            "speed": speed,
        }
        return lambda client: client.audio.speech.with_raw_response.create, request

    def _sold(self, body: bytes) -> Any:
        """Return the part of an answer that was charged. Raises ProviderAway or Failure where nothing was sold."""
        if body[:4] != b"RIFF" or body[8:12] != b"WAVE":
            raise away("not a WAV file")
        return body

    def _heard(self, sold: Any, words: str, language: str) -> Speech:
        """Return the speech in it. Raises ProviderAway where there is none."""
        return measured(*pcm_of(sold), words, language)

    def _use(self, words: str, duration_ms: int, began: float) -> Use:
        return Use(
            action=Action.SPEECH,
            provider=self._model.provider,
            model=self._model.name,
            quantity=len(words),
            characters=len(words),
            wall_ms=round((time.monotonic() - began) * 1000),
            cost_nano_usd=self._model.price.of(characters=len(words), audio_ms=duration_ms),
        )

    def _voice(self, wanted: str) -> str:
        """Return the provider's name of the voice. A listed model has listed voices; another server knows its own."""
        voices = self._model.voices
        if wanted == "default":
            wanted = voices[0] if voices else next(iter(self._model.voice_ids), "alloy")
        elif voices and wanted not in voices:
            raise self._no_voice(wanted)
        return self._model.voice_ids.get(wanted, wanted)

    def _no_voice(self, wanted: str) -> ProviderRefused:
        known = ", ".join(self._model.voice_ids or self._model.voices)
        return ProviderRefused(f"There is no voice {wanted[:40]!r}: choose {known}.", field="voice")


def measured(samples: Samples, rate: int, text: str, language: str, words: tuple[Word, ...] = ()) -> Speech:
    """Return the samples as speech; without the voice's own `words` their times are looked for in the sound.

    Raises ProviderAway where nobody speaks, or not for long enough.
    """
    duration_ms = len(samples) * 1000 // rate
    if duration_ms < _LEAST_MS_A_WORD * len(text.split()) or int(np.abs(samples.astype(np.int32)).max()) < _SILENT:
        raise away("no speech in the answer")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    times = WordTimes.EXACT
    if not words:
        words, times = timed_words(text, samples, rate, language=language)
    return Speech(wav=out.getvalue(), sample_rate=rate, duration_ms=duration_ms, words=words, word_times=times)


def pcm_of(body: bytes) -> tuple[Samples, int]:
    """Return a WAV's samples as mono 16-bit, and its rate. Streamed files declare no true length: the end counts.

    Raises ProviderAway on anything that isn't 16-bit PCM with one or two channels.
    """
    place, shape = 12, None
    while place + 8 <= len(body):
        name, size = body[place : place + 4], struct.unpack_from("<I", body, place + 4)[0]
        place += 8
        if name == b"fmt " and place + 16 <= len(body):
            shape = struct.unpack_from("<HHIIHH", body, place)
        elif name == b"data" and shape is not None:
            return _mono(body[place : place + size], shape)
        place += size + size % 2
    raise away("no sound in the WAV file")


def _mono(data: bytes, shape: tuple[int, ...]) -> tuple[Samples, int]:
    kind, channels, rate, _, _, bits = shape
    whole = data[: len(data) - len(data) % (2 * max(1, channels))]
    if kind not in {_PCM, _EXTENSIBLE} or bits != 16 or channels not in {1, 2} or rate not in _RATES or not whole:  # noqa: PLR2004 - the one format we agreed on
        raise away("unknown sound format")
    samples = np.frombuffer(whole, "<i2")
    if channels == 1:
        return samples.astype(np.int16), rate
    return samples.reshape(-1, 2).mean(axis=1).astype(np.int16), rate

"""Speaks with MiniMax. Its word times come as an address, and none in an answer is fetched: its sound is aligned."""

from typing import Any

import msgspec

from reelwright.providers import minimax_failures
from reelwright.providers.model import Speech
from reelwright.providers.openai_connection import Method, decoded, posting
from reelwright.providers.openai_failures import away
from reelwright.providers.speech import OpenAISpeech, measured, pcm_of

_RATE = 24_000


class _Sound(msgspec.Struct, frozen=True):
    audio: str


class _Spoken(msgspec.Struct, frozen=True):
    data: _Sound


class MiniMaxSpeech(OpenAISpeech):
    """A `SpeechProvider`, by platform.minimax.io, "Text to Speech HTTP" (t2a_v2, November 2026)."""

    def _asked(self, words: str, voice: str, speed: float) -> tuple[Method, dict[str, Any]]:
        request = {
            "model": self._model.name,
            "text": words,
            "stream": False,
            "output_format": "hex",
            "language_boost": "auto",
            "voice_setting": {"voice_id": voice, "speed": speed},
            "audio_setting": {"sample_rate": _RATE, "format": "wav", "channel": 1},
        }
        return posting("/t2a_v2"), request

    def _sold(self, body: bytes) -> str:
        minimax_failures.check(body)
        return decoded(body, _Spoken).data.audio

    def _heard(self, sold: str, words: str, language: str) -> Speech:
        try:
            data = bytes.fromhex(sold)
        except ValueError:
            raise away("not sound") from None
        if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
            raise away("not a WAV file")
        return measured(*pcm_of(data), words, language)

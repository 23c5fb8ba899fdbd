"""The offline voice in other languages: every word that is shown is spoken, at its time, by a process of its own."""

import io
import wave

import numpy as np
import pytest

from reelwright.providers.model import ProviderRefused, Speech
from reelwright.providers.offline import voice_world
from reelwright.providers.offline.language import spoken_words
from reelwright.providers.offline.voice import OfflineVoice

TEXTS = {
    "es": "El agua de la lluvia cae limpia sobre las montañas, y en su camino arranca a las rocas un poco de sal.",
    "ar": "تحتوي حبة البن على مادة صغيرة اسمها الكافيين. تصنعها الشجرة لتحمي أوراقها من الحشرات.",
    "ja": "猫は喉の筋肉を一秒間に二十五回ほど動かして、「ゴロゴロ」という音を出します。",
}
GAPS = {"es": " ", "ar": " ", "ja": ""}


async def said(text: str, language: str, speed: float = 1.0) -> Speech:
    speech, (use,) = await OfflineVoice().speak(text, voice="default", language=language, speed=speed)
    assert (use.provider, use.model, use.characters) == ("offline", "espeak-ng", len(text))
    return speech


def loud(speech: Speech, start_ms: int, end_ms: int) -> float:
    with wave.open(io.BytesIO(speech.wav)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48_000, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return float(np.abs(samples[start_ms * 48 : end_ms * 48]).max(initial=0)) / 32768


@pytest.mark.parametrize("language", TEXTS)
async def test_every_word_is_spoken_in_order_at_its_time(language: str) -> None:
    speech = await said(TEXTS[language], language)
    assert GAPS[language].join(word.text for word in speech.words) == TEXTS[language]
    starts, ends = [w.start_ms for w in speech.words], [w.end_ms for w in speech.words]
    assert starts == sorted(set(starts))
    assert all(a <= b for a, b in zip(ends, starts[1:], strict=False))
    assert ends[-1] <= speech.duration_ms
    assert all(loud(speech, word.start_ms, word.end_ms) > 0.05 for word in speech.words)
    assert 95 < spoken_words(TEXTS[language]) / speech.duration_ms * 60_000 < 215


async def test_pace_follows_the_wish() -> None:
    slow, quick = [await said(TEXTS["es"], "es-MX", speed) for speed in (0.85, 1.2)]
    assert 1.2 < slow.duration_ms / quick.duration_ms < 1.7


@pytest.mark.parametrize("text", ["", "…", "،؛", "\u202e", "「」"])
async def test_a_text_without_words_is_a_short_silence(text: str) -> None:
    speech = await said(text, "ar")
    assert (speech.words, speech.duration_ms) == ((), 300)


async def test_markup_and_commands_of_the_voice_are_read_and_not_obeyed() -> None:
    speech = await said("<speak rate='x-fast'>hola</speak> [[h@l'oU]] <audio src='file:///etc/passwd'/>", "es")
    assert len(speech.words) == 5
    assert speech.duration_ms > 1500


async def test_a_language_without_a_voice_is_refused_with_what_to_do() -> None:
    with pytest.raises(ProviderRefused, match=r"write en, ar, cs, de, .*, uk, or connect") as refusal:
        await OfflineVoice().speak("chuyện một con mèo", voice="default", language="vi")
    assert refusal.value.code == "voice.language_unsupported"
    assert not voice_world.speaks("vi")

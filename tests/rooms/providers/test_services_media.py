"""Speech by ElevenLabs with its own word times, speech and pictures by MiniMax: measured before they are believed."""

import base64
import io
import json
import wave
from typing import Any

import pytest
from PIL import Image

from reelwright.ground.metering import Action
from reelwright.providers import Craft, ProviderAway, ProviderRefused, Word, model_of, voices_of
from reelwright.providers.image_minimax import MiniMaxPictures
from reelwright.providers.openai_connection import CallBudget, OpenAIConnection
from reelwright.providers.services import SERVICES
from reelwright.providers.speech import OpenAISpeech
from reelwright.providers.speech_elevenlabs import ElevenLabsSpeech
from reelwright.providers.speech_minimax import MiniMaxSpeech
from tests.simulators.openai import Fault, encoded_png, fails, huge_png_header, says, swallows, tones, wav
from tests.simulators.services import (
    KEY,
    SimulatedServices,
    elevenlabs_error,
    minimax,
    minimax_says_no,
    speech,
    timed,
)

TEXT = "The sea is calm. It keeps many stories."
WORDS = TEXT.split()


def line(services: SimulatedServices, name: str) -> OpenAIConnection:
    budget = CallBudget(total_s=20, attempt_s=10, first_wait_s=0.01, response_bytes=20_000_000)
    return OpenAIConnection(api_key=KEY, base_url=services.url_of(name), budget=budget, service=SERVICES[name])


def voice(services: SimulatedServices, name: str) -> OpenAISpeech:
    client = {"elevenlabs": ElevenLabsSpeech, "minimax": MiniMaxSpeech}[name]
    return client(line(services, name), model_of(name, Craft.SPEECH))


def pictures(services: SimulatedServices) -> MiniMaxPictures:
    return MiniMaxPictures(line(services, "minimax"), model_of("minimax", Craft.PICTURE))


async def test_elevenlabs_words_have_the_voices_own_times(services: SimulatedServices) -> None:
    said, (use,) = await voice(services, "elevenlabs").speak(TEXT, voice="sarah", language="en", speed=3)
    assert [word.text for word in said.words] == WORDS
    assert said.word_times == "exact"
    assert said.words[0] == Word(text="The", start_ms=0, end_ms=180)
    assert said.words[1] == Word(text="sea", start_ms=240, end_ms=420)
    assert said.words[4].start_ms == len("The sea is calm. ") * 60 + 300
    with wave.open(io.BytesIO(said.wav)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, said.sample_rate)
        assert file.getnframes() * 1000 // said.sample_rate == said.duration_ms
    assert (use.provider, use.characters, use.cost_nano_usd) == ("elevenlabs", len(TEXT), len(TEXT) * 100_000)
    asked = services.asked[0]
    assert "EXAVITQu4vr4xnSDxMaL" in asked.path
    assert asked.body == {"text": TEXT, "model_id": "eleven_multilingual_v2", "voice_settings": {"speed": 1.2}}


STARTS, ENDS = timed(TEXT)[2:]
ALIGNMENTS: dict[str, dict[str, Any]] = {
    "another text": {"characters": list(TEXT.replace("sea", "bay"))},
    "fewer times": {"character_end_times_seconds": ENDS[:-1]},
    "backwards": {"character_start_times_seconds": STARTS[::-1], "character_end_times_seconds": ENDS[::-1]},
    "beyond the end": {"character_end_times_seconds": [end + 60 for end in ENDS]},
    "negative": {"character_start_times_seconds": [start - 1 for start in STARTS]},
}


@pytest.mark.parametrize("case", ALIGNMENTS)
async def test_times_that_cannot_be_are_estimated_and_said_to_be(services: SimulatedServices, case: str) -> None:
    services.faults = [says(speech(TEXT, **ALIGNMENTS[case]))]
    said, _ = await voice(services, "elevenlabs").speak(TEXT, voice="default", language="es")
    assert [word.text for word in said.words] == WORDS
    assert said.word_times == "sentence"
    assert all(0 <= word.start_ms <= word.end_ms <= said.duration_ms for word in said.words)


async def test_a_missing_alignment_and_dropped_spaces_are_no_matter(services: SimulatedServices) -> None:
    sound, characters, starts, ends = timed(TEXT)
    bare = {"audio_base64": base64.b64encode(sound).decode(), "alignment": None}
    kept = [n for n, character in enumerate(characters) if character != " "]
    fewer = {
        "characters": [characters[n] for n in kept],
        "character_start_times_seconds": [starts[n] for n in kept],
        "character_end_times_seconds": [ends[n] for n in kept],
    }
    services.faults = [says(json.dumps(bare).encode()), says(speech(TEXT, **fewer))]
    told = [(await voice(services, "elevenlabs").speak(TEXT, voice="default", language="es"))[0] for _ in range(2)]
    assert [each.word_times for each in told] == ["sentence", "exact"]
    assert [word.text for word in told[1].words] == WORDS


async def test_minimax_speaks_and_its_word_times_are_estimated(services: SimulatedServices) -> None:
    said, (use,) = await voice(services, "minimax").speak(TEXT, voice="upbeat", language="en", speed=1.1)
    assert ([word.text for word in said.words], said.word_times) == (WORDS, "sentence")
    assert (use.model, use.cost_nano_usd) == ("speech-2.8-turbo", len(TEXT) * 60_000)
    body = services.asked[0].body
    assert body["voice_setting"] == {"voice_id": "English_Upbeat_Woman", "speed": 1.1}


def given(name: str, sound: bytes) -> bytes:
    if name == "minimax":
        return minimax({"audio": sound.hex()})
    return json.dumps({"audio_base64": base64.b64encode(sound[44:]).decode()}).encode()


@pytest.mark.parametrize("case", ["empty", "silence", "cut off"])
@pytest.mark.parametrize("name", ["elevenlabs", "minimax"])
async def test_what_is_no_speech_is_an_outage_that_cost_something(
    services: SimulatedServices, name: str, case: str
) -> None:
    sounds = {"empty": wav(b""), "silence": wav(b"\x00\x00" * 72_000), "cut off": tones(TEXT)[:4000]}
    services.faults = [says(given(name, sounds[case]))]
    with pytest.raises(ProviderAway) as outage:
        await voice(services, name).speak(TEXT, voice="default", language="en")
    assert [use.action for use in outage.value.uses] == [Action.SPEECH]
    assert outage.value.uses[0].cost_nano_usd > 0


FAULTS: dict[str, tuple[str, Fault, type[Exception], str]] = {
    "not base64": ("elevenlabs", says(b'{"audio_base64": "***"}'), ProviderAway, "answering properly"),
    "not hex": ("minimax", says(minimax({"audio": "xyz"})), ProviderAway, "answering properly"),
    "mp3": ("minimax", says(minimax({"audio": b"ID3".hex()})), ProviderAway, "answering properly"),
    "truncated": ("elevenlabs", says(b'{"audio_base64": "AAAA'), ProviderAway, "answering properly"),
    "html": ("minimax", says(b"<html>", content_type="text/html"), ProviderAway, "answering properly"),
    "lost": ("elevenlabs", swallows, ProviderAway, "answering properly"),
    "no quota": (
        "elevenlabs",
        says(elevenlabs_error("quota_exceeded"), status=401),
        ProviderAway,
        "answering properly",
    ),
    "key": ("elevenlabs", says(elevenlabs_error("invalid_api_key"), status=401), ProviderRefused, "ELEVENLABS_API_KEY"),
    "policy": ("minimax", minimax_says_no(1026), ProviderRefused, "content rules"),
}


@pytest.mark.parametrize("case", FAULTS)
async def test_every_fault_ends_in_our_own_words_after_one_call(services: SimulatedServices, case: str) -> None:
    name, fault, error, words = FAULTS[case]
    services.faults = [fault]
    with pytest.raises(error, match=words):
        await voice(services, name).speak(TEXT, voice="default", language="en")
    assert len(services.asked) == 1


async def test_a_voice_that_is_not_listed_reaches_nobody(services: SimulatedServices) -> None:
    for name, listed in (("elevenlabs", "george"), ("minimax", "narrator")):
        for wanted in ("nobody", "../../v1/user", "coral"):
            with pytest.raises(ProviderRefused, match=listed) as refused:
                await voice(services, name).speak(TEXT, voice=wanted, language="en")
            assert refused.value.field == "voice"
    own = ElevenLabsSpeech(line(services, "elevenlabs"), model_of("elevenlabs", Craft.SPEECH, "eleven_of_tomorrow"))
    with pytest.raises(ProviderRefused):
        await own.speak(TEXT, voice="../../user", language="en")
    assert services.asked == []
    await own.speak(TEXT, voice="OwnVoice123", language="en")
    assert services.asked[0].path.endswith("/OwnVoice123/with-timestamps")


def test_built_in_voices_say_whether_their_times_are_their_own() -> None:
    ours = voices_of("elevenlabs", "eleven_flash_v2_5")
    assert (ours[0].name, ours[0].exact_times, ours[0].language) == ("george", True, None)
    assert {each.exact_times for each in voices_of("minimax", "speech-2.8-hd")} == {False}
    for each in (*ours, *voices_of("minimax", "speech-2.8-hd")):
        assert (each.gender, each.character) != ("neutral", "natural"), each.name


async def test_minimax_draws_in_the_nearest_shape_and_bills_the_picture(services: SimulatedServices) -> None:
    drawn, (use,) = await pictures(services).draw("a calm sea " * 400, width=1080, height=1920, seed=2**40 + 7, take=2)
    with Image.open(io.BytesIO(drawn.data)) as opened:
        assert (opened.format, opened.size) == ("PNG", (1088, 1920))
    assert (use.action, use.provider, use.images, use.cost_nano_usd) == (Action.IMAGE, "minimax", 1, 3_500_000)
    body = services.asked[0].body
    assert (body["width"], body["height"], body["seed"]) == (1088, 1920, 7)
    assert len(body["prompt"]) == 1_500
    assert body["prompt"].endswith("(number 2).")


@pytest.mark.parametrize(
    ("encoded", "charged"), [(huge_png_header(), 1), ("bm8=", 1), (encoded_png(64, 64), 1), (None, 1)]
)
async def test_what_is_no_picture_is_an_outage(services: SimulatedServices, encoded: str | None, charged: int) -> None:
    services.faults = [says(minimax({"image_base64": [encoded] if encoded else []}))]
    with pytest.raises(ProviderAway) as outage:
        await pictures(services).draw("a calm sea", width=1080, height=1920, seed=1)
    assert len(outage.value.uses) == charged


async def test_a_busy_painter_is_asked_again_and_a_forbidden_subject_never(services: SimulatedServices) -> None:
    services.faults = [minimax_says_no(1002), fails(503)]
    await pictures(services).draw("a calm sea", width=1080, height=1080, seed=1)
    assert (len(services.asked), services.charged) == (3, 1)
    services.faults = [minimax_says_no(1027)]
    with pytest.raises(ProviderRefused) as refused:
        await pictures(services).draw("a calm sea", width=1080, height=1080, seed=1)
    assert (refused.value.code, len(services.asked)) == ("provider.policy", 4)

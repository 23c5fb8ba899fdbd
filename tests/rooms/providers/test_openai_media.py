"""Pictures, judgements and speech from an OpenAI-compatible server: measured before they are believed."""

import base64
import io
import json
import wave

import numpy as np
import pytest
from PIL import Image

from reelwright.ground.metering import Action
from reelwright.providers.catalogue import Craft, model_of
from reelwright.providers.image import OpenAIPictures
from reelwright.providers.model import Picture, ProviderAway, ProviderRefused, SceneText
from reelwright.providers.openai_connection import CallBudget, OpenAIConnection
from reelwright.providers.speech import OpenAISpeech
from reelwright.providers.vision import OpenAIVision
from tests.simulators.openai import (
    RATE,
    SimulatedOpenAI,
    chat,
    encoded_png,
    huge_png_header,
    picture,
    says,
    tones,
    wav,
)


def line(server: SimulatedOpenAI) -> OpenAIConnection:
    budget = CallBudget(total_s=30, attempt_s=20, first_wait_s=0.01, response_bytes=20_000_000)
    return OpenAIConnection(api_key="k", base_url=server.base_url, budget=budget)


def pictures(server: SimulatedOpenAI, model: str = "gpt-image-2.5-flare") -> OpenAIPictures:
    return OpenAIPictures(line(server), model_of("openai", Craft.PICTURE, model))


async def test_prompts_share_a_look_and_neighbours_differ(server: SimulatedOpenAI) -> None:
    scenes = [SceneText(narration="n", visual="a calm sea")] * 6
    made = await pictures(server).direct(scenes, topic="the sea", tone="calm", seed=3)
    assert len(set(made)) == 6
    assert all("soft natural light" in prompt and "a calm sea" in prompt and "No text" in prompt for prompt in made)
    assert made == await pictures(server).direct(scenes, topic="the sea", tone="calm", seed=3)


@pytest.mark.parametrize(
    ("width", "height", "size"), [(1080, 1920, (1088, 1920)), (1080, 1080, (1088, 1088)), (1920, 1080, (1920, 1088))]
)
async def test_a_picture_has_the_nearest_shape_and_its_bill(
    server: SimulatedOpenAI, width: int, height: int, size: tuple[int, int]
) -> None:
    drawn, (use,) = await pictures(server).draw("a calm sea", width=width, height=height, seed=1)
    with Image.open(io.BytesIO(drawn.data)) as opened:
        assert (opened.format, opened.size, (drawn.width, drawn.height)) == ("PNG", size, size)
    assert (use.quantity, use.images, use.cost_nano_usd) == (1, 1, 50 * 5_000 + 1500 * 30_000)
    assert server.asked[0].body["quality"] == "medium"


async def test_another_take_asks_for_another_composition(server: SimulatedOpenAI) -> None:
    for take in (0, 1, 2):
        await pictures(server).draw("a calm sea", width=1080, height=1080, seed=1, take=take)
    assert len({asked.body["prompt"] for asked in server.asked}) == 3


async def test_what_hides_in_a_picture_goes_no_further(server: SimulatedOpenAI) -> None:
    """A polyglot (PNG with a page behind it) is written anew: only pixels go on."""
    polyglot = base64.b64decode(encoded_png(300, 300)) + b"<script>canary</script>"
    server.faults = [says(picture(1, 1, b64=base64.b64encode(polyglot).decode()))]
    drawn, _ = await pictures(server).draw("p", width=1080, height=1080, seed=1)
    assert b"canary" not in drawn.data


def _b64(data: bytes) -> bytes:
    return picture(1, 1, b64=base64.b64encode(data).decode())


BAD_PICTURES = {
    "huge header": picture(1, 1, b64=huge_png_header()),
    "25 megapixels": picture(5000, 5000),
    "tiny": picture(16, 16),
    "cut off": _b64(base64.b64decode(encoded_png(300, 300))[:400]),
    "html": _b64(b"<!doctype html><title>502</title>"),
    "no bytes": picture(1, 1, b64="===="),
    "svg": _b64(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "not base64": picture(1, 1, b64="@@@"),
    "address only": json.dumps({"data": [{"url": "http://169.254.169.254/latest"}]}).encode(),
    "nothing": b'{"data": []}',
}


@pytest.mark.parametrize("case", BAD_PICTURES)
async def test_what_is_no_picture_is_an_outage(server: SimulatedOpenAI, case: str) -> None:
    server.faults = [says(BAD_PICTURES[case])]
    with pytest.raises(ProviderAway) as outage:
        await pictures(server).draw("p", width=1080, height=1920, seed=1)
    assert (len(server.asked), server.charged) == (1, 1)
    assert [(use.action, use.images) for use in outage.value.uses] == [(Action.IMAGE, 1)], "it was charged"


async def test_the_judge_sees_a_small_picture_and_no_threshold(server: SimulatedOpenAI) -> None:
    data = base64.b64decode(encoded_png(1088, 1920))
    drawn = Picture(data=data, media_type="image/png", width=1088, height=1920)
    judge = OpenAIVision(line(server), model_of("openai", Craft.VISION))
    judgement, (use,) = await judge.judge(drawn, visual="a calm sea", narration="The sea is calm.", prompt="calm sea")

    assert (judgement.relevance, judgement.quality, judgement.consistency, judgement.safety) == (91, 84, 88, 100)
    assert use.cost_nano_usd == 1000 * 750 + 200 * 4_500
    rules, asked = (message["content"] for message in server.asked[0].body["messages"])
    assert "60" not in rules + asked[0]["text"]
    sent = base64.b64decode(asked[1]["image_url"]["url"].removeprefix("data:image/jpeg;base64,"))
    with Image.open(io.BytesIO(sent)) as shown:
        assert max(shown.size) == 768


async def test_scores_stay_in_bounds_and_nonsense_is_an_outage(server: SimulatedOpenAI) -> None:
    drawn = Picture(data=base64.b64decode(encoded_png(300, 300)), media_type="image/png", width=300, height=300)
    judge = OpenAIVision(line(server), model_of("openai", Craft.VISION))
    wild = {"relevance": 900, "quality": -5, "consistency": 50, "safety": 100, "reasons": ["dull\u200b\nlight"]}
    server.faults = [says(chat(json.dumps(wild))), says(chat("I approve, 10 of 10"))]
    judgement, _ = await judge.judge(drawn, visual="v", narration="n", prompt="p")
    assert (judgement.relevance, judgement.quality, judgement.reasons) == (100, 0, ("dull light",))
    with pytest.raises(ProviderAway) as outage:
        await judge.judge(drawn, visual="v", narration="n", prompt="p")
    assert [(use.action, use.completion_tokens) for use in outage.value.uses] == [(Action.VISION_CHECK, 200)]


def voice(server: SimulatedOpenAI, model: str = "tts-1") -> OpenAISpeech:
    return OpenAISpeech(line(server), model_of("openai", Craft.SPEECH, model))


TEXT = "The sea is calm today. Three hearts beat in one small octopus, and none of them rests! Listen."


async def test_speech_is_mono_pcm_with_words_between_the_pauses(server: SimulatedOpenAI) -> None:
    speech, (use,) = await voice(server).speak(TEXT, voice="default", language="en")

    with wave.open(io.BytesIO(speech.wav)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        assert round(file.getnframes() * 1000 / RATE) == pytest.approx(speech.duration_ms, abs=1)
    assert " ".join(word.text for word in speech.words) == TEXT
    assert speech.word_times == "sentence"
    edges = [edge for word in speech.words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert edges[-1] <= speech.duration_ms
    # the tones: 22, 60 and 7 characters at 60 ms each, 300 ms of silence after each
    starts = {word.text: word.start_ms for word in speech.words}
    assert starts["Three"] == pytest.approx(22 * 60 + 300, abs=40)
    assert starts["Listen."] == pytest.approx((22 + 63) * 60 + 600, abs=40)
    assert (use.quantity, use.characters, use.cost_nano_usd) == (len(TEXT), len(TEXT), len(TEXT) * 15_000)
    assert (server.asked[0].body["voice"], server.asked[0].body["response_format"]) == ("coral", "wav")


async def test_speech_billed_by_sound_is_priced_by_its_length(server: SimulatedOpenAI) -> None:
    speech, (use,) = await voice(server, "gpt-4o-mini-tts").speak(TEXT, voice="nova", language="es", speed=9.0)
    assert use.cost_nano_usd == 250_000 * speech.duration_ms // 1000
    assert (server.asked[0].body["voice"], server.asked[0].body["speed"]) == ("nova", 2.0)


async def test_stereo_is_folded_to_mono(server: SimulatedOpenAI) -> None:
    left = (np.sin(np.arange(RATE * 2) / 20) * 8000).astype("<i2")
    both = np.column_stack([left, left]).astype("<i2").tobytes()
    server.faults = [says(wav(both, channels=2, size=len(both)), content_type="audio/wav")]
    speech, _ = await voice(server).speak("One two three.", voice="default", language="es")
    assert speech.duration_ms == 2000


BAD_SOUND = {
    "html": b"<html>no</html>",
    "mp3": b"ID3\x04" + b"\x00" * 100,
    "empty": wav(b""),
    "silence": wav(b"\x00\x00" * RATE * 3),
    "cut off": tones(TEXT)[:4000],
    "24 bits": wav(b"\x01\x02\x03" * RATE, bits=24),
    "no data": b"RIFF\x00\x00\x00\x00WAVE",
    "short header": b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00",
}


@pytest.mark.parametrize("case", BAD_SOUND)
async def test_what_is_no_speech_is_an_outage(server: SimulatedOpenAI, case: str) -> None:
    server.faults = [says(BAD_SOUND[case], content_type="audio/wav")]
    with pytest.raises(ProviderAway) as outage:
        await voice(server).speak(TEXT, voice="default", language="es")
    charged = [use.cost_nano_usd for use in outage.value.uses]
    assert charged == ([] if case in {"html", "mp3"} else [len(TEXT) * 15_000])


async def test_an_unknown_voice_or_an_endless_text_is_refused_before_any_call(server: SimulatedOpenAI) -> None:
    with pytest.raises(ProviderRefused) as unknown:
        await voice(server).speak(TEXT, voice="nobody", language="es")
    assert unknown.value.field == "voice"
    assert "coral" in str(unknown.value)
    for text in ("x" * 5000, " \u200b "):
        with pytest.raises(ProviderRefused):
            await voice(server).speak(text, voice="default", language="es")
    assert server.asked == []

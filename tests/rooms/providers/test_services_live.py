"""One small real call to each service whose key is in the environment: it costs a fraction of a cent, if anything."""

import io
import os

import pytest
from PIL import Image, ImageDraw

from reelwright.providers import Access, Brief, Facts, Picture, toolset
from reelwright.providers.services import SERVICES
from tests.simulators.openai import SimulatedOpenAI
from tests.simulators.services import KEY, SimulatedServices

BRIEF = Brief(
    topic="Octopus hearts",
    facts=Facts(kind="text", title="Hearts", body="An octopus has three hearts. Its blood is blue."),
    platform="tiktok",
    tone="curious",
    language="en",
    duration_s=10,
    words=25,
    scenes=2,
)


def access_to(name: str) -> dict[str, Access]:
    """Return how the environment lets us in; skip where it doesn't. A local server needs its address set."""
    service = SERVICES[name]
    found = Access(key=os.environ.get(service.key_variable), url=os.environ.get(service.url_variable))
    if not found.key and (service.needs_key or not found.url):
        pytest.skip(f"{service.key_variable if service.needs_key else service.url_variable} is not set")
    return {name: found}


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "minimax", "ollama"])
async def test_a_live_model_writes_a_story_of_the_ordered_shape(name: str) -> None:
    (story,), uses = await toolset(choice={"text": name}, access=access_to(name)).text.write(BRIEF)
    assert len(story.beats) == 2
    assert uses[0].completion_tokens > 0


@pytest.mark.parametrize("name", ["openai", "minimax", "elevenlabs"])
async def test_a_live_voice_speaks_every_word(name: str) -> None:
    speaking = toolset(choice={"speech": name}, access=access_to(name)).speech
    said, _ = await speaking.speak("The sea is calm.", voice="default", language="en")
    assert [word.text for word in said.words] == ["The", "sea", "is", "calm."]
    assert said.word_times == ("exact" if name == "elevenlabs" else "aligned")


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "minimax", "ollama"])
async def test_a_live_judge_looks_at_a_picture(name: str) -> None:
    disc, file = Image.new("RGB", (512, 512), "white"), io.BytesIO()
    ImageDraw.Draw(disc).ellipse((128, 128, 384, 384), fill="red")
    disc.save(file, "PNG")
    shown = Picture(data=file.getvalue(), media_type="image/png", width=512, height=512)
    judging = toolset(choice={"vision": name}, access=access_to(name)).vision
    told = {"visual": "a red disc", "narration": "The disc is red.", "prompt": "a red disc on white"}
    judgement, uses = await judging.judge(shown, **told)
    assert all(0 <= score <= 100 for score in (judgement.relevance, judgement.quality, judgement.safety))
    assert uses[0].completion_tokens > 0


@pytest.mark.parametrize("name", ["openai", "minimax"])
async def test_a_live_painter_draws(name: str) -> None:
    drawing = toolset(choice={"picture": name}, access=access_to(name)).picture
    drawn, _ = await drawing.draw("a calm sea at dawn", width=1080, height=1920, seed=1)
    assert (drawn.width, drawn.height) == (1088, 1920)


CRAFTS = {
    "picture": (test_a_live_painter_draws, ("openai", "minimax")),
    "vision": (test_a_live_judge_looks_at_a_picture, ("openai", "anthropic", "gemini", "minimax", "ollama")),
}


@pytest.mark.parametrize(("craft", "name"), [(craft, name) for craft, (_, names) in CRAFTS.items() for name in names])
async def test_what_is_asked_alive_is_asked_of_the_simulated_services(
    craft: str, name: str, server: SimulatedOpenAI, services: SimulatedServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the tests above do work on the day that somebody has a key."""
    service, ours = SERVICES[name], name == "openai"
    monkeypatch.setenv(service.key_variable, KEY)
    monkeypatch.setenv(service.url_variable, server.base_url if ours else services.url_of(name))
    await CRAFTS[craft][0](name)
    assert len((server if ours else services).asked) == 1

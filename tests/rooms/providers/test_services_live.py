"""One small real call to each service whose key is in the environment: it costs a fraction of a cent, if anything."""

import os

import pytest

from reelwright.providers import Access, Brief, Facts, toolset
from reelwright.providers.services import SERVICES

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


async def test_a_live_painter_draws() -> None:
    drawing = toolset(choice={"picture": "minimax"}, access=access_to("minimax")).picture
    drawn, _ = await drawing.draw("a calm sea at dawn", width=1080, height=1920, seed=1)
    assert (drawn.width, drawn.height) == (1088, 1920)

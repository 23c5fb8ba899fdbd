"""One client a craft, by choice; models and prices as data."""

import sys

import pytest

from reelwright.ground.errors import Refusal
from reelwright.providers import DEFAULT_MODELS, MODELS, Craft, Lane, PageFetcher, Price, model_of, places, toolset
from reelwright.providers.image import OpenAIPictures
from reelwright.providers.image_minimax import MiniMaxPictures
from reelwright.providers.services import SERVICES, Access
from reelwright.providers.speech import OpenAISpeech
from reelwright.providers.speech_elevenlabs import ElevenLabsSpeech
from reelwright.providers.speech_minimax import MiniMaxSpeech
from reelwright.providers.text import OpenAIText
from reelwright.providers.vision import OpenAIVision

ALL_OPENAI = {"text": "openai", "picture": "openai", "vision": "openai", "speech": "openai"}


def test_the_chosen_crafts_speak_to_openai_and_the_rest_stay_offline() -> None:
    tools = toolset(choice=ALL_OPENAI, openai_api_key="k", models={"text": "gpt-4.1"})
    kinds = [type(tools.text), type(tools.picture), type(tools.vision), type(tools.speech), type(tools.pages)]
    assert kinds == [OpenAIText, OpenAIPictures, OpenAIVision, OpenAISpeech, PageFetcher]
    assert type(tools.music).__name__ == "OfflineMusic"
    assert isinstance(tools.text, OpenAIText)
    assert tools.text._model.name == "gpt-4.1"
    assert "k" not in repr(tools.text._connection).replace("base_url", "")


def test_each_service_is_asked_by_its_own_client_with_its_own_key() -> None:
    choice = {"text": "anthropic", "picture": "minimax", "vision": "ollama", "speech": "elevenlabs"}
    access = {name: Access(key=f"key-{name}") for name in SERVICES if name != "ollama"}
    tools = toolset(choice=choice, access=access, models={"vision": "llava"})
    assert isinstance(tools.text, OpenAIText)
    assert isinstance(tools.picture, MiniMaxPictures)
    assert isinstance(tools.vision, OpenAIVision)
    assert isinstance(tools.speech, ElevenLabsSpeech)
    lines = [each._connection for each in (tools.text, tools.picture, tools.vision, tools.speech)]
    assert [line.api_key for line in lines] == ["key-anthropic", "key-minimax", "unused", "key-elevenlabs"]
    assert [line.base_url for line in lines] == [SERVICES[name].url for name in choice.values()]
    assert "key-" not in repr([*lines, *access.values()])
    assert isinstance(toolset(choice={"speech": "minimax"}, access=access).speech, MiniMaxSpeech)


def test_without_a_choice_everything_is_offline() -> None:
    tools = toolset()
    made = [tools.text, tools.picture, tools.vision, tools.speech, tools.music]
    names = [type(tool).__name__ for tool in made]
    assert names == ["OfflineText", "OfflinePictures", "OfflineVision", "OfflineVoice", "OfflineMusic"]


@pytest.mark.parametrize(
    ("choice", "field", "code"),
    [
        ({"text": "openai"}, "OPENAI_API_KEY", "provider.key_missing"),
        ({"text": "anthropic"}, "ANTHROPIC_API_KEY", "provider.key_missing"),
        ({"speech": "gemini"}, "speech_provider", "provider.unknown"),
        ({"speech": "parrot"}, "speech_provider", "provider.unknown"),
        ({"music": "openai"}, "music_provider", "provider.unknown"),
    ],
)
def test_a_choice_that_cannot_work_is_refused(choice: dict[str, str], field: str, code: str) -> None:
    with pytest.raises(Refusal) as refusal:
        toolset(choice=choice)
    assert (refusal.value.field, refusal.value.code) == (field, code)


def test_a_local_server_needs_no_key() -> None:
    tools = toolset(choice=ALL_OPENAI, openai_base_url="http://127.0.0.1:1/v1")
    assert type(tools.text) is OpenAIText


def test_a_missing_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "reelwright.providers.offline.music", raising=False)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(Refusal) as refusal:
        toolset(choice=ALL_OPENAI, openai_api_key="k")
    assert refusal.value.code == "provider.not_installed"
    assert "pip install 'reelwright[offline]'" in str(refusal.value)


def test_every_default_is_listed_and_does_its_craft() -> None:
    for (provider, craft), name in DEFAULT_MODELS.items():
        model = model_of(provider, craft)
        assert (model.name, model.known) == (name, True)
        assert craft in model.crafts


def test_paid_models_have_a_price_and_every_model_places() -> None:
    for model in MODELS:
        assert (model.price != Price()) == (model.provider not in {"offline", "ollama"})
        assert places(model.provider, model.name, Lane.INTERACTIVE) > places(model.provider, model.name, Lane.BATCH) > 0
    assert places("openai", "llama-local", Lane.BATCH) == 1


def test_a_price_adds_what_was_used() -> None:
    price = Price(prompt_token=750, completion_token=4_500, image=7, character=15_000, audio_second=250_000)
    assert price.of(prompt_tokens=2, completion_tokens=3, images=1, characters=4, audio_ms=1500) == (
        1500 + 13_500 + 7 + 60_000 + 375_000
    )


def test_an_unlisted_model_costs_nothing_and_asks_for_bytes() -> None:
    model = model_of("openai", Craft.PICTURE, "local-diffusion")
    assert (model.known, model.price, dict(model.image_options)) == (False, Price(), {"response_format": "b64_json"})

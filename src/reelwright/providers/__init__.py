"""The outside world: models that write, draw, look and speak, and the guarded way to a web page."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from reelwright.ground.errors import Kind, Refusal
from reelwright.providers.calls import CallJournal, CallState, charged, deadline, journaled
from reelwright.providers.catalogue import (
    DEFAULT_MODELS,
    MODELS,
    Craft,
    Lane,
    LanePlaces,
    Model,
    Price,
    lane_places,
    model_of,
    places,
)
from reelwright.providers.cleaning import line_of, opening_of, paragraphs_of, visible, words_in
from reelwright.providers.fuses import PROCESS, Health
from reelwright.providers.guard import checked_url
from reelwright.providers.journal import Intent, PaidCall, PaidCalls
from reelwright.providers.model import (
    CIRCUIT_OPEN,
    RATE_LIMITED,
    Brief,
    Facts,
    Judgement,
    MusicProvider,
    NoAlternative,
    Page,
    PageReader,
    Part,
    Picture,
    PictureProvider,
    ProposedBeat,
    ProposedStory,
    ProviderAway,
    ProviderRefused,
    Reworded,
    Rewrite,
    SceneText,
    Speech,
    SpeechProvider,
    TextProvider,
    Toolset,
    Transcript,
    VisionProvider,
    Word,
)
from reelwright.providers.offers import Doing, Offer, offers
from reelwright.providers.speech_pacing import paced
from reelwright.providers.tracks import GENRES, MOODS, TRACKS, BuiltInTrack
from reelwright.providers.voices import DEFAULT_VOICE, BuiltInVoice, voices_of
from reelwright.providers.web import PageFetcher
from reelwright.providers.youtube import checked_video

__all__ = [
    "CIRCUIT_OPEN",
    "DEFAULT_MODELS",
    "DEFAULT_VOICE",
    "GENRES",
    "MODELS",
    "MOODS",
    "RATE_LIMITED",
    "TRACKS",
    "Brief",
    "BuiltInTrack",
    "BuiltInVoice",
    "CallJournal",
    "CallState",
    "Craft",
    "Doing",
    "Facts",
    "Health",
    "Intent",
    "Judgement",
    "Lane",
    "LanePlaces",
    "Model",
    "MusicProvider",
    "NoAlternative",
    "Offer",
    "Page",
    "PageFetcher",
    "PageReader",
    "PaidCall",
    "PaidCalls",
    "Part",
    "Picture",
    "PictureProvider",
    "Price",
    "ProposedBeat",
    "ProposedStory",
    "ProviderAway",
    "ProviderRefused",
    "Reworded",
    "Rewrite",
    "SceneText",
    "Speech",
    "SpeechProvider",
    "TextProvider",
    "Toolset",
    "Transcript",
    "VisionProvider",
    "Word",
    "charged",
    "checked_url",
    "checked_video",
    "deadline",
    "health",
    "journaled",
    "lane_places",
    "line_of",
    "model_of",
    "offers",
    "opening_of",
    "paced",
    "paragraphs_of",
    "places",
    "toolset",
    "visible",
    "voices_of",
    "words_in",
]

OPENAI_URL = "https://api.openai.com/v1"
_IMAGE_BYTES = 48_000_000  # an uncompressed 1088x1920 picture in base64 is 8 MB
_SPEECH_BYTES = 16_000_000  # five minutes of 24 kHz sound
_OFFLINE = {
    Craft.TEXT: ("text", "OfflineText"),
    Craft.PICTURE: ("drawing", "OfflinePictures"),
    Craft.VISION: ("inspection", "OfflineVision"),
    Craft.SPEECH: ("voice", "OfflineVoice"),
    Craft.MUSIC: ("music", "OfflineMusic"),
}


def health() -> Mapping[tuple[str, str], Health]:
    """Return how each (provider, model) that this process has called does now."""
    return PROCESS.health()


def toolset(
    *,
    choice: Mapping[str, str] | None = None,
    openai_api_key: str | None = None,
    openai_base_url: str | None = None,
    models: Mapping[str, str] | None = None,
    allowlist: frozenset[str] = frozenset(),
) -> Toolset:
    """Make one client a craft; only what is chosen is imported.

    `choice` and `models` go by craft (text, picture, vision, speech, music): `offline` or `openai`, and a model's name;
    what they leave out is offline, and the provider's default model. Raises Refusal (`provider.unknown`,
    `provider.key_missing`, `provider.not_installed`).
    """
    chosen = {craft: (choice or {}).get(craft.value, "offline") for craft in Craft}
    url = openai_base_url or OPENAI_URL

    def made(craft: Craft) -> Any:
        if chosen[craft] == "offline":
            return _offline(craft)
        if chosen[craft] != "openai" or craft is Craft.MUSIC:
            known = "offline" if craft is Craft.MUSIC else "offline or openai"
            raise Refusal(
                f"There is no {craft} provider {chosen[craft]!r}: choose {known}.",
                field=f"{craft}_provider",
                code="provider.unknown",
            )
        if not openai_api_key and url == OPENAI_URL:
            raise Refusal(
                f"The {craft} provider is openai, so OPENAI_API_KEY must be set.",
                field="OPENAI_API_KEY",
                code="provider.key_missing",
            )
        return _openai(craft, key=openai_api_key or "unused", url=url, name=(models or {}).get(craft.value))

    return Toolset(
        text=made(Craft.TEXT),
        picture=made(Craft.PICTURE),
        vision=made(Craft.VISION),
        speech=made(Craft.SPEECH),
        music=made(Craft.MUSIC),
        pages=PageFetcher(allowlist),
    )


def _offline(craft: Craft) -> Any:
    module, name = _OFFLINE[craft]
    try:
        return getattr(import_module(f"reelwright.providers.offline.{module}"), name)()
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("reelwright"):
            raise
        raise Refusal(
            f"The offline {craft} provider isn't installed: run pip install 'reelwright[offline]', or choose openai.",
            field=f"{craft}_provider",
            code="provider.not_installed",
            kind=Kind.CONFLICT,
        ) from missing


def _openai(craft: Craft, *, key: str, url: str, name: str | None) -> Any:
    from reelwright.providers import image, openai_connection, speech, text, vision  # noqa: PLC0415 - Pillow and stamina, for those who chose it

    def line(longest: int) -> openai_connection.OpenAIConnection:
        budget = openai_connection.CallBudget(response_bytes=longest)
        return openai_connection.OpenAIConnection(api_key=key, base_url=url, budget=budget, fuses=PROCESS)

    model = model_of("openai", craft, name)
    if craft is Craft.TEXT:
        return text.OpenAIText(line(2_000_000), model, facts_from=_encyclopaedia())
    if craft is Craft.PICTURE:
        return image.OpenAIPictures(line(_IMAGE_BYTES), model)
    if craft is Craft.VISION:
        return vision.OpenAIVision(line(1_000_000), model)
    return speech.OpenAISpeech(line(_SPEECH_BYTES), model)


def _encyclopaedia() -> Any:
    """Return the bundled encyclopaedia where it is installed: the paid model writes, but facts have a source."""
    try:
        return _offline(Craft.TEXT)
    except Refusal:
        return None

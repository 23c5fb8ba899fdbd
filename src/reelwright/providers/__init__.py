"""The outside world: models that write, draw, look and speak, and the guarded way to a web page."""

from collections.abc import Mapping

from reelwright.ground.cleaning import line_of, opening_of, paragraphs_of, visible, words_in
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
from reelwright.providers.crediting import credited
from reelwright.providers.fuses import PROCESS, Health
from reelwright.providers.guard import checked_url
from reelwright.providers.journal import Intent, PaidCall, PaidCalls
from reelwright.providers.model import (
    CIRCUIT_OPEN,
    RATE_LIMITED,
    Brief,
    Facts,
    Judgement,
    Look,
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
    WordTimes,
)
from reelwright.providers.offers import Doing, Offer, forget_switches, lock, offers, switch, switched_off
from reelwright.providers.offline.language import spoken_s
from reelwright.providers.openai_prompts import VERSIONS as PROMPT_VERSIONS
from reelwright.providers.publications import Publication, Publications
from reelwright.providers.services import SERVICES, Access, Service, providers_of
from reelwright.providers.speech_pacing import paced
from reelwright.providers.tongue import heard, speaks
from reelwright.providers.tongue import name_of as language_name
from reelwright.providers.toolsets import toolset
from reelwright.providers.tracks import GENRES, MOODS, TRACKS, BuiltInTrack
from reelwright.providers.voices import DEFAULT_VOICE, BuiltInVoice, languages_of, voices_of
from reelwright.providers.web import PageFetcher
from reelwright.providers.youtube import checked_video
from reelwright.providers.youtube_upload import PRIVACIES, Arrived, Notice, SessionGone, UploadRefused, YouTube

__all__ = [
    "CIRCUIT_OPEN",
    "DEFAULT_MODELS",
    "DEFAULT_VOICE",
    "GENRES",
    "MODELS",
    "MOODS",
    "PRIVACIES",
    "PROMPT_VERSIONS",
    "RATE_LIMITED",
    "SERVICES",
    "TRACKS",
    "Access",
    "Arrived",
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
    "Look",
    "Model",
    "MusicProvider",
    "NoAlternative",
    "Notice",
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
    "Publication",
    "Publications",
    "Reworded",
    "Rewrite",
    "SceneText",
    "Service",
    "SessionGone",
    "Speech",
    "SpeechProvider",
    "TextProvider",
    "Toolset",
    "Transcript",
    "UploadRefused",
    "VisionProvider",
    "Word",
    "WordTimes",
    "YouTube",
    "charged",
    "checked_url",
    "checked_video",
    "credited",
    "deadline",
    "forget_switches",
    "health",
    "heard",
    "journaled",
    "lane_places",
    "language_name",
    "languages_of",
    "line_of",
    "lock",
    "model_of",
    "offers",
    "opening_of",
    "paced",
    "paragraphs_of",
    "places",
    "providers_of",
    "speaks",
    "spoken_s",
    "switch",
    "switched_off",
    "toolset",
    "visible",
    "voices_of",
    "words_in",
]


def health() -> Mapping[tuple[str, str], Health]:
    """Return how each (provider, model) that this process has called does now."""
    return PROCESS.health()

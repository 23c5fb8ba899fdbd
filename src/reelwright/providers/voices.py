"""The voices that come with each speech model: what they are called, how they sound, and what can be known of words."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from reelwright.ground.ids import derived
from reelwright.providers.catalogue import Craft, Model, model_of
from reelwright.providers.offline import voice_world

DEFAULT_VOICE = "default"
"""What a speech provider understands as its own first voice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltInVoice:
    """One voice of one model. `language` is None for a voice that speaks whatever language its text is in.

    `gender` and `character` are how it is heard; `exact_times`: each word's time comes from the voice itself, and is
    not estimated from the sound.
    """

    provider: str
    model: str
    name: str
    language: str | None
    gender: str
    character: str
    exact_times: bool

    @property
    def id(self) -> UUID:
        """The id that this voice has everywhere."""
        return derived("voice", self.provider, self.name)


_HEARD: Mapping[str, tuple[str, str]] = {
    "alice": ("female", "clear"),
    "alloy": ("neutral", "even"),
    "ash": ("male", "clear"),
    "ballad": ("male", "gentle"),
    "brian": ("male", "deep"),
    "cedar": ("male", "deep"),
    "compelling": ("female", "compelling"),
    "coral": ("female", "friendly"),
    "daniel": ("male", "steady"),
    "echo": ("male", "calm"),
    "fable": ("neutral", "storytelling"),
    "george": ("male", "warm"),
    "heart": ("female", "warm"),
    "magnetic": ("male", "magnetic"),
    "marin": ("female", "natural"),
    "matilda": ("female", "friendly"),
    "narrator": ("male", "expressive"),
    "nova": ("female", "bright"),
    "onyx": ("male", "deep"),
    "radiant": ("female", "bright"),
    "sage": ("female", "calm"),
    "sarah": ("female", "soft"),
    "shimmer": ("female", "light"),
    "trustworthy": ("male", "trustworthy"),
    "upbeat": ("female", "lively"),
    "verse": ("male", "expressive"),
}
_LANGUAGES: Mapping[str, str] = {"offline": "en-US"}


def voices_of(provider: str, model: str) -> tuple[BuiltInVoice, ...]:
    """Return a speech model's voices, its default first; `default` alone where only its own server knows the others."""
    found = model_of(provider, Craft.SPEECH, model)
    return tuple(_voice(found, name) for name in found.voices or (DEFAULT_VOICE,))


def languages_of(provider: str) -> tuple[str, ...] | None:
    """Return the codes of the languages that a provider's voices speak as it is installed; None: they say any text."""
    return ("en", *voice_world.languages()) if provider == "offline" else None


def _voice(model: Model, name: str) -> BuiltInVoice:
    gender, character = _HEARD.get(name, ("neutral", "natural"))
    return BuiltInVoice(
        provider=model.provider,
        model=model.name,
        name=name,
        language=_LANGUAGES.get(model.provider),
        gender=gender,
        character=character,
        exact_times=model.exact_times,
    )

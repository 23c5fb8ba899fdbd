"""Models as data: what each may cost, how much it may answer, and how many calls may run side by side in each lane.

Prices are nano-USD (1e-9 USD), so that a token's price is a whole number: 1 USD a million tokens is 1,000 a token.
List prices of prompts up to 100,000 tokens. OpenAI: platform.openai.com, September 2026; speech is billed by audio
tokens, taken here by the second. Others, looked up again on 2026-11-21 as far as stored pages tell:
platform.claude.com/docs/en/about-claude/pricing (Haiku 4.5; Sonnet 5.5, cached tokens at half since 2026-10-07),
ai.google.dev/gemini-api/docs/pricing (as of 2026-10-07: until 2026-12-31; then twice as much),
platform.minimax.io/docs/guides/pricing-paygo (M3 to 512,000 tokens, cached ones too; speech and pictures as read in
November 2026), elevenlabs.io/pricing/api (as read in November 2026; no stored page shows it, and resellers differ).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Craft(StrEnum):
    """What a model does; one provider client a craft."""

    TEXT = "text"
    PICTURE = "picture"
    VISION = "vision"
    SPEECH = "speech"
    MUSIC = "music"


class Lane(StrEnum):
    """Separate places, so that schedules can't starve people."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Nano-USD by unit; a model uses the ones its provider bills.

    `cached_token` is what a token of the prompt costs that the provider remembered; None is as much as any other.
    """

    prompt_token: int = 0
    cached_token: int | None = None
    completion_token: int = 0
    image: int = 0
    character: int = 0
    audio_second: int = 0

    def of(
        self,
        *,
        prompt_tokens: int = 0,
        cached_tokens: int = 0,
        completion_tokens: int = 0,
        images: int = 0,
        characters: int = 0,
        audio_ms: int = 0,
    ) -> int:
        """Return what a call costs, in nano-USD; `cached_tokens` are some of the prompt's, never more."""
        remembered = 0 if self.cached_token is None else min(max(cached_tokens, 0), prompt_tokens)
        spoken = self.audio_second * audio_ms // 1000
        tokens = self.prompt_token * (prompt_tokens - remembered) + self.completion_token * completion_tokens
        tokens += (self.cached_token or 0) * remembered
        return tokens + self.image * images + self.character * characters + spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of one provider. `known` is False for a model that only the operator's settings name.

    `protocol`: OpenAI's chat completions, or Anthropic's messages. `structured`: answers are held to a JSON schema;
    where not, the schema stands in the prompt. `thinking_tokens`: what may be thought before the answer, and counts as
    output. `most_characters`: of a text to speak, or of a picture's prompt; 0 and no `sizes` are no
    bounds. `voice_ids`: a voice's name there.
    """

    provider: str
    name: str
    crafts: frozenset[Craft]
    price: Price = field(default_factory=Price)
    lanes: Mapping[Lane, int] = field(default_factory=lambda: {Lane.INTERACTIVE: 8, Lane.BATCH: 2})
    most_output_tokens: int = 8_000
    most_characters: int = 4_096
    output_tokens_field: str = "max_completion_tokens"
    sizes: tuple[tuple[int, int], ...] = ((1024, 1536), (1024, 1024), (1536, 1024))
    image_options: Mapping[str, str] = field(default_factory=dict[str, str])
    voices: tuple[str, ...] = ()
    voice_ids: Mapping[str, str] = field(default_factory=dict[str, str])
    exact_times: bool = False
    protocol: str = "chat"
    structured: bool = True
    thinking_tokens: int = 0
    chat_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    known: bool = True


OPENAI_VOICES = (
    *("coral", "alloy", "ash", "ballad", "cedar", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"),
)
OFFLINE_VOICES = ("heart",)
ELEVENLABS_VOICES: Mapping[str, str] = {
    "george": "JBFqnCBsd6RMkjVDRZzb",
    "sarah": "EXAVITQu4vr4xnSDxMaL",
    "brian": "nPczCjzI2devNBz1zQrb",
    "alice": "Xb7hH8MSUJpSbSDYk0k2",
    "daniel": "onwK4e9ZLuTAKqWW03F9",
    "matilda": "XrExE9yKIg1WjnnlVkGX",
}
MINIMAX_VOICES: Mapping[str, str] = {
    "narrator": "English_expressive_narrator",
    "radiant": "English_radiant_girl",
    "magnetic": "English_magnetic_voiced_man",
    "compelling": "English_compelling_lady1",
    "upbeat": "English_Upbeat_Woman",
    "trustworthy": "English_Trustworth_Man",
}
OFFLINE_MODELS: Mapping[Craft, str] = {
    Craft.TEXT: "extract-1",
    Craft.PICTURE: "drawing-1",
    Craft.VISION: "measure-1",
    Craft.SPEECH: "hibari-heart",
    Craft.MUSIC: "synth-1",
}
_READ_AND_SEE = frozenset({Craft.TEXT, Craft.VISION})
_WIDE_SIZES = ((1088, 1920), (1088, 1088), (1920, 1088))
_OFFLINE_LANES = {Lane.INTERACTIVE: 64, Lane.BATCH: 16}  # our own processors bound them first


def _openai_text(name: str, *, prompt: int, cached: int, completion: int) -> Model:
    price = Price(prompt_token=prompt, cached_token=cached, completion_token=completion)
    return Model(provider="openai", name=name, crafts=_READ_AND_SEE, price=price)


def _reader(
    provider: str, name: str, *, prompt: int, completion: int, cached: int | None = None, **traits: Any
) -> Model:
    price = Price(prompt_token=prompt, cached_token=cached, completion_token=completion)
    return Model(
        provider=provider, name=name, crafts=_READ_AND_SEE, price=price, output_tokens_field="max_tokens", **traits
    )


def _speaker(
    provider: str, name: str, *, character: int, voices: Mapping[str, str], longest: int, exact: bool = False
) -> Model:
    return Model(
        provider=provider,
        name=name,
        crafts=frozenset({Craft.SPEECH}),
        price=Price(character=character),
        lanes={Lane.INTERACTIVE: 4, Lane.BATCH: 1},
        most_characters=longest,
        voices=tuple(voices),
        voice_ids=voices,
        exact_times=exact,
    )


def _openai_image(name: str) -> Model:
    return Model(
        provider="openai",
        name=name,
        crafts=frozenset({Craft.PICTURE}),
        price=Price(prompt_token=5_000, completion_token=30_000),
        lanes={Lane.INTERACTIVE: 6, Lane.BATCH: 2},
        sizes=_WIDE_SIZES,
        image_options={"quality": "medium", "output_format": "png"},
    )


MODELS = (
    _openai_text("gpt-5.4-mini", prompt=750, cached=75, completion=4_500),
    _openai_text("gpt-5.4-nano", prompt=200, cached=20, completion=1_250),
    _openai_text("gpt-5-mini", prompt=250, cached=25, completion=2_000),
    _openai_text("gpt-4.1-mini", prompt=400, cached=100, completion=1_600),
    _openai_text("gpt-4.1", prompt=2_000, cached=500, completion=8_000),
    _openai_image("gpt-image-2.5-flare"),
    _openai_image("gpt-image-2.5-sunburst"),
    _openai_image("gpt-image-2"),
    Model(
        provider="openai",
        name="gpt-4o-mini-tts",
        crafts=frozenset({Craft.SPEECH}),
        price=Price(audio_second=250_000),
        voices=OPENAI_VOICES,
    ),
    Model(
        provider="openai",
        name="tts-1",
        crafts=frozenset({Craft.SPEECH}),
        price=Price(character=15_000),
        voices=OPENAI_VOICES,
    ),
    _reader("anthropic", "claude-haiku-4-5", prompt=1_000, cached=100, completion=5_000, protocol="messages"),
    _reader(
        "anthropic",
        "claude-sonnet-5-5",
        prompt=2_000,
        cached=100,
        completion=10_000,
        protocol="messages",
        thinking_tokens=4_000,
        chat_options={"output_config": {"effort": "low"}},
    ),
    _reader(
        "gemini",
        "gemini-3.8-flash",
        prompt=750,
        completion=3_750,
        thinking_tokens=4_000,
        chat_options={"reasoning_effort": "low"},
    ),
    replace(
        _reader(
            "minimax",
            "MiniMax-M3",
            prompt=300,
            cached=60,
            completion=1_200,
            structured=False,
            chat_options={"thinking": {"type": "disabled"}, "reasoning_split": True},
        ),
        output_tokens_field="max_completion_tokens",
    ),
    _reader("ollama", "gemma3:12b", prompt=0, completion=0, lanes={Lane.INTERACTIVE: 2, Lane.BATCH: 1}),
    Model(
        provider="minimax",
        name="image-01",
        crafts=frozenset({Craft.PICTURE}),
        price=Price(image=3_500_000),
        lanes={Lane.INTERACTIVE: 6, Lane.BATCH: 2},
        most_characters=1_500,
        sizes=_WIDE_SIZES,
    ),
    _speaker("minimax", "speech-2.8-turbo", character=60_000, voices=MINIMAX_VOICES, longest=3_000),
    _speaker("minimax", "speech-2.8-hd", character=100_000, voices=MINIMAX_VOICES, longest=3_000),
    _speaker(
        "elevenlabs", "eleven_multilingual_v2", character=100_000, voices=ELEVENLABS_VOICES, longest=10_000, exact=True
    ),
    _speaker("elevenlabs", "eleven_flash_v2_5", character=50_000, voices=ELEVENLABS_VOICES, longest=10_000, exact=True),
    *(
        Model(
            provider="offline",
            name=name,
            crafts=frozenset({craft}),
            lanes=_OFFLINE_LANES,
            most_characters=0,
            sizes=(),
            voices=OFFLINE_VOICES if craft is Craft.SPEECH else (),
            exact_times=craft is Craft.SPEECH,
        )
        for craft, name in OFFLINE_MODELS.items()
    ),
)

DEFAULT_MODELS: Mapping[tuple[str, Craft], str] = {
    ("openai", Craft.TEXT): "gpt-5.4-mini",
    ("openai", Craft.PICTURE): "gpt-image-2.5-flare",
    ("openai", Craft.VISION): "gpt-5.4-mini",
    ("openai", Craft.SPEECH): "gpt-4o-mini-tts",
    ("anthropic", Craft.TEXT): "claude-haiku-4-5",
    ("anthropic", Craft.VISION): "claude-haiku-4-5",
    ("gemini", Craft.TEXT): "gemini-3.8-flash",
    ("gemini", Craft.VISION): "gemini-3.8-flash",
    ("minimax", Craft.TEXT): "MiniMax-M3",
    ("minimax", Craft.VISION): "MiniMax-M3",
    ("minimax", Craft.PICTURE): "image-01",
    ("minimax", Craft.SPEECH): "speech-2.8-turbo",
    ("ollama", Craft.TEXT): "gemma3:12b",
    ("ollama", Craft.VISION): "gemma3:12b",
    ("elevenlabs", Craft.SPEECH): "eleven_multilingual_v2",
    **{("offline", craft): name for craft, name in OFFLINE_MODELS.items()},
}


def model_of(provider: str, craft: Craft, name: str | None = None) -> Model:
    """Return the model by name, or the provider's default for the craft.

    A name that isn't listed (a local server's) costs nothing, and is spoken to as the provider's default is; for openai
    with the older field for the output's length, which compatible servers know.
    """
    wanted = name or DEFAULT_MODELS[provider, craft]
    for model in MODELS:
        if (model.provider, model.name) == (provider, wanted):
            return model
    if provider not in {"openai", "offline"}:
        usual = model_of(provider, craft)
        return replace(
            usual, name=wanted, crafts=frozenset({craft}), price=Price(), voices=(), exact_times=False, known=False
        )
    return Model(
        provider=provider,
        name=wanted,
        crafts=frozenset({craft}),
        output_tokens_field="max_tokens",
        image_options={"response_format": "b64_json"},
        known=False,
    )


_PAGES = {Lane.INTERACTIVE: 64, Lane.BATCH: 16}  # other people's web sites: only our own sockets bound them
_UNLISTED = {Lane.INTERACTIVE: 4, Lane.BATCH: 1}


def places(provider: str, model: str, lane: Lane) -> int:
    """Return how many calls of a model are a lane's own: those that the other one never takes."""
    if (provider, model) == ("web", "pages"):
        return _PAGES[lane]
    for listed in MODELS:
        if (listed.provider, listed.name) == (provider, model):
            return listed.lanes[lane]
    return _UNLISTED[lane]


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlaces:
    """A lane of a model: at most `cap` calls in it, `capacity` in both, `rival_floor` always kept for the `rival`."""

    cap: int
    capacity: int
    rival: Lane
    rival_floor: int


def lane_places(provider: str, model: str, lane: Lane) -> LanePlaces:
    """Return how a lane shares a model's places. People borrow what batch work leaves idle, but for one place.

    Batch work borrows nothing: it has time, and a borrowed place comes back only when its call ends.
    """
    people, batch = (places(provider, model, of) for of in (Lane.INTERACTIVE, Lane.BATCH))
    kept = min(1, batch)
    if lane is Lane.BATCH:
        return LanePlaces(cap=batch, capacity=people + batch, rival=Lane.INTERACTIVE, rival_floor=people)
    return LanePlaces(cap=people + batch - kept, capacity=people + batch, rival=Lane.BATCH, rival_floor=kept)

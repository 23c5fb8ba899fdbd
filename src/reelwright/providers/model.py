"""The shapes every provider client speaks: orders in, results with their metered use out. One protocol a craft."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from reelwright.ground.errors import Kind, Outage, Refusal
from reelwright.ground.metering import Use


class ProviderRefused(Refusal):
    """The provider will never do this: a content policy, a bad key, an unknown model.

    `uses`: what was charged for it all the same. `ours`: it is between the provider and us, and not for what was asked,
    so that another provider may do it.
    """

    kind = Kind.INVALID
    code = "provider.refused"
    uses: tuple[Use, ...] = ()
    ours: bool = False


RATE_LIMITED = "provider.rate_limited"
"""The code of a ProviderAway that a provider's 429 became: it wants fewer calls from us."""

CIRCUIT_OPEN = "provider.circuit_open"
"""The code of a ProviderAway for a call that wasn't made: this model failed so often that it gets a rest."""


class ProviderAway(Outage):
    """The provider timed out, is overloaded or answered nonsense: try again later.

    `uses`: what was charged for it all the same. `ours`: it will not be back soon (an empty account, an open circuit),
    so that another provider may do it meanwhile.
    """

    code = "provider.unavailable"
    uses: tuple[Use, ...] = ()
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a story may say. `kind`: url, text, encyclopaedia, none (no facts: write an outline)."""

    kind: str
    title: str
    body: str
    language: str = "en"
    attribution_title: str | None = None
    attribution_url: str | None = None
    attribution_licence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """An order for stories. `topic`: the user's own words, or the source's title. `words`: of the whole narration.

    `take`: how often this was written before. Another take opens and chooses otherwise, always alike for one take.
    `recent`: titles and hooks of the account's last reels, which this one shouldn't sound like.
    """

    topic: str
    facts: Facts
    platform: str
    tone: str
    language: str
    duration_s: int
    words: int
    scenes: int
    variants: int = 1
    take: int = 0
    recent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How all pictures of a reel look: colours and light, the one technique, and who appears more than once."""

    palette: str
    medium: str
    characters: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedBeat:
    narration: str
    visual: str
    claim: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedStory:
    title: str
    hook: str
    synopsis: str
    arc: tuple[str, ...]
    beats: tuple[ProposedBeat, ...]
    caption: str
    hashtags: tuple[str, ...]
    outline: bool = False
    look: Look | None = None


class Part(StrEnum):
    """What of a story can be written anew by itself."""

    HOOK = "hook"
    CAPTION = "caption"
    HASHTAGS = "hashtags"
    SCENE_TEXT = "scene_text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """An order for another wording of one part of a story. `story` is as it stands now, `beat` is a scene text's index.

    `take`: how often this part was rewritten before. Takes in a row differ wherever the source allows it.
    """

    part: Part
    brief: Brief
    story: ProposedStory
    beat: int | None = None
    take: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reworded:
    """A part written anew: `text`, or `hashtags` without '#'.

    `claim`: the source's own sentences behind the beat that now says `text`; for a hook, behind the first beat once
    this hook stands in the old one's place. None where nothing of it rests on the source.
    """

    text: str = ""
    hashtags: tuple[str, ...] = ()
    claim: str | None = None


class NoAlternative(Refusal):
    """Nothing else can be said truthfully in this place."""

    kind = Kind.CONFLICT
    code = "text.no_alternative"


class TextProvider(Protocol):
    async def write(self, brief: Brief) -> tuple[tuple[ProposedStory, ...], tuple[Use, ...]]:
        """Write `brief.variants` stories that differ in angle. Raises ProviderRefused, ProviderAway."""
        ...

    async def rewrite(self, order: Rewrite) -> tuple[Reworded, tuple[Use, ...]]:
        """Write one part anew, never as it stands. Raises NoAlternative, ProviderRefused, ProviderAway."""
        ...

    async def facts(self, topic: str, *, language: str) -> Facts | None:
        """Return what is known about a bare topic, or None when nothing links with confidence."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneText:
    narration: str
    visual: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An encoded image (PNG or JPEG)."""

    data: bytes
    media_type: str
    width: int
    height: int


class PictureProvider(Protocol):
    async def direct(
        self, scenes: Sequence[SceneText], *, topic: str, tone: str, seed: int, look: Look | None = None
    ) -> tuple[str, ...]:
        """Return one image prompt a scene, chosen together so that a reel is consistent and no picture repeats.

        Whoever can follows the `look` that the story came with.
        """
        ...

    async def draw(
        self, prompt: str, *, width: int, height: int, seed: int, take: int = 0, faults: Sequence[str] = ()
    ) -> tuple[Picture, tuple[Use, ...]]:
        """Make the picture; take 1 and 2 differ from take 0. Raises ProviderRefused, ProviderAway.

        `faults`: what was wrong with the tries before, for whoever can avoid it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Scores 0..100 with a reason for each that is low. The judge never learns the threshold."""

    relevance: int
    quality: int
    consistency: int
    safety: int
    reasons: tuple[str, ...] = ()


class VisionProvider(Protocol):
    async def judge(
        self, picture: Picture, *, visual: str, narration: str, prompt: str
    ) -> tuple[Judgement, tuple[Use, ...]]:
        """Score one scene's picture. Raises ProviderRefused, ProviderAway."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A spoken word as shown, with its times from the start of the speech."""

    text: str
    start_ms: int
    end_ms: int


class WordTimes(StrEnum):
    """Where words' times come from: the voice itself, the sound aligned with the text, or (`sentence`) lengths.

    Of the last, only where sentences begin and end was heard.
    """

    EXACT = "exact"
    ALIGNED = "aligned"
    SENTENCE = "sentence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Mono 16-bit PCM as a WAV file."""

    wav: bytes
    sample_rate: int
    duration_ms: int
    words: tuple[Word, ...]
    word_times: WordTimes


class SpeechProvider(Protocol):
    async def speak(
        self, text: str, *, voice: str, language: str, speed: float = 1.0
    ) -> tuple[Speech, tuple[Use, ...]]:
        """Speak the text. `speed` 1.0 is the voice's own pace. Raises ProviderRefused, ProviderAway."""
        ...


class MusicProvider(Protocol):
    async def compose(self, *, mood: str, duration_ms: int, seed: int) -> tuple[bytes, tuple[Use, ...]]:
        """Return a stereo 44.1 kHz 16-bit WAV of at least that length."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A web page's readable part."""

    url: str
    title: str
    body: str
    language: str
    site: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What is said in a video, paragraphs apart by a blank line, and who published it."""

    url: str
    title: str
    author: str
    body: str
    language: str


class PageReader(Protocol):
    async def read(self, url: str) -> Page:
        """Fetch a page through the guard and keep its article. Raises Refusal (bad address, not HTML), Outage."""
        ...

    async def feed(self, url: str) -> bytes:
        """Fetch a feed's bytes through the guard. Raises Refusal (bad address, no feed), Outage."""
        ...

    async def transcript(self, url: str, *, language: str) -> Transcript:
        """Read a YouTube video's captions through the guard. Raises Refusal (`ingestion.*`, bad address), Outage."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolset:
    """One client a craft, as configured. Stages are handed this and nothing else of the outside world."""

    text: TextProvider
    picture: PictureProvider
    vision: VisionProvider
    speech: SpeechProvider
    music: MusicProvider
    pages: PageReader

"""Drafts, generations, variants, scenes, artefacts as plain values, and what a stage gets and gives back."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from uuid import UUID

import msgspec

from reelwright.generations.branding import Brand, CaptionStyle, Logo
from reelwright.generations.moving import Motion, Transition
from reelwright.generations.sizing import Aspect
from reelwright.generations.sound import MusicChoice, Sound, Track, VoiceChoice
from reelwright.ground.ids import AccountId, ArtefactId, DraftId, GenerationId, StageRunId, VariantId, derived


class Stage(StrEnum):
    """The pipeline's stages, in the order in which a reel meets them."""

    INGESTION = "INGESTION"
    STORY_WRITING = "STORY_WRITING"
    SCENE_GENERATION = "SCENE_GENERATION"
    VISUAL_GENERATION = "VISUAL_GENERATION"
    VISUAL_VERIFICATION = "VISUAL_VERIFICATION"
    VIDEO_GENERATION = "VIDEO_GENERATION"
    TTS_GENERATION = "TTS_GENERATION"
    AUDIO_MIXING = "AUDIO_MIXING"
    VIDEO_ASSEMBLY = "VIDEO_ASSEMBLY"


class SourceForm(StrEnum):
    """What stands behind a draft's source URL: a page to read, a feed with entries, a video with captions."""

    PAGE = "page"
    FEED = "feed"
    YOUTUBE = "youtube"


class GenerationKind(StrEnum):
    SCRIPT = "script"
    VIDEO = "video"
    RENDER = "render"
    REGENERATE_TARGETED = "regenerate_targeted"
    REGENERATE_FULL = "regenerate_full"


class Part(StrEnum):
    """What a targeted regeneration makes anew: one part of one variant; the last three are one scene's."""

    HOOK = "hook"
    CAPTION = "caption"
    HASHTAGS = "hashtags"
    SCENE_TEXT = "scene_text"
    SCENE_PICTURE = "scene_picture"
    SCENE_VOICE = "scene_voice"

    @property
    def of_scene(self) -> bool:
        """Whether a scene's index has to say which one is meant."""
        return self in {Part.SCENE_TEXT, Part.SCENE_PICTURE, Part.SCENE_VOICE}


class GenerationState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Platform(StrEnum):
    TIKTOK = "tiktok"
    REELS = "reels"
    SHORTS = "shorts"


class Tone(StrEnum):
    CALM = "calm"
    CURIOUS = "curious"
    ENERGETIC = "energetic"
    SERIOUS = "serious"
    WARM = "warm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a user owns and edits. Exactly one of topic, source_url and source_text says what the reel is about.

    `source_form` says what is behind the URL; `source_entry` which entry of a feed is meant, by its id (None: newest).
    """

    id: DraftId
    account_id: AccountId
    topic: str | None = None
    source_url: str | None = None
    source_text: str | None = None
    source_form: SourceForm = SourceForm.PAGE
    source_entry: str | None = None
    platform: Platform = Platform.TIKTOK
    tone: Tone = Tone.CURIOUS
    language: str = "en"
    duration_s: int = 30
    aspect: Aspect = Aspect.PORTRAIT
    voice: str = "default"
    music: str = "auto"
    caption_style: CaptionStyle = CaptionStyle.CLASSIC
    brand_kit_id: UUID | None = None
    selected_variant: VariantId | None = None
    version: int = 1
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def heard(self, sound: Sound | None) -> "Draft":
        """Return the draft with what was chosen in its voice's and music's place: by that alone is told what is alike.

        A name may mean something else tomorrow.
        """
        if sound is None or sound.voice is None or sound.music is None:
            return self
        voice, music = (msgspec.json.encode(choice).decode() for choice in (sound.voice, sound.music))
        return replace(self, voice=voice, music=music)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Where facts came from: shown in caption, manifest and API answer."""

    title: str
    url: str | None
    licence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Ingested content. `body` is plain text, paragraphs apart by a blank line.

    `kind`: url, rss, youtube, text, encyclopaedia, or none: no facts were found, the story must be an honest outline.
    """

    kind: str
    title: str
    body: str
    summary: str = ""
    language: str = "en"
    attribution: Attribution | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One scene's worth of story. `claim` is the source's own sentence behind the narration, or None."""

    narration: str
    visual: str
    claim: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How all pictures of a story look: colours and light, the one technique, and who appears more than once."""

    palette: str
    medium: str
    characters: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One complete variant's text. Hashtags carry no '#'. `outline` marks a story made without facts.

    `look` came with the words; None where whoever draws has a look of his own.
    """

    title: str
    hook: str
    synopsis: str
    arc: tuple[str, ...]
    beats: tuple[Beat, ...]
    caption: str
    hashtags: tuple[str, ...]
    attribution: Attribution | None = None
    outline: bool = False
    look: Look | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One ordered part of a variant. `duration_ms` is planned; the planned ones sum to the draft's target.

    `take` is the one its picture is drawn with first: a try with round r draws take + r. Stored, it is the take that
    won the last regeneration of the picture (0 before any); in the assignment of one it is one further on. `voice_take`
    is the same for its narration. `seed`, which pictures are drawn with, moves and is copied with it (`seed_of`).
    """

    index: int
    narration: str
    visual: str
    image_prompt: str
    duration_ms: int
    motion: Motion
    transition: Transition
    claim: str | None = None
    take: int = 0
    voice_take: int = 0
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    id: VariantId
    position: int
    story: Story
    scenes: tuple[Scene, ...] = ()
    version: int = 1

    def seed_of(self, scene: Scene) -> int:
        """Return the seed that this scene's pictures are drawn with."""
        return self.id.int % 1_000_000 + scene.index if scene.seed is None else scene.seed


class ArtefactKind(StrEnum):
    IMAGE = "image"
    CLIP = "clip"
    NARRATION = "narration"
    TIMELINE = "timeline"
    MIX = "mix"
    CHUNK = "chunk"
    CAPTIONS_SRT = "captions_srt"
    CAPTIONS_VTT = "captions_vtt"
    VIDEO = "video"
    THUMBNAIL = "thumbnail"
    THUMBNAIL_2 = "thumbnail_2"
    THUMBNAIL_3 = "thumbnail_3"
    THUMBNAIL_WIDE = "thumbnail_wide"
    GATE_REPORT = "gate_report"
    INSPECTION = "inspection"
    MANIFEST = "manifest"


THUMBNAILS = (ArtefactKind.THUMBNAIL, ArtefactKind.THUMBNAIL_2, ArtefactKind.THUMBNAIL_3)
"""A reel's thumbnails, the best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A stored file. `meta` is small JSON: a narration's words and length, an image's scores, a chunk's frame range."""

    id: ArtefactId
    generation_id: GenerationId
    kind: ArtefactKind
    key: str
    media_type: str
    size_bytes: int
    sha256: str
    inputs_hash: str
    scene: int | None = None
    chunk: int | None = None
    round: int = 0
    meta: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class NewArtefact:
    """A file a stage made in its workspace, to be stored and recorded by the journey."""

    kind: ArtefactKind
    path: Path
    media_type: str
    inputs_hash: str
    meta: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Names one stage run inside a generation: what is delivered, retried, leased and ledgered.

    scene: index for per-scene stages. chunk: index for VIDEO_ASSEMBLY's chunks; its fan-in run has none.
    round: which try a picture (and its verification) is: 0, 1, 2.
    """

    stage: Stage
    scene: int | None = None
    chunk: int | None = None
    round: int = 0

    def run_id(self, generation: GenerationId) -> StageRunId:
        """Return the run's id, always the same for the same unit of the same generation."""
        return _run_id(generation, self)


@lru_cache(maxsize=1024)  # it is asked for twice: for the run's row and for its message
def _run_id(generation: GenerationId, unit: Unit) -> StageRunId:
    return StageRunId(derived(generation, unit.stage, unit.scene, unit.chunk, unit.round))


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """All a stage may know. `artefacts` are those of this generation so far (best picture a scene, newest first).

    `part` is set on targeted regenerations; which scene it is of, if any, says the unit. `take` counts what was done
    before: how often this draft was written by others, or how often this part of this variant was made anew.
    `recent`, where stories are told: titles and hooks of the account's last reels. `faults`, where a picture is drawn
    again: what was wrong with the try before.
    """

    generation_id: GenerationId
    account_id: AccountId
    kind: GenerationKind
    unit: Unit
    attempt: int
    draft: Draft
    variants_wanted: int = 1
    variant_id: VariantId | None = None
    source: Source | None = None
    variants: tuple[Variant, ...] = ()
    artefacts: tuple[Artefact, ...] = ()
    part: Part | None = None
    take: int = 0
    recent: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    sound: Sound = field(default_factory=Sound)
    brand: Brand = field(default_factory=Brand)

    @property
    def voice(self) -> VoiceChoice:
        """Who narrates."""
        return self.sound.voice or VoiceChoice(name=self.draft.voice)

    @property
    def music(self) -> MusicChoice:
        """What plays under the narration."""
        if self.sound.music is not None:
            return self.sound.music
        return MusicChoice(mood=None if self.draft.music == "none" else self.draft.tone.value)

    @property
    def variant(self) -> Variant:
        """The variant being rendered: the generation's own, else the draft's selected one, else the first."""
        wanted = self.variant_id or self.draft.selected_variant
        chosen = [variant for variant in self.variants if variant.id == wanted]
        return (chosen or list(self.variants))[0]

    @property
    def scene(self) -> Scene:
        """The scene this unit is about. Raises IndexError on a unit without one."""
        if self.unit.scene is None:
            raise IndexError(self.unit)
        return self.variant.scenes[self.unit.scene]

    def found(self, kind: ArtefactKind, *, scene: int | None = None, chunk: int | None = None) -> Artefact | None:
        """Return the artefact of that kind for that scene or chunk, or None."""
        for artefact in self.artefacts:
            if artefact.kind is kind and artefact.scene == scene and artefact.chunk == chunk:
                return artefact
        return None


class Bench(Protocol):
    """A stage's surroundings: an empty folder of its own, the files made so far, and a way to say how far it is."""

    @property
    def workspace(self) -> Path:
        """The folder: made when it is first asked for, gone with the run."""
        ...

    def fetch(self, artefact: Artefact | Track | Logo) -> Awaitable[Path]:
        """Return the artefact, the track or the logo as a local file."""
        ...

    def progress(self, done: float) -> None:
        """Say how much of this run is done, 0..1. Cheap, may be called from any thread."""
        ...


def inputs_hash(recipe: str, *parts: object) -> str:
    """Return the name of what these inputs make: SHA-256 over the recipe's version and the parts, as JSON."""
    return sha256(msgspec.json.encode([recipe, *parts], order="deterministic")).hexdigest()


def in_order(artefacts: Sequence[Artefact], kind: ArtefactKind) -> list[Artefact]:
    """Return the artefacts of one kind by scene, then chunk."""
    chosen = [a for a in artefacts if a.kind is kind]
    return sorted(chosen, key=lambda a: (-1 if a.scene is None else a.scene, -1 if a.chunk is None else a.chunk))

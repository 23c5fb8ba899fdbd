"""Assets, uploads and their files as plain values, and what can be refused about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from reelwright.ground.errors import Kind, NotFound, Refusal


class AssetKind(StrEnum):
    TEXT = "text"
    VIDEO = "video"
    UPLOAD = "upload"


class AssetStatus(StrEnum):
    DRAFT = "draft"
    READY = "ready"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class MediaKind(StrEnum):
    PICTURE = "picture"
    AUDIO = "audio"
    VIDEO = "video"


class MediaRefused(Refusal):
    """The file is not what we take, or can't be read."""

    code = "media.refused"


class NoRoom(Refusal):
    """The account's uploads fill its room; `extra` holds `used_bytes` and `limit_bytes`."""

    kind = Kind.CONFLICT
    code = "media.no_room"


class AssetChanged(Refusal):
    """Somebody else has edited the asset since it was read; `extra` holds the version it has now."""

    kind = Kind.STALE
    code = "library.asset_changed"


class AssetUnknown(NotFound):
    code = "library.asset_not_found"


class MediaUnknown(NotFound):
    code = "media.not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file in storage."""

    key: str
    media_type: str
    size_bytes: int
    sha256: str
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedScene:
    narration: str
    visual: str
    image_prompt: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What an asset says: a plain text, or a copy of a variant's story."""

    text: str | None = None
    hook: str | None = None
    synopsis: str | None = None
    arc: tuple[str, ...] = ()
    caption: str | None = None
    hashtags: tuple[str, ...] = ()
    scenes: tuple[SavedScene, ...] = ()
    attribution: Mapping[str, str | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One saved thing. What it was saved from may be gone by now."""

    id: UUID
    kind: AssetKind
    title: str
    status: AssetStatus = AssetStatus.READY
    platform: str | None = None
    tags: tuple[str, ...] = ()
    words: Words = field(default_factory=Words)
    draft_id: UUID | None = None
    variant_id: UUID | None = None
    generation_id: UUID | None = None
    media_id: UUID | None = None
    file: StoredFile | None = None
    version: int = 1
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFilter:
    """Which assets: those that have all of it. `q` is looked for word by word."""

    kind: AssetKind | None = None
    status: AssetStatus | None = None
    platform: str | None = None
    tags: tuple[str, ...] = ()
    q: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One uploaded file as it is kept. Sizes in pixels, None for sound."""

    id: UUID
    kind: MediaKind
    name: str
    file: StoredFile
    width: int | None = None
    height: int | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What an uploaded file turned out to be, and where the copy is that we have written of it."""

    kind: MediaKind
    media_type: str
    extension: str
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None

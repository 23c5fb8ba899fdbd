"""What the API shows of drafts."""

from datetime import datetime
from uuid import UUID

import msgspec

from reelwright.api.views import VariantView, variant_view
from reelwright.generations import Aspect, CaptionStyle, Draft, Platform, Tone, Variant
from reelwright.ground.ids import DraftId, VariantId


class DraftView(msgspec.Struct, frozen=True, kw_only=True):
    id: DraftId
    topic: str | None
    url: str | None
    text: str | None
    platform: Platform
    tone: Tone
    language: str
    duration_s: int
    aspect: Aspect
    voice: str
    music: str
    caption_style: CaptionStyle
    brand_kit_id: UUID | None
    selected_variant: VariantId | None
    version: int
    variants: tuple[VariantView, ...] = ()


class DraftSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A draft, as a list shows it. `has_text`: its source is a text of its own, which the draft itself shows."""

    id: DraftId
    topic: str | None
    url: str | None
    has_text: bool
    platform: Platform
    tone: Tone
    language: str
    duration_s: int
    aspect: Aspect
    selected_variant: VariantId | None
    version: int
    created_at: datetime | None
    updated_at: datetime | None


class DraftsView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of drafts, newest first. `next_cursor` null: there is no more."""

    drafts: tuple[DraftSummary, ...]
    next_cursor: str | None


def draft_view(draft: Draft, variants: list[Variant]) -> DraftView:
    """Return a draft with its variants."""
    return DraftView(
        id=draft.id,
        topic=draft.topic,
        url=draft.source_url,
        text=draft.source_text,
        platform=draft.platform,
        tone=draft.tone,
        language=draft.language,
        duration_s=draft.duration_s,
        aspect=draft.aspect,
        voice=draft.voice,
        music=draft.music,
        caption_style=draft.caption_style,
        brand_kit_id=draft.brand_kit_id,
        selected_variant=draft.selected_variant,
        version=draft.version,
        variants=tuple(variant_view(variant) for variant in variants),
    )


def draft_summary(draft: Draft) -> DraftSummary:
    """Return what a list shows."""
    return DraftSummary(
        id=draft.id,
        topic=draft.topic,
        url=draft.source_url,
        has_text=draft.source_text is not None,
        platform=draft.platform,
        tone=draft.tone,
        language=draft.language,
        duration_s=draft.duration_s,
        aspect=draft.aspect,
        selected_variant=draft.selected_variant,
        version=draft.version,
        created_at=draft.created_at,
        updated_at=draft.updated_at,
    )

"""The library: what people save of their stories, reels and uploads, found again, edited and removed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts import Account, Replays, RequestKey
from reelwright.generations import (
    ArtefactKind,
    Artefacts,
    Drafts,
    Generations,
    Platform,
    Variant,
    Variants,
)
from reelwright.ground import log
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, GenerationId, VariantId, fresh
from reelwright.ground.postgres import Database
from reelwright.ground.versions import Versions
from reelwright.library import (
    Asset,
    AssetFilter,
    AssetKind,
    Assets,
    AssetStatus,
    LooseFiles,
    Media,
    SavedScene,
    StoredFile,
    Words,
)

_log = log.logger("journeys.library")
_LONGEST_TITLE = 200


class NothingToSave(Refusal):
    """The generation has no finished video (yet)."""

    kind = Kind.CONFLICT
    code = "library.no_video"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What to save: a variant's words, a generation's video, an upload, or a text of one's own. One of the four.

    Title and platform are taken from there where they are None.
    """

    variant_id: VariantId | None = None
    generation_id: GenerationId | None = None
    media_id: UUID | None = None
    text: str | None = None
    title: str | None = None
    platform: Platform | None = None
    tags: tuple[str, ...] = ()
    status: AssetStatus = AssetStatus.READY


async def save(
    account: Account, wanted: Saving, *, db: Database, request: RequestKey | None = None
) -> tuple[Asset, bool]:
    """Save something; return the asset, and whether this request has saved it before.

    Words are copied, and a file is claimed: the asset stays when the draft, the generation or the upload goes. Raises
    NotFound where there is no such thing, NothingToSave, KeyReused, AssetUnknown (a repeat whose asset was deleted).
    """
    async with db.begin() as tx:
        assets, new = Assets(tx, account.id), fresh()
        if (made := await Replays(session=tx).claim(account.id, request, new)) is not None:
            return await assets.get(made), True
        asset = await _made(tx, account.id, new, wanted)
        title = (wanted.title or asset.title)[:_LONGEST_TITLE]
        platform = asset.platform if wanted.platform is None else wanted.platform
        added = await assets.add(replace(asset, title=title, platform=platform, tags=wanted.tags, status=wanted.status))
    _log.info("library.saved", account_id=str(account.id), asset=str(new), kind=added.kind)
    return added, False


async def _made(tx: AsyncConnection, account: AccountId, new: UUID, wanted: Saving) -> Asset:
    if wanted.variant_id is not None:
        return await _story(tx, account, new, wanted.variant_id)
    if wanted.generation_id is not None:
        return await _video(tx, account, new, wanted.generation_id)
    if wanted.media_id is not None:
        upload = await Media(tx, account).get(wanted.media_id, keep=True)
        return Asset(id=new, kind=AssetKind.UPLOAD, title=upload.name, media_id=upload.id, file=upload.file)
    return Asset(id=new, kind=AssetKind.TEXT, title=wanted.title or "", words=Words(text=wanted.text))


async def _story(tx: AsyncConnection, account: AccountId, new: UUID, wanted: VariantId) -> Asset:
    variant = await Variants(session=tx).get(account, wanted)
    if variant is None:
        raise NotFound("There is no such variant: choose one of your drafts' variants.", field="variant_id")
    draft_id = await Variants(session=tx).draft_of(wanted)
    draft = None if draft_id is None else await Drafts(session=tx).get(account, draft_id)
    return Asset(
        id=new,
        kind=AssetKind.TEXT,
        title=variant.story.title,
        platform=draft and draft.platform,
        words=_words(variant),
        draft_id=draft_id,
        variant_id=wanted,
    )


async def _video(tx: AsyncConnection, account: AccountId, new: UUID, wanted: GenerationId) -> Asset:
    generation = await Generations(session=tx).get(account, wanted)
    if generation is None:
        raise NotFound("There is no such generation: choose one of yours.", field="generation_id")
    made = await Artefacts(session=tx).get(account, wanted, ArtefactKind.VIDEO)
    if made is None or generation.live:
        raise NothingToSave("This generation has no finished video: wait until it has.", field="generation_id")
    draft = await Drafts(session=tx).of_generation(wanted)
    variants = await Variants(session=tx).of_generation(wanted)
    chosen = {generation.variant_id, draft.selected_variant}
    variant = next((one for one in variants if one.id in chosen), variants[0] if variants else None)
    return Asset(
        id=new,
        kind=AssetKind.VIDEO,
        title=variant.story.title if variant else str(wanted),
        platform=draft.platform,
        words=_words(variant) if variant else Words(),
        draft_id=draft.id,
        variant_id=variant and variant.id,
        generation_id=wanted,
        file=StoredFile(
            key=made.key,
            media_type=made.media_type,
            size_bytes=made.size_bytes,
            sha256=made.sha256,
            duration_ms=msgspec.convert(made.meta.get("duration_ms"), int | None),
        ),
    )


def _words(variant: Variant) -> Words:
    story = variant.story
    attribution = story.attribution
    return Words(
        hook=story.hook,
        synopsis=story.synopsis,
        arc=story.arc,
        caption=story.caption,
        hashtags=story.hashtags,
        scenes=tuple(
            SavedScene(
                narration=scene.narration,
                visual=scene.visual,
                image_prompt=scene.image_prompt,
                duration_ms=scene.duration_ms,
            )
            for scene in variant.scenes
        ),
        attribution=attribution
        and {"title": attribution.title, "url": attribution.url, "licence": attribution.licence},
    )


async def page(
    account: AccountId, wanted: AssetFilter, *, after: tuple[datetime, UUID] | None, limit: int, db: Database
) -> list[Asset]:
    """Return so many assets that have all that is wanted, newest first, behind the given one. Raises Outage."""
    async with db.single() as tx:
        return await Assets(tx, account).page(wanted, after=after, limit=limit)


async def asset(account: AccountId, asset_id: UUID, *, db: Database) -> Asset:
    """Return one. Raises AssetUnknown."""
    async with db.single() as tx:
        return await Assets(tx, account).get(asset_id)


async def change(
    account: AccountId, asset_id: UUID, changes: Mapping[str, object], *, expected_version: Versions, db: Database
) -> Asset:
    """Change title, platform, tags or status. Raises AssetUnknown, AssetChanged."""
    async with db.begin() as tx:
        return await Assets(tx, account).change(asset_id, changes, expected_version=expected_version)


async def remove(account: AccountId, asset_id: UUID, *, db: Database) -> None:
    """Delete one, and let go of its file: it leaves storage when nothing else names it. Raises AssetUnknown."""
    async with db.begin() as tx:
        if (file := await Assets(tx, account).remove(asset_id)) is not None:
            await LooseFiles(session=tx).add(file.key)
    _log.info("library.removed", account_id=str(account), asset=str(asset_id))

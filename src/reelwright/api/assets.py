"""/v1/library/assets: what people save of their stories, reels and uploads, and find again."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED, HTTP_204_NO_CONTENT
from msgspec import UNSET, Meta, UnsetType

from reelwright.accounts import Account
from reelwright.api.creations import BadField, plain
from reelwright.api.cursors import Cursors
from reelwright.api.idempotency import REPLAYED, request_key
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.generations import Platform
from reelwright.ground.ids import GenerationId, VariantId
from reelwright.ground.postgres import Database
from reelwright.journeys import library
from reelwright.journeys.library import Saving
from reelwright.library import Asset, AssetFilter, AssetKind, AssetStatus

_LONGEST_TAG, _MOST_TAGS = 40, 20
_Title = Annotated[str, Meta(min_length=1, max_length=200)]
_Tags = Annotated[list[str], Meta(max_length=_MOST_TAGS, description="Each of at most 40 characters.")]


class NewAsset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to save: exactly one of `variant_id`, `generation_id`, `media_id` and `text`.

    Title and platform come from there where they are left out; a text needs a title.
    """

    variant_id: VariantId | None = None
    generation_id: GenerationId | None = None
    media_id: UUID | None = None
    text: Annotated[str, Meta(min_length=1, max_length=20_000)] | None = None
    title: _Title | None = None
    platform: Platform | None = None
    tags: _Tags = []
    status: AssetStatus = AssetStatus.READY

    def saving(self) -> Saving:
        """Return it in the journey's words. Raises BadField."""
        given = [n for n in ("variant_id", "generation_id", "media_id", "text") if getattr(self, n) is not None]
        if len(given) != 1:
            wrong = given[1] if given else "variant_id"
            raise BadField("Send exactly one of variant_id, generation_id, media_id and text.", field=wrong)
        if self.text is not None and self.title is None:
            raise BadField("title: a text needs one.", field="title")
        return Saving(
            variant_id=self.variant_id,
            generation_id=self.generation_id,
            media_id=self.media_id,
            text=plain(self.text, field="text"),
            title=plain(self.title, field="title"),
            platform=self.platform,
            tags=_tags(self.tags),
            status=self.status,
        )


class AssetPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fields to change; those left out stay. A null platform is none."""

    title: _Title | UnsetType = UNSET
    platform: Platform | UnsetType | None = UNSET
    tags: _Tags | UnsetType = UNSET
    status: AssetStatus | UnsetType = UNSET

    def changes(self) -> dict[str, object]:
        """Return what to change. Raises BadField."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}
        if not given:
            raise BadField("Send at least one field to change.")
        if self.title is not UNSET:
            given["title"] = plain(self.title, field="title")
        if self.tags is not UNSET:
            given["tags"] = _tags(self.tags)
        return given


class SavedSceneView(msgspec.Struct, frozen=True, kw_only=True):
    narration: str
    visual: str
    image_prompt: str
    duration_ms: int


class SavedSourceView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a story's facts came from."""

    title: str
    url: str | None
    licence: str | None


class WordsView(msgspec.Struct, frozen=True, kw_only=True):
    """What the asset says: your own text, or a story as it was when you saved it."""

    text: str | None
    hook: str | None
    synopsis: str | None
    arc: tuple[str, ...]
    caption: str | None
    hashtags: tuple[str, ...]
    scenes: tuple[SavedSceneView, ...]
    attribution: SavedSourceView | None


class AssetFileView(msgspec.Struct, frozen=True, kw_only=True):
    """The asset's file; its bytes come by a link."""

    media_type: str
    size_bytes: int
    sha256: str
    duration_ms: int | None


class AssetSummaryView(msgspec.Struct, frozen=True, kw_only=True):
    """One saved thing without its words. The ids say what it was saved from; null where that is gone."""

    id: UUID
    kind: AssetKind
    status: AssetStatus
    title: str
    platform: str | None
    tags: tuple[str, ...]
    draft_id: UUID | None
    variant_id: UUID | None
    generation_id: UUID | None
    media_id: UUID | None
    file: AssetFileView | None
    version: int
    created_at: datetime | None
    updated_at: datetime | None


class AssetView(AssetSummaryView, frozen=True, kw_only=True):
    """One saved thing."""

    words: WordsView


class AssetsView(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. `next_cursor` is null where nothing is older."""

    assets: list[AssetSummaryView]
    next_cursor: str | None


@post("/library/assets", status_code=HTTP_201_CREATED, summary="Save to the library", tags=["library"])
async def save_asset(
    request: Request[Any, Any, Any],
    data: JSONBody[NewAsset],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,  # noqa: ARG001 - for OpenAPI
) -> Response[AssetView]:
    """Save a variant's words, a finished video, an upload or a text. It stays when what it was saved from goes."""
    saved, again = await library.save(account, data.saving(), db=db, request=await request_key(request))
    headers = {"Location": f"/v1/library/assets/{saved.id}", **etag(saved.version), **(REPLAYED if again else {})}
    return Response(_view(saved), status_code=HTTP_201_CREATED, headers=headers)


@get("/library/assets", summary="Search the library", tags=["library"])
async def list_assets(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    q: Annotated[str | None, QueryParameter(max_length=100, description="Words, or beginnings of a title's.")] = None,
    kind: Annotated[AssetKind | None, QueryParameter(description="Only those of this kind.")] = None,
    status: Annotated[AssetStatus | None, QueryParameter(description="Only those in this state.")] = None,
    platform: Annotated[Platform | None, QueryParameter(description="Only those for this platform.")] = None,
    tags: Annotated[
        list[str] | None, QueryParameter(max_length=_MOST_TAGS, description="Only those with all of these.")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> AssetsView:
    """Return a page of what matches everything that you say, newest first. Case and accents don't matter."""
    wanted = AssetFilter(kind=kind, status=status, platform=platform, tags=_tags(tags or []), q=plain(q, field="q"))
    after = None if cursor is None else cursors.opened(cursor)
    found = await library.page(account.id, wanted, after=after, limit=limit + 1, db=db)
    more = found[limit - 1] if len(found) > limit else None
    return AssetsView(
        assets=msgspec.convert(found[:limit], list[AssetSummaryView], from_attributes=True),
        next_cursor=cursors.after(more.created_at, more.id) if more and more.created_at else None,
    )


@get("/library/assets/{asset_id:uuid}", summary="Read an asset", tags=["library"])
async def read_asset(
    asset_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> Response[AssetView]:
    """Return one asset with its words."""
    return _answer(await library.asset(account.id, asset_id, db=db))


@patch("/library/assets/{asset_id:uuid}", summary="Change an asset", tags=["library"])
async def change_asset(
    asset_id: FromPath[UUID],
    data: JSONBody[AssetPatch],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    if_match: IfMatch = None,
) -> Response[AssetView]:
    """Change title, platform, tags or status; with `If-Match` only if nobody changed it since."""
    version = expected(if_match)
    return _answer(await library.change(account.id, asset_id, data.changes(), expected_version=version, db=db))


@delete("/library/assets/{asset_id:uuid}", status_code=HTTP_204_NO_CONTENT, summary="Delete an asset", tags=["library"])
async def delete_asset(
    asset_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> None:
    """Delete an asset; what it was saved from stays."""
    await library.remove(account.id, asset_id, db=db)


def _tags(given: list[str]) -> tuple[str, ...]:
    """Return them trimmed, each once whatever its case. Raises BadField."""
    kept: dict[str, str] = {}
    for tag in given:
        if len(tag) > _LONGEST_TAG:
            raise BadField(f"tags: each may have {_LONGEST_TAG} characters.", field="tags")
        said = plain(tag, field="tags") or ""
        kept.setdefault(said.casefold(), said)
    return tuple(kept.values())


def _answer(found: Asset) -> Response[AssetView]:
    return Response(_view(found), headers=etag(found.version))


def _view(found: Asset) -> AssetView:
    return msgspec.convert(found, AssetView, from_attributes=True)

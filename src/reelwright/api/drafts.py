"""Drafts: made, listed, read, changed and deleted, and the stories that were written for them."""

from datetime import UTC, datetime
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
from reelwright.api.draft_views import DraftsView, DraftView, draft_summary, draft_view
from reelwright.api.idempotency import REPLAYED, request_key
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.api.views import VariantsView, variant_view
from reelwright.generations import Aspect, CaptionStyle, Draft, Platform, SourceForm, Stage, Tone
from reelwright.ground.ids import DraftId, VariantId, fresh
from reelwright.ground.postgres import Database
from reelwright.journeys import editing, reading
from reelwright.journeys.ordering import Terms
from reelwright.providers import checked_url

_Language = Annotated[str, Meta(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")]
_Seconds = Annotated[int, Meta(ge=10, le=180, description="Target length in seconds.")]
_Voice = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_\-]{1,64}$", description="default, a built-in voice's name, or a voice's id.")
]
_Music = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_\-]{1,64}$", description="auto (by tone), none, a mood, or a track's id.")
]

_SOURCES = ("topic", "url", "text")
_BY_ID_ALONE = datetime(1970, 1, 1, tzinfo=UTC)  # a cursor of variants needs no instant: the row knows it

_Kit = Annotated[UUID, Meta(description="A brand kit of yours: GET /v1/brand-kits.")]


_Topic = Annotated[str, Meta(min_length=1, max_length=300, description="What the reel is about.")]
_Url = Annotated[str, Meta(min_length=8, max_length=2048, description="A public web page.")]
_Text = Annotated[str, Meta(min_length=1, max_length=100_000, description="An article's own text.")]


class NewDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What reels of it are about (exactly one of topic, url and text), and how they are made."""

    topic: _Topic | None = None
    url: _Url | None = None
    text: _Text | None = None
    platform: Platform = Platform.TIKTOK
    tone: Tone = Tone.CURIOUS
    language: _Language = "en"
    duration_s: _Seconds = 30
    aspect: Aspect = Aspect.PORTRAIT
    voice: _Voice = "default"
    music: _Music = "auto"
    caption_style: CaptionStyle = CaptionStyle.CLASSIC
    brand_kit_id: _Kit | None = None

    def draft(self, *, account: Account, allowlist: frozenset[str]) -> Draft:
        """Return the draft that this body describes. Raises BadField, naming the field, and what a URL may."""
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise BadField("Send exactly one of topic, url and text.", field=given[1] if given else "topic")
        return Draft(
            id=DraftId(fresh()),
            account_id=account.id,
            **_about(self.topic, self.url, self.text, allowlist),
            platform=self.platform,
            tone=self.tone,
            language=self.language,
            duration_s=self.duration_s,
            aspect=self.aspect,
            voice=self.voice,
            music=self.music,
            caption_style=self.caption_style,
            brand_kit_id=self.brand_kit_id,
        )


class DraftChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fields to change; those left out stay. A brand kit of null goes back to the plain look.

    One of topic, url and text takes the place of what the draft was about.
    """

    topic: _Topic | UnsetType = UNSET
    url: _Url | UnsetType = UNSET
    text: _Text | UnsetType = UNSET
    platform: Platform | UnsetType = UNSET
    tone: Tone | UnsetType = UNSET
    language: _Language | UnsetType = UNSET
    duration_s: _Seconds | UnsetType = UNSET
    aspect: Aspect | UnsetType = UNSET
    voice: _Voice | UnsetType = UNSET
    music: _Music | UnsetType = UNSET
    caption_style: CaptionStyle | UnsetType = UNSET
    brand_kit_id: _Kit | UnsetType | None = UNSET
    selected_variant: VariantId | UnsetType = UNSET

    def changes(self, allowlist: frozenset[str]) -> dict[str, object]:
        """Return what to change by column. Raises BadField, and what a URL may."""
        given = {name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) is not UNSET}
        if not given:
            raise BadField("Send at least one field to change.")
        sources = {name: given.pop(name) for name in _SOURCES if name in given}
        if len(sources) > 1:
            raise BadField("Send at most one of topic, url and text.", field=[*sources][1])
        if sources:
            given |= _about(sources.get("topic"), sources.get("url"), sources.get("text"), allowlist)
            given |= {"source_form": SourceForm.PAGE, "source_entry": None}
        return given


def _about(topic: str | None, url: str | None, text: str | None, allowlist: frozenset[str]) -> dict[str, Any]:
    """Return what a draft is about, checked, by column. Raises BadField, and what a URL may."""
    return {
        "topic": plain(topic, field="topic"),
        "source_url": None if url is None else checked_url(url, allowlist),
        "source_text": plain(text, field="text"),
    }


@post("/drafts", status_code=HTTP_201_CREATED, summary="Make a draft", tags=["drafts"])
async def add_draft(
    request: Request[Any, Any, Any],
    data: JSONBody[NewDraft],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    allowlist: NamedDependency[frozenset[str]],
    terms: NamedDependency[Terms],
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,  # noqa: ARG001 - for OpenAPI: request_key reads it
) -> Response[DraftView]:
    """Keep a draft without starting or charging anything; `POST /v1/create` with its `draft_id` makes a reel of it."""
    wanted = data.draft(account=account, allowlist=allowlist)
    speech = terms.places.get(Stage.TTS_GENERATION)
    made, repeated = await editing.add_draft(wanted, db=db, request=await request_key(request), speech=speech)
    headers = etag(made.version) | {"Location": f"/v1/drafts/{made.id}"} | (dict(REPLAYED) if repeated else {})
    return Response(draft_view(made, []), status_code=HTTP_201_CREATED, headers=headers)


@get("/drafts", summary="List your drafts", tags=["drafts"])
async def list_drafts(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    platform: Annotated[Platform | None, QueryParameter(description="Only those for this platform.")] = None,
    q: Annotated[
        str | None, QueryParameter(min_length=1, max_length=100, description="Only those with this in their topic.")
    ] = None,
    cursor: Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
) -> DraftsView:
    """Return a page of drafts, newest first, without their stories."""
    before = None if cursor is None else cursors.opened(cursor)
    words = plain(q, field="q")
    found = await editing.drafts(account.id, platform=platform, words=words, before=before, limit=limit + 1, db=db)
    more = found[limit - 1] if len(found) > limit else None
    return DraftsView(
        drafts=tuple(draft_summary(one) for one in found[:limit]),
        next_cursor=None if more is None or more.created_at is None else cursors.after(more.created_at, more.id),
    )


@get("/drafts/{draft_id:uuid}", summary="Read a draft", tags=["drafts"])
async def read_draft(
    draft_id: FromPath[DraftId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> Response[DraftView]:
    """Return a draft with its 25 newest variants, and the selected one."""
    return _answer(draft_view(*await reading.draft(account.id, draft_id, db=db)))


@get("/drafts/{draft_id:uuid}/variants", summary="List a draft's variants", tags=["drafts"])
async def list_draft_variants(
    draft_id: FromPath[DraftId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    cursor: Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
) -> VariantsView:
    """Return a page of the stories that were written for a draft, the newest writing first."""
    after = None if cursor is None else VariantId(cursors.opened(cursor)[1])
    found = await reading.variants(account.id, draft_id, after=after, limit=limit + 1, db=db)
    more = found[limit - 1].id if len(found) > limit else None
    return VariantsView(
        variants=tuple(variant_view(variant) for variant in found[:limit]),
        next_cursor=None if more is None else cursors.after(_BY_ID_ALONE, more),
    )


@patch("/drafts/{draft_id:uuid}", summary="Change a draft", tags=["drafts"])
async def change_draft(
    draft_id: FromPath[DraftId],
    data: JSONBody[DraftChange],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    allowlist: NamedDependency[frozenset[str]],
    terms: NamedDependency[Terms],
    if_match: IfMatch = None,
) -> Response[DraftView]:
    """Change a draft's fields; with `If-Match` only if nobody changed it since.

    409 where a generation that goes on has made, or is making, something that this would change.
    """
    speech = terms.places.get(Stage.TTS_GENERATION)
    changes, version = data.changes(allowlist), expected(if_match)
    await editing.change_draft(account.id, draft_id, changes, expected_version=version, db=db, speech=speech)
    return _answer(draft_view(*await reading.draft(account.id, draft_id, db=db)))


@delete("/drafts/{draft_id:uuid}", status_code=HTTP_204_NO_CONTENT, summary="Delete a draft", tags=["drafts"])
async def delete_draft(
    draft_id: FromPath[DraftId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> None:
    """Delete a draft with its stories; reels that were made of it stay. 409 while one is being made."""
    await editing.delete_draft(account.id, draft_id, db=db)


def _answer(view: DraftView) -> Response[DraftView]:
    return Response(view, headers=etag(view.version))

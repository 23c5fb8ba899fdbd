"""Signed links: whoever holds one may fetch one file for some minutes, without a key; players and pages use them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, route
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from reelwright.accounts import Account
from reelwright.api.files import served
from reelwright.api.methods import READ
from reelwright.generations import ArtefactKind
from reelwright.ground import clock
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.ground.sealing import Seal
from reelwright.ground.storage import Storage
from reelwright.journeys import library, media, reading

PURPOSE = "media"
LONGEST_S, USUAL_S = 900, 600
_KINDS = {b"m": "media", b"a": "asset", b"v": "artefact", b"e": "export"}
_TIME_BYTES = 8
# The file is shown, but nothing in it may run, and the link goes nowhere else by a Referer.
_GUARDED = {
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self'; media-src 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ANY_PAGE = {"Cross-Origin-Resource-Policy": "cross-origin"}  # may show it; an export is for its owner alone

LastingS = Annotated[
    int, QueryParameter(name="lasting_s", ge=1, le=LONGEST_S, description="For how many seconds it is of use.")
]


class LinkRefused(Refusal):
    kind = Kind.FORBIDDEN
    code = "file.link_refused"


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """An address that needs no key, for whoever knows it, until then."""

    url: str
    expires_at: datetime


def link(seal: Seal, base_url: str, what: str, wanted: UUID, *, lasting_s: int) -> LinkView:
    """Return a link to the file of a `media`, an `asset`, an `export` or an `artefact` (a generation's file)."""
    mark = next(mark for mark, name in _KINDS.items() if name == what)
    until = (clock.now() + timedelta(seconds=lasting_s)).replace(microsecond=0)
    payload = mark + int(until.timestamp()).to_bytes(_TIME_BYTES, "big") + wanted.bytes
    return LinkView(url=f"{base_url.rstrip('/')}/files/{seal.signed(PURPOSE, payload, until=until)}", expires_at=until)


@get("/media/{media_id:uuid}/url", summary="Get a link to an upload", tags=["media"])
async def media_url(
    media_id: FromPath[UUID],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    seal: NamedDependency[Seal],
    base_url: NamedDependency[str],
    *,
    lasting_s: LastingS = USUAL_S,
) -> LinkView:
    """Return an address that plays or shows the upload without a key, for ten minutes or as long as you say."""
    await media.upload(account.id, media_id, db=db)
    return link(seal, base_url, "media", media_id, lasting_s=lasting_s)


@get("/library/assets/{asset_id:uuid}/url", summary="Get a link to an asset's file", tags=["library"])
async def asset_url(
    asset_id: FromPath[UUID],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    seal: NamedDependency[Seal],
    base_url: NamedDependency[str],
    *,
    lasting_s: LastingS = USUAL_S,
) -> LinkView:
    """Return an address that plays or shows the asset's file without a key; a text has none."""
    if (await library.asset(account.id, asset_id, db=db)).file is None:
        raise NotFound("This asset is a text and has no file.", code="library.no_file")
    return link(seal, base_url, "asset", asset_id, lasting_s=lasting_s)


@get("/generations/{generation_id:uuid}/video/url", summary="Get a link to a video", tags=["core"])
async def video_url(
    generation_id: FromPath[GenerationId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    seal: NamedDependency[Seal],
    base_url: NamedDependency[str],
    *,
    lasting_s: LastingS = USUAL_S,
) -> LinkView:
    """Return an address that plays the finished MP4 without a key, for ten minutes or as long as you say."""
    file = await reading.file(account.id, generation_id, ArtefactKind.VIDEO, db=db)
    return link(seal, base_url, "artefact", file.id, lasting_s=lasting_s)


@route(
    "/files/{token:str}",
    http_method=READ,
    summary="Fetch a file by its link",
    tags=["media"],
)
async def file_by_link(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    db: NamedDependency[Database],
    storage: NamedDependency[Storage],
    seal: NamedDependency[Seal],
) -> Response[Any]:
    """Return the file that a signed link leads to, or the byte range of it that is asked for; no key is needed."""
    now = clock.now()
    payload = seal.opened(PURPOSE, token, now=now)
    if payload is None or (what := _KINDS.get(payload[:1])) is None:
        raise LinkRefused("This link is over or was changed: ask for a new one.")
    until = datetime.fromtimestamp(int.from_bytes(payload[1 : 1 + _TIME_BYTES], "big"), UTC)
    found = await media.linked(what, UUID(bytes=payload[1 + _TIME_BYTES :]), db=db)
    lasting = {"Cache-Control": f"private, max-age={max(0, int((until - now).total_seconds()))}"}
    shown = {} if what == "export" else _ANY_PAGE
    return served(request, found.file, storage, name=found.name, more_headers=_GUARDED | lasting | shown)

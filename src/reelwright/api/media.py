"""/v1/media: files that people bring; judged by decoding them, kept as we have written them anew."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.status_codes import HTTP_201_CREATED, HTTP_204_NO_CONTENT

from reelwright.accounts import Account, RequestKey
from reelwright.api import receiving
from reelwright.api.creations import key_of
from reelwright.api.cursors import Cursors
from reelwright.api.idempotency import REPLAYED
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage
from reelwright.journeys import media
from reelwright.library import MediaKind, Upload
from worker import inspection


class MediaView(msgspec.Struct, frozen=True, kw_only=True):
    """One upload. `sha256` and `size_bytes` are of what is kept; width and height are in pixels, null for sound."""

    id: UUID
    kind: MediaKind
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    width: int | None
    height: int | None
    duration_ms: int | None
    created_at: datetime | None


class MediaPageView(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. `next_cursor` is null where nothing is older."""

    media: list[MediaView]
    next_cursor: str | None


@post(
    "/media",
    status_code=HTTP_201_CREATED,
    summary="Upload a file",
    tags=["media"],
    opt={"takes_files": True},
    request_max_body_size=receiving.BODY_LIMIT,
)
async def upload_media(
    request: Request[Any, Any, Any],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    storage: NamedDependency[Storage],
    *,
    name: Annotated[
        str | None, QueryParameter(max_length=200, description="What to call it, where it isn't a form's part.")
    ] = None,
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,
) -> Response[MediaView]:
    """Send a picture (20 MiB), a video (200 MiB) or sound (50 MiB), as the body or as the one file of a form.

    The file is decoded, whatever its name and type say, and written anew without its tags: where it was taken is not
    kept. Recordings may last ten minutes. The same bytes again answer the upload that they are already.
    """
    known = None if key is None else key_of(request, dry_run=False)
    async with receiving.received(request, account.id, name=name) as arrived:
        repeat = None
        if known is not None:
            sent = bytes.fromhex(arrived.sha256)
            repeat = RequestKey(
                scope=f"POST {request.url.path}", key_hash=sha256(known.encode()).digest(), fingerprint=sent
            )
        kept = await media.keep(account, arrived, inspect=inspection.inspect, db=db, storage=storage, request=repeat)
    headers = {"Location": f"/v1/media/{kept.upload.id}", **({} if kept.new else REPLAYED)}
    return Response(_view(kept.upload), status_code=HTTP_201_CREATED, headers=headers)


@get("/media", summary="List your uploads", tags=["media"])
async def list_media(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    kind: Annotated[MediaKind | None, QueryParameter(description="Only those of this kind.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> MediaPageView:
    """Return a page of uploads, newest first."""
    after = None if cursor is None else cursors.opened(cursor)
    found = await media.uploads(account.id, kind, after=after, limit=limit + 1, db=db)
    more = found[limit - 1] if len(found) > limit else None
    return MediaPageView(
        media=[_view(one) for one in found[:limit]],
        next_cursor=cursors.after(more.created_at, more.id) if more and more.created_at else None,
    )


@get("/media/{media_id:uuid}", summary="Read an upload", tags=["media"])
async def read_media(
    media_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> MediaView:
    """Return what is known of one upload; its bytes come by a link."""
    return _view(await media.upload(account.id, media_id, db=db))


@delete("/media/{media_id:uuid}", status_code=HTTP_204_NO_CONTENT, summary="Delete an upload", tags=["media"])
async def delete_media(
    media_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> None:
    """Delete an upload; its links end at once. What the library has saved of it stays there."""
    await media.remove(account.id, media_id, db=db)


def _view(found: Upload) -> MediaView:
    return MediaView(
        id=found.id,
        kind=found.kind,
        name=found.name,
        media_type=found.file.media_type,
        size_bytes=found.file.size_bytes,
        sha256=found.file.sha256,
        width=found.width,
        height=found.height,
        duration_ms=found.file.duration_ms,
        created_at=found.created_at,
    )

"""Files as players fetch them, with a key or by a signed link: byte ranges and conditional requests are answered."""

import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

from litestar import Request, Response, route
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Stream

from reelwright.accounts import Account
from reelwright.api.methods import READ
from reelwright.api.versions import is_had
from reelwright.generations import THUMBNAILS, ArtefactKind
from reelwright.ground.errors import NotFound
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage
from reelwright.journeys import reading

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class Servable(Protocol):
    """What is known of a stored file."""

    @property
    def key(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...


class NoSuchRange(HTTPException):
    status_code = 416


def wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return [start, end) for a single byte range, None for the whole file (RFC 9110, 14.2). Raises NoSuchRange."""
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= size or start >= end:
        raise NoSuchRange(detail="The file has no such bytes.", headers={"Content-Range": f"bytes */{size}"})
    return start, end


def disposition(name: str) -> str:
    """Return a Content-Disposition for showing, and for saving under that name (RFC 6266, RFC 8187)."""
    plain = re.sub(r"[^A-Za-z0-9 ._\-]", "_", name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'inline; filename="{plain}"{extended}'


def served(
    request: Request[Any, Any, Any],
    file: Servable,
    storage: Storage,
    *,
    name: str,
    more_headers: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Answer with the file, the asked range of it, or 304."""
    etag = f'"{file.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=0, must-revalidate",
        "Content-Disposition": disposition(name),
        **(more_headers or {}),
    }
    if is_had(request.headers.get("if-none-match"), etag):
        return Response(None, status_code=304, headers=headers)
    asked = request.headers.get("range")
    if request.headers.get("if-range", etag) != etag:
        asked = None
    part = wanted_range(asked, file.size_bytes)
    start, end = part or (0, file.size_bytes)
    headers["Content-Length"] = str(end - start)
    if part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size_bytes}"
    status = 206 if part else 200
    if request.method == HttpMethod.HEAD:
        return Response(b"", status_code=status, headers=headers, media_type=file.media_type)
    return Stream(
        storage.stream(file.key, start=start, end=end), status_code=status, headers=headers, media_type=file.media_type
    )


@route("/generations/{generation_id:uuid}/video", http_method=READ, tags=["core"])
async def video(
    request: Request[Any, Any, Any],
    generation_id: FromPath[GenerationId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    storage: NamedDependency[Storage],
) -> Response[Any]:
    """Return the finished MP4, or the byte range of it that is asked for."""
    file = await reading.file(account.id, generation_id, ArtefactKind.VIDEO, db=db)
    return served(request, file, storage, name=f"{generation_id}.mp4")


@route("/generations/{generation_id:uuid}/thumbnail", http_method=READ, tags=["core"])
async def thumbnail(
    request: Request[Any, Any, Any],
    generation_id: FromPath[GenerationId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    storage: NamedDependency[Storage],
) -> Response[Any]:
    """Return the finished reel's thumbnail (JPEG)."""
    file = await reading.file(account.id, generation_id, ArtefactKind.THUMBNAIL, db=db)
    return served(request, file, storage, name=f"{generation_id}.jpg")


@route("/generations/{generation_id:uuid}/thumbnail/wide", http_method=READ, tags=["core"])
async def wide_thumbnail(
    request: Request[Any, Any, Any],
    generation_id: FromPath[GenerationId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    storage: NamedDependency[Storage],
) -> Response[Any]:
    """Return the finished reel's wide thumbnail (JPEG, 1280x720)."""
    file = await reading.file(account.id, generation_id, ArtefactKind.THUMBNAIL_WIDE, db=db)
    return served(request, file, storage, name=f"{generation_id}-wide.jpg")


@route(
    "/generations/{generation_id:uuid}/inspection.png",
    http_method=READ,
    summary="Get a reel's contact sheet",
    tags=["core"],
)
async def inspection(
    request: Request[Any, Any, Any],
    generation_id: FromPath[GenerationId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    storage: NamedDependency[Storage],
) -> Response[Any]:
    """Return one picture of what was measured before release: frames, sound, captions, and each gate's verdict."""
    file = await reading.file(account.id, generation_id, ArtefactKind.INSPECTION, db=db)
    return served(request, file, storage, name=f"{generation_id}-inspection.png")


@route(
    "/generations/{generation_id:uuid}/manifest.json", http_method=READ, summary="Get a reel's manifest", tags=["core"]
)
async def manifest(
    request: Request[Any, Any, Any],
    generation_id: FromPath[GenerationId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    storage: NamedDependency[Storage],
) -> Response[Any]:
    """Return what the file was made of: plan, style, encoder, recipes, and every input by its SHA-256."""
    file = await reading.file(account.id, generation_id, ArtefactKind.MANIFEST, db=db)
    return served(request, file, storage, name=f"{generation_id}-manifest.json")


@route("/generations/{generation_id:uuid}/thumbnails/{rank:int}", http_method=READ, tags=["core"])
async def ranked_thumbnail(
    request: Request[Any, Any, Any],
    generation_id: FromPath[GenerationId],
    rank: FromPath[int],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    storage: NamedDependency[Storage],
) -> Response[Any]:
    """Return one of the finished reel's thumbnails (JPEG): 1 is the best, there are three at most."""
    if not 1 <= rank <= len(THUMBNAILS):
        raise NotFound("There is no such thumbnail: 1 is the best, there are three at most.", code="file.not_ready")
    file = await reading.file(account.id, generation_id, THUMBNAILS[rank - 1], db=db)
    return served(request, file, storage, name=f"{generation_id}-{rank}.jpg")


@route(
    ["/generations/{generation_id:uuid}/captions.srt", "/generations/{generation_id:uuid}/captions.vtt"],
    http_method=READ,
    tags=["core"],
)
async def captions(
    request: Request[Any, Any, Any],
    generation_id: FromPath[GenerationId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    storage: NamedDependency[Storage],
) -> Response[Any]:
    """Return the captions as SubRip or WebVTT."""
    ending = "vtt" if request.scope["path"].endswith(".vtt") else "srt"
    kind = ArtefactKind.CAPTIONS_VTT if ending == "vtt" else ArtefactKind.CAPTIONS_SRT
    file = await reading.file(account.id, generation_id, kind, db=db)
    return served(request, file, storage, name=f"{generation_id}.{ending}")

"""An uploaded file on its way in: streamed to a folder of its own, as much of it as its kind may have and no more."""

import asyncio
import contextlib
import functools
import tempfile
import unicodedata
from collections.abc import AsyncGenerator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from litestar import Request
from litestar.exceptions import HTTPException, InternalServerException
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from reelwright.api.creations import BadField
from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.workspace import own_folder
from reelwright.journeys.media import Arrived
from worker import decoding

PICTURE_BYTES, RECORDING_BYTES = 20 << 20, 200 << 20
"""The most of a picture and of a recording; sound alone may have 50 MiB, as `worker/decoding.py` knows by then."""
BODY_LIMIT = RECORDING_BYTES + (1 << 20)
PARTS = 20
AT_ONCE = 4
"""Uploads of one account that one process receives side by side."""
_WAIT = timedelta(seconds=5)
_BLOCK = 1 << 20
_SNIFFED = 16
_LONGEST_NAME = 100
_under_way: dict[UUID, int] = {}


class TooManyAtOnce(Refusal):
    kind = Kind.LIMITED
    code = "media.too_many_at_once"


class NotTaken(Refusal):
    """The first bytes are of nothing that we take, whatever name and type say."""

    code = "media.refused"


@contextlib.asynccontextmanager
async def received(request: Request[Any, Any, Any], account: UUID, *, name: str | None) -> AsyncGenerator[Arrived]:
    """Receive the body, or the one file part of a form, into a folder that goes when the block is left.

    What is neither picture nor recording by its first bytes is refused there; name and declared type are not asked.
    Raises BadField, NotTaken, TooManyAtOnce, HTTPException 413.
    """
    if _under_way.get(account, 0) >= AT_ONCE:
        raise TooManyAtOnce(f"You are sending {AT_ONCE} files already: wait until one has arrived.", wait=_WAIT)
    _under_way[account] = _under_way.get(account, 0) + 1
    try:
        with tempfile.TemporaryDirectory(dir=await asyncio.to_thread(_folder)) as folder:
            with (Path(folder) / "sent").open("wb") as file:
                sink = _Sink(file)
                kind, options = parse_options_header(request.headers.get("content-type", ""))
                try:
                    if kind == "multipart/form-data":
                        name = await _part(request, sink, boundary=options.get("boundary", "")) or name
                    else:
                        async for block in request.stream():
                            await sink.take(block)
                except InternalServerException as gone:  # what Litestar makes of a sender who hangs up
                    raise BadField("file: it ended before it was whole.", field="file") from gone
                await sink.close()
            yield Arrived(path=Path(file.name), sha256=sink.digest.hexdigest(), name=safe_name(name))
    finally:
        _under_way[account] -= 1
        if not _under_way[account]:
            del _under_way[account]


class _Sink:
    """Where an upload's bytes go: judged by the first of them, counted, hashed and written by the megabyte."""

    def __init__(self, file: BinaryIO) -> None:
        self.digest = sha256()
        self._file = file
        self._held = bytearray()
        self._size = 0
        self._most: int | None = None

    async def take(self, block: bytes | bytearray) -> None:
        """Take the next bytes. Raises NotTaken, HTTPException 413."""
        self._held += block
        self._size += len(block)
        if self._most is None and self._size >= _SNIFFED:
            self._judge()
        if self._most is not None and self._size > self._most:
            raise HTTPException(status_code=413, detail=f"The file is larger than {self._most >> 20} MiB.")
        if len(self._held) >= _BLOCK:
            await self._write()

    async def close(self) -> None:
        """Take note that this was all. Raises BadField, NotTaken."""
        if not self._size:
            raise BadField("file: it is empty; send the file as the body, or as one part of a form.", field="file")
        if self._most is None:
            self._judge()
        await self._write()
        self._file.flush()

    def _judge(self) -> None:
        family = decoding.family(bytes(self._held[:_SNIFFED]))
        if family is None:
            raise NotTaken(
                "Send a picture (PNG, JPEG, WebP, GIF), a video (MP4, MOV, WebM, MKV) or sound (MP3, M4A, WAV, FLAC, "
                "OGG).",
                field="file",
            )
        self._most = PICTURE_BYTES if decoding.is_picture(family) else RECORDING_BYTES

    async def _write(self) -> None:
        held, self._held = self._held, bytearray()
        await asyncio.to_thread(self._put, held)

    def _put(self, held: bytearray) -> None:
        self.digest.update(held)
        self._file.write(held)


async def _part(request: Request[Any, Any, Any], sink: _Sink, *, boundary: str) -> str | None:
    """Stream the form's one file into the sink; return what the form calls it. Raises BadField, HTTPException 413."""
    files: list[MultipartSegment] = []
    try:
        parser = PushMultipartParser(boundary, max_segment_count=PARTS, max_segment_size=RECORDING_BYTES + 1)
        async for block in request.stream():
            for event in parser.parse(block) if not parser.closed else ():
                if isinstance(event, MultipartSegment):
                    files.append(event)
                    if event.filename is None or len(files) > 1:
                        raise BadField("file: send one part, with a file name, and nothing beside it.", field="file")
                elif event is not None:
                    await sink.take(event)
        parser.close()
    except ParserLimitReached as much:
        raise HTTPException(status_code=413, detail="The form has too many or too large parts.") from much
    except (MultipartError, UnicodeError) as broken:
        raise BadField("The form can't be read: send multipart/form-data with one file.", field="file") from broken
    return files[0].filename if files else None


def safe_name(given: str | None) -> str:
    """Return what a sender calls a file, without folders, ending, controls and marks that turn text around."""
    last = unicodedata.normalize("NFC", given or "").replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter if unicodedata.category(letter)[0] != "C" else " " for letter in last)
    stem = shown.rpartition(".")[0] or shown
    return " ".join(stem.replace('"', "'").split())[:_LONGEST_NAME].strip(" .") or "upload"


@functools.cache
def _folder() -> Path:
    """Return this process's own folder for what arrives; those of dead processes go."""
    return own_folder(Path(tempfile.gettempdir()) / "reelwright-uploads")

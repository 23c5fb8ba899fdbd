"""Artefact files by key, in a local folder or an S3-compatible bucket, through one API.

obstore's asynchronous calls can abort the interpreter at exit, so its synchronous ones run in threads.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, S3Store

from reelwright.ground.errors import NotFound, Outage

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file turned out to be."""

    size_bytes: int
    sha256: str


class Storage:
    """Put, fetch and stream files. A key is a relative path of our own making, never a user's text."""

    def __init__(self, store: "LocalStore | MemoryStore | S3Store") -> None:
        self._store = store

    async def put(self, key: str, path: Path) -> Stored:
        """Store a file under a key, replacing what was there. Raises Outage."""
        return await asyncio.to_thread(self._put, key, path)

    def _put(self, key: str, path: Path) -> Stored:
        digest = sha256()
        with path.open("rb") as file:
            while block := file.read(_CHUNK):
                digest.update(block)
        try:
            obstore.put(self._store, key, path)
        except (BaseError, OSError) as error:
            raise Outage("The file storage is not answering.", code="storage.unavailable") from error
        return Stored(size_bytes=path.stat().st_size, sha256=digest.hexdigest())

    async def fetch(self, key: str, into: Path) -> Stored:
        """Copy a stored file to a local path and return what came. Raises NotFound, Outage."""
        return await asyncio.to_thread(self._fetch, key, into)

    def _fetch(self, key: str, into: Path) -> Stored:
        digest, size = sha256(), 0
        try:
            with into.open("wb") as file:
                for block in obstore.get(self._store, key).stream(min_chunk_size=_CHUNK):
                    size += file.write(block)
                    digest.update(block)
        except FileNotFoundError as gone:
            raise NotFound("That file is no longer stored.", code="storage.not_found") from gone
        except (BaseError, OSError) as error:
            raise Outage("The file storage is not answering.", code="storage.unavailable") from error
        return Stored(size_bytes=size, sha256=digest.hexdigest())

    async def delete(self, key: str) -> None:
        """Remove a stored file; one that is not there is removed already. Raises Outage."""
        await asyncio.to_thread(self._delete, key)

    def _delete(self, key: str) -> None:
        try:
            obstore.delete(self._store, key)
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise Outage("The file storage is not answering.", code="storage.unavailable") from error

    async def stream(self, key: str, *, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes [start, end) of a stored file, a megabyte at a time. Raises NotFound, Outage."""
        at = start
        while at < end:
            upto = min(at + _CHUNK, end)
            block = await asyncio.to_thread(self._range, key, at, upto)
            yield block
            at = upto

    def _range(self, key: str, start: int, end: int) -> bytes:
        try:
            return bytes(obstore.get_range(self._store, key, start=start, end=end))
        except FileNotFoundError as gone:
            raise NotFound("That file is no longer stored.", code="storage.not_found") from gone
        except (BaseError, OSError) as error:
            raise Outage("The file storage is not answering.", code="storage.unavailable") from error


def connect(url: str, *, client_options: dict[str, Any] | None = None) -> Storage:
    """Open `file:///folder` (made if missing), `memory://` or `s3://bucket` (credentials from AWS_*, endpoint too)."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        folder = Path(unquote(parts.path))
        folder.mkdir(parents=True, exist_ok=True)
        return Storage(LocalStore(folder, mkdir=True))
    if parts.scheme == "memory":
        return Storage(MemoryStore())
    if parts.scheme == "s3":
        return Storage(S3Store(parts.netloc, client_options=cast("Any", client_options)))
    raise ValueError(f"unknown storage scheme {parts.scheme!r}: use file:///folder or s3://bucket")

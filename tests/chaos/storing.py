"""Cases F60 and F61: an object store that is away, cuts, stays silent after it did as it was told, or forgets bits."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.cases import makes
from tests.chaos.deliveries import once_each
from tests.chaos.fleet import PATIENCE_S, Fleet
from tests.chaos.kills import succeeded
from tests.chaos.refitting import refitted
from tests.waiting import wait_until

_MIX = "SELECT key FROM artefacts WHERE generation_id = :id AND kind = 'mix'"
_KEYS = "SELECT key, size_bytes FROM artefacts WHERE generation_id = :id"
_ABSENT = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_SLOW_DOWN = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"
_TAKEN = b'HTTP/1.1 200 OK\r\nETag: "made"\r\nContent-Length: 0\r\n\r\n'


@dataclass
class Bucket:
    """As much of S3 as we ask for: PUT, GET, DELETE. Its first answers to each key's PUT fail as `faults` says."""

    faults: tuple[str, ...] = ()
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    tried: Counter[str] = field(default_factory=Counter[str])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, path = head.split(" ", 2)[:2]
                lengths = [line[15:] for line in head.splitlines() if line.lower().startswith("content-length:")]
                size = int(lengths[0]) if lengths else 0
                key = path.partition("?")[0].removeprefix("/reels/")
                fault = self._fault(method, key)
                if fault == "reset":
                    await reader.readexactly(size // 2)
                    break
                body = await reader.readexactly(size)
                answer = _SLOW_DOWN if fault == "slow down" else self._answer(method, key, body)
                if fault == "unheard":
                    break
                writer.write(answer)
                await writer.drain()
        writer.transport.abort()

    def moved(self, folder: Path) -> None:
        """Put all files into a folder: where outside.py looks for them."""
        for key, file in self.files.items():
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes(file)

    def _fault(self, method: str, key: str) -> str:
        if method != "PUT":
            return ""
        self.tried[key] += 1
        return self.faults[self.tried[key] - 1] if self.tried[key] <= len(self.faults) else ""

    def _answer(self, method: str, key: str, body: bytes) -> bytes:
        if method == "PUT":
            self.files[key] = body
            return _TAKEN
        if method == "DELETE":
            self.files.pop(key, None)
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        if key not in self.files:
            return _ABSENT
        found = self.files[key]
        lines = ("HTTP/1.1 200 OK", 'ETag: "made"', "Last-Modified: Sat, 21 Nov 2026 11:00:00 GMT")
        return ("\r\n".join(lines) + f"\r\nContent-Length: {len(found)}\r\n\r\n").encode() + found


@contextlib.asynccontextmanager
async def _bucket(on: Fleet, *faults: str) -> AsyncGenerator[Bucket]:
    """Let workers keep their files in a bucket of ours for as long as the block lasts."""
    bucket = Bucket(faults)
    server = await asyncio.start_server(bucket.serve, "127.0.0.1", 0)
    settings = {
        "REELWRIGHT_STORAGE_URL": "s3://reels",
        "AWS_ENDPOINT": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "chaos",
        "AWS_SECRET_ACCESS_KEY": "chaos",
        "AWS_REGION": "local",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
    }
    try:
        async with refitted(on.workers, settings):
            yield bucket
    finally:
        server.close()


@makes("F60")
async def store_fails(on: Fleet) -> None:
    """Each file is refused, cut off, and stored without a word, before it is stored: it costs time and nothing else."""
    async with _bucket(on, "slow down", "reset", "unheard") as bucket:
        generation = await on.order(topic="fetch VIDEO_ASSEMBLY")
        await once_each(on, generation)
        rows = await on.rows(_KEYS, id=generation)
    assert {row.key: row.size_bytes for row in rows} == {key: len(file) for key, file in bucket.files.items()}
    assert set(bucket.tried.values()) == {4}
    bucket.moved(on.folder / "artefacts")


def _flip(file: Path) -> None:
    first, *rest = file.read_bytes()
    file.write_bytes(bytes([first ^ 1, *rest]))


@makes("F61", quick=True)
async def store_forgets_bits(on: Fleet) -> None:
    """What comes back is compared with what was made: nothing is built on it, and it is asked for again."""
    generation = await on.order(topic="fetch VIDEO_ASSEMBLY")
    worker = await on.strike("stage.VIDEO_ASSEMBLY.before_provider=sleep:1500@1")
    file = on.folder / "artefacts" / await on.one(_MIX, id=generation)
    _flip(file)
    try:
        await wait_until(
            lambda: worker.said("stage.attempt_failed", "storage.corrupt"), timeout=PATIENCE_S, message="not noticed"
        )
    finally:
        _flip(file)
    await succeeded(on, generation)

"""What must be true outside the tables: storage, Redis, processes and work folders (I8, I12, I13 of the reference)."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text

from reelwright.ground import clock
from reelwright.ground.postgres import Database

_KEYS = text("SELECT key, size_bytes FROM artefacts")
_UPLOADS = text("SELECT key FROM uploads")
_LIVE = text("SELECT id FROM generations WHERE ended_at IS NULL")


async def faults(db: Database, redis: Redis, folder: Path) -> list[str]:
    """Return everything that isn't as it must be once nothing runs any more, one sentence each."""
    return [
        *await _files(db, folder / "artefacts"),
        *await _redis(db, redis),
        *(f"{name} was left in the work folder" for name in _left(folder / "work")),
        *orphans(folder / "work"),
    ]


def _left(workspace: Path) -> list[str]:
    return [str(place.relative_to(workspace)) for place in workspace.glob("*/*") if place.name != ".lock"]


def _stored(folder: Path) -> dict[str, int]:
    return {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*") if file.is_file()}


async def _files(db: Database, folder: Path) -> list[str]:
    """Every row has its file, of its size; every file has a row, or an upload's row by which it is cleared away."""
    async with db.begin() as tx:
        rows = {row.key: row.size_bytes for row in await tx.execute(_KEYS)}
        begun = set(await tx.scalars(_UPLOADS))
    stored = _stored(folder)
    return [
        *(f"no file of {size} bytes for {key}" for key, size in rows.items() if stored.get(key) != size),
        *(f"nobody knows the stored file {key}" for key in stored if key not in rows and key not in begun),
    ]


async def _redis(db: Database, redis: Any) -> list[str]:
    """No lease or place is held for work that has ended, and no key lives for ever."""
    async with db.begin() as tx:
        live = {str(generation) for generation in await tx.scalars(_LIVE)}
    now_ms = clock.now().timestamp() * 1000
    found = [f"{key.decode()} never expires" async for key in redis.scan_iter() if await redis.pttl(key) == -1]
    async for key in redis.scan_iter("app:conc:*:leases"):
        held = {member.decode() for member in await redis.zrangebyscore(key, now_ms, "+inf")}
        found += [f"{key.decode()} keeps a lease for {member}" for member in held - live]
    return found


def orphans(marker: Path) -> list[str]:
    """Return processes that name our folder and whose parent is gone: media programs that outlived their worker."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes()
            state, parent = (entry / "stat").read_text().rpartition(") ")[2].split()[:2]
        except OSError:
            continue
        if str(marker).encode() in line and parent == "1" and state != "Z":
            found.append(f"process {entry.name} has no parent: {line[:80]!r}")
    return found


SOON = timedelta(seconds=10)
"""How late anything may be in a test's shrunk times before nobody cares for it."""

"""What people upload: judged, kept once, given out by signed links, and its files removed when nothing names them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from reelwright.accounts import Account, Export, Exports, Replays, RequestKey
from reelwright.generations import Artefacts
from reelwright.ground import log
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, ArtefactId, fresh
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage
from reelwright.library import (
    BrandKits,
    Inspected,
    LooseFiles,
    Media,
    MediaKind,
    StoredFile,
    Upload,
    saved_file,
    uploaded,
)

_log = log.logger("journeys.media")
_BATCH, _MOST = 50, 500
_LOOSE = timedelta(hours=1)
"""Longer than any upload takes from its first byte in storage to its row."""

Inspect = Callable[[Path, Path], Awaitable[Inspected]]
"""Judges the first file and writes what is kept of it to the second. Raises MediaRefused, Outage."""


class MediaInUse(Refusal):
    """A brand kit shows the upload; `extra` says which."""

    kind = Kind.CONFLICT
    code = "media.in_use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """An upload as it came: where its bytes lie, their SHA-256, and what its sender calls it, made safe to say."""

    path: Path
    sha256: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The upload, and whether it is this request's own: another may have sent the same bytes, or it is a repeat."""

    upload: Upload
    new: bool


async def keep(
    account: Account,
    arrived: Arrived,
    *,
    inspect: Inspect,
    db: Database,
    storage: Storage,
    request: RequestKey | None = None,
) -> Kept:
    """Judge an upload and keep the copy that was written of it; the same bytes are kept once for each account.

    The copy is noted as a loose file before its first byte is stored, so that a crash leaves nothing unfindable.
    Raises MediaRefused, NoRoom, KeyReused, MediaUnknown (a repeat whose upload was deleted), Outage.
    """
    if (known := await _known(account.id, arrived, db=db, request=request)) is not None:
        return known
    copy = arrived.path.with_name("kept")
    found = await inspect(arrived.path, copy)
    media_id = fresh()
    key = f"media/{account.id}/{media_id}.{found.extension}"
    async with db.begin() as tx:
        await LooseFiles(session=tx).add(key)
    stored = await storage.put(key, copy)
    upload = Upload(
        id=media_id,
        kind=found.kind,
        name=f"{arrived.name}.{found.extension}",
        file=StoredFile(
            key=key,
            media_type=found.media_type,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            duration_ms=found.duration_ms,
        ),
        width=found.width,
        height=found.height,
    )
    try:
        return await _recorded(account.id, upload, arrived, db=db, request=request)
    except _OvertakenError:  # the claim goes back with the transaction, and is made for the upload that came first
        return await keep(account, arrived, inspect=inspect, db=db, storage=storage, request=request)


async def _recorded(
    account: AccountId, upload: Upload, arrived: Arrived, *, db: Database, request: RequestKey | None
) -> Kept:
    async with db.begin() as tx:
        if (made := await Replays(session=tx).claim(account, request, upload.id)) is not None:
            return Kept(upload=await Media(tx, account).get(made), new=False)
        kept = await Media(tx, account).add(upload, source_sha256=arrived.sha256)
        if kept is None:
            raise _OvertakenError
        await LooseFiles(session=tx).recorded(upload.file.key)
    _log.info("media.kept", account_id=str(account), media=str(kept.id), kind=kept.kind, bytes=kept.file.size_bytes)
    return Kept(upload=kept, new=True)


class _OvertakenError(Exception):
    """The same bytes were kept by another request while this one looked at them."""


async def _known(account: AccountId, arrived: Arrived, *, db: Database, request: RequestKey | None) -> Kept | None:
    """Return the upload that these bytes are already; None where they are new and there is room. Raises NoRoom."""
    async with db.begin() as tx:
        media = Media(tx, account)
        if (same := await media.same(arrived.sha256)) is None:
            await media.check_room(1)
            return None
        made = await Replays(session=tx).claim(account, request, same.id)
        return Kept(upload=same if made is None else await media.get(made), new=False)


async def uploads(
    account: AccountId, kind: MediaKind | None, *, after: tuple[datetime, UUID] | None, limit: int, db: Database
) -> list[Upload]:
    """Return so many uploads, newest first, behind the given one. Raises Outage."""
    async with db.begin() as tx:
        return await Media(tx, account).page(kind, after=after, limit=limit)


async def upload(account: AccountId, media_id: UUID, *, db: Database) -> Upload:
    """Return one. Raises MediaUnknown."""
    async with db.begin() as tx:
        return await Media(tx, account).get(media_id)


async def remove(account: AccountId, media_id: UUID, *, db: Database) -> None:
    """Delete one. Its file goes when nothing else claims it: what the library has saved stays.

    Raises MediaUnknown, MediaInUse.
    """
    async with db.begin() as tx:
        await Media(tx, account).get(media_id, lock=True)
        if (kit := await BrandKits(tx, account).with_logo(media_id)) is not None:
            raise MediaInUse(
                f"This upload is the logo of your brand kit {kit.name!r}: give the kit another one, or none, first.",
                extra={"brand_kit_id": str(kit.id)},
            )
        gone = await Media(tx, account).remove(media_id)
        await LooseFiles(session=tx).add(gone.key)
    _log.info("media.removed", account_id=str(account), media=str(media_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """A file that a signed link leads to, and what to call it where it is saved."""

    file: StoredFile
    name: str


async def linked(what: str, wanted: UUID, *, db: Database) -> Linked:
    """Return the file that a link names: of `media`, an `asset`, an `export` or an `artefact`.

    Raises NotFound where it is gone.
    """
    async with db.begin() as tx:
        match what:
            case "media":
                found = await uploaded(tx, wanted)
                if found is not None:
                    return Linked(file=found.file, name=found.name)
            case "asset":
                file = await saved_file(tx, wanted)
                if file is not None:
                    return Linked(file=file, name=f"{wanted}.{file.key.rpartition('.')[2]}")
            case "export":
                archive = await Exports(session=tx).get(wanted)
                if archive is not None and (known := _archived(archive)) is not None:
                    return Linked(file=known, name="reelwright-export.zip")
            case _:
                made = await Artefacts(session=tx).by_id(ArtefactId(wanted))
                if made is not None:
                    known = StoredFile(
                        key=made.key, media_type=made.media_type, size_bytes=made.size_bytes, sha256=made.sha256
                    )
                    return Linked(file=known, name=f"{made.generation_id}.{made.key.rpartition('.')[2]}")
    raise NotFound("What this link led to was deleted.", code="file.gone")


def _archived(archive: Export) -> StoredFile | None:
    if archive.storage_key is None or archive.size_bytes is None or archive.sha256 is None:
        return None
    return StoredFile(
        key=archive.storage_key, media_type="application/zip", size_bytes=archive.size_bytes, sha256=archive.sha256
    )


async def sweep(*, db: Database, storage: Storage, older: timedelta = _LOOSE) -> int:
    """Remove files that have been loose for so long and that nothing names; return how many. Raises Outage.

    Doomed first, in a transaction of its own, so that none can be recorded any more; then deleted; then forgotten: a
    crash between the steps only repeats them.
    """
    removed, after = 0, ""
    for _ in range(_MOST // _BATCH):
        async with db.begin() as tx:
            files = LooseFiles(session=tx)
            keys = await files.due(older, _BATCH, after=after)
            artefacts = await Artefacts(session=tx).named(keys)
            doomed = await files.doom([key for key in await files.unclaimed(keys) if key not in artefacts])
            await files.forget([key for key in keys if key in artefacts or key not in doomed])
        for key in doomed:
            await storage.delete(key)
        if doomed:
            async with db.begin() as tx:
                await LooseFiles(session=tx).forget(doomed)
        removed += len(doomed)
        if len(keys) < _BATCH:
            break
        after = keys[-1]
    return removed

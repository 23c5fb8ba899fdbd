"""Uploads: kept once for each account and content, listed, removed, and never more than there is room for."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row as Record
from sqlalchemy import func, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId
from reelwright.library.model import MediaKind, MediaUnknown, NoRoom, StoredFile, Upload
from reelwright.library.tables import MEDIA

MOST_BYTES = 5 * 1024**3
"""Of uploads that an account may keep, in the library or beside it."""
_HIDDEN = {"account_id", "source_sha256", "deleted_at"}
_COLUMNS = [column for column in MEDIA.c if column.name not in _HIDDEN]
_LAST = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))

# A file counts once, however many rows claim it; what the library has saved counts on when the upload is deleted.
_USED = text(
    """
    SELECT coalesce(sum(size_bytes), 0)::bigint FROM (
        SELECT key, size_bytes FROM media WHERE account_id = :account AND deleted_at IS NULL
        UNION
        SELECT storage_key, size_bytes FROM assets
         WHERE account_id = :account AND deleted_at IS NULL AND kind = 'upload') AS kept
    """
)
_ONE_AT_A_TIME = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('media ' || CAST(CAST(:account AS uuid) AS text), 0))"
)


@dataclass(frozen=True, slots=True)
class Media:
    """An account's uploads, inside one transaction."""

    session: AsyncConnection
    account_id: AccountId

    async def add(self, upload: Upload, *, source_sha256: str) -> Upload | None:
        """Keep an upload; None where the same bytes have been kept in the meantime. Raises NoRoom.

        One account's additions wait for each other, so that they never fill more than its room.
        """
        await self.session.execute(_ONE_AT_A_TIME, {"account": self.account_id})
        await self.check_room(upload.file.size_bytes)
        values = {
            "id": upload.id,
            "account_id": self.account_id,
            "kind": upload.kind,
            "name": upload.name,
            "source_sha256": source_sha256,
            "width": upload.width,
            "height": upload.height,
            **asdict(upload.file),
        }
        kept = insert(MEDIA).values(values).on_conflict_do_nothing().returning(*_COLUMNS)
        row = (await self.session.execute(kept)).one_or_none()
        return None if row is None else _upload(row)

    async def check_room(self, more_bytes: int) -> None:
        """Return if there is room for so much more. Raises NoRoom."""
        used = int(await self.session.scalar(_USED, {"account": self.account_id}) or 0)
        if used + more_bytes > MOST_BYTES:
            raise NoRoom(
                "Your uploads fill their room: delete some you no longer need, then send this one again.",
                extra={"used_bytes": used, "limit_bytes": MOST_BYTES},
            )

    async def same(self, source_sha256: str) -> Upload | None:
        """Return the upload that was made of these bytes."""
        query = select(*_COLUMNS).where(MEDIA.c.source_sha256 == source_sha256, *self._mine())
        row = (await self.session.execute(query)).one_or_none()
        return None if row is None else _upload(row)

    async def get(self, media_id: UUID, *, keep: bool = False, lock: bool = False) -> Upload:
        """Return one; with `keep` it can't be deleted before this transaction ends, with `lock` not be kept either.

        Raises MediaUnknown where there is none, it was deleted or belongs to another.
        """
        query = select(*_COLUMNS).where(MEDIA.c.id == media_id, *self._mine())
        row = (await self.session.execute(query.with_for_update(read=keep) if keep or lock else query)).one_or_none()
        if row is None:
            raise MediaUnknown("There is no such upload.")
        return _upload(row)

    async def page(self, kind: MediaKind | None, *, after: tuple[datetime, UUID] | None, limit: int) -> list[Upload]:
        """Return so many, newest first, from behind the one made then with that id."""
        query = select(*_COLUMNS).where(*self._mine())
        if kind is not None:
            query = query.where(MEDIA.c.kind == kind)
        if after is not None:
            at, last = literal(after[0], MEDIA.c.created_at.type), literal(after[1], MEDIA.c.id.type)
            query = query.where(tuple_(MEDIA.c.created_at, MEDIA.c.id) < tuple_(at, last))
        ordered = query.order_by(MEDIA.c.created_at.desc(), MEDIA.c.id.desc()).limit(limit)
        return [_upload(row) for row in (await self.session.execute(ordered)).all()]

    async def remove(self, media_id: UUID) -> StoredFile:
        """Delete one; return its file. Raises MediaUnknown."""
        gone = update(MEDIA).where(MEDIA.c.id == media_id, *self._mine()).values(deleted_at=func.now())
        row = (await self.session.execute(gone.returning(*_COLUMNS))).one_or_none()
        if row is None:
            raise MediaUnknown("There is no such upload.")
        return _upload(row).file

    def _mine(self) -> tuple[Any, ...]:
        return (MEDIA.c.account_id == self.account_id, MEDIA.c.deleted_at.is_(None))


async def uploaded(session: AsyncConnection, media_id: UUID) -> Upload | None:
    """Return an upload, whoever owns it: for the bearer of a signed link. None where it is gone."""
    query = select(*_COLUMNS).where(MEDIA.c.id == media_id, MEDIA.c.deleted_at.is_(None))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _upload(row)


def _upload(row: Record[Any]) -> Upload:
    return Upload(
        id=row.id,
        kind=MediaKind(row.kind),
        name=row.name,
        file=StoredFile(
            key=row.key,
            media_type=row.media_type,
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            duration_ms=row.duration_ms,
        ),
        width=row.width,
        height=row.height,
        created_at=row.created_at,
    )

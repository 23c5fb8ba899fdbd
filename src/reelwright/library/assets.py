"""Assets: saved, found, edited one version after the other, and removed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row as Record
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Statement, rows
from reelwright.ground.versions import Versions, meant_for
from reelwright.library.model import (
    Asset,
    AssetChanged,
    AssetFilter,
    AssetKind,
    AssetStatus,
    AssetUnknown,
    StoredFile,
    Words,
)
from reelwright.library.tables import ASSETS
from reelwright.library.terms import terms_of, terms_wanted

_HIDDEN = {"account_id", "terms", "deleted_at"}
_COLUMNS = [column for column in ASSETS.c if column.name not in _HIDDEN]
_FILE = ("key", "media_type", "size_bytes", "sha256", "duration_ms")
_PLAIN = [column.name for column in _COLUMNS if column.name not in {"words", "storage_key", *_FILE}]
_INNER = ", ".join([*_PLAIN, "storage_key", *_FILE[1:]])
_EDITABLE = frozenset({"title", "platform", "tags", "status"})
_NEAR, _FAR = 500, 12_000
"""How many of the newest assets are looked at one by one before the index is asked for all that match. What many have
is found among the newest, what few have is a short list in the index; in between, a few found near promise a page far.
"""
_PROMISING = 8
_LAST = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))

_SHOWN = ", ".join(f"'{name}', {name}" for name in _PLAIN)
_STORED = ", ".join(f"'{name}', {'storage_key' if name == 'key' else name}" for name in _FILE)


def _paged(found: str) -> Statement:
    """Return the statement for the page of these rows, as one JSON text of `Asset`s without words; NULL for none."""
    return Statement(
        f"""
        SELECT CAST(json_agg(json_build_object({_SHOWN},
                   'file', CASE WHEN storage_key IS NOT NULL THEN json_build_object({_STORED}) END)) AS text) AS page
          FROM ({found}) AS page
        """  # noqa: S608 - assembled from constants
    )


_PAGE = _paged(
    f"""
    SELECT {_INNER} FROM assets
     WHERE account_id = :account AND deleted_at IS NULL AND (created_at, id) < (:at, :last)
     ORDER BY created_at DESC, id DESC LIMIT :limit
    """  # noqa: S608 - assembled from constants
)
# A subquery with its own LIMIT and order: the walk stops as soon as the page is full.
_AMONG_THE_NEWEST = _paged(
    f"""
    SELECT * FROM (
        SELECT {_INNER}, terms FROM assets
         WHERE account_id = :account AND deleted_at IS NULL AND (created_at, id) < (:at, :last)
         ORDER BY created_at DESC, id DESC LIMIT :window) AS newest
     WHERE terms @> :terms ORDER BY created_at DESC, id DESC LIMIT :limit
    """  # noqa: S608 - the same
)
# The account is in the terms: named beside them, it would make the planner walk all that the account has.
_BY_INDEX = _paged(
    f"""
    WITH found AS MATERIALIZED (
        SELECT id, account_id, created_at FROM assets WHERE terms @> :terms AND deleted_at IS NULL)
    , page AS MATERIALIZED (
        SELECT id FROM found WHERE account_id = :account AND (created_at, id) < (:at, :last)
         ORDER BY created_at DESC, id DESC LIMIT :limit)
    SELECT {_INNER} FROM assets WHERE id IN (SELECT id FROM page) ORDER BY created_at DESC, id DESC
    """  # noqa: S608 - the same
)
_page = msgspec.json.Decoder(list[Asset])


@dataclass(frozen=True, slots=True)
class Assets:
    """An account's assets, inside one transaction."""

    session: AsyncConnection
    account_id: AccountId

    async def add(self, asset: Asset) -> Asset:
        """Keep a new asset and return it as it is now. Raises IntegrityError where the id is taken."""
        values = {
            "id": asset.id,
            "account_id": self.account_id,
            "kind": asset.kind,
            "status": asset.status,
            "title": asset.title,
            "platform": asset.platform,
            "tags": list(asset.tags),
            "words": asdict(asset.words),
            "terms": terms_of(self.account_id, asset),
            "draft_id": asset.draft_id,
            "variant_id": asset.variant_id,
            "generation_id": asset.generation_id,
            "media_id": asset.media_id,
            **_file_values(asset.file),
        }
        return _asset((await self.session.execute(insert(ASSETS).values(values).returning(*_COLUMNS))).one())

    async def get(self, asset_id: UUID) -> Asset:
        """Return one. Raises AssetUnknown where there is none, it was deleted or belongs to another."""
        return await self._get(asset_id, lock=False)

    async def _get(self, asset_id: UUID, *, lock: bool) -> Asset:
        query = select(*_COLUMNS).where(*self._own(asset_id))
        row = (await self.session.execute(query.with_for_update(key_share=True) if lock else query)).one_or_none()
        if row is None:
            raise AssetUnknown("There is no such asset.")
        return _asset(row)

    async def page(self, wanted: AssetFilter, *, after: tuple[datetime, UUID] | None, limit: int) -> list[Asset]:
        """Return so many that have all that is wanted, newest first, from behind the one made then with that id.

        They come without their words, which may be long.
        """
        at, last = after or _LAST
        values: dict[str, object] = {"account": self.account_id, "at": at, "last": last, "limit": limit}
        if not (terms := terms_wanted(self.account_id, wanted)):
            return await self._paged(_PAGE, values)
        values["terms"] = terms
        found = await self._paged(_AMONG_THE_NEWEST, values | {"window": _NEAR})
        if limit > len(found) > limit // _PROMISING:
            found = await self._paged(_AMONG_THE_NEWEST, values | {"window": _FAR})
        return found if len(found) == limit else await self._paged(_BY_INDEX, values)

    async def _paged(self, statement: Statement, values: Mapping[str, object]) -> list[Asset]:
        [row] = await rows(self.session, statement, values)
        return _page.decode(row["page"] or "[]")

    async def change(self, asset_id: UUID, changes: Mapping[str, object], *, expected_version: Versions) -> Asset:
        """Change title, platform, tags or status and return the asset as it is now, one version on.

        Raises AssetUnknown, AssetChanged (where the version isn't the expected one).
        """
        if unknown := changes.keys() - _EDITABLE:
            raise ValueError(f"not editable: {sorted(unknown)}")
        present = await self._get(asset_id, lock=True)
        if not meant_for(present.version, expected_version):
            sentence = "The asset was changed meanwhile: read it again and repeat your change."
            raise AssetChanged(sentence, extra={"version": present.version})
        new = replace(present, **changes)  # type: ignore[arg-type] - the names were checked above, the door's types too
        values = {
            "title": new.title,
            "platform": new.platform,
            "tags": list(new.tags),
            "status": new.status,
            "terms": terms_of(self.account_id, new),
            "version": ASSETS.c.version + 1,
            "updated_at": func.now(),
        }
        edit = update(ASSETS).where(ASSETS.c.id == asset_id).values(values).returning(*_COLUMNS)
        return _asset((await self.session.execute(edit)).one())

    async def remove(self, asset_id: UUID) -> StoredFile | None:
        """Delete one; return the file that it claimed, if any. Raises AssetUnknown."""
        gone = (
            update(ASSETS)
            .where(*self._own(asset_id))
            .values(deleted_at=func.now(), version=ASSETS.c.version + 1)
            .returning(*_COLUMNS)
        )
        row = (await self.session.execute(gone)).one_or_none()
        if row is None:
            raise AssetUnknown("There is no such asset.")
        return _asset(row).file

    def _own(self, asset_id: UUID) -> tuple[Any, ...]:
        return (ASSETS.c.id == asset_id, ASSETS.c.account_id == self.account_id, ASSETS.c.deleted_at.is_(None))


async def saved_file(session: AsyncConnection, asset_id: UUID) -> StoredFile | None:
    """Return the file of an asset, whoever owns it: for the bearer of a signed link. None where it is gone."""
    query = select(*_COLUMNS).where(ASSETS.c.id == asset_id, ASSETS.c.deleted_at.is_(None))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _asset(row).file


async def claimed(session: AsyncConnection, keys: Sequence[str]) -> set[str]:
    """Return those of these files that an asset has claimed: whoever else named them, they must stay in storage."""
    query = select(ASSETS.c.storage_key).where(ASSETS.c.storage_key.in_(keys), ASSETS.c.deleted_at.is_(None))
    return set(await session.scalars(query)) if keys else set()


def _file_values(file: StoredFile | None) -> dict[str, object]:
    if file is None:
        return {}
    values = asdict(file)
    return {"storage_key": values.pop("key"), **values}


def _asset(row: Record[Any]) -> Asset:
    file = None
    if row.storage_key is not None:
        file = StoredFile(
            key=row.storage_key,
            media_type=row.media_type,
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            duration_ms=row.duration_ms,
        )
    return Asset(
        id=row.id,
        kind=AssetKind(row.kind),
        title=row.title,
        status=AssetStatus(row.status),
        platform=row.platform,
        tags=tuple(row.tags),
        words=msgspec.convert(row.words, Words),
        draft_id=row.draft_id,
        variant_id=row.variant_id,
        generation_id=row.generation_id,
        media_id=row.media_id,
        file=file,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )

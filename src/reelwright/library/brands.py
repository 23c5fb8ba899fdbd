"""Brand kits as their owners keep them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId
from reelwright.library.brand_tables import BRAND_KITS
from reelwright.library.tables import MEDIA

MOST_KITS = 50

_COLUMNS = [column for column in BRAND_KITS.c if column.name != "account_id"]
_LOCKED = text("SELECT pg_advisory_xact_lock(hashtextextended('brand kits ' || CAST(:account AS text), 0))")
_REMOVE = text("DELETE FROM brand_kits WHERE id = :id AND account_id = :account")


class TooManyKits(Refusal):
    kind = Kind.CONFLICT
    code = "brand_kit.too_many"


class KitChanged(Refusal):
    """Somebody else has edited the kit since it was read; `extra` holds the version it has now."""

    kind = Kind.STALE
    code = "brand_kit.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandKit:
    """A kit: colours as #RRGGBB, the logo's width as a share of the frame's, titles of 1 to 60 characters or None.

    Without a box colour each caption style has its own.
    `version` counts the edits. Corner, share and lengths are kept while there is no logo or title.
    """

    id: UUID
    name: str
    font: str
    text_colour: str
    highlight_colour: str
    box_colour: str | None
    logo_media_id: UUID | None
    logo_corner: str
    logo_share: float
    intro_text: str | None
    intro_ms: int
    outro_text: str | None
    outro_ms: int
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoFile:
    """A kit's logo, as it lies in storage."""

    id: UUID
    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class BrandKits:
    """One account's kits, inside one transaction."""

    session: AsyncConnection
    account: AccountId

    async def add(self, kit_id: UUID, values: Mapping[str, object]) -> BrandKit:
        """Keep a new kit. Raises TooManyKits."""
        await self.session.execute(_LOCKED, {"account": str(self.account)})
        held = select(func.count()).select_from(BRAND_KITS).where(BRAND_KITS.c.account_id == self.account)
        if (await self.session.scalar(held) or 0) >= MOST_KITS:
            raise TooManyKits(f"An account has at most {MOST_KITS} brand kits: delete one first.")
        added = insert(BRAND_KITS).values(id=kit_id, account_id=self.account, **values).returning(*_COLUMNS)
        return _kit((await self.session.execute(added)).mappings().one())

    async def get(self, kit_id: UUID) -> BrandKit | None:
        """Return one, or None where there is none or it is another's."""
        row = (await self.session.execute(select(*_COLUMNS).where(*self._own(kit_id)))).mappings().one_or_none()
        return None if row is None else _kit(row)

    async def chosen(self, kit_id: UUID) -> tuple[BrandKit, LogoFile | None] | None:
        """Return one with its logo's file; None where there is none or it is another's. One indexed query."""
        query = (
            select(*_COLUMNS, MEDIA.c.key, MEDIA.c.sha256)
            .select_from(BRAND_KITS.outerjoin(MEDIA, MEDIA.c.id == BRAND_KITS.c.logo_media_id))
            .where(*self._own(kit_id))
        )
        row = (await self.session.execute(query)).mappings().one_or_none()
        if row is None:
            return None
        known: dict[Any, Any] = dict(row)
        key, sha256 = known.pop("key"), known.pop("sha256")
        kit = _kit(known)
        return kit, None if kit.logo_media_id is None else LogoFile(id=kit.logo_media_id, key=key, sha256=sha256)

    async def page(self, *, before: tuple[datetime, UUID] | None, limit: int) -> list[BrandKit]:
        """Return so many of them, newest first, from behind the one made then with that id."""
        query = select(*_COLUMNS).where(BRAND_KITS.c.account_id == self.account)
        if before is not None:
            at, last = literal(before[0], BRAND_KITS.c.created_at.type), literal(before[1], BRAND_KITS.c.id.type)
            query = query.where(tuple_(BRAND_KITS.c.created_at, BRAND_KITS.c.id) < tuple_(at, last))
        query = query.order_by(BRAND_KITS.c.created_at.desc(), BRAND_KITS.c.id.desc()).limit(limit)
        return [_kit(row) for row in (await self.session.execute(query)).mappings()]

    async def lock(self, kit_id: UUID) -> BrandKit:
        """Return one and keep everyone else from changing it until the commit. Raises NotFound."""
        locked = select(*_COLUMNS).where(*self._own(kit_id)).with_for_update(key_share=True)
        row = (await self.session.execute(locked)).mappings().one_or_none()
        if row is None:
            raise unknown_kit()
        return _kit(row)

    async def change(self, kit_id: UUID, changes: Mapping[str, object]) -> BrandKit:
        """Change one that this transaction has locked, and return it, one version on."""
        edit = (
            update(BRAND_KITS)
            .where(*self._own(kit_id))
            .values(**changes, version=BRAND_KITS.c.version + 1, updated_at=func.clock_timestamp())
            .returning(*_COLUMNS)
        )
        return _kit((await self.session.execute(edit)).mappings().one())

    async def remove(self, kit_id: UUID) -> None:
        """Delete one. Raises NotFound."""
        if not (await self.session.execute(_REMOVE, {"id": kit_id, "account": self.account})).rowcount:
            raise unknown_kit()

    async def with_logo(self, media_id: UUID) -> BrandKit | None:
        """Return a kit whose logo is this upload, or None."""
        query = select(*_COLUMNS).where(BRAND_KITS.c.logo_media_id == media_id).limit(1)
        row = (await self.session.execute(query)).mappings().one_or_none()
        return None if row is None else _kit(row)

    def _own(self, kit_id: UUID) -> tuple[Any, ...]:
        return (BRAND_KITS.c.id == kit_id, BRAND_KITS.c.account_id == self.account)


def unknown_kit() -> NotFound:
    """Return the refusal for a kit that isn't there, or is another's."""
    return NotFound("There is no such brand kit.", code="brand_kit.not_found")


def _kit(row: Mapping[Any, Any]) -> BrandKit:
    return BrandKit(**row)

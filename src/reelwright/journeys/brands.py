"""Brand kits: kept, changed and deleted by their owners, and settled as they are at an order."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import library
from reelwright.accounts import Replays, RequestKey
from reelwright.generations import Brand, Corner, Draft, Drafts, Generation, Kit, Logo, Title
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import AccountId, fresh
from reelwright.ground.postgres import Database
from reelwright.ground.versions import Versions, meant_for
from reelwright.library import BrandKit, BrandKits, LogoFile, Media, MediaKind, MediaUnknown
from reelwright.schedules import Schedules

_OUTLINES = ("#0E0E12", "#FFFFFF")  # what rendering draws round letters: dark, or white round dark ones
LEAST_CONTRAST = 4.5
"""Between letters and what lies behind them: WCAG 2.2, 1.4.3."""


class KitUnknown(Refusal):
    code = "brand_kit.unknown"


class FontUnknown(Refusal):
    code = "brand_kit.font_unknown"


class Unreadable(Refusal):
    """Two colours of a kit are too much alike; `extra` holds both and their ratio."""

    code = "brand_kit.contrast"


class NotALogo(Refusal):
    code = "brand_kit.logo_not_a_picture"


async def add(
    account: AccountId, values: Mapping[str, object], *, request: RequestKey | None, db: Database
) -> tuple[BrandKit, bool]:
    """Keep a new kit; return it, and whether this request had made it before.

    Raises FontUnknown, Unreadable, MediaUnknown, NotALogo, TooManyKits, KeyReused, NotFound where it was deleted since,
    Outage.
    """
    async with db.begin() as tx:
        new, kits = fresh(), BrandKits(tx, account)
        if (made := await Replays(session=tx).claim(account, request, new)) is not None:
            return await _read(kits, made), True
        await _check(tx, account, values, changed=values.keys())
        return await kits.add(new, values), False


async def page(account: AccountId, *, before: tuple[datetime, UUID] | None, limit: int, db: Database) -> list[BrandKit]:
    """Return so many kits, newest first, from behind the one made then with that id. Raises Outage."""
    async with db.single() as tx:
        return await BrandKits(tx, account).page(before=before, limit=limit)


async def read(account: AccountId, kit_id: UUID, *, db: Database) -> BrandKit:
    """Return one kit. Raises NotFound, Outage."""
    async with db.single() as tx:
        return await _read(BrandKits(tx, account), kit_id)


async def change(
    account: AccountId, kit_id: UUID, changes: Mapping[str, object], *, expected_version: Versions, db: Database
) -> BrandKit:
    """Change a kit; what was ordered with it keeps what it was then.

    Raises NotFound, KitChanged, FontUnknown, Unreadable, MediaUnknown, NotALogo, Outage.
    """
    async with db.begin() as tx:
        kits = BrandKits(tx, account)
        found = await kits.lock(kit_id)
        if not meant_for(found.version, expected_version):
            raise library.KitChanged(
                "The brand kit was changed meanwhile: read it again and repeat your change.",
                extra={"version": found.version},
            )
        whole = {name: getattr(found, name) for name in ("font", "text_colour", "highlight_colour", "box_colour")}
        await _check(tx, account, whole | dict(changes), changed=changes.keys())
        return await kits.change(kit_id, changes)


async def remove(account: AccountId, kit_id: UUID, *, db: Database) -> None:
    """Delete a kit. Drafts and schedules that wear it do without from now on; what was ordered with it goes on.

    Raises NotFound.
    """
    async with db.begin() as tx:
        await BrandKits(tx, account).remove(kit_id)
        await Drafts(session=tx).unbrand(account, kit_id)
        await Schedules(session=tx).unbrand(account, kit_id)


async def check(tx: AsyncConnection, account: AccountId, changes: Mapping[str, object]) -> None:
    """Refuse a brand kit among the changes that isn't there. Raises KitUnknown."""
    wanted = changes.get("brand_kit_id")
    if isinstance(wanted, UUID) and await BrandKits(tx, account).get(wanted) is None:
        raise _unknown()


async def chosen(tx: AsyncConnection, draft: Draft) -> Brand:
    """Return what a draft looks like just now: one indexed query where it has a kit, none else. Raises KitUnknown."""
    if draft.brand_kit_id is None:
        return Brand(caption_style=draft.caption_style)
    found = await BrandKits(tx, draft.account_id).chosen(draft.brand_kit_id)
    if found is None:
        raise _unknown()
    return Brand(caption_style=draft.caption_style, kit=_kit(*found))


def kept(generation: Generation | None) -> Brand:
    """Return what a generation looks like, as it was chosen at its order."""
    return msgspec.convert((generation and generation.brand) or {}, Brand)


def _kit(kit: BrandKit, file: LogoFile | None) -> Kit:
    logo = file and Logo(
        id=file.id, key=file.key, sha256=file.sha256, corner=Corner(kit.logo_corner), share=kit.logo_share
    )
    return Kit(
        id=kit.id,
        version=kit.version,
        font=kit.font,
        text=kit.text_colour,
        highlight=kit.highlight_colour,
        box=kit.box_colour,
        logo=logo,
        intro=None if kit.intro_text is None else Title(text=kit.intro_text, duration_ms=kit.intro_ms),
        outro=None if kit.outro_text is None else Title(text=kit.outro_text, duration_ms=kit.outro_ms),
    )


async def _read(kits: BrandKits, kit_id: UUID) -> BrandKit:
    found = await kits.get(kit_id)
    if found is None:
        raise library.unknown_kit()
    return found


async def _check(tx: AsyncConnection, account: AccountId, values: Mapping[str, Any], *, changed: Any) -> None:
    """Refuse what can't be drawn or read. Raises FontUnknown, Unreadable, MediaUnknown, NotALogo."""
    await asyncio.to_thread(_drawable, values)
    logo = values.get("logo_media_id") if "logo_media_id" in changed else None
    if logo is None:
        return
    try:
        upload = await Media(tx, account).get(logo, keep=True)
    except MediaUnknown as unknown:
        raise MediaUnknown(unknown.sentence, field="logo.media_id") from unknown
    if upload.kind is not MediaKind.PICTURE:
        raise NotALogo(
            "logo.media_id: this upload is no picture: send a PNG with a clear ground.", field="logo.media_id"
        )


def _drawable(values: Mapping[str, Any]) -> None:
    from reelwright import rendering  # noqa: PLC0415 - Pillow and ffmpeg's bindings, and only where a kit is written

    if values["font"] not in rendering.FONTS:
        raise FontUnknown(f"font: use one of {', '.join(rendering.FONTS)}.", field="font")
    outline = max(_OUTLINES, key=lambda colour: rendering.contrast(values["text_colour"], colour))
    behind = {"box_colour": values["box_colour"]} if values["box_colour"] else {}
    for name in ("text_colour", "highlight_colour"):
        for ground, colour in {"the captions' outline": outline, **behind}.items():
            ratio = rendering.contrast(values[name], colour)
            if ratio < LEAST_CONTRAST:
                raise Unreadable(
                    f"{name}: {values[name]} on {ground} {colour} has a contrast of {ratio:.1f} : 1, and letters need"
                    f" {LEAST_CONTRAST} : 1: choose one that stands out more from {colour}.",
                    field=name,
                    extra={"colours": [values[name], colour], "ratio": round(ratio, 2)},
                )


def _unknown() -> KitUnknown:
    return KitUnknown("brand_kit_id: there is no such brand kit: GET /v1/brand-kits lists yours.", field="brand_kit_id")

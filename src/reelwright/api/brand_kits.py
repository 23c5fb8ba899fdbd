"""/v1/brand-kits: how a person's reels look, made once and named by drafts."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT
from msgspec import UNSET, Meta, UnsetType

from reelwright.accounts import Account
from reelwright.api.creations import BadField, plain
from reelwright.api.cursors import Cursors
from reelwright.api.idempotency import REPLAYED, request_key
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.generations import Corner
from reelwright.ground.postgres import Database
from reelwright.journeys import brands
from reelwright.library import BrandKit

_Name = Annotated[str, Meta(min_length=1, max_length=80)]
_Font = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$", description="poppins, montserrat, inter, rubik, anton, lora or noto.")
]
_Colour = Annotated[str, Meta(pattern=r"^#[0-9A-Fa-f]{6}$", min_length=7, max_length=7, description="As #RRGGBB.")]
_CardMs = Annotated[int, Meta(ge=1000, le=2000, description="How long it stands, in milliseconds.")]


class LogoChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A picture of yours in a corner of every frame, as wide as `share` of the frame."""

    media_id: UUID
    corner: Corner = Corner.TOP_RIGHT
    share: Annotated[float, Meta(ge=0.05, le=0.25)] = 0.15


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A title on a card in the kit's colours; it makes the reel that much longer."""

    text: Annotated[str, Meta(min_length=1, max_length=60)]
    duration_ms: _CardMs = 1500


class NewBrandKit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A kit to keep. Letters stand out from their ground by 4.5 : 1. Without a box colour each style has its own."""

    name: _Name
    font: _Font = "poppins"
    text_colour: _Colour = "#FFFFFF"
    highlight_colour: _Colour = "#FFDD00"
    box_colour: _Colour | None = None
    logo: LogoChoice | None = None
    intro: Card | None = None
    outro: Card | None = None


class BrandKitPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to change; what is left out stays. Null takes box colour, logo, intro or outro away."""

    name: _Name | UnsetType = UNSET
    font: _Font | UnsetType = UNSET
    text_colour: _Colour | UnsetType = UNSET
    highlight_colour: _Colour | UnsetType = UNSET
    box_colour: _Colour | UnsetType | None = UNSET
    logo: LogoChoice | UnsetType | None = UNSET
    intro: Card | UnsetType | None = UNSET
    outro: Card | UnsetType | None = UNSET


class BrandKitView(msgspec.Struct, frozen=True, kw_only=True):
    """A brand kit. Its id goes into drafts as `brand_kit_id`."""

    id: UUID
    name: str
    font: str
    text_colour: str
    highlight_colour: str
    box_colour: str | None
    logo: LogoChoice | None
    intro: Card | None
    outro: Card | None
    version: int
    created_at: datetime
    updated_at: datetime


class BrandKitsView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of brand kits, newest first. `next_cursor` null: there is no more."""

    brand_kits: tuple[BrandKitView, ...]
    next_cursor: str | None


@post("/brand-kits", status_code=HTTP_201_CREATED, summary="Make a brand kit", tags=["brand kits"])
async def add_brand_kit(
    request: Request[Any, Any, Any],
    data: JSONBody[NewBrandKit],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,  # noqa: ARG001 - for OpenAPI: request_key reads it
) -> Response[BrandKitView]:
    """Keep a brand kit: font and colours of captions, a logo, an intro and an outro. At most 50."""
    kit, repeated = await brands.add(account.id, _columns(data), request=await request_key(request), db=db)
    headers = {"Location": f"/v1/brand-kits/{kit.id}"} | (dict(REPLAYED) if repeated else {})
    return _answer(kit, status=HTTP_201_CREATED, headers=headers)


@get("/brand-kits", summary="List your brand kits", tags=["brand kits"])
async def list_brand_kits(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> BrandKitsView:
    """Return a page of brand kits, newest first."""
    before = None if cursor is None else cursors.opened(cursor)
    found = await brands.page(account.id, before=before, limit=limit + 1, db=db)
    more = found[limit - 1] if len(found) > limit else None
    return BrandKitsView(
        brand_kits=tuple(_view(kit) for kit in found[:limit]),
        next_cursor=None if more is None else cursors.after(more.created_at, more.id),
    )


@get("/brand-kits/{brand_kit_id:uuid}", summary="Read a brand kit", tags=["brand kits"])
async def read_brand_kit(
    brand_kit_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> Response[BrandKitView]:
    """Return one brand kit."""
    return _answer(await brands.read(account.id, brand_kit_id, db=db))


@patch("/brand-kits/{brand_kit_id:uuid}", summary="Change a brand kit", tags=["brand kits"])
async def change_brand_kit(
    brand_kit_id: FromPath[UUID],
    data: JSONBody[BrandKitPatch],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    if_match: IfMatch = None,
) -> Response[BrandKitView]:
    """Change a brand kit; what was ordered with it keeps what it was then. Rendering again takes it over.

    Other colours, another font or logo draw captions anew and nothing else; another intro or outro the sound too.
    """
    changes = _columns(data)
    if not changes:
        raise BadField("Send at least one field to change.")
    kit = await brands.change(account.id, brand_kit_id, changes, expected_version=expected(if_match), db=db)
    return _answer(kit)


@delete(
    "/brand-kits/{brand_kit_id:uuid}",
    status_code=HTTP_204_NO_CONTENT,
    summary="Delete a brand kit",
    tags=["brand kits"],
)
async def delete_brand_kit(
    brand_kit_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> None:
    """Delete a brand kit. Drafts that have it are without one from then on; what was ordered with it goes on."""
    await brands.remove(account.id, brand_kit_id, db=db)


def _columns(data: NewBrandKit | BrandKitPatch) -> dict[str, object]:
    """Return what was sent, by column. Raises BadField."""
    sent = {name: value for name in data.__struct_fields__ if (value := getattr(data, name)) is not UNSET}
    columns: dict[str, object] = {}
    for name, value in sent.items():
        match value:
            case LogoChoice():
                columns |= {"logo_media_id": value.media_id, "logo_corner": value.corner, "logo_share": value.share}
            case Card():
                text = plain(value.text, field=f"{name}.text")
                columns |= {f"{name}_text": text, f"{name}_ms": value.duration_ms}
            case None:
                columns[{"logo": "logo_media_id", "box_colour": "box_colour"}.get(name, f"{name}_text")] = None
            case _:
                columns[name] = value.upper() if name.endswith("_colour") else value
    if "name" in columns:
        columns["name"] = plain(str(columns["name"]), field="name")
    return columns


def _answer(
    kit: BrandKit, *, status: int = HTTP_200_OK, headers: dict[str, str] | None = None
) -> Response[BrandKitView]:
    return Response(_view(kit), status_code=status, headers={**etag(kit.version), **(headers or {})})


def _view(kit: BrandKit) -> BrandKitView:
    logo = kit.logo_media_id and LogoChoice(
        media_id=kit.logo_media_id, corner=Corner(kit.logo_corner), share=kit.logo_share
    )
    return BrandKitView(
        id=kit.id,
        name=kit.name,
        font=kit.font,
        text_colour=kit.text_colour,
        highlight_colour=kit.highlight_colour,
        box_colour=kit.box_colour,
        logo=logo,
        intro=None if kit.intro_text is None else Card(text=kit.intro_text, duration_ms=kit.intro_ms),
        outro=None if kit.outro_text is None else Card(text=kit.outro_text, duration_ms=kit.outro_ms),
        version=kit.version,
        created_at=kit.created_at,
        updated_at=kit.updated_at,
    )

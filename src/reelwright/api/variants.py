"""Variants, the stories of a draft: read, edited, and made anew in parts."""

import re
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED
from msgspec import UNSET, Meta, UnsetType

from reelwright.accounts import Account, Scope
from reelwright.admission import Gate
from reelwright.api.creations import Accepted, BadField, OnceOrDry, plain
from reelwright.api.previews import FORESEEN, PreviewView
from reelwright.api.regenerations import RegenerateRequest, Target, ordered
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.api.views import VariantView, variant_view
from reelwright.generations import Part
from reelwright.ground.ids import VariantId
from reelwright.ground.postgres import Database
from reelwright.journeys import editing
from reelwright.journeys.ordering import Terms

_HASHTAG = re.compile(r"#?(?=\w*[^\W\d_])\w{1,60}")
_Tag = Annotated[str, Meta(min_length=1, max_length=61, description="Letters, digits and _, with or without its #.")]


class VariantChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fields to change; those left out stay. A new hook is spoken too, where the first scene began with the old."""

    title: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    hook: Annotated[str, Meta(min_length=1, max_length=300)] | UnsetType = UNSET
    synopsis: Annotated[str, Meta(min_length=1, max_length=2000)] | UnsetType = UNSET
    caption: Annotated[str, Meta(min_length=1, max_length=2200)] | UnsetType = UNSET
    hashtags: Annotated[tuple[_Tag, ...], Meta(max_length=30)] | UnsetType = UNSET

    def changes(self) -> dict[str, object]:
        """Return what to change, by field. Raises BadField."""
        given = {name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) is not UNSET}
        if not given:
            raise BadField("Send at least one field to change.")
        changed: dict[str, object] = {
            name: plain(value, field=name) for name, value in given.items() if name != "hashtags"
        }
        return changed | ({"hashtags": _hashtags(self.hashtags)} if not isinstance(self.hashtags, UnsetType) else {})


class VariantPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of the variant to make anew; a scene's text, picture or voice needs its scene."""

    part: Part
    scene: Annotated[int, Meta(ge=0, le=99, description="Which scene, from 0.")] | None = None
    expected_price: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None


def _hashtags(tags: tuple[str, ...]) -> tuple[str, ...]:
    for tag in tags:
        if not _HASHTAG.fullmatch(tag):
            raise BadField("hashtags: use letters, digits and _, with at least one letter.", field="hashtags")
    bare = {tag.lstrip("#").casefold(): tag.lstrip("#") for tag in reversed(tags)}
    if len(bare) != len(tags):
        raise BadField("hashtags: name each only once.", field="hashtags")
    return tuple(tag.lstrip("#") for tag in tags)


@get("/variants/{variant_id:uuid}", summary="Read a variant", tags=["stories"])
async def read_variant(
    variant_id: FromPath[VariantId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> Response[VariantView]:
    """Return one story with its scenes, and with each scene the source's sentence that it rests on."""
    _, found = await editing.variant(account.id, variant_id, db=db)
    return Response(variant_view(found), headers=etag(found.version))


@patch("/variants/{variant_id:uuid}", summary="Change a variant", tags=["stories"])
async def change_variant(
    variant_id: FromPath[VariantId],
    data: JSONBody[VariantChange],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    if_match: IfMatch = None,
) -> Response[VariantView]:
    """Change a story's texts; with `If-Match` only if nobody changed it since.

    409 where a generation that goes on has made, or is making, something that this would change. The next render makes
    anew only what was changed.
    """
    changed = await editing.change_story(
        account.id, variant_id, data.changes(), expected_version=expected(if_match), db=db
    )
    return Response(variant_view(changed), headers=etag(changed.version))


@post(
    "/variants/{variant_id:uuid}/regenerate",
    status_code=HTTP_202_ACCEPTED,
    summary="Make a part of a variant anew",
    tags=["stories"],
    opt={"scope": Scope.GENERATIONS_WRITE},
    responses={HTTP_200_OK: FORESEEN},
)
async def regenerate_variant(
    request: Request[Any, Any, Any],
    variant_id: FromPath[VariantId],
    data: JSONBody[VariantPart],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    terms: NamedDependency[Terms],
    *,
    dry_run: FromQuery[bool] = False,
    key: OnceOrDry = None,  # noqa: ARG001 - for OpenAPI: key_of reads them all
) -> Response[Accepted | PreviewView]:
    """Start making a part anew and return at once: as `POST /v1/regenerate` does, at its limits and price."""
    draft_id, _ = await editing.variant(account.id, variant_id, db=db)
    wanted = RegenerateRequest(
        draft_id=draft_id,
        part=Target(data.part),
        scene=data.scene,
        variant_id=variant_id,
        expected_price=data.expected_price,
    )
    return await ordered(request, wanted, account=account, db=db, gate=gate, terms=terms, dry_run=dry_run)

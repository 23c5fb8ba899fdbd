"""A variant's scenes: listed, edited, put in another order, and one's text, picture or voice made anew."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED
from msgspec import UNSET, Meta, UnsetType

from reelwright.accounts import Account, Scope
from reelwright.admission import Gate
from reelwright.api.creations import Accepted, BadField, OnceOrDry, plain
from reelwright.api.idempotency import REPLAYED, request_key
from reelwright.api.previews import FORESEEN, PreviewView
from reelwright.api.regenerations import RegenerateRequest, Target, ordered
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.api.views import ScenesView, scene_view
from reelwright.generations import Motion, MotionKind, Transition, TransitionKind, Variant
from reelwright.ground.errors import NotFound
from reelwright.ground.ids import VariantId
from reelwright.ground.postgres import Database
from reelwright.journeys import editing
from reelwright.journeys.ordering import Terms

_MOST_SCENES = 100


class MotionChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    kind: MotionKind
    amount: Annotated[float, Meta(ge=0, le=0.3, description="0.12 zooms from 1.00 to 1.12.")] = 0.12


class TransitionChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    kind: TransitionKind
    frames: Annotated[int, Meta(ge=0, le=30, description="In frames of 1/30 s.")] = 12


class SceneChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fields to change; those left out stay."""

    narration: Annotated[str, Meta(min_length=1, max_length=1000)] | UnsetType = UNSET
    visual: Annotated[str, Meta(min_length=1, max_length=1000)] | UnsetType = UNSET
    image_prompt: Annotated[str, Meta(min_length=1, max_length=2000)] | UnsetType = UNSET
    duration_ms: Annotated[int, Meta(ge=1000, le=60_000)] | UnsetType = UNSET
    motion: MotionChange | UnsetType = UNSET
    transition: TransitionChange | UnsetType = UNSET

    def changes(self) -> dict[str, object]:
        """Return what to change, by field. Raises BadField."""
        changed: dict[str, object] = {}
        for name in ("narration", "visual", "image_prompt"):
            value = getattr(self, name)
            if value is not UNSET:
                changed[name] = plain(value, field=name)
        if not isinstance(self.duration_ms, UnsetType):
            changed["duration_ms"] = self.duration_ms
        if not isinstance(self.motion, UnsetType):
            changed["motion"] = Motion(kind=self.motion.kind, amount=self.motion.amount)
        if not isinstance(self.transition, UnsetType):
            changed["transition"] = Transition(kind=self.transition.kind, frames=self.transition.frames)
        if not changed:
            raise BadField("Send at least one field to change.")
        return changed


class NewOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The scenes' present positions, each once, in the order that they shall have."""

    order: Annotated[
        tuple[Annotated[int, Meta(ge=0, lt=_MOST_SCENES)], ...], Meta(min_length=1, max_length=_MOST_SCENES)
    ]


class ScenePart(StrEnum):
    TEXT = "text"
    PICTURE = "picture"
    VOICE = "voice"


class SceneRemake(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of the scene to make anew."""

    part: ScenePart
    expected_price: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None


@get("/variants/{variant_id:uuid}/scenes", summary="List a variant's scenes", tags=["stories"])
async def list_scenes(
    variant_id: FromPath[VariantId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> Response[ScenesView]:
    """Return a story's scenes in their order; none before they were planned. The ETag is the story's."""
    _, found = await editing.variant(account.id, variant_id, db=db)
    return _answer(found)


@patch("/variants/{variant_id:uuid}/scenes/{position:int}", summary="Change a scene", tags=["stories"])
async def change_scene(
    variant_id: FromPath[VariantId],
    position: FromPath[int],
    data: JSONBody[SceneChange],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    if_match: IfMatch = None,
) -> Response[ScenesView]:
    """Change one scene; with `If-Match`, the story's ETag, only if nobody changed the story since.

    New words keep the claim only where the source's sentence still says them. 409 where a generation that goes on has
    made, or is making, something that this would change. The next render makes anew only what was changed.
    """
    changed = await editing.change_scene(
        account.id, variant_id, _place(position), data.changes(), expected_version=expected(if_match), db=db
    )
    return _answer(changed)


@post(
    "/variants/{variant_id:uuid}/scenes/reorder",
    status_code=HTTP_200_OK,
    summary="Put a variant's scenes in another order",
    tags=["stories"],
)
async def reorder_scenes(
    request: Request[Any, Any, Any],
    variant_id: FromPath[VariantId],
    data: JSONBody[NewOrder],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    if_match: IfMatch = None,
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,  # noqa: ARG001 - for OpenAPI: request_key reads it
) -> Response[ScenesView]:
    """Move scenes, with everything that is of them; their pictures and voices stay as they are.

    With an `Idempotency-Key` the same request moves them once; with `If-Match` only if nobody changed the story since.
    """
    moved, repeated = await editing.reorder(
        account.id,
        variant_id,
        data.order,
        expected_version=expected(if_match),
        db=db,
        request=await request_key(request),
    )
    return _answer(moved, REPLAYED if repeated else {})


@post(
    "/variants/{variant_id:uuid}/scenes/{position:int}/regenerate",
    status_code=HTTP_202_ACCEPTED,
    summary="Make a scene's text, picture or voice anew",
    tags=["stories"],
    opt={"scope": Scope.GENERATIONS_WRITE},
    responses={HTTP_200_OK: FORESEEN},
)
async def regenerate_scene(
    request: Request[Any, Any, Any],
    variant_id: FromPath[VariantId],
    position: FromPath[int],
    data: JSONBody[SceneRemake],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    terms: NamedDependency[Terms],
    *,
    dry_run: FromQuery[bool] = False,
    key: OnceOrDry = None,  # noqa: ARG001 - for OpenAPI: key_of reads them all
) -> Response[Accepted | PreviewView]:
    """Start making it anew and return at once, with the limits and the price of `POST /v1/regenerate`.

    The next render uses it; a voice is another take of the same words.
    """
    draft_id, _ = await editing.variant(account.id, variant_id, db=db)
    wanted = RegenerateRequest(
        draft_id=draft_id,
        part=Target(f"scene_{data.part}"),
        scene=_place(position),
        variant_id=variant_id,
        expected_price=data.expected_price,
    )
    return await ordered(request, wanted, account=account, db=db, gate=gate, terms=terms, dry_run=dry_run)


def _place(position: int) -> int:
    """Return a position that may be one. Raises NotFound."""
    if not 0 <= position < _MOST_SCENES:
        raise NotFound("There is no such scene: they are counted from 0.", code="scene.not_found")
    return position


def _answer(found: Variant, headers: Mapping[str, str] | None = None) -> Response[ScenesView]:
    view = ScenesView(variant_id=found.id, version=found.version, scenes=tuple(map(scene_view, found.scenes)))
    return Response(view, headers=etag(found.version) | dict(headers or {}))

"""POST /v1/regenerate: make a draft, or one part of one of its variants, anew."""

from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED
from msgspec import Meta

from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.api.creations import Accepted, BadField, OnceOrDry, PauseAfter, accepted, foreseen, key_of, micro_of
from reelwright.api.previews import FORESEEN, PreviewView
from reelwright.generations import Draft, GenerationKind, Part
from reelwright.ground import clock
from reelwright.ground.ids import DraftId, VariantId
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, previewing
from reelwright.journeys.ordering import Order, Terms, order_id


class Target(StrEnum):
    """What is made anew: all of it, or one part."""

    FULL = "full"
    HOOK = "hook"
    CAPTION = "caption"
    HASHTAGS = "hashtags"
    SCENE_TEXT = "scene_text"
    SCENE_PICTURE = "scene_picture"
    SCENE_VOICE = "scene_voice"


class RegenerateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which draft, and what of it. A part is of the variant that is given, else selected, else the newest."""

    draft_id: DraftId
    part: Target
    scene: (
        Annotated[int, Meta(ge=0, le=99, description="Which scene, from 0: for its text, picture or voice.")] | None
    ) = None
    variant_id: VariantId | None = None
    variants: Annotated[int, Meta(ge=1, le=5, description="How many to write: for `full` only.")] | None = None
    expected_price: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    pause_after: PauseAfter = None

    def order(self, *, account: Account, key: str, request_id: str | None) -> Order:
        """Return the order this body and key make. Raises BadField, naming the field and what to do."""
        self._check()
        kind = GenerationKind.REGENERATE_TARGETED
        if self.part is Target.FULL:
            kind = GenerationKind.REGENERATE_FULL
        return Order(
            id=order_id(account.id, kind, key),
            key=key,
            fingerprint=sha256(msgspec.json.encode(self, order="deterministic")).digest(),
            kind=kind,
            draft=Draft(id=self.draft_id, account_id=account.id),
            existing=True,
            variants=self.variants or 1,
            variant=self.variant_id,
            part=None if self.part is Target.FULL else Part(self.part),
            scene=self.scene,
            expected_micro=micro_of(self.expected_price),
            request_id=request_id,
            pause_after=self.pause_after,
        )

    def _check(self) -> None:
        of_scene = self.part is not Target.FULL and Part(self.part).of_scene
        if of_scene and self.scene is None:
            raise BadField(f"scene: say which scene's {self.part.value.removeprefix('scene_')} to make.", field="scene")
        if self.scene is not None and not of_scene:
            raise BadField("scene: leave it out, except for scene_text, scene_picture and scene_voice.", field="scene")
        if self.part is Target.FULL and self.variant_id is not None:
            raise BadField("variant_id: leave it out for full, which writes new variants.", field="variant_id")
        if self.part is not Target.FULL and self.variants is not None:
            raise BadField("variants: leave it out, except for full.", field="variants")


async def ordered(
    request: Request[Any, Any, Any],
    wanted: RegenerateRequest,
    *,
    account: Account,
    db: Database,
    gate: Gate,
    terms: Terms,
    dry_run: bool,
) -> Response[Accepted | PreviewView]:
    """Start a regeneration, or say what it would meet: the one way for every route that makes a part anew."""
    chosen: Any = request.scope.get("request_id")
    order = wanted.order(account=account, key=key_of(request, dry_run=dry_run), request_id=chosen)
    now = clock.now()
    if dry_run:
        return foreseen(await previewing.preview(order=order, account=account, db=db, gate=gate, terms=terms, now=now))
    return accepted(await creation.start(order=order, account=account, db=db, gate=gate, terms=terms, now=now), now=now)


@post(
    "/regenerate",
    status_code=HTTP_202_ACCEPTED,
    summary="Make a draft or a part of it anew",
    tags=["core"],
    responses={HTTP_200_OK: FORESEEN},
)
async def regenerate(
    request: Request[Any, Any, Any],
    data: JSONBody[RegenerateRequest],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    terms: NamedDependency[Terms],
    *,
    dry_run: FromQuery[bool] = False,
    key: OnceOrDry = None,  # noqa: ARG001 - for OpenAPI: key_of reads them all
) -> Response[Accepted | PreviewView]:
    """Start a regeneration and return at once. A dry run writes nothing and needs no key."""
    return await ordered(request, data, account=account, db=db, gate=gate, terms=terms, dry_run=dry_run)

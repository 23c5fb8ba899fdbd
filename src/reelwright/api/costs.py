"""POST /v1/calculate-cost, the exact price of an order; and /v1/admin/action-costs, the price lists behind it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED
from msgspec import Meta

from reelwright.accounts import Account
from reelwright.api.caller import admin_only
from reelwright.api.creations import BadField, Encoding, Worn, key_of
from reelwright.api.credits import whole_micro
from reelwright.api.cursors import Cursors
from reelwright.api.idempotency import Needed, Unkept
from reelwright.billing import MICRO, PublishedList
from reelwright.generations import GenerationKind, Part, Profile
from reelwright.ground import clock
from reelwright.ground.ids import DraftId, VariantId
from reelwright.ground.metering import Action
from reelwright.ground.postgres import Database
from reelwright.journeys import pricing
from reelwright.journeys.ordering import Terms

_REGENERATING = {GenerationKind.REGENERATE_TARGETED, GenerationKind.REGENERATE_FULL}
_REWORKING = {GenerationKind.RENDER} | _REGENERATING
_MOST_A_UNIT = 100_000
_VERSION_BYTES = 4


class CostQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What would be ordered. A draft brings its own duration, brand kit and, where it is rendered, its own scenes.

    A brand kit's cards make the reel longer, and a small profile costs less.
    """

    kind: GenerationKind = GenerationKind.VIDEO
    draft_id: DraftId | None = None
    variant_id: VariantId | None = None
    part: Part | None = None
    scene: Annotated[int, Meta(ge=0, le=99)] | None = None
    duration_s: Annotated[int, Meta(ge=10, le=180, description="Target length in seconds.")] = 30
    variants: Annotated[int, Meta(ge=1, le=5)] = 1
    profile: Encoding = Profile.NORMAL
    brand_kit_id: Worn | None = None

    def check(self) -> None:
        """Raise BadField, naming the field and what to do."""
        if self.kind in _REWORKING and self.draft_id is None:
            raise BadField(f"draft_id: kind {self.kind.value} is of a draft; name it.", field="draft_id")
        if self.kind in _REGENERATING and self.profile is not Profile.NORMAL:
            raise BadField("profile: choose it where you create or render, and leave it out here.", field="profile")
        if (self.part is not None) != (self.kind is GenerationKind.REGENERATE_TARGETED):
            raise BadField("part: name it for kind regenerate_targeted, and only there.", field="part")
        if (self.scene is not None) != (self.part is not None and self.part.of_scene):
            raise BadField(
                "scene: name it for scene_text, scene_picture and scene_voice, and only there.", field="scene"
            )


class CostLineView(msgspec.Struct, frozen=True, kw_only=True):
    """One line: so many of the action's units at this price, in credits."""

    action: Action
    quantity: int
    unit_price: float
    credits: float


class CostView(msgspec.Struct, frozen=True, kw_only=True):
    """The most that the order can cost, in credits: what would be held. Send `price` along as its `expected_price`."""

    price: float
    price_version: int
    lines: list[CostLineView]


class PriceListView(msgspec.Struct, frozen=True, kw_only=True):
    """A price list: credits a unit by action. It prices orders from `effective_from` until the next one's."""

    version: int
    effective_from: datetime
    in_force: bool
    note: str
    created_by: UUID | None
    costs: dict[str, float]


class PriceListsView(msgspec.Struct, frozen=True, kw_only=True):
    """The one that comes into force last first. `next_cursor` is null where none came before."""

    price_lists: list[PriceListView]
    next_cursor: str | None


class NewPriceList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prices that change, in credits a unit; all others stay. `effective_from` (now) may be in the future."""

    costs: Annotated[dict[Action, Annotated[float, Meta(ge=0, le=_MOST_A_UNIT)]], Meta(min_length=1)]
    note: Annotated[str, Meta(max_length=500)] = ""
    effective_from: Annotated[datetime, Meta(tz=True)] | None = None


@post("/calculate-cost", status_code=HTTP_200_OK, summary="Ask what an order would cost", tags=["core"])
async def calculate_cost(
    data: JSONBody[CostQuestion],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    terms: NamedDependency[Terms],
    key: Unkept = None,  # noqa: ARG001 - for OpenAPI
) -> CostView:
    """Return the exact price by line, as the order's hold would be. Nothing is written or counted.

    What a render can take over from the draft's earlier generations costs nothing again.
    """
    data.check()
    quote = await pricing.calculate(
        account,
        kind=data.kind,
        draft_id=data.draft_id,
        variant_id=data.variant_id,
        part=data.part,
        scene=data.scene,
        duration_s=data.duration_s,
        variants=data.variants,
        profile=data.profile,
        brand_kit_id=data.brand_kit_id,
        db=db,
        now=clock.now(),
        places=terms.places,
    )
    return CostView(
        price=quote.total_micro / MICRO,
        price_version=quote.version,
        lines=[
            CostLineView(
                action=line.action,
                quantity=line.quantity,
                unit_price=line.micro / line.quantity / MICRO,
                credits=line.micro / MICRO,
            )
            for line in quote.lines
        ],
    )


@get("/admin/action-costs", guards=[admin_only], summary="List the price lists", tags=["admin"])
async def list_action_costs(
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    cursor: Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
) -> PriceListsView:
    """Return a page of the price lists that there were, are and will be."""
    after = None if cursor is None else int.from_bytes(cursors.place(cursor), "big")
    found, current = await pricing.lists(limit=limit + 1, after=after, db=db)
    page, more = found[:limit], len(found) > limit
    return PriceListsView(
        price_lists=[_view(known, current=current) for known in page],
        next_cursor=cursors.behind(page[-1].version.to_bytes(_VERSION_BYTES, "big")) if more else None,
    )


@post(
    "/admin/action-costs",
    guards=[admin_only],
    status_code=HTTP_201_CREATED,
    summary="Change what actions cost",
    tags=["admin"],
)
async def change_action_costs(
    request: Request[Any, Any, Any],
    data: JSONBody[NewPriceList],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    *,
    key: Needed,  # noqa: ARG001 - for OpenAPI: key_of reads them all
) -> PriceListView:
    """Let a new price list come into force. Work that was ordered before keeps the prices that it was quoted."""
    changes = {
        action: whole_micro(price, field=f"costs.{action.value}", zero=True) for action, price in data.costs.items()
    }
    added = await pricing.publish(
        changes,
        key=key_of(request, dry_run=False),
        note=data.note,
        effective_from=data.effective_from,
        by=account,
        db=db,
        now=clock.now(),
    )
    return _view(added, current=added.version if added.effective_from <= clock.now() else None)


def _view(known: PublishedList, *, current: int | None) -> PriceListView:
    return PriceListView(
        version=known.version,
        effective_from=known.effective_from,
        in_force=known.version == current,
        note=known.note,
        created_by=known.actor,
        costs={action: micro / MICRO for action, micro in known.costs.items()},
    )

"""What an order asks for, and all that must be true of it before anything is taken."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import admission, billing
from reelwright.accounts import Account
from reelwright.admission import Held, Place
from reelwright.generations import (
    Brand,
    Draft,
    Drafts,
    Generation,
    GenerationKind,
    Generations,
    Makers,
    Part,
    Profile,
    Sound,
    Stage,
    Unit,
    Variant,
    Variants,
    hold_to_length,
    pipeline,
    wanted_scenes,
)
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, DraftId, GenerationId, VariantId, derived
from reelwright.journeys import brands, reuse, sounds
from reelwright.journeys.foreknown import Foreknown
from reelwright.journeys.workroom import in_lane

_REGENERATING = (GenerationKind.REGENERATE_TARGETED, GenerationKind.REGENERATE_FULL)
_WRITING = (GenerationKind.SCRIPT, GenerationKind.VIDEO, GenerationKind.REGENERATE_FULL)
_PRICED_PARTS = {Part.SCENE_PICTURE: billing.OrderKind.PICTURE, Part.SCENE_VOICE: billing.OrderKind.VOICE}
RESUMING = "POST /v1/generations/resume"
BATCH = "batch"
"""The lane of what schedules order."""


class PlanLacksIt(Refusal):
    kind = Kind.FORBIDDEN
    code = "plan.required"


class PriceChanged(Refusal):
    kind = Kind.CONFLICT
    code = "price.changed"


class NoSuchStop(Refusal):
    """The generation never comes to the stage that it should pause after."""

    code = "generation.no_such_stage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a caller asked for. `id` is what `order_id` makes, so that a repeat is the same order by construction.

    `draft` is new unless `existing` is set: then only its id counts and the stored draft is used. `part`, and its
    `scene` where it is one's, say what of the variant a targeted regeneration makes anew. `resumes` is the failed one
    that it goes on from. One that is not `counted` takes no units and no cooldown, and meets no limit but credits.
    It rests behind the stage `pause_after`. `route` is the one that its key belongs to, where its kind doesn't say so.
    """

    id: GenerationId
    key: str
    fingerprint: bytes
    kind: GenerationKind
    draft: Draft
    existing: bool = False
    variants: int = 1
    variant: VariantId | None = None
    part: Part | None = None
    scene: int | None = None
    expected_micro: int | None = None
    request_id: str | None = None
    resumes: GenerationId | None = None
    counted: bool = True
    lane: str = "interactive"
    pause_after: Stage | None = None
    route: str | None = None
    profile: Profile = Profile.NORMAL

    @property
    def scope(self) -> str:
        """The route that its Idempotency-Key belongs to."""
        return RESUMING if self.resumes else self.route or scope_of(self.kind)

    @property
    def cooled_draft(self) -> DraftId | None:
        """The draft whose cooldown counts: only regenerations have one."""
        return self.draft.id if self.kind in _REGENERATING else None

    @property
    def generation_units(self) -> int:
        """How many units of the month's pool it takes."""
        return 1 if self.counted else 0

    @property
    def full_units(self) -> int:
        """How many full regenerations it takes."""
        return 1 if self.counted and self.kind is GenerationKind.REGENERATE_FULL else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How this installation starts generations."""

    places: "dict[Stage, Place]"
    deadline: timedelta = timedelta(hours=1)
    most_attempts: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What an order was found to mean. `variant` is the one that is rendered or changed, None where one is written.

    `reused` is what of a render was made before, by the same `makers`, and isn't made or charged again.
    """

    draft: Draft
    variant: Variant | None
    price: billing.Quote
    sound: Sound | None = None
    brand: Brand = field(default_factory=Brand)
    makers: Makers = field(default_factory=dict[Stage, tuple[str, ...]])
    reused: frozenset[Unit] = frozenset()

    @property
    def scenes(self) -> int:
        """How many scenes there are to render, 0 before they are planned."""
        return len(self.variant.scenes) if self.variant else 0


def scope_of(kind: GenerationKind) -> str:
    """Return the route that an Idempotency-Key belongs to: one key on two routes is two orders."""
    return "POST /v1/regenerate" if kind in _REGENERATING else "POST /v1/create"


def order_id(account: AccountId, kind: GenerationKind, key: str) -> GenerationId:
    """Return the id of the order that this key makes, always the same."""
    return GenerationId(derived(account, scope_of(kind), key))


def routed_id(account: AccountId, route: str, key: str) -> GenerationId:
    """Return the id of the order that this key makes at a route of its own, always the same."""
    return GenerationId(derived(account, route, key))


def resumption_id(account: AccountId, key: str) -> GenerationId:
    """Return the id of the generation that resuming with this key makes, always the same."""
    return GenerationId(derived(account, RESUMING, key))


def needed_places(order: Order, terms: Terms) -> list[Place]:
    """Return the places that an order's stages need, one after the other; a part's own where it makes only that."""
    stages = pipeline.stages(order.kind) or [
        pipeline.first(order.kind, scenes=1, part=order.part, scene=order.scene)[0].stage
    ]
    return [terms.places[stage] for stage in stages if stage in terms.places]


def first_place(order: Order, terms: Terms, reused: Collection[Unit] = ()) -> Place | None:
    """Return the place to take at admission; None where nobody knows yet: where a resumed one goes on, its rows say.

    One that reuses what was made before goes on from there, too.
    """
    if order.resumes or reused:
        return None
    people = terms.places.get(pipeline.first(order.kind, scenes=1, part=order.part, scene=order.scene)[0].stage)
    return people and in_lane(people, order.lane)


def for_admission(order: Order, account: Account, terms: Terms, *, reused: Collection[Unit] = ()) -> admission.Order:
    """Return the order in admission's words."""
    return admission.Order(
        account=account.id,
        lease=order.id,
        scope=order.scope,
        key=order.key,
        fingerprint=order.fingerprint.hex(),
        held=Held(plan=account.plan, version=account.plan_version, boost_until=account.boost_until),
        full_units=order.full_units,
        draft=order.cooled_draft,
        place=first_place(order, terms, reused),
    )


async def prepare(
    tx: AsyncConnection,
    order: Order,
    account: Account,
    now: datetime,
    *,
    places: Mapping[Stage, Place] | None = None,
    known: Foreknown | None = None,
) -> Prepared:
    """Read draft, variant and prices, and refuse what the plan lacks or what isn't there.

    `places` say who would do a render's work now: what they made before of the same inputs is in no price.
    Raises PlanLacksIt, PriceChanged, NotFound, NoSuchStop, VoiceUnknown, MusicUnknown, MusicNotReady, LanguageUnspoken,
    KitUnknown, ScenesTooLong.
    """
    check_stop(order.kind, order.pause_after)
    if order.counted:
        _permit(order, billing.effective_plan(account.plan, account.boost_until, now))
    draft = order.draft
    if order.existing:
        stored = await Drafts(session=tx).get(account.id, draft.id)
        if stored is None:
            raise NotFound("There is no such draft.", field="draft_id")
        draft = stored
    variant = None if order.kind in _WRITING else await _variant_of(tx, draft, order)
    sound = await _sound(tx, order, draft, (places or {}).get(Stage.TTS_GENERATION), known)
    brand = await _brand(tx, order, draft)
    prices = known.prices if known else await billing.Catalogue(session=tx).current()
    makers = reuse.makers_of(places or {})
    ready = None
    if order.kind is GenerationKind.RENDER and variant is not None and not order.resumes:
        ready = await reuse.foreseen(tx, draft, variant, makers, sound, brand, demo=account.demo)
    price = billing.quote(_priced(order, draft, variant, ready and ready.rest, brand), prices)
    if order.expected_micro is not None and order.expected_micro != price.total_micro:
        raise PriceChanged(
            "The price is no longer the one you were quoted: ask for a new quote.",
            field="expected_price",
            extra={"price": price.total_micro / billing.MICRO},
        )
    reused = ready.units if ready else frozenset[Unit]()
    return Prepared(draft=draft, variant=variant, price=price, sound=sound, brand=brand, makers=makers, reused=reused)


async def _sound(
    tx: AsyncConnection, order: Order, draft: Draft, speech: Place | None, known: Foreknown | None
) -> Sound | None:
    """Return what the order will sound like: as the failed one that it goes on from, else as the draft says just now.

    A stored draft may name what is gone where nothing is to be heard, and any draft a language that nobody speaks.
    Raises VoiceUnknown, MusicUnknown, MusicNotReady, LanguageUnspoken.
    """
    if order.resumes:
        failed = await Generations(session=tx).get(draft.account_id, order.resumes)
        return None if failed is None else msgspec.convert(failed.sound or {}, Sound)
    silent = Stage.TTS_GENERATION not in pipeline.stages(order.kind) and order.part is not Part.SCENE_VOICE
    if not silent:
        sounds.check_language(draft.language, speech)
    try:
        return await sounds.chosen(tx, draft, speech, known=known)
    except Refusal:
        if order.existing and silent:
            return None
        raise


async def _brand(tx: AsyncConnection, order: Order, draft: Draft) -> Brand:
    """Return what the order will look like: as the failed one that it goes on from, else as the draft says just now.

    Raises KitUnknown.
    """
    if not order.resumes:
        return replace(await brands.chosen(tx, draft), profile=order.profile)
    return brands.kept(await Generations(session=tx).get(draft.account_id, order.resumes))


async def check_length(tx: AsyncConnection, generation: Generation) -> None:
    """Refuse to go on to a reel that its scenes make longer than was ordered. Raises ScenesTooLong."""
    if generation.variant_id is None or Stage.VIDEO_ASSEMBLY not in pipeline.stages(generation.kind):
        return
    variant = await Variants(session=tx).get(generation.account_id, generation.variant_id)
    if variant is not None:
        hold_to_length(variant.scenes, duration_s=(await Drafts(session=tx).of(generation.draft_id)).duration_s)


def check_stop(kind: GenerationKind, stop: Stage | None) -> None:
    """Refuse a pause behind a stage that this kind doesn't go through. Raises NoSuchStop."""
    known = pipeline.stages(kind)
    if stop is not None and stop not in known:
        remedy = f"use one of {', '.join(known)}" if known else "leave it out: a part is one step"
        raise NoSuchStop(f"pause_after: {remedy}.", field="pause_after")


def _permit(order: Order, plan: billing.Plan) -> None:
    """Refuse what the plan doesn't have at all. Raises PlanLacksIt."""
    terms = billing.PLANS[plan]
    if order.full_units and not terms.full_regeneration:
        raise PlanLacksIt("Your plan regenerates parts, not the whole: choose a part, or upgrade.", field="part")
    if order.variants > terms.variants:
        raise PlanLacksIt(
            f"Your plan writes up to {terms.variants} variants: ask for fewer, or upgrade.", field="variants"
        )


async def _variant_of(tx: AsyncConnection, draft: Draft, order: Order) -> Variant:
    """Return the variant that is meant: the wanted one, else the draft's selected one, else its newest.

    A render needs one with scenes that fit the draft's length, a part of a scene needs that scene. Raises NotFound,
    ScenesTooLong.
    """
    chosen = order.variant or draft.selected_variant
    rendered = order.kind is GenerationKind.RENDER
    for variant in await Variants(session=tx).of_draft(draft.id):
        if chosen not in {None, variant.id} or (rendered and not variant.scenes):
            continue
        if order.scene is not None and order.scene >= len(variant.scenes):
            raise NotFound(f"This variant has {len(variant.scenes)} scenes, counted from 0.", field="scene")
        if rendered:
            hold_to_length(variant.scenes, duration_s=draft.duration_s)
        return variant
    sentence = "This draft has no such variant with scenes: create a script first."
    raise NotFound(
        sentence if rendered else "This draft has no such variant: create a script first.", field="variant_id"
    )


def _priced(
    order: Order, draft: Draft, variant: Variant | None, rest: billing.Rest | None, brand: Brand
) -> billing.PricedOrder:
    kinds = {GenerationKind.SCRIPT: billing.OrderKind.SCRIPT, GenerationKind.RENDER: billing.OrderKind.RENDER}
    kind = kinds.get(order.kind, billing.OrderKind.VIDEO)
    if order.part is not None:
        kind = _PRICED_PARTS.get(order.part, billing.OrderKind.REWRITE)
    if order.part is Part.SCENE_VOICE and variant is not None and order.scene is not None:
        rest = billing.Rest(characters=len(variant.scenes[order.scene].narration))
    return billing.PricedOrder(
        kind=kind,
        duration_s=draft.duration_s + -(-brand.cards_ms // 1000),
        scenes=len(variant.scenes) if variant else wanted_scenes(duration_s=draft.duration_s),
        variants=order.variants,
        scheduled=order.lane == BATCH,
        preview=brand.profile is Profile.PREVIEW,
        rest=rest,
    )

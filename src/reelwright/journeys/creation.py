"""Start a reel: admit the order, hold its price and queue its first stage, or change nothing at all."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from reelwright import admission, billing, ledger, outbox
from reelwright.accounts import Account
from reelwright.admission import Admitted, Gate, Place
from reelwright.generations import (
    Draft,
    Drafts,
    GenerationKind,
    Generations,
    NewGeneration,
    Runs,
    Stage,
    Unit,
    Variant,
    Variants,
    pipeline,
    wanted_scenes,
)
from reelwright.ground import log
from reelwright.ground.errors import Kind, NotFound, Outage, Refusal
from reelwright.ground.ids import DraftId, GenerationId, VariantId
from reelwright.ground.postgres import Database

_log = log.logger("journeys.creation")

SCOPE = "POST /v1/create"


class OrderChanged(Refusal):
    """The Idempotency-Key belongs to an order with another body."""

    kind = Kind.CHANGED
    code = "idempotency.key_reused"


class PlanLacksIt(Refusal):
    kind = Kind.FORBIDDEN
    code = "plan.required"


class PriceChanged(Refusal):
    kind = Kind.CONFLICT
    code = "price.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a caller asked for. `id` is made from account, scope and key, so a repeat is the same order by construction.

    `draft` is new unless `existing` is set: then only its id counts and the stored draft is used.
    """

    id: GenerationId
    key: str
    fingerprint: bytes
    kind: GenerationKind
    draft: Draft
    existing: bool = False
    variants: int = 1
    variant: VariantId | None = None
    expected_micro: int | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The accepted order. `admitted` is None for a repeat of an order that had been started before."""

    generation_id: GenerationId
    draft_id: DraftId
    admitted: Admitted | None
    price_micro: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How this installation starts generations."""

    places: "dict[Stage, Place]"
    deadline: timedelta = timedelta(hours=1)
    most_attempts: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What was looked up before anything is taken."""

    draft: Draft
    variant: Variant | None
    price: billing.Quote
    price_version: int


async def start(*, order: Order, account: Account, db: Database, gate: Gate, terms: Terms, now: datetime) -> Started:
    """Admit the order, hold its price and queue its first stage. A repeat starts nothing.

    Raises OrderChanged, PlanLacksIt, PriceChanged, NotAdmitted, OutOfCredits, NotFound, Outage.
    """
    async with db.begin() as tx:
        seen = await Generations(session=tx).fingerprint_of(order.id)
        if seen is not None:
            return await _repeated(tx, order, account, seen)
        prepared = await _prepare(tx, order, account, now)
    place = terms.places[_first_stage(order.kind)]
    request = _admission_order(order, account, place)
    answer = await gate.admit(request, now=now)
    try:
        async with db.begin() as tx:
            await _write(tx, order, account, prepared, terms, now)
    except Outage:
        if not await _was_written(order, db=db):
            await _withdraw(gate, request)
            raise
    except BaseException:
        await _withdraw(gate, request)
        raise
    await _confirm(gate, request, deadline=now + terms.deadline)
    admitted = answer if isinstance(answer, Admitted) else None
    return Started(
        generation_id=order.id, draft_id=prepared.draft.id, admitted=admitted, price_micro=prepared.price.total_micro
    )


async def _repeated(tx: AsyncSession, order: Order, account: Account, seen: bytes) -> Started:
    if seen != order.fingerprint:
        raise OrderChanged(
            "This Idempotency-Key was used for another request: send a new key.", field="Idempotency-Key"
        )
    known = await Generations(session=tx).get(account.id, order.id)
    if known is None:
        raise NotFound("There is no such generation.")
    return Started(generation_id=order.id, draft_id=known.draft_id, admitted=None, price_micro=known.hold_micro)


def _first_stage(kind: GenerationKind) -> Stage:
    return pipeline.first(kind, scenes=1)[0].stage


async def _prepare(tx: AsyncSession, order: Order, account: Account, now: datetime) -> _Prepared:
    """Read the draft and the prices, and refuse what the plan lacks."""
    draft = order.draft
    plan = billing.effective_plan(account.plan, account.boost_until, now)
    if order.variants > billing.PLANS[plan].variants:
        raise PlanLacksIt(
            f"Your plan writes up to {billing.PLANS[plan].variants} variants: ask for fewer, or upgrade.",
            field="variants",
        )
    if order.existing:
        stored = await Drafts(session=tx).get(account.id, draft.id)
        if stored is None:
            raise NotFound("There is no such draft.", field="draft_id")
        draft = stored
    variant = await _variant_of(tx, draft, order.variant) if order.kind is GenerationKind.RENDER else None
    prices = await billing.Catalogue(session=tx).current()
    ordered = billing.PricedOrder(
        kind=billing.OrderKind(order.kind.value),
        duration_s=draft.duration_s,
        scenes=len(variant.scenes) if variant else wanted_scenes(duration_s=draft.duration_s),
        variants=order.variants,
    )
    price = billing.quote(ordered, prices)
    if order.expected_micro is not None and order.expected_micro != price.total_micro:
        raise PriceChanged(
            "The price is no longer the one you were quoted: ask for a new quote.",
            field="expected_price",
            extra={"price": price.total_micro / 1_000_000},
        )
    return _Prepared(draft=draft, variant=variant, price=price, price_version=prices.version)


async def _variant_of(tx: AsyncSession, draft: Draft, wanted: VariantId | None) -> Variant:
    """Return the variant to render: the wanted one, else the draft's selected one, else its newest. Raises NotFound."""
    chosen = wanted or draft.selected_variant
    for variant in await Variants(session=tx).of_draft(draft.id):
        if variant.scenes and chosen in {None, variant.id}:
            return variant
    raise NotFound("This draft has no such variant with scenes: create a script first.", field="variant_id")


def _admission_order(order: Order, account: Account, place: Place) -> admission.Order:
    return admission.Order(
        account=account.id,
        lease=order.id,
        scope=SCOPE,
        key=order.key,
        fingerprint=order.fingerprint.hex(),
        limits=limits_of(billing.Plan(account.plan)),
        boosted=limits_of(billing.Plan.PRO),
        boost_until=account.boost_until,
        place=place,
    )


def limits_of(plan: billing.Plan) -> admission.Limits:
    """Return a plan's limits in admission's words."""
    terms = billing.PLANS[plan]
    return admission.Limits(
        generations_month=terms.generations_month,
        generations_hour=terms.generations_hour,
        full_regenerations_month=terms.full_regenerations_month,
        concurrent=terms.concurrent,
        cooldown_ms=round(terms.cooldown.total_seconds() * 1000),
    )


async def _write(
    tx: AsyncSession, order: Order, account: Account, prepared: _Prepared, terms: Terms, now: datetime
) -> None:
    """Write draft, generation, hold, first runs and their messages: one transaction, all or nothing."""
    generations = Generations(session=tx)
    if not order.existing:
        await Drafts(session=tx).add(prepared.draft)
    new = NewGeneration(
        id=order.id,
        account_id=account.id,
        draft_id=prepared.draft.id,
        kind=order.kind,
        fingerprint=order.fingerprint,
        variants_wanted=order.variants,
        plan=billing.effective_plan(account.plan, account.boost_until, now).value,
        price_version=prepared.price_version,
        hold_micro=0 if account.demo else prepared.price.total_micro,
        admitted_at=now,
        deadline=terms.deadline,
        demo=account.demo,
        request_id=order.request_id,
        variant_id=prepared.variant.id if prepared.variant else None,
    )
    if not await generations.add_once(new):
        return
    await generations.note(order.id, "queued", {"kind": order.kind.value})
    await queue(
        tx,
        order.id,
        pipeline.first(order.kind, scenes=len(prepared.variant.scenes) if prepared.variant else 0),
        most_attempts=terms.most_attempts,
        request_id=order.request_id,
    )
    if not account.demo:
        await ledger.hold(tx, account=account.id, generation=order.id, micro=prepared.price.total_micro)


async def queue(
    tx: AsyncSession,
    generation: GenerationId,
    units: tuple[Unit, ...],
    *,
    most_attempts: int,
    request_id: str | None,
) -> None:
    """Plan these runs and promise their first delivery; runs that exist already are left alone."""
    for unit in await Runs(session=tx).plan(generation, units, max_attempts=most_attempts):
        await outbox.enqueue(tx, due(generation, unit, request_id=request_id))


def due(generation: GenerationId, unit: Unit, *, request_id: str | None) -> outbox.StageDue:
    """Return the message that lets a unit start."""
    return outbox.StageDue(
        generation_id=generation,
        run_id=unit.run_id(generation),
        stage=unit.stage.value,
        scene=unit.scene,
        chunk=unit.chunk,
        round=unit.round,
        request_id=request_id,
    )


async def _was_written(order: Order, *, db: Database) -> bool:
    """Say whether a transaction whose end we did not see was committed. Raises Outage while nobody can know."""
    async with db.begin() as tx:
        return await Generations(session=tx).fingerprint_of(order.id) == order.fingerprint


async def _withdraw(gate: Gate, request: admission.Order) -> None:
    """Give back what admission took; where Redis is away, the unconfirmed lease ends by itself."""
    try:
        await asyncio.shield(gate.withdraw(request))
    except Outage:
        _log.warning("creation.not_withdrawn", generation_id=str(request.lease))


async def _confirm(gate: Gate, request: admission.Order, *, deadline: datetime) -> None:
    """Turn the short, unconfirmed lease into the queue's. Losing this is repaired by the next renewal."""
    try:
        await gate.confirm(request, deadline)
    except Outage:
        _log.warning("creation.unconfirmed", generation_id=str(request.lease))

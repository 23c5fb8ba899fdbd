"""Start a generation: admit the order, hold its price and queue its first stage, or change nothing at all."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import admission, ledger, outbox
from reelwright.accounts import Account, Accounts
from reelwright.admission import Admitted, Gate, NoPlace, NotAdmitted, enforce_or_raise
from reelwright.generations import (
    Brand,
    GenerationKind,
    Generations,
    GenerationState,
    NewGeneration,
    Runs,
    Unit,
    accept,
    pipeline,
)
from reelwright.ground import failpoints, log, telemetry, tracing
from reelwright.ground.errors import Kind, NotFound, Outage, Refusal
from reelwright.ground.ids import AccountId, DraftId, GenerationId
from reelwright.ground.postgres import Database, Undone
from reelwright.journeys import accepting, allowances, lastword, offering, reuse
from reelwright.journeys.facts import plan_of
from reelwright.journeys.foreknown import foreknown
from reelwright.journeys.lastword import Moment, moment_of
from reelwright.journeys.ordering import Order, Prepared, Terms, for_admission, needed_places, prepare

_log = log.logger("journeys.creation")
_USUAL = (GenerationKind.SCRIPT, GenerationKind.VIDEO)
"""What is written anew from its beginning, with no cooldown."""


class OrderChanged(Refusal):
    """The Idempotency-Key belongs to an order with another body."""

    kind = Kind.CHANGED
    code = "idempotency.key_reused"


Opening = Callable[[AsyncConnection, Order, Prepared], Awaitable[tuple[Unit, ...]]]
"""Readies a generation that was just written and returns its first runs; what it raises undoes the order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The accepted order, and the `state` it is in. `admitted` is None for a repeat of one that was started before."""

    generation_id: GenerationId
    draft_id: DraftId
    admitted: Admitted | None
    price_micro: int = 0
    resumes: GenerationId | None = None
    state: GenerationState = GenerationState.QUEUED


async def from_the_start(tx: AsyncConnection, order: Order, prepared: Prepared) -> tuple[Unit, ...]:
    """Return the first runs of an order. A render takes over what was made before of the same inputs."""
    if order.kind is GenerationKind.RENDER and prepared.variant is not None:
        return await reuse.begun(tx, order.id, prepared.draft, prepared.variant, prepared.makers)
    return pipeline.first(order.kind, scenes=prepared.scenes, part=order.part, scene=order.scene)


async def start(
    *,
    order: Order,
    account: Account,
    db: Database,
    gate: Gate,
    terms: Terms,
    now: datetime,
    opening: Opening = from_the_start,
) -> Started:
    """Admit the order, hold its price and queue its first stage. A repeat starts nothing.

    Redis refuses fast, PostgreSQL has the last word: in the order's own transaction its use is counted again, so that
    a Redis that was wiped or has drifted admits nothing beyond the limits (docs/decisions/0004).
    Raises OrderChanged, PlanLacksIt, PriceChanged, NoSuchStop, NotAdmitted, OutOfCredits, NotFound, Outage, and what
    `opening` does.
    """
    names = {"generation_id": str(order.id), "kind": order.kind.value}
    bound = structlog.contextvars.bound_contextvars(generation_id=str(order.id))
    with bound, tracing.span("generation.start", **names, account_id=str(account.id)):
        try:
            return await _afforded(order, account, db=db, gate=gate, terms=terms, now=now, opening=opening)
        except (NotAdmitted, NoPlace) as refused:
            for violation in refused.violations:
                telemetry.REFUSALS.labels(violation.policy.value).inc()
            raise


async def _afforded(
    order: Order, account: Account, *, db: Database, gate: Gate, terms: Terms, now: datetime, opening: Opening
) -> Started:
    """Start it, also where its month has only just begun and the chore that gives the credits hasn't come by yet."""
    try:
        return await _started(order, account, db=db, gate=gate, terms=terms, now=now, opening=opening)
    except ledger.CreditsInsufficient:
        if not await allowances.refill_if_due(account.id, db=db, now=now):
            raise
    return await _started(order, account, db=db, gate=gate, terms=terms, now=now, opening=opening)


async def _started(
    order: Order, account: Account, *, db: Database, gate: Gate, terms: Terms, now: datetime, opening: Opening
) -> Started:
    async with db.single() as tx:  # it only reads
        known = await foreknown(tx, account.id, order.id)
        if known.fingerprint is not None:
            return await _repeated(tx, order, account, known.fingerprint)
        prepared = await prepare(tx, order, account, now, places=terms.places, known=known)
    await outbox.check_depth(db)
    await offering.check_on(needed_places(order, terms), db=db)
    request = for_admission(order, account, terms, reused=prepared.reused)
    answer = await enforce_or_raise(gate, request, now=now)
    admitted = answer if isinstance(answer, Admitted) else None
    moment = moment_of(account, now)  # of a repeat that PostgreSQL doesn't know, as after a restored back-up
    if admitted is not None:
        moment = Moment(at=admitted.at, plan=plan_of(admitted.limits), limits=admitted.limits)
    try:
        await failpoints.reached("api.create.before_tx")
        await _write(order, account, prepared, terms, moment, opening, db=db)
    except Outage:
        if not await _settled(order, account, request, db=db, gate=gate):
            raise
    except asyncio.CancelledError:  # perhaps in the middle of the COMMIT: only the rows can tell
        with contextlib.suppress(Outage):
            await asyncio.shield(_settled(order, account, request, db=db, gate=gate))
        raise
    except NotAdmitted:
        await _withdraw(gate, request)
        await _forget(gate, request, now=moment.at)
        raise
    except BaseException:
        await _withdraw(gate, request)
        raise
    _log.info("generation.queued", **_names(order, account, prepared.draft.id))
    await failpoints.reached("api.create.after_tx")
    await _confirm(gate, request, deadline=now + terms.deadline)
    return Started(
        generation_id=order.id,
        draft_id=prepared.draft.id,
        admitted=admitted,
        price_micro=prepared.price.total_micro,
        resumes=order.resumes,
    )


def _names(order: Order, account: Account, draft: DraftId) -> dict[str, str | None]:
    """Return what a log line says of an order: ids and words of ours, nothing that a person wrote."""
    return {
        "generation_id": str(order.id),
        "account_id": str(account.id),
        "draft_id": str(draft),
        "kind": order.kind.value,
        "resumes": str(order.resumes) if order.resumes else None,
    }


async def _repeated(tx: AsyncConnection, order: Order, account: Account, seen: bytes) -> Started:
    if seen != order.fingerprint:
        raise OrderChanged(
            "This Idempotency-Key was used for another request: send a new key.", field="Idempotency-Key"
        )
    known = await Generations(session=tx).get(account.id, order.id)
    if known is None:
        raise NotFound("There is no such generation.")
    return Started(
        generation_id=order.id,
        draft_id=known.draft_id,
        admitted=None,
        price_micro=known.hold_micro,
        resumes=known.resumes,
        state=known.state,
    )


async def write(
    tx: AsyncConnection,
    order: Order,
    account: Account,
    prepared: Prepared,
    terms: Terms,
    moment: Moment,
    opening: Opening,
) -> bool:
    """Write draft, generation, hold, first runs and their messages: one transaction, all or nothing.

    False where the generation was there before. Raises NotAdmitted, OutOfCredits, and what `opening` does.
    """
    new = _accepted(order, account, prepared, terms, moment)
    if not await accept(tx, new, None if order.existing else prepared.draft, _told(order)):
        return False
    first = await opening(tx, order, prepared)
    allowed = pipeline.Due(first).until(order.pause_after).units
    due_now = await queue(tx, order.id, allowed, most_attempts=terms.most_attempts, request_id=order.request_id)
    if not due_now and len(allowed) < len(first) and await Generations(session=tx).rest(order.id):
        await Generations(session=tx).note(order.id, "paused", {"after": order.pause_after})  # it was there before
    if not account.demo:
        await ledger.hold(tx, account=account.id, generation=order.id, micro=prepared.price.total_micro)
    if order.counted:
        await lastword.spoken(tx, order, account.id, moment)
    return True


def _accepted(order: Order, account: Account, prepared: Prepared, terms: Terms, moment: Moment) -> NewGeneration:
    return NewGeneration(
        id=order.id,
        account_id=account.id,
        draft_id=prepared.draft.id,
        kind=order.kind,
        fingerprint=order.fingerprint,
        variants_wanted=order.variants,
        generation_units=order.generation_units,
        full_units=order.full_units,
        plan=moment.plan,
        price_version=prepared.price.version,
        hold_micro=0 if account.demo else prepared.price.total_micro,
        admitted_at=moment.at,
        deadline=terms.deadline,
        lane=order.lane,
        demo=account.demo,
        request_id=order.request_id,
        variant_id=prepared.variant.id if prepared.variant else None,
        part=order.part,
        scene=order.scene,
        resumes=order.resumes,
        sound=None if prepared.sound is None else msgspec.to_builtins(prepared.sound),
        brand=None if prepared.brand == Brand() else msgspec.to_builtins(prepared.brand),
        pause_after=order.pause_after,
    )


def _told(order: Order) -> dict[str, str]:
    """Return what the first event says."""
    return {"kind": order.kind.value} | ({"resumes": str(order.resumes)} if order.resumes else {})


async def _write(
    order: Order,
    account: Account,
    prepared: Prepared,
    terms: Terms,
    moment: Moment,
    opening: Opening,
    *,
    db: Database,
) -> None:
    """Write an order: of the usual kind in one statement, any other and one that doesn't stand so step by step."""
    first = pipeline.first(order.kind, scenes=0) if order.kind in _USUAL else ()
    usual = opening is from_the_start and order.counted and not account.demo and prepared.price.total_micro
    if first and usual and pipeline.Due(first).until(order.pause_after).units == first:
        with contextlib.suppress(Undone):
            async with db.single() as tx:
                await accepting.at_once(
                    tx,
                    _accepted(order, account, prepared, terms, moment),
                    None if order.existing else prepared.draft,
                    _told(order),
                    [(unit, due(order.id, unit, request_id=order.request_id)) for unit in first],
                    fence=account.order_fence,
                    moment=moment,
                    most_attempts=terms.most_attempts,
                )
            return
    async with db.begin() as tx:
        await write(tx, order, account, prepared, terms, moment, opening)


async def queue(
    tx: AsyncConnection,
    generation: GenerationId,
    units: tuple[Unit, ...],
    *,
    most_attempts: int,
    request_id: str | None,
) -> list[Unit]:
    """Plan these runs, promise their first delivery and return them; runs that exist already are left alone."""
    planned = await Runs(session=tx).plan(generation, units, max_attempts=most_attempts)
    await outbox.enqueue(tx, *(due(generation, unit, request_id=request_id) for unit in planned))
    return planned


def due(generation: GenerationId, unit: Unit, *, request_id: str | None) -> outbox.StageDue:
    """Return the message that lets a unit start, with the trace that it goes on in."""
    return outbox.StageDue(
        generation_id=generation,
        run_id=unit.run_id(generation),
        stage=unit.stage.value,
        scene=unit.scene,
        chunk=unit.chunk,
        round=unit.round,
        request_id=request_id,
        traceparent=tracing.carried(),
    )


async def _settled(order: Order, account: Account, request: admission.Order, *, db: Database, gate: Gate) -> bool:
    """Say whether an order whose end we did not see stands, and give back what it took where it doesn't.

    Raises Outage while nobody can know: then the sweep settles it, once it can.
    """
    if await was_written(order, account.id, db=db):
        return True
    await _withdraw(gate, request)
    return False


async def was_written(order: Order, account: AccountId, *, db: Database) -> bool:
    """Say whether an order whose end we did not see stands; if not, it never will. Raises Outage while nobody can know.

    It takes the account's row last and holds it to its end, so that row is waited for first: the server may still be at
    a COMMIT whose client is gone. One that has yet to come to that row, or to arrive at all, is barred.
    """
    async with db.begin() as tx:
        await Accounts(session=tx).lock(account)
        if await Generations(session=tx).fingerprint_of(order.id) == order.fingerprint:
            return True
        await Accounts(session=tx).bar_late_orders(account)
        return False


async def _withdraw(gate: Gate, request: admission.Order) -> None:
    """Give back what admission took; where Redis is away, the unconfirmed lease ends by itself."""
    try:
        await asyncio.shield(gate.withdraw(request.account, request.lease))
    except Outage:
        _log.warning("creation.not_withdrawn", generation_id=str(request.lease))


async def _forget(gate: Gate, request: admission.Order, *, now: datetime) -> None:
    """Let the next decision count anew what Redis had counted wrongly; where Redis is away it will have to anyway."""
    try:
        await gate.forget(request.account, now=now)
    except Outage:
        _log.warning("creation.not_forgotten", generation_id=str(request.lease))


async def _confirm(gate: Gate, request: admission.Order, *, deadline: datetime) -> None:
    """Turn the short, unconfirmed lease into the queue's. Losing this is repaired by the next renewal."""
    try:
        await gate.confirm(request, deadline)
    except Outage:
        _log.warning("creation.unconfirmed", generation_id=str(request.lease))

"""Go on: a paused generation under its own id, a failed one as a new generation that keeps all that was finished."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger
from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.generations import (
    Carrying,
    DeadLetters,
    Draft,
    Drafts,
    Generation,
    Generations,
    GenerationState,
    Runs,
    Stage,
    Unit,
    Variants,
    pipeline,
)
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, previewing, stopping
from reelwright.journeys.creation import Started
from reelwright.journeys.ordering import Order, Prepared, Terms, check_length, resumption_id
from reelwright.journeys.previewing import Preview
from reelwright.journeys.reading import GONE
from reelwright.journeys.stopping import StageDone, Stop


class NotResumable(Refusal):
    """Only what is paused or has failed goes on; `extra` holds the status it has."""

    kind = Kind.CONFLICT
    code = "generation.not_resumable"


class ResumedAlready(Refusal):
    """Another generation goes on from this one; `extra` says which."""

    kind = Kind.CONFLICT
    code = "generation.resumed_already"


class Outdated(Refusal):
    """What was made no longer fits the draft."""

    kind = Kind.CONFLICT
    code = "generation.outdated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which generation should go on, by which Idempotency-Key, and at which price it was quoted, if it was.

    Without a `stop` it pauses next where it was to. `again`: this was asked before, so one that goes on just goes on.
    """

    generation: GenerationId
    key: str
    expected_micro: int | None = None
    request_id: str | None = None
    stop: Stop | None = None
    again: bool = False


async def resume(
    wish: Wish, *, account: Account, db: Database, gate: Gate, terms: Terms, now: datetime
) -> Started | Generation:
    """Let a generation go on: return the paused one, or what was started to go on from the failed one.

    A failed one stays as it is. The new one is admitted, priced and held like any order of its kind and takes over
    source, story, finished runs, files and their usage, so that only what is missing is done; for all of it one price
    is charged once. Raises NotFound, NotResumable, ResumedAlready, Outdated, ScenesTooLong, and what `creation.start`
    does.
    """
    found = await _found(wish, account, db=db)
    if found.live and wish.again:
        return found
    if found.live and found.paused_at is not None:
        return await stopping.proceed(account.id, found.id, db=db, gate=gate, stop=wish.stop)
    order = await _order(wish, found, account, db=db)
    return await creation.start(
        order=order, account=account, db=db, gate=gate, terms=terms, now=now, opening=carried_over
    )


async def preview(wish: Wish, *, account: Account, db: Database, gate: Gate, terms: Terms, now: datetime) -> Preview:
    """Say what resuming would meet and cost, and take nothing. Raises as `resume` does."""
    found = await _found(wish, account, db=db)
    if found.live and found.paused_at is not None:
        await stopping.try_to_proceed(found, db=db, stop=wish.stop)
        return await previewing.held_already(found, db=db)
    order = await _order(wish, found, account, db=db)
    return await previewing.preview(order=order, account=account, db=db, gate=gate, terms=terms, now=now)


async def _found(wish: Wish, account: Account, *, db: Database) -> Generation:
    async with db.begin() as tx:
        found = await Generations(session=tx).get(account.id, wish.generation)
    if found is None:
        raise NotFound(GONE)
    return found


async def _order(wish: Wish, failed: Generation, account: Account, *, db: Database) -> Order:
    """Return the order that goes on from a failed generation. Raises NotResumable, ResumedAlready, Outdated."""
    if failed.state is not GenerationState.FAILED:
        raise NotResumable(
            f"This generation is {failed.state}: only a paused or a failed one can be resumed.",
            extra={"generation_status": failed.state.value},
        )
    order = order_after(
        failed,
        resumption_id(account.id, wish.key),
        key=wish.key,
        fingerprint=_fingerprint(failed.id, wish.stop),
        stop=wish.stop,
        expected_micro=wish.expected_micro,
        request_id=wish.request_id,
    )
    async with db.begin() as tx:
        if await Generations(session=tx).fingerprint_of(order.id) is None:  # else it is a repeat, which starts nothing
            await _check(tx, failed, besides=order.id)
    return order


def order_after(
    failed: Generation,
    heir: GenerationId,
    *,
    key: str,
    fingerprint: bytes,
    stop: Stop | None = None,
    expected_micro: int | None = None,
    request_id: str | None = None,
) -> Order:
    """Return the order for what a failed generation was ordered as, under a new id."""
    return Order(
        id=heir,
        key=key,
        fingerprint=fingerprint,
        kind=failed.kind,
        draft=Draft(id=failed.draft_id, account_id=failed.account_id),
        existing=True,
        variants=failed.variants_wanted,
        variant=failed.variant_id,
        part=failed.part,
        scene=failed.scene,
        expected_micro=expected_micro,
        request_id=request_id,
        resumes=failed.id,
        pause_after=stop.after if stop else failed.pause_after,
    )


def _fingerprint(failed: GenerationId, stop: Stop | None) -> bytes:
    said = failed.bytes if stop is None else failed.bytes + (stop.after or "").encode()
    return sha256(said).digest()


async def _check(tx: AsyncConnection, failed: Generation, *, besides: GenerationId) -> None:
    """Refuse a second heir, and one whose inheritance fits no more. Raises ResumedAlready, Outdated, ScenesTooLong."""
    found = await Carrying(session=tx).standing(failed.id, besides=besides)
    if (heir := found.successor) is not None:
        raise ResumedAlready(
            f"This generation was resumed already: go on with /v1/generations/{heir}.",
            extra={"generation_id": str(heir), "url": f"/v1/generations/{heir}"},
        )
    if found.outdated:
        raise Outdated(
            "The draft was changed after this generation failed, so that what was made fits it no more:"
            " create a new one, or render the story it has."
        )
    await check_length(tx, failed)


async def carried_over(tx: AsyncConnection, order: Order, prepared: Prepared) -> tuple[Unit, ...]:
    """Give the new generation all that the failed one had finished, and return what should exist now.

    The failed one is locked first: of two that would go on from it, the second waits and then finds the first. Of a
    reel that failed its gate, nothing is carried that may be why. An open dead letter is answered by this. Raises
    NotFound, ResumedAlready, Outdated.
    """
    failed = await Generations(session=tx).lock(order.resumes) if order.resumes else None
    if failed is None:
        raise NotFound(GONE)
    await _check(tx, failed, besides=order.id)
    anew = pipeline.doubted(failed.gate) if failed.gate is not None else frozenset[Stage]()
    carried = await Carrying(session=tx).carry(failed.id, order.id, anew=anew)
    await ledger.carry_usage(tx, runs=carried.runs, heir=order.id)
    draft = prepared.draft
    if failed.variant_id and failed.variant_id in carried.variants:
        await Generations(session=tx).render_variant(order.id, carried.variants[failed.variant_id])
    if draft.selected_variant and draft.selected_variant in carried.variants:
        await Drafts(session=tx).select_variant(draft.id, carried.variants[draft.selected_variant])
    await DeadLetters(session=tx).succeeded(failed.id, by=failed.account_id, successor=order.id)
    finished = await Runs(session=tx).finished(order.id)
    scenes = await Variants(session=tx).scene_count(order.id)
    due = pipeline.due(order.kind, finished, scenes=scenes, part=order.part, scene=order.scene).until(order.pause_after)
    return unfinished(due, finished, order.pause_after)


def unfinished(due: pipeline.Due, finished: pipeline.Finished, stop: Stage | None) -> tuple[Unit, ...]:
    """Return the units that are to be done. Raises StageDone where the stop leaves none."""
    left = tuple(unit for unit in due.units if unit not in finished)
    if not left:
        raise StageDone(f"pause_after: {stop} is done here already: name a later stage, or none.", field="pause_after")
    return left

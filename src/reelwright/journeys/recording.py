"""Open a claimed run's facts, store what it made, and write its result with everything that follows from it."""

from dataclasses import dataclass, replace

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from reelwright import billing, ledger
from reelwright.generations import (
    Artefact,
    ArtefactKind,
    Artefacts,
    Assignment,
    Claim,
    Drafts,
    Generation,
    GenerationKind,
    Generations,
    Ingested,
    Made,
    NewArtefact,
    Outcome,
    Part,
    Planned,
    Released,
    Rewritten,
    Runs,
    RunState,
    Sources,
    Stage,
    StoredArtefact,
    Unit,
    Variant,
    Variants,
    Written,
    pipeline,
)
from reelwright.ground import log
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.metering import Use
from reelwright.journeys import creation, ending
from reelwright.journeys.workroom import Workroom

_log = log.logger("journeys.recording")


class GateFailed(Refusal):
    """The finished file did not pass the release gate: nothing is delivered and nothing is charged."""

    code = "gate.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a stage made, with its files in storage."""

    outcome: Outcome
    files: tuple[StoredArtefact, ...]
    uses: tuple[Use, ...]


async def opened(tx: AsyncSession, claim: Claim, generation: Generation) -> Assignment:
    """Read all that the claimed stage may know, and note that the generation runs."""
    generations = Generations(session=tx)
    await generations.start(claim.generation_id)
    draft = await Drafts(session=tx).of_generation(claim.generation_id)
    await generations.note(claim.generation_id, "stage_started", _named(claim.unit) | {"attempt": claim.attempt})
    finished = await Runs(session=tx).finished(claim.generation_id)
    variants = await Variants(session=tx).of_generation(claim.generation_id)
    artefacts = await Artefacts(session=tx).of(claim.generation_id)
    return Assignment(
        generation_id=claim.generation_id,
        account_id=generation.account_id,
        kind=generation.kind,
        unit=claim.unit,
        attempt=claim.attempt,
        draft=draft,
        variants_wanted=generation.variants_wanted,
        variant_id=generation.variant_id,
        source=await Sources(session=tx).of(claim.generation_id),
        variants=tuple(_anew(variant, generation) for variant in variants),
        artefacts=_ordered(artefacts, claim.unit, finished),
        part=generation.part,
        take=await _take(tx, generation),
    )


def _anew(variant: Variant, generation: Generation) -> Variant:
    """Let the scene whose picture is made anew ask for the take behind the one it has."""
    if generation.part is not Part.SCENE_PICTURE or variant.id != generation.variant_id:
        return variant
    scenes = [replace(s, take=s.take + 1) if s.index == generation.scene else s for s in variant.scenes]
    return replace(variant, scenes=tuple(scenes))


async def _take(tx: AsyncSession, generation: Generation) -> int:
    """Return how often this was done before: the draft written by others, or this part of this variant made anew."""
    variants = Variants(session=tx)
    if generation.part is not None and generation.variant_id is not None:
        return await variants.rewritings(generation.variant_id, generation.part, generation.scene)
    return await variants.writings(generation.draft_id, besides=generation.id)


def _ordered(artefacts: list[Artefact], unit: Unit, finished: pipeline.Finished) -> tuple[Artefact, ...]:
    """Put the picture that counts first: the one under judgement for its verification, else the best one."""

    def counts(artefact: Artefact) -> bool:
        if artefact.kind is not ArtefactKind.IMAGE or artefact.scene is None:
            return True
        if unit.stage is Stage.VISUAL_VERIFICATION:
            return artefact.round == unit.round
        return artefact.round == pipeline.best_round(finished, artefact.scene)

    return tuple([a for a in artefacts if counts(a)] + [a for a in artefacts if not counts(a)])


async def store(claim: Claim, task: Assignment, made: Made, *, room: Workroom) -> "Kept":
    """Put the made files into storage; nothing points at them yet. Raises Outage.

    The hash of the inputs names the file; run and fence stand behind it, so that a worker that lost its claim can't
    overwrite what the winner's row describes.
    """
    files = [await _stored(task, file, claim, room) for file in made.artefacts]
    return Kept(outcome=made.outcome, files=tuple(files), uses=made.uses)


async def _stored(task: Assignment, file: NewArtefact, claim: Claim, room: Workroom) -> StoredArtefact:
    key = f"{task.account_id}/{file.kind.value}/{file.inputs_hash}-{claim.run_id.hex}-{claim.fence}{file.path.suffix}"
    facts = await room.storage.put(key, file.path)
    return StoredArtefact(
        kind=file.kind,
        key=key,
        media_type=file.media_type,
        size_bytes=facts.size_bytes,
        sha256=facts.sha256,
        inputs_hash=file.inputs_hash,
        meta=file.meta,
    )


async def keep(claim: Claim, task: Assignment, kept: "Kept", *, room: Workroom, request_id: str | None) -> None:
    """Write result, files, usage and what follows, in one transaction. A claim that was lost writes nothing.

    Raises GateFailed for a reel that must not be delivered. Raises Outage where the commit's outcome is unknown: the
    next attempt finds the run finished, or does it again.
    """
    if isinstance(kept.outcome, Released) and not kept.outcome.gate.get("passed"):
        raise GateFailed(_gate_sentence(kept.outcome.gate), extra={"gate": kept.outcome.gate})
    ended = False
    try:
        async with room.db.begin() as tx:
            ended = await _write(tx, claim, task, kept, room=room, request_id=request_id)
    except Outage:
        if not await _already(claim, room):
            raise
    _log.info("stage.completed", ended=ended)
    if ended:
        await ending.release_lease(task, room=room)


def _gate_sentence(gate: dict[str, object]) -> str:
    checks = msgspec.convert(gate.get("checks", []), list[dict[str, object]])
    failed = ", ".join(str(check.get("name")) for check in checks if not check.get("passed"))
    return f"The finished reel did not pass its own check ({failed}); nothing was charged. Start it again."


async def _write(
    tx: AsyncSession, claim: Claim, task: Assignment, kept: "Kept", *, room: Workroom, request_id: str | None
) -> bool:
    """Do what `keep` says inside the transaction; return whether the generation has ended."""
    generation = await Generations(session=tx).lock(claim.generation_id)
    runs = Runs(session=tx)
    if generation is None or not await runs.complete(claim.run_id, claim.fence, kept.outcome):
        return False
    await Artefacts(session=tx).record(claim, list(kept.files))
    await _conclude(tx, task, kept.outcome)
    await _meter(tx, generation, claim, kept.uses)
    scenes = await Variants(session=tx).scene_count(claim.generation_id)
    finished = await runs.finished(claim.generation_id)
    following = pipeline.due(generation.kind, finished, scenes=scenes, part=generation.part, scene=generation.scene)
    await Generations(session=tx).note(claim.generation_id, "stage_completed", _named(claim.unit))
    if following.ended:
        await _choose_take(tx, task, generation, finished)
        await ending.succeed(tx, generation, kept.outcome)
        return True
    await creation.queue(
        tx, claim.generation_id, following.units, most_attempts=room.timings.most_attempts, request_id=request_id
    )
    return False


async def _conclude(tx: AsyncSession, task: Assignment, outcome: Outcome) -> None:
    """Write what the stage concluded, besides its files."""
    match outcome:
        case Ingested(source=source):
            await Sources(session=tx).keep(task.generation_id, task.draft.id, source)
        case Written(stories=stories):
            await Variants(session=tx).write(task.generation_id, task.draft.id, list(stories))
        case Planned(scenes=scenes):
            for variant, planned in zip(task.variants, scenes, strict=True):
                await Variants(session=tx).plan_scenes(variant.id, list(planned))
            if task.kind is not GenerationKind.SCRIPT:  # it is rendered next
                await Generations(session=tx).render_variant(task.generation_id, task.variant.id)
                await Drafts(session=tx).select_variant(task.draft.id, task.variant.id)
        case Rewritten():
            await Variants(session=tx).rewrite(task.variant.id, outcome, scene=task.unit.scene)
        case _:
            pass


async def _choose_take(tx: AsyncSession, task: Assignment, generation: Generation, finished: pipeline.Finished) -> None:
    """Settle the winning take of a picture that was made anew. Every picture's file says which take it is."""
    if generation.part is not Part.SCENE_PICTURE or generation.scene is None:
        return
    best = pipeline.best_round(finished, generation.scene)
    pictures = [a for a in await Artefacts(session=tx).of(generation.id) if a.kind is ArtefactKind.IMAGE]
    won = next(a for a in pictures if (a.scene, a.round) == (generation.scene, best))
    take = msgspec.convert(won.meta["take"], int)
    await Variants(session=tx).choose_take(task.variant.id, generation.scene, take)


async def _meter(tx: AsyncSession, generation: Generation, claim: Claim, uses: tuple[Use, ...]) -> None:
    """Write one usage row for each call or step. A picture's second and third try are ours to pay."""
    if generation.demo:
        return
    prices = await billing.Catalogue(session=tx).at(generation.price_version)
    rows = [
        ledger.Metered(
            account_id=generation.account_id,
            generation_id=claim.generation_id,
            run_id=claim.run_id,
            fence=claim.fence,
            call_no=call,
            stage=claim.unit.stage.value,
            scene=claim.unit.scene,
            use=use,
            credits_micro=billing.priced(use, prices) if claim.unit.round == 0 else 0,
            plan=generation.plan,
            price_version=prices.version,
        )
        for call, use in enumerate(uses)
    ]
    await ledger.append_usage(tx, rows)


def _named(unit: Unit) -> dict[str, object]:
    return {"stage": unit.stage.value, "scene": unit.scene, "chunk": unit.chunk, "round": unit.round}


async def _already(claim: Claim, room: Workroom) -> bool:
    """Say whether our own completion did commit although its answer was lost. Raises Outage while nobody can know."""
    async with room.db.begin() as tx:
        run = await Runs(session=tx).get(claim.run_id)
    return run is not None and run.state is RunState.SUCCEEDED and run.won_fence == claim.fence

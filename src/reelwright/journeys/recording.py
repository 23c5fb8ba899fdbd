"""Open a claimed run's facts, store what it made, and write its result with everything that follows from it."""

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import outbox
from reelwright.generations import (
    PLAN,
    Artefact,
    ArtefactKind,
    Artefacts,
    Assignment,
    Brand,
    Claim,
    Dossier,
    Drafts,
    Generation,
    GenerationKind,
    Generations,
    GenerationState,
    Ingested,
    Judged,
    Made,
    NewArtefact,
    Outcome,
    Overtaken,
    Part,
    Planned,
    Progress,
    Released,
    Rewritten,
    Runs,
    RunState,
    Sound,
    Sources,
    Stage,
    StoredArtefact,
    Told,
    Unit,
    Uploads,
    Variant,
    Variants,
    Written,
    first_runs,
    inputs,
    lately_told,
    pipeline,
)
from reelwright.ground import clock, failpoints, log
from reelwright.ground.errors import Outage
from reelwright.ground.ids import GenerationId
from reelwright.ground.metering import Use
from reelwright.ground.postgres import Statement, rows
from reelwright.journeys import creation, ending, judging, reuse, spending, stopping
from reelwright.journeys.holding import Busy
from reelwright.journeys.workroom import Workroom

_log = log.logger("journeys.recording")
_QUEUE = Statement(f"WITH planned AS ({PLAN}), {outbox.promising('(SELECT) AS once')} SELECT {outbox.NOTIFIED}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a stage made, with its files in storage, and the name of what it made it of."""

    outcome: Outcome
    files: tuple[StoredArtefact, ...]
    uses: tuple[Use, ...]
    made_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A claimed run with its facts: what the stage may know, the generation, and whether this run is its first."""

    claim: Claim
    task: Assignment
    dossier: Dossier
    told: Told


async def opened(message: outbox.StageDue, room: Workroom) -> Opened | None:
    """Claim the run, read all that its stage may know, and note that the generation runs. None: nothing to claim.

    Raises Outage.
    """
    lease, longest = room.timings.lease, room.timings.stage_deadline + room.timings.lease
    try:
        async with room.db.single() as tx:
            found = await Progress(session=tx).begin(message.run_id, message.stage, lease, longest=longest)
    except Overtaken:  # look again, behind the lock
        async with room.db.begin() as tx:
            begin = Progress(session=tx).begin
            try:
                found = await begin(message.run_id, message.stage, lease, longest=longest)
            except Overtaken:
                found = await begin(message.run_id, message.stage, lease, longest=longest)
    if found is None:
        return None
    claim, told, dossier = found
    generation = told.generation
    task = Assignment(
        generation_id=claim.generation_id,
        account_id=generation.account_id,
        kind=generation.kind,
        unit=claim.unit,
        attempt=claim.attempt,
        draft=dossier.draft,
        variants_wanted=generation.variants_wanted,
        variant_id=generation.variant_id,
        source=dossier.source,
        variants=tuple(_anew(variant, generation) for variant in dossier.variants or ()),
        artefacts=_ordered(dossier, claim.unit),
        part=generation.part,
        take=dossier.take,
        recent=lately_told(dossier.recent or ()),
        faults=_faults(dossier, claim.unit),
        sound=msgspec.convert(generation.sound or {}, Sound),
        brand=msgspec.convert(generation.brand or {}, Brand),
    )
    return Opened(claim=claim, task=task, dossier=dossier, told=told)


def _faults(dossier: Dossier, unit: Unit) -> tuple[str, ...]:
    """Return what was wrong with a scene's picture in the round before this one, where it is drawn again."""
    if unit.stage is not Stage.VISUAL_GENERATION:
        return ()
    before = [j for j in dossier.judged or () if (j.scene, j.round) == (unit.scene, unit.round - 1)]
    return tuple(reason for verdict in before for reason in msgspec.convert(verdict.result, Judged).reasons)


def _anew(variant: Variant, generation: Generation) -> Variant:
    """Let the scene whose picture or voice is made anew ask for the take behind the one it has."""
    if generation.part not in {Part.SCENE_PICTURE, Part.SCENE_VOICE} or variant.id != generation.variant_id:
        return variant
    drawn, spoken = int(generation.part is Part.SCENE_PICTURE), int(generation.part is Part.SCENE_VOICE)
    scenes = [
        replace(s, take=s.take + drawn, voice_take=s.voice_take + spoken) if s.index == generation.scene else s
        for s in variant.scenes
    ]
    return replace(variant, scenes=tuple(scenes))


def _ordered(dossier: Dossier, unit: Unit) -> tuple[Artefact, ...]:
    """Put the picture that counts first: the one under judgement for its verification, else the best one."""
    judged = {
        Unit(stage=Stage.VISUAL_VERIFICATION, scene=j.scene, round=j.round): msgspec.convert(j.result, Judged)
        for j in dossier.judged or ()
    }

    def counts(artefact: Artefact) -> bool:
        if artefact.kind is not ArtefactKind.IMAGE or artefact.scene is None:
            return True
        if unit.stage is Stage.VISUAL_VERIFICATION:
            return artefact.round == unit.round
        return artefact.round == pipeline.best_round(judged, artefact.scene)

    artefacts = dossier.artefacts or ()
    return tuple([a for a in artefacts if counts(a)] + [a for a in artefacts if not counts(a)])


async def store(claim: Claim, task: Assignment, made: Made, *, room: Workroom) -> Kept:
    """Put the made files into storage; nothing points at them yet, but what was begun is known. Raises Outage.

    The hash of the inputs names the file; run and fence stand behind it, so that a worker that lost its claim can't
    overwrite what the winner's row describes.
    """
    keys = [_key(task, file, claim) for file in made.artefacts]
    if keys:
        async with room.db.single() as tx:
            await Uploads(session=tx).begin(keys, claim.run_id, claim.fence)
    files = [await _stored(file, key, room) for file, key in zip(made.artefacts, keys, strict=True)]
    await failpoints.reached(f"stage.{claim.unit.stage}.after_put")
    made_of = inputs.of(task, reuse.makers_of(room.places))
    return Kept(outcome=made.outcome, files=tuple(files), uses=made.uses, made_of=made_of)


def _key(task: Assignment, file: NewArtefact, claim: Claim) -> str:
    return f"{task.account_id}/{file.kind.value}/{file.inputs_hash}-{claim.run_id.hex}-{claim.fence}{file.path.suffix}"


async def _stored(file: NewArtefact, key: str, room: Workroom) -> StoredArtefact:
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


async def keep(claim: Claim, task: Assignment, kept: Kept, *, room: Workroom, request_id: str | None) -> bool:
    """Write result, files, usage and what follows, in one transaction; return whether it counted.

    A claim that was lost writes nothing. Raises GateFailed for a reel that must not be delivered, Busy for a scene
    that another voice speaks than those before it. Raises Outage where PostgreSQL doesn't answer for as long as a lease
    lasts: the next attempt finds the run finished, or does it again.
    """
    if isinstance(kept.outcome, Released) and not kept.outcome.gate.get("passed"):
        raise ending.GateFailed(kept.outcome.gate)
    written = await _written(claim, task, kept, room=room, request_id=request_id)
    await failpoints.reached(f"stage.{claim.unit.stage}.after_commit")
    if written.generation is not None and written.ended:
        ending.told(written.generation, GenerationState.SUCCEEDED)
        await ending.release(room.gate, task.account_id, task.generation_id)
    elif written.generation is not None and written.rests:
        await stopping.keep_lease(written.generation, room.gate, resting=True, now=clock.now())
    return written.generation is not None


@dataclass(frozen=True, slots=True)
class _Written:
    """The generation after a completion that counted, and whether it has ended with it, or pauses behind it."""

    generation: Generation | None
    ended: bool = False
    rests: bool = False


async def _written(claim: Claim, task: Assignment, kept: Kept, *, room: Workroom, request_id: str | None) -> _Written:
    """Write it, again and again while PostgreSQL doesn't answer: what was paid for isn't made anew for want of a row.

    Where the answer to a COMMIT was lost, the next try waits for that transaction's locks and finds its own result.
    Raises Outage.
    """
    ends, tried = time.monotonic() + room.timings.lease.total_seconds(), _Written(None)
    for turn in itertools.count():
        try:
            async with room.db.begin() as tx:
                written = await _write(tx, claim, task, kept, room=room, request_id=request_id)
                tried = written if written.generation is not None else tried
            ours = written.generation is None and tried.generation is not None and await _already(claim, room)
        except Outage as away:
            if time.monotonic() >= ends:
                raise
            _log.warning("stage.unwritten", code=away.code)
            await asyncio.sleep(random.uniform(0, min(2.0, 0.1 * 2 ** min(turn, 5))))  # noqa: S311 - full jitter
        else:
            return tried if ours else written
    raise AssertionError  # it returns or raises


async def _write(
    tx: AsyncConnection, claim: Claim, task: Assignment, kept: Kept, *, room: Workroom, request_id: str | None
) -> _Written:
    """Do what `keep` says inside the transaction."""
    if isinstance(kept.outcome, Judged):
        kept = replace(kept, outcome=await judging.settled(tx, claim, task, kept.outcome, places=room.places))
    ended = await Progress(session=tx).complete(claim, kept.outcome, _named(claim.unit), made_of=kept.made_of)
    if ended is None:
        return _Written(None)
    generation, finished, planned = ended
    await _in_one_voice(tx, task, kept, room)
    if kept.files:
        await Artefacts(session=tx).record(claim, kept.files)
        await Uploads(session=tx).recorded([file.key for file in kept.files])
    await _conclude(tx, task, kept.outcome)
    await spending.spent(tx, generation, claim, kept.uses)
    if generation.kind is GenerationKind.RENDER:
        planned |= await reuse.taken(tx, generation, task, finished, planned, places=room.places)
    following = pipeline.due(
        generation.kind, finished, scenes=_scenes(task, kept.outcome), part=generation.part, scene=generation.scene
    )
    await failpoints.reached(f"stage.{claim.unit.stage}.in_complete_tx")
    if following.ended:
        await _choose_take(tx, task, generation, finished)
        await ending.succeed(tx, generation, kept.outcome)
        return _Written(generation, ended=True)
    allowed = following.until(generation.pause_after)
    if len(allowed.units) < len(following.units) and all(unit in finished for unit in allowed.units):
        await stopping.rest(tx, generation)
        return _Written(generation, rests=True)
    new = tuple(unit for unit in allowed.units if unit not in planned)
    await _queue(tx, claim.generation_id, new, most_attempts=room.timings.most_attempts, request_id=request_id)
    return _Written(generation)


async def _in_one_voice(tx: AsyncConnection, task: Assignment, kept: Kept, room: Workroom) -> None:
    """Let a locked generation's narration count only where nobody else has begun to speak it.

    Two scenes at once may have begun with two speakers, where the first went away between them. Raises Busy: the run
    is made anew by who was sooner.
    """
    place = room.places.get(Stage.TTS_GENERATION)
    if task.unit.stage is not Stage.TTS_GENERATION or place is None or not place.instead:
        return
    may = {f"{who.provider}:{who.model}" for who in (place, *place.instead)}
    files = await Artefacts(session=tx).of(task.generation_id)
    spoke = may & {str(file.meta.get("by")) for file in files if file.kind is ArtefactKind.NARRATION}
    if spoke and not spoke & {str(file.meta.get("by")) for file in kept.files}:
        raise Busy(room.timings.busy_delay, code="provider.other_voice")


async def _queue(
    tx: AsyncConnection, generation: GenerationId, new: Sequence[Unit], *, most_attempts: int, request_id: str | None
) -> None:
    """Plan runs that a locked generation hasn't yet, and promise their first delivery, in one statement."""
    if new:
        values = first_runs(generation, new, max_attempts=most_attempts) | {"generation": generation}
        messages = [creation.due(generation, unit, request_id=request_id) for unit in new]
        await rows(tx, _QUEUE, values | outbox.promised(tx, *messages))


def _scenes(task: Assignment, outcome: Outcome) -> int:
    """Return how many scenes the rendered variant has by now, 0 before they are planned."""
    if not task.variants:
        return 0
    if isinstance(outcome, Planned):
        planned = dict(zip((variant.id for variant in task.variants), outcome.scenes, strict=True))
        return len(planned[task.variant.id])
    return len(task.variant.scenes)


async def _conclude(tx: AsyncConnection, task: Assignment, outcome: Outcome) -> None:
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


async def _choose_take(
    tx: AsyncConnection, task: Assignment, generation: Generation, finished: pipeline.Finished
) -> None:
    """Settle the take of a voice, or the winning one of a picture, made anew. A picture's file says which it is."""
    if generation.part is Part.SCENE_VOICE:
        await Variants(session=tx).choose_voice_take(task.variant.id, task.scene.index, task.scene.voice_take)
    if generation.part is not Part.SCENE_PICTURE or generation.scene is None:
        return
    best = pipeline.best_round(finished, generation.scene)
    pictures = [a for a in await Artefacts(session=tx).of(generation.id) if a.kind is ArtefactKind.IMAGE]
    won = next(a for a in pictures if (a.scene, a.round) == (generation.scene, best))
    take = msgspec.convert(won.meta["take"], int)
    await Variants(session=tx).choose_take(task.variant.id, generation.scene, take)


def _named(unit: Unit) -> dict[str, object]:
    return {"stage": unit.stage.value, "scene": unit.scene, "chunk": unit.chunk, "round": unit.round}


async def _already(claim: Claim, room: Workroom) -> bool:
    """Say whether our own completion did commit although its answer was lost. Raises Outage."""
    async with room.db.single() as tx:
        run = await Runs(session=tx).get(claim.run_id)
    return run is not None and run.state is RunState.SUCCEEDED and run.won_fence == claim.fence

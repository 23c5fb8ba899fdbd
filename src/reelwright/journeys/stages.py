"""A draft's pipeline and its runs: seen stage by stage, started at one, called off at one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import msgspec

from reelwright import ledger
from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.generations import (
    Draft,
    Drafts,
    Generation,
    GenerationKind,
    Generations,
    Judged,
    Pipelines,
    Run,
    Runs,
    RunState,
    Stage,
    Unit,
    pipeline,
)
from reelwright.ground import clock
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, DraftId, GenerationId, StageRunId
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, resumption, stopping
from reelwright.journeys.creation import Started
from reelwright.journeys.ordering import Order, Terms, resumption_id, routed_id
from reelwright.journeys.reading import GONE
from reelwright.journeys.resumption import Wish
from reelwright.journeys.stopping import Stop
from reelwright.providers import PaidCalls

ROUTE = "POST /v1/drafts/pipeline/start"
_WORDS = pipeline.stages(GenerationKind.SCRIPT)
_PICTURES = pipeline.stages(GenerationKind.RENDER)
_NOTHING_TO_PAUSE = "Nothing of this draft is at work."


class Missing(Refusal):
    """A stage needs what earlier ones make; `extra` names the stage that has to come first."""

    kind = Kind.CONFLICT
    code = "pipeline.missing"


class AtWork(Refusal):
    """The draft's last generation hasn't ended; `extra` says which it is."""

    kind = Kind.CONFLICT
    code = "pipeline.at_work"


class NothingThere(Refusal):
    """Nothing of the draft is there to pause or to resume."""

    kind = Kind.CONFLICT
    code = "pipeline.not_begun"


class RunEnded(Refusal):
    kind = Kind.CONFLICT
    code = "stage_run.ended"


class RunAtWork(Refusal):
    """A provider is at work for the run: what it makes will be paid for."""

    kind = Kind.CONFLICT
    code = "stage_run.at_work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a draft is: its last generation with its runs and what each cost, and what was reached before.

    `told`: it has a story with scenes. `reached`: what the variant to render has been through.
    """

    draft: DraftId
    generation: Generation | None
    runs: tuple[Run, ...]
    micro: Mapping[StageRunId, int]
    reached: frozenset[Stage]
    told: bool

    @property
    def live(self) -> Generation | None:
        """The last generation, while it hasn't ended."""
        return self.generation if self.generation is not None and self.generation.live else None

    def missing(self, stage: Stage) -> Stage | None:
        """Return the stage that has to come first, or None where this one may be started."""
        if self.live is not None:
            return None
        if stage in _WORDS:
            return Stage.STORY_WRITING if stage is Stage.SCENE_GENERATION else None
        if not self.told:
            return Stage.SCENE_GENERATION
        earlier = list(_PICTURES[: _PICTURES.index(stage)])
        if stage is Stage.TTS_GENERATION:
            earlier.remove(Stage.VIDEO_GENERATION)  # they stand side by side
        return next((needed for needed in earlier if needed not in self.reached), None)

    def may_start(self, stage: Stage) -> bool:
        """Say whether starting this stage would be taken: at what rests, or anew."""
        if self.live is None:
            return self.missing(stage) is None
        if self.live.paused_at is None or stage not in pipeline.stages(self.live.kind):
            return False
        of_it = [run for run in self.runs if run.unit.stage is stage]
        return not of_it or any(run.state is not RunState.SUCCEEDED for run in of_it)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRun:
    """A run as its owner sees it. `sentence` says what went wrong, where something did.

    `verdict` is what a finished check of a picture found, and `kept` says whether that picture is its scene's best.
    """

    run: Run
    generation: Generation
    micro: int
    sentence: str | None
    verdict: Judged | None = None
    kept: bool = False


async def standing(account: AccountId, draft: DraftId, *, db: Database) -> Standing:
    """Return how far a draft is. Raises NotFound, Outage."""
    async with db.begin() as tx:
        if await Drafts(session=tx).get(account, draft) is None:
            raise NotFound("There is no such draft.", code="draft.not_found")
        known = Pipelines(session=tx)
        last = await known.last(account, draft)
        found = None if last is None else await Generations(session=tx).get(account, last)
        return Standing(
            draft=draft,
            generation=found,
            runs=tuple(await Runs(session=tx).of(last)) if last else (),
            micro=await ledger.metered_by_run(tx, generation=last) if last else {},
            reached=frozenset(await known.reached(draft)),
            told=await known.told(draft),
        )


async def start(
    draft: DraftId,
    stage: Stage,
    *,
    key: str,
    request_id: str | None,
    account: Account,
    db: Database,
    gate: Gate,
    terms: Terms,
    now: datetime,
) -> Started | Generation:
    """Do one stage of a draft and pause behind it: go on with the generation that rests, or order a new one.

    Words are written anew from what the draft names; a render takes over what was made of the same inputs before.
    Raises NotFound, AtWork, Missing, StageDone, and what `creation.start` does.
    """
    order = Order(
        id=routed_id(account.id, ROUTE, key),
        key=key,
        route=ROUTE,
        fingerprint=sha256(draft.bytes + stage.encode()).digest(),
        kind=GenerationKind.SCRIPT if stage in _WORDS else GenerationKind.RENDER,
        draft=Draft(id=draft, account_id=account.id),
        existing=True,
        pause_after=stage,
        request_id=request_id,
    )
    async with db.begin() as tx:
        repeated = await Generations(session=tx).fingerprint_of(order.id) is not None
    if not repeated:
        seen = await standing(account.id, draft, db=db)
        if seen.live is not None:
            return await _at_what_rests(seen.live, stage, db=db, gate=gate)
        missing = seen.missing(stage)
        if missing is not None:
            raise Missing(
                f"{stage} needs what {missing} makes: start {missing} first.", extra={"missing": missing.value}
            )
    return await creation.start(order=order, account=account, db=db, gate=gate, terms=terms, now=now)


async def _at_what_rests(live: Generation, stage: Stage, *, db: Database, gate: Gate) -> Generation:
    if live.pause_after is stage and live.paused_at is None:
        return live  # asked before: it is on its way there
    if live.paused_at is None or stage not in pipeline.stages(live.kind):
        how = "is at work: pause" if live.paused_at is None else f"rests, and has no {stage}: resume"
        raise AtWork(
            f"This draft's generation {how} or cancel it first.",
            extra={"generation_id": str(live.id), "generation_status": live.state.value},
        )
    return await stopping.proceed(live.account_id, live.id, db=db, gate=gate, stop=Stop(stage))


async def pause(account: AccountId, draft: DraftId, *, db: Database, gate: Gate) -> Generation:
    """Let a draft's live generation rest. Raises NotFound, NothingThere, Outage."""
    seen = await standing(account, draft, db=db)
    if seen.live is None:
        raise NothingThere(_NOTHING_TO_PAUSE)
    return await stopping.pause(account, seen.live.id, db=db, gate=gate)


async def resume(
    draft: DraftId,
    *,
    key: str,
    stop: Stop | None,
    again: bool,
    request_id: str | None,
    account: Account,
    db: Database,
    gate: Gate,
    terms: Terms,
    now: datetime,
) -> Started | Generation:
    """Let a draft's last generation go on: the paused one itself, or a new one from where it failed.

    `again` says that this very request was done before.
    Raises NotFound, NothingThere, and what `resumption.resume` does.
    """
    async with db.begin() as tx:
        known = await Generations(session=tx).get(account.id, resumption_id(account.id, key))
    if known is not None and known.resumes is not None:  # a repeat: the last generation is the one it started
        last: GenerationId | None = known.resumes
    else:
        found = (await standing(account.id, draft, db=db)).generation
        last = found and found.id
    if last is None:
        raise NothingThere("Nothing of this draft was begun: create a reel, or start a stage.")
    wish = Wish(generation=last, key=key, request_id=request_id, stop=stop, again=again)
    return await resumption.resume(wish, account=account, db=db, gate=gate, terms=terms, now=now)


async def runs(
    account: AccountId,
    generation: GenerationId,
    *,
    before: tuple[datetime, StageRunId] | None,
    limit: int,
    db: Database,
) -> list[ShownRun]:
    """Return so many of a generation's runs, those planned last first. Raises NotFound, Outage.

    All of a generation's runs are read, by the index of its units: a reel has some dozens of them.
    """
    async with db.begin() as tx:
        found = await Generations(session=tx).get(account, generation)
        if found is None:
            raise NotFound(GONE)
        every = sorted(await Runs(session=tx).of(generation), key=_when, reverse=True)
        micro = await ledger.metered_by_run(tx, generation=generation)
    behind = [run for run in every if before is None or _when(run) < before]
    verdicts = _verdicts(every)
    return [_shown(run, found, micro, verdicts) for run in behind[:limit]]


async def run(account: AccountId, wanted: StageRunId, *, db: Database) -> ShownRun:
    """Return one run. Raises NotFound, Outage."""
    async with db.begin() as tx:
        found = await Runs(session=tx).get(wanted)
        generation = found and await Generations(session=tx).get(account, found.generation_id)
        if found is None or generation is None:
            raise _no_such_run()
        judges = found.unit.stage is Stage.VISUAL_VERIFICATION
        verdicts = _verdicts(await Runs(session=tx).of(generation.id)) if judges else {}
        return _shown(found, generation, await ledger.metered_by_run(tx, generation=generation.id), verdicts)


async def call_off(account: AccountId, wanted: StageRunId, *, db: Database, gate: Gate) -> ShownRun:
    """Let a run wait that has not begun to cost anything, and its generation rest there; resuming does it then.

    A reel needs all its runs, so none is dropped for good. A worker that holds it hears so with its next heartbeat.
    Raises NotFound, RunEnded, RunAtWork where a provider is at work for it, Outage.
    """
    async with db.begin() as tx:
        found = await Runs(session=tx).get(wanted)
        locked = found and await Generations(session=tx).lock(found.generation_id, of=account)
        found = await Runs(session=tx).get(wanted)
        if found is None or locked is None:
            raise _no_such_run()
        if not locked.live or found.state not in {RunState.QUEUED, RunState.RUNNING}:
            raise RunEnded(f"This run has {found.state} already: there is nothing to call off.")
        if found.state is RunState.RUNNING:
            if await PaidCalls(session=tx).made(found.id, found.fence):
                raise RunAtWork("Its provider is at work already: let it finish, and pause the generation instead.")
            await Runs(session=tx).call_off(found.id, found.fence)
        if await Generations(session=tx).pause(locked.id):
            await Generations(session=tx).note(locked.id, "paused", {"run": str(found.id)})
    rests = await run(account, wanted, db=db)
    await stopping.keep_lease(rests.generation, gate, resting=True, now=clock.now())
    return rests


def _when(run: Run) -> tuple[datetime, StageRunId]:
    return run.queued_at, run.id


def _verdicts(runs: Iterable[Run]) -> dict[Unit, Judged]:
    """Return what the finished checks of pictures found."""
    checks = (run for run in runs if run.unit.stage is Stage.VISUAL_VERIFICATION and run.state is RunState.SUCCEEDED)
    return {run.unit: msgspec.convert(run.result, Judged) for run in checks}


def _shown(
    run: Run, generation: Generation, micro: Mapping[StageRunId, int], verdicts: Mapping[Unit, Judged]
) -> ShownRun:
    sentence = None
    if run.error_code is not None:
        waits = run.state is RunState.QUEUED
        sentence = "It is tried again by itself." if waits else "It could not be done; nothing was charged for it."
        if run.state is RunState.FAILED and run.error_code == generation.failure_code:
            sentence = generation.failure_sentence
    verdict, scene = verdicts.get(run.unit), run.unit.scene
    return ShownRun(
        run=run,
        generation=generation,
        micro=micro.get(run.id, 0),
        sentence=sentence,
        verdict=verdict,
        kept=verdict is not None and scene is not None and pipeline.best_round(verdicts, scene) == run.unit.round,
    )


def _no_such_run() -> NotFound:
    return NotFound("There is no such stage run.", code="stage_run.not_found")

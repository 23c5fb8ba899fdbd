"""A draft's pipeline: where each stage stands, and starting, pausing and resuming it there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED
from msgspec import UNSET, UnsetType

from reelwright.accounts import Account, Scope
from reelwright.admission import Gate
from reelwright.api.creations import PauseAfter, key_of
from reelwright.api.idempotency import Needed, Repeatable
from reelwright.api.resumptions import ResumedView, resumed
from reelwright.api.views import stage_views
from reelwright.generations import GenerationKind, GenerationState, Run, RunState, Stage, pipeline
from reelwright.ground import clock
from reelwright.ground.ids import DraftId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import stages
from reelwright.journeys.ordering import Terms
from reelwright.journeys.stages import Standing
from reelwright.journeys.stopping import Stop

Action = Literal["pause", "resume", "cancel"]
StageStatus = Literal["queued", "running", "succeeded", "failed", "cancelled", "waiting", "not_part"]


class PipelineStageView(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of the draft's last generation, in the pipeline's order.

    `waiting`: it comes later; `not_part`: that generation has no such stage. `credits` is what its finished runs cost.
    `missing` names the stage that has to come first; `can_start` says whether starting this one now would be taken.
    """

    stage: Stage
    status: StageStatus
    done: int
    total: int
    attempts: int
    credits: float
    can_start: bool
    missing: Stage | None
    started_at: datetime | None
    finished_at: datetime | None


class PipelineView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a draft is. Without a generation yet, `generation_id`, `kind` and `status` are null.

    `actions` is what may be done now: `pause`, `resume`, `cancel` (POST /v1/generations/{id}/cancel).
    """

    draft_id: DraftId
    generation_id: GenerationId | None
    kind: GenerationKind | None
    status: GenerationState | None
    paused_at: datetime | None
    pause_after: Stage | None
    held: float
    credits: float
    actions: tuple[Action, ...]
    stages: tuple[PipelineStageView, ...]


class PipelineResumeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where to pause next: behind a stage, or nowhere (null); left out: where it was to."""

    pause_after: PauseAfter | UnsetType = UNSET


@get("/drafts/{draft_id:uuid}/pipeline", summary="Read a draft's pipeline", tags=["pipeline"])
async def read_pipeline(
    draft_id: FromPath[DraftId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> PipelineView:
    """Return every stage of the draft's last generation, what it cost so far, and what may be done next.

    Regenerations of a single part don't count.
    """
    return pipeline_view(await stages.standing(account.id, draft_id, db=db))


@post(
    "/drafts/{draft_id:uuid}/pipeline/{stage:str}/start",
    status_code=HTTP_202_ACCEPTED,
    summary="Start a stage",
    tags=["pipeline"],
    opt={"scope": Scope.GENERATIONS_WRITE},
)
async def start_stage(
    request: Request[Any, Any, Any],
    draft_id: FromPath[DraftId],
    stage: FromPath[Stage],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    terms: NamedDependency[Terms],
    key: Needed,
) -> Response[ResumedView]:
    """Do this stage and pause behind it: at the generation that rests, else by a new order at its kind's price.

    INGESTION and STORY_WRITING begin a script anew from what the draft names; later stages render the chosen variant,
    taking over what was made of the same inputs before. 409 names the stage that is missing, or what is at work.
    """
    chosen: Any = request.scope.get("request_id")
    key = key_of(request, dry_run=False)
    now = clock.now()
    begun = await stages.start(
        draft_id, stage, key=key, request_id=chosen, account=account, db=db, gate=gate, terms=terms, now=now
    )
    return resumed(begun, now=now)


@post(
    "/drafts/{draft_id:uuid}/pipeline/pause",
    status_code=HTTP_202_ACCEPTED,
    summary="Pause a draft's pipeline",
    tags=["pipeline"],
    opt={"scope": Scope.GENERATIONS_WRITE},
)
async def pause_pipeline(
    draft_id: FromPath[DraftId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    again: NamedDependency[bool],
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> PipelineView:
    """Let running stages finish and start no other until it is resumed. Pausing again answers the same."""
    if not again:
        await stages.pause(account.id, draft_id, db=db, gate=gate)
    return pipeline_view(await stages.standing(account.id, draft_id, db=db))


@post(
    "/drafts/{draft_id:uuid}/pipeline/resume",
    status_code=HTTP_202_ACCEPTED,
    summary="Resume a draft's pipeline",
    tags=["pipeline"],
    opt={"scope": Scope.GENERATIONS_WRITE},
)
async def resume_pipeline(
    request: Request[Any, Any, Any],
    draft_id: FromPath[DraftId],
    data: JSONBody[PipelineResumeRequest],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    terms: NamedDependency[Terms],
    again: NamedDependency[bool],
    key: Needed,
) -> Response[ResumedView]:
    """Go on with the draft's last generation: the paused one itself, or a new one from where it failed.

    As POST /v1/generations/{id}/resume does.
    """
    chosen: Any = request.scope.get("request_id")
    key = key_of(request, dry_run=False)
    stop = None if data.pause_after is UNSET else Stop(data.pause_after)
    now = clock.now()
    gone_on = await stages.resume(
        draft_id,
        key=key,
        stop=stop,
        again=again,
        request_id=chosen,
        account=account,
        db=db,
        gate=gate,
        terms=terms,
        now=now,
    )
    return resumed(gone_on, now=now)


def pipeline_view(seen: Standing) -> PipelineView:
    """Return what the owner may see."""
    found = seen.generation
    return PipelineView(
        draft_id=seen.draft,
        generation_id=found and found.id,
        kind=found and found.kind,
        status=found and found.state,
        paused_at=found and found.paused_at,
        pause_after=found and found.pause_after,
        held=found.hold_micro / 1_000_000 if found and found.live else 0.0,
        credits=sum(seen.micro.values()) / 1_000_000,
        actions=_actions(seen),
        stages=tuple(_stage(stage, seen) for stage in Stage),
    )


def _actions(seen: Standing) -> tuple[Action, ...]:
    if seen.live is not None:
        return ("pause", "cancel") if seen.live.paused_at is None else ("resume", "cancel")
    failed = seen.generation is not None and seen.generation.state is GenerationState.FAILED
    return ("resume",) if failed else ()


def _stage(stage: Stage, seen: Standing) -> PipelineStageView:
    runs = [run for run in seen.runs if run.unit.stage is stage]
    started = [run.started_at for run in runs if run.started_at]
    ended = [run.finished_at for run in runs if run.finished_at]
    return PipelineStageView(
        stage=stage,
        status=_status(stage, runs, seen),
        done=sum(run.state is RunState.SUCCEEDED for run in runs),
        total=len(runs),
        attempts=sum(run.attempt for run in runs),
        credits=sum(seen.micro.get(run.id, 0) for run in runs) / 1_000_000,
        can_start=seen.may_start(stage),
        missing=seen.missing(stage),
        started_at=min(started, default=None),
        finished_at=max(ended) if runs and len(ended) == len(runs) else None,
    )


def _status(stage: Stage, runs: Sequence[Run], seen: Standing) -> StageStatus:
    if runs:
        return stage_views(list(runs))[0].status.value
    if seen.generation is None or stage not in pipeline.stages(seen.generation.kind):
        return "not_part"
    return "waiting"

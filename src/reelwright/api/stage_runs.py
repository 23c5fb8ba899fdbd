"""Stage runs: the single steps of a generation, listed, read, and called off where they have cost nothing yet."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.status_codes import HTTP_202_ACCEPTED

from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.api.cursors import Cursors
from reelwright.api.idempotency import Repeatable
from reelwright.api.views import FailureView
from reelwright.generations import Judged, RunState, Stage
from reelwright.ground.ids import GenerationId, StageRunId
from reelwright.ground.postgres import Database
from reelwright.journeys import stages
from reelwright.journeys.stages import ShownRun


class PictureCheckView(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a scene's picture found: `scores` for relevance, quality, consistency and safety, each 0..100.

    `score` is the worst of them: below 60 the picture is drawn again, three times at most in all. `kept` marks the try
    that the reel shows, the best of the scene's so far. `reasons` say what is wrong, and why no further try was made.
    """

    score: int
    scores: dict[str, int]
    reasons: tuple[str, ...]
    kept: bool


class StageRunView(msgspec.Struct, frozen=True, kw_only=True):
    """One step. `round`: which try of a scene's picture; `chunk`: which part of the film; null: not of one.

    `error` is the last attempt's; with status `queued` it is tried again at `next_attempt_at`. `credits` is what it
    cost. `attempt` 0 with status `succeeded`: it was taken over from an earlier generation. `check` is what a finished
    VISUAL_VERIFICATION found. `paused_at` is its generation's.
    """

    id: StageRunId
    generation_id: GenerationId
    stage: Stage
    scene: int | None
    chunk: int | None
    round: int
    status: RunState
    progress: float
    attempt: int
    max_attempts: int
    error: FailureView | None
    credits: float
    check: PictureCheckView | None
    queued_at: datetime
    next_attempt_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    paused_at: datetime | None


class StageRunsView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a generation's runs, those planned last first. `next_cursor` null: there is no more."""

    stage_runs: tuple[StageRunView, ...]
    next_cursor: str | None


@get("/stage-runs", summary="List a generation's runs", tags=["pipeline"])
async def list_stage_runs(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    generation_id: Annotated[GenerationId, QueryParameter(description="Whose runs.")],
    *,
    cursor: Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
) -> StageRunsView:
    """Return a page of a generation's runs, those planned last first."""
    before = None
    if cursor is not None:
        at, last = cursors.opened(cursor)
        before = at, StageRunId(last)
    found = await stages.runs(account.id, generation_id, before=before, limit=limit + 1, db=db)
    more = found[limit - 1].run if len(found) > limit else None
    return StageRunsView(
        stage_runs=tuple(_view(one) for one in found[:limit]),
        next_cursor=more and cursors.after(more.queued_at, more.id),
    )


@get("/stage-runs/{stage_run_id:uuid}", summary="Read a run", tags=["pipeline"])
async def read_stage_run(
    stage_run_id: FromPath[StageRunId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> StageRunView:
    """Return one step: how it stands, how often it was tried, what went wrong, what it cost."""
    return _view(await stages.run(account.id, stage_run_id, db=db))


@post(
    "/stage-runs/{stage_run_id:uuid}/cancel",
    status_code=HTTP_202_ACCEPTED,
    summary="Call a run off",
    tags=["pipeline"],
)
async def cancel_stage_run(
    stage_run_id: FromPath[StageRunId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    again: NamedDependency[bool],
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> StageRunView:
    """Take a run from its worker before it has cost anything, and let its generation rest there.

    A reel needs all its runs, so none is dropped for good: the run waits, and is done once the generation is resumed;
    cancel the generation to end it. 409 where its provider is at work already, or the run has ended. Calling it off
    again answers the same.
    """
    if again:
        return _view(await stages.run(account.id, stage_run_id, db=db))
    return _view(await stages.call_off(account.id, stage_run_id, db=db, gate=gate))


def _view(shown: ShownRun) -> StageRunView:
    run = shown.run
    return StageRunView(
        id=run.id,
        generation_id=run.generation_id,
        stage=run.unit.stage,
        scene=run.unit.scene,
        chunk=run.unit.chunk,
        round=run.unit.round,
        status=run.state,
        progress=round(run.progress, 3),
        attempt=run.attempt,
        max_attempts=run.max_attempts,
        error=FailureView(code=run.error_code, detail=shown.sentence or "") if run.error_code else None,
        credits=shown.micro / 1_000_000,
        check=shown.verdict and _check(shown.verdict, kept=shown.kept),
        queued_at=run.queued_at,
        next_attempt_at=run.next_attempt_at if run.state is RunState.QUEUED else None,
        started_at=run.started_at,
        finished_at=run.finished_at,
        paused_at=shown.generation.paused_at,
    )


def _check(verdict: Judged, *, kept: bool) -> PictureCheckView:
    return PictureCheckView(score=verdict.score, scores=verdict.scores, reasons=verdict.reasons, kept=kept)

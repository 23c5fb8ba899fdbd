"""/v1/admin/dead-letters: what died of our own failure, listed, shown, and set going again. For administrators."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.status_codes import HTTP_202_ACCEPTED

from reelwright.accounts import Account
from reelwright.api.caller import admin_only
from reelwright.api.creations import OnceOnly, key_of
from reelwright.api.cursors import Cursors
from reelwright.generations import GenerationKind, GenerationState, Run, RunState, Stage
from reelwright.ground.ids import AccountId, DraftId, GenerationId, StageRunId
from reelwright.ground.postgres import Database
from reelwright.journeys import dead_letters
from reelwright.journeys.dead_letters import Case, CursorUnknown, Entry, Operator, Redriven
from reelwright.journeys.ordering import Terms


class DeadLettersView(msgspec.Struct, frozen=True, kw_only=True):
    """A page: generations, newest first, then messages. `next_cursor` null: there is no more.

    A message is open until it is sent anew, and then gone.
    """

    dead_letters: tuple[Entry, ...]
    next_cursor: str | None


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """One stage run. Attempt 0 of a succeeded one: it was carried over from the generation that this one resumes."""

    id: StageRunId
    stage: Stage
    scene: int | None
    chunk: int | None
    round: int
    status: RunState
    attempts: int
    most_attempts: int
    error_code: str | None
    started_at: datetime | None
    finished_at: datetime | None


class DeadGenerationView(msgspec.Struct, frozen=True, kw_only=True):
    """The generation that died, without anything that its owner wrote."""

    id: GenerationId
    user_id: AccountId
    draft_id: DraftId
    kind: GenerationKind
    status: GenerationState
    plan: str
    lane: str
    failure_code: str | None
    failure_detail: str | None
    request_id: str | None
    resumes: GenerationId | None
    created_at: datetime
    ended_at: datetime | None


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of an entry, and what to do next."""

    dead_letter: Entry
    generation: DeadGenerationView
    runs: tuple[RunView, ...]
    next_step: str


class RedrivenView(msgspec.Struct, frozen=True, kw_only=True):
    """What goes on now: a new generation, or the same one where its message is sent anew."""

    generation_id: GenerationId


@get("/admin/dead-letters", guards=[admin_only], summary="List dead letters", tags=["admin"])
async def list_dead_letters(
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    open: FromQuery[bool] = True,  # noqa: A002 - the parameter's public name, which a problem document quotes
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
    cursor: FromQuery[str | None] = None,
) -> DeadLettersView:
    """Return what died of our own failure. `open=false` shows those that were set going again, too."""
    after = None if cursor is None else cursors.place(cursor, refused=CursorUnknown).decode()
    found = await dead_letters.page(limit, after=after, open_only=open, db=db)
    more = found.next_cursor and cursors.behind(found.next_cursor.encode())
    return DeadLettersView(dead_letters=tuple(found.entries), next_cursor=more)


@get("/admin/dead-letters/{letter:str}", guards=[admin_only], summary="Read a dead letter", tags=["admin"])
async def read_dead_letter(letter: FromPath[str], db: NamedDependency[Database]) -> CaseView:
    """Return one with its generation, its runs and what to do next."""
    return _case(await dead_letters.show(letter, db=db))


@post(
    "/admin/dead-letters/{letter:str}/redrive",
    guards=[admin_only],
    status_code=HTTP_202_ACCEPTED,
    summary="Set a dead letter going again",
    tags=["admin"],
)
async def redrive(
    request: Request[Any, Any, Any],
    letter: FromPath[str],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    terms: NamedDependency[Terms],
    *,
    key: OnceOnly,  # noqa: ARG001 - for OpenAPI: key_of reads them all
) -> Response[RedrivenView]:
    """Go on from what died, on its owner's behalf: credits are held again, but no unit is taken. Once a letter."""
    chosen: Any = request.scope.get("request_id")
    operator = Operator(account=account.id, request_id=chosen)
    done = await dead_letters.redrive(letter, key=key_of(request, dry_run=False), by=operator, db=db, terms=terms)
    return _redriven(done)


def _redriven(done: Redriven) -> Response[RedrivenView]:
    headers = {"Location": f"/v1/generations/{done.generation_id}"}
    if done.repeated:
        headers["Idempotency-Replayed"] = "true"
    return Response(RedrivenView(generation_id=done.generation_id), status_code=HTTP_202_ACCEPTED, headers=headers)


def _case(case: Case) -> CaseView:
    found = asdict(case.generation)
    renamed = found | {"user_id": found["account_id"], "status": found["state"]}
    return CaseView(
        dead_letter=case.dead_letter,
        generation=msgspec.convert(renamed | {"failure_detail": found["failure_sentence"]}, DeadGenerationView),
        runs=tuple(map(_run, case.runs)),
        next_step=case.next_step,
    )


def _run(run: Run) -> RunView:
    row = asdict(run)
    named = row["unit"] | {"status": row["state"], "attempts": row["attempt"], "most_attempts": row["max_attempts"]}
    return msgspec.convert(row | named, RunView)

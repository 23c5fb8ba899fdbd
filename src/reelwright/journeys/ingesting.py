"""Ingest a draft's source by itself: read what came of it, and try again what failed."""

from datetime import datetime
from hashlib import sha256

from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.generations import Draft, GenerationKind, Generations, Ingestion, Pipelines, RunState, Stage
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, DraftId
from reelwright.ground.postgres import Database
from reelwright.journeys import creation
from reelwright.journeys.creation import Started
from reelwright.journeys.ordering import Order, Terms, routed_id

ROUTE = "POST /v1/ingestions"
RETRYING = "POST /v1/drafts/ingestion/retry"


class NotFailed(Refusal):
    """Only an ingestion that has failed, or was cancelled, is tried again; `extra` holds how it stands."""

    kind = Kind.CONFLICT
    code = "ingestion.not_failed"


async def read(account: AccountId, draft: DraftId, *, db: Database) -> Ingestion:
    """Return how a draft's last ingestion went. Raises NotFound, also where none was begun; Outage."""
    async with db.begin() as tx:
        found = await Pipelines(session=tx).ingestion(account, draft)
    if found is None:
        raise NotFound("There is no such draft, or nothing of it was ingested yet.", code="ingestion.not_found")
    return found


async def retry(
    draft: DraftId,
    *,
    key: str,
    request_id: str | None,
    account: Account,
    db: Database,
    gate: Gate,
    terms: Terms,
    now: datetime,
) -> Started:
    """Ingest a draft's source anew, and pause behind it: an order like the first. A repeat starts nothing.

    Raises NotFound, NotFailed, and what `creation.start` does.
    """
    order = Order(
        id=routed_id(account.id, RETRYING, key),
        key=key,
        route=RETRYING,
        fingerprint=sha256(draft.bytes).digest(),
        kind=GenerationKind.SCRIPT,
        draft=Draft(id=draft, account_id=account.id),
        existing=True,
        pause_after=Stage.INGESTION,
        request_id=request_id,
    )
    async with db.begin() as tx:
        repeated = await Generations(session=tx).fingerprint_of(order.id) is not None
    if not repeated:
        last = await read(account.id, draft, db=db)
        if last.state not in {RunState.FAILED, RunState.CANCELLED}:
            raise NotFailed(
                f"This draft's ingestion has {last.state}: only one that has failed is tried again."
                if last.state is RunState.SUCCEEDED
                else f"This draft's ingestion is {last.state}: wait for its end, or cancel its generation.",
                extra={"ingestion_status": last.state.value},
            )
    return await creation.start(order=order, account=account, db=db, gate=gate, terms=terms, now=now)

"""/v1/credits: what an account has, every movement of it, and why it was charged; and an administrator's word."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED
from msgspec import Meta

from reelwright.accounts import Account
from reelwright.api.caller import admin_only
from reelwright.api.creations import BadField, OnceOnly, key_of, plain
from reelwright.api.cursors import Cursors
from reelwright.billing import MICRO, Plan
from reelwright.generations import GenerationKind, GenerationState
from reelwright.ground import clock
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import credits as journey
from reelwright.journeys.credits import Explained
from reelwright.ledger import JournalLine, UsageCall

_SEQ_BYTES = 8
_MOST_CREDITS = 1_000_000


class LapsingView(msgspec.Struct, frozen=True, kw_only=True):
    """So many credits are lost at this instant unless they are used."""

    credits: float
    at: datetime


class PurseView(msgspec.Struct, frozen=True, kw_only=True):
    """In credits. `balance` can be used now, `held` is reserved for running work, `debt` is paid by what comes in."""

    balance: float
    held: float
    debt: float
    tier: Plan
    monthly_allowance: float
    next_reset: datetime
    lapsing_soon: list[LapsingView]


class TransactionView(msgspec.Struct, frozen=True, kw_only=True):
    """One movement, in credits, and what the account had and owed after it. `details` says what it was for."""

    id: int
    kind: str
    credits: float
    from_: str = msgspec.field(name="from")
    to: str
    balance_after: float
    held_after: float
    debt_after: float
    generation_id: UUID | None
    reason: str
    at: datetime
    details: str


class TransactionsView(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. `next_cursor` is null where nothing is older."""

    transactions: list[TransactionView]
    next_cursor: str | None


class CallView(msgspec.Struct, frozen=True, kw_only=True):
    """One call or step: so many units at this price, in credits. What we had to do again is free."""

    scene: int | None
    action: str
    provider: str
    model: str
    outcome: str
    quantity: int
    unit_price: float | None
    credits: float
    at: datetime


class StageCostView(msgspec.Struct, frozen=True, kw_only=True):
    stage: str
    credits: float
    calls: list[CallView]


class ChargedGenerationView(msgspec.Struct, frozen=True, kw_only=True):
    """The work that the movement was for, the list that priced it and what was charged for it so far, in credits."""

    id: UUID
    kind: GenerationKind
    status: GenerationState
    price_version: int
    charged: float


class TransactionDetailsView(msgspec.Struct, frozen=True, kw_only=True):
    """Why a movement happened: the generation, its stages, their calls."""

    transaction: TransactionView
    generation: ChargedGenerationView | None
    stages: list[StageCostView]


class CreditChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many credits to give, or to take where negative, and why. `force` lets the account owe what it hasn't."""

    credits: Annotated[float, Meta(ge=-_MOST_CREDITS, le=_MOST_CREDITS)]
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    force: bool = False


class CreditsAfterView(msgspec.Struct, frozen=True, kw_only=True):
    """What the account has after the change, in credits."""

    user_id: AccountId
    balance: float
    held: float
    debt: float


class RefundOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many of the credits that a generation was charged to give back, and why."""

    credits: Annotated[float, Meta(gt=0, le=_MOST_CREDITS)]
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class RefundView(msgspec.Struct, frozen=True, kw_only=True):
    """What was given back, and what the generation is still charged, in credits."""

    generation_id: GenerationId
    refunded: float
    charged: float


@get("/credits/balance", summary="Read your credits", tags=["credits"])
async def read_balance(account: NamedDependency[Account], db: NamedDependency[Database]) -> PurseView:
    """Return what you have, what is reserved, what you get each month and when, and what lapses within a week."""
    purse = await journey.purse(account, db=db, now=clock.now())
    return PurseView(
        balance=purse.balance.available_micro / MICRO,
        held=purse.balance.held_micro / MICRO,
        debt=purse.balance.debt_micro / MICRO,
        tier=purse.tier,
        monthly_allowance=purse.allowance_micro / MICRO,
        next_reset=purse.next_reset,
        lapsing_soon=[LapsingView(credits=lot.micro / MICRO, at=lot.at) for lot in purse.lapsing],
    )


@get("/credits/transactions", summary="List your credits' movements", tags=["credits"])
async def list_transactions(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> TransactionsView:
    """Return your movements, newest first. What is new meanwhile never moves the pages behind."""
    before = None if cursor is None else int.from_bytes(cursors.place(cursor), "big")
    lines = await journey.transactions(account.id, before=before, limit=limit + 1, db=db)
    more = len(lines) > limit
    return TransactionsView(
        transactions=[_transaction(line) for line in lines[:limit]],
        next_cursor=cursors.behind(lines[limit - 1].seq.to_bytes(_SEQ_BYTES, "big")) if more else None,
    )


@get("/credits/transactions/{transaction:int}", summary="Read why a movement happened", tags=["credits"])
async def read_transaction(
    transaction: FromPath[int], account: NamedDependency[Account], db: NamedDependency[Database]
) -> TransactionDetailsView:
    """Return a movement with its generation, the generation's stages and every call that was metered."""
    found = await journey.explain(account.id, max(0, min(transaction, 2**63 - 1)), db=db)
    work = found.generation
    return TransactionDetailsView(
        transaction=_transaction(found.line),
        generation=work
        and ChargedGenerationView(
            id=work.id,
            kind=work.kind,
            status=work.state,
            price_version=work.price_version,
            charged=found.charged_micro / MICRO,
        ),
        stages=_stages(found),
    )


@post(
    "/admin/users/{user_id:uuid}/credits",
    guards=[admin_only],
    status_code=HTTP_201_CREATED,
    summary="Give or take credits",
    tags=["admin"],
)
async def correct_credits(
    request: Request[Any, Any, Any],
    user_id: FromPath[AccountId],
    data: JSONBody[CreditChange],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    *,
    key: OnceOnly,  # noqa: ARG001 - for OpenAPI: key_of reads them all
) -> Response[CreditsAfterView]:
    """Change an account's credits, with your name and reason in its journal. A repeat of the key changes nothing."""
    balance, repeated = await journey.correct(
        user_id,
        whole_micro(data.credits, field="credits"),
        key=key_of(request, dry_run=False),
        reason=plain(data.reason, field="reason") or "",
        force=data.force,
        by=account,
        db=db,
    )
    view = CreditsAfterView(
        user_id=user_id,
        balance=balance.available_micro / MICRO,
        held=balance.held_micro / MICRO,
        debt=balance.debt_micro / MICRO,
    )
    headers = {"Idempotency-Replayed": "true"} if repeated else {}
    return Response(view, status_code=HTTP_201_CREATED, headers=headers)


@post(
    "/admin/generations/{generation_id:uuid}/refund",
    guards=[admin_only],
    status_code=HTTP_201_CREATED,
    summary="Refund a generation",
    tags=["admin"],
)
async def refund_generation(
    request: Request[Any, Any, Any],
    generation_id: FromPath[GenerationId],
    data: JSONBody[RefundOrder],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    *,
    key: OnceOnly,  # noqa: ARG001 - for OpenAPI: key_of reads them all
) -> Response[RefundView]:
    """Give credits back into the lots that they came from, last used first; a repeat of the key gives nothing more.

    What had come from credits that lapsed within three days comes back for seven.
    """
    micro = whole_micro(data.credits, field="credits")
    charged, repeated = await journey.refund(
        generation_id,
        micro,
        key=key_of(request, dry_run=False),
        reason=plain(data.reason, field="reason") or "",
        by=account,
        db=db,
    )
    view = RefundView(generation_id=generation_id, refunded=micro / MICRO, charged=charged / MICRO)
    headers = {"Idempotency-Replayed": "true"} if repeated else {}
    return Response(view, status_code=HTTP_201_CREATED, headers=headers)


def whole_micro(credits: float, *, field: str, zero: bool = False) -> int:  # noqa: A002 - the product's word
    """Return credits of up to six decimals as micro-credits. Raises BadField."""
    micro = round(credits * MICRO)
    if abs(credits * MICRO - micro) > 1e-4 * max(1.0, abs(micro) * 1e-6) or (micro == 0 and not zero):
        raise BadField(f"{field}: use a number other than 0 with up to six decimals.", field=field)
    return micro


def _transaction(line: JournalLine) -> TransactionView:
    return TransactionView(
        id=line.seq,
        kind=line.kind,
        credits=line.amount_micro / MICRO,
        from_=line.from_bucket,
        to=line.to_bucket,
        balance_after=line.available_after_micro / MICRO,
        held_after=line.held_after_micro / MICRO,
        debt_after=line.debt_after_micro / MICRO,
        generation_id=line.generation_id,
        reason=line.reason,
        at=line.at,
        details=f"/v1/credits/transactions/{line.seq}",
    )


def _stages(found: Explained) -> list[StageCostView]:
    calls = dict[str, list[UsageCall]]()
    for call in found.calls:
        calls.setdefault(call.stage, []).append(call)
    return [
        StageCostView(
            stage=stage,
            credits=sum(call.credits_micro for call in made) / MICRO,
            calls=[_call(call, found.unit_micro(call)) for call in made],
        )
        for stage, made in calls.items()
    ]


def _call(call: UsageCall, unit_micro: int | None) -> CallView:
    return CallView(
        scene=call.scene,
        action=call.action,
        provider=call.provider,
        model=call.model,
        outcome=call.outcome,
        quantity=call.quantity,
        unit_price=None if unit_micro is None else unit_micro / MICRO,
        credits=call.credits_micro / MICRO,
        at=call.at,
    )

"""/v1/admin: what administrators do to accounts. Its guard lets nobody else in."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED
from msgspec import Meta

from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.api.caller import admin_only
from reelwright.api.creations import OnceOnly, key_of
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.billing import BOOST_DAYS, Plan, effective_plan
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import administration

_MOST_DAYS = 366


class PlanChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The plan that the account is to hold itself."""

    plan: Plan


class BoostOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long the boost is to last, in days of 24 hours."""

    days: Annotated[int, Meta(ge=1, le=_MOST_DAYS)] = BOOST_DAYS


class UserPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan an account holds, the one it is served by, and when its boost ends, if it has one."""

    user_id: AccountId
    plan: Plan
    effective_plan: Plan
    boost_until: datetime | None


@put("/admin/users/{user_id:uuid}/plan", guards=[admin_only], summary="Set an account's plan", tags=["admin"])
async def set_plan(
    user_id: FromPath[AccountId],
    data: JSONBody[PlanChange],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    if_match: IfMatch = None,
) -> Response[UserPlan]:
    """Give an account another plan at once; what it used this month stays used. 409 where a subscription decides."""
    version = expected(if_match)
    changed = await administration.set_plan(
        user_id, data.plan, by=account, db=db, gate=gate, now=clock.now(), expected_version=version
    )
    return Response(user_plan(changed), status_code=HTTP_200_OK, headers=etag(administration.version_of(changed)))


@post(
    "/admin/users/{user_id:uuid}/boosts",
    guards=[admin_only],
    status_code=HTTP_201_CREATED,
    summary="Boost an account to Pro",
    tags=["admin"],
)
async def grant_boost(
    request: Request[Any, Any, Any],
    user_id: FromPath[AccountId],
    data: JSONBody[BoostOrder],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    *,
    key: OnceOnly,  # noqa: ARG001 - for OpenAPI: key_of reads them all
) -> Response[UserPlan]:
    """Lift an account to Pro for some days, after any boost it has. A repeat of the key boosts no second time."""
    boosted = await administration.grant_boost(
        user_id, source=f"admin:{key_of(request, dry_run=False)}", days=data.days, by=account, db=db, gate=gate
    )
    headers = {"Idempotency-Replayed": "true"} if boosted.repeated else {}
    return Response(user_plan(boosted.account), status_code=HTTP_201_CREATED, headers=headers)


def user_plan(account: Account) -> UserPlan:
    """Return an account's plan as administrators see it after a change."""
    until = account.boost_until
    return UserPlan(
        user_id=account.id,
        plan=Plan(account.plan),
        effective_plan=effective_plan(account.plan, until, clock.now()),
        boost_until=until,
    )

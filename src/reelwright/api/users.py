"""/v1/admin/users: what administrators see of accounts, which of them are demos, and boosts taken back."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK

from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.api.admin import UserPlan, user_plan
from reelwright.api.caller import admin_only
from reelwright.api.creations import plain
from reelwright.api.cursors import Cursors
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.billing import MICRO, Plan, effective_plan
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import administration, plans
from reelwright.journeys.administration import Dossier

_NO_INSTANT = datetime.fromtimestamp(0, UTC)  # ids are in the order of their making: a cursor needs no more


class DemoChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether the account is a demo: never charged, granted, tracked or told anything."""

    demo: bool


class UserView(msgspec.Struct, frozen=True, kw_only=True):
    """An account: the plan it holds itself, the one it is served by, and when its boost ends, if it has one."""

    id: AccountId
    email: str
    role: str
    plan: Plan
    effective_plan: Plan
    boost_until: datetime | None
    demo: bool


class UsersView(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. `next_cursor` is null where nobody is older."""

    users: list[UserView]
    next_cursor: str | None


class SubscriptionView(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription as it was told last. `live`: it gives its plan now. `next_plan` follows at the period's end."""

    id: str
    customer: str
    plan: Plan
    status: str
    live: bool
    period_start: datetime
    period_end: datetime
    cancel_at_period_end: bool
    next_plan: Plan | None
    past_due_since: datetime | None
    ended_at: datetime | None


class BoostView(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of Pro, and for what it was given."""

    id: UUID
    source: str | None
    starts_at: datetime
    ends_at: datetime
    revoked_at: datetime | None


class UserDetailsView(msgspec.Struct, frozen=True, kw_only=True):
    """An account with what it pays for, its boosts, and its credits."""

    user: UserView
    subscriptions: list[SubscriptionView]
    boosts: list[BoostView]
    balance: float
    held: float
    debt: float
    monthly_allowance: float
    next_reset: datetime


@get("/admin/users", guards=[admin_only], summary="List accounts", tags=["admin"])
async def list_users(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    q: Annotated[str | None, QueryParameter(max_length=254, description="A part of the e-mail address.")] = None,
    plan: Annotated[Plan | None, QueryParameter(description="Only those that hold this plan themselves.")] = None,
    cursor: Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
) -> UsersView:
    """Return a page of accounts, newest first."""
    before = None if cursor is None else cursors.opened(cursor)[1]
    found = await administration.users(
        before=before, limit=limit + 1, q=plain(q, field="q"), plan=plan, by=account, db=db
    )
    more = found[limit - 1] if len(found) > limit else None
    return UsersView(
        users=[_user(one) for one in found[:limit]],
        next_cursor=more and cursors.after(_NO_INSTANT, more.id),
    )


@get("/admin/users/{user_id:uuid}", guards=[admin_only], summary="Read an account", tags=["admin"])
async def read_user(
    user_id: FromPath[AccountId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> Response[UserDetailsView]:
    """Return an account with its subscriptions, its boosts and its credits. Its ETag is that of plan and demo flag."""
    now = clock.now()
    found = await administration.user(user_id, by=account, db=db, now=now)
    version = etag(administration.version_of(found.account))
    return Response(_details(found, now=now), status_code=HTTP_200_OK, headers=version)


@put("/admin/users/{user_id:uuid}/demo", guards=[admin_only], summary="Make an account a demo, or not", tags=["admin"])
async def set_demo(
    user_id: FromPath[AccountId],
    data: JSONBody[DemoChange],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    if_match: IfMatch = None,
) -> Response[UserView]:
    """Set the flag for what the account does from now on; what it has done stays as it was charged."""
    version = expected(if_match)
    changed = await administration.set_demo(user_id, demo=data.demo, by=account, db=db, expected_version=version)
    return Response(_user(changed), status_code=HTTP_200_OK, headers=etag(administration.version_of(changed)))


@delete(
    "/admin/users/{user_id:uuid}/boosts/{boost_id:uuid}",
    guards=[admin_only],
    status_code=HTTP_200_OK,
    summary="Take a boost back",
    tags=["admin"],
)
async def revoke_boost(
    user_id: FromPath[AccountId],
    boost_id: FromPath[UUID],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
) -> UserPlan:
    """Take what is left of a boost; those behind it begin earlier. A repeat changes nothing."""
    return user_plan(await plans.revoke_boost(user_id, boost_id=boost_id, by=account, db=db, gate=gate))


def _user(account: Account) -> UserView:
    return UserView(
        id=account.id,
        email=account.email,
        role=account.role,
        plan=Plan(account.plan),
        effective_plan=effective_plan(account.plan, account.boost_until, clock.now()),
        boost_until=account.boost_until,
        demo=account.demo,
    )


def _details(found: Dossier, *, now: datetime) -> UserDetailsView:
    return UserDetailsView(
        user=_user(found.account),
        subscriptions=[
            SubscriptionView(
                id=told.external_id,
                customer=told.external_customer_id,
                plan=Plan(told.plan),
                status=told.status,
                live=told.live(now),
                period_start=told.period_start,
                period_end=told.period_end,
                cancel_at_period_end=told.cancel_at_period_end,
                next_plan=None if told.next_plan is None else Plan(told.next_plan),
                past_due_since=told.past_due_since,
                ended_at=told.ended_at,
            )
            for told in found.subscriptions
        ],
        boosts=[
            BoostView(
                id=boost.id,
                source=boost.source,
                starts_at=boost.starts_at,
                ends_at=boost.ends_at,
                revoked_at=boost.revoked_at,
            )
            for boost in found.boosts
        ],
        balance=found.balance.available_micro / MICRO,
        held=found.balance.held_micro / MICRO,
        debt=found.balance.debt_micro / MICRO,
        monthly_allowance=found.allowance.micro / MICRO,
        next_reset=found.allowance.period.end,
    )

"""/v1/me: the account that asks, its password, and the browsers that are logged in to it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, delete, get, patch
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_204_NO_CONTENT
from msgspec import Meta

from reelwright.accounts import Account, Caller, Passwords, Session, SessionId
from reelwright.admission import Gate
from reelwright.api.caller import Entrance, session_cookie
from reelwright.api.cursors import Cursors
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.billing import Plan, effective_plan
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import sessions

_Password = Annotated[str, Meta(min_length=1, max_length=1024)]


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The password that the account has, and the one that it shall have: 8 to 128 characters."""

    current_password: _Password
    password: _Password


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account: the plan it holds itself, the one it is served by, and when its boost ends, if it has one."""

    id: AccountId
    email: str
    role: str
    plan: Plan
    effective_plan: Plan
    boost_until: datetime | None
    demo: bool


class MeView(msgspec.Struct, frozen=True, kw_only=True):
    """Your account, and what you may do by the key or session that you sent. `csrf_token`: a session's, else null."""

    account: AccountView
    has_password: bool
    scopes: tuple[str, ...]
    csrf_token: str | None
    created_at: datetime
    version: int


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that is logged in. `current`: the one that asks."""

    id: SessionId
    agent: str
    current: bool
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class SessionsView(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. `next_cursor` is null where nothing is older."""

    sessions: list[SessionView]
    next_cursor: str | None


@get("/me", summary="Read your account", tags=["account"], opt={"leaving": True})
async def read_me(
    caller: NamedDependency[Caller], db: NamedDependency[Database], entrance: NamedDependency[Entrance]
) -> Response[MeView]:
    """Return your account, and what the key or session that you sent may do."""
    return await _me(caller, db=db, entrance=entrance)


@patch("/me", summary="Change your password", tags=["account"])
async def change_me(
    data: JSONBody[PasswordChange],
    caller: NamedDependency[Caller],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    passwords: NamedDependency[Passwords],
    entrance: NamedDependency[Entrance],
    if_match: IfMatch = None,
) -> Response[MeView]:
    """Change your password. Every other session ends, this one's cookie is a new one; API keys go on working."""
    begun = await sessions.change_password(
        caller,
        current=data.current_password,
        password=data.password,
        expected=expected(if_match),
        passwords=passwords,
        gate=gate,
        db=db,
        now=clock.now(),
    )
    return await _me(caller, db=db, entrance=entrance, cookies=[] if begun is None else [session_cookie(begun.token)])


@get("/me/sessions", summary="List your sessions", tags=["account"])
async def list_sessions(
    caller: NamedDependency[Caller],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> SessionsView:
    """Return the browsers that are logged in to your account."""
    account_id = caller.account.id
    after = None if cursor is None else cursors.opened(cursor)
    found = await sessions.listed(account_id, limit=limit + 1, after=after, db=db)
    page, more = found[:limit], len(found) > limit
    return SessionsView(
        sessions=[_session(one, caller) for one in page],
        next_cursor=cursors.after(page[-1].created_at, page[-1].id) if more else None,
    )


@delete("/me/sessions/{session_id:uuid}", status_code=HTTP_204_NO_CONTENT, summary="End a session", tags=["account"])
async def end_session(
    session_id: FromPath[UUID], caller: NamedDependency[Caller], db: NamedDependency[Database]
) -> None:
    """Log a browser out, wherever it is."""
    await sessions.end(caller.account.id, session_id, db=db)


def account_view(account: Account, *, now: datetime) -> AccountView:
    """Return an account as its owner sees it."""
    return AccountView(
        id=account.id,
        email=account.email,
        role=account.role,
        plan=Plan(account.plan),
        effective_plan=effective_plan(account.plan, account.boost_until, now),
        boost_until=account.boost_until,
        demo=account.demo,
    )


async def _me(
    caller: Caller, *, db: Database, entrance: Entrance, cookies: list[Cookie] | None = None
) -> Response[MeView]:
    found, now, session = await sessions.signs_in(caller.account.id, db=db), clock.now(), caller.session_id
    body = MeView(
        account=account_view(found.account, now=now),
        has_password=found.password_hash is not None,
        scopes=caller.scopes,
        csrf_token=None if session is None else entrance.csrf_token(session, now=now),
        created_at=found.created_at,
        version=found.version,
    )
    return Response(body, headers=etag(found.version), cookies=cookies or [])


def _session(found: Session, caller: Caller) -> SessionView:
    return SessionView(
        id=found.id,
        agent=found.agent,
        current=found.id == caller.session_id,
        created_at=found.created_at,
        last_seen_at=found.last_seen_at,
        expires_at=found.expires_at,
    )

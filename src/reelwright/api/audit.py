"""GET /v1/admin/actions: what administrators have changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from reelwright.api.caller import admin_only
from reelwright.api.cursors import Cursors
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import auditing


class AdminActionView(msgspec.Struct, frozen=True, kw_only=True):
    """Who changed what. `target`: an account's id, a provider's name, a version; `facts`: what was asked for."""

    id: UUID
    actor_id: AccountId
    action: str
    target: str
    facts: Mapping[str, Any]
    request_id: str | None
    done_at: datetime


class AdminActionsView(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. `next_cursor` is null where nothing is older."""

    actions: list[AdminActionView]
    next_cursor: str | None


@get("/admin/actions", guards=[admin_only], summary="List what administrators did", tags=["admin"])
async def list_admin_actions(
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> AdminActionsView:
    """Return a page of what administrators changed; nobody can change or remove it."""
    after = None if cursor is None else cursors.opened(cursor)
    found = await auditing.actions(limit=limit + 1, after=after, db=db)
    page, more = found[:limit], len(found) > limit
    return AdminActionsView(
        actions=[
            AdminActionView(
                id=one.id,
                actor_id=one.actor,
                action=one.action,
                target=one.target,
                facts=one.facts,
                request_id=one.request_id,
                done_at=one.at,
            )
            for one in page
        ],
        next_cursor=cursors.after(page[-1].at, page[-1].id) if more else None,
    )

"""The audit of what administrators do: a row beside each change, in its transaction, that nobody can take back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId, fresh

_LAST_ID = UUID(int=2**128 - 1)
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
_ADD = text(
    "INSERT INTO admin_actions (id, actor, action, target, facts, request_id)"
    " VALUES (:id, :actor, :action, :target, CAST(:facts AS jsonb), :request_id)"
)
_LIST = text(
    """
    SELECT id, actor, action, target, facts, request_id, at FROM admin_actions WHERE (at, id) < (:before, :last)
     ORDER BY at DESC, id DESC LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminAction:
    """Who did what to whom. `facts` are what was asked for, without secrets and without anybody's address."""

    id: UUID
    actor: AccountId
    action: str
    target: str
    facts: Mapping[str, Any]
    request_id: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class AdminActions:
    """What administrators did, inside one transaction."""

    session: AsyncConnection

    async def add(
        self, actor: AccountId, action: str, target: object, facts: Mapping[str, object], *, request_id: str | None
    ) -> None:
        """Note one."""
        values = {"id": fresh(), "actor": actor, "action": action, "target": str(target), "request_id": request_id}
        await self.session.execute(_ADD, values | {"facts": msgspec.json.encode(dict(facts), enc_hook=str).decode()})

    async def listed(self, *, limit: int, after: tuple[datetime, UUID] | None) -> list[AdminAction]:
        """Return so many, newest first, behind this instant and id."""
        before, last = after or (_END_OF_TIME, _LAST_ID)
        found = await self.session.execute(_LIST, {"before": before, "last": last, "limit": limit})
        return [AdminAction(**dict(row)) for row in found.mappings()]

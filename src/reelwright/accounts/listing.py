"""Accounts as administrators look for them: the newest first, by a part of their address and by plan."""

import re
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts.model import Account
from reelwright.accounts.repository import ACCOUNT_COLUMNS

_WILD = re.compile(r"[%_\\]")
_LAST_ID = UUID(int=2**128 - 1)
_ACCOUNT = f"SELECT {ACCOUNT_COLUMNS} FROM"
_PAGE = "u.deleted_at IS NULL AND u.id < :before ORDER BY u.id DESC LIMIT :limit"
_ALL, _ON_PLAN = text(f"{_ACCOUNT} users u WHERE {_PAGE}"), text(f"{_ACCOUNT} users u WHERE u.plan = :plan AND {_PAGE}")
_FITS = "lower(email) LIKE lower(:like) AND (CAST(:plan AS text) IS NULL OR plan = :plan)"
# Among so many of the newest, what stands in many addresses fills a page at once.
_AMONG_THE_NEWEST = text(
    f"""
    {_ACCOUNT} (SELECT * FROM users WHERE deleted_at IS NULL AND id < :before ORDER BY id DESC LIMIT 500) AS u
     WHERE {_FITS} ORDER BY u.id DESC LIMIT :limit
    """  # noqa: S608 - assembled from constants
)
# What stands in few, the index of their letters finds: asked for by id, the planner would walk through all accounts.
_BY_LETTERS = text(
    f"""
    WITH found AS MATERIALIZED (SELECT id FROM users WHERE deleted_at IS NULL AND {_FITS})
    {_ACCOUNT} users u WHERE u.id = ANY(ARRAY(SELECT id FROM found WHERE id < :before ORDER BY id DESC LIMIT :limit))
     ORDER BY u.id DESC
    """  # noqa: S608 - assembled from constants
)


async def listed(
    tx: AsyncConnection, *, limit: int, before: UUID | None = None, q: str | None = None, plan: str | None = None
) -> list[Account]:
    """Return accounts, the newest first, behind this id; `q` is part of their address, `plan` their own."""
    values: dict[str, object] = {"before": before or _LAST_ID, "limit": limit}
    if q is None and plan is None:
        statements = (_ALL,)
    elif q is None:
        values["plan"] = plan
        statements = (_ON_PLAN,)
    else:
        values["plan"] = plan
        values["like"] = "%" + _WILD.sub(r"\\\g<0>", q) + "%"
        statements = (_AMONG_THE_NEWEST, _BY_LETTERS)
    found: list[Account] = []
    for statement in statements:
        found = [Account(**dict(row)) for row in (await tx.execute(statement, values)).mappings()]
        if len(found) == limit:
            break
    return found

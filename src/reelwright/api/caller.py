"""Who is calling: a Bearer key becomes an account before a body is read."""

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from reelwright.accounts import Account
from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.postgres import Database
from reelwright.journeys import identity


class NotAuthenticated(Refusal):
    kind = Kind.UNAUTHENTICATED
    code = "auth.required"


class AdminOnly(Refusal):
    kind = Kind.FORBIDDEN
    code = "auth.admin_only"


async def known(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Let the request through as its account. Raises NotAuthenticated, and Outage where PostgreSQL is away."""
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise NotAuthenticated("Send your API key as `Authorization: Bearer rw_…`.")
    db: Database = connection.app.state.db
    account = await identity.of_key(secret.strip(), db=db)
    if account is None:
        raise NotAuthenticated("This API key is unknown or revoked: create one and send it as a Bearer token.")
    connection.scope["state"]["account"] = account


async def admin_only(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Let administrators through. It stands behind `known`. Raises AdminOnly."""
    account: Account = connection.scope["state"]["account"]
    if account.role != "admin":
        raise AdminOnly("Only administrators may do this: ask one, or use an administrator's API key.")


async def account_of(request: Request[Any, Any, Any]) -> Account:
    """Return the account that `known` found."""
    return request.scope["state"]["account"]

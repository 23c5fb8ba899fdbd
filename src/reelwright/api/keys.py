"""/v1/api-keys: keys by which programs call, each with what it may do, shown once."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED, HTTP_204_NO_CONTENT
from msgspec import Meta

from reelwright.accounts import Account, ApiKey, Caller, Scope
from reelwright.api.caller import Entrance
from reelwright.api.creations import BadField, plain
from reelwright.api.cursors import Cursors
from reelwright.api.idempotency import REPLAYED, request_key
from reelwright.ground import clock
from reelwright.ground.ids import ApiKeyId
from reelwright.ground.postgres import Database
from reelwright.journeys import keys


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A name to know it by, what it may do, and for how many days; without `expires_in_days` until it is revoked.

    `live`: whether it is one for production, which takes no others. Left out: as this server is.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=32)]
    live: bool | None = None
    expires_in_days: Annotated[int, Meta(ge=1, le=3650)] | None = None


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key as its owner knows it: by its name and first characters. `last_used_at` is right to the hour."""

    id: ApiKeyId
    name: str
    prefix: str
    scopes: tuple[str, ...]
    live: bool
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


class KeySecretView(msgspec.Struct, frozen=True, kw_only=True):
    """A key with its secret, which is shown this once."""

    key: KeyView
    secret: str | None


class KeysView(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first, revoked ones too. `next_cursor` is null where nothing is older."""

    keys: list[KeyView]
    next_cursor: str | None


@post("/api-keys", status_code=HTTP_201_CREATED, summary="Make an API key", tags=["account"])
async def add_key(
    request: Request[Any, Any, Any],
    data: JSONBody[NewKey],
    caller: NamedDependency[Caller],
    db: NamedDependency[Database],
    entrance: NamedDependency[Entrance],
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,  # noqa: ARG001 - for OpenAPI
) -> Response[KeySecretView]:
    """Make a key. Its secret is shown this once: a repeat's is null. A key gives no scope that it doesn't hold.

    An administrator's session gives `admin` and `*` only where its password was given lately.
    """
    live = entrance.production if data.live is None else data.live
    if entrance.production and not live:
        raise BadField("live: this server takes live keys only.", field="live")
    days = data.expires_in_days
    made, secret = await keys.issue(
        caller,
        name=plain(data.name, field="name") or "",
        scopes=list(dict.fromkeys(data.scopes)),
        live=live,
        expires_at=None if days is None else clock.now() + timedelta(days=days),
        db=db,
        request=await request_key(request),
    )
    body = KeySecretView(key=_key(made), secret=secret)
    return Response(body, status_code=HTTP_201_CREATED, headers=REPLAYED if secret is None else {})


@get("/api-keys", summary="List your API keys", tags=["account"])
async def list_keys(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> KeysView:
    """Return your keys without their secrets."""
    after = None if cursor is None else cursors.opened(cursor)
    found = await keys.listed(account.id, limit=limit + 1, after=after, db=db)
    page, more = found[:limit], len(found) > limit
    return KeysView(
        keys=[_key(one) for one in page],
        next_cursor=cursors.after(page[-1].created_at, page[-1].id) if more else None,
    )


@get("/api-keys/{key_id:uuid}", summary="Read an API key", tags=["account"])
async def read_key(key_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]) -> KeyView:
    """Return one key without its secret."""
    return _key(await keys.read(account.id, key_id, db=db))


@delete("/api-keys/{key_id:uuid}", status_code=HTTP_204_NO_CONTENT, summary="Revoke an API key", tags=["account"])
async def revoke_key(key_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]) -> None:
    """Revoke a key for ever: from now on it opens nothing. A repeat changes nothing."""
    await keys.revoke(account.id, key_id, db=db)


def _key(found: ApiKey) -> KeyView:
    return KeyView(
        id=found.id,
        name=found.name,
        prefix=found.prefix,
        scopes=found.scopes,
        live=found.live,
        created_at=found.created_at,
        last_used_at=found.last_used_at,
        expires_at=found.expires_at,
        revoked_at=found.revoked_at,
    )

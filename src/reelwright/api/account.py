"""/v1/account: take your data with you, and have it deleted; and what administrators delete."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED
from msgspec import Meta

from reelwright.accounts import Account, Caller, Departure, Export, Passwords, Scope
from reelwright.admission import Gate
from reelwright.api.caller import admin_only
from reelwright.api.creations import plain
from reelwright.api.idempotency import REPLAYED, Repeatable, request_key
from reelwright.api.links import USUAL_S, LinkView, link
from reelwright.billing import StripeDoor
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.ground.sealing import Seal
from reelwright.journeys import exporting, leaving

_Email = Annotated[str, Meta(min_length=3, max_length=254, description="The account's e-mail address, to be sure.")]
Door = NamedDependency[StripeDoor | None]


class Deletion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The address to be sure, and the password of an account that has one."""

    confirm_email: _Email
    password: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None


class UserDeletion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The address to be sure, and why; the reason stays in the audit, so it should name nobody."""

    confirm_email: _Email
    reason: Annotated[str, Meta(min_length=3, max_length=500)]


class ExportView(msgspec.Struct, frozen=True, kw_only=True):
    """An archive of your data. `status`: waiting · ready · failed · expired; `file`: a link for ten minutes."""

    id: UUID
    status: str
    size_bytes: int | None
    created_at: datetime
    ready_at: datetime | None
    expires_at: datetime | None
    file: LinkView | None


class DepartureView(msgspec.Struct, frozen=True, kw_only=True):
    """An account that is closed. Until `erased_at` its owner may keep it, unless an administrator has closed it."""

    closed_at: datetime
    erased_at: datetime


class RestoredView(msgspec.Struct, frozen=True, kw_only=True):
    """The account stays."""

    restored: bool


@post(
    "/account/export",
    status_code=HTTP_202_ACCEPTED,
    summary="Ask for your data",
    tags=["account"],
    opt={"leaving": True, "scope": Scope.ALL},
)
async def ask_export(
    request: Request[Any, Any, Any],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    seal: NamedDependency[Seal],
    base_url: NamedDependency[str],
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,  # noqa: ARG001 - for OpenAPI
) -> Response[ExportView]:
    """Have everything that we keep of you made into one ZIP archive; once a day. It is there for seven days."""
    asked = await exporting.ask(account.id, request=await request_key(request), db=db)
    headers = {"Location": "/v1/account/export", **(REPLAYED if asked.repeated else {})}
    return Response(_export(asked.export, seal, base_url), status_code=HTTP_202_ACCEPTED, headers=headers)


@get("/account/export", summary="Fetch your data", tags=["account"], opt={"leaving": True, "scope": Scope.ALL})
async def read_export(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    seal: NamedDependency[Seal],
    base_url: NamedDependency[str],
) -> ExportView:
    """Return the archive that you asked for last, with a link to its file once it is ready."""
    return _export(await exporting.last(account.id, db=db), seal, base_url)


@post("/account/delete", status_code=HTTP_202_ACCEPTED, summary="Delete your account", tags=["account"])
async def delete_account(
    data: JSONBody[Deletion],
    caller: NamedDependency[Caller],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    passwords: NamedDependency[Passwords],
    stripe: Door,
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> DepartureView:
    """Close your account now and have it erased in seven days.

    At once: keys and sessions end, what runs is cancelled, schedules pause, webhooks stop, subscriptions end. Then all
    that you made, wrote and brought goes, and your address with it; what was booked and charged stays, nameless. Until
    then you can log in to keep the account, read `GET /v1/me` and fetch your data, and to nothing else.
    """
    departure = await leaving.leave(
        caller,
        confirm_email=data.confirm_email,
        password=data.password,
        passwords=passwords,
        db=db,
        gate=gate,
        stripe=stripe,
        now=clock.now(),
    )
    return _departure(departure)


@post(
    "/account/restore",
    status_code=HTTP_200_OK,
    summary="Keep your account",
    tags=["account"],
    opt={"leaving": True},
)
async def restore_account(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    again: NamedDependency[bool],
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> RestoredView:
    """Keep an account that you have deleted, within seven days: log in first. Keys and subscriptions stay ended."""
    if not again:
        await leaving.restore(account, db=db)
    return RestoredView(restored=True)


@post(
    "/admin/users/{user_id:uuid}/delete",
    guards=[admin_only],
    status_code=HTTP_202_ACCEPTED,
    summary="Delete somebody's account",
    tags=["admin"],
)
async def delete_user(
    user_id: FromPath[AccountId],
    data: JSONBody[UserDeletion],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    stripe: Door,
    key: Repeatable = None,  # noqa: ARG001 - for OpenAPI
) -> DepartureView:
    """Close an account as its owner would, to be erased in a day. Its owner is told, and can't take it back."""
    departure = await leaving.expel(
        user_id,
        confirm_email=data.confirm_email,
        reason=plain(data.reason, field="reason") or "",
        by=account,
        db=db,
        gate=gate,
        stripe=stripe,
        now=clock.now(),
    )
    return _departure(departure)


def _export(found: Export, seal: Seal, base_url: str) -> ExportView:
    ready = found.state == "ready"
    return ExportView(
        id=found.id,
        status=found.state,
        size_bytes=found.size_bytes if ready else None,
        created_at=found.created_at,
        ready_at=found.ready_at,
        expires_at=found.expires_at,
        file=link(seal, base_url, "export", found.id, lasting_s=USUAL_S) if ready else None,
    )


def _departure(found: Departure) -> DepartureView:
    return DepartureView(closed_at=found.asked_at, erased_at=found.erase_at)

"""/v1/webhooks: where an account's events are sent, signed by Standard Webhooks, with their log and replay."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_202_ACCEPTED, HTTP_204_NO_CONTENT
from msgspec import UNSET, Meta, UnsetType

from reelwright.accounts import Account
from reelwright.api.creations import BadField, plain
from reelwright.api.cursors import Cursors
from reelwright.api.idempotency import REPLAYED, request_key
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.ground.postgres import Database
from reelwright.ground.sealing import Seal
from reelwright.journeys import webhooks
from reelwright.notices import Delivery, Endpoint, EndpointChange, Reach

_Url = Annotated[str, Meta(min_length=8, max_length=2048, description="A public server; https in production.")]
_Description = Annotated[str, Meta(max_length=200)]
_Events = Annotated[list[str], Meta(max_length=32, description="Which events to send; none: all of them.")]


class NewEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where to send which events."""

    url: _Url
    events: _Events = []
    description: _Description = ""


class EndpointPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to change; what is left out stays. Enabling one that was disabled gives it a new start."""

    url: _Url | UnsetType = UNSET
    events: _Events | UnsetType = UNSET
    description: _Description | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET

    def change(self) -> EndpointChange:
        """Return it in the journey's words. Raises BadField."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}
        if not given:
            raise BadField("Send at least one field to change.")
        if "description" in given:
            given["description"] = _words(given["description"])
        return EndpointChange(**given)


class EndpointView(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint without its secret. `disabled_reason`: owner, gone (it answered 410), failing (for five days)."""

    id: UUID
    url: str
    events: tuple[str, ...]
    description: str
    enabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    failing_since: datetime | None
    created_at: datetime


class EndpointSecretView(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint with its new secret, which is shown this once."""

    endpoint: EndpointView
    secret: str | None


class EndpointsView(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first; there are never more than 10. `next_cursor` is null where nothing is newer."""

    webhooks: list[EndpointView]
    next_cursor: str | None


class TryView(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt: the status that the endpoint answered, or why there was none, and how long it took."""

    at: datetime
    status: int | None
    error: str | None
    ms: int


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one endpoint. `webhook_id` is the header that stays the same at every attempt."""

    id: UUID
    webhook_id: str
    type: str
    status: str
    attempts: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime
    tries: list[TryView]


class DeliveriesView(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. `next_cursor` is null where nothing is older."""

    deliveries: list[DeliveryView]
    next_cursor: str | None


class TestView(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery that carries the test."""

    delivery_id: UUID


@post("/webhooks", status_code=HTTP_201_CREATED, summary="Add a webhook endpoint", tags=["webhooks"])
async def add_webhook(
    request: Request[Any, Any, Any],
    data: JSONBody[NewEndpoint],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    reach: NamedDependency[Reach],
    seal: NamedDependency[Seal],
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,  # noqa: ARG001 - for OpenAPI
) -> Response[EndpointSecretView]:
    """Send your events there from now on. The secret that signs them is shown this once: a repeat's is null."""
    added, secret = await webhooks.add(
        account,
        data.url,
        description=_words(data.description),
        events=data.events,
        reach=reach,
        seal=seal,
        db=db,
        request=await request_key(request),
    )
    body = EndpointSecretView(endpoint=_endpoint(added), secret=secret)
    return Response(body, status_code=HTTP_201_CREATED, headers=REPLAYED if secret is None else {})


@get("/webhooks", summary="List your webhook endpoints", tags=["webhooks"])
async def list_webhooks(
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> EndpointsView:
    """Return a page of your endpoints, oldest first."""
    after = None if cursor is None else cursors.opened(cursor)
    found = await webhooks.endpoints(account.id, after=after, limit=limit + 1, db=db)
    page, more = found[:limit], len(found) > limit
    return EndpointsView(
        webhooks=[_endpoint(one) for one in page],
        next_cursor=cursors.after(page[-1].created_at, page[-1].id) if more else None,
    )


@get("/webhooks/{webhook_id:uuid}", summary="Read a webhook endpoint", tags=["webhooks"])
async def read_webhook(
    webhook_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> Response[EndpointView]:
    """Return one endpoint."""
    return _versioned(await webhooks.endpoint(account.id, webhook_id, db=db))


@patch("/webhooks/{webhook_id:uuid}", summary="Change a webhook endpoint", tags=["webhooks"])
async def change_webhook(
    webhook_id: FromPath[UUID],
    data: JSONBody[EndpointPatch],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    reach: NamedDependency[Reach],
    if_match: IfMatch = None,
) -> Response[EndpointView]:
    """Change, disable or enable an endpoint. What waits for a disabled one is given up, and can be replayed."""
    version = expected(if_match)
    return _versioned(
        await webhooks.change(account.id, webhook_id, data.change(), reach=reach, expected_version=version, db=db)
    )


@delete(
    "/webhooks/{webhook_id:uuid}",
    status_code=HTTP_204_NO_CONTENT,
    summary="Delete a webhook endpoint",
    tags=["webhooks"],
)
async def delete_webhook(
    webhook_id: FromPath[UUID], account: NamedDependency[Account], db: NamedDependency[Database]
) -> None:
    """Delete an endpoint with its secret and its log."""
    await webhooks.remove(account.id, webhook_id, db=db)


@post(
    "/webhooks/{webhook_id:uuid}/rotate-secret",
    status_code=HTTP_200_OK,
    summary="Replace a webhook's secret",
    tags=["webhooks"],
)
async def rotate_webhook_secret(
    request: Request[Any, Any, Any],
    webhook_id: FromPath[UUID],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    seal: NamedDependency[Seal],
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,  # noqa: ARG001 - for OpenAPI
) -> Response[EndpointSecretView]:
    """Make a new secret, shown this once: a repeat's is null. For 24 hours the ones before sign every message, too."""
    rotated, secret = await webhooks.rotate(
        account.id, webhook_id, seal=seal, db=db, request=await request_key(request)
    )
    body = EndpointSecretView(endpoint=_endpoint(rotated), secret=secret)
    return Response(body, status_code=HTTP_200_OK, headers=REPLAYED if secret is None else {})


@get("/webhooks/{webhook_id:uuid}/deliveries", summary="List a webhook's deliveries", tags=["webhooks"])
async def list_webhook_deliveries(
    webhook_id: FromPath[UUID],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    *,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> DeliveriesView:
    """Return what was sent there in the last 30 days, newest first, with its last ten attempts."""
    after = None if cursor is None else cursors.opened(cursor)
    found = await webhooks.deliveries(account.id, webhook_id, after=after, limit=limit + 1, db=db)
    page, more = found[:limit], len(found) > limit
    return DeliveriesView(
        deliveries=[_delivery(one) for one in page],
        next_cursor=cursors.after(page[-1].created_at, page[-1].id) if more else None,
    )


@post(
    "/webhooks/deliveries/{delivery_id:uuid}/replay",
    status_code=HTTP_202_ACCEPTED,
    summary="Send a webhook delivery again",
    tags=["webhooks"],
)
async def replay_webhook_delivery(
    request: Request[Any, Any, Any],
    delivery_id: FromPath[UUID],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,  # noqa: ARG001 - for OpenAPI
) -> Response[DeliveryView]:
    """Send it anew under the same webhook-id, from the beginning of its schedule. A repeat only reads it."""
    found, repeated = await webhooks.replay(account.id, delivery_id, db=db, request=await request_key(request))
    return Response(_delivery(found), status_code=HTTP_202_ACCEPTED, headers=REPLAYED if repeated else {})


@post("/webhooks/{webhook_id:uuid}/test", status_code=HTTP_202_ACCEPTED, summary="Test a webhook", tags=["webhooks"])
async def test_webhook(
    request: Request[Any, Any, Any],
    webhook_id: FromPath[UUID],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,  # noqa: ARG001, PT028 - for OpenAPI; no test of pytest
) -> Response[TestView]:
    """Send a `webhook.test` there, whichever events it has chosen. A repeat sends no other."""
    sent, repeated = await webhooks.test(account.id, webhook_id, db=db, request=await request_key(request))
    return Response(TestView(delivery_id=sent), status_code=HTTP_202_ACCEPTED, headers=REPLAYED if repeated else {})


def _words(description: str) -> str:
    return (plain(description, field="description") or "") if description.strip() else ""


def _versioned(found: Endpoint) -> Response[EndpointView]:
    return Response(_endpoint(found), headers=etag(found.version))


def _endpoint(found: Endpoint) -> EndpointView:
    return EndpointView(
        id=found.id,
        url=found.url,
        events=found.events,
        description=found.description,
        enabled=found.disabled_at is None,
        disabled_reason=found.disabled_reason,
        disabled_at=found.disabled_at,
        failing_since=found.failing_since,
        created_at=found.created_at,
    )


def _delivery(found: Delivery) -> DeliveryView:
    return DeliveryView(
        id=found.id,
        webhook_id=found.message_id,
        type=found.event,
        status=found.state,
        attempts=found.attempts,
        next_attempt_at=found.due_at,
        delivered_at=found.delivered_at,
        created_at=found.created_at,
        tries=[TryView(at=one.at, status=one.status, error=one.error, ms=one.ms) for one in found.tries],
    )

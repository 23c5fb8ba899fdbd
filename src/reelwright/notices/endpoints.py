"""Endpoints: where an account's webhooks go, and the secrets that sign them."""

import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.addresses import Blocked, Target, inspected
from reelwright.ground.errors import Kind as RefusalKind
from reelwright.ground.errors import NotFound, Refusal
from reelwright.ground.ids import AccountId, fresh
from reelwright.ground.log import logger
from reelwright.ground.versions import Versions
from reelwright.notices.model import EVENTS, Endpoint

_log = logger(__name__)

MOST_ENDPOINTS = 10
OVERLAP = timedelta(hours=24)
"""After a rotation the secrets before sign too for so long: with each other, as any of them may be the receiver's."""
_OTHERS = 3
"""So many older ones are kept beside the one that a rotation replaces."""
_SECRET_BYTES = 32
_COLUMNS = "id, account_id, url, description, events, disabled_at, disabled_reason, failing_since, created_at"

_ADD = text(
    f"""
    INSERT INTO webhook_endpoints (id, account_id, url, description, events, secret)
    VALUES (:id, :account, :url, :description, :events, :secret) RETURNING {_COLUMNS}
    """  # noqa: S608 - assembled from constants
)
_LOCKED = text("SELECT pg_advisory_xact_lock(hashtextextended('webhook_endpoints:' || CAST(:account AS text), 0))")
_COUNT = text("SELECT count(*) FROM webhook_endpoints WHERE account_id = :account")
_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM webhook_endpoints WHERE account_id = :account AND (created_at, id) > (:at, :id)
     ORDER BY created_at, id LIMIT :limit
    """  # noqa: S608 - assembled from constants
)
_START = datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0)
_GET = text(
    f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE id = :id AND account_id = :account"  # noqa: S608 - constants
)
_LOCK = text(f"{_GET.text} FOR NO KEY UPDATE")
_CHANGE = text(
    f"""
    UPDATE webhook_endpoints
       SET url = coalesce(:url, url), description = coalesce(:description, description),
           events = coalesce(CAST(:events AS text[]), events), updated_at = clock_timestamp(),
           failing_since = CASE WHEN CAST(:enabled AS boolean) THEN NULL ELSE failing_since END,
           paused_until = CASE WHEN CAST(:enabled AS boolean) OR :url <> url THEN NULL ELSE paused_until END,
           disabled_at = CASE WHEN :enabled THEN NULL WHEN NOT :enabled THEN coalesce(disabled_at, clock_timestamp())
                              ELSE disabled_at END,
           disabled_reason = CASE WHEN :enabled THEN NULL WHEN NOT :enabled THEN coalesce(disabled_reason, 'owner')
                                  ELSE disabled_reason END
     WHERE id = :id AND account_id = :account RETURNING {_COLUMNS}
    """  # noqa: S608 - assembled from constants
)
_GIVE_UP = text(
    """
    UPDATE webhook_deliveries SET state = 'given_up', due_at = NULL, claimed_until = NULL, claim = claim + 1
     WHERE endpoint_id = :id AND state = 'waiting'
    """
)
_REMOVE = text("DELETE FROM webhook_endpoints WHERE id = :id AND account_id = :account RETURNING id")
_ROTATE = text(
    f"""
    UPDATE webhook_endpoints
       SET secret_before = secret || CASE WHEN secret_before_until > clock_timestamp()
                                          THEN substring(secret_before FROM 1 FOR :others * octet_length(secret))
                                          ELSE '' END,
           secret_before_until = clock_timestamp() + CAST(:overlap AS interval),
           secret = :secret, updated_at = clock_timestamp()
     WHERE id = :id AND account_id = :account RETURNING {_COLUMNS}
    """  # noqa: S608 - assembled from constants
)


class AddressRefused(Refusal):
    code = "webhooks.url_not_allowed"


class EventUnknown(Refusal):
    code = "webhooks.event_unknown"


class EndpointChanged(Refusal):
    """Somebody else has changed it since it was read; `extra` holds the version it has now."""

    kind = RefusalKind.STALE
    code = "webhooks.changed"


class TooManyEndpoints(Refusal):
    kind = RefusalKind.CONFLICT
    code = "webhooks.too_many"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which addresses webhooks may go to. `allowlist` (host:port) may be private: for tests and development alone."""

    https_only: bool = True
    allowlist: frozenset[str] = frozenset()

    def target(self, url: str) -> Target:
        """Return the URL taken apart. Raises Blocked."""
        target = inspected(url, self.allowlist)
        if self.https_only and target.scheme != "https":
            raise Blocked("not https")
        return target

    def checked(self, url: str) -> str:
        """Return the URL's one spelling. Raises AddressRefused, with the same sentence for every reason."""
        try:
            return self.target(url).url
        except Blocked as block:
            _log.info("webhook_address_blocked", reason=block.reason)
        scheme = "https" if self.https_only else "http or https"
        raise AddressRefused(
            f"url: give the {scheme} address of a public server, without a user name or an unusual port.", field="url"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """What to change; None leaves it."""

    url: str | None = None
    description: str | None = None
    events: Sequence[str] | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """One account's endpoints, inside one transaction."""

    session: AsyncConnection
    account: AccountId
    keep: Callable[[bytes], bytes] = bytes
    """Makes a new secret what is stored of it: `secrecy.sealed` by the roof's seal."""

    async def add(
        self, url: str, *, description: str, events: Sequence[str], reach: Reach, endpoint_id: UUID | None = None
    ) -> tuple[Endpoint, str]:
        """Add one, under this id where there is one; return it with its secret, shown this once.

        Raises AddressRefused, EventUnknown, TooManyEndpoints.
        """
        await self.session.execute(_LOCKED, {"account": str(self.account)})
        if (await self.session.scalar(_COUNT, {"account": self.account}) or 0) >= MOST_ENDPOINTS:
            raise TooManyEndpoints(f"An account has at most {MOST_ENDPOINTS} webhook endpoints: delete one first.")
        secret = secrets.token_bytes(_SECRET_BYTES)
        values: dict[str, Any] = {
            "id": endpoint_id or fresh(),
            "account": self.account,
            "url": reach.checked(url),
            "description": description,
            "events": _known(events),
            "secret": self.keep(secret),
        }
        return _endpoint((await self.session.execute(_ADD, values)).mappings().one()), shown(secret)

    async def listed(
        self, *, after: tuple[datetime, UUID] | None = None, limit: int = MOST_ENDPOINTS
    ) -> list[Endpoint]:
        """Return them, oldest first, from behind the one made then with that id; else all."""
        at, last = after or _START
        values = {"account": self.account, "at": at, "id": last, "limit": limit}
        return [_endpoint(row) for row in (await self.session.execute(_LIST, values)).mappings()]

    async def get(self, endpoint: UUID) -> Endpoint:
        """Return one. Raises NotFound, for another account's too."""
        return _found((await self.session.execute(_GET, self._named(endpoint))).mappings().one_or_none())

    async def change(
        self, endpoint: UUID, change: EndpointChange, *, reach: Reach, expected_version: Versions = None
    ) -> Endpoint:
        """Change one; what waits for a disabled one is given up.

        Raises NotFound, AddressRefused, EventUnknown, EndpointChanged.
        """
        if expected_version is not None:
            present = _found((await self.session.execute(_LOCK, self._named(endpoint))).mappings().one_or_none())
            if present.version not in expected_version:
                raise EndpointChanged(
                    "The endpoint was changed meanwhile: read it again.",
                    field="If-Match",
                    extra={"version": present.version},
                )
        values: dict[str, Any] = self._named(endpoint) | {
            "url": None if change.url is None else reach.checked(change.url),
            "description": change.description,
            "events": None if change.events is None else _known(change.events),
            "enabled": change.enabled,
        }
        changed = _found((await self.session.execute(_CHANGE, values)).mappings().one_or_none())
        if change.enabled is False:
            await self.session.execute(_GIVE_UP, {"id": endpoint})
        return changed

    async def remove(self, endpoint: UUID) -> None:
        """Delete one with its deliveries. Raises NotFound."""
        if await self.session.scalar(_REMOVE, self._named(endpoint)) is None:
            raise no_such_endpoint()

    async def rotate(self, endpoint: UUID) -> tuple[Endpoint, str]:
        """Give one a new secret, and return both; those before sign too for a day. Raises NotFound."""
        secret = secrets.token_bytes(_SECRET_BYTES)
        values = self._named(endpoint) | {"secret": self.keep(secret), "overlap": OVERLAP, "others": _OTHERS}
        return _found((await self.session.execute(_ROTATE, values)).mappings().one_or_none()), shown(secret)

    def _named(self, endpoint: UUID) -> dict[str, Any]:
        return {"id": endpoint, "account": self.account}


async def give_up_all(tx: AsyncConnection, endpoint: UUID) -> None:
    """Give up what waits for an endpoint."""
    await tx.execute(_GIVE_UP, {"id": endpoint})


def shown(secret: bytes) -> str:
    """Return a secret as Standard Webhooks writes it."""
    return f"whsec_{b64encode(secret).decode()}"


def apart(before: bytes | None, length: int) -> tuple[bytes, ...]:
    """Return the secrets before, which are stored one behind the other, each as long as the present one."""
    kept = before or b""
    return tuple(kept[start : start + length] for start in range(0, len(kept), length))


def host_of(url: str) -> str:
    """Return the name that an owner knows an endpoint by, without path and query."""
    return urlsplit(url).hostname or ""


def no_such_endpoint() -> NotFound:
    """Return the refusal for what isn't there, or isn't yours."""
    return NotFound("There is no such webhook endpoint.")


def _known(events: Sequence[str]) -> list[str]:
    for event in events:
        if event not in EVENTS:
            raise EventUnknown(f"events: use some of {', '.join(EVENTS)}, or none for all.", field="events")
    return sorted(set(events))


def _found(row: Mapping[Any, Any] | None) -> Endpoint:
    if row is None:
        raise no_such_endpoint()
    return _endpoint(row)


def _endpoint(row: Mapping[Any, Any]) -> Endpoint:
    values: dict[str, Any] = {**row, "events": tuple(row["events"])}
    return Endpoint(**values)

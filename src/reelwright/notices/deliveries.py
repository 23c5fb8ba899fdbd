"""Deliveries: webhooks that wait, claimed by one process at a time, tried on a schedule, logged and replayed."""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.errors import Kind as RefusalKind
from reelwright.ground.errors import NotFound, Refusal
from reelwright.ground.ids import AccountId
from reelwright.notices.endpoints import apart, give_up_all, host_of
from reelwright.notices.model import Delivery, Kind, Try
from reelwright.notices.telling import tell

LEASE = timedelta(minutes=1)
HOPELESS = timedelta(days=5)
_WAITS = tuple(timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400))
"""After each attempt but the last: 5 s, 5 and 30 min, 2, 5, 10, 14, 20 and 24 h (Standard Webhooks 1.0.0)."""
_LONGEST_WAIT = timedelta(days=1)
_REST = timedelta(seconds=30)
"""A place that doesn't answer, or says that it has too much to do, is left alone for at least so long."""
_OVERLOADED = frozenset({429, 502, 503, 504})
_GONE = 410
_PER_ENDPOINT = 4

_CLAIM = text(
    """
    WITH ready AS (
        SELECT d.endpoint_id, min(d.due_at) AS since
          FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
         WHERE d.state = 'waiting' AND d.due_at <= clock_timestamp() AND e.disabled_at IS NULL
           AND (d.claimed_until IS NULL OR d.claimed_until < clock_timestamp())
           AND (e.paused_until IS NULL OR e.paused_until <= clock_timestamp())
         GROUP BY d.endpoint_id ORDER BY since LIMIT :limit
    ), picked AS MATERIALIZED (
        SELECT one.id FROM ready, LATERAL (
            SELECT id FROM webhook_deliveries d
             WHERE d.endpoint_id = ready.endpoint_id AND state = 'waiting' AND due_at <= clock_timestamp()
               AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
             ORDER BY due_at LIMIT :each FOR UPDATE SKIP LOCKED) AS one
         ORDER BY since LIMIT :limit
    ), claimed AS (
        UPDATE webhook_deliveries d SET claim = claim + 1, attempts = attempts + 1,
               claimed_until = clock_timestamp() + CAST(:lease AS interval)
          FROM picked WHERE d.id = picked.id
        RETURNING d.id, d.endpoint_id, d.notice_id, d.claim, d.attempts)
    SELECT c.id, c.notice_id, c.claim, c.attempts AS attempt, n.kind, n.facts, n.told_at, e.url, e.secret,
           CASE WHEN e.secret_before_until > clock_timestamp() THEN e.secret_before END AS secret_before
      FROM claimed c JOIN notices n ON n.id = c.notice_id JOIN webhook_endpoints e ON e.id = c.endpoint_id
    """
)
_SETTLE = text(
    """
    WITH settled AS (
        UPDATE webhook_deliveries
           SET state = :state, claimed_until = NULL,
               due_at = CASE WHEN :state = 'waiting' THEN clock_timestamp() + CAST(:wait AS interval) END,
               delivered_at = CASE WHEN :state = 'delivered' THEN clock_timestamp() ELSE delivered_at END,
               tries = (CASE WHEN jsonb_array_length(tries) >= 10 THEN tries - 0 ELSE tries END)
                       || CAST(:try AS jsonb)
         WHERE id = :id AND claim = :claim AND state = 'waiting' RETURNING endpoint_id
    ), well AS (
        UPDATE webhook_endpoints e SET failing_since = NULL, paused_until = NULL FROM settled
         WHERE e.id = settled.endpoint_id AND :state = 'delivered' AND (failing_since, paused_until) IS DISTINCT FROM
               (CAST(NULL AS timestamptz), CAST(NULL AS timestamptz))
    ), ill AS (
        UPDATE webhook_endpoints e
           SET failing_since = coalesce(failing_since, clock_timestamp()),
               paused_until = greatest(paused_until, clock_timestamp() + CAST(:rest AS interval))
          FROM settled WHERE e.id = settled.endpoint_id AND :state <> 'delivered'
        RETURNING e.id, e.failing_since < clock_timestamp() - CAST(:hopeless AS interval) AS hopeless)
    SELECT s.endpoint_id, coalesce(ill.hopeless, false) AS hopeless
      FROM settled s LEFT JOIN ill ON ill.id = s.endpoint_id
    """
)
_DISABLE = text(
    """
    UPDATE webhook_endpoints SET disabled_at = clock_timestamp(), disabled_reason = :reason
     WHERE id = :id AND disabled_at IS NULL RETURNING account_id, url, failing_since, disabled_at
    """
)
_COLUMNS = """
    d.id, d.endpoint_id, d.notice_id, n.kind, d.state, d.attempts, d.due_at, d.created_at, d.delivered_at, d.tries
"""
_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM webhook_deliveries d JOIN notices n ON n.id = d.notice_id
     WHERE d.endpoint_id = :endpoint AND (d.created_at, d.id) < (:before, :last)
     ORDER BY d.created_at DESC, d.id DESC LIMIT :limit
    """  # noqa: S608 - assembled from constants
)
_REPLAY = text(
    f"""
    WITH found AS (
        SELECT d.id, e.disabled_at, d.state FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
         WHERE d.id = :id AND e.account_id = :account FOR NO KEY UPDATE OF d
    ), again AS (
        UPDATE webhook_deliveries d SET state = 'waiting', due_at = clock_timestamp(), attempts = 0, claim = claim + 1,
               claimed_until = NULL
          FROM found WHERE d.id = found.id AND found.disabled_at IS NULL
        RETURNING d.*)
    SELECT {_COLUMNS}, found.disabled_at
      FROM found LEFT JOIN again d ON d.id = found.id LEFT JOIN notices n ON n.id = d.notice_id
    """  # noqa: S608 - assembled from constants
)


_GET = text(
    f"""
    SELECT {_COLUMNS} FROM webhook_deliveries d
      JOIN notices n ON n.id = d.notice_id JOIN webhook_endpoints e ON e.id = d.endpoint_id
     WHERE d.id = :id AND e.account_id = :account
    """  # noqa: S608 - assembled from constants
)


class EndpointDisabled(Refusal):
    kind = RefusalKind.CONFLICT
    code = "webhooks.disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A claimed delivery with all that sending it needs."""

    id: UUID
    notice_id: UUID
    claim: int
    attempt: int
    kind: Kind
    facts: Mapping[str, Any]
    told_at: datetime
    url: str
    secret: bytes
    secrets_before: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How an attempt ended. `wait`: what a Retry-After asked for."""

    at: datetime
    status: int | None
    error: str | None
    ms: int
    wait: timedelta | None = None

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - the successful ones


async def claim_deliveries(tx: AsyncConnection, *, limit: int) -> list[Parcel]:
    """Take some due deliveries that nobody else has, few for each endpoint, so that none holds up the others."""
    rows = await tx.execute(_CLAIM, {"limit": limit, "each": _PER_ENDPOINT, "lease": LEASE})
    return [_parcel({**row}) for row in rows.mappings()]


async def settle_delivery(tx: AsyncConnection, parcel: Parcel, receipt: Receipt) -> str | None:
    """Write down how an attempt ended, and plan the next; return the state. None: the claim was lost, nothing counts.

    An endpoint that says that it is gone, or has failed for five days without one success, is disabled and its owner
    told. What waits for it then is given up, and can be replayed.
    """
    gone = receipt.status == _GONE
    state = "delivered" if receipt.accepted else "given_up" if gone or parcel.attempt > len(_WAITS) else "waiting"
    asked = min(receipt.wait or timedelta(0), _LONGEST_WAIT)
    wait = _WAITS[min(parcel.attempt, len(_WAITS)) - 1] * random.uniform(1, 1.2)  # noqa: S311 - jitter
    resting = receipt.status is None or receipt.status in _OVERLOADED
    tried = Try(at=receipt.at, status=receipt.status, error=receipt.error, ms=receipt.ms)
    values = {
        "id": parcel.id,
        "claim": parcel.claim,
        "state": state,
        "wait": max(wait, asked),
        "rest": max(asked, _REST) if resting else timedelta(0),
        "try": msgspec.json.encode([asdict(tried)]).decode(),
        "hopeless": HOPELESS,
    }
    row = (await tx.execute(_SETTLE, values)).one_or_none()
    if row is None:
        return None
    if gone or row.hopeless:
        await _disable(tx, row.endpoint_id, reason="gone" if gone else "failing")
    return state


async def _disable(tx: AsyncConnection, endpoint: UUID, *, reason: str) -> None:
    row = (await tx.execute(_DISABLE, {"id": endpoint, "reason": reason})).one_or_none()
    if row is None:
        return
    await give_up_all(tx, endpoint)
    facts = {
        "endpoint_id": endpoint,
        "host": host_of(row.url),
        "reason": reason,
        "failing_since": row.failing_since,
    }
    key = f"{endpoint}:{row.disabled_at.isoformat()}"
    await tell(tx, account_id=AccountId(row.account_id), kind=Kind.WEBHOOK_DISABLED, key=key, facts=facts)


async def deliveries(
    tx: AsyncConnection, endpoint: UUID, *, before: datetime, last: UUID, limit: int
) -> list[Delivery]:
    """Return an endpoint's deliveries, newest first, from behind the given one."""
    values = {"endpoint": endpoint, "before": before, "last": last, "limit": limit}
    return [_delivery({**row}) for row in (await tx.execute(_LIST, values)).mappings()]


async def delivery(tx: AsyncConnection, delivery_id: UUID, *, account: AccountId) -> Delivery:
    """Return one of the account's deliveries. Raises NotFound."""
    row = (await tx.execute(_GET, {"id": delivery_id, "account": account})).mappings().one_or_none()
    if row is None:
        raise _no_such_delivery()
    return _delivery({**row})


async def replay(tx: AsyncConnection, delivery: UUID, *, account: AccountId) -> Delivery:
    """Send a delivery anew, from the schedule's beginning, under the same id. Raises NotFound, EndpointDisabled."""
    row = (await tx.execute(_REPLAY, {"id": delivery, "account": account})).mappings().one_or_none()
    if row is None:
        raise _no_such_delivery()
    values = {**row}
    if values.pop("disabled_at") is not None:
        raise EndpointDisabled("This endpoint is disabled: enable it first, then replay.")
    return _delivery(values)


def _no_such_delivery() -> NotFound:
    return NotFound("There is no such webhook delivery.")


def _parcel(row: dict[str, Any]) -> Parcel:
    row["kind"] = Kind(row["kind"])
    row["secrets_before"] = apart(row.pop("secret_before"), len(row["secret"]))
    return Parcel(**row)


def _delivery(row: dict[str, Any]) -> Delivery:
    row["event"] = Kind(row.pop("kind")).event
    row["tries"] = tuple(msgspec.convert(row["tries"], list[Try]))
    return Delivery(**row)

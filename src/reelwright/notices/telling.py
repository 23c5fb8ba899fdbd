"""Telling: a notice is written once, in the transaction that makes it true, together with its way to each endpoint."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.errors import Kind as RefusalKind
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import AccountId, fresh
from reelwright.ground.postgres import Statement, rows
from reelwright.ground.versions import Versions
from reelwright.notices.model import CHOOSABLE, Kind, Wanted, version_of
from reelwright.notices.tables import PASSING


class PreferencesChanged(Refusal):
    """Somebody has changed them since they were read; `extra` holds the version that they have now."""

    kind = RefusalKind.STALE
    code = "notifications.changed"


_LARGEST_BYTES = 16_000
"""Standard Webhooks 1.0.0 asks for payloads below 20 kB, and ours have a few fields around the facts."""

_TELL = Statement(
    """
    WITH wanted AS (
        SELECT coalesce(p.mail, :mail) AND :mailed AND NOT :quiet AS mail,
               coalesce(p.webhook, :webhook) AND NOT :quiet AS webhook
          FROM (SELECT) AS once
          LEFT JOIN notification_preferences p ON p.account_id = :account AND p.kind = CAST(:kind AS text)
    ), told AS (
        INSERT INTO notices (id, account_id, kind, key, facts, mail_state, mail_due_at)
        SELECT CAST(:id AS uuid), CAST(:account AS uuid), CAST(:kind AS text), CAST(:key AS text),
               CAST(:facts AS jsonb), CASE WHEN mail THEN 'waiting' ELSE 'none' END,
               CASE WHEN mail THEN clock_timestamp() END
          FROM wanted
        ON CONFLICT (account_id, kind, key) DO NOTHING RETURNING id
    ), sent AS (
        INSERT INTO webhook_deliveries (id, endpoint_id, notice_id)
        SELECT gen_random_uuid(), e.id, told.id FROM told, wanted, webhook_endpoints e
         WHERE e.account_id = :account AND e.disabled_at IS NULL AND wanted.webhook
           AND (e.events = '{}' OR :event = ANY(e.events)))
    SELECT id FROM told
    """
)
_TEST = text(
    """
    WITH told AS (
        INSERT INTO notices (id, account_id, kind, key, facts, mail_state)
        SELECT :id, account_id, :kind, :key, CAST(:facts AS jsonb), 'none' FROM webhook_endpoints
         WHERE id = :endpoint AND account_id = :account RETURNING id)
    INSERT INTO webhook_deliveries (id, endpoint_id, notice_id) SELECT :delivery, :endpoint, id FROM told RETURNING id
    """
)
_CHOSEN = text("SELECT kind, mail, webhook FROM notification_preferences WHERE account_id = :account")
_CHOOSE = text(
    """
    INSERT INTO notification_preferences AS p (account_id, kind, mail, webhook)
    VALUES (:account, :kind, coalesce(CAST(:mail AS boolean), :mail_else),
            coalesce(CAST(:webhook AS boolean), :webhook_else))
    ON CONFLICT (account_id, kind) DO UPDATE
       SET mail = coalesce(CAST(:mail AS boolean), p.mail), webhook = coalesce(CAST(:webhook AS boolean), p.webhook),
            updated_at = clock_timestamp()
    """
)
"""What wasn't said stays as it is: of two who say different things at once, neither undoes the other's."""
_LOCKED = text("SELECT pg_advisory_xact_lock(hashtextextended('preferences:' || CAST(:account AS text), 0))")
_FORGET = text(
    f"""
    WITH old AS (
        DELETE FROM webhook_deliveries WHERE id IN (
            SELECT id FROM webhook_deliveries WHERE created_at < clock_timestamp() - CAST(:older AS interval)
               AND state <> 'waiting' ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        RETURNING id
    ), passing AS (
        DELETE FROM notices WHERE id IN (
            SELECT id FROM notices n WHERE told_at < clock_timestamp() - CAST(:older AS interval)
               AND {PASSING} AND mail_state <> 'waiting'
               AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.notice_id = n.id)
             ORDER BY told_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        RETURNING id)
    SELECT (SELECT count(*) FROM old) + (SELECT count(*) FROM passing)
    """  # noqa: S608 - assembled from constants
)


async def tell(
    tx: AsyncConnection,
    *,
    account_id: AccountId,
    kind: str,
    key: str,
    facts: Mapping[str, object],
    quiet: bool = False,
    mail: bool = True,
) -> bool:
    """Tell an account something once for this kind and key; False where it was told before.

    What goes out, by e-mail and to which endpoints, is decided here and sent later. A `quiet` one is only noted, so
    that it can't be told any more; without `mail` no e-mail says it. `facts` are the webhook's `data` and what the
    template shows: amounts with their unit in the name (`_micro` credits, `_cents`), instants as datetime or ISO 8601,
    nothing that a person wrote. A demo is told nothing: that is for the caller to know. Raises ValueError for an
    unknown kind, or too many facts.
    """
    chosen = Kind(kind)
    encoded = msgspec.json.encode(dict(facts))
    if len(encoded) > _LARGEST_BYTES:
        raise ValueError(f"{len(encoded)} bytes of facts: a notice has at most {_LARGEST_BYTES}")
    values: dict[str, object] = {
        "id": fresh(),
        "account": account_id,
        "kind": chosen.value,
        "key": key,
        "facts": encoded.decode(),
        "event": chosen.event,
        "mail": chosen.wanted.mail,
        "mailed": mail,
        "webhook": chosen.wanted.webhook,
        "quiet": quiet,
    }
    return bool(await rows(tx, _TELL, values))


async def tell_test(tx: AsyncConnection, *, account_id: AccountId, endpoint: UUID, delivery: UUID) -> None:
    """Promise a `webhook.test` to one of the account's endpoints, whatever it listens to, by this delivery."""
    notice = fresh()
    values = {
        "id": notice,
        "account": account_id,
        "kind": Kind.WEBHOOK_TEST.value,
        "key": notice.hex,
        "facts": msgspec.json.encode({"endpoint_id": str(endpoint)}).decode(),
        "endpoint": endpoint,
        "delivery": delivery,
    }
    (await tx.execute(_TEST, values)).scalar_one()


async def preferences(tx: AsyncConnection, account_id: AccountId) -> dict[Kind, Wanted]:
    """Return how each kind goes out to an account, in the order of their declaration."""
    found = await tx.execute(_CHOSEN, {"account": account_id})
    chosen = {row.kind: Wanted(mail=row.mail, webhook=row.webhook) for row in found}
    return {kind: chosen.get(kind.value, kind.wanted) for kind in CHOOSABLE}


def preferences_version(found: Mapping[Kind, Wanted]) -> int:
    """Return what names these preferences: a number of at most nine digits."""
    return version_of([(kind, wanted.mail, wanted.webhook) for kind, wanted in found.items()])


async def choose(
    tx: AsyncConnection,
    account_id: AccountId,
    chosen: Mapping[Kind, Mapping[str, bool]],
    *,
    expected_version: Versions = None,
) -> dict[Kind, Wanted]:
    """Remember how these kinds shall go out, by `mail` or `webhook` or both, and return all. Raises PreferencesChanged.

    Who changes them waits here for whoever does so already.
    """
    await tx.execute(_LOCKED, {"account": str(account_id)})
    if expected_version is not None:
        present = preferences_version(await preferences(tx, account_id))
        if present not in expected_version:
            raise PreferencesChanged(
                "Your preferences were changed meanwhile: read them again.",
                field="If-Match",
                extra={"version": present},
            )
    for kind, how in sorted(chosen.items()):
        said = {"mail": how.get("mail"), "webhook": how.get("webhook")}
        otherwise = {"mail_else": kind.wanted.mail, "webhook_else": kind.wanted.webhook}
        await tx.execute(_CHOOSE, {"account": account_id, "kind": kind.value} | said | otherwise)
    return await preferences(tx, account_id)


async def forget(tx: AsyncConnection, *, older: timedelta = timedelta(days=30), limit: int = 500) -> int:
    """Delete some settled deliveries that old, and notices that can't come again; return how many rows went."""
    return await tx.scalar(_FORGET, {"older": older, "limit": limit}) or 0

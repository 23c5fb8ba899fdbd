"""Tables filled with rows like the one that is there, so many that one sees what a page reads of them."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

ROWS = 2000
"""In each table. Half of them belong to what is listed, and eight or nine in a thousand are of a rare kind."""
MINE = ROWS // 2

_RARE, _OWN = "n % 250 < 2", "n % 2 = 0"
_NAMED = {"id": "gen_random_uuid()", "account_id": f"CASE WHEN {_OWN} THEN :owner ELSE :other END"}
_MADE = _NAMED | {"created_at": "moment"}
_STATE = """CASE WHEN n % 250 < 2 THEN 'failed' WHEN n % 250 < 4 THEN 'cancelled' WHEN n % 500 < 6 THEN 'running'
                 WHEN n % 500 < 8 THEN 'queued' ELSE 'succeeded' END"""
_NOTICE = "CAST(md5('notice' || n) AS uuid)"


def _under(parent: str) -> str:
    """Return SQL for the parent that is listed, in one row of two, else for any other."""
    return f"CASE WHEN {_OWN} THEN CAST(:{parent} AS uuid) ELSE gen_random_uuid() END"


_FILLED = {
    "generations": _MADE | {
        "state": _STATE,
        "admitted_at": "moment",
        "started_at": f"CASE WHEN {_STATE} <> 'queued' THEN moment END",
        "ended_at": f"CASE WHEN {_STATE} NOT IN ('queued', 'running') THEN moment END",
        "failure_code": f"CASE WHEN {_STATE} = 'failed' THEN 'provider.down' END",
        "failure_sentence": f"CASE WHEN {_STATE} = 'failed' THEN 'Nobody answered.' END",
    },
    "drafts": _MADE | {
        "topic": f"CASE WHEN {_RARE} THEN 'A needle' ELSE 'Cats' END",
        "platform": f"CASE WHEN {_RARE} THEN 'shorts' ELSE 'tiktok' END",
    },
    "variants": {"id": "gen_random_uuid()", "draft_id": _under("draft_id"), "generation_id": "gen_random_uuid()",
                 "created_at": "moment"},
    "stage_runs": {"id": "gen_random_uuid()", "chunk": "n", "generation_id":
                   "CASE WHEN n % 20 = 0 THEN CAST(:generation_id AS uuid) ELSE gen_random_uuid() END"},
    "assets": _MADE,
    "media": _MADE | {"key": "gen_random_uuid()", "source_sha256": "lpad(to_hex(n), 64, '0')",
                      "kind": f"CASE WHEN {_RARE} THEN 'audio' ELSE 'picture' END"},
    "tracks": _MADE,
    "voice_profiles": _MADE,
    "brand_kits": _MADE,
    "schedules": _MADE,
    "schedule_runs": {"id": "gen_random_uuid()", "schedule_id": _under("schedule_id"), "due_at": "moment",
                      "state": "'missed'", "retry_at": "NULL"},
    "webhook_endpoints": _MADE,
    "notices": {"id": _NOTICE, "key": "n"},
    "webhook_deliveries": {"id": "gen_random_uuid()", "endpoint_id": _under("webhook_id"), "created_at": "moment",
                           "notice_id": _NOTICE},
    "api_keys": _MADE | {"secret_hash": "sha256(CAST(CAST(n AS text) AS bytea))"},
    "sessions": _MADE | {"token_hash": "sha256(CAST(CAST(n AS text) AS bytea))"},
    "users": {"id": "gen_random_uuid()", "created_at": "moment", "external_customer_id": "NULL",
              "email": f"CASE WHEN {_RARE} THEN 'needle' ELSE 'cat' END || n || '@example.com'",
              "plan": f"CASE WHEN {_RARE} THEN 'pro' ELSE 'basic' END"},
    "credit_journal": _NAMED | {"id": "n + 10000", "seq": "n + 100", "source": "'filled:' || n"},
    "admin_actions": {"id": "gen_random_uuid()", "at": "moment"},
    "stripe_events": {"event_id": "'evt_' || n", "received_at": "moment",
                      "status": f"CASE WHEN {_RARE} THEN 'failed' ELSE 'done' END",
                      "done_at": f"CASE WHEN {_RARE} THEN NULL ELSE moment END"},
    "dead_letters": {"id": "gen_random_uuid()", "generation_id": "gen_random_uuid()", "at": "moment",
                     "redriven_at": f"CASE WHEN {_RARE} THEN NULL ELSE moment END"},
    "outbox": {"id": "n + 10000", "published_at": f"CASE WHEN {_RARE} THEN NULL ELSE moment END",
               "parked_at": f"CASE WHEN {_RARE} THEN moment END",
               "parked_reason": f"CASE WHEN {_RARE} THEN 'Too long.' END"},
    "price_versions": {"version": "n + 100", "source": "'filled:' || n", "effective_from": "moment"},
    "action_costs": {"version": "n + 100"},
    "usage_accounts": {"account_id": "gen_random_uuid()"},
}  # fmt: skip
_FIRST = (
    """
    INSERT INTO stripe_events (event_id, type, created, livemode, object_type, object_id, serial, payload, status,
                               done_at)
    VALUES ('evt_0', 'charge.refunded', now(), false, 'charge', 'ch_1', 'cus_1', '{}', 'done', now())
    """,
    """
    INSERT INTO dead_letters (id, generation_id, reason, code, attempts)
    SELECT gen_random_uuid(), id, 'bug', 'internal', 1 FROM generations LIMIT 1
    """,
    """
    INSERT INTO admin_actions (id, actor, action, target, facts)
    SELECT gen_random_uuid(), id, 'plan.set', id, '{}' FROM users LIMIT 1
    """,
    """
    INSERT INTO schedule_runs (id, schedule_id, due_at, give_up_at, retry_at)
    SELECT gen_random_uuid(), id, now(), now(), now() FROM schedules LIMIT 1
    """,
    "INSERT INTO usage_accounts (account_id, day) SELECT id, current_date FROM users LIMIT 1",
)
_MORE = """
    INSERT INTO {table} OVERRIDING SYSTEM VALUE
    SELECT made.*
      FROM (SELECT * FROM {table} LIMIT 1) AS one, generate_series(1, {rows}) AS n,
           LATERAL (SELECT now() - n * interval '1 minute' AS moment) AS beside,
           LATERAL jsonb_populate_record(CAST(one.* AS {table}), jsonb_build_object('n', n, {changes})) AS made
"""


async def fill(tx: AsyncConnection, *, owner: UUID, other: UUID, of: Mapping[str, str]) -> None:
    """Fill each table from one row of it; `of` is what paths name. No trigger is asked, and no key is followed."""
    await tx.execute(text("SET LOCAL session_replication_role = replica"))
    for statement in _FIRST:
        await tx.execute(text(statement))
    known = {"owner": str(owner), "other": str(other), **of}
    for table, changes in _FILLED.items():
        pairs = ", ".join(f"'{name}', {value}" for name, value in changes.items())
        more = text(_MORE.format(table=table, changes=pairs, rows=ROWS))
        values = {name: known[name] for name in more.compile().params}
        assert (await tx.execute(more, values)).rowcount == ROWS, table
    await tx.execute(text("ANALYZE"))

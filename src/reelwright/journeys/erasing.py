"""What is erased of an account that leaves, room by room; and what stays, because the law and the books want it.

As the invariants are, this is one list over all rooms' rows, so that it can be read and tested whole. Every step may
be repeated: a crash between two only does the first again.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts import Departures
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.library import LooseFiles

KEPT: Mapping[str, str] = {
    "users": "the row that the books refer to, without address and password",
    "drafts": "the rows that generations refer to, emptied",
    "generations": "when what was ordered, at which price, and how it ended",
    "generation_events": "their order and kinds, emptied",
    "stage_runs": "what the usage rows refer to, emptied",
    "dead_letters": "codes alone",
    "outbox": "ids alone; forgotten after a day",
    "uploads": "names of files on their way; tidied within hours",
    "provider_calls": "what a provider's bill is compared with, for 90 days; no words",
    "credit_journal": "the books",
    "credit_balances": "the books",
    "credit_lots": "the books",
    "credit_holds": "the books",
    "usage_ledger": "the books",
    "usage_daily": "the books",
    "usage_accounts": "the books",
    "subscriptions": "what was paid for: Stripe's ids, no names",
    "paid_periods": "what was paid for",
    "former_customers": "what was paid for: Stripe's ids, no names",
    "boosts": "what was paid for or given",
    "purchases": "what was paid for",
    "payments": "what was paid for; refunds and disputes come late",
    "stripe_events": "that they were handled, without what they said",
    "departures": "that it was erased, and when",
    "admin_actions": "what administrators did; ids, no addresses",
    "loose_files": "files on their way out",
}
"""Tables that tell of accounts and in which rows stay, with the reason."""

_EMPTIED: tuple[TextClause, ...] = (
    text(
        """
        UPDATE drafts SET topic = '', source_url = NULL, source_text = NULL, source_entry = NULL, source_form = 'page',
               voice = 'default', music = 'none', brand_kit_id = NULL, selected_variant = NULL,
               deleted_at = coalesce(deleted_at, now()),
               updated_at = now()
         WHERE account_id = :account
        """
    ),
    text("UPDATE generations SET variant_id = NULL WHERE account_id = :account AND variant_id IS NOT NULL"),
    text("UPDATE purchases SET url = NULL WHERE account_id = :account AND url IS NOT NULL"),
    text(
        """
        UPDATE stripe_events e SET payload = '{}' FROM users u
         WHERE u.id = :account AND e.payload::text <> '{}' AND (
               strpos(e.payload::text, u.id::text) > 0 OR strpos(e.payload::text, u.external_customer_id) > 0
               OR EXISTS (SELECT FROM former_customers f
                           WHERE f.account_id = u.id AND strpos(e.payload::text, f.external_customer_id) > 0))
        """
    ),
    text("DELETE FROM schedules WHERE account_id = :account"),
    text("DELETE FROM webhook_endpoints WHERE account_id = :account"),
    text("DELETE FROM notices WHERE account_id = :account"),
    text("DELETE FROM notification_preferences WHERE account_id = :account"),
    text("DELETE FROM requests_daily WHERE account_id = :account"),
    text("DELETE FROM voice_defaults WHERE account_id = :account"),
    text("DELETE FROM voice_profiles WHERE account_id = :account"),
)
"""By account, in this order."""

_WITH_FILES: tuple[TextClause, ...] = (
    text("DELETE FROM brand_kits WHERE account_id = :account RETURNING CAST(NULL AS text)"),
    text("DELETE FROM assets WHERE account_id = :account RETURNING storage_key"),
    text("DELETE FROM tracks WHERE account_id = :account RETURNING storage_key"),
    text("DELETE FROM media WHERE account_id = :account RETURNING key"),
    text("DELETE FROM sound_jobs WHERE account_id = :account RETURNING storage_key"),
    text("DELETE FROM exports WHERE account_id = :account RETURNING storage_key"),
)
"""By account: rows with a file each, whose key they return."""

_FILES = text("DELETE FROM artefacts WHERE generation_id = ANY (CAST(:batch AS uuid[])) RETURNING key")
_OF_GENERATIONS: tuple[TextClause, ...] = (
    text(
        "UPDATE generation_events SET data = '{}' WHERE generation_id = ANY (CAST(:batch AS uuid[])) AND data <> '{}'"
    ),
    text(
        """
        UPDATE stage_runs SET result = NULL, inputs_hash = NULL
         WHERE generation_id = ANY (CAST(:batch AS uuid[])) AND num_nonnulls(result, inputs_hash) > 0
        """
    ),
    text("DELETE FROM sources WHERE generation_id = ANY (CAST(:batch AS uuid[]))"),
    text("DELETE FROM variants WHERE generation_id = ANY (CAST(:batch AS uuid[]))"),
    text("DELETE FROM publications WHERE generation_id = ANY (CAST(:batch AS uuid[]))"),
    text(
        """
        UPDATE generations SET gate = NULL, sound = NULL, brand = NULL, request_id = NULL,
               failure_sentence = CASE WHEN failure_code IS NOT NULL THEN 'Erased.' END
         WHERE id = ANY (CAST(:batch AS uuid[]))
        """
    ),
)
"""By generations, in this order."""

_MAY_EMPTY = text("SET LOCAL reelwright.erasing = 'on'")
"""Says to the guards of what has ended that this is no mistake; over with the transaction."""
_GENERATIONS = text("SELECT id FROM generations WHERE account_id = :account AND id > :after ORDER BY id LIMIT :limit")
_LAST = (
    text("DELETE FROM api_keys WHERE account_id = :account"),
    text("DELETE FROM sessions WHERE account_id = :account"),
    text("DELETE FROM email_proofs WHERE account_id = :account"),
    text("DELETE FROM stream_tickets WHERE account_id = :account"),
    text("DELETE FROM replays WHERE account_id = :account"),
)
_BATCH, _KEYS = 100, 1000


async def erase(account_id: AccountId, *, db: Database) -> None:
    """Erase all words and files of an account that has no name any more, and for which nothing runs. Raises Outage."""
    for statement in _WITH_FILES:
        async with db.begin() as tx:
            await _loosened(tx, statement, {"account": account_id})
    for statement in _EMPTIED:
        async with db.begin() as tx:
            await tx.execute(statement, {"account": account_id})
    await _emptied_generations(account_id, db=db)
    async with db.begin() as tx:
        for statement in _LAST:
            await tx.execute(statement, {"account": account_id})
        await Departures(session=tx).erased(account_id)


async def _emptied_generations(account_id: AccountId, *, db: Database) -> None:
    after = UUID(int=0)
    while True:
        async with db.begin() as tx:
            values = {"account": account_id, "after": after, "limit": _BATCH}
            batch = list(await tx.scalars(_GENERATIONS, values))
            await tx.execute(_MAY_EMPTY)
            await _loosened(tx, _FILES, {"batch": batch})
            for statement in _OF_GENERATIONS:
                await tx.execute(statement, {"batch": batch})
        if len(batch) < _BATCH:
            return
        after = batch[-1]


async def _loosened(tx: AsyncConnection, statement: TextClause, values: Mapping[str, object]) -> None:
    """Delete rows that name files. The files go when no row names them any more: others may have the same one."""
    keys = sorted({key for key in await tx.scalars(statement, values) if key is not None})
    for start in range(0, len(keys), _KEYS):
        await LooseFiles(session=tx).add(*keys[start : start + _KEYS])

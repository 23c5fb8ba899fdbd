"""What we keep of a person, as an archive: asked for, made by a chore page by page, fetched by a signed link."""

import asyncio
import tempfile
import zipfile
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from reelwright.accounts import Accounts, Export, Exports, Replays, RequestKey
from reelwright.ground import log
from reelwright.ground.errors import NotFound
from reelwright.ground.ids import AccountId, fresh
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage
from reelwright.library import LooseFiles

_log = log.logger("journeys.exporting")
MOST_FILES_BYTES = 1 << 30
_PAGE, _EXPIRED_AT_ONCE = 500, 200

# As the invariants are: one list over all rooms' rows, so that it can be read and tested whole.
KINDS: Mapping[str, str] = {
    "account": """
        SELECT id, email, role, plan, demo, email_verified_at, created_at, external_customer_id AS stripe_customer
          FROM users WHERE id = :account""",
    "api_keys": """
        SELECT id, name, prefix, scopes, live, created_at, last_used_at, expires_at, revoked_at
          FROM api_keys WHERE account_id = :account""",
    "sessions": "SELECT id, agent, created_at, last_seen_at, expires_at FROM sessions WHERE account_id = :account",
    "drafts": """
        SELECT id, topic, source_url, source_text, source_form, platform, tone, language, duration_s, aspect, voice,
               music, caption_style, brand_kit_id, selected_variant, version, created_at, updated_at, deleted_at
          FROM drafts WHERE account_id = :account""",
    "sources": """
        SELECT draft_id, generation_id, kind, title, body, summary, language, attribution, created_at
          FROM sources WHERE draft_id IN (SELECT id FROM drafts WHERE account_id = :account)""",
    "variants": """
        SELECT id, draft_id, generation_id, title, hook, synopsis, arc, beats, caption, hashtags, attribution, look,
               version, created_at, updated_at
          FROM variants WHERE draft_id IN (SELECT id FROM drafts WHERE account_id = :account)""",
    "scenes": """
        SELECT variant_id, position, narration, visual, image_prompt, duration_ms, motion_kind, transition_kind, claim
          FROM scenes
         WHERE variant_id IN (
               SELECT v.id FROM variants v JOIN drafts d ON d.id = v.draft_id WHERE d.account_id = :account)""",
    "generations": """
        SELECT g.id, g.draft_id, g.kind, g.state, g.plan, g.hold_micro, g.lane, g.variants_wanted, g.part, g.scene,
               g.failure_code, g.failure_sentence, g.created_at, g.started_at, g.ended_at
          FROM generations g WHERE g.account_id = :account""",
    "assets": """
        SELECT id, kind, status, title, platform, tags, words, draft_id, variant_id, generation_id, media_id,
               media_type, size_bytes, duration_ms, created_at, updated_at, deleted_at
          FROM assets WHERE account_id = :account""",
    "uploads": """
        SELECT id, kind, name, media_type, size_bytes, sha256, width, height, duration_ms, created_at, deleted_at
          FROM media WHERE account_id = :account""",
    "voices": """
        SELECT id, name, voice, speed, pitch, gap_ms, created_at, updated_at
          FROM voice_profiles WHERE account_id = :account""",
    "music": """
        SELECT id, media_id, title, mood, genre, licence, attribution, bpm, status, duration_ms, created_at
          FROM tracks WHERE account_id = :account""",
    "brand_kits": """
        SELECT id, name, font, text_colour, highlight_colour, box_colour, logo_media_id, logo_corner, logo_share,
               intro_text, intro_ms, outro_text, outro_ms, version, created_at, updated_at
          FROM brand_kits WHERE account_id = :account""",
    "schedules": """
        SELECT id, name, cron, timezone, source, making, missed, runs_month, micro_month, state, last_run_at,
               created_at, deleted_at FROM schedules WHERE account_id = :account""",
    "schedule_runs": """
        SELECT id, schedule_id, due_at, state, code, sentence, topic, price_micro, charged_micro, created_at, ended_at
          FROM schedule_runs WHERE schedule_id IN (SELECT id FROM schedules WHERE account_id = :account)""",
    "webhooks": """
        SELECT id, url, description, events, disabled_at, disabled_reason, created_at
          FROM webhook_endpoints WHERE account_id = :account""",
    "notices": "SELECT id, kind, facts, told_at, mail_state, mail_sent_at FROM notices WHERE account_id = :account",
    "notification_preferences": """
        SELECT kind, mail, webhook, updated_at FROM notification_preferences WHERE account_id = :account""",
    "credit_transactions": """
        SELECT seq, kind, amount_micro, available_after_micro, held_after_micro, debt_after_micro, generation_id,
               reason, at FROM credit_journal WHERE account_id = :account""",
    "usage": """
        SELECT generation_id, stage, scene, action, provider, model, outcome, quantity, prompt_tokens,
               completion_tokens, images, characters, wall_ms, credits_micro, plan, at
          FROM usage_ledger WHERE account_id = :account""",
    "requests_daily": "SELECT day, route, outcome, requests FROM requests_daily WHERE account_id = :account",
    "subscriptions": """
        SELECT external_id AS stripe_subscription, plan, status, period_start, period_end, cancel_at_period_end,
               ended_at, created_at FROM subscriptions WHERE account_id = :account""",
    "boosts": "SELECT id, starts_at, ends_at, revoked_at, created_at FROM boosts WHERE account_id = :account",
    "purchases": "SELECT id, kind, item, state, created_at, settled_at FROM purchases WHERE account_id = :account",
    "payments": """
        SELECT kind, payment_intent AS stripe_payment, granted_micro, clawed_micro, boost_days, disputed, created_at
          FROM payments WHERE account_id = :account""",
}
_FILES = text(
    """
    SELECT key, size_bytes, name FROM (
        SELECT a.key, a.size_bytes, 'files/videos/' || g.id || '.mp4' AS name, a.created_at
          FROM generations g JOIN artefacts a ON a.generation_id = g.id AND a.kind = 'video'
         WHERE g.account_id = :account
         UNION ALL
        SELECT key, size_bytes, 'files/uploads/' || id || substring(key FROM '[.][a-z0-9]+$'), created_at
          FROM media WHERE account_id = :account AND deleted_at IS NULL
         UNION ALL
        SELECT storage_key, size_bytes, 'files/library/' || id || substring(storage_key FROM '[.][a-z0-9]+$'),
               created_at
          FROM assets WHERE account_id = :account AND deleted_at IS NULL AND storage_key IS NOT NULL
    ) AS own ORDER BY created_at DESC
    """
)
_README = """What Reelwright keeps of your account.

Each .jsonl file holds one kind of thing, one JSON object a line. Instants are in UTC. Fields ending in _micro are
credits times 1,000,000. "uploads" are the files that you sent, "assets" what you saved in the library.
Passwords, keys and the secrets that sign webhooks are kept in a form that is of no use to anybody, and are not here.
files/ holds your finished videos, uploads and saved files, the newest first up to {most} MiB in all.
{left}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The archive that was asked for, and whether an earlier request with the same key had."""

    export: Export
    repeated: bool


async def ask(account_id: AccountId, *, request: RequestKey | None, db: Database) -> Asked:
    """Ask for an archive, once a day. Raises ExportTooSoon, KeyReused, Outage."""
    async with db.begin() as tx:
        exports, new = Exports(session=tx), fresh()
        if (made := await Replays(session=tx).claim(account_id, request, new)) is not None:
            export = await exports.get(made)
            if export is None:
                raise _none()
            return Asked(export=export, repeated=True)
        await Accounts(session=tx).lock(account_id)  # of two at once the second sees the first
        asked = await exports.ask(account_id, export_id=new)
    _log.info("export.asked", account_id=str(account_id), export=str(new))
    return Asked(export=asked, repeated=False)


async def last(account_id: AccountId, *, db: Database) -> Export:
    """Return the archive that was asked for last. Raises NotFound, Outage."""
    async with db.single() as tx:
        found = await Exports(session=tx).last(account_id)
    if found is None:
        raise _none()
    return found


async def make(*, db: Database, storage: Storage, most_bytes: int = MOST_FILES_BYTES) -> int:
    """Make the archives that wait, one after the other, and end those that are over; return how many were made.

    A crash leaves a claim that lapses and a loose file that is removed. Raises Outage.
    """
    async with db.begin() as tx:
        await LooseFiles(session=tx).add(*await Exports(session=tx).expire(limit=_EXPIRED_AT_ONCE))
    made = 0
    while True:
        async with db.begin() as tx:
            export = await Exports(session=tx).claim()
        if export is None:
            return made
        made += await _made(export, db=db, storage=storage, most_bytes=most_bytes)


async def _made(export: Export, *, db: Database, storage: Storage, most_bytes: int) -> bool:
    key = f"exports/{export.account_id}/{fresh()}.zip"
    with tempfile.TemporaryDirectory(prefix="reelwright-export-") as folder:
        path = Path(folder) / "export.zip"
        await _written(path, export.account_id, db=db, storage=storage, most_bytes=most_bytes)
        async with db.begin() as tx:
            await LooseFiles(session=tx).add(key)
        stored = await storage.put(key, path)
    async with db.begin() as tx:
        ready = await Exports(session=tx).ready(export, key=key, size_bytes=stored.size_bytes, sha256=stored.sha256)
        if ready:
            await LooseFiles(session=tx).recorded(key)
    _log.info("export.made", account_id=str(export.account_id), export=str(export.id), bytes=stored.size_bytes)
    return ready


async def _written(path: Path, account_id: AccountId, *, db: Database, storage: Storage, most_bytes: int) -> None:
    """Write an account's archive: rows page by page, files one by one."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, query in KINDS.items():
            with archive.open(f"{name}.jsonl", "w", force_zip64=True) as file:
                async for lines in _pages(query, account_id, db=db):
                    await asyncio.to_thread(file.write, lines)
        left = await _copied(archive, path.with_name("file"), account_id, db=db, storage=storage, most_bytes=most_bytes)
        told = "All of them are here." if not left else "Not here, fetch them through the API:\n" + "\n".join(left)
        archive.writestr("README.txt", _README.format(most=most_bytes >> 20, left=told))


async def _pages(query: str, account_id: AccountId, *, db: Database) -> AsyncGenerator[bytes]:
    """Yield a kind's rows as JSON lines, some hundred at a time: a cursor of the server's holds the others."""
    of_account = query.replace(":account", f"'{UUID(str(account_id))}'::uuid")
    async with db.begin() as tx:
        await tx.execute(text(f"DECLARE own NO SCROLL CURSOR FOR SELECT to_jsonb(x)::text FROM ({of_account}) AS x"))  # noqa: S608 - constants and a UUID
        while found := list(await tx.scalars(text(f"FETCH {_PAGE} FROM own"))):
            yield ("\n".join(found) + "\n").encode()


async def _copied(
    archive: zipfile.ZipFile, spool: Path, account_id: AccountId, *, db: Database, storage: Storage, most_bytes: int
) -> list[str]:
    """Copy the account's files into its archive, and return those for which there was no room."""
    async with db.single() as tx:
        files = (await tx.execute(_FILES, {"account": account_id})).all()
    room, left, there = most_bytes, list[str](), set[str]()
    for file in files:
        if file.key in there:
            continue
        if file.size_bytes > room:
            left.append(file.name)
            continue
        try:
            await storage.fetch(file.key, spool)
        except NotFound:  # deleted while we were at it
            continue
        await asyncio.to_thread(archive.write, spool, file.name, zipfile.ZIP_STORED)
        there.add(file.key)
        room -= file.size_bytes
    return left


def _none() -> NotFound:
    return NotFound("You have asked for no archive of your data yet.", code="account.no_export")

"""One of everything that an account can own, by the name that paths have for it."""

from hashlib import sha256
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.callers import Callers
from tests.builders import a_written_draft

SCHEDULE = {
    "name": "Cats",
    "cron": "0 9 * * *",
    "timezone": "Europe/Berlin",
    "source": {"kind": "template", "template": "Fact of {date}"},
}
MEDIA = text(
    """
    INSERT INTO media (id, account_id, kind, name, key, media_type, size_bytes, sha256, source_sha256)
    VALUES (:id, :owner, :kind, 'cat', :sha, :type, 1, :sha, :sha)
    """
)


async def objects(client: httpx.AsyncClient, callers: Callers, db: Database) -> dict[str, str]:
    """Make them for the first user; others are of no account and stand for what an administrator names."""

    async def made(path: str, **body: object) -> dict[str, str]:
        headers = {**callers.user, "Idempotency-Key": path.replace("/", "-")}
        answer = await client.post(path, json=body, headers=headers)
        assert answer.status_code in {200, 201, 202}, (path, answer.text)
        return answer.json()

    order = await made("/v1/create", topic="Why do cats purr?")
    written = await a_written_draft(db, callers.user_account.id)
    webhook = (await made("/v1/webhooks", url="https://hooks.example.com/x"))["endpoint"]
    voice = await made("/v1/voices", name="Mine")
    movements = (await client.get("/v1/credits/transactions", headers=callers.user)).json()["transactions"]
    sound = str(await a_media(db, callers.user_account.id, kind="audio"))
    return {
        "generation_id": order["generation_id"],
        "draft_id": order["draft_id"],
        "variant_id": str(written.variant),
        "position": "0",
        "rank": "1",
        "stage": "STORY_WRITING",
        "stage_run_id": await a_run(db, order["generation_id"]),
        "asset_id": (await made("/v1/library/assets", variant_id=str(written.variant)))["id"],
        "media_id": str(await a_media(db, callers.user_account.id, kind="picture")),
        "sound_id": str(await a_media(db, callers.user_account.id, kind="audio")),
        "schedule_id": (await made("/v1/schedules", **SCHEDULE))["id"],
        "webhook_id": webhook["id"],
        "delivery_id": (await made(f"/v1/webhooks/{webhook['id']}/test"))["delivery_id"],
        "key_id": (await made("/v1/api-keys", name="Spare", scopes=["drafts:read"]))["key"]["id"],
        "session_id": await a_session(db, callers.user_account.id),
        "voice_id": voice["id"],
        "brand_kit_id": (await made("/v1/brand-kits", name="Mine"))["id"],
        "preview_id": (await made(f"/v1/voices/{voice['id']}/preview", text="Mine alone."))["id"],
        "track_id": (await made("/v1/music", media_id=sound, title="Mine", **MUSIC))["id"],
        "transaction": str(movements[0]["id"]),
        "user_id": str(callers.user_account.id),
        "boost_id": str(uuid4()),
        "letter": f"{order['generation_id']}:STORY_WRITING",
        "event": "evt_1",
        "provider": "openai",
        "model": "gpt-4.1",
        "token": "x.y",
        "ticket": "t" * 43,
        "code": "request.invalid",
        "name": "x.js",
    }


MUSIC = {"mood": "calm", "genre": "ambient", "licence": "cc0", "bpm": 90}


async def a_media(db: Database, owner: UUID, *, kind: str) -> UUID:
    """Enter an upload that has no file."""
    made = uuid4()
    media_type = {"picture": "image/png", "audio": "audio/mpeg"}[kind]
    row = {"id": made, "owner": owner, "kind": kind, "type": media_type, "sha": sha256(made.bytes).hexdigest()}
    async with db.begin() as tx:
        await tx.execute(MEDIA, row)
    return made


async def a_session(db: Database, owner: UUID) -> str:
    """Return a session of the owner's."""
    asked = text("SELECT id FROM sessions WHERE account_id = :owner ORDER BY last_seen_at DESC LIMIT 1")
    async with db.begin() as tx:
        return str(await tx.scalar(asked, {"owner": owner}))


async def a_run(db: Database, generation: str) -> str:
    """Return a stage run of a generation's."""
    asked = text("SELECT id FROM stage_runs WHERE generation_id = CAST(:one AS uuid) LIMIT 1")
    async with db.begin() as tx:
        return str(await tx.scalar(asked, {"one": generation}))

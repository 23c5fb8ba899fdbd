"""The worker's three doors, as the queue finds them: signed for their own address, and honest about what comes next."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from sqlalchemy import text

from reelwright import outbox
from reelwright.admission import Gate
from reelwright.api import health
from reelwright.dev.credentials import Credentials
from reelwright.generations import Stage
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database
from reelwright.outbox import FAILED, GENERATE, TICK, StageDue
from reelwright.settings import Settings
from tests.api.conftest import living
from tests.builders import a_gate, a_generation, an_account
from tests.journeys.conftest import Studio, one, order, waiting
from worker.app import create_app

URL = "https://worker.example.com"
KEY = "sig_test_current_key_of_32_chars__"
SIGNING = Credentials(token="t", current=KEY, next=KEY)


@pytest.fixture
async def gate(db: Database, redis: Any) -> AsyncIterator[Gate]:
    made = a_gate(db, redis)
    yield made
    await made.close()


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
async def client(
    db: Database, database_url: str, valkey_url: str, tmp_path: Path, studio: Studio
) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        environment="test",
        database_url=database_url,
        redis_url=valkey_url,
        storage_url=f"file://{tmp_path}/artefacts",
        workspace=str(tmp_path / "work"),
        worker_url=URL + "/",
        qstash_url="http://127.0.0.1:9",
        qstash_token="t",
        qstash_current_signing_key=KEY,
    )
    app: Any = create_app(settings, stages=dict.fromkeys(Stage, studio.perform))
    transport = httpx.ASGITransport(app=app)
    async with living(app), httpx.AsyncClient(transport=transport, base_url="http://any") as asking:
        yield asking


async def send(client: httpx.AsyncClient, path: str, body: bytes, *, signed_for: str | None = None) -> httpx.Response:
    signature = SIGNING.signature(url=URL + (signed_for or path), body=body)
    return await client.post(path, content=body, headers={"Upstash-Signature": signature})


def given_up(message: StageDue) -> bytes:
    source = base64.b64encode(outbox.encoded(message)).decode()
    return json.dumps({"status": 503, "sourceBody": source, "sourceMessageId": "msg_1", "dlqId": "1"}).encode()


async def test_a_signature_for_one_door_opens_no_other(client: httpx.AsyncClient) -> None:
    for path, other in ((GENERATE, TICK), (TICK, FAILED), (FAILED, GENERATE)):
        assert (await send(client, path, b"{}", signed_for=other)).status_code == 401
        assert (await client.post(path, content=b"{}")).status_code == 401


async def test_s88_a_delivery_that_comes_again_under_whatever_name_does_nothing_again(
    client: httpx.AsyncClient, db: Database, gate: Gate, studio: Studio
) -> None:
    """The same signed bytes, as one could catch them: what the row says counts, and no header that nobody signed."""
    await order(await an_account(db), db, gate)
    (message,) = await waiting(db)
    body = outbox.encoded(message)
    signed = {"Upstash-Signature": SIGNING.signature(url=URL + GENERATE, body=body)}
    for name in ("msg_1", "msg_1", "msg_another", "' OR 1=1 --", str(message.run_id)):
        told = {"Upstash-Message-Id": name, "Upstash-Retried": "0"}
        assert (await client.post(GENERATE, content=body, headers=told)).status_code == 401
        answer = await client.post(GENERATE, content=body, headers=signed | told)
        assert answer.status_code == 204, answer.text
    assert {unit.stage: times for unit, times in studio.calls.items()} == {Stage.INGESTION: 1}
    assert [due.stage for due in await waiting(db)] == [Stage.STORY_WRITING]


async def test_a_newer_message_waits_for_newer_code_and_nonsense_never_comes_again(
    client: httpx.AsyncClient, db: Database
) -> None:
    """489 buries a message: in a rolling deploy that would bury the new version's."""
    message = StageDue(generation_id=await a_generation(db), run_id=(await run_of(db)), stage="STORY_TELLING")
    newer = (b'{"message":"reel_due.v1"}', outbox.encoded(message), outbox.encoded(message)[:-1] + b',"lane":1}')
    for body in newer:
        answer = await send(client, GENERATE, body)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    nonsense = await send(client, GENERATE, b'{"hello":1}')
    assert (nonsense.status_code, nonsense.headers["Upstash-NonRetryable-Error"]) == (489, "true")


async def run_of(db: Database) -> Any:
    return (await one(db, "SELECT id FROM stage_runs"))["id"]


async def test_the_schedule_s_minute_looks_after_everything_once(
    client: httpx.AsyncClient, db: Database, gate: Gate, tmp_path: Path
) -> None:
    """A lost message is sent again and what a dead worker uploaded is removed, with no sweeper's turn awaited."""
    await order(await an_account(db), db, gate)
    await waiting(db)
    orphan = tmp_path / "artefacts" / "a" / "orphan.png"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    async with db.begin() as tx:
        await tx.execute(text("UPDATE stage_runs SET sent_at = now() - interval '1 h'"))
        await tx.execute(
            text(
                "INSERT INTO uploads (key, run_id, fence, at) SELECT key, gen_random_uuid(), 1, now() - age"
                " FROM (VALUES ('a/gone.png', interval '2 h'), ('a/orphan.png', '2 h'), ('a/young.png', '9 min'))"
                " AS made (key, age)"
            )
        )
    answer = await send(client, TICK, b"")
    assert (answer.status_code, answer.content) == (204, b"")
    assert len(await waiting(db)) == 1
    assert not orphan.exists()
    assert (await one(db, "SELECT string_agg(key, ',') AS keys FROM uploads"))["keys"] == "a/young.png"


async def test_what_the_queue_gave_up_is_sent_again_with_growing_patience(
    client: httpx.AsyncClient, db: Database, gate: Gate
) -> None:
    """It would wait half a minute for the sweep; but a run that fails every delivery must not circle at full speed."""
    await order(await an_account(db), db, gate)
    (message,) = await waiting(db)
    assert (await send(client, FAILED, given_up(message))).status_code == 204
    assert await waiting(db) == [], "it was sent a moment ago"
    async with db.begin() as tx:
        await tx.execute(text("UPDATE stage_runs SET sent_at = now() - interval '3 s'"))
    for _ in range(3):
        assert (await send(client, FAILED, given_up(message))).status_code == 204
    assert [again.run_id for again in await waiting(db)] == [message.run_id]
    for unreadable in (b"", b"{}", b'{"sourceBody":"%%"}', b'{"sourceBody":"e30="}'):
        assert (await send(client, FAILED, unreadable)).status_code == 204


async def test_a_worker_with_a_full_disk_is_not_ready(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would fail whatever it renders."""
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]["disk"]) == (200, "ok")
    monkeypatch.setattr(health, "_LEAST_FREE_BYTES", 2**62)
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]["disk"]) == (503, "unavailable")


async def test_a_worker_without_redis_is_not_ready(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could check no limit; an API still reads."""
    monkeypatch.setattr(Gate, "ping", AsyncMock(side_effect=Outage("Away.", code="admission.unavailable")))
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")

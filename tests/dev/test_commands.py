"""`dev`, `db` and `doctor` as people run them."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from reelwright.dev import endpoints
from reelwright.dev import running as runs
from reelwright.dev.check import _payments, examine
from reelwright.dev.database import database_url
from tests.dev.processes import is_alive, naming
from tests.waiting import block_until

COMMAND = [sys.executable, str(Path(__file__).with_name("command.py"))]
IN_BACKGROUND = ("sh", "-c", "trap '' INT HUP; exec \"$@\"", "sh")
"""Starts a program as `nohup` and a script's `&` do: ignoring Ctrl-C and a closed terminal."""
REDIS = ("REDIS_URL", "UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN")
UNSET = ("DATABASE_URL", *REDIS, "QSTASH_URL", "QSTASH_TOKEN")


@contextlib.contextmanager
def running(*words: str, by: Sequence[str] = (), **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command beside us, started by another where that matters."""
    clean = {name: value for name, value in os.environ.items() if name not in UNSET}
    process = subprocess.Popen(
        [*by, *COMMAND, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


async def revision(url: str) -> str:
    connection = await asyncpg.connect(url)
    found = await connection.fetchval("SELECT version_num FROM alembic_version")
    await connection.close()
    return found


def test_the_folder_is_chosen_by_setting_then_by_the_users_data_home() -> None:
    assert endpoints.default_data({"REELWRIGHT_DATA": "/a", "XDG_DATA_HOME": "/b"}) == Path("/a")
    assert endpoints.default_data({"XDG_DATA_HOME": "/b"}) == Path("/b/reelwright")
    assert endpoints.default_data({}) == Path.home() / ".local/share/reelwright"


def test_a_folders_own_database_is_there_for_a_command_and_gone_after_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with database_url(folder) as url:
        first = asyncio.run(revision(url))
        assert naming(folder)
    assert naming(folder) == []
    with database_url(folder) as url:
        assert asyncio.run(revision(url)) == first


def test_a_given_database_is_taken_as_it_is(folder: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    with database_url(folder) as url:
        assert url == postgres_url
    assert list(folder.iterdir()) == []


def test_dev_tells_where_everything_is_and_ctrl_c_ends_it_all(folder: Path) -> None:
    with running("dev", "--json", "--data", str(folder)) as process:
        told = json.loads(line_of(process))
        assert set(told) == set(endpoints.Endpoints.__struct_fields__)
        assert all(told.values())
        assert told["api_key"] != told["admin_api_key"]
        assert asyncio.run(revision(told["database_url"]))
        with running("dev", "--data", str(folder)) as second:
            rest, complaint = second.communicate(timeout=30)
        assert (second.returncode, rest) == (2, "")
        assert complaint.count("\n") == 1
        assert told["base_url"] in complaint

        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, "")
    block_until(lambda: not any(is_alive(pid) for pid in told["pids"].values()))
    block_until(lambda: naming(folder) == [])


def test_commands_share_a_stack_and_its_owner_waits_for_the_others(furnished: Path) -> None:
    with running("use", str(furnished)) as owner:
        base_url = line_of(owner).strip()
        with running("use", str(furnished)) as guest:
            assert line_of(guest).strip() == base_url
            assert owner.stdin is not None
            owner.stdin.close()
            assert owner.stderr is not None
            assert "waiting for another command" in owner.stderr.readline()
            there = endpoints.running(furnished)
            assert there is not None
            assert all(is_alive(pid) for pid in there.pids.values())
            guest.communicate(timeout=30)
        assert guest.returncode == 0
        assert owner.wait(30) == 0
        owner.stdin = None
    assert naming(furnished) == []
    assert endpoints.running(furnished) is None


def test_an_interrupted_command_takes_its_stack_with_it(furnished: Path) -> None:
    with running("use", str(furnished)) as owner:
        line_of(owner)
        there = endpoints.running(furnished)
        assert there is not None
        owner.send_signal(signal.SIGTERM)
        owner.communicate(timeout=30)
    block_until(lambda: not any(is_alive(pid) for pid in there.pids.values()))
    assert naming(furnished) == []


def test_one_in_the_background_leaves_ignored_what_was_and_ends_when_it_is_told(furnished: Path) -> None:
    """Ctrl-C is for what runs in front, and `nohup` means that a closed terminal is no reason to end."""
    with running("dev", "--data", str(furnished), by=IN_BACKGROUND) as process:
        told = [line_of(process) for _ in range(6)]
        assert told[-1] == f"kill {process.pid} stops it.\n"
        assert ignored(process.pid) >= {signal.SIGINT, signal.SIGHUP}
        for number in (signal.SIGINT, signal.SIGHUP):
            process.send_signal(number)
        process.terminate()
        rest, stopping = process.communicate(timeout=30)
    assert (process.returncode, rest, stopping) == (0, "", "Stopping.\n")
    assert naming(furnished) == []


def ignored(pid: int) -> set[int]:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn:")]
    mask = int(line.split()[1], 16)
    return {number for number in range(1, 65) if mask >> number - 1 & 1}


def test_once_told_to_stop_it_is_not_disturbed_by_being_told_again() -> None:
    """Whoever closes a terminal may be heard twice, and what is ending needs its moment."""
    with runs._told_to_stop():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGHUP)
        try:
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            pytest.fail("it was disturbed")


def test_doctor_prints_one_object_and_its_exit_code_tells(folder: Path) -> None:
    with running("doctor", "--json", "--data", str(folder / "new")) as process:
        well = json.loads(process.communicate()[0])
    assert (process.returncode, well["ok"]) == (0, True)
    assert not (folder / "new").exists(), "looking leaves nothing"
    with running("doctor", "--json", "--data", str(folder), REELWRIGHT_PG_BIN="/nowhere") as process:
        ill = json.loads(process.communicate()[0])
    assert (process.returncode, ill["ok"]) == (1, False)
    assert [check["name"] for check in ill["checks"] if not check["ok"]] == ["PostgreSQL"]


def test_db_upgrade_makes_the_folders_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with running("db", "upgrade", "--data", str(folder)) as process:
        assert process.communicate()[0] == "The database is up to date.\n"
    assert process.returncode == 0
    assert (folder / "postgres" / "data").is_dir()


def found(folder: Path, **environment: str) -> dict[str, Any]:
    return {check.name: check for check in examine(folder, environment)}


def test_a_healthy_machine_has_no_problem(folder: Path) -> None:
    checks = found(folder)
    assert [check.name for check in checks.values() if not check.ok and check.needed] == []
    assert checks["PostgreSQL"].found.startswith("postgres (PostgreSQL) 18")
    assert "libx264 and aac" in checks["ffmpeg"].found


def test_every_problem_names_its_remedy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWRIGHT_FFMPEG", "/bin/true")
    (folder / "file").write_text("")
    checks = found(
        folder / "file",
        REELWRIGHT_PG_BIN=str(folder),
        REDIS_URL="redis://127.0.0.1:9/0",
        REELWRIGHT_TEXT_PROVIDER="offline",
    )
    assert {name for name, check in checks.items() if not check.ok} == {
        "PostgreSQL",
        "Valkey",
        "ffmpeg",
        "data folder",
        "settings",
    }
    assert "REELWRIGHT_PG_BIN names" in checks["PostgreSQL"].remedy
    assert "mend REDIS_URL" in checks["Valkey"].remedy
    assert "REELWRIGHT_FFMPEG" in checks["ffmpeg"].remedy
    assert "choose another folder" in checks["data folder"].remedy
    assert "DATABASE_URL is not set" in checks["settings"].remedy


@pytest.mark.parametrize(
    ("environment", "whose", "remedy"),
    [
        ({}, "simulated by `reelwright dev`", ""),
        ({"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}, "test mode", ""),
        ({"STRIPE_SECRET_KEY": "sk_live_1"}, "real money", "Set STRIPE_WEBHOOK_SECRET"),
        (
            {
                "STRIPE_SECRET_KEY": "rk_live_1",
                "STRIPE_WEBHOOK_SECRET": "whsec_1",
                "REELWRIGHT_ENVIRONMENT": "development",
            },
            "real money",
            "sk_test_",
        ),
    ],
)
def test_the_doctor_tells_whose_money_moves(environment: dict[str, str], whose: str, remedy: str) -> None:
    found_ = _payments(environment)
    assert whose in found_.found
    assert remedy in found_.remedy
    assert (found_.ok, found_.needed) == (not remedy, not environment)

"""The embedded servers: nothing committed is lost, nothing is left running, nobody else gets in."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import redis as redis_py

from reelwright.dev import child
from reelwright.dev.postgres import Postgres
from reelwright.dev.valkey import Valkey
from tests.dev.processes import is_alive, is_free, is_private, naming, owner
from tests.waiting import block_until, wait_until

SERVE = """
import json, sys, threading, pathlib
from reelwright.dev.postgres import Postgres
from reelwright.dev.valkey import Valkey
server = {"Postgres": Postgres, "Valkey": Valkey}[sys.argv[1]](pathlib.Path(sys.argv[2]))
server.start()
print(json.dumps({"pid": server.pid, "url": server.url}), flush=True)
threading.Event().wait()
"""


def serving(kind: str, place: Path) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start a server in a process of its own, and return that with what it told."""
    parent = subprocess.Popen([sys.executable, "-c", SERVE, kind, str(place)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        return parent, json.loads(parent.stdout.readline())


@contextlib.contextmanager
def connected(url: str) -> Iterator[redis_py.Redis]:
    client = redis_py.Redis.from_url(url)
    yield client
    client.close()


@pytest.fixture
def cluster(furnished: Path) -> Iterator[Postgres]:
    server = Postgres(furnished / "postgres")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(folder: Path) -> Iterator[Valkey]:
    server = Valkey(folder / "valkey")
    server.start()
    yield server
    server.stop()


async def write(url: str, value: int) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
    await connection.execute("INSERT INTO kept VALUES ($1)", value)
    await connection.close()


async def read(url: str) -> list[int]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT value FROM kept ORDER BY value")
    await connection.close()
    return [row["value"] for row in rows]


def test_a_free_port_is_kept_for_the_server_that_it_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    first = child.free_port()
    monkeypatch.setattr(child, "_PORTS", [first])
    assert child.free_port() != first  # though nobody listens there yet
    for _ in range(2):  # the server that it is for may come, and come again
        with socket.create_server(("127.0.0.1", first)):
            assert child.free_port() != first


async def test_postgresql_is_set_up_as_production_needs_it(cluster: Postgres) -> None:
    connection = await asyncpg.connect(cluster.url)
    row = await connection.fetchrow(
        "SELECT current_user, current_setting('jit') jit, current_setting('is_superuser') root, datlocprovider::text,"
        " datlocale, current_setting('data_checksums') sums, inet_server_addr()::text address"
        " FROM pg_database WHERE datname = current_database()"
    )
    await connection.close()
    assert tuple(row) == ("reelwright", "off", "off", "b", "C.UTF-8", "on", "127.0.0.1/32")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(cluster.url.replace(":" + urlsplit(cluster.url).password, ":wrong"))


def test_passwords_stay_private(cluster: Postgres, valkey: Valkey) -> None:
    for server in (cluster, valkey):
        password = urlsplit(server.url).password
        assert (server.folder / "password").stat().st_mode & 0o777 == 0o600
        assert password not in Path(f"/proc/{server.pid}/cmdline").read_text()
        assert password not in server.log.read_text()
        assert server.folder.stat().st_mode & 0o777 == 0o700


async def test_a_killed_postmaster_loses_no_committed_row(cluster: Postgres) -> None:
    await write(cluster.url, 1)
    open_one = await asyncpg.connect(cluster.url)  # its backend outlives the postmaster for a moment
    url = cluster.url
    os.kill(cluster.pid, signal.SIGKILL)
    await wait_until(lambda: not cluster.alive)
    cluster.start()
    with contextlib.suppress(OSError, asyncpg.PostgresError):
        await open_one.close(timeout=1)

    assert cluster.url == url, "those who know the address keep it"
    assert await read(url) == [1]


async def test_a_stale_pid_file_that_names_another_process_is_no_obstacle(cluster: Postgres) -> None:
    """In a container, process ids come back: the old postmaster's is somebody else's after a restart."""
    await write(cluster.url, 1)
    pid_file = cluster.folder / "data" / "postmaster.pid"
    text = pid_file.read_text()
    os.kill(cluster.pid, signal.SIGKILL)
    await wait_until(lambda: is_free(cluster.folder / "lock") and not cluster.alive)  # it is let go before it is gone
    pid_file.write_text(text.replace(str(cluster.pid), str(os.getppid()), 1))
    cluster.start()
    assert await read(cluster.url) == [1]


@pytest.mark.parametrize("kind", ["Postgres", "Valkey"])
async def test_a_killed_parent_leaves_no_orphan_and_loses_nothing(folder: Path, kind: str) -> None:
    place = folder / "server"
    parent, told = serving(kind, place)
    if kind == "Postgres":
        await write(told["url"], 7)
    else:
        with connected(told["url"]) as client:
            client.set("kept", "7")
    parent.kill()
    parent.wait()

    server = {"Postgres": Postgres, "Valkey": Valkey}[kind](place)
    server.start()  # at once: it waits for the one that is closing down
    assert not is_alive(told["pid"])
    if kind == "Postgres":
        assert await read(server.url) == [7]
    else:
        with connected(server.url) as client:
            assert client.get("kept") == b"7"
    server.stop()
    assert is_free(place / "lock")
    assert naming(place) == []


def test_a_killed_valkey_loses_nothing_and_comes_back_at_its_address(valkey: Valkey) -> None:
    url = valkey.url
    with connected(url) as client:
        client.set("kept", "1")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
    os.kill(valkey.pid, signal.SIGKILL)
    block_until(lambda: not valkey.alive)
    valkey.start()
    assert valkey.url == url
    with connected(url) as client:
        assert client.get("kept") == b"1"


def test_valkey_wants_its_password(valkey: Valkey) -> None:
    with (
        connected(f"redis://127.0.0.1:{urlsplit(valkey.url).port}/0") as client,
        pytest.raises(redis_py.AuthenticationError),
    ):
        client.get("kept")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a second identity to give")
async def test_root_without_user_namespaces_serves_as_nobody_below_a_private_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers forbid user namespaces, and /root is closed to all others."""
    monkeypatch.setattr(child, "server_identity", lambda: "nobody")
    assert is_private(folder)
    server = Postgres(folder / "pg")
    server.start()
    try:
        assert owner(server.pid) == 65534
        await write(server.url, 3)
        server.stop()
        monkeypatch.undo()  # and the same folder, where user namespaces work again
        server.start()
        assert await read(server.url) == [3]
    finally:
        server.stop()


@pytest.mark.parametrize("kind", [Postgres, Valkey])
def test_one_server_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Postgres | Valkey]) -> None:
    monkeypatch.setattr(child, "LOCK_WAIT_S", 0.1)
    first = kind(folder / "server")
    first.start()
    with pytest.raises(child.FolderInUse) as refusal:
        kind(folder / "server").start()
    assert str(folder) in refusal.value.sentence
    assert first.alive
    first.stop()


def test_a_crash_while_the_cluster_is_made_leaves_none(folder: Path) -> None:
    half_made = folder / "pg" / "data.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    server = Postgres(folder / "pg")
    server.start()
    assert server.alive
    assert not half_made.exists()
    server.stop()


def test_an_unusable_folder_is_refused_with_the_remedy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("")
    with pytest.raises(child.FolderUnusable, match=r"can't be written \(Not a directory\): choose another folder"):
        Valkey(folder / "file" / "below").start()
    monkeypatch.setattr(child, "_NEEDED_BYTES", 2**60)
    with pytest.raises(child.FolderUnusable, match="MB are free for"):
        Postgres(folder / "pg").start()
    assert not (folder / "pg" / "data").exists()

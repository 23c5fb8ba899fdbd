"""Real servers for every test: one PostgreSQL and one Valkey a run, a database of its own for each xdist worker."""

import gc
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from reelwright.dev.postgres import Postgres
from reelwright.dev.valkey import Valkey
from reelwright.ground import log, postgres
from reelwright.ground import redis as ground_redis
from reelwright.providers.offers import _known as known_switches

for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:  # by `nohup`, or by `&` in a script: programs would inherit that
        signal.signal(number, lambda *_: None)  # we go on ignoring it, and what we start hears it again

gc.set_threshold(20_000, 20, 20)  # a heap of six thousand tests is long to look through, and most of it stays

log.configure(as_json=True)  # the default writes a page of colours, locals included, for every traceback

SEEDED = frozenset({"alembic_version", "action_costs", "price_versions", "providers", "provider_models"})
# Empties what a test has filled, and leaves what migrations have seeded. A table without a page has never held a row;
# one that has grown is made anew, as nothing vacuums here. Truncating takes ten times as long as deleting, which the
# append-only tables refuse to everybody who may not say that he replicates. Seeds are as they were.
EMPTYING = text(
    f"""
    DO $$ DECLARE found record; BEGIN
      SET LOCAL session_replication_role = replica;
      FOR found IN SELECT relname, pg_relation_size(oid) > 262144 AS grown FROM pg_class
          WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
            AND relname <> ALL ('{{{",".join(sorted(SEEDED))}}}')
      LOOP
        EXECUTE format(CASE WHEN found.grown THEN 'TRUNCATE %I CASCADE' ELSE 'DELETE FROM %I' END, found.relname);
      END LOOP;
      DELETE FROM action_costs WHERE version > 1;
      DELETE FROM price_versions WHERE version > 1;
      UPDATE providers SET enabled = true WHERE NOT enabled;
      UPDATE provider_models SET enabled = true WHERE NOT enabled;
    END $$
    """  # noqa: S608 - assembled from constants
)
MAY_EMPTY = "GRANT SET ON PARAMETER session_replication_role TO reelwright"
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


class Servers:
    """One pair of servers in a temporary folder, owned by the process that pytest was started as."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="reelwright-tests-"))
        self.postgres = Postgres(self.folder / "postgres", settings=FAST, statements=(MAY_EMPTY,))
        self.valkey = Valkey(self.folder / "valkey")
        self.postgres.start()
        self.valkey.start()

    @property
    def urls(self) -> tuple[str, str]:
        return self.postgres.url, self.valkey.url

    def stop(self) -> None:
        self.postgres.stop()
        self.valkey.stop()
        shutil.rmtree(self.folder)


SERVERS = pytest.StashKey[Servers]()


def _servers(config: pytest.Config) -> Servers:
    if SERVERS not in config.stash:
        config.stash[SERVERS] = Servers()
    return config.stash[SERVERS]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Tell each xdist worker where the controller's servers are: they must outlive the worker that asks first."""
    node.workerinput["server_urls"] = _servers(node.config).urls


def pytest_unconfigure(config: pytest.Config) -> None:
    if SERVERS in config.stash:
        config.stash[SERVERS].stop()


@pytest.fixture(scope="session")
def server_urls(pytestconfig: pytest.Config) -> tuple[str, str]:
    given = getattr(pytestconfig, "workerinput", {}).get("server_urls")
    return given or _servers(pytestconfig).urls


@pytest.fixture(scope="session")
def worker_number(pytestconfig: pytest.Config) -> int:
    """This xdist worker's number; 0 without xdist."""
    return int(getattr(pytestconfig, "workerinput", {"workerid": "gw0"})["workerid"].removeprefix("gw"))


@pytest.fixture(scope="session")
def postgres_url(server_urls: tuple[str, str]) -> str:
    """The server's own database: connect here to make databases, not to hold rows."""
    return server_urls[0]


@pytest.fixture(scope="session")
def valkey_url(server_urls: tuple[str, str], worker_number: int) -> str:
    """This xdist worker's own Redis database."""
    return server_urls[1].rsplit("/", 1)[0] + f"/{worker_number}"


async def new_database(postgres_url: str, name: str) -> str:
    """Make an empty database on the server and return its address."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
async def empty_database_url(postgres_url: str, worker_number: int) -> str:
    """A database without any table. Only the fixture below uses it."""
    return await new_database(postgres_url, f"reelwright_{worker_number}")


@pytest.fixture(scope="session")
def database_url(empty_database_url: str) -> str:
    """This xdist worker's own database, migrated to head."""
    from reelwright.ground import migrations  # noqa: PLC0415 - Alembic is heavy, and most tests don't need it

    migrations.upgrade(empty_database_url)
    return empty_database_url


@pytest.fixture(scope="session")
async def pool(database_url: str) -> AsyncIterator[postgres.Database]:
    database = postgres.connect(database_url, name="tests")
    yield database
    await database.close()


@pytest.fixture
async def db(pool: postgres.Database) -> AsyncIterator[postgres.Database]:
    """The migrated database; empty again after the test."""
    yield pool
    async with pool.begin() as tx:
        await tx.execute(EMPTYING)
    known_switches.clear()  # what was switched off is on again


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Redis database. Fails the test that leaves a key without a TTL."""
    client = ground_redis.connect(valkey_url, timeout_ms=10_000)
    yield client
    immortal = [key async for key in client.scan_iter() if await client.pttl(key) == -1]
    await client.flushdb()
    await client.aclose()
    assert not immortal, f"these keys never expire: {immortal}"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder that goes when the test is over: clusters are too big to keep for three runs."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)

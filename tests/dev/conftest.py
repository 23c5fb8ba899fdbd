"""One local delivery server and one receiver for all its tests, and one cluster to copy; each test finds them new."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from reelwright.dev.postgres import Postgres
from tests.dev.local_queue import Listening, Post, Worker, fresh, serving


@pytest.fixture(scope="module")
async def _receiver() -> AsyncIterator[Worker]:
    app = Worker()
    async with Listening(app) as server:
        app.base_url = f"http://127.0.0.1:{server.port}"
        yield app


@pytest.fixture(scope="module")
async def _server(_receiver: Worker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Post]:
    async with serving(_receiver, tmp_path_factory.mktemp("delivery") / "credentials.json") as up:
        yield up


@pytest.fixture
async def post(_server: Post, _receiver: Worker) -> AsyncIterator[Post]:
    async with fresh(_server, _receiver):
        yield _server


@pytest.fixture
def worker(post: Post, _receiver: Worker) -> Worker:
    return _receiver


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder whose cluster was made, got its tables and is at rest."""
    from reelwright.ground import migrations  # noqa: PLC0415 - Alembic is heavy, and most tests don't need it

    data = tmp_path_factory.mktemp("made")
    cluster = Postgres(data / "postgres")
    cluster.start()
    migrations.upgrade(cluster.url)
    cluster.stop()
    yield data
    shutil.rmtree(data, ignore_errors=True)


@pytest.fixture
def furnished(folder: Path, _made: Path) -> Path:
    """A folder of its own with a cluster in it: what isn't about making one needn't wait for it."""
    subprocess.run(["cp", "-a", f"{_made}/.", folder], check=True)  # three times as fast as Python's own
    return folder

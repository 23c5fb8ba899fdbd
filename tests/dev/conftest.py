"""One local delivery server and one receiver for all its tests; each test finds nothing in them."""

from collections.abc import AsyncIterator

import pytest

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

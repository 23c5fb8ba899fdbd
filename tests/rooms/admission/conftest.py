"""Every case runs twice: on a fakeredis server of its own, and on the real Valkey."""

from collections.abc import AsyncIterator

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from redis.asyncio import Redis

from tests.rooms.admission.desk import Desk


@pytest.fixture
async def fake() -> AsyncIterator[Redis]:
    """A new server: one accidental global would poison a shared one for every later script."""
    client = FakeAsyncRedis(server=FakeServer(server_type="valkey"))
    yield client
    immortal = [key for key in await client.keys() if await client.pttl(key) == -1]
    await client.aclose()
    assert not immortal, f"these keys never expire: {immortal}"


@pytest.fixture(params=["fakeredis", "valkey"])
def store(request: pytest.FixtureRequest) -> Redis:
    return request.getfixturevalue("fake" if request.param == "fakeredis" else "redis")


@pytest.fixture
async def desk(store: Redis) -> AsyncIterator[Desk]:
    made = Desk(store)
    yield made
    await made.gate.close()

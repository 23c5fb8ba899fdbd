"""Every case runs three times: on a fakeredis of its own, on the real Valkey, and there through Upstash's HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from redis.asyncio import Redis

from reelwright.admission import Tcp, Transport
from reelwright.admission.rest import Rest
from reelwright.ground.redis import connect
from tests.rooms.admission.desk import Desk
from tests.rooms.admission.reach import Faked
from tests.simulators.upstash import TOKEN, SimulatedUpstash, simulated_upstash


class Shared(Rest):
    """One client for every test: a new one costs 50 ms of certificates."""

    async def close(self) -> None:
        """Stay open for the next test."""


@pytest.fixture(scope="session")
async def served(valkey_url: str) -> AsyncIterator[SimulatedUpstash]:
    async with simulated_upstash(valkey_url) as running:
        yield running


@pytest.fixture
def upstash(served: SimulatedUpstash, redis: Redis) -> SimulatedUpstash:
    """A server without a past. `redis` empties the Valkey behind it, and watches what expires."""
    served.forget()
    return served


@pytest.fixture(scope="session")
async def shared(served: SimulatedUpstash) -> AsyncIterator[Shared]:
    client = Shared(served.base_url, TOKEN, timeout=timedelta(seconds=30))
    yield client
    await Rest.close(client)


@pytest.fixture
async def fake() -> AsyncIterator[Redis]:
    """A new server: one accidental global would poison a shared one for every later script."""
    client = FakeAsyncRedis(server=FakeServer(server_type="valkey"), max_connections=400)
    yield client
    immortal = [key for key in await client.keys() if await client.pttl(key) == -1]
    await client.aclose()
    assert not immortal, f"these keys never expire: {immortal}"


@pytest.fixture(params=["fakeredis", "valkey", "upstash"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def store(backend: str, request: pytest.FixtureRequest) -> Redis:
    """The server itself, for a test that looks inside."""
    return request.getfixturevalue("fake" if backend == "fakeredis" else "redis")


@pytest.fixture
def transport(backend: str, store: Redis, request: pytest.FixtureRequest) -> Transport:
    """The gate's way to it."""
    if backend == "valkey":  # as the roof connects: the gate's patience alone bounds a call
        return Tcp(connect(request.getfixturevalue("valkey_url"), timeout_ms=None))
    return request.getfixturevalue("shared") if backend == "upstash" else Faked(store)


@pytest.fixture
async def desk(store: Redis, transport: Transport) -> AsyncIterator[Desk]:
    made = Desk(store, transport=transport)
    yield made
    await made.gate.close()

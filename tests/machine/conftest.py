"""Where the machine runs: a fakeredis server of its own for each walk, or this worker's database of the real Valkey."""

from collections.abc import Callable, Iterator

import pytest
from redis.asyncio import Redis

from reelwright.ground import redis as ground_redis
from tests.machine.machine import Server
from tests.machine.walking import OTHERS, fake, serving


@pytest.fixture(params=["fakeredis", "valkey"] if OTHERS else ["valkey"])  # a run of everything takes the real one
def connect(request: pytest.FixtureRequest) -> Callable[[], Redis]:
    if request.param == "fakeredis":
        return fake
    url = request.getfixturevalue("valkey_url")
    return lambda: ground_redis.connect(url, timeout_ms=20_000)


@pytest.fixture
def server(connect: Callable[[], Redis]) -> Iterator[Server]:
    with serving(connect) as given:
        yield given

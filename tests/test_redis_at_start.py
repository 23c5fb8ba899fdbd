"""What an operator is told about the Redis that limits are counted in, when a process starts and by `doctor`."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import structlog

from reelwright.dev.check import Check, examine
from reelwright.dev.valkey import Valkey
from reelwright.ground import redis as ground_redis
from reelwright.settings import SettingRefused, Settings
from reelwright.wiring import wired
from tests.simulators.upstash import TOKEN, SimulatedUpstash, simulated_upstash


@pytest.fixture(scope="module")
async def forgetful(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server of our own that drops what has a TTL when its memory is full."""
    server = Valkey(tmp_path_factory.mktemp("forgetful"))
    await asyncio.to_thread(server.start)
    client = ground_redis.connect(server.url)
    await client.config_set("maxmemory-policy", "volatile-lru")
    await client.aclose()
    yield server.url
    await asyncio.to_thread(server.stop)


@pytest.fixture
async def upstash(valkey_url: str) -> AsyncIterator[SimulatedUpstash]:
    async with simulated_upstash(valkey_url) as running:
        yield running


@pytest.fixture
def settings(database_url: str, valkey_url: str, tmp_path: Path) -> Settings:
    return Settings(
        environment="production",
        database_url=database_url,
        redis_url=valkey_url,
        storage_url=f"file://{tmp_path}/artefacts",
        worker_url="http://127.0.0.1:9",
        qstash_url="http://127.0.0.1:9",
        qstash_token="token",
        qstash_current_signing_key="sig_test_current_key_of_32_chars__",
        redis_timeout=timedelta(seconds=10),
    )


async def started(settings: Settings, **changes: str) -> list[str]:
    """Open everything and ask Redis; return what was logged about it."""
    with structlog.testing.capture_logs() as logs:
        async with wired(msgspec.structs.replace(settings, **changes), name="tests") as wiring:
            await wiring.gate.ping()
    return [f"{line['log_level']} {line['event']}" for line in logs if line["event"].startswith("admission")]


async def test_a_server_that_keeps_everything_is_worth_no_word(settings: Settings) -> None:
    assert await started(settings) == []


async def test_production_does_not_start_on_a_server_that_drops_counters(settings: Settings, forgetful: str) -> None:
    """A dropped counter is a limit that starts again, and nobody would see it happen."""
    with pytest.raises(SettingRefused, match="noeviction") as refused:
        await started(settings, redis_url=forgetful)
    assert refused.value.field == "REDIS_URL"


async def test_elsewhere_it_is_said_and_no_more(settings: Settings, forgetful: str) -> None:
    logged = await started(settings, redis_url=forgetful, environment="test")
    assert logged == ["error admission.counters_may_be_dropped"]


async def test_upstash_is_asked_over_https_and_tells_nothing(settings: Settings, upstash: SimulatedUpstash) -> None:
    """However little requests wait for Redis: a process that starts is busy, and asks once."""
    with structlog.testing.capture_logs() as logs:
        async with wired(
            msgspec.structs.replace(
                settings,
                redis_url=None,
                upstash_redis_rest_url=upstash.base_url,
                upstash_redis_rest_token=TOKEN,
                redis_timeout=timedelta(milliseconds=1),
            ),
            name="tests",
        ):
            pass
    (unknown,) = [line for line in logs if line["event"].startswith("admission")]
    assert unknown["detail"].startswith("Redis doesn't tell")
    assert [asked.body[0] for asked in upstash.asked] == ["info", "config"]


async def test_a_server_that_is_away_stops_nobody_from_starting(settings: Settings) -> None:
    """It may be back in a second, and until then work is refused anyway."""
    with structlog.testing.capture_logs() as logs:
        async with wired(msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:9/0"), name="tests"):
            pass
    assert "admission.eviction_unknown" in {line["event"] for line in logs}


async def redis_check(folder: Path, **environment: str) -> Check:
    checks = await asyncio.to_thread(lambda: list(examine(folder, environment)))
    return next(check for check in checks if check.name == "Valkey")


async def test_doctor_knows_a_server_that_keeps_everything(folder: Path, valkey_url: str) -> None:
    found = await redis_check(folder, REDIS_URL=valkey_url)
    assert (found.ok, found.found) == (True, "REDIS_URL answers")


async def test_doctor_says_what_to_set(folder: Path, forgetful: str) -> None:
    found = await redis_check(folder, REDIS_URL=forgetful)
    assert not found.ok
    assert "maxmemory-policy to noeviction: with volatile-lru" in found.remedy


async def test_doctor_asks_upstash(folder: Path, upstash: SimulatedUpstash) -> None:
    there = {"UPSTASH_REDIS_REST_URL": upstash.base_url, "UPSTASH_REDIS_REST_TOKEN": TOKEN}
    found = await redis_check(folder, **there)
    assert (found.ok, found.found) == (True, "UPSTASH_REDIS_REST_URL answers")

    found = await redis_check(folder, **there | {"UPSTASH_REDIS_REST_TOKEN": "another"})
    assert (found.ok, found.found) == (False, "UPSTASH_REDIS_REST_URL does not answer")
    assert "mend UPSTASH_REDIS_REST_URL" in found.remedy

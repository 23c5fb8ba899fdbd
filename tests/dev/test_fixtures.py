"""The fixtures that every other test stands on."""

import asyncpg
from redis.asyncio import Redis


async def test_postgresql_answers(empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    version = await connection.fetchval("SHOW server_version_num")
    await connection.close()
    assert int(version) >= 180000


async def test_redis_answers_and_is_empty(redis: Redis) -> None:
    assert await redis.dbsize() == 0
    await redis.set("app:test", "1", px=60_000)
    assert await redis.get("app:test") == b"1"

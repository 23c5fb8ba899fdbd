"""The counter on its own: up to the limit, not a unit further, and never without an end."""

import asyncio
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from reelwright.admission import Scripts, Tcp

PATIENCE = timedelta(seconds=10)
COUNTER = "app:burst:somebody:gen_hour:2026121510"


async def count(redis: Redis, units: int, limit: int, missing: str = "zero") -> list[str]:
    args = [str(units), str(limit), "60000", missing]
    transport = Tcp(redis)
    try:
        return await Scripts(transport, patience=PATIENCE).run("counter_with_limit", keys=[COUNTER], args=args)
    finally:
        await transport.close()


async def test_it_counts_to_the_limit_and_refuses_without_a_trace(redis: Redis) -> None:
    assert await count(redis, 2, 3) == ["counted", "2"]
    assert await count(redis, 1, 3) == ["counted", "3"]
    before = (await redis.dump(COUNTER), await redis.pexpiretime(COUNTER))

    assert await count(redis, 1, 3) == ["refused", "3"]

    assert (await redis.dump(COUNTER), await redis.pexpiretime(COUNTER)) == before


async def test_a_refused_first_unit_makes_no_counter(redis: Redis) -> None:
    assert await count(redis, 1, 0) == ["refused", "0"]
    assert not await redis.exists(COUNTER)


async def test_only_the_first_unit_sets_the_end(redis: Redis) -> None:
    await count(redis, 1, 9)
    ends = await redis.pexpiretime(COUNTER)
    assert ends > 0

    await count(redis, 1, 9)

    assert await redis.pexpiretime(COUNTER) == ends


async def test_a_counter_that_the_database_knows_is_asked_for(redis: Redis) -> None:
    """A missing monthly counter is never zero."""
    assert await count(redis, 1, 9, missing="ask") == ["hydrate", "0"]
    assert not await redis.exists(COUNTER)


@pytest.mark.parametrize("limit", [7])
async def test_sixty_four_at_once_count_to_the_limit(redis: Redis, limit: int) -> None:
    answers = await asyncio.gather(*(count(redis, 1, limit) for _ in range(64)), return_exceptions=True)

    assert answers.count(["refused", "7"]) == 57
    assert await redis.get(COUNTER) == b"7"

"""Opens what a month needs on servers that are there already, and puts the clock in first."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from reelwright.ground import migrations, postgres
from reelwright.ground import redis as ground_redis
from tests.journeys.buying import a_door
from tests.month.clock import shadow
from tests.month.month import Month, first_day, settle_in
from tests.simulators.stripe import simulated_stripe


@asynccontextmanager
async def a_month(
    *, database_url: str, redis_url: str, folder: Path, people: int, seed: int, steps: float
) -> AsyncGenerator[Month]:
    """Yield a month with its people in it, on its first day; the database must be empty."""
    await shadow(database_url)
    migrations.upgrade(database_url)
    # A whole month's rows are checked every day.
    db = postgres.connect(database_url, pool_size=12, statement_timeout_ms=60_000, name="month")
    redis: Any = ground_redis.connect(redis_url, timeout_ms=10_000)
    try:
        async with simulated_stripe() as stripe:
            door = a_door(stripe)
            month = settle_in(
                db=db, redis=redis, stripe=stripe, folder=folder, urls=(database_url, redis_url), seed=seed, door=door
            )
            stripe.book.tell = month.told.append
            with month.clock.ruling():
                await month.clock.jump(first_day())
                try:
                    await month.come(people, seed=seed, steps=steps)
                    yield month
                finally:
                    await door.close()
                    await month.gate.close()
    finally:
        await redis.flushdb()
        await redis.aclose()
        await db.close()

"""A process that runs what is due and dies where it is told: `ticking.py DATABASE REDIS NOW FAILPOINT…`, one after
another three minutes later, each in a child of its own. It ends well where each was killed there."""

import asyncio
import os
import signal
import sys
from datetime import datetime, timedelta

from reelwright.ground import failpoints, postgres
from reelwright.ground import redis as ground_redis
from tests.builders import a_gate
from tests.journeys.scheduled import a_desk, tick


async def _tick(database: str, redis_url: str, now: datetime) -> None:
    db, redis = postgres.connect(database, name="ticking"), ground_redis.connect(redis_url, timeout_ms=10_000)
    gate = a_gate(db, redis)
    await tick(a_desk(db, gate), now)
    await gate.close()
    await db.close()


def main() -> None:
    database, redis_url, now, *points = sys.argv[1:]
    for number, point in enumerate(points):
        child = os.fork()
        if child == 0:
            failpoints.arm(f"{point}=kill9@1")
            asyncio.run(_tick(database, redis_url, datetime.fromisoformat(now) + number * timedelta(minutes=3)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{point} was never reached")


if __name__ == "__main__":
    main()

"""What no delivery can save: the bare claim and complete of a stage run, and a message's way to the worker."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import httpx

CLAIM = """
    UPDATE stage_runs SET state = 'running', fence = fence + 1, attempt = attempt + 1, started_at = clock_timestamp(),
           lease_until = clock_timestamp() + interval '45 s', attempt_deadline = clock_timestamp() + interval '11 min'
     WHERE id = $1 AND state = 'queued' RETURNING fence
"""
COMPLETE = """
    UPDATE stage_runs SET state = 'succeeded', won_fence = fence, lease_until = NULL, finished_at = clock_timestamp(),
           result = '{}' WHERE id = $1 AND fence = $2 AND state = 'running'
"""
BATCH = 100


async def claimed_and_completed(db: "asyncpg.Pool[asyncpg.Record]", runs: Sequence[UUID], *, places: int) -> None:
    """Claim and complete queued runs by prepared statements, two transactions each, on so many connections."""
    todo = iter(runs)

    async def work() -> None:
        async with db.acquire() as connection:
            claim, complete = await connection.prepare(CLAIM), await connection.prepare(COMPLETE)
            for run in todo:
                assert await complete.fetch(run, await claim.fetchval(run)) == []

    await asyncio.gather(*(work() for _ in range(places)))


async def posted(queue_url: str, token: str, to: str, bodies: Sequence[bytes]) -> None:
    """Have the queue deliver these messages, a hundred of them in a request; return when the last has arrived."""
    message: dict[str, Any] = {"destination": to, "headers": {"content-type": "application/json"}}
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=queue_url, headers=headers, timeout=30, trust_env=False) as queue:
        for first in range(0, len(bodies), BATCH):
            batch = [message | {"body": body.decode()} for body in bodies[first : first + BATCH]]
            answer = await queue.post("/v2/batch", json=batch)
            last = answer.raise_for_status().json()[-1]["messageId"]
            while (await queue.get(f"/v2/messages/{last}")).json()["state"] != "delivered":  # noqa: ASYNC110 - HTTP
                await asyncio.sleep(0.05)

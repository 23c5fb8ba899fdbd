"""Cases F74, F79, F80: loops that our own code could block, an outbox full of the dead, a sweeper that could storm."""

import asyncio
import math
import os
import statistics
import time
from datetime import timedelta
from uuid import UUID

import asyncpg

from reelwright.ground import postgres
from reelwright.ground.ids import GenerationId
from reelwright.outbox import relay
from tests.chaos.cases import makes
from tests.chaos.fleet import PATIENCE_S, SWEEP, Fleet
from tests.chaos.kills import succeeded
from tests.chaos.program import STALLS
from tests.chaos.refitting import refitted
from tests.waiting import wait_until

ROWS = int(os.environ.get("CHAOS_ROWS", "100000"))
"""How many dead rows F79 makes; a million of them takes some minutes."""
_MOST_STALL_S = 0.05
_MOST_CLAIM_MS = 10  # a busy machine; 0.5 on a quiet one
_CROWD = 20
_DEAD = """
    INSERT INTO outbox (generation_id, run_id, body, deliver_at)
    SELECT $1, id, '{}', now() - interval '1 h' FROM (SELECT id FROM stage_runs WHERE generation_id = $1 LIMIT 1) r,
           generate_series(1, $2)
"""
_SENT_ALL = "UPDATE outbox SET published_at = clock_timestamp(), message_id = 'm' WHERE body = '{}'"
_RESENDS = "SELECT coalesce(max(resends), 0) FROM stage_runs WHERE state = 'queued'"
_MESSAGES = """
    SELECT count(*) AS messages, CAST(extract(epoch FROM max(o.created_at) - min(o.created_at)) AS float8) AS seconds
      FROM outbox o JOIN stage_runs r ON r.id = o.run_id
     WHERE r.generation_id = ANY(:ids) AND r.stage = 'INGESTION' GROUP BY o.run_id
"""


@makes("F74")
async def nothing_blocks(on: Fleet) -> None:
    """No turn of an event loop uses the processor for long, in the API or in a worker; waiting for it isn't counted."""
    everyone = (on.api, *on.workers)
    async with refitted(everyone, {STALLS: str(_MOST_STALL_S)}):
        await succeeded(on, await on.order())  # what is loaded or compiled once is not what is looked for
        for member in everyone:
            member.listen()
        account = await on.customer()
        generations = await asyncio.gather(*(on.order(account) for _ in range(5)))
        headers = {"Authorization": f"Bearer {on.secrets[account.id]}"}
        paths = ("/v1/generations", "/v1/limits", "/v1/credits/transactions", f"/v1/generations/{generations[0]}")
        for answer in await asyncio.gather(*(on.client.get(path, headers=headers) for path in paths * _CROWD)):
            assert answer.status_code == 200, answer.text
        for generation in generations:
            await succeeded(on, generation)
        assert {member.program.name: member.said("chaos.stalled") for member in everyone} == dict.fromkeys(
            (member.program.name for member in everyone), 0
        )


@makes("F79")
async def outbox_full_of_the_dead(on: Fleet) -> None:
    """A report holds an old snapshot, so that no vacuum may clear away what was sent: messages flow all the same."""
    done = await on.order()
    await succeeded(on, done)
    report, clerk = await asyncpg.connect(on.postgres.url), await asyncpg.connect(on.postgres.url)
    try:
        await report.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM outbox")
        async with clerk.transaction():
            await clerk.execute(_DEAD, done, ROWS)
            await clerk.execute(_SENT_ALL)
        near, far = [await _claims_ms(on, reach) for reach in (relay._NEAR, relay._FAR)]
        print(f"F79: a claim beside {ROWS} dead rows takes {near:.1f} ms, a look back {far:.1f} ms")  # noqa: T201 - measured
        assert near < _MOST_CLAIM_MS
        await succeeded(on, await on.order())
    finally:
        await report.close()
        await clerk.execute("DELETE FROM outbox WHERE body = '{}'")
        await clerk.close()


async def _claims_ms(on: Fleet, reach: timedelta) -> float:
    """Return the median of some claims that find nothing."""
    took: list[float] = []
    for _ in range(20):
        async with on.db.single() as tx:
            began = time.monotonic()
            await postgres.rows(tx, relay._CLAIM, {"batch": 100, "reach": reach})
            took.append((time.monotonic() - began) * 1e3)
    return statistics.median(took)


@makes("F80")
async def sweeper_storm(on: Fleet) -> None:
    """Nothing is delivered for a while: what waits is sent again ever more rarely, and then all of it drains."""
    async with refitted((on.api, *on.workers), {"REELWRIGHT_GENERATION_DEADLINE": "10m"}):
        await _stormed(on)


async def _stormed(on: Fleet) -> None:
    await on.misdeliver(stopped=True)
    accounts = await asyncio.gather(*(on.customer() for _ in range(_CROWD)))
    answers = [await on.ask(account) for account in accounts for _ in range(5)]
    generations = [GenerationId(UUID(a.json()["generation_id"])) for a in answers if a.status_code == 202]
    assert len(generations) >= _CROWD, "the others found every place taken: 503"

    async def waited() -> bool:
        return await on.one(_RESENDS) >= 4

    await wait_until(waited, timeout=2 * PATIENCE_S, message="it stopped sending")
    patience = 2 * SWEEP.total_seconds()
    for row in await on.rows(_MESSAGES, ids=generations):
        assert row.messages <= 2 + math.log2(1 + row.seconds / patience), row
    for worker in on.workers:
        worker.program.stop()
    for worker in on.workers:
        await worker.revive()
    await on.misdeliver()
    await on.ended(*generations, within_s=4 * PATIENCE_S)
    states = await on.rows("SELECT DISTINCT state FROM generations WHERE id = ANY(:ids)", ids=generations)
    assert [row.state for row in states] == ["succeeded"]

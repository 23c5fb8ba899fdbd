"""Cases F31 and F32: Redis forgets everything while work runs; the rows still know who may do what."""

import asyncio

from reelwright.billing import PLANS, Plan
from tests.chaos.cases import makes
from tests.chaos.fleet import Fleet
from tests.chaos.kills import succeeded

_USED = "SELECT count(*) FROM generations WHERE account_id = :account AND units_returned_at IS NULL"


async def _orders_beyond(on: Fleet, forget: str) -> None:
    """Order as many as may run at once, forget, and order more: nobody gets beyond the plan, and all work ends well."""
    account = await on.customer(Plan.STANDARD)
    most = PLANS[Plan.STANDARD].concurrent
    for worker in on.workers:
        await worker.arm("stage.STORY_WRITING.after_claim=sleep:3000@always")
    running = [await on.order(account) for _ in range(most)]
    if forget == "all":
        await on.redis.flushall()
    else:
        await on.lose_valkey()
        await on.redis.script_flush()
    answers = await asyncio.gather(*(on.ask(account) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {429, 503}, "Redis forgot, the rows did not"
    assert await on.one(_USED, account=account.id) == most
    for worker in on.workers:
        await worker.arm("")
    for generation in running:
        await succeeded(on, generation)
    await succeeded(on, await on.order(account))


@makes("F31")
async def emptied(on: Fleet) -> None:
    await _orders_beyond(on, "all")


@makes("F32")
async def restarted_empty(on: Fleet) -> None:
    await _orders_beyond(on, "restart")

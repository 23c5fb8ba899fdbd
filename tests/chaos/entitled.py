"""Cases F64, F65, F76, F77: what an order was admitted with it keeps, and one key is one order, whoever answers."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator
from uuid import uuid4

import httpx
import pytest

from reelwright.accounts import Account
from reelwright.billing import PLANS, Plan
from reelwright.dev import child
from reelwright.ground import clock
from reelwright.ground.ids import GenerationId
from reelwright.journeys import onboarding
from tests.chaos.cases import makes
from tests.chaos.fleet import PATIENCE_S, Fleet
from tests.chaos.kills import succeeded
from tests.chaos.nursery import Grown
from tests.waiting import wait_until

_PLAN = "SELECT plan FROM generations WHERE id = :id"
_MADE = "SELECT count(*) FROM generations WHERE account_id = :account"
_HELD = "SELECT count(*) FROM credit_journal WHERE account_id = :account AND kind = 'hold'"
_OVER = """
    WITH over AS (UPDATE boosts SET starts_at = starts_at - interval '31 days', ends_at = ends_at - interval '31 days'
                   WHERE account_id = :account RETURNING 1)
    SELECT count(*) FROM over
"""
_HOLDING = "stage.STORY_WRITING.after_claim=sleep:3000@always"
_AT_ONCE = 20


async def _office(on: Fleet) -> dict[str, str]:
    """Return an administrator's headers."""
    made = await onboarding.create_user(
        email=f"{uuid4().hex[:12]}@example.com", plan=Plan.PRO, role="admin", live=False, db=on.db, now=clock.now()
    )
    return {"Authorization": f"Bearer {made.secret}", "Idempotency-Key": uuid4().hex}


async def _kept(on: Fleet, account: Account, running: list[GenerationId], *, was: Plan, now: Plan) -> None:
    """What was admitted under the larger plan ends under it, and drains; what comes meets the smaller one."""
    assert len(running) > PLANS[now].concurrent
    assert (await on.ask(account)).status_code == httpx.codes.TOO_MANY_REQUESTS
    for worker in on.workers:
        await worker.arm("")
    for generation in running:
        await succeeded(on, generation)
        assert await on.one(_PLAN, id=generation) == was.value
    for worker in on.workers:
        await worker.arm(_HOLDING)
    after = [await on.order(account) for _ in range(PLANS[now].concurrent)]
    assert (await on.ask(account)).status_code == httpx.codes.TOO_MANY_REQUESTS
    assert {await on.one(_PLAN, id=generation) for generation in after} == {now.value}
    for worker in on.workers:
        await worker.arm("")
    for generation in after:
        await succeeded(on, generation)


@makes("F64", quick=True)
async def plan_lowered(on: Fleet) -> None:
    account, office = await on.customer(Plan.STANDARD), await _office(on)
    for worker in on.workers:
        await worker.arm(_HOLDING)
    running = [await on.order(account) for _ in range(PLANS[Plan.STANDARD].concurrent)]
    answer = await on.client.put(f"/v1/admin/users/{account.id}/plan", json={"plan": "basic"}, headers=office)
    assert answer.status_code == httpx.codes.OK, answer.text
    await _kept(on, account, running, was=Plan.STANDARD, now=Plan.BASIC)


@makes("F65")
async def boost_ends(on: Fleet) -> None:
    account, office = await on.customer(Plan.BASIC), await _office(on)
    answer = await on.client.post(f"/v1/admin/users/{account.id}/boosts", json={}, headers=office)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    for worker in on.workers:
        await worker.arm(_HOLDING)
    running = [await on.order(account) for _ in range(3)]
    assert await on.one(_OVER, account=account.id) == 1
    await on.redis.delete(f"app:boost:{account.id}:pro_until", f"app:user:{account.id}:plan_effective")
    await _kept(on, account, running, was=Plan.PRO, now=Plan.BASIC)


@contextlib.asynccontextmanager
async def _another_api(on: Fleet) -> AsyncGenerator[httpx.AsyncClient]:
    first, port = on.api.program, child.free_port()
    assert isinstance(first, Grown)
    second = Grown(
        "api-2", "api", nursery=first._nursery, port=port, environment=first._environment, log=on.folder / "api-2.log"
    )
    await asyncio.to_thread(second.start)
    try:
        await asyncio.to_thread(second.await_ready)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:
            yield client
    finally:
        await asyncio.to_thread(second.stop)


@makes("F76", quick=True)
async def one_key_at_two_apis(on: Fleet) -> None:
    """One order, one hold; whoever comes while the first is under way is told to come again."""
    account, key = await on.customer(), uuid4().hex
    headers = {"Authorization": f"Bearer {on.secrets[account.id]}", "Idempotency-Key": key}
    order = {"topic": "Why do cats purr?", "duration_s": 10}
    async with _another_api(on) as second:
        clients = [on.client, second] * (_AT_ONCE // 2)
        answers = await asyncio.gather(*(one.post("/v1/create", json=order, headers=headers) for one in clients))
    told = Counter(answer.status_code for answer in answers)
    assert told.keys() <= {202, 409, 503}, told
    assert len({answer.json()["generation_id"] for answer in answers if answer.status_code == 202}) == 1
    assert (await on.one(_MADE, account=account.id), await on.one(_HELD, account=account.id)) == (1, 1)
    again = await on.client.post("/v1/create", json=order, headers=headers)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    await succeeded(on, again.json()["generation_id"])


@makes("F77", quick=True)
async def api_killed_after_its_commit(on: Fleet) -> None:
    """The client heard nothing and asks again: the same generation, which has been at work meanwhile."""
    account, key = await on.customer(), uuid4().hex
    await on.api.arm("api.create.after_tx=kill9@1")
    with pytest.raises(httpx.TransportError):
        await on.ask(account, key=key)
    await wait_until(lambda: not on.api.program.alive, timeout=PATIENCE_S)
    made = await on.one("SELECT id FROM generations WHERE account_id = :account", account=account.id)
    await on.api.revive()
    again: list[httpx.Response] = []

    async def answered() -> bool:
        again.append(await on.ask(account, key=key))
        return again[-1].status_code == 202

    await wait_until(answered, timeout=PATIENCE_S, message="the key stays taken")
    assert again[-1].json()["generation_id"] == str(made)
    assert {answer.status_code for answer in again[:-1]} <= {409, 503}
    assert (await on.one(_MADE, account=account.id), await on.one(_HELD, account=account.id)) == (1, 1)
    await succeeded(on, GenerationId(made))

"""Cases F33 to F36: Redis is away, slow or unheard, and what it holds for the dead comes free again."""

import asyncio
import time
from typing import Any
from uuid import uuid4

import httpx

from reelwright.accounts import Account
from reelwright.billing import Plan
from reelwright.ground import clock
from reelwright.ground.ids import GenerationId
from tests.chaos.cases import makes
from tests.chaos.fleet import LEASE, PATIENCE_S, SWEEP, Fleet
from tests.chaos.kills import succeeded
from tests.chaos.proxy import Fault
from tests.waiting import wait_until

AWAY_S = 30.0
SLOW_S = 2.0
EXTRA_S = 4.0
"""No answer takes longer for want of Redis: its time-out here is a second, and two cores are shared."""
_RUN = "SELECT id, state, attempt FROM stage_runs WHERE generation_id = :id AND stage = 'TTS_GENERATION'"
_MOST_ATTEMPTS = "SELECT max(attempt) FROM stage_runs WHERE generation_id = :id"
_MADE = "SELECT count(*) FROM generations WHERE account_id = :account"


async def read(on: Fleet, account: Account, path: str) -> httpx.Response:
    return await on.client.get(path, headers={"Authorization": f"Bearer {on.secrets[account.id]}"})


async def used(on: Fleet, account: Account) -> dict[str, int]:
    """Return how many generations Redis counts: this month's, this hour's, and those under way."""
    answer = await read(on, account, "/v1/limits")
    assert answer.status_code == 200, answer.text
    assert not answer.json()["degraded"]
    return {row["policy"]: row["used"] for row in answer.json()["policies"]}


async def told_to_wait(on: Fleet, account: Account) -> None:
    """An order is refused for now, soon, and with a word on when to ask again."""
    began = time.monotonic()
    answer = await on.ask(account)
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True), answer.text
    assert time.monotonic() - began < EXTRA_S


@makes("F33")
async def away(on: Fleet) -> None:
    """Nobody is admitted on a guess, all reading goes on, what runs ends, and what is due waits without an attempt."""
    account, busy = await on.customer(), await on.customer()
    running = await on.order(busy)
    await on.strike("stage.TTS_GENERATION.before_provider=sleep:1500@1")
    on.redis_line.set(Fault(refuse=True))
    on.redis_line.cut()
    back, asked = time.monotonic() + AWAY_S, 0
    while time.monotonic() < back:
        await told_to_wait(on, account)
        began = time.monotonic()
        answers = await asyncio.gather(
            read(on, busy, f"/v1/generations/{running}"),
            read(on, account, "/v1/limits"),
            read(on, account, "/v1/credits/balance"),
        )
        assert {answer.status_code for answer in answers} == {200}
        assert answers[1].json()["degraded"]
        assert time.monotonic() - began < EXTRA_S
        asked += 1
        await asyncio.sleep(0.2)  # a person's pace, not a race
    (speech,) = await on.rows(_RUN, id=running)
    assert (asked > 3, speech.state) == (True, "succeeded")
    on.redis_line.set(Fault())
    await succeeded(on, running)
    assert await on.one(_MOST_ATTEMPTS, id=running) == 1, "waiting for Redis is no failed attempt"
    assert await on.one(_MADE, account=account.id) == 0
    await succeeded(on, await on.order(account))
    assert (await used(on, account))["generations_month"] == 1


@makes("F34")
async def slow(on: Fleet) -> None:
    """Each call has its time; what Redis did too late for anybody to hear is taken back and never counts."""
    account = await on.customer()
    await succeeded(on, await on.order(account))
    on.redis_line.set(Fault(latency_s=SLOW_S))
    await asyncio.gather(*(told_to_wait(on, account) for _ in range(12)))
    assert (await read(on, account, "/v1/limits")).json()["degraded"]
    on.redis_line.set(Fault())
    await _only(on, account, 1)
    await succeeded(on, await on.order(account))
    assert await on.one(_MADE, account=account.id) == 2


async def _only(on: Fleet, account: Account, month: int) -> None:
    """Wait until Redis counts these and holds no lease: half a minute after an admission that nobody confirmed."""

    async def settled() -> bool:
        now = await used(on, account)
        return (now["generations_month"], now["concurrent"]) == (month, 0)

    await wait_until(settled, timeout=2 * PATIENCE_S, message="an admission that nobody heard of still counts")


@makes("F35")
async def reply_lost(on: Fleet) -> None:
    """The script ran, nobody heard: the same key asks again until the claim lapses, a minute later; it counts once."""
    account = await on.customer()
    await succeeded(on, await on.order(account))
    key = uuid4().hex
    on.redis_line.set(Fault(swallow=f"app:cooldown:{account.id}".encode()))  # of all scripts, admit alone names it
    first = await on.ask(account, key=key)
    assert (on.redis_line.struck, first.status_code) == (1, 503)
    answers: list[httpx.Response] = []

    async def accepted() -> bool:
        answers.append(await on.ask(account, key=key))
        return answers[-1].status_code == 202

    await wait_until(accepted, timeout=2 * PATIENCE_S, message="the key stays taken")
    assert {answer.status_code for answer in answers[:-1]} <= {409, 503}, "the first is still under way, or unknown"
    await succeeded(on, GenerationId(answers[-1].json()["generation_id"]))
    assert await on.one(_MADE, account=account.id) == 2
    now = await used(on, account)
    assert (now["generations_month"], now["generations_hour"]) == (2, 2)


async def _held(on: Fleet, holder: str) -> float:
    """Return for how many seconds yet some lane keeps a place for a run; 0 where none does."""
    redis: Any = on.redis
    now_ms, longest = clock.now().timestamp() * 1000, 0.0
    async for key in redis.scan_iter("app:conc:provider:*"):
        if await redis.type(key) == b"zset":
            for member, score in await redis.zrange(key, 0, -1, withscores=True):
                if holder in member.decode():
                    longest = max(longest, (score - now_ms) / 1000)
    return longest


@makes("F36")
async def places_of_the_dead(on: Fleet) -> None:
    """A killed worker's place lapses with its lease, the work goes on, and an account's own place is never lost."""
    account = await on.customer(Plan.BASIC)  # one at a time: a lease that leaked would refuse the next order
    generation = await on.order(account)
    victim = await on.strike("stage.TTS_GENERATION.before_provider=kill9@1")
    await wait_until(lambda: not victim.program.alive, timeout=PATIENCE_S, message="it did not die")
    (run,) = await on.rows(_RUN, id=generation)
    assert 0 < await _held(on, str(run.id)) <= LEASE.total_seconds()
    await succeeded(on, generation)
    await wait_until(lambda: _free(on, str(run.id)), timeout=2 * (LEASE + SWEEP).total_seconds())
    await succeeded(on, await on.order(account))


async def _free(on: Fleet, holder: str) -> bool:
    return await _held(on, holder) == 0

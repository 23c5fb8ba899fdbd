"""Cases F37 to F42: PostgreSQL restarts, crashes, hears and isn't heard, undoes, and has no time."""

import asyncio
import signal
import time
from uuid import uuid4

import httpx
from sqlalchemy import text

from reelwright import outbox
from reelwright.accounts import Account
from reelwright.generations import Stage, Unit
from reelwright.ground.ids import GenerationId
from tests.chaos.cases import makes
from tests.chaos.fleet import PATIENCE_S, Fleet
from tests.chaos.kills import succeeded
from tests.chaos.limiting import read, used
from tests.chaos.proxy import Fault
from tests.chaos.stages import repeated
from tests.waiting import wait_until

ORDERS = 4
SPEECH = Unit(stage=Stage.TTS_GENERATION, scene=0)
_LISTENING = f"""
    SELECT count(*) FROM pg_stat_activity
     WHERE application_name = 'reelwright-listen' AND state = 'idle' AND query LIKE 'LISTEN %{outbox.CHANNEL}%'
"""  # noqa: S608 - our own name; a worker also listens for sounds
_COMPLETION_WAITS = """
    SELECT count(*) FROM pg_stat_activity
     WHERE wait_event_type = 'Lock' AND application_name = 'reelwright-worker' AND query LIKE '%won_fence = r.fence%'
"""
_HOLD_RUN = text("UPDATE stage_runs SET lease_until = clock_timestamp() + interval '30 s' WHERE id = :run")
_HOLD_GENERATION = text("SELECT 1 FROM generations WHERE id = :id FOR UPDATE")
SPOKEN = b'"type":"spoken"'
"""What a finished narration writes down, and no other transaction says."""
_MADE = "SELECT count(*) FROM generations WHERE account_id = :account"
_ATTEMPTS = "SELECT max(attempt) FROM stage_runs WHERE generation_id = :id"
LONGEST_S = 14.0
"""Five seconds for a connection, five for a lock, and what a busy machine adds."""


async def accepted(on: Fleet, account: Account, seen: list[int], **body: object) -> GenerationId:
    """Ask with one key until it is taken, as a client does, and note each answer's status (0: no answer)."""
    key, found = uuid4().hex, list[GenerationId]()

    async def taken() -> bool:
        try:
            answer = await on.ask(account, key=key, **body)
        except httpx.TransportError:
            seen.append(0)
            return False
        seen.append(answer.status_code)
        if answer.status_code == 202:
            found.append(GenerationId(answer.json()["generation_id"]))
        else:
            assert int(answer.headers["Retry-After"]) > 0
        return bool(found)

    await wait_until(taken, timeout=2 * PATIENCE_S, message="it is never taken")
    return found[0]


async def _restarted(on: Fleet, how: signal.Signals) -> None:
    """Restart it while orders arrive and runs end: all that was accepted is there and ends, and relays listen again."""
    account, seen = await on.customer(), list[int]()
    before = [await on.order(duration_s=20) for _ in range(ORDERS)]
    for worker in on.workers:
        await worker.arm("stage.*.in_complete_tx=sleep:100@p0.3")
    arriving = [asyncio.create_task(accepted(on, await on.customer(), seen)) for _ in range(ORDERS)]
    await on.restart_postgres(how)
    asked = [asyncio.create_task(accepted(on, await on.customer(), seen)) for _ in range(ORDERS)]
    after = await asyncio.gather(*arriving, *asked)
    assert set(seen) <= {202, 503, 409}, "an outage is told as one"
    for generation in (*before, *after):
        await succeeded(on, generation)

    async def listening() -> bool:
        return await on.one(_LISTENING) == 1 + len(on.workers)

    await wait_until(listening, timeout=PATIENCE_S, message="a relay has stopped listening")
    await succeeded(on, await on.order(account))


@makes("F37")
async def restart(on: Fleet) -> None:
    await _restarted(on, signal.SIGINT)


@makes("F38")
async def crash(on: Fleet) -> None:
    """The same, and nothing that was told as committed is gone: here a commit waits for the disk, as in production."""
    name = await on.one("SELECT current_database()")
    for wish in ("SET synchronous_commit = 'on'", "RESET synchronous_commit"):
        async with on.db.begin() as tx:
            await tx.execute(text(f"ALTER DATABASE {name} {wish}"))
        on.db_line.cut()
        await on.db.engine.dispose()
        if wish.startswith("SET"):
            await _restarted(on, signal.SIGQUIT)


@makes("F39", quick=True)
async def commit_happened_unheard(on: Fleet) -> None:
    """An order that was not answered stands once; a result whose COMMIT was not answered is not made again."""
    account, topic = await on.customer(), f"Unheard {uuid4().hex}"
    on.db_line.set(Fault(swallow=topic.encode()))
    seen: list[int] = []
    generation = await accepted(on, account, seen, topic=topic)
    assert (on.db_line.struck, seen) == (1, [202])
    assert await on.one(_MADE, account=account.id) == 1
    assert (await used(on, account))["generations_month"] == 1
    await succeeded(on, generation)
    await _unheard_result(on, Fault(swallow=b"COMMIT", after=SPOKEN))


@makes("F40", quick=True)
async def commit_never_happened(on: Fleet) -> None:
    """Nothing of an order is left, and its key starts it afterwards; a result is written again, not made again."""
    account, topic = await on.customer(), f"Lost {uuid4().hex}"
    on.db_line.set(Fault(withhold=topic.encode()))
    seen: list[int] = []
    generation = await accepted(on, account, seen, topic=topic)
    assert (on.db_line.struck, seen[0], seen[-1]) == (1, 503, 202)
    assert await on.one(_MADE, account=account.id) == 1
    assert (await used(on, account))["generations_month"] == 1
    await succeeded(on, generation)
    await _unheard_result(on, Fault(withhold=b"COMMIT", after=SPOKEN))


async def _unheard_result(on: Fleet, fault: Fault) -> None:
    on.db_line.set(fault)
    generation = await on.order()
    await succeeded(on, generation)
    assert on.db_line.struck == 1
    assert not repeated(on.calls(generation)), "a provider was paid twice for the sake of a row"
    assert await on.one(_ATTEMPTS, id=generation) == 1


@makes("F41", quick=True)
async def deadlock(on: Fleet) -> None:
    """A completion that PostgreSQL undoes to end a deadlock is written again: nothing is made twice, nobody fails."""
    generation = await on.order()
    await on.strike("stage.TTS_GENERATION.before_provider=sleep:200@1")
    async with on.db.begin() as tx:  # in the wrong order: a run, and then its generation
        await tx.execute(_HOLD_RUN, {"run": SPEECH.run_id(generation)})

        async def waits() -> bool:
            return await on.one(_COMPLETION_WAITS) > 0

        await wait_until(waits, timeout=PATIENCE_S, message="the worker never came to the lock")
        await tx.execute(_HOLD_GENERATION, {"id": generation})  # who has waited longer finds the circle, and is undone
    undone = "stage.unwritten", "database.conflict"
    await wait_until(lambda: any(worker.said(*undone) for worker in on.workers), message="the worker was not undone")
    await succeeded(on, generation)
    assert not repeated(on.calls(generation))
    assert await on.one(_ATTEMPTS, id=generation) == 1


@makes("F42")
async def no_connection_left(on: Fleet) -> None:
    """Who finds no connection in time is told so; what needs none answers at once, and other work goes on."""
    account, began = await on.customer(), time.monotonic()
    generation = await on.order()
    async with on.db.begin() as tx:
        await tx.execute(text("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE"))
        asked = [asyncio.create_task(read(on, account, "/v1/credits/balance")) for _ in range(20)]
        alive = time.monotonic()
        assert (await on.client.get("/health/live")).status_code == 200
        assert time.monotonic() - alive < 2
        answers = await asyncio.gather(*asked)
        assert time.monotonic() - began < LONGEST_S + 2
        await succeeded(on, generation)
    assert {(answer.status_code, int(answer.headers["Retry-After"]) > 0) for answer in answers} == {(503, True)}
    assert (await read(on, account, "/v1/credits/balance")).status_code == 200

"""A wiped, restarted, slow or absent Redis changes no outcome, and a timeout is never an admission."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from reelwright.admission import (
    Admitted,
    Facts,
    InProgress,
    NotAdmitted,
    Policy,
    Transport,
    Unavailable,
    Unreachable,
)
from reelwright.admission.scripts import PATIENCE
from reelwright.dev.valkey import Valkey
from reelwright.ground import redis as ground_redis
from tests.rooms.admission.desk import HOUR, PLACE, ROOMY, Desk, a_draft

TTL = timedelta(seconds=45)


@asynccontextmanager
async def server(answer: bytes | None) -> AsyncIterator[str]:
    """A Redis that answers every command alike, or never; its address."""
    leaving = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while answer is not None and await reader.read(65_536):
            writer.write(answer)
        await leaving.wait()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0?protocol=2"
    finally:
        leaving.set()
        listener.close()
        await listener.wait_closed()


async def test_e43_a_cold_month_asks_postgresql_and_never_begins_at_zero(desk: Desk) -> None:
    """In one decision, with the leases too."""
    order = desk.order(replace(ROOMY, generations_month=10, concurrent=2))
    live = (desk.order().lease, desk.now + HOUR)
    desk.facts = Facts(
        generations_month=9, generations_hour=1, full_month=2, leases=[live, (desk.order().lease, desk.now)]
    )

    admitted = await desk.admit(order)

    assert isinstance(admitted, Admitted)
    assert (admitted.remaining[Policy.GENERATIONS_MONTH], admitted.remaining[Policy.CONCURRENT]) == (0, 0)
    assert desk.asked == [(desk.account, "202612", "2026121510")]


async def test_e43_after_a_wipe_the_same_orders_are_refused(desk: Desk) -> None:
    plan = replace(ROOMY, generations_month=2)
    for _ in range(2):
        await desk.admit(desk.order(plan))
    await desk.redis.flushdb()
    desk.facts = Facts(generations_month=2, generations_hour=2, full_month=0)

    with pytest.raises(NotAdmitted):
        await desk.admit(desk.order(plan))


async def test_e44_one_lost_counter_is_asked_for_and_the_others_stay(desk: Desk) -> None:
    """The full regenerations alone."""
    await desk.admit(desk.order(full_units=1))
    await desk.redis.delete(f"app:usage:{desk.account}:full_regen_used:202612")
    desk.facts = Facts(generations_month=99, generations_hour=99, full_month=3)

    with pytest.raises(NotAdmitted) as refused:
        await desk.admit(desk.order(replace(ROOMY, full_regenerations_month=3), full_units=1))

    assert [seen.policy for seen in refused.value.violations] == [Policy.FULL_REGENERATIONS_MONTH]
    assert (await desk.standings())["generations_month"] == 1


async def test_a_stale_answer_does_not_bring_a_released_lease_back(desk: Desk) -> None:
    order = desk.order()
    await desk.admit(order)
    await desk.gate.release(desk.account, order.lease)
    desk.facts = Facts(generations_month=1, generations_hour=1, full_month=0, leases=[(order.lease, desk.now + HOUR)])
    await desk.redis.delete(f"app:usage:{desk.account}:gen_used:202612")

    await desk.warm()

    assert (await desk.standings())["concurrent"] == 0


async def test_a_worker_holds_its_lease_again_after_a_wipe(desk: Desk) -> None:
    order = desk.order()
    await desk.admit(order)
    await desk.gate.confirm(order, desk.now + HOUR)
    await desk.redis.flushdb()

    assert not await desk.gate.renew(desk.account, order.lease, ttl=TTL)
    assert await desk.gate.renew(desk.account, order.lease, ttl=TTL, adopt=True)

    assert (await desk.standings())["concurrent"] == 1


async def test_a_refund_without_a_receipt_asks_postgresql_anew(desk: Desk) -> None:
    """Nobody in Redis knows what was taken; the row does, and says that it was given back."""
    order = desk.order()
    await desk.redis.flushdb()
    desk.facts = Facts(generations_month=1, generations_hour=1, full_month=0)
    await desk.warm()

    desk.facts = Facts(generations_month=0, generations_hour=1, full_month=0)
    assert not await desk.gate.refund(desk.account, order.lease)

    assert (await desk.standings())["generations_month"] == 0


async def test_e42_a_server_that_forgot_its_scripts_gives_the_same_answer(desk: Desk) -> None:
    """After a restart, a failover or SCRIPT FLUSH."""
    order = desk.order(place=PLACE)
    await desk.redis.script_flush()
    assert isinstance(await desk.admit(order), Admitted)
    await desk.redis.script_flush()
    await desk.gate.confirm(order, desk.now + HOUR)
    await desk.redis.script_flush()
    assert await desk.gate.renew(desk.account, order.lease, ttl=TTL)
    await desk.redis.script_flush()
    assert await desk.gate.release(desk.account, order.lease)


async def expect_unavailable(url: str) -> float:
    """Ask everything that takes something, of a Redis that fails; return how long it takes, in seconds: the median."""
    client = ground_redis.connect(url)
    desk = Desk(client, patience=PATIENCE)
    order, took = desk.order(), []
    asked = [
        lambda: desk.admit(order),
        lambda: desk.gate.withdraw(desk.account, order.lease),
        lambda: desk.gate.confirm(order, desk.now),
        lambda: desk.gate.would_admit(order, now=desk.now),
        lambda: desk.gate.renew(desk.account, order.lease, ttl=TTL),
        lambda: desk.gate.release(desk.account, order.lease),
        lambda: desk.gate.refund(desk.account, order.lease),
        lambda: desk.gate.peek(desk.account, now=desk.now),
        lambda: desk.gate.places.take(PLACE, "holder", account=desk.account, ttl=TTL),
        desk.gate.ping,
    ]
    for ask in asked:
        started = time.monotonic()
        with pytest.raises(Unavailable) as away:
            await ask()
        took.append(time.monotonic() - started)
        assert (away.value.code, away.value.wait) == ("admission.unavailable", timedelta(seconds=2))
    await desk.gate.close()
    return sorted(took)[len(took) // 2]


async def test_e40_no_redis_is_an_outage_at_once(unused_tcp_port: int) -> None:
    assert await expect_unavailable(f"redis://127.0.0.1:{unused_tcp_port}/0") < 1


async def test_e41_a_slow_redis_is_an_outage_in_time() -> None:
    """Never an admission, and never a wait of many retries: 300 ms are too long, and told after 250 ms."""
    async with server(answer=None) as url:
        assert await expect_unavailable(url) < 0.4


async def test_e40_with_redis_away_an_account_s_limits_are_known(unused_tcp_port: int) -> None:
    """What needs no decision goes on: PostgreSQL is asked what an account may do."""
    client = ground_redis.connect(f"redis://127.0.0.1:{unused_tcp_port}/0")
    desk = Desk(client, patience=PATIENCE)
    desk.holds(desk.order(replace(ROOMY, generations_month=3)))

    assert (await desk.gate.entitled(desk.account)).limits.generations_month == 3
    await desk.gate.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        b"-LOADING server is loading the dataset in memory\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
    ],
)
async def test_e46_a_redis_that_cannot_write_is_an_outage(answer: bytes) -> None:
    async with server(answer) as url:
        assert await expect_unavailable(url) < 1


async def test_redis_back_is_admission_back(redis) -> None:
    """Without a restart of ours: connections that died are replaced by the next request."""
    desk = Desk(ground_redis.connect(_address(redis)))
    await desk.admit(desk.order())
    (connection,) = await desk.gate.scripts.command("CLIENT", "ID")
    await redis.client_kill_filter(_id=connection)

    answers = [await _tried(desk) for _ in range(3)]

    assert answers[-1] == "Admitted"
    await desk.gate.close()


async def _tried(desk: Desk) -> str:
    try:
        return type(await desk.admit(desk.order())).__name__
    except Unavailable:
        return "Unavailable"


def _address(redis) -> str:
    given = redis.connection_pool.connection_kwargs
    return f"redis://:{given['password']}@{given['host']}:{given['port']}/{given['db']}"


class Deaf:
    """A transport that hears no answer: what it sends is carried out."""

    first_line = ""
    in_order = False

    def __init__(self, real: Transport) -> None:
        self.real, self.hears = real, True
        self.first_line, self.in_order = real.first_line, real.in_order

    async def call(self, words: Sequence[str], within_s: float | None = None) -> Any:
        answer = await self.real.call(words, within_s)
        if not self.hears:
            raise Unreachable("timed out")
        return answer

    async def close(self) -> None:
        await self.real.close()


@pytest.fixture
async def deaf(transport: Transport) -> AsyncIterator[Deaf]:
    made = Deaf(transport)
    yield made
    await made.close()


@pytest.mark.parametrize("swept", [False, True])
async def test_e39_an_admission_that_nobody_heard_of_is_given_back(store: Redis, deaf: Deaf, *, swept: bool) -> None:
    """It is no admission to the caller; withdrawn at once, or by the sweep when Redis stayed away."""
    desk = Desk(store, transport=deaf)
    plan = replace(ROOMY, generations_month=1, concurrent=1, cooldown_ms=600_000)
    order = desk.order(plan, draft=a_draft(), place=PLACE, full_units=1)
    await desk.warm(order)
    before = await desk.everything()
    deaf.hears = False
    with pytest.raises(Unavailable):
        await desk.admit(order)
    assert await desk.everything() != before, "it was carried out all the same"
    if swept:
        with pytest.raises(Unavailable):
            await desk.gate.withdraw(desk.account, order.lease)
        desk.now += timedelta(seconds=60)
    deaf.hears = True
    assert await desk.gate.unconfirmed(9) == ([(desk.account, order.lease)] if swept else [])

    assert await desk.gate.withdraw(desk.account, order.lease)

    assert {name: held for name, (held, _) in (await desk.everything()).items()} == {
        name: held for name, (held, _) in before.items()
    }


async def test_e39_the_same_order_again_takes_no_second_unit(store: Redis, deaf: Deaf) -> None:
    """A caller that was told 503 sends its key again: busy for a minute, then admitted on what was taken."""
    desk = Desk(store, transport=deaf)
    order = desk.order(replace(ROOMY, generations_month=1))
    await desk.warm(order)
    deaf.hears = False
    with pytest.raises(Unavailable):
        await desk.admit(order)
    deaf.hears = True
    with pytest.raises(InProgress):
        await desk.admit(order)

    desk.now += timedelta(seconds=60)

    assert isinstance(await desk.admit(order), Admitted)
    assert (await desk.standings())["generations_month"] == 1


async def test_e44_every_lost_counter_alone_is_asked_for(desk: Desk) -> None:
    """A month's counter that is missing is never zero; the hour's is written with it or was not needed."""
    await desk.started(full_units=1)
    desk.facts = Facts(generations_month=5, generations_hour=5, full_month=5)
    for policy, name in (("generations_month", "gen_used"), ("full_regenerations_month", "full_regen_used")):
        await desk.redis.delete(f"app:usage:{desk.account}:{name}:202612")
        await desk.warm()
        assert (await desk.standings())[policy] == 5
    assert (await desk.standings())["generations_hour"] == 1


async def test_e46_a_full_server_admits_nobody_and_keeps_what_it_counted(tmp_path: Path) -> None:
    """A real one, at its memory's end: a decision is written whole or not at all, and giving back goes on."""
    valkey = Valkey(tmp_path / "valkey")
    await asyncio.to_thread(valkey.start)
    desk = Desk(ground_redis.connect(valkey.url, timeout_ms=2_000))
    try:
        order = desk.order(replace(ROOMY, generations_month=2))
        await desk.admit(order)
        before = await desk.everything(plan=True)
        await desk.redis.config_set("maxmemory", "1mb")

        with pytest.raises(Unavailable):
            await desk.admit(desk.order(replace(ROOMY, generations_month=2)))

        assert await desk.everything(plan=True) == before
        assert (await desk.standings())["generations_month"] == 1
        assert await desk.gate.withdraw(desk.account, order.lease)
        await desk.redis.config_set("maxmemory", "0")
        assert (await desk.standings())["generations_month"] == 0
        assert isinstance(await desk.admit(desk.order(replace(ROOMY, generations_month=2))), Admitted)
    finally:
        await desk.gate.close()
        await asyncio.to_thread(valkey.stop)

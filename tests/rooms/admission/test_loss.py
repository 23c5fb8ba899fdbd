"""A wiped, restarted, slow or absent Redis changes no outcome, and a timeout is never an admission."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from reelwright.admission import Admitted, Facts, NotAdmitted, Periods, Policy, Unavailable
from reelwright.admission.scripts import PATIENCE
from reelwright.ground import redis as ground_redis
from tests.rooms.admission.desk import PLACE, ROOMY, Desk

HOUR = timedelta(hours=1)
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


async def test_a_cold_month_asks_postgresql_and_never_begins_at_zero(desk: Desk) -> None:
    """E43: in one decision, with the leases too."""
    order = desk.order(replace(ROOMY, generations_month=10, concurrent=2))
    live = (desk.order().lease, desk.now + HOUR)
    desk.facts = Facts(
        generations_month=9, generations_hour=1, full_month=2, leases=[live, (desk.order().lease, desk.now)]
    )

    admitted = await desk.admit(order)

    assert isinstance(admitted, Admitted)
    assert (admitted.remaining[Policy.GENERATIONS_MONTH], admitted.remaining[Policy.CONCURRENT]) == (0, 0)
    assert desk.asked == [(desk.account, "202612", "2026121510")]


async def test_after_a_wipe_the_same_orders_are_refused(desk: Desk) -> None:
    plan = replace(ROOMY, generations_month=2)
    for _ in range(2):
        await desk.admit(desk.order(plan))
    await desk.redis.flushall()
    desk.facts = Facts(generations_month=2, generations_hour=2, full_month=0)

    with pytest.raises(NotAdmitted):
        await desk.admit(desk.order(plan))


async def test_one_lost_counter_is_asked_for_and_the_others_stay(desk: Desk) -> None:
    """E44: the full regenerations alone."""
    await desk.admit(desk.order(full_units=1))
    await desk.redis.delete(f"app:usage:{desk.account}:full_regen_used:202612")
    desk.facts = Facts(generations_month=99, generations_hour=99, full_month=3)

    with pytest.raises(NotAdmitted) as refused:
        await desk.admit(desk.order(replace(ROOMY, full_regenerations_month=3), full_units=1))

    assert [seen.policy for seen in refused.value.violations] == [Policy.FULL_REGENERATIONS_MONTH]
    assert (await desk.standings())["generations_month"] == 1


async def test_hydrating_twice_keeps_what_was_admitted_between(desk: Desk) -> None:
    """E45: the first writer wins, and an older answer cannot undo an admission."""
    await desk.admit(desk.order())
    desk.facts = replace(desk.facts, leases=[(desk.order().lease, desk.now + HOUR)])

    await desk.gate._hydrate(desk.account, Periods.at(desk.now))

    used = await desk.standings()
    assert (used["generations_month"], used["concurrent"]) == (1, 1)


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


@pytest.mark.parametrize(
    ("policy", "plan", "cap"),
    [
        (Policy.GENERATIONS_MONTH, replace(ROOMY, generations_month=7), 99),
        (Policy.GENERATIONS_HOUR, replace(ROOMY, generations_hour=7), 99),
        (Policy.FULL_REGENERATIONS_MONTH, replace(ROOMY, full_regenerations_month=7), 99),
        (Policy.CONCURRENT, replace(ROOMY, concurrent=7), 99),
        (Policy.PROVIDER_PLACE, ROOMY, 7),
    ],
)
async def test_sixty_four_at_once_never_pass_a_limit(desk: Desk, policy, plan, cap) -> None:
    """E4: and a cold start in the middle of the rush counts nobody twice."""
    orders = [desk.order(plan, full_units=1, place=replace(PLACE, cap=cap)) for _ in range(64)]

    answers = await asyncio.gather(*(desk.admit(order) for order in orders), return_exceptions=True)

    assert sum(isinstance(answer, Admitted) for answer in answers) == 7
    assert {type(answer).__name__ for answer in answers} <= {"Admitted", "NotAdmitted", "NoPlace"}
    used = await desk.standings()
    assert (used["generations_month"], used["generations_hour"], used["concurrent"]) == (7, 7, 7)


async def test_a_server_that_forgot_its_scripts_gives_the_same_answer(desk: Desk) -> None:
    """E42: after a restart, a failover or SCRIPT FLUSH."""
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
    """Ask everything that takes something, of a Redis that fails; return how long the slowest took, in seconds."""
    client = ground_redis.connect(url)
    desk = Desk(client, patience=PATIENCE)
    order, slowest = desk.order(), 0.0
    asked = [
        lambda: desk.admit(order),
        lambda: desk.gate.withdraw(desk.account, order.lease),
        lambda: desk.gate.confirm(order, desk.now),
        lambda: desk.gate.renew(desk.account, order.lease, ttl=TTL),
        lambda: desk.gate.take_place(PLACE, "holder", ttl=TTL),
        desk.gate.ping,
    ]
    for ask in asked:
        started = time.monotonic()
        with pytest.raises(Unavailable) as away:
            await ask()
        slowest = max(slowest, time.monotonic() - started)
        assert (away.value.code, away.value.wait) == ("admission.unavailable", timedelta(seconds=2))
    await client.aclose()
    return slowest


async def test_no_redis_is_an_outage_at_once(unused_tcp_port: int) -> None:
    """E40."""
    assert await expect_unavailable(f"redis://127.0.0.1:{unused_tcp_port}/0") < 1


async def test_a_silent_redis_is_an_outage_within_a_second() -> None:
    """E41: never an admission, and never a wait of many retries."""
    async with server(answer=None) as url:
        assert await expect_unavailable(url) < 1


@pytest.mark.parametrize(
    "answer",
    [
        b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        b"-LOADING server is loading the dataset in memory\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
    ],
)
async def test_a_redis_that_cannot_write_is_an_outage(answer: bytes) -> None:
    """E46."""
    async with server(answer) as url:
        assert await expect_unavailable(url) < 1


async def test_redis_back_is_admission_back(redis) -> None:
    """Without a restart of ours: connections that died are replaced by the next request."""
    desk = Desk(ground_redis.connect(_address(redis)))
    await desk.admit(desk.order())
    await redis.client_kill_filter(_type="normal", skipme=True)

    answers = [await _tried(desk) for _ in range(3)]

    assert answers[-1] == "Admitted"
    await desk.redis.aclose()


async def _tried(desk: Desk) -> str:
    try:
        return type(await desk.admit(desk.order())).__name__
    except Unavailable:
        return "Unavailable"


def _address(redis) -> str:
    given = redis.connection_pool.connection_kwargs
    return f"redis://:{given['password']}@{given['host']}:{given['port']}/{given['db']}"

"""One line for every call: in order, in time, and nobody's trouble is another's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha1
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from reelwright.admission import NoScript, Scripts, Tcp, Unavailable, Unreachable
from reelwright.admission.scripts import Call
from reelwright.ground.redis import connect

LONG_S = 20.0
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def tcp(redis: Redis, valkey_url: str) -> AsyncIterator[Tcp]:
    del redis  # it empties the server before, and watches what expires
    made = Tcp(connect(valkey_url, timeout_ms=None))
    yield made
    await made.close()


@asynccontextmanager
async def before(serve: Serve) -> AsyncIterator[Tcp]:
    """A line to a server of the test's own making."""
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    made = Tcp(connect(f"redis://127.0.0.1:{port}/0?protocol=2", timeout_ms=None))
    try:
        yield made
    finally:
        await made.close()
        listener.close()
        await listener.wait_closed()


async def test_many_calls_at_once_share_a_connection_and_get_their_own_answers(tcp: Tcp) -> None:
    async def echo(n: int) -> tuple[int, str]:
        return n, await tcp.call(("ECHO", f"{n}"), LONG_S)

    assert all(said == str(n) for n, said in await asyncio.gather(*(echo(n) for n in range(300))))
    ours = await tcp.call(("CLIENT", "ID"), LONG_S)
    assert await asyncio.gather(*(tcp.call(("CLIENT", "ID"), LONG_S) for _ in range(9))) == [ours] * 9


async def test_a_cancelled_call_leaves_the_others_in_step(tcp: Tcp) -> None:
    await tcp.call(("PING",), LONG_S)
    waiting = asyncio.create_task(tcp.call(("ECHO", "nobody waits for this"), LONG_S))
    await asyncio.sleep(0)
    waiting.cancel()

    assert await tcp.call(("ECHO", "mine"), LONG_S) == "mine"
    assert waiting.cancelled()


async def test_an_error_is_its_callers_alone_and_tells_its_code(tcp: Tcp) -> None:
    answers = await asyncio.gather(
        tcp.call(("HGET", "canary", "k"), LONG_S),
        tcp.call(("CANARY",), LONG_S),
        tcp.call(("EVALSHA", "0" * 40, "0"), LONG_S),
        tcp.call(("ECHO", "mine"), LONG_S),
        return_exceptions=True,
    )

    assert [type(answer) for answer in answers] == [type(None), Unreachable, NoScript, str]
    assert (answers[1].detail, answers[3]) == ("ERR", "mine")


async def test_a_lost_line_is_told_to_all_who_wait_and_opened_again(tcp: Tcp, redis: Redis) -> None:
    ours = await tcp.call(("CLIENT", "ID"), LONG_S)
    waiting = asyncio.gather(*(tcp.call(("BLPOP", "none", "0"), LONG_S) for _ in range(3)), return_exceptions=True)
    await asyncio.sleep(0)

    await redis.client_kill_filter(_id=str(ours))

    lost = await waiting
    assert [type(answer) for answer in lost] == [Unreachable] * 3
    assert "timed out" not in {answer.detail for answer in lost}, "at once, not after their patience"
    assert await tcp.call(("CLIENT", "ID"), LONG_S) != ours


async def test_a_line_that_fell_silent_is_left_and_who_still_waits_there_is_answered() -> None:
    """The first connection says nothing until the second has spoken."""
    opened, second = 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        mine = opened
        while data := await reader.read(65_536):
            ours = data.count(b"PING")
            if ours and mine == 1:
                await second.wait()
            writer.write(b"+OK\r\n" * data.count(b"*") if not ours else b"+%d\r\n" % mine * ours)
            if ours and mine == 2:
                second.set()
        writer.close()

    async with before(serve) as tcp:
        hasty = asyncio.create_task(tcp.call(("PING",), 0.05))
        patient = asyncio.create_task(tcp.call(("PING",), LONG_S))
        with pytest.raises(Unreachable, match="timed out"):
            await hasty
        assert await tcp.call(("PING",), LONG_S) == "2"
        assert await patient == "1"
    assert opened == 2


async def test_what_is_not_redis_is_an_outage() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(b"HTTP/1.1 400\r\n\r\n" if b"PING" in data else b"+OK\r\n" * data.count(b"*"))
        writer.close()

    async with before(serve) as tcp:
        with pytest.raises(Unreachable):
            await tcp.call(("PING",), LONG_S)


async def test_what_is_told_first_is_known_to_what_is_asked_with_it(tcp: Tcp) -> None:
    """In one round trip: nothing is waited for in between, and a first one that fails takes nothing from the last."""
    scripts, key = Scripts(tcp, patience=timedelta(seconds=LONG_S)), f"told-{uuid4()}"
    scripts._texts |= {"tell": 'redis.call("SET", KEYS[1], ARGV[1], "PX", 60000) return { "told" }'}
    scripts._texts |= {"ask": 'return { redis.call("GET", KEYS[1]) or "" }', "fail": 'return redis.call("NONE")'}
    scripts._digests |= {
        name: sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in scripts._texts.items()
    }
    tell, ask, fail = (Call(name=name, keys=[key], args=["it"]) for name in ("tell", "ask", "fail"))

    assert await scripts.run_after([tell], ask) == ["it"]  # in turn: the server is told the texts

    scripts._loaded.add("fail")
    await tcp.call(("DEL", key), LONG_S)
    assert await scripts.run_after([tell, fail], ask) == ["it"]
    with pytest.raises(Unavailable):
        await scripts.run_after([tell], fail)

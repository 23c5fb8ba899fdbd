"""The simulated Upstash, as the unmodified SDK sees it: what holds against it must hold against the service."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from upstash_redis.asyncio import Redis
from upstash_redis.errors import UpstashError

from tests.simulators.upstash import TOKEN, SimulatedUpstash, simulated_upstash

SCRIPT = "redis.call('SET', KEYS[1], ARGV[1], 'PX', '60000') return {redis.call('GET', KEYS[1]), 7, false, {'a'}}"
LOCKING = "#!lua flags=allow-key-locking\n"


@pytest.fixture(scope="module")
async def shared(valkey_url: str) -> AsyncIterator[SimulatedUpstash]:
    async with simulated_upstash(valkey_url) as running:
        yield running


@pytest.fixture
def server(shared: SimulatedUpstash, redis) -> SimulatedUpstash:
    """`redis` empties the Valkey behind it, and watches what expires."""
    shared.forget()
    return shared


@pytest.fixture(params=["base64", None])
async def sdk(server: SimulatedUpstash, request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    async with Redis(server.base_url, TOKEN, rest_encoding=request.param, rest_retries=0) as client:
        yield client


async def test_strings_hashes_sets_and_numbers_come_back_as_they_went(sdk: Redis) -> None:
    assert await sdk.set("s", "é\n\U0001f9ed", ex=60)
    assert await sdk.get("s") == "é\n\U0001f9ed"
    assert await sdk.get("nothing") is None
    assert await sdk.set("ok", "OK", ex=60)
    assert await sdk.get("ok") == "OK"
    assert await sdk.hset("h", values={"a": "1", "b": ""}) == 2
    assert await sdk.hgetall("h") == {"a": "1", "b": ""}
    assert await sdk.hmget("h", "a", "c") == ["1", None]
    assert await sdk.zadd("z", {"one": 1, "two": 2.5}) == 2
    assert await sdk.zrange("z", 0, -1, withscores=True) == [("one", 1.0), ("two", 2.5)]
    assert [await sdk.expire(name, 60) for name in ("h", "z")] == [True, True]


async def test_numbers_lose_what_a_double_cannot_hold(sdk: Redis) -> None:
    """The reason why our transport sends strings only."""
    await sdk.execute(["SET", "n", 12345678901234567, "EX", "60"])
    assert await sdk.get("n") == "12345678901234568"


async def test_bytes_that_are_no_text(server: SimulatedUpstash, redis) -> None:
    """The SDK's own limits: base64 fails to decode, and plain answers are mended with U+FFFD."""
    await redis.set("raw", b"\xff\x00", ex=60)
    async with Redis(server.base_url, TOKEN, rest_retries=0) as strict:
        with pytest.raises(UnicodeDecodeError):
            await strict.get("raw")
    async with Redis(server.base_url, TOKEN, rest_encoding=None, rest_retries=0) as lax:
        assert await lax.get("raw") == "\N{REPLACEMENT CHARACTER}\x00"


async def test_a_pipeline_answers_each_command_and_a_transaction_all_or_none(sdk: Redis, redis) -> None:
    answers = await sdk.pipeline().set("a", "1", ex=60).incr("a").get("a").exec()
    assert answers == [True, 2, "2"]
    assert await sdk.multi().incr("a").get("a").exec() == [3, "3"]

    with pytest.raises(UpstashError, match="WRONGTYPE"):
        await sdk.pipeline().hget("a", "x").incr("a").exec()
    assert await redis.get("a") == b"4"
    transaction = sdk.multi()
    transaction.execute(["INCR", "a"])
    transaction.execute(["NO-SUCH-COMMAND"])
    with pytest.raises(AttributeError):  # the SDK takes the one error for a list of answers
        await transaction.exec()
    assert await redis.get("a") == b"4"


async def test_errors_carry_the_servers_words(sdk: Redis, server: SimulatedUpstash) -> None:
    await sdk.set("s", "1", ex=60)
    with pytest.raises(UpstashError, match=r"^WRONGTYPE "):
        await sdk.hget("s", "x")
    async with Redis(server.base_url, "another", rest_retries=0) as stranger:
        with pytest.raises(UpstashError, match=r"^WRONGPASS "):
            await stranger.get("s")


@pytest.mark.parametrize("first_line", ["", LOCKING])
async def test_scripts_are_known_by_the_digest_of_the_text_as_sent(sdk: Redis, redis, first_line: str) -> None:
    text = f"{first_line}{SCRIPT} -- {uuid4()}"
    expected = ["v", 7, None, ["a"]]

    digest = await sdk.script_load(text)
    assert await sdk.script_exists(digest) == [True]
    assert await sdk.evalsha(digest, ["k"], ["v"]) == expected
    await redis.script_flush()
    with pytest.raises(UpstashError, match=r"^NOSCRIPT "):
        await sdk.evalsha(digest, ["k"], ["v"])
    assert await sdk.eval(text, ["k"], ["v"]) == expected
    assert await sdk.evalsha(digest, ["k"], ["v"]) == expected
    with pytest.raises(UpstashError, match=r"^NOSCRIPT "):
        await sdk.evalsha("0" * 40, ["k"], ["v"])


@pytest.mark.parametrize("touch", ["GET', 'other'", "DEL', KEYS[1], 'other'", "SET', 'other', '1'"])
async def test_a_script_that_locks_its_keys_may_touch_no_others(sdk: Redis, redis, touch: str) -> None:
    text = f"return redis.call('{touch})"
    with pytest.raises(UpstashError, match="Dynamic keys are not allowed"):
        await sdk.eval(LOCKING + text, ["k"], [])
    assert await redis.keys() == []
    await sdk.eval("redis.call('TIME') " + text.replace("SET', 'other', '1'", "SET', 'other', '1', 'PX', '9'"), ["k"])


async def test_the_policy_is_nothing_it_tells(sdk: Redis) -> None:
    assert "used_memory" in await sdk.execute(["INFO", "memory"])
    assert "maxmemory_policy" not in await sdk.execute(["INFO", "memory"])
    with pytest.raises(UpstashError):
        await sdk.execute(["CONFIG", "GET", "maxmemory-policy"])


async def test_its_sync_token_comes_back(sdk: Redis, server: SimulatedUpstash) -> None:
    await sdk.get("a")
    await sdk.get("a")
    assert [asked.headers["upstash-sync-token"] for asked in server.asked] == ["", "sync-1"]

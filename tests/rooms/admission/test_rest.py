"""Upstash over HTTPS behind the same gate: quick when it fails, one request a command, and nothing told to a log."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha1
from uuid import uuid4

import pytest

from reelwright.admission import Admitted, NoScript, Unavailable, Unreachable, scripts
from reelwright.admission.rest import Rest
from tests.rooms.admission.desk import Desk
from tests.simulators.openai import Fault, drips, floods, hangs, says
from tests.simulators.upstash import TOKEN, SimulatedUpstash, cuts

PATIENCE = timedelta(milliseconds=250)
SECRET_KEY, SECRET_VALUE = "canary-key-4d1a", "canary-value-8e0b"
WORDS = ["SET", SECRET_KEY, SECRET_VALUE, "PX", "60000"]


@asynccontextmanager
async def connected(url: str, *, token: str = TOKEN, patience: timedelta = PATIENCE) -> AsyncIterator[Rest]:
    transport = Rest(url, token, timeout=patience)
    try:
        yield transport
    finally:
        await transport.close()


@pytest.fixture
async def rest(upstash: SimulatedUpstash) -> AsyncIterator[Rest]:
    """As patient as a busy machine needs: most failures are not about time."""
    async with connected(upstash.base_url, patience=timedelta(seconds=10)) as transport:
        yield transport


@pytest.fixture
async def hasty(upstash: SimulatedUpstash) -> AsyncIterator[Rest]:
    async with connected(upstash.base_url) as transport:
        yield transport


async def refused(rest: Rest, words: list[str] = WORDS) -> str:
    with pytest.raises(Unreachable) as away:
        await rest.call(words)
    shown = f"{away.value} {away.value!r} {away.value.__cause__!r} {vars(away.value)}"
    assert not [secret for secret in (SECRET_KEY, SECRET_VALUE, TOKEN) if secret in shown]
    return away.value.detail


async def test_replies_come_as_the_server_gave_them(rest: Rest) -> None:
    """The SDK would make a boolean of OK, a tuple of TIME and a dictionary of a hash."""
    assert await rest.call(["SET", "k", "é", "PX", "60000"]) == "OK"
    assert await rest.call(["GET", "k"]) == "é"
    assert await rest.call(["DEL", "k", "none"]) == 1
    assert await rest.call(["HSET", "h", "a", "1"]) == 1
    assert await rest.call(["HGETALL", "h"]) == ["a", "1"]
    assert await rest.call(["HMGET", "h", "a", "b"]) == ["1", None]
    assert await rest.call(["PEXPIRE", "h", "60000"]) == 1
    seconds, micros = await rest.call(["TIME"])
    assert seconds.isdecimal()
    assert micros.isdecimal()


async def test_a_command_is_sent_once_as_strings_and_tells_nothing_else(rest: Rest, upstash: SimulatedUpstash) -> None:
    await rest.call(WORDS)

    (asked,) = upstash.asked
    assert asked.body == ["set", *WORDS[1:]]
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert [name for name in asked.headers if "telemetry" in name] == []


async def test_a_script_that_is_not_there_is_not_an_outage(rest: Rest, redis) -> None:
    """E42: SCRIPT FLUSH, a restart, a replica that has never seen it."""
    text = f"{rest.first_line}return {{KEYS[1], ARGV[1]}} -- {uuid4()}"
    digest = sha1(text.encode()).hexdigest()  # noqa: S324 - Redis names scripts by SHA-1

    with pytest.raises(NoScript):
        await rest.call(["EVALSHA", digest, "1", "k", "v"])
    assert await rest.call(["EVAL", text, "1", "k", "v"]) == ["k", "v"]
    assert await rest.call(["EVALSHA", digest, "1", "k", "v"]) == ["k", "v"]
    await redis.script_flush()
    with pytest.raises(NoScript):
        await rest.call(["EVALSHA", digest, "1", "k", "v"])


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        (says(b'{"result":"T0s="}', status=500), "HTTP 500"),
        (says(b"<html>Bad gateway</html>", status=502, content_type="text/html"), "HTTP 502"),
        (says(b"", status=429), "HTTP 429"),
        (says(b"", status=302, headers={"location": "/elsewhere"}), "HTTP 302"),
        (says(b"<html>"), "an answer that can't be read"),
        (says(b""), "an answer that can't be read"),
        (says(b"null"), "an answer that can't be read"),
        (says(b"[]"), "an answer that can't be read"),
        (says(b"{}"), "an answer that can't be read"),
        (says(b'{"result":"not base64"}'), "an answer that can't be read"),
        (says(b'{"result":"//8="}'), "an answer that can't be read"),
        (says(b'{"result":1.5}'), "an error without a code"),
        (says(b'{"error":"OOM command not allowed"}', status=400), "OOM"),
        (says(b'{"error":"ERR max daily request limit exceeded. Limit: 1"}'), "ERR max daily request limit exceeded"),
        (says(b'{"error":"ERR unknown, args: canary-key-4d1a"}', status=400), "ERR"),
        (says(b'{"error":"canary-key-4d1a canary-value-8e0b"}', status=400), "an error without a code"),
        (cuts, "RemoteProtocolError"),
    ],
)
async def test_whatever_is_no_answer_is_an_outage_and_is_asked_once(
    rest: Rest, upstash: SimulatedUpstash, caplog: pytest.LogCaptureFixture, fault: Fault, detail: str
) -> None:
    upstash.faults.append(fault)
    with caplog.at_level(logging.INFO):
        assert await refused(rest) == detail

    assert len(upstash.asked) == 1
    assert not [secret for secret in (SECRET_KEY, SECRET_VALUE, TOKEN) if secret in caplog.text]
    assert await rest.call(WORDS) == "OK"


@pytest.mark.parametrize("fault", [hangs, drips, floods])
async def test_a_slow_answer_is_an_outage_in_time(hasty: Rest, upstash: SimulatedUpstash, fault: Fault) -> None:
    """E41: however the time is spent, and without asking again."""
    upstash.faults.append(fault)
    begun = time.monotonic()

    assert await refused(hasty) == "timed out"

    assert time.monotonic() - begun < 0.8
    assert len(upstash.asked) == 1
    assert await hasty.call(WORDS) == "OK"


async def test_a_command_that_ran_and_was_not_heard_ran_once(
    rest: Rest, hasty: Rest, upstash: SimulatedUpstash
) -> None:
    """E39: what the caller can't know must not happen twice behind its back."""
    await rest.call(["SET", "n", "0", "PX", "60000"])
    upstash.late.append(hangs)

    assert await refused(hasty, ["INCR", "n"]) == "timed out"

    assert await rest.call(["GET", "n"]) == "1"


async def test_nobody_there(unused_tcp_port: int) -> None:
    """E40."""
    async with connected(f"http://127.0.0.1:{unused_tcp_port}") as rest:
        assert await refused(rest) == "ConnectError"


async def test_no_such_host() -> None:
    async with connected("http://nobody.invalid", patience=timedelta(seconds=5)) as rest:
        assert await refused(rest) == "ConnectError"


async def test_a_wrong_token(upstash: SimulatedUpstash) -> None:
    async with connected(upstash.base_url, token="canary-wrong") as rest:
        assert await refused(rest) == "HTTP 401"


async def test_hundreds_at_once_share_the_connections(upstash: SimulatedUpstash) -> None:
    async with connected(upstash.base_url, patience=timedelta(seconds=20)) as rest:
        await rest.call(["SET", "n", "0", "PX", "60000"])
        answers = await asyncio.gather(*(rest.call(["INCR", "n"]) for _ in range(300)))
    assert sorted(answers) == list(range(1, 301))


@pytest.mark.parametrize("backend", ["upstash"], indirect=True)
async def test_a_decision_is_one_request_and_two_where_the_script_is_forgotten(
    desk: Desk, upstash: SimulatedUpstash, redis
) -> None:
    """E42, counted: the second request carries the text, and a third would be a hidden retry."""
    await desk.warm()
    await redis.script_flush()
    upstash.asked.clear()

    for _ in range(2):
        assert isinstance(await desk.admit(desk.order()), Admitted)

    assert [asked.body[0] for asked in upstash.asked] == ["evalsha", "eval", "evalsha"]
    assert upstash.asked[1].body[1].startswith("#!lua flags=allow-key-locking\n--[[ admission/admit\n")


@pytest.mark.parametrize("fault", [hangs, says(b"", status=500), says(b"<html>"), cuts])
async def test_whatever_upstash_does_wrong_is_unavailable_at_once_and_leaves_nothing(
    rest: Rest, upstash: SimulatedUpstash, redis, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    """E40, E41: never an admission, never a second try, and nobody's key or plan in a log."""
    desk = Desk(redis, transport=rest, patience=scripts.PATIENCE)
    order = desk.order(key=SECRET_KEY, fingerprint=SECRET_VALUE)
    await desk.warm(order)
    before = await desk.everything()
    upstash.asked.clear()
    upstash.faults.append(fault)
    begun = time.monotonic()

    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable):
        await desk.admit(order)

    assert time.monotonic() - begun < 0.8
    assert len(upstash.asked) == 1
    assert await desk.everything() == before
    assert "admission.unavailable" in caplog.text
    secrets = (SECRET_KEY, SECRET_VALUE, TOKEN, str(desk.account), str(order.lease))
    assert not [secret for secret in secrets if secret in caplog.text]
    assert isinstance(await desk.admit(order), Admitted)

"""S38 and S77 on real connections: what is no plain, whole, timely request is turned away, and memory stays."""

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import uvicorn
from litestar import Litestar

from reelwright import connection, serving
from reelwright.api.contract_schemas import PROBLEM
from reelwright.api.problem_types import TYPES
from tests.api.conftest import Person
from tests.ground.test_log import lines
from tests.waiting import wait_until

HOST = b"Host: 127.0.0.1\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\n" + HOST
CREATE = b"POST /v1/create HTTP/1.1\r\n" + HOST


@dataclass(frozen=True)
class Line:
    """The API behind a real socket."""

    port: int
    server: uvicorn.Server

    async def said(self, sent: bytes, *, then: Iterable[bytes] = ()) -> tuple[list[int], bool]:
        """Send, and return the answers' status codes once the server hangs up, and whether it reset the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        heard, reset = b"", False
        try:
            async with asyncio.timeout(30):
                writer.write(sent)
                for part in then:
                    writer.write(part)
                    await writer.drain()
                while part := await reader.read(65536):
                    heard += part
        except ConnectionError:
            reset = True
        finally:
            writer.close()
        parts = [part for part in heard.split(b"HTTP/1.1 ") if part[:3].isdigit()]
        return [int(part[:3]) for part in parts], reset

    async def heard(self, sent: bytes, *, then: bytes = b"") -> tuple[dict[str, str], dict[str, Any]]:
        """Send, and more once that is answered; return the last answer's headers, status among them, and its JSON."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        if then:
            await reader.readuntil(b"}")
            writer.write(then)
        answers = (await asyncio.wait_for(reader.read(), 20)).decode()
        writer.close()
        head, _, body = re.split(r"HTTP/1\.1 (?=\d{3} )", answers)[-1].partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        return dict(one.split(": ", 1) for one in lines) | {"status": first[:3]}, json.loads(body)


@pytest.fixture
async def line(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Line]:
    """The running API, with a second's patience instead of many."""
    monkeypatch.setattr(connection, "HEAD_S", 0.4)
    monkeypatch.setattr(connection, "BODY_S", 0.5)
    config = serving.config(app, host="127.0.0.1", port=0)
    config.lifespan = "off"
    server = uvicorn.Server(config)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    with contextlib.suppress(asyncio.CancelledError):
        serving_it = asyncio.create_task(server.serve(sockets=[listener]))
        await wait_until(lambda: server.started)
        yield Line(listener.getsockname()[1], server)
        server.should_exit = True
        await serving_it


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def test_s38_one_request_too_many_is_told_to_come_back_and_health_is_not(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "AT_ONCE", 0)
    head, problem = await line.heard(b"GET /v1/limits HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (head["status"], head["retry-after"], problem["code"]) == ("503", "1", "service.busy")
    assert await line.said(LIVE + b"Connection: close\r\n\r\n") == ([200], False)
    monkeypatch.setattr(connection, "AT_ONCE", 1)
    assert await line.said(b"GET /v1/limits HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n") == ([401], False)


async def test_what_the_wire_refuses_is_a_problem_of_the_contract(
    line: Line, user: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who gets it can read it as any other, look it up, and quote its id, which a log line has, where there is one."""
    ours, key = b"X-Request-Id: ours-12345\r\n", f"Authorization: Bearer {user.secret}\r\n".encode()
    late = CREATE + JSON + key + b"Content-Length: 500\r\n"
    asked = {
        "request.malformed": (b"GET /v1/limits HTTP/1.1\r\n" + HOST + ours + b"X-A: \x00\r\n\r\n", "/v1/limits"),
        "request.too_slow": (late + ours + b"\r\n{", "/v1/create"),
        "request.head_too_large": (LIVE + ours + b"X: y\r\n" * 101 + b"\r\n", "/health/live"),
        "service.busy": (b"GET /v1/limits?cursor=x HTTP/1.1\r\n" + HOST + ours + b"\r\n", "/v1/limits"),
    }
    for code, (sent, path) in asked.items():
        monkeypatch.setattr(connection, "AT_ONCE", 0 if code == "service.busy" else 1000)
        head, problem = await line.heard(sent)
        jsonschema.validate(problem, PROBLEM)
        assert (problem["code"], problem["instance"], problem["request_id"]) == (code, path, "ours-12345")
        assert (problem["type"], problem["status"]) == (f"/problems/{code}", TYPES[code].status)
        assert (head["status"], head["x-request-id"]) == (str(problem["status"]), "ours-12345")
    monkeypatch.setattr(connection, "AT_ONCE", 1000)
    with lines() as told:
        _, late_one = await line.heard(late + b"\r\n{")
        await wait_until(lambda: not line.server.server_state.tasks)
    assert [each["request_id"] for each in told if each["event"] == "request"] == [late_one["request_id"]]
    _, second = await line.heard(LIVE + ours + b"\r\n", then=b"\r\n" * 20_000)
    assert (second["code"], second["instance"]) == ("request.head_too_large", "")
    assert second["request_id"] != "ours-12345"


SMUGGLED = {
    "a length and chunks": CREATE + JSON + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + LIVE + b"\r\n",
    "chunks that are not last": CREATE + JSON + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunks with a vertical tab": CREATE + JSON + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "two lengths": CREATE + JSON + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a length of +2": CREATE + JSON + b"Content-Length: +2\r\n\r\n{}",
    "a bare line feed": b"GET /health/live HTTP/1.1\nHost: 127.0.0.1\n\n",
    "a bare line feed in a header": b"GET /health/live HTTP/1.1\r\n" + HOST + b"X-A: 1\nX-B: 2\r\n\r\n",
    "a folded header": LIVE + b"X-A: 1\r\n  folded\r\n\r\n",
    "a space before the colon": LIVE + b"Transfer-Encoding : chunked\r\n\r\n",
    "a NUL in a header": LIVE + b"X-A: a\x00b\r\n\r\n",
    "a chunk without a size": CREATE + JSON + CHUNKED + b"\r\nxyz\r\n{}\r\n0\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


async def test_s77_what_two_servers_could_read_in_two_ways_is_400_and_ends_the_connection(line: Line) -> None:
    for name, sent in SMUGGLED.items():
        statuses, _ = await line.said(sent)
        assert statuses == [400], name


async def test_s77_a_trailer_adds_no_header_and_pipelined_requests_are_answered_in_order(line: Line) -> None:
    trailing = CREATE + JSON + CHUNKED + b"\r\n2\r\n{}\r\n0\r\nAuthorization: Bearer rw_test_x\r\n\r\n"
    assert (await line.said(trailing + LIVE + b"Connection: close\r\n\r\n"))[0] == [401, 200]


async def test_s38_too_much_of_a_head_is_431(line: Line) -> None:
    for sent in (
        LIVE + b"X-A: " + b"a" * 65536 + b"\r\n\r\n",
        LIVE + b"X: y\r\n" * 10_000 + b"\r\n",
        LIVE + b"X: y\r\n" * 101 + b"\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    ):
        statuses, reset = await line.said(sent)
        assert statuses == [431] or (reset and not statuses), statuses
    assert (await line.said(LIVE + b"Connection: close\r\n\r\n"))[0] == [200]


async def test_s38_who_dawdles_is_sent_away(line: Line) -> None:
    """A byte now and then holds a connection for ever: the head, and the body, have their time."""
    assert await line.said(b"") == ([], False)
    assert (await line.said(LIVE))[0] == [408]
    slow = CREATE + JSON + b"Content-Length: 500\r\n\r\n{"
    assert (await line.said(slow))[0] in ([401], [408])
    kept = LIVE + b"\r\n" + b"GET /hea"
    assert (await line.said(kept))[0] == [200, 408]


async def test_s38_a_body_that_never_comes_whole_is_no_crash_of_ours(line: Line, user: Person) -> None:
    """Whoever hangs up, or is sent away for dawdling, rings no alarm."""
    key = f"Authorization: Bearer {user.secret}\r\n".encode()
    with lines() as told:
        assert (await line.said(CREATE + JSON + key + b"Content-Length: 500\r\n\r\n{"))[0] == [408]
        _, writer = await asyncio.open_connection("127.0.0.1", line.port)
        writer.write(CREATE + JSON + key + b"Content-Length: 500\r\n\r\n{")
        await writer.drain()
        writer.close()
        assert (await line.said(LIVE + b"Connection: close\r\n\r\n"))[0] == [200]
        await wait_until(lambda: not line.server.server_state.tasks)
    assert {(each["event"], each.get("status")) for each in told if each["level"] != "debug"} == {("request", 400)}


async def test_s38_bodies_without_end_end_and_take_no_memory(line: Line) -> None:
    """Chunks for ever, or a gigabyte where ten bytes were said; refused before they were read, or too large."""
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    before = resident_bytes()
    for head in (CREATE + JSON + CHUNKED, b"POST /nothing HTTP/1.1\r\n" + HOST + CHUNKED):
        statuses, reset = await line.said(head + b"\r\n", then=(chunk for _ in range(2000)))
        assert reset or statuses[0] in {401, 404, 413}
    lie = CREATE + JSON + b"Content-Length: 10\r\n\r\n"
    statuses, reset = await line.said(lie, then=(b"a" * 65536 for _ in range(2000)))
    assert reset or statuses[-1] == 400
    assert resident_bytes() - before < 50 * 1024 * 1024
    assert (await line.said(LIVE + b"Connection: close\r\n\r\n"))[0] == [200]


async def test_s52_s70_methods_and_names_on_the_wire(line: Line) -> None:
    close = b"Connection: close\r\n\r\n"
    asked = {
        b"TRACE /v1/admin/users HTTP/1.1\r\n" + HOST + close: [405],
        b"GET /v1/limits HTTP/1.1\r\n" + HOST + HOST + close: [400],
        b"GET /v1/limits HTTP/1.0\r\n\r\n": [400],
        b"GET http://evil.example/v1/limits HTTP/1.1\r\n" + HOST + close: [401],
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n" + HOST + close: [400],
    }
    for sent, wanted in asked.items():
        assert (await line.said(sent))[0] == wanted, sent

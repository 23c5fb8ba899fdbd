"""The proxy itself: it hands everything on, and fails exactly as it is told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.chaos.proxy import Fault, Proxy, proxied

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def heard() -> list[bytes]:
    return []


@pytest.fixture
async def proxy(heard: list[bytes]) -> AsyncGenerator[Proxy]:
    """A proxy before a server that remembers each line and answers it in capitals."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            heard.append(line)
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with proxied("127.0.0.1", server.sockets[0].getsockname()[1]) as made:
        yield made
    server.close()


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncGenerator[Ends]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.listens_on)
    yield reader, writer
    writer.transport.abort()


async def said(ends: Ends, line: bytes) -> bytes:
    """Return the answer to a line, what there was of it where the connection was cut."""
    ends[1].write(line)
    try:
        return await asyncio.wait_for(ends[0].readline(), 5)
    except ConnectionError:
        return b""


async def test_it_hands_everything_on(proxy: Proxy, heard: list[bytes]) -> None:
    async with connected(proxy) as ends:
        assert await said(ends, b"begin\n") == b"BEGIN\n"
    assert heard == [b"begin\n"]


async def test_a_swallowed_reply_belongs_to_a_request_that_arrived(proxy: Proxy, heard: list[bytes]) -> None:
    """The lost COMMIT: done, and nobody told. Once: the next connection is answered."""
    proxy.set(Fault(swallow=b"commit"))
    async with connected(proxy) as ends:
        assert await said(ends, b"insert\n") == b"INSERT\n"
        assert await said(ends, b"commit\n") == b""
    assert (heard, proxy.struck) == ([b"insert\n", b"commit\n"], 1)
    async with connected(proxy) as ends:
        assert await said(ends, b"commit\n") == b"COMMIT\n"


async def test_a_fault_waits_for_what_it_comes_after(proxy: Proxy, heard: list[bytes]) -> None:
    """Of many transactions one is meant: that with these words, and its own COMMIT, not one that had gone by."""
    proxy.set(Fault(swallow=b"commit\n", after=b"cats"))
    async with connected(proxy) as other, connected(proxy) as ends:
        for line in (b"commit\n", b"insert cats\n", b"more\n"):
            assert await said(ends, line) == line.upper()
        assert await said(other, b"commit\n") == b"COMMIT\n"
        assert (await said(ends, b"commit\n"), proxy.struck) == (b"", 1)
    assert heard[-1] == b"commit\n"


async def test_a_withheld_request_never_arrives(proxy: Proxy, heard: list[bytes]) -> None:
    proxy.set(Fault(withhold=b"commit"))
    async with connected(proxy) as ends:
        assert await said(ends, b"commit\n") == b""
    assert (heard, proxy.struck) == ([], 1)


async def test_a_late_request_arrives_when_nobody_waits_any_more(proxy: Proxy, heard: list[bytes]) -> None:
    proxy.set(Fault(late=b"insert"))
    async with connected(proxy) as ends:
        assert await said(ends, b"insert\n") == b""
    assert (heard, proxy.struck) == ([], 1)
    async with connected(proxy) as ends:
        assert await said(ends, b"insert\n") == b"INSERT\n"
    await asyncio.wait_for(proxy.hand_on(), 5)
    assert heard == [b"insert\n", b"insert\n"]


async def test_it_cuts_after_so_many_bytes_refuses_and_cuts(proxy: Proxy) -> None:
    proxy.set(Fault(cut_after_bytes=3))
    async with connected(proxy) as ends:
        assert await said(ends, b"begin\n") in {b"BEG", b""}  # a cut may take what was sent with it
    proxy.set(Fault(refuse=True))
    async with connected(proxy) as ends:
        assert await said(ends, b"begin\n") == b""
    proxy.set(Fault())
    async with connected(proxy) as ends:
        assert await said(ends, b"begin\n") == b"BEGIN\n"
        proxy.cut()
        assert await said(ends, b"begin\n") == b""


async def test_it_is_late_and_hangs(proxy: Proxy) -> None:
    """A paused network keeps what it was given, and hands it on in the end."""
    loop = asyncio.get_running_loop()
    async with connected(proxy) as ends:
        proxy.set(Fault(latency_s=0.2))
        began = loop.time()
        assert await said(ends, b"late\n") == b"LATE\n"
        assert loop.time() - began >= 0.2
        proxy.set(Fault())
        proxy.pause()
        waiting = asyncio.create_task(said(ends, b"hangs\n"))
        done, _ = await asyncio.wait({waiting}, timeout=0.1)
        assert not done
        proxy.resume()
        assert await waiting == b"HANGS\n"
